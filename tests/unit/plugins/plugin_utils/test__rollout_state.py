# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of each play during a run."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import state

UNDO = {"steps": {"w1": ["activate", "prove"], "c": ["conf"]}}


def plan(**changes: t.Any) -> dict[str, t.Any]:
    return {
        "lead": ["c"],
        "empty": [],
        "conf": [],
        "prove": [],
        "canary": [],
        "batches": [],
        "deliver": [],
        "deliver_canary": [],
        "remove": [],
        "rollout": {"hosts": {"w1": {"node": "n1"}, "w2": {"node": "n2"}}},
        **changes,
    }


def checked(*present: str, interrupted: str = "") -> state.Run:
    return state.checked(present or ("c", "w1", "w2"), ["c"], interrupted, UNDO, 0)


def test_without_anything_to_do_only_the_end_has_a_host() -> None:
    run = state.planned(checked(), plan(lead=[]))
    assert run["hosts"] == {"finish": ["c"]}


def test_what_is_to_be_removed_alone_needs_no_rollout() -> None:
    run = state.planned(checked(), plan(lead=[], remove=["w2"]))
    assert run["hosts"] == {"finish": ["c", "w2"]}
    assert run["steps"] == {"w2": ["remove"]}


def test_each_phase_has_its_hosts() -> None:
    run = state.planned(
        checked(), plan(conf=["c"], prove=["c", "w1"], canary=["w1"], batches=["w1", "w2"], remove=["w9"])
    )
    assert run["hosts"] == {
        "prepare": ["c", "w1"],
        "canary": ["w1"],
        "activate": ["w1", "w2"],
        "deliver": [],
        "commit": ["c"],
        "finish": ["c", "w9"],
    }
    assert run["steps"] == {"c": ["conf", "prove"], "w1": ["prove"], "w9": ["remove"]}


def test_where_the_first_controller_is_left_out_another_host_opens_the_journal() -> None:
    """With --limit."""
    run = state.planned(checked("w1"), plan(batches=["w1"]))
    assert (run["hosts"]["prepare"], run["hosts"]["commit"]) == (["w1"], ["w1"])


def test_after_a_failure_only_the_undo_and_the_end_have_hosts() -> None:
    run = state.planned(checked(), plan(canary=["w1"], batches=["w1", "w2"]))
    run = state.evaluated(run, go=False, failed={"w1": "no"}, undo=UNDO)
    # The controllers' slurm.conf changes last.
    assert run["hosts"] == {"undo": ["w1", "c"], "finish": ["c"]}
    assert (run["go"], run["steps"], run["number"]) == (False, UNDO["steps"], 2)


@pytest.mark.parametrize("name", ["w1", "n1"])
def test_a_tolerated_failure_is_explained_at_the_commit(name: str) -> None:
    """A step fails on a host, and Slurm drains a node, which may have another name."""
    run = state.planned(checked(), plan(batches=["w1", "w2"]))
    run = state.evaluated(run, go=True, failed={name: "no"}, undo={})
    assert run["hosts"]["commit"] == ["c", "w1"]
    assert (run["tolerated"], run["steps"]["w1"]) == (["w1"], ["failed"])
    # A second time nothing doubles.
    assert state.evaluated(run, go=True, failed={name: "no"}, undo={})["steps"]["w1"] == ["failed"]


def test_an_interrupted_rollout_is_undone_by_all_hosts_of_the_run() -> None:
    run = checked(interrupted="undo")
    assert run["hosts"] == {"undo_interrupted": ["c", "w1", "w2"]}
    assert run["steps"] == UNDO["steps"]
    assert checked(interrupted="finish")["hosts"] == {}
