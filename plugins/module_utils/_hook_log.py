# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The scripts that the dispatchers of this host ran, from their logs, compared with those of a release."""

from __future__ import annotations

import collections
import contextlib
import datetime
import heapq
import itertools
import os
import re
import signal
import stat
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _daemons, _documents, _files
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import ID_LENGTH, LOG_DIR, RUN_DIR, STATE_DIR

Record = t.Dict[str, t.Any]

#: The hooks whose runs are logged; the task hooks run as the job's user, who may not write our logs.
LOGGED = [hook.name for hook in HOOKS.values() if hook.user != "job" and not hook.is_init]

#: The end of a log that is looked through. A line has some 250 bytes, so this is the last half million script runs of a hook.
TAIL = 128 * 1024 * 1024
#: The end of it that may be new at the next call a moment later.
NEW_TAIL = 4 * 1024 * 1024
#: The end of a list of failures that is looked through, some 4,000 of them.
FAILURES_TAIL = 1024 * 1024
#: So many failures of a hook are returned, the newest ones. The log has all.
MOST_FAILURES = 1000
#: So many notes of scripts that were begun are read, the newest ones: a killed dispatcher leaves its own for 30 days.
MOST_NOTES = 1000

#: A line is far shorter; the rest of a longer one is not kept in memory.
_LINE = 64 * 1024
_CHUNK = 256 * 1024
#: As much of a script's last output as the dispatcher keeps.
_KEPT_LINES, _KEPT_BYTES = 20, 4000

_TEXTS = ("time", "hook", "script", "release", "job", "user", "node")
_RECORD = _documents.fields(
    {},
    {
        **dict.fromkeys(_TEXTS, _documents.text),
        **dict.fromkeys(("exit", "ms"), _documents.whole),
        **dict.fromkeys(("cause", "output"), _documents.text),
    },
)
#: A failure as failures_of() tells of it, where it is kept for longer.
FAILURE = _documents.fields(
    {**dict.fromkeys(_TEXTS, _documents.text), "exit": _documents.whole},
    {"ms": _documents.whole, "cause": _documents.text, "output": _documents.text},
)


def parse(data: bytes) -> list[Record]:
    """The records of a log, without lines that a full disk has cut off, or that are not ours.

    A script may have printed anything, and its last lines may begin in the middle of a character.
    """
    return [record for line in data.splitlines() for record in _parsed(line)]


def _parsed(line: bytes) -> list[Record]:
    try:
        # As text first, with bytes that are not UTF-8 replaced.
        found = _documents.parse(line.decode("utf-8", "replace").encode())
        _documents.require(_RECORD, found)
    except _documents.DocumentError:
        return []
    return [{**dict.fromkeys(_TEXTS, ""), **found}]


def _lines_backwards(path: str, size: int, owner: int | None) -> t.Iterator[bytes]:
    """The last lines of a file, the last one first, in a bounded memory. Nothing where there is no file that may be read."""
    try:
        descriptor = _files.open_regular(path, follow=False, owner=owner)
    except _files.UnsuitableFileError:
        return
    if descriptor is None:
        return
    with os.fdopen(descriptor, "rb", buffering=0) as handle:
        position = handle.seek(0, os.SEEK_END)
        end = max(0, position - size)
        # The beginning of a line whose end was read already.
        rest = b""
        while position > end:
            length = min(_CHUNK, position - end)
            position -= length
            handle.seek(position)
            lines = ((handle.read(length) or b"") + rest).split(b"\n")
            rest = lines[0][:_LINE]
            yield from reversed(lines[1:])
        # At the beginning of the file a line is whole; elsewhere it may be cut off.
        if end == 0:
            yield rest


def runs_of(jobs: t.Iterable[str], hooks: t.Iterable[str], known: t.Sequence[Record] | None = None) -> list[Record]:
    """The runs of these hooks for these jobs, those of a hook oldest first.

    known: the result of the same call a moment ago; then this call looks for new runs only.
    """
    wanted = set(jobs)
    if not wanted:
        return []
    # Most lines are of other jobs: only those that may fit are parsed.
    may_fit = re.compile(b'"(?:' + b"|".join(re.escape(job.encode()) for job in sorted(wanted)) + b')"').search
    found: list[Record] = list(known or [])
    for hook in hooks:
        size = TAIL if known is None else NEW_TAIL
        lines = itertools.chain(
            _lines_backwards(f"{LOG_DIR}/{hook}.log", size, None),
            # The place of the runs if the dispatcher could not write its log.
            _lines_backwards(f"{RUN_DIR}/{hook}/log", size, _owner(f"{RUN_DIR}/{hook}")),
        )
        own = [record for line in lines if may_fit(line) for record in _parsed(line) if record["job"] in wanted]
        found += [record for record in reversed(own) if not known or record not in known]
    return found


