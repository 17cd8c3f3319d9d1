# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The journal of a rollout, on the controller: the rollout under way, the previous state, the holder of the lock, and the commits.

    rollout/journal.json    while a rollout is under way; written before each step
    rollout/lock.json       the run that holds the lock; this file's time is its last sign of life
    rollout/committed.json  the rollouts that were committed, newest first
    rollout/reserve         room for the last notes of the next rollout, if a disk is full

A run may be killed between any two lines here: each file is replaced in one step, and the journal names a step before the run
takes it.
"""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _documents, _files
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal_documents import (
    NO_BASELINE,
    SHAPES,
    UNDO,
    About,
    Baseline,
    Commit,
    Committed,
    Holder,
    Host,
    Rollout,
    SeenHolder,
    recovery_of,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import ROLLOUT_DIR, STATE_DIR

#: Seconds without a sign of life after which the next run takes a lock whose holder it cannot check.
LOCK_STALE = 3600

#: How many committed rollouts are remembered.
KEEP = 50


#: The room that is kept at least, and how many journals go into it: an undo writes some ten documents, and each needs the room of two
#: for a moment.
RESERVE = 128 * 1024
_JOURNALS = 4

#: The remedy if a document cannot be read. No code guesses: only these documents know the state before a rollout.
_REMEDIES = {
    "journal": "Run the version of the collection that wrote it, fix it, or move it away and restore by hand the state that it describes",
    "committed": "Run the version of the collection that wrote it, or move it away: then no rollback is possible until the next commit",
    "lock": "If no run is under way, run again with `-e slurm_take_lock=true`",
}


class JournalError(Exception):
    """The journal cannot be read, or another run holds the lock; the message says what to do."""


class UnreadableError(JournalError):
    """A document of the journal is not one of ours."""


class UnreadableLockError(UnreadableError):
    """The lock is not one of ours."""


class MisfitError(JournalError):
    """The new content is not a document of the journal: it could not be read again."""


class LockHeldError(JournalError):
    """Another run holds the lock."""

    def __init__(self, holder: SeenHolder) -> None:
        super().__init__(held_by(holder))
        self.holder = holder


class Boot(t.NamedTuple):
    """The controller's boot, and the seconds since then, also those of a sleep: no clock that somebody may set."""

    name: str
    seconds: float


def this_boot() -> Boot:
    """The boot of this machine and its age."""
    name = _files.read_bytes("/proc/sys/kernel/random/boot_id") or b""
    return Boot(name.decode().strip(), time.clock_gettime(time.CLOCK_BOOTTIME))


