# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every rule against scripts that must fire and near misses that must not (cases.yml)."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.model import Finding
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script import engine
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.catalogue import RULES
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.model import DISPATCHER_PATH, Options, Script

CASES: dict[str, dict[str, t.Any]] = yaml.safe_load(
    pathlib.Path(__file__).with_name("cases.yml").read_text(encoding="utf-8")
)


def of(kind: str) -> list[t.Any]:
    """The cases of one kind, each with a name that tells its place."""
    return [
        pytest.param(rule, entry, id=f"{rule}-{number}")
        for rule, entries in CASES.items()
        for number, entry in enumerate(entries[kind])
    ]


def findings(rule: str, entry: dict[str, t.Any]) -> list[Finding]:
    """The linter's findings of one rule in a case."""
    text = entry["script"] * entry.get("repeat", 1)
    content = text.encode() if entry.get("raw") else b"#!/bin/bash\n" + text.encode()
    options = Options(slurm_version=entry.get("slurm_version"), path=CASES[rule].get("path", DISPATCHER_PATH))
    script = Script(entry["hook"], "case", content, timeout=entry.get("timeout"))
    return [finding for finding in engine.lint([script], options=options, cache_path=None) if finding.rule == rule]


#: Rules that only note something: for their near misses not even a note is right.
NOTES = {"unknown-language", "init-without-errexit"}


@pytest.mark.parametrize(("rule", "entry"), of("fires"))
def test_fires(rule: str, entry: dict[str, t.Any]) -> None:
    wanted = (entry["severity"],) if "severity" in entry else ("error", "warning")
    lines = [finding.line for finding in findings(rule, entry) if finding.severity in wanted]
    assert lines
    assert entry.get("line", lines[0]) in lines


@pytest.mark.parametrize(("rule", "entry"), of("silent"))
def test_stays_silent(rule: str, entry: dict[str, t.Any]) -> None:
    assert [f for f in findings(rule, entry) if f.severity != "info" or rule in NOTES] == []


def test_every_rule_has_two_cases_of_each_kind() -> None:
    assert set(CASES) == set(RULES)
    assert all(len(entries["fires"]) >= 2 and len(entries["silent"]) >= 2 for entries in CASES.values())