def failures_of(release: str, hooks: t.Iterable[str], most: int = MOST_FAILURES) -> list[Record]:
    """The failures of these hooks under a release, oldest first, the last one of each hook with its script's output.

    They come from memory (the list of failures since the boot, and the notes of killed dispatchers) and from the record on disk. For each
    hook the newest ones, C(most) at most: the cost does not grow with the number of earlier failures.
    """
    found: dict[tuple[t.Any, ...], Record] = {}
    for hook in hooks:
        listed = _listed(release, hook, most) + _killed_outright(hook)
        last = [
            record
            for place in (STATE_DIR, RUN_DIR)
            for record in parse(_own_bytes(f"{place}/{hook}", "failure.json") or b"")
        ]
        for record in [*listed, *last]:
            if "exit" not in record:
                continue
            if _identity(record) in found:
                found[_identity(record)].update(record)
            elif not release or record["release"] == release[:ID_LENGTH]:
                found[_identity(record)] = record
    return sorted(found.values(), key=lambda record: ended(record) or 0)


def _listed(release: str, hook: str, most: int) -> list[Record]:
    """The newest failures under a release in the list of a hook, oldest first."""
    mark = release[:ID_LENGTH].encode()
    owner = _owner(f"{RUN_DIR}/{hook}")
    found: collections.deque[Record] = collections.deque()
    for line in _lines_backwards(f"{RUN_DIR}/{hook}/failures", FAILURES_TAIL, owner):
        if not line or mark not in line:
            continue
        found.extendleft(record for record in _parsed(line) if not release or record["release"] == release[:ID_LENGTH])
        if len(found) >= most:
            break
    return list(found)


def _owner(directory: str) -> int | None:
    """The owner of this directory, who must own its files, too. SlurmUser's, where the controller's hooks run, may hold anything."""
    try:
        present = os.lstat(directory)
    except (FileNotFoundError, NotADirectoryError):
        return None
    # Ours, or nobody's: no user has the id -1.
    return present.st_uid if stat.S_ISDIR(present.st_mode) else -1


def _own_bytes(directory: str, name: str, limit: int = _LINE) -> bytes | None:
    """The beginning of a file in one of the dispatchers' directories; nothing if somebody has put something else there."""
    try:
        return _files.read_bytes(f"{directory}/{name}", limit, owner=_owner(directory), cut=True)
    except _files.UnsuitableFileError:
        return None


def planted(hooks: t.Iterable[str]) -> list[str]:
    """The paths in the dispatchers' directories that are not read, each with the reason."""
    found = []
    for hook in hooks:
        for directory in (f"{STATE_DIR}/{hook}", f"{RUN_DIR}/{hook}"):
            for name in ("failure.json", "failures"):
                try:
                    descriptor = _files.open_regular(f"{directory}/{name}", owner=_owner(directory))
                    if descriptor is not None:
                        os.close(descriptor)
                except _files.UnsuitableFileError as exc:
                    found.append(str(exc))
    return found


def _notes(directory: str) -> list[str]:
    """The newest of the notes that dispatchers write before a script begins."""
    times: dict[str, float] = {}
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith("running.") and entry.name[len("running.") :].isdigit():
                with contextlib.suppress(FileNotFoundError):
                    times[entry.name] = entry.stat(follow_symlinks=False).st_mtime
    return heapq.nlargest(MOST_NOTES, times, key=lambda name: times[name])


def _killed_outright(hook: str) -> list[Record]:
    """The scripts whose dispatcher got no time to say that they failed: Slurm's SIGKILL follows its SIGTERM after 10 ms (22.05: at once)."""
    directory = f"{RUN_DIR}/{hook}"
    owner = _owner(directory)
    found = []
    for name in _notes(directory):
        pid = name.rpartition(".")[2]
        # The number may by now be another process's, and anybody may name his own as he likes.
        if _uid_of(pid) == owner and any(word.endswith(f"/{hook}".encode()) for word in _command(pid)):
            continue
        printed = b"\n".join(reversed(list(_last_lines(f"{directory}/output.{pid}", owner))))
        for record in parse(_own_bytes(directory, name) or b""):
            began = ended(record)
            record["ms"] = 0
            with contextlib.suppress(FileNotFoundError):
                # It lived at least until it printed something.
                if began:
                    record["ms"] = max(0, int((os.lstat(f"{directory}/output.{pid}").st_mtime - began) * 1000))
            output = printed[-_KEPT_BYTES:].decode("utf-8", "replace")
            found.append({**record, "exit": 128 + signal.SIGKILL, "cause": "killed", "output": output})
    return found


def _last_lines(path: str, owner: int | None) -> t.Iterator[bytes]:
    for number, line in enumerate(_lines_backwards(path, _KEPT_BYTES, owner)):
        # The last line ends with its newline.
        if number > _KEPT_LINES:
            return
        if number or line:
            yield line


