# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Findings as a text that an administrator likes to read."""

from __future__ import annotations

import textwrap
import typing as t

from .model import SEVERITIES, Finding

_WIDTH = 110


def render(findings: t.Sequence[Finding]) -> str:
    """All findings, grouped by script, the reasons and remedies of each rule said once."""
    if not findings:
        return "No findings."
    lines: list[str] = []
    explained: set[str] = set()
    for title, group in _by_script(findings).items():
        lines.append(title)
        for finding in sorted(group, key=lambda f: (SEVERITIES.index(f.severity), f.line, f.column)):
            lines.append(f"  line {finding.line}: {finding.severity}: {finding.message} [{finding.rule}]")
            if finding.rule not in explained and finding.severity != "info":
                explained.add(finding.rule)
                lines.extend(_wrapped("why: ", finding.why))
                lines.extend(_wrapped("fix: ", finding.fix))
        lines.append("")
    lines.append(summary(findings) + " docs/rules explains each rule.")
    return "\n".join(lines)


def summary(findings: t.Sequence[Finding]) -> str:
    """How many of which severity."""
    counts = [(severity, sum(finding.severity == severity for finding in findings)) for severity in SEVERITIES]
    return (
        ", ".join(
            f"{count} {severity}{'s' if count != 1 and severity != 'info' else ''}"
            for severity, count in counts
            if count
        )
        + "."
    )


def _by_script(findings: t.Iterable[Finding]) -> dict[str, list[Finding]]:
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        title = f"{finding.hook}: {finding.script}"
        if finding.origin and finding.origin != finding.script:
            title += f" - {finding.origin}"
        if finding.host:
            title += f", as rendered for {finding.host}"
        groups.setdefault(title, []).append(finding)
    return groups


def _wrapped(label: str, text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="    " + label, subsequent_indent="    " + " " * len(label))