def commit_of(journal: Rollout, committed: Commit | None, removed: t.Container[str]) -> Commit:
    """The entry of a successful rollout in the history: the release of each known host, our lines in slurm.conf, the nodes' previous state."""
    hosts = {
        **(committed["hosts"] if committed else {}),
        **{host: entry["to"] for host, entry in journal["hosts"].items()},
    }
    kept = {host: id_ for host, id_ in hosts.items() if id_ and host not in removed}
    about: dict[str, About] = {
        **(committed["about"] if committed else {}),
        **{host: _about(entry) for host, entry in journal["hosts"].items()},
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


def _about(entry: Host) -> About:
    said: About = {"node": entry["node"], "kinds": entry["kinds"]}
    if "delivery" in entry:
        said["delivery"] = entry["delivery"]
    return said


def without_baseline(rollout: Rollout | None) -> dict[str, t.Any] | None:
    """What the control node is told of a rollout. The baseline is as long as the queue, and only the controller needs it."""
    return {key: value for key, value in rollout.items() if key != "baseline"} if rollout else None


class Journal:
    """The files of the journal below one directory."""

    def __init__(
        self,
        directory: str = ROLLOUT_DIR,
        now: t.Callable[[], float] = time.time,
        boot: t.Callable[[], Boot] = this_boot,
    ) -> None:
        self.directory = directory
        self._now = now
        self._boot = boot

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, f"{name}.json")

    def _read(self, name: str) -> t.Any:
        try:
            data = _files.read_bytes(self._path(name), follow=False, owner=os.geteuid())
            return None if data is None else _documents.load(data, SHAPES[name])
        except (_documents.DocumentError, _files.UnsuitableFileError) as exc:
            kind = UnreadableLockError if name == "lock" else UnreadableError
            raise kind(f"{self._path(name)} is not a document of this collection: {exc}. {_REMEDIES[name]}") from exc

    def _write(self, name: str, document: t.Mapping[str, t.Any]) -> None:
        data = self._dump(name, document)
        _files.make_parents(self._path(name))
        _files.make_dir(self.directory, 0o700)
        while True:
            try:
                _files.write_atomic(self._path(name), data, 0o600)
                return
            except _files.NoRoomError:
                if not self._give_up(len(data)):
                    raise

    def _dump(self, name: str, document: t.Mapping[str, t.Any]) -> bytes:
        try:
            return _documents.dump(document, SHAPES[name])
        except _documents.DocumentError as exc:
            raise MisfitError(f"the new content of {self._path(name)} is not valid: {exc}") from exc

    @property
    def _reserve(self) -> str:
        return os.path.join(self.directory, "reserve")

    def _give_up(self, size: int) -> bool:
        """Make room from the reserve. No more than is needed: whatever has filled the disk may fill it again."""
        try:
            room = os.statvfs(self.directory)
            block = max(4096, room.f_frsize)
            left = os.lstat(self._reserve).st_size - (size // block + 4) * block
            # The last of it brings an inode as well.
            if left <= 0 or (room.f_files and not room.f_ffree):
                os.unlink(self._reserve)
                return True
            descriptor = os.open(self._reserve, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.ftruncate(descriptor, left)
                # Some file systems free blocks only then.
                with contextlib.suppress(OSError):
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError:
            return False
        return True

    def keep_room(self, document: t.Mapping[str, t.Any] | None = None) -> None:
        """Reserve room for the last notes of a rollout with this journal, or of any. Raises NoRoomError where there is none."""
        wanted = RESERVE
        if document is not None:
            wanted += _JOURNALS * len(self._dump("journal", document))
        with contextlib.suppress(OSError):
            # It is written anew at the end of a rollback.
            wanted += 2 * os.lstat(self._path("committed")).st_size
        _files.make_parents(self._reserve)
        _files.make_dir(self.directory, 0o700)
        with _files.writing(self._reserve):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._reserve, flags, 0o600)
            try:
                present = os.fstat(descriptor).st_size
                try:
                    while (lacking := wanted - os.fstat(descriptor).st_size) > 0:
                        # Bytes, not a hole: and no zeros, which a file system may leave out.
                        os.write(descriptor, os.urandom(min(lacking, 1024 * 1024)))
                    os.fsync(descriptor)
                except OSError:
                    # What there was stays reserved.
                    os.ftruncate(descriptor, present)
                    raise
            finally:
                os.close(descriptor)

    def current(self) -> Rollout | None:
        """The rollout under way, or None."""
        return t.cast("Rollout | None", self._read("journal"))

    def require_rollout(self) -> Rollout:
        """The rollout under way. Raises JournalError where there is none."""
        present = self.current()
        if present is None:
            raise JournalError("no rollout is under way")
        return present

    def committed(self) -> list[Committed]:
        """The committed rollouts, newest first."""
        found = self._read("committed")
        return t.cast("list[Committed]", found["rollouts"]) if found else []

    def holder(self) -> SeenHolder | None:
        """The run that holds the lock, with the age of its last sign of life in seconds; None if there is none."""
        holder: Holder | None = self._read("lock")
        if not holder:
            return None
        boot = self._boot()
        # From before a restart of the controller it is at least as old as that.
        age = boot.seconds - (holder["seen"] if holder["boot"] == boot.name else 0)
        return {**holder, "age": max(0, int(age))}

    def lock(self, holder: t.Mapping[str, t.Any], instead_of: str = "", is_known: bool = False) -> None:
        """Take the lock for holder, or show a sign of life.

        instead_of: the run that may lose it, by its name, or C(*) for any. is_known: that this one is known to be gone; a run that nobody
        can look at loses it after an hour without a sign of life. Raises JournalError where another run has it.
        """
        try:
            present = self.holder()
        except UnreadableError:
            if instead_of != "*":
                raise
            present = None
        is_own = present is not None and present["run"] == holder["run"]
        if present and not is_own:
            is_named = instead_of in (present["run"], "*")
            if not is_named or not (is_known or present["age"] >= LOCK_STALE):
                raise LockHeldError(present)
        since = present["since"] if present and is_own else int(self._now())
        boot = self._boot()
        who = {key: holder[key] for key in ("run", "machine", "pid", "started", "user", "host")}
        self._write("lock", {**who, "since": since, "boot": boot.name, "seen": int(boot.seconds)})

    def require_holder(self, holder: t.Mapping[str, t.Any]) -> None:
        """Raise JournalError where it is not this run that has the lock: a task of a killed run may end long after another run has begun."""
        present = self.holder()
        if present is None or present["run"] != holder["run"]:
            raise JournalError("this run no longer holds the lock: another one has taken it")

    def open(self, rollout: t.Mapping[str, t.Any]) -> Rollout:
        """Begin a rollout, or go on with the one of a killed run, whose previous state stays the previous state."""
        present, rollout = self.current(), _documents.clean(rollout)
        if present:
            hosts = {**rollout["hosts"]}
            for host, entry in present["hosts"].items():
                kept = {key: entry[key] for key in ("from", "conf")}
                hosts[host] = {**hosts.get(host, entry), **kept}
            # Another release, or one that was about to be undone, has to pass anew.
            has_passed = present["passed"] and present["name"] == rollout["name"] and recovery_of(present) != UNDO
            merged = {
                "hosts": hosts,
                "nodes": {**rollout["nodes"], **present["nodes"]},
                "passed": has_passed,
                "failed": {},
            }
            opened = {**present, **rollout, **merged}
        else:
            empty = {"activated": {}, "passed": False, "conf_changed": False, "failed": {}}
            opened = {**empty, **rollout, "opened": int(self._now())}
        if opened.get("commit") is None:
            # A rollback may begin on a full disk. The rollouts that it undoes began with room for it.
            self.keep_room(opened)
        self._write("journal", opened)
        return t.cast("Rollout", opened)

    def noted(self, activating: t.Iterable[str] = (), **fields: t.Any) -> Rollout:
        """The rollout under way with this note."""
        present = self.require_rollout()
        activated = {**dict.fromkeys(activating, int(self._now())), **present["activated"]}
        return t.cast("Rollout", _documents.clean({**present, **fields, "activated": activated}))

    def note(self, activating: t.Iterable[str] = (), **fields: t.Any) -> Rollout:
        """Note the next step. Hosts that are activated get the time, but keep an earlier one."""
        rollout = self.noted(activating, **fields)
        if "baseline" in fields:
            # It makes the journal longer.
            self.keep_room(rollout)
        self._write("journal", rollout)
        return rollout

    def replace_baseline(self, old: Baseline, new: Baseline | None) -> None:
        """Write the baseline anew, or remove it. Nothing is written if the rollout under way has one of another time than old."""
        present = self.current()
        # By its time: on a full disk it may still lack what was to be added.
        if present is None or present.get("baseline", NO_BASELINE)["time"] != old["time"]:
            return
        document = {key: value for key, value in present.items() if key != "baseline"}
        self._write("journal", document if new is None else {**document, "baseline": new})

    def close(self, is_committed: bool, removed: t.Container[str] = ()) -> None:
        """End the rollout, committed or undone. A rollback is an undo that is committed, too.

        Then the lock goes, and where nothing is left to remember all of it.
        """
        rollout = self.current()
        entry = rollout.get("commit") if rollout else None
        if rollout and is_committed:
            entry = commit_of(rollout, next(iter(self.committed()), None), removed)
        if entry is not None:
            # How the nodes were before is of use for the newest one only.
            older = [
                {key: value for key, value in old.items() if key not in ("activated", "nodes")}
                for old in self.committed()
            ]
            committed = [{**entry, "committed": int(self._now())}, *older]
            # After an empty definition there is nothing to return to.
            kept = committed[:KEEP] if entry["hosts"] or entry["conf"]["text"] else []
            self._write("committed", {"rollouts": kept})
        for name in ("journal", "lock"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path(name))
        is_remembered = os.path.lexists(self._path("committed"))
        with contextlib.suppress(UnreadableError):
            # Nothing is removed from a history that cannot be read.
            is_remembered = bool(self.committed())
        if is_remembered:
            # Where there is none now the next rollout makes it, or is refused.
            with contextlib.suppress(_files.WriteError):
                self.keep_room()
        else:
            _files.sweep(self.directory)
            for path in (self._path("committed"), self._reserve):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            for directory in (self.directory, STATE_DIR):
                with contextlib.suppress(OSError):
                    os.rmdir(directory)

    def unlock(self) -> None:
        """Release the lock. The journal stays for the next run."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path("lock"))


def activated_nodes(rollout: t.Mapping[str, t.Any]) -> dict[str, float]:
    """The nodes whose hosts met the release of a rollout, with the time."""
    hosts = rollout["hosts"]
    return {
        hosts[host]["node"]: moment
        for host, moment in rollout["activated"].items()
        # A rollback does not name hosts that have been removed since.
        if host in hosts and "worker" in hosts[host]["kinds"]
    }


def held_by(holder: t.Mapping[str, t.Any]) -> str:
    """The run that holds the lock, in a message for the second run."""
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(holder["since"]))
    return (
        f"another run is under way: {holder['user']}@{holder['host']}, process {holder['pid']}, since {since}, "
        f"last seen {holder['age']} seconds ago. Wait for it. If it is known to be gone, run again with `-e slurm_take_lock=true`; "
        f"after {LOCK_STALE // 60} minutes without a sign of life the next run takes the lock"
    )
