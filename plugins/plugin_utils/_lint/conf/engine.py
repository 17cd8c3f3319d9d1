# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Check lines of slurm.conf key by key. Pure: no files, no network, no Slurm."""

from __future__ import annotations

from ..core.model import SEVERITIES, Finding, Source, Written
from .catalogue import RULES
from .checks import changes, combinations, keys, lines, nodes, partitions, plugins, values
from .subject import Cluster, Subject

#: What stands in a finding where the linter of scripts has the hook.
FILE = "slurm.conf"

_CHECKS = tuple(
    check
    for module in (lines, keys, values, plugins, changes, nodes, partitions, combinations)
    for check in module.CHECKS
)


def check(
    extra: str, cluster: Cluster, *, origin: str = "slurm_extra_conf", written: Written | None = None
) -> list[Finding]:
    """The faults of the user's lines, which will follow those of the cluster's slurm.conf.

    origin is the variable that the text comes from.
    """
    return _findings(Subject.of_lines(extra, cluster), Source(FILE, origin, origin, written=written))


def check_file(text: str, *, version: str | None = None, origin: str = "slurm.conf", path: str = "") -> list[Finding]:
    """The faults of a whole slurm.conf. A template (Jinja, ERB, EPP, Go) is checked as far as possible without its values."""
    written = Written.of(path, text, text) if path else None
    return _findings(Subject.of_file(text, version), Source(FILE, path or origin, origin, written=written))


def _findings(subject: Subject, source: Source) -> list[Finding]:
    found = [RULES[hit.rule].finding(hit, source) for run in _CHECKS for hit in run(subject)]
    return sorted(
        found, key=lambda finding: (finding.line, finding.column, SEVERITIES.index(finding.severity), finding.rule)
    )
