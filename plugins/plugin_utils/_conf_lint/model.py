# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What comes out of the checker. The shape is the script linter's (_script_lint/model.py), field by field."""

from __future__ import annotations

import dataclasses
import typing as t

Severity = t.Literal["error", "warning", "info"]

#: From the worst to the mildest.
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


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


@dataclasses.dataclass(frozen=True)
class Finding:
    """A hit with what the user needs to understand and mend it."""

    rule: str
    severity: Severity
    #: The key of slurm.conf that the finding is about; of a script it is the hook.
    hook: str
    #: The variable or file.
    script: str
    origin: str
    line: int
    column: int
    message: str
    why: str
    fix: str
    host: str | None = None

    def as_dict(self) -> dict[str, t.Any]:
        """The finding as plain data, for a module's result."""
        return dataclasses.asdict(self)
