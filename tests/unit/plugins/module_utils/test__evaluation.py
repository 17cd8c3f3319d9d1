# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a rollout may go on. Slurm's answers are given; the journal is a real one."""

from __future__ import annotations

import pathlib
import time
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _evaluation, _ownership
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal import Journal
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Node, SlurmError

ACTIVATED = 1000
DRAINED = {"reason": "Prolog error", "reason_user": "slurm", "reason_time": "2026-11-22T14:40:33"}


def node(name: str, *flags: str, **reason: str) -> Node:
    return Node(name, "IDLE", frozenset(flags), ("batch",), **reason)


class Answers:
    """Slurm with a list of answers. The last one repeats."""

    def __init__(self, *looks: list[Node] | SlurmError) -> None:
        self.looks = list(looks)

    def nodes(self) -> dict[str, Node]:
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, SlurmError):
            raise look
        return {each.name: each for each in look}


@pytest.fixture
def journal(tmp_path: pathlib.Path) -> Journal:
    made = Journal(str(tmp_path / "rollout"), lambda: ACTIVATED)
    hosts = {
        host: {"node": host, "kinds": [kind], "from": "", "to": "", "conf": None}
        for host, kind in (("w1", "worker"), ("w2", "worker"), ("c", "controller"))
    }
    made.open(
        {
            "name": "a",
            "hosts": hosts,
            "nodes": {name: _ownership.facts(node(name), "slurm") for name in ("w1", "w2")},
            "phase": "opened",
            "conf": {"text": "", "adopt": []},
            "controllers": ["c"],
            "slurm_user": "slurm",
        }
    )
    made.note(activating=["w1"])
    return made


def watch(
    journal: Journal, *looks: list[Node] | SlurmError, given: t.Mapping[str, str] | None = None, **limits: int
) -> tuple[dict[str, str], bool]:
    slurm = t.cast("t.Any", Answers(*looks))
    return _evaluation._watch(journal, slurm, given or {}, limits.get("seconds", 0), limits.get("tolerated", 0))


def test_nothing_has_failed(journal: Journal) -> None:
    assert watch(journal, [node("w1"), node("w2")]) == ({}, True)


@pytest.mark.parametrize(("tolerated", "go"), [(0, False), (1, True)])
def test_a_node_that_slurm_drains_for_a_script_counts_where_the_release_is_active(
    journal: Journal, tolerated: int, go: bool
) -> None:
    failed, goes_on = watch(
        journal, [node("w1", "DRAIN", **DRAINED), node("w2", "DRAIN", **DRAINED)], tolerated=tolerated
    )
    assert list(failed) == ["w1"]
    assert failed["w1"].startswith("Prolog error")
    assert goes_on == go


@pytest.mark.parametrize(("host", "go"), [("w2", True), ("c", False), (_evaluation.CONTROLLER, False)])
def test_what_fails_on_a_controller_is_never_tolerated(journal: Journal, host: str, go: bool) -> None:
    assert watch(journal, [node("w1"), node("w2")], given={host: "why"}, tolerated=5) == ({host: "why"}, go)


def test_what_failed_in_an_earlier_step_still_counts(journal: Journal) -> None:
    journal.note(failed={"w2": "earlier"})
    assert watch(journal, [node("w1"), node("w2")], tolerated=1) == ({"w2": "earlier"}, True)
    assert watch(journal, [node("w1"), node("w2")], given={"w1": "now"}, tolerated=1)[1] is False


def test_a_controller_that_does_not_answer_ends_the_rollout(journal: Journal) -> None:
    assert watch(journal, SlurmError("no answer"), seconds=60, tolerated=5) == (
        {_evaluation.CONTROLLER: "no answer"},
        False,
    )


def test_a_watch_ends_as_soon_as_too_much_has_failed(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_evaluation, "LOOK_EVERY", 0.01)
    began = time.monotonic()
    good, bad = [node("w1")], [node("w1", "DRAIN", **DRAINED)]
    failed, go = watch(journal, good, good, bad, seconds=60)
    assert (list(failed), go) == (["w1"], False)
    assert time.monotonic() - began < 30
