# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The journal of a rollout, on the controller: what is under way, what was before, who does it, and what was committed.

    rollout/journal.json    while a rollout is under way; written before each step
    rollout/lock.json       who does it; his last sign of life is the time of this file's newest writing
    rollout/committed.json  the rollouts that were committed, newest first

A run may be killed between any two lines here: each file is replaced in one step, and the journal says what was about to be done,
never what is hoped for.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _files
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import ROLLOUT_DIR, STATE_DIR

Document = dict[str, t.Any]

#: Seconds without a sign of life after which a lock whose holder cannot be looked at is taken for dead.
LOCK_STALE = 3600

#: How many committed rollouts are remembered.
KEEP = 50


class JournalError(Exception):
    """The journal cannot be read, or another run holds the lock; the message says what to do."""


class LockHeldError(JournalError):
    """Another run holds the lock."""

    def __init__(self, holder: Document) -> None:
        super().__init__(held_by(holder))
        self.holder = holder


def commit_of(
    journal: t.Mapping[str, t.Any], committed: t.Mapping[str, t.Any] | None, withdrawn: t.Container[str]
) -> Document:
    """What the history keeps of a rollout that succeeded: what every known host runs, our lines in slurm.conf, and how the nodes were before."""
    before = committed or {"hosts": {}, "about": {}}
    hosts = {**before["hosts"], **{host: entry["to"] for host, entry in journal["hosts"].items()}}
    kept = {host: id_ for host, id_ in hosts.items() if id_ and host not in withdrawn}
    about = {
        **before["about"],
        **{host: {key: entry[key] for key in ("node", "kinds")} for host, entry in journal["hosts"].items()},
    }
    return {
        "name": journal["name"],
        "hosts": kept,
        "about": {host: about[host] for host in kept},
        "conf": journal["conf"],
        "controllers": journal["controllers"],
        "activated": journal["activated"],
        "nodes": journal["nodes"],
    }


