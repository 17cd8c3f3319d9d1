# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Findings as a text that an administrator likes to read."""

from __future__ import annotations

import dataclasses
import textwrap
import typing as t

from .model import SEVERITIES, Finding, at_or_above

_WIDTH = 110


@dataclasses.dataclass(frozen=True)
class Report:
    """The report of a run's findings: those that stop it and the milder ones, together."""

    findings: t.Sequence[Finding]
    #: The mildest severity that stops the run.
    threshold: str
    #: The mildest severity that is shown although it stops nothing.
    mildest: str = "warning"

    def _stops(self, finding: Finding) -> bool:
        return at_or_above(finding.severity, self.threshold)

    @property
    def stops(self) -> bool:
        """Whether the run must not go on."""
        return any(self._stops(finding) for finding in self.findings)

    @property
    def shown(self) -> list[Finding]:
        """The findings that the user sees."""
        return [
            finding for finding in self.findings if self._stops(finding) or at_or_above(finding.severity, self.mildest)
        ]

    @property
    def text(self) -> str:
        """The findings grouped by script, each rule explained once."""
        if not self.shown:
            return "No findings."
        lines: list[str] = []
        explained: set[str] = set()
        for title, group in _by_script(self.shown).items():
            lines.append(title)
            for finding in sorted(group, key=lambda f: (SEVERITIES.index(f.severity), f.line, f.column)):
                mark = " (stops the run)" if self._stops(finding) else ""
                lines.append(f"  line {finding.line}: {finding.severity}{mark}: {finding.message} [{finding.rule}]")
                # Both linters have a rule syntax-error; the page tells them apart.
                if finding.page not in explained:
                    explained.add(finding.page)
                    lines.extend(_explanation(finding))
            lines.append("")
        return "\n".join([*lines, self._summary()])

    def _summary(self) -> str:
        """The number of findings of each severity, and of those that stop the run."""
        counts = [(severity, sum(finding.severity == severity for finding in self.shown)) for severity in SEVERITIES]
        told = ", ".join(
            f"{count} {severity}{'s' if count != 1 and severity != 'info' else ''}"
            for severity, count in counts
            if count
        )
        stopping = sum(self._stops(finding) for finding in self.shown)
        if not stopping:
            return f"{told}."
        return f"{told}: {stopping} {'stops' if stopping == 1 else 'stop'} the run."


def as_lines(findings: t.Iterable[Finding]) -> t.Iterator[str]:
    """A line for each finding, as compilers write them and editors read them, with each rule explained once."""
    explained: set[str] = set()
    for finding in findings:
        place = f"{finding.file}:{finding.line}:{finding.column}"
        yield f"{place}: {finding.severity}: {finding.message} [{finding.rule}]"
        if finding.page not in explained:
            explained.add(finding.page)
            yield from _explanation(finding)


def _explanation(finding: Finding) -> t.Iterator[str]:
    """The text that is the same for every finding of a rule. A note needs its page only."""
    if finding.severity != "info":
        yield from _wrapped("why: ", finding.why)
        yield from _wrapped("fix: ", finding.fix)
    yield f"    see: {finding.page}"


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
