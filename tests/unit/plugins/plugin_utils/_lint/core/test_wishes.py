# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The user's wishes about the rules."""

from __future__ import annotations

import pytest
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.conf.engine import check
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.conf.subject import Cluster
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.model import LintError
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.wishes import Wishes

FOUND = check("KilWait=3\nKillWait=x\n", Cluster(version="24.11"))


def test_the_findings_are_two() -> None:
    assert [(finding.rule, finding.severity) for finding in FOUND] == [
        ("unknown-key", "error"),
        ("invalid-value", "error"),
    ]


@pytest.mark.parametrize(
    "wishes",
    [
        Wishes.written(["unknown-key"], {}),
        Wishes.written([], {"unknown-key": "off"}),
        # YAML reads a bare off as false.
        Wishes.written([], {"unknown-key": False}),
    ],
)
def test_a_rule_is_switched_off(wishes: Wishes) -> None:
    wishes.require_known(["unknown-key"])
    assert [finding.rule for finding in wishes.applied(FOUND)] == ["invalid-value"]


def test_a_rule_has_another_severity() -> None:
    found = Wishes(severities={"unknown-key": "info"}).applied(FOUND)
    assert [finding.severity for finding in found] == ["info", "error"]


def test_a_part_speaks_of_some_rules_only() -> None:
    wishes = Wishes(frozenset({"a", "b"}), {"b": "off", "c": "info"})
    assert wishes.within({"b"}) == Wishes(frozenset({"b"}), {"b": "off"})


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        (Wishes(frozenset({"unknown-kee"})), "no lint rule 'unknown-kee' .did you mean 'unknown-key'?"),
        (Wishes(frozenset({"nonsense"})), "no lint rule 'nonsense'; the rules are unknown-key, other"),
        (Wishes(severities={"nonsense": "off"}), "no lint rule 'nonsense'"),
        (Wishes(severities={"other": "fatal"}), "'other' must be one of error, warning, info or off, not 'fatal'"),
    ],
)
def test_what_there_is_not_is_named(wishes: Wishes, said: str) -> None:
    with pytest.raises(LintError, match=said):
        wishes.require_known(["unknown-key", "other"])