class Journal:
    """The files of the journal below one directory."""

    def __init__(self, directory: str = ROLLOUT_DIR, now: t.Callable[[], float] = time.time) -> None:
        self.directory = directory
        self._now = now

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, f"{name}.json")

    def _read(self, name: str) -> t.Any:
        data = _files.read_bytes(self._path(name))
        if data is None:
            return None
        try:
            return json.loads(data)
        except ValueError as exc:
            # Never guessed at: what was before the rollout is known from here alone.
            raise JournalError(
                f"{self._path(name)} is no JSON: somebody edited it. Put it right, or move it away and bring back by hand what it tells of"
            ) from exc

    def _write(self, name: str, document: t.Any) -> None:
        _files.make_parents(self._path(name))
        _files.make_dir(self.directory, 0o700)
        _files.write_atomic(self._path(name), (json.dumps(document, sort_keys=True) + "\n").encode(), 0o600)

    def current(self) -> Document | None:
        """The rollout under way, or None."""
        return t.cast("Document | None", self._read("journal"))

    def require_rollout(self) -> Document:
        """The rollout under way. Raises JournalError where there is none."""
        present = self.current()
        if present is None:
            raise JournalError("no rollout is under way")
        return present

    def committed(self) -> list[Document]:
        """The committed rollouts, newest first."""
        return self._read("committed") or []

    def holder(self) -> Document | None:
        """Who holds the lock, with the age of his last sign of life in seconds; None where nobody does."""
        holder = self._read("lock")
        return {**holder, "age": int(self._now() - holder["seen"])} if holder else None

    def lock(self, holder: t.Mapping[str, t.Any], is_dead: bool) -> None:
        """Take the lock for holder, or show a sign of life. is_dead: that whoever has it now is known to be gone.

        Raises JournalError where another run has it.
        """
        present = self.holder()
        if present and present["run"] != holder["run"] and not is_dead and present["age"] < LOCK_STALE:
            raise LockHeldError(present)
        since = present["since"] if present and present["run"] == holder["run"] else int(self._now())
        self._write("lock", {**holder, "since": since, "seen": int(self._now())})

    def require_holder(self, holder: t.Mapping[str, t.Any]) -> None:
        """Raise JournalError where it is not this run that has the lock: a task of a killed run may end long after another run has begun."""
        present = self.holder()
        if present is None or present["run"] != holder["run"]:
            raise JournalError("this run does not hold the lock any more: another one has taken over from it")

    def open(self, rollout: Document) -> Document:
        """Begin a rollout, or go on with the one that a killed run has left: what was before that one stays what was before."""
        present = self.current()
        if present:
            hosts = {**rollout["hosts"]}
            for host, entry in present["hosts"].items():
                kept = {key: entry[key] for key in ("from", "conf")}
                hosts[host] = {**hosts.get(host, entry), **kept}
            # Another release, or one that was about to be undone, has to pass anew.
            has_passed = present["passed"] and present["name"] == rollout["name"] and present["phase"] != "undo"
            merged = {
                "hosts": hosts,
                "nodes": {**rollout["nodes"], **present["nodes"]},
                "passed": has_passed,
                "failed": {},
            }
            rollout = {**present, **rollout, **merged}
        else:
            empty: Document = {"activated": {}, "passed": False, "conf_changed": False, "failed": {}}
            rollout = {**empty, **rollout, "opened": int(self._now())}
        self._write("journal", rollout)
        return rollout

    def note(self, activating: t.Iterable[str] = (), **fields: t.Any) -> Document:
        """Write down what is about to be done. Hosts that are activated get the time, but keep an earlier one."""
        present = self.require_rollout()
        now = int(self._now())
        activated = {**dict.fromkeys(activating, now), **present["activated"]}
        rollout = {**present, **fields, "activated": activated}
        self._write("journal", rollout)
        return rollout

    def close(self, is_committed: bool, withdrawn: t.Container[str] = ()) -> None:
        """End the rollout, committed or undone. A rollback is an undo that is committed, too.

        Then the lock goes, and where nothing is left to remember all of it.
        """
        rollout = self.current()
        present = self.committed()
        entry = None
        if rollout is not None:
            entry = (
                commit_of(rollout, present[0] if present else None, withdrawn)
                if is_committed
                else rollout.get("commit")
            )
        if entry is not None:
            # How the nodes were before is of use for the newest one only.
            older = [{key: value for key, value in old.items() if key not in ("activated", "nodes")} for old in present]
            committed = [{**entry, "committed": int(self._now())}, *older]
            # A definition that was emptied leaves nothing to go back to.
            self._write("committed", committed[:KEEP] if entry["hosts"] or entry["conf"]["text"] else [])
        for name in ("journal", "lock"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path(name))
        if not self.committed():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path("committed"))
            for directory in (self.directory, STATE_DIR):
                with contextlib.suppress(OSError):
                    os.rmdir(directory)

    def unlock(self) -> None:
        """Let go of the lock; the journal stays for the next run."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path("lock"))


def activated_nodes(rollout: t.Mapping[str, t.Any]) -> dict[str, float]:
    """The nodes whose hosts met the release of a rollout, with the time."""
    hosts = rollout["hosts"]
    return {
        hosts[host]["node"]: moment for host, moment in rollout["activated"].items() if "worker" in hosts[host]["kinds"]
    }


def held_by(holder: t.Mapping[str, t.Any]) -> str:
    """Who holds the lock, for a person who is refused."""
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(holder["since"]))
    return (
        f"another run is under way: {holder['user']}@{holder['host']}, process {holder['pid']}, since {since}, "
        f"last seen {holder['age']} seconds ago. Wait for it. If it is known to be gone, run again with `-e slurm_take_lock=true`; "
        f"without a sign of life for {LOCK_STALE // 60} minutes the lock counts as left behind"
    )
