# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal import (
    LOCK_STALE,
    Journal,
    JournalError,
    LockHeldError,
)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(tmp_path: pathlib.Path, clock: Clock) -> Journal:
    return Journal(str(tmp_path / "rollout"), clock)


def holder(run: str) -> dict[str, t.Any]:
    return {"run": run, "user": "ada", "host": "control", "pid": 7, "machine": "m", "started": "1"}


def rollout(name: str = "a", **hosts: t.Any) -> dict[str, t.Any]:
    entries = {
        host: {"node": host, "kinds": ["worker"], "from": before, "to": "new", "conf": None}
        for host, before in hosts.items()
    }
    return {
        "name": name,
        "hosts": entries,
        "nodes": {"w1": {"state": "IDLE"}},
        "phase": "opened",
        "conf": {"text": "x", "adopt": []},
        "controllers": ["c"],
        "slurm_user": "slurm",
    }


def test_a_second_run_is_refused_and_told_who_is_there(journal: Journal, clock: Clock) -> None:
    journal.lock(holder("first"), is_dead=False)
    clock.now += 42
    with pytest.raises(
        LockHeldError, match=r"ada@control, process 7, since 1970-01-01 00:16:40 UTC, last seen 42 seconds ago"
    ):
        journal.lock(holder("second"), is_dead=False)


def test_the_same_run_shows_signs_of_life(journal: Journal, clock: Clock) -> None:
    journal.lock(holder("first"), is_dead=False)
    clock.now += LOCK_STALE - 1
    journal.lock(holder("first"), is_dead=False)
    clock.now += LOCK_STALE - 1
    with pytest.raises(LockHeldError, match="since 1970-01-01 00:16:40"):
        journal.lock(holder("second"), is_dead=False)


@pytest.mark.parametrize(("later", "is_dead"), [(1, True), (LOCK_STALE, False)])
def test_a_dead_run_loses_its_lock(journal: Journal, clock: Clock, later: int, is_dead: bool) -> None:
    journal.lock(holder("first"), is_dead=False)
    clock.now += later
    journal.lock(holder("second"), is_dead=is_dead)
    present = journal.holder()
    assert present is not None
    assert present["run"] == "second"


def test_what_a_killed_run_left_running_says_nothing_of_the_rollout_of_another(journal: Journal) -> None:
    journal.lock(holder("first"), is_dead=False)
    journal.require_holder(holder("first"))
    journal.lock(holder("second"), is_dead=True)
    with pytest.raises(JournalError, match="another one has taken over"):
        journal.require_holder(holder("first"))
    journal.unlock()
    with pytest.raises(JournalError, match="another one has taken over"):
        journal.require_holder(holder("first"))


def test_what_a_killed_run_left_running_finds_no_rollout_where_it_has_ended(journal: Journal) -> None:
    with pytest.raises(JournalError, match="no rollout is under way"):
        journal.require_rollout()
    opened = journal.open(rollout("a", w1="good"))
    assert journal.require_rollout() == opened


def test_what_was_before_a_killed_run_stays_what_was_before(journal: Journal, clock: Clock) -> None:
    journal.open(rollout("a", w1="good", w2="good"))
    journal.note(activating=["w1"], passed=True)
    clock.now += 100
    second = rollout("a", w1="new", w3="good")
    second["nodes"] = {"w1": {"state": "IDLE+DRAIN"}, "w3": {"state": "IDLE"}}
    again = journal.open(second)
    assert {host: entry["from"] for host, entry in again["hosts"].items()} == {"w1": "good", "w2": "good", "w3": "good"}
    assert again["nodes"] == {"w1": {"state": "IDLE"}, "w3": {"state": "IDLE"}}
    assert (again["activated"], again["passed"], again["opened"]) == ({"w1": 1000}, True, 1000)


@pytest.mark.parametrize(("name", "phase"), [("b", "batches"), ("a", "undo")])
def test_another_release_or_one_to_be_undone_has_to_pass_anew(journal: Journal, name: str, phase: str) -> None:
    journal.open(rollout("a", w1="good"))
    journal.note(passed=True, phase=phase, failed={"w1": "why"})
    again = journal.open(rollout(name, w1="new"))
    assert (again["passed"], again["failed"], again["hosts"]["w1"]["from"]) == (False, {}, "good")


def test_the_first_activation_of_a_host_counts(journal: Journal, clock: Clock) -> None:
    journal.open(rollout("a", w1="good"))
    journal.note(activating=["w1"])
    clock.now += 100
    assert journal.note(activating=["w1", "w2"])["activated"] == {"w1": 1000, "w2": 1100}


def test_a_commit_is_remembered_and_the_journal_gone(journal: Journal) -> None:
    journal.open(rollout("a", w1="good"))
    journal.close(is_committed=True)
    assert journal.current() is None
    first = journal.committed()[0]
    assert (first["name"], first["hosts"], first["committed"]) == ("a", {"w1": "new"}, 1000)
    journal.open(rollout("b", w2="good"))
    journal.close(is_committed=True)
    newest, older = journal.committed()
    assert (newest["name"], newest["hosts"]) == ("b", {"w1": "new", "w2": "new"})
    assert "nodes" in newest
    assert "nodes" not in older


def test_an_undone_rollout_is_not_remembered(journal: Journal) -> None:
    journal.open(rollout("a", w1="good"))
    journal.close(is_committed=False)
    assert (journal.current(), journal.committed()) == (None, [])


def test_a_rollback_is_an_undo_that_is_remembered(journal: Journal) -> None:
    journal.open(
        {**rollout("b", w1="good"), "commit": {"name": "a", "hosts": {"w1": "good"}, "about": {}, "conf": {"text": ""}}}
    )
    journal.close(is_committed=False)
    assert journal.committed()[0]["name"] == "a"


def test_a_host_that_was_withdrawn_is_forgotten(journal: Journal) -> None:
    journal.open(rollout("a", w1="good", w2="good"))
    journal.close(is_committed=True, withdrawn=["w2"])
    assert list(journal.committed()[0]["hosts"]) == ["w1"]


def test_an_emptied_definition_leaves_nothing(journal: Journal) -> None:
    journal.open({**rollout("a", w1="good"), "conf": {"text": "", "adopt": []}})
    journal.close(is_committed=True, withdrawn=["w1"])
    assert not pathlib.Path(journal.directory).exists()


def test_a_journal_that_somebody_edited_is_not_guessed_at(journal: Journal) -> None:
    journal.open(rollout("a", w1="good"))
    pathlib.Path(journal.directory, "journal.json").write_text("{")
    with pytest.raises(JournalError, match="is no JSON"):
        journal.current()


def test_nothing_is_noted_without_a_rollout(journal: Journal) -> None:
    with pytest.raises(JournalError, match="no rollout is under way"):
        journal.note(phase="conf")
