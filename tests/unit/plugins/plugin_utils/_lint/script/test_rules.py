# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every rule against scripts that must fire and near misses that must not (cases.yml)."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.model import Finding
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.catalogue import RULES
from lint_cases import CASES, EXAMPLES, Case, findings_in


def of(kind: str) -> list[t.Any]:
    """The cases of one kind."""
    return [pytest.param(case, id=case.name) for case in CASES if case.kind == kind]


def findings(case: Case) -> list[Finding]:
    """Those that decide about a case."""
    return case.counting(findings_in({case.name: (case, case.content)})[case.name])


@pytest.mark.parametrize("case", of("fires"))
def test_fires(case: Case) -> None:
    lines = [finding.line for finding in findings(case)]
    assert lines
    assert case.entry.get("line", lines[0]) in lines


@pytest.mark.parametrize("case", of("silent"))
def test_stays_silent(case: Case) -> None:
    assert findings(case) == []


def test_every_rule_has_two_cases_of_each_kind() -> None:
    assert set(EXAMPLES) == set(RULES)
    assert all(len(entries["fires"]) >= 2 and len(entries["silent"]) >= 2 for entries in EXAMPLES.values())
