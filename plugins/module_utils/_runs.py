# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What the dispatchers of this host ran, from their logs, and whether that is what a release should have run."""

from __future__ import annotations

import contextlib
import datetime
import glob
import json
import os
import signal
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _daemons, _files
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import ID_LENGTH, LOG_DIR, RUN_DIR, STATE_DIR

Record = dict[str, t.Any]

#: The hooks whose runs are logged; the task hooks run as the job's user, who may not write our logs.
LOGGED = [hook.name for hook in HOOKS.values() if hook.user != "job" and not hook.is_init]

#: The end of a log that is read. A line has some 250 bytes, so this is the last half million script runs of a hook.
TAIL = 128 * 1024 * 1024

#: As much of what a script printed last as the dispatcher keeps, too.
_KEPT_LINES, _KEPT_BYTES = 20, 4000


def parse(data: bytes) -> list[Record]:
    """The records of a log; a line that a full disk has cut off is passed over.

    A script may have printed anything, and its last lines may begin in the middle of a character.
    """
    found = []
    for line in data.splitlines():
        try:
            record = json.loads(line.decode("utf-8", "replace"))
        except ValueError:
            continue
        if isinstance(record, dict):
            found.append(record)
    return found


def _tail(path: str, size: int = TAIL) -> bytes:
    try:
        with open(path, "rb") as handle:
            handle.seek(max(0, handle.seek(0, os.SEEK_END) - size))
            return handle.read()
    except FileNotFoundError:
        return b""


def runs_of(jobs: t.Container[str], hooks: t.Iterable[str]) -> list[Record]:
    """The runs of these hooks for these jobs."""
    # Most lines are of other jobs: only those that may fit are parsed.
    return [record for hook in hooks for record in parse(_tail(f"{LOG_DIR}/{hook}.log")) if record.get("job") in jobs]


def failures_of(release: str, hooks: t.Iterable[str]) -> list[Record]:
    """The failures of these hooks under a release, oldest first, the last one of each hook with what its script printed.

    They come from memory (the list of failures since the boot, and what dispatchers left that were killed) and from the record on disk.
    """
    found: list[Record] = []
    for hook in hooks:
        listed = parse(_files.read_bytes(f"{RUN_DIR}/{hook}/failures") or b"") + _killed_outright(hook)
        last = [
            record
            for place in (STATE_DIR, RUN_DIR)
            for record in parse(_files.read_bytes(f"{place}/{hook}/failure.json") or b"")
        ]
        for record in [*listed, *last]:
            known = [other for other in found if _identity(other) == _identity(record)]
            if known:
                known[0].update(record)
            elif not release or record.get("release") == release[:ID_LENGTH]:
                found.append(record)
    return sorted(found, key=lambda record: ended(record) or 0)


def _killed_outright(hook: str) -> list[Record]:
    """The scripts whose dispatcher got no time to say that they failed: Slurm's SIGKILL follows its SIGTERM after 10 ms (22.05: at once)."""
    found = []
    for path in glob.glob(f"{RUN_DIR}/{hook}/running.*"):
        pid = path.rpartition(".")[2]
        command = b""
        with contextlib.suppress(OSError):
            command = _files.read_bytes(f"/proc/{pid}/cmdline") or b""
        if any(word.endswith(f"/{hook}".encode()) for word in command.split(b"\0")):
            continue
        output = f"{RUN_DIR}/{hook}/output.{pid}"
        last = b"\n".join(_tail(output, _KEPT_BYTES).splitlines()[-_KEPT_LINES:]).decode("utf-8", "replace")
        for record in parse(_files.read_bytes(path) or b""):
            began = ended(record)
            with contextlib.suppress(FileNotFoundError):
                # It lived at least until it printed something.
                record["ms"] = max(0, int((os.stat(output).st_mtime - (began or 0)) * 1000)) if began else 0
            found.append({**record, "exit": 128 + signal.SIGKILL, "cause": "killed", "output": last})
    return found


def ended(record: Record) -> float | None:
    """When a script ended, in seconds since the epoch by its host's clock; None where the record does not say it."""
    try:
        begin = datetime.datetime.strptime(str(record.get("time")), "%Y-%m-%dT%H:%M:%S%z").timestamp()
        return begin + int(record.get("ms") or 0) / 1000
    except (TypeError, ValueError):
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
    """Whether a script of a release runs on this host now, as one of these users: anybody may give his process such a command line."""
    directory = os.path.join(root, "releases", release[:ID_LENGTH], "").encode()
    for entry in os.listdir(proc):
        if not entry.isdigit():
            continue
        try:
            line = _files.read_bytes(os.path.join(proc, entry, "cmdline")) or b""
        except OSError:
            # It has just ended.
            continue
        if any(word.startswith(directory) for word in line.split(b"\0")):
            found = _daemons.uids(entry, proc)
            if found and found <= set(users):
                return True
    return False


def shortfalls(
    scripts: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]], release: str, partition: str, runs: t.Sequence[Record]
) -> tuple[list[str], list[str]]:
    """What is missing in the runs of one job that should have met every script of a release, and what failed but may.

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


def not_passed(release: str, missing: t.Iterable[str]) -> str:
    """What jobs should have met and did not, as a sentence."""
    return f"Release {release[:ID_LENGTH]} did not pass: {'; '.join(missing)}."


def cause(record: Record) -> str:
    """Why a script ended that did not end by itself, in parentheses; empty where it did."""
    causes = {"timeout": " (its time limit)", "killed": " (killed by Slurm's time limit)"}
    if record.get("cause") == "killed" and str(record.get("hook")).endswith("_init"):
        return " (killed by the time limit of its unit)"
    return causes.get(str(record.get("cause")), "")


def describe(record: Record) -> str:
    """A failure in a few words, as a drain reason takes them."""
    return f"{record.get('hook')} {record.get('script')} exit {record.get('exit')}{cause(record)}"