def _command(pid: str, proc: str = "/proc") -> list[bytes]:
    """The command line of a process; empty where there is none."""
    try:
        return (_files.read_bytes(f"{proc}/{pid}/cmdline", _LINE, cut=True) or b"").split(b"\0")
    except OSError:
        # It has just ended.
        return []


def _uid_of(pid: str) -> int | None:
    """As whom a process runs; None where it has ended, or is between two users."""
    found = _daemons.uids(pid) or set()
    return next(iter(found)) if len(found) == 1 else None


def ended(record: Record) -> float | None:
    """When a script ended, in seconds since the epoch by its host's clock; None where the record does not say it."""
    try:
        begin = datetime.datetime.strptime(str(record.get("time")), "%Y-%m-%dT%H:%M:%S%z").timestamp()
        return begin + int(record.get("ms") or 0) / 1000
    except (TypeError, ValueError, OverflowError):
        return None


def failures_since(
    activated: t.Mapping[str, float], releases: t.Mapping[str, str], records: t.Iterable[Record]
) -> list[Record]:
    """The failures on this host under one of these releases, by the host that has it, since that host met it."""
    return [
        record
        for record in records
        for host, release in releases.items()
        if host in activated
        and record.get("release") == release[:ID_LENGTH]
        # The clock of the records counts whole seconds and begins with the script.
        and (ended(record) or 0) + 1 >= activated[host]
    ]


def _identity(record: Record) -> tuple[t.Any, ...]:
    return tuple(record.get(key) for key in ("time", "hook", "script", "job", "release"))


def still_running(root: str, release: str, users: t.Collection[int] = (0,), proc: str = "/proc") -> bool:
    """Whether a script of a release runs on this host now, as one of these users: anybody may give his process such a command line.

    The scripts of the task hooks do not count: Slurm drains no node for them.
    """
    directory = os.path.join(root, "releases", release[:ID_LENGTH], "").encode()
    return any(
        any(word.startswith(directory) for word in _command(entry, proc))
        and (_daemons.uids(entry, proc) or {-1}) <= set(users)
        for entry in os.listdir(proc)
        if entry.isdigit()
    )


def shortfalls(
    scripts: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]], release: str, partition: str, runs: t.Sequence[Record]
) -> tuple[list[str], list[str]]:
    """The scripts of a release that are missing in the runs of one job, and the tolerated failures.

    scripts: those of the manifest, for the hooks that this host's logs tell of.
    """
    missing, tolerated = [], []
    for hook, wanted in scripts.items():
        for script in wanted:
            if script["partitions"] and partition not in script["partitions"]:
                continue
            seen = [
                run
                for run in runs
                if (run.get("hook"), run.get("script"), run.get("release"))
                == (hook, script["file"], release[:ID_LENGTH])
            ]
            if not seen:
                missing.append(f"{hook}: {script['file']} did not run")
                break
            if seen[-1].get("exit"):
                message = describe(seen[-1])
                if script["on_failure"] == "ignore":
                    tolerated.append(message)
                else:
                    missing.append(message)
                    break
    return missing, tolerated


def evaluate(
    scripts: dict[str, t.Any], release: str, jobs: list[dict[str, str]], runs: list[Record], node: str = ""
) -> tuple[list[str], list[str]]:
    """The missing scripts and the tolerated failures, over all jobs.

    node: this host's, if it has one. On a controller that is a worker, too, a job of another node meets the controller's hooks only.
    """
    missing, tolerated = [], []
    for job in jobs:
        is_elsewhere = node and job.get("node", node) != node
        due = {hook: names for hook, names in scripts.items() if not (is_elsewhere and HOOKS[hook].host == "worker")}
        own = [run for run in runs if run["job"] == job["id"]]
        lacks, may_lack = shortfalls(due, release, job["partition"], own)
        missing += [f"job {job['id']} in partition {job['partition']}: {what}" for what in lacks]
        tolerated += may_lack
    return missing, tolerated


def not_passed(release: str, missing: t.Iterable[str]) -> str:
    """The missing scripts, as a sentence."""
    return f"Release {release[:ID_LENGTH]} did not pass: {'; '.join(missing)}."


def cause(record: Record) -> str:
    """The reason why a script did not end by itself, in parentheses; empty if it did."""
    causes = {"timeout": " (its time limit)", "killed": " (killed by Slurm's time limit)"}
    if record.get("cause") == "killed" and str(record.get("hook")).endswith("_init"):
        return " (killed by the time limit of its unit)"
    return causes.get(str(record.get("cause")), "")


def describe(record: Record) -> str:
    """A failure in a few words, as a drain reason takes them."""
    return f"{record.get('hook')} {record.get('script')} exit {record.get('exit')}{cause(record)}"
