# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ownership
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Node

OURS = "nodecycle: worker_init gpu exit 1"
OTHER = "nodecycle: rollout 7"
FOREIGN = "broken fan"


def node(state: str, reason: str) -> Node:
    base, *flags = state.split("+")
    given = {"reason": reason, "reason_user": "root", "reason_time": "2026-11-22T14:40:33"} if reason else {}
    return Node("n1", base, frozenset(flags), ("batch",), **given)


#: state, reason, what draining for "worker_init gpu exit 1" and what resuming "worker_init" does: change, foreign or nothing
COMBINATIONS = [
    ("IDLE", "", "change", ""),
    ("ALLOCATED", "", "change", ""),
    ("MIXED+PLANNED", "", "change", ""),
    # 24.11 keeps the reason after a resume: it says nothing of the present.
    ("IDLE", OURS, "change", ""),
    ("IDLE", FOREIGN, "change", ""),
    ("ALLOCATED", FOREIGN, "change", ""),
    ("IDLE+DRAIN", OURS, "", "change"),
    ("ALLOCATED+DRAIN", OURS, "", "change"),
    ("DOWN+DRAIN+NOT_RESPONDING", OURS, "", "change"),
    ("IDLE+DRAIN", OTHER, "change", ""),
    ("IDLE+DRAIN", FOREIGN, "foreign", "foreign"),
    ("MIXED+DRAIN+NOT_RESPONDING", FOREIGN, "foreign", "foreign"),
    ("IDLE+DRAIN", "", "foreign", "foreign"),
    ("IDLE+DRAIN", "Prolog error", "foreign", "foreign"),
    ("IDLE+DRAIN", f"see {OURS}", "foreign", "foreign"),
    # Down, and nobody drained it: not ours, whatever an old reason says.
    ("DOWN+NOT_RESPONDING", "Not responding", "foreign", ""),
    ("DOWN", OURS, "foreign", ""),
    ("DOWN", "", "foreign", ""),
    ("FUTURE", "", "foreign", ""),
    ("ERROR", FOREIGN, "foreign", ""),
    ("IDLE+FAIL", FOREIGN, "foreign", ""),
]


def verdict(plan: _ownership.Plan) -> str:
    assert not (plan.names and plan.foreign)
    return "change" if plan.names else "foreign" if plan.foreign else ""


@pytest.mark.parametrize(("state", "reason", "drained", "resumed"), COMBINATIONS)
def test_only_our_own_drains_are_touched(state: str, reason: str, drained: str, resumed: str) -> None:
    present = node(state, reason)
    assert verdict(_ownership.to_drain([present], "worker_init gpu exit 1")) == drained
    assert verdict(_ownership.to_resume([present], "worker_init")) == resumed


def test_no_reason_resumes_whatever_we_drained() -> None:
    assert _ownership.to_resume([node("IDLE+DRAIN", OTHER)], "").names == ["n1"]


def test_a_reason_drains_and_resumes_whatever_its_blanks() -> None:
    reason = "two  words\nand a line "
    assert _ownership.mark(reason) == "nodecycle: two words and a line"
    present = node("IDLE+DRAIN", _ownership.mark(reason))
    assert _ownership.to_drain([present], reason).names == []
    assert _ownership.to_resume([present], reason).names == ["n1"]


def test_foreign_nodes_come_with_their_reason() -> None:
    assert _ownership.to_drain([node("IDLE+DRAIN", FOREIGN)], "x").foreign == {
        "n1": "broken fan [root@2026-11-22T14:40:33]"
    }
    assert _ownership.to_drain([node("DOWN", "")], "x").foreign == {"n1": "(no reason given)"}


@pytest.mark.parametrize(
    ("state", "reason", "shown"),
    [
        ("IDLE", "", "IDLE"),
        ("IDLE", FOREIGN, "IDLE"),
        ("IDLE+DRAIN", FOREIGN, "IDLE+DRAIN, broken fan [root@2026-11-22T14:40:33]"),
        ("DOWN+NOT_RESPONDING+DRAIN", "", "DOWN+DRAIN+NOT_RESPONDING"),
        ("IDLE+FAIL", FOREIGN, "IDLE+FAIL, broken fan [root@2026-11-22T14:40:33]"),
    ],
)
def test_describe(state: str, reason: str, shown: str) -> None:
    assert _ownership.describe(node(state, reason)) == shown
