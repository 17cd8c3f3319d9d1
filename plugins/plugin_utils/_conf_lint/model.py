# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""What comes out of the checker: the script linter's findings, and what is known before a rule is looked up."""

from __future__ import annotations

import dataclasses

from ansible_collections.nodecycle.slurm.plugins.plugin_utils._script_lint.model import SEVERITIES, Finding, Severity

__all__ = ["SEVERITIES", "Finding", "Hit", "Severity"]


@dataclasses.dataclass(frozen=True)
class Hit:
    """A rule fired at a place."""

    rule: str
    line: int
    column: int
    message: str
    #: Only where it differs from the rule's own severity.
    severity: Severity | None = None
    #: Only where it is more to the point than the rule's own remedy.
    fix: str = ""
    #: The key that it is about, as the user wrote it.
    key: str = ""
