# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _files
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal import (
    Boot,
    Journal,
    JournalError,
    LockHeldError,
    MisfitError,
    UnreadableError,
    UnreadableLockError,
    without_baseline,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal_documents import NO_BASELINE, Baseline

pytestmark = pytest.mark.usefixtures("ownership")

#: What the guide says: a lock of a run that nobody can look at is taken after an hour, and 128 kB are kept for a full disk.
HOUR = 3600
ROOM = 128 * 1024


class Clock:
    """The time of day, and the seconds since the boot; both go on with pass_."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.boot = Boot("this boot", 50.0)

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        self.boot = Boot(self.boot.name, self.boot.seconds + seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(tmp_path: pathlib.Path, clock: Clock) -> Journal:
    return Journal(str(tmp_path / "rollout"), clock, lambda: clock.boot)


def holder(run: str) -> dict[str, t.Any]:
    return {"run": run, "user": "ada", "host": "control", "pid": 7, "machine": "m", "started": "1"}


def idle(**more: t.Any) -> dict[str, t.Any]:
    said = dict.fromkeys(("reason", "reason_user", "reason_time", "owner"), "")
    return {**said, "state": "IDLE", "flags": [], "partitions": ["batch"], **more}


def rollout(name: str = "a", **hosts: t.Any) -> dict[str, t.Any]:
    entries = {
        host: {"node": host, "kinds": ["worker"], "from": before, "to": "new", "conf": None}
        for host, before in hosts.items()
    }
    return {
        "name": name,
        "hosts": entries,
        "nodes": {"w1": idle()},
        "phase": "opened",
        "conf": {"text": "x", "adopt": []},
        "controllers": ["c"],
        "slurm_user": "slurm",
    }


def back_to(name: str, **hosts: str) -> dict[str, t.Any]:
    about = {host: {"node": host, "kinds": ["worker"]} for host in hosts}
    return {"name": name, "hosts": hosts, "about": about, "conf": {"text": "x", "adopt": []}, "controllers": ["c"]}


def test_a_second_run_is_refused_and_told_who_is_there(journal: Journal, clock: Clock) -> None:
    journal.lock(holder("first"))
    clock.pass_(42)
    with pytest.raises(
        LockHeldError, match=r"ada@control, process 7, since 1970-01-01 00:16:40 UTC, last seen 42 seconds ago"
    ):
        journal.lock(holder("second"))


def test_the_same_run_shows_signs_of_life(journal: Journal, clock: Clock) -> None:
    journal.lock(holder("first"))
    clock.pass_(HOUR - 1)
    journal.lock(holder("first"))
    clock.pass_(HOUR - 1)
    with pytest.raises(LockHeldError, match="since 1970-01-01 00:16:40"):
        journal.lock(holder("second"), "first")


@pytest.mark.parametrize(("later", "is_known"), [(1, True), (HOUR, False)])
def test_a_dead_run_loses_its_lock(journal: Journal, clock: Clock, later: int, is_known: bool) -> None:
    journal.lock(holder("first"))
    clock.pass_(later)
    journal.lock(holder("second"), "first", is_known)
    present = journal.holder()
    assert present is not None
    assert present["run"] == "second"


def test_what_a_killed_run_left_running_says_nothing_of_the_rollout_of_another(journal: Journal) -> None:
    journal.lock(holder("first"))
    journal.require_holder(holder("first"))
    journal.lock(holder("second"), "first", is_known=True)
    with pytest.raises(JournalError, match="another one has taken it"):
        journal.require_holder(holder("first"))
    journal.unlock()
    with pytest.raises(JournalError, match="another one has taken it"):
        journal.require_holder(holder("first"))


def test_what_a_killed_run_left_running_finds_no_rollout_where_it_has_ended(journal: Journal) -> None:
    with pytest.raises(JournalError, match="no rollout is under way"):
        journal.require_rollout()
    opened = journal.open(rollout("a", w1="good"))
    assert journal.require_rollout() == {**opened, "format": 1}


def test_the_state_before_a_killed_run_stays_the_previous_state(journal: Journal, clock: Clock) -> None:
    journal.open(rollout("a", w1="good", w2="good"))
    journal.note(activating=["w1"], passed=True)
    clock.pass_(100)
    second = rollout("a", w1="new", w3="good")
    second["nodes"] = {"w1": idle(flags=["DRAIN"]), "w3": idle()}
    again = journal.open(second)
    assert {host: entry["from"] for host, entry in again["hosts"].items()} == {"w1": "good", "w2": "good", "w3": "good"}
    assert again["nodes"] == {"w1": idle(), "w3": idle()}
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
    clock.pass_(100)
    assert journal.note(activating=["w1", "w2"])["activated"] == {"w1": 1000, "w2": 1100}


def baseline(began: float, jobs: int = 1) -> Baseline:
    return {**NO_BASELINE, "time": began, "jobs": [str(number) for number in range(jobs)]}


def test_only_the_reader_of_a_baseline_replaces_it(journal: Journal) -> None:
    """What a killed run has left running may end when another rollout is under way."""
    journal.replace_baseline(baseline(1), None)
    journal.open(rollout("a", w1="good"))
    journal.note(phase="conf", conf_changed=True, baseline=baseline(1))
    begun: Baseline = {**baseline(1), "begun": True}
    journal.replace_baseline(baseline(2), None)
    journal.replace_baseline(baseline(1), begun)
    assert journal.require_rollout()["baseline"] == begun
    journal.open(rollout("a", w1="new"))
    assert journal.require_rollout()["baseline"] == begun
    journal.replace_baseline(begun, None)
    assert "baseline" not in journal.require_rollout()
    assert journal.require_rollout()["conf_changed"]


def test_a_baseline_is_removed_also_if_the_disk_was_full_when_it_changed(journal: Journal) -> None:
    journal.open(rollout("a", w1="good"))
    journal.note(phase="conf", conf_changed=True, baseline=baseline(1))
    journal.replace_baseline({**baseline(1), "begun": True}, None)
    assert "baseline" not in journal.require_rollout()


def test_a_baseline_has_room_in_the_reserve_and_stays_on_the_controller(journal: Journal) -> None:
    journal.open(rollout("a", w1="good"))
    before = reserve(journal)
    noted = journal.note(conf_changed=True, baseline=baseline(1, jobs=10_000))
    assert reserve(journal) - before > 4 * 10_000 * len('"9999", ') * 0.9
    assert without_baseline(noted) == {key: value for key, value in noted.items() if key != "baseline"}
    assert without_baseline(None) is None


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
    journal.open({**rollout("b", w1="good"), "commit": back_to("a", w1="good")})
    journal.close(is_committed=False)
    assert journal.committed()[0]["name"] == "a"


def test_a_host_that_was_removed_is_forgotten(journal: Journal) -> None:
    journal.open(rollout("a", w1="good", w2="good"))
    journal.close(is_committed=True, removed=["w2"])
    assert list(journal.committed()[0]["hosts"]) == ["w1"]


def test_an_emptied_definition_leaves_nothing(journal: Journal) -> None:
    journal.open({**rollout("a", w1="good"), "conf": {"text": "", "adopt": []}})
    journal.close(is_committed=True, removed=["w1"])
    assert not pathlib.Path(journal.directory).exists()


def test_a_journal_that_somebody_edited_is_not_guessed_at(journal: Journal) -> None:
    journal.open(rollout("a", w1="good"))
    pathlib.Path(journal.directory, "journal.json").write_text("{")
    with pytest.raises(
        UnreadableError,
        match=r"journal.json is not a document of this collection: it is not valid JSON .*fix it, or move it",
    ):
        journal.current()


def test_nothing_is_noted_without_a_rollout(journal: Journal) -> None:
    with pytest.raises(JournalError, match="no rollout is under way"):
        journal.note(phase="conf")


# --- the lock


def test_age_alone_takes_no_lock(journal: Journal, clock: Clock) -> None:
    """Only a caller that has looked for its process may say which run loses it."""
    journal.lock(holder("first"))
    clock.pass_(10 * HOUR)
    for instead_of in ("", "another"):
        with pytest.raises(LockHeldError):
            journal.lock(holder("second"), instead_of, is_known=True)
    clock.pass_(1)
    # A sign of life after the check.
    journal.lock(holder("first"))
    with pytest.raises(LockHeldError):
        journal.lock(holder("second"), "first")


@pytest.mark.parametrize("jump", [-(10**9), -HOUR, HOUR, 10**9])
def test_a_clock_that_is_set_makes_no_lock_older_or_younger(journal: Journal, clock: Clock, jump: int) -> None:
    journal.lock(holder("first"))
    clock.pass_(10)
    clock.now += jump
    with pytest.raises(LockHeldError, match="last seen 10 seconds ago"):
        journal.lock(holder("second"), "first")
    clock.pass_(HOUR)
    journal.lock(holder("second"), "first")


def test_a_lock_from_before_a_restart_of_the_controller_is_at_least_as_old_as_that(
    journal: Journal, clock: Clock
) -> None:
    clock.boot = Boot("this boot", 10.0**6)
    journal.lock(holder("first"))
    clock.boot = Boot("the next boot", 20.0)
    with pytest.raises(LockHeldError, match="last seen 20 seconds ago"):
        journal.lock(holder("second"), "first")
    clock.pass_(HOUR)
    journal.lock(holder("second"), "first")


def test_a_lock_that_nobody_can_read_is_taken_on_demand_only(journal: Journal) -> None:
    journal.lock(holder("first"))
    pathlib.Path(journal.directory, "lock.json").write_text('{"run": 5}')
    with pytest.raises(UnreadableLockError, match="slurm_take_lock=true"):
        journal.lock(holder("second"), "first", is_known=True)
    journal.lock(holder("second"), "*", is_known=True)
    assert (journal.holder() or {})["run"] == "second"


def test_what_the_action_plugin_claims_is_not_written_down(journal: Journal) -> None:
    journal.lock({**holder("first"), "instead_of": "x", "is_known": True})
    assert (journal.holder() or {}).keys() == {*holder("first"), "format", "since", "seen", "boot", "age"}


# --- documents


def test_what_could_not_be_read_again_is_not_written(journal: Journal) -> None:
    journal.open(rollout("a", w1="good"))
    before = journal.current()
    with pytest.raises(MisfitError, match="passed is 5 instead of true or false"):
        journal.note(passed=5)
    assert journal.current() == before


def test_a_reason_in_latin_1_is_noted(journal: Journal) -> None:
    """Output of a Slurm command: one byte that is not UTF-8."""
    reason = b"L\xfcfter".decode("utf-8", "surrogateescape")
    opened = journal.open({**rollout("a", w1="good"), "nodes": {"w1": idle(reason=reason)}})
    noted = journal.note(failed={"w1": reason})
    assert (opened["nodes"]["w1"]["reason"], noted["failed"]) == ("L?fter", {"w1": "L?fter"})
    assert journal.require_rollout()["failed"] == {"w1": "L?fter"}


def test_a_document_of_another_version_is_said_to_be_one(journal: Journal) -> None:
    journal.open(rollout("a", w1="good"))
    path = pathlib.Path(journal.directory, "journal.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    with pytest.raises(
        UnreadableError, match="has the format 2, and this version of the collection knows the format 1"
    ):
        journal.current()


def test_an_undo_ends_also_where_the_history_is_broken(journal: Journal) -> None:
    journal.open(rollout("a", w1="good"))
    journal.close(is_committed=True)
    pathlib.Path(journal.directory, "committed.json").write_text("[]")
    journal.open(rollout("b", w1="good"))
    journal.close(is_committed=False)
    assert journal.current() is None
    assert pathlib.Path(journal.directory, "committed.json").read_text() == "[]"


# --- a full disk


def reserve(journal: Journal) -> int:
    """The bytes that are really reserved."""
    present = os.stat(os.path.join(journal.directory, "reserve"))
    return min(present.st_size, present.st_blocks * 512)


def test_room_is_kept_between_rollouts_and_gone_with_the_last_of_them(journal: Journal) -> None:
    journal.open(rollout("a", w1="good"))
    assert reserve(journal) > ROOM
    journal.close(is_committed=True)
    assert reserve(journal) > ROOM
    assert os.stat(os.path.join(journal.directory, "reserve")).st_mode & 0o777 == 0o600
    journal.open({**rollout("b", w1="good"), "conf": {"text": "", "adopt": []}})
    journal.close(is_committed=True, removed=["w1"])
    assert not os.path.exists(journal.directory)


def test_no_rollout_begins_without_room_for_its_end(disk: t.Any) -> None:
    def begin(place: pathlib.Path) -> None:
        journal = Journal(str(place / "rollout"))
        (place / "filled").write_bytes(b"x" * 150 * 1024)
        with pytest.raises(_files.NoRoomError, match=f"reserve cannot be written: the file system {place} is full"):
            journal.open(rollout("a", w1="good"))
        assert journal.current() is None
        (place / "filled").unlink()
        journal.open(rollout("a", w1="good"))

    disk.run(begin)


def test_an_undo_and_a_rollback_are_written_down_on_a_full_disk(disk: t.Any) -> None:
    """Also while the disk is filled again after each step, as by the prolog of the next job."""

    def undo(place: pathlib.Path) -> None:
        journal = Journal(str(place / "rollout"))
        journal.open(rollout("a", w1="good"))
        journal.close(is_committed=True)
        journal.lock(holder("first"))
        journal.open(rollout("b", w1="good"))
        disk.fill(place)
        for step in ({"activating": ["w1"]}, {"phase": "undo"}, {"failures": []}):
            journal.lock(holder("first"))
            disk.fill(place)
            journal.note(**step)
            disk.fill(place)
        assert (journal.current() or {})["phase"] == "undo"
        journal.close(is_committed=False)
        disk.fill(place)
        journal.lock(holder("second"))
        journal.open({**rollout("b", w1="good"), "commit": back_to("0")})
        disk.fill(place)
        journal.note(phase="undo")
        disk.fill(place)
        journal.close(is_committed=False)
        assert [entry["name"] for entry in journal.committed()] == ["0", "a"]
        with pytest.raises(_files.NoRoomError):
            journal.open(rollout("c", w1="good"))
        (place / "filled").unlink()
        journal.open(rollout("c", w1="good"))
        assert reserve(journal) > ROOM

    disk.run(undo)


def test_the_last_of_the_reserve_is_given_for_an_inode(disk: t.Any) -> None:
    def undo(place: pathlib.Path) -> None:
        journal = Journal(str(place / "rollout"))
        journal.open(rollout("a", w1="good"))
        disk.fill_inodes(place)
        journal.note(phase="undo")
        assert (journal.current() or {})["phase"] == "undo"

    disk.run(undo, options=",nr_inodes=20")


def test_without_any_room_the_journal_stays_what_it_was(disk: t.Any) -> None:
    def undo(place: pathlib.Path) -> None:
        journal = Journal(str(place / "rollout"))
        journal.open(rollout("a", w1="good"))
        os.unlink(place / "rollout/reserve")
        disk.fill(place)
        with pytest.raises(_files.NoRoomError):
            journal.note(phase="undo")
        assert journal.noted(phase="undo")["phase"] == "undo"
        assert (journal.current() or {})["phase"] == "opened"
        # An undo needs no room to end.
        journal.close(is_committed=False)
        assert journal.current() is None

    disk.run(undo)
