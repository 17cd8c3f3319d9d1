# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples of every rule (cases.yml), and what the linter has to say of each."""

from __future__ import annotations

import collections
import dataclasses
import pathlib
import typing as t

import yaml
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.model import Finding
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script import engine
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.model import DISPATCHER_PATH, Options, Script

#: Rules that only note something: for their near misses not even a note is right.
NOTES = {"unknown-language", "init-without-errexit"}

EXAMPLES: dict[str, dict[str, t.Any]] = yaml.safe_load(
    pathlib.Path(__file__).with_name("cases.yml").read_text(encoding="utf-8")
)


@dataclasses.dataclass(frozen=True)
class Case:
    """A script, and whether a rule must fire on it."""

    rule: str
    kind: t.Literal["fires", "silent"]
    number: int
    entry: t.Mapping[str, t.Any] = dataclasses.field(repr=False)

    @property
    def name(self) -> str:
        """Its place in cases.yml."""
        return f"{self.rule}-{self.kind}-{self.number}"

    @property
    def content(self) -> bytes:
        """The script."""
        text: bytes = self.entry["script"].encode() * self.entry.get("repeat", 1)
        return text if self.entry.get("raw") else b"#!/bin/bash\n" + text

    @property
    def options(self) -> Options:
        """The settings to lint it with."""
        path = EXAMPLES[self.rule].get("path", DISPATCHER_PATH)
        return Options(slurm_version=self.entry.get("slurm_version"), path=path)

    def script(self, content: bytes, name: str = "case") -> Script:
        """A text as the hook of this case would run it."""
        return Script(self.entry["hook"], name, content, timeout=self.entry.get("timeout"))

    def counting(self, findings: t.Iterable[Finding]) -> list[Finding]:
        """The findings of the rule that decide about this case."""
        if "severity" in self.entry:
            severities: tuple[str, ...] = (self.entry["severity"],)
        elif self.kind == "silent" and self.rule in NOTES:
            severities = ("error", "warning", "info")
        else:
            severities = ("error", "warning")
        return [f for f in findings if f.rule == self.rule and f.severity in severities]

    def is_met(self, findings: t.Iterable[Finding]) -> bool:
        """Whether the linter says what it has to."""
        return bool(self.counting(findings)) == (self.kind == "fires")


CASES = [
    Case(rule, kind, number, entry)
    for rule, entries in EXAMPLES.items()
    for kind in t.get_args(t.Literal["fires", "silent"])
    for number, entry in enumerate(entries[kind])
]

#: Those to be written anew. Where ShellCheck has to agree, its eyes would be tried and not ours.
OWN_CASES = [case for case in CASES if case.rule != "shellcheck"]


def findings_in(texts: t.Mapping[str, tuple[Case, bytes]]) -> dict[str, list[Finding]]:
    """The findings in texts by their names, each linted as its case is."""
    groups: dict[tuple[str | None, str | None], list[Script]] = collections.defaultdict(list)
    for name, (case, text) in texts.items():
        groups[case.options.path, case.options.slurm_version].append(case.script(text, name))
    found: dict[str, list[Finding]] = {name: [] for name in texts}
    for (path, version), scripts in groups.items():
        for finding in engine.lint(scripts, options=Options(path=path, slurm_version=version), cache_path=None):
            found[finding.script].append(finding)
    return found
