# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The user's wishes about the rules: which to switch off, and which to give another severity."""

from __future__ import annotations

import dataclasses
import difflib
import typing as t

from .model import SEVERITIES, Finding, LintError, Severity


@dataclasses.dataclass(frozen=True)
class Wishes:
    """The user's own severities, by rule; "off" switches a rule off."""

    disabled: frozenset[str] = frozenset()
    severities: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def written(cls, disabled: t.Iterable[str], severities: t.Mapping[str, t.Any]) -> Wishes:
        """As a user writes them: YAML reads a bare off as false."""
        named = {rule: "off" if severity is False else str(severity) for rule, severity in severities.items()}
        return cls(frozenset(disabled), named)

    def within(self, rules: t.Container[str]) -> Wishes:
        """The part that speaks of these rules."""
        return Wishes(
            frozenset(rule for rule in self.disabled if rule in rules),
            {rule: severity for rule, severity in self.severities.items() if rule in rules},
        )

    def require_known(self, rules: t.Collection[str]) -> None:
        """Raise LintError where a rule or a severity is named that there is not."""
        for rule in (*sorted(self.disabled), *self.severities):
            if rule not in rules:
                close = difflib.get_close_matches(rule, rules, n=1, cutoff=0.6)
                hint = f" (did you mean {close[0]!r}?)" if close else f"; the rules are {', '.join(rules)}"
                raise LintError(f"There is no lint rule {rule!r}{hint}")
        for rule, severity in self.severities.items():
            if severity not in (*SEVERITIES, "off"):
                raise LintError(
                    f"The severity of rule {rule!r} must be one of {', '.join(SEVERITIES)} or off, not {severity!r}"
                )

    def applied(self, findings: t.Iterable[Finding]) -> list[Finding]:
        """The findings that stay, with the severities that the user wants."""
        return [
            dataclasses.replace(finding, severity=t.cast(Severity, self.severities.get(finding.rule, finding.severity)))
            for finding in findings
            if finding.rule not in self.disabled and self.severities.get(finding.rule) != "off"
        ]
