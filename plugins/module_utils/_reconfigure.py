# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What a reconfigure has to do, and what proves that it did it and that nobody lost anything by it."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf, _documents, _files, _restart
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Node

_PING = re.compile(r"^Slurmctld\(\w+\) at (\S+) is (UP|DOWN)", re.MULTILINE)
_SEVERE = re.compile(r"\b(?:fatal|error): ")
#: States of a node that does not answer because it was switched off, or is about to.
_POWER = frozenset({"POWERED_DOWN", "POWERING_DOWN", "POWERING_UP", "POWER_DOWN", "REBOOT_ISSUED", "REBOOT_REQUESTED"})
_AWAY = frozenset({"DOWN", "UNKNOWN", "ERROR", "FUTURE"})
#: Job states that a node's end causes.
_LOST = frozenset({"NODE_FAIL", "BOOT_FAIL"})
#: Ended; everything else waits, runs or comes to its end.
_ENDED = frozenset(
    {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"}
)
#: Keys of which every line counts, beside those of a line of their own; the hooks since 24.05.
_ADDING = frozenset({"slurmctldhost", "prolog", "epilog", "prologslurmctld", "epilogslurmctld"})
#: How scontrol writes units.
_UNIT = re.compile(r"\s+(?:sec|secs|min|usec|msec|percent|nodes/min)$")


@dataclasses.dataclass
class Note:
    """What the cluster was before slurm.conf was changed; kept on the controller until the change is proven."""

    #: Seconds since 1970 on the controller's clock.
    time: float = 0.0
    #: Of all bytes of the files.
    digest: str = ""
    #: Key (in lower case) to all its values in the files.
    keys: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    #: C(scontrol show config).
    config: dict[str, str] = dataclasses.field(default_factory=dict)
    #: The jobs that had not ended.
    jobs: list[str] = dataclasses.field(default_factory=list)
    #: The nodes that answered.
    nodes: list[str] = dataclasses.field(default_factory=list)
    #: Whether a reconfigure was begun: from then on the nodes may have what the files said, whatever they say now.
    begun: bool = False

    def dump(self) -> bytes:
        """The note as a file."""
        return (json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True) + "\n").encode()


_NOTE = _documents.fields(
    {},
    {
        "time": _documents.number,
        "digest": _documents.text,
        "keys": _documents.each(_documents.many(_documents.text)),
        "config": _documents.each(_documents.text),
        "jobs": _documents.many(_documents.text),
        "nodes": _documents.many(_documents.text),
        "begun": _documents.flag,
    },
)


def load_note(data: bytes) -> Note:
    """A note from its file; an empty one where that says nothing that we know."""
    try:
        found = _documents.parse(data)
        _documents.require(_NOTE, found)
    except _documents.DocumentError:
        return Note()
    names = {field.name for field in dataclasses.fields(Note)}
    return Note(**{name: value for name, value in found.items() if name in names})


def read_keys(path: str, read: t.Callable[[str], str | None]) -> dict[str, list[str]]:
    """Every key (in lower case) of slurm.conf and its included files with all its values. Raises ConfError."""
    found: dict[str, list[str]] = {}
    for entry in _conf.tree(path, read):
        found.setdefault(entry.key.lower(), []).append(entry.value)
    return found


def digest(path: str, read: t.Callable[[str], str | None]) -> str:
    """One digest over the main file and ours."""
    ours = path.rpartition("/")[0] + "/" + _conf.FRAGMENT
    texts = [read(name) for name in (path, ours)]
    return _files.sha256(
        "\0".join("" if text is None else f"+{text}" for text in texts).encode("utf-8", "surrogateescape")
    )


# -- what there is to do


def changed_keys(before: t.Mapping[str, list[str]], after: t.Mapping[str, list[str]]) -> list[str]:
    """The keys (in lower case) that say something else now."""
    return sorted(key for key in before.keys() | after.keys() if _effective(key, before) != _effective(key, after))


def _effective(key: str, keys: t.Mapping[str, list[str]]) -> list[str]:
    values = keys.get(key, [])
    # Of an ordinary key the last line wins.
    return values if key in _conf.LINE_KEYS or key in _ADDING else values[-1:]


def waiting_for_restart(
    before: t.Mapping[str, list[str]], after: t.Mapping[str, list[str]], release: str
) -> tuple[list[str], list[str]]:
    """The changed keys that a restart applies, and those of them that must not meet a reconfigure."""
    changed = changed_keys(before, after)
    waiting = [
        key
        for key in changed
        if _restart.needs_restart(key, " ".join(before.get(key, [])), " ".join(after.get(key, [])), release)
    ]
    return waiting, [key for key in waiting if _restart.is_deadly(key, release)]


# -- what proves that it is done


def parse_ping(text: str) -> dict[str, bool]:
    """C(scontrol ping): each controller, the primary first, and whether it answers."""
    return {host: state == "UP" for host, state in _PING.findall(text)}


def is_serving(node: Node) -> bool:
    """Whether a node answers and is not out of service by itself; an administrator's drain does not matter here."""
    return node.state not in _AWAY and not node.flags & {"NOT_RESPONDING", "INVALID_REG", *_POWER}


def left(before: t.Iterable[str], now: t.Mapping[str, Node]) -> dict[str, str]:
    """The nodes that answered before and do not any more, with what the controller says of them.

    A node that slurm.conf no longer has is not among them, nor one that was switched off on purpose.
    """
    return {
        name: f"{'+'.join([node.state, *sorted(node.flags)])}{f' ({node.reason})' if node.reason else ''}"
        for name in before
        if (node := now.get(name)) and not is_serving(node) and not node.flags & _POWER
    }


def parse_jobs(text: str) -> dict[str, str]:
    """C(squeue -h -a -t all -o %A|%T): each job's state."""
    return dict(line.split("|", 1) for line in text.split() if "|" in line)


def unfinished(jobs: t.Mapping[str, str]) -> list[str]:
    """The jobs that have not ended."""
    return [job for job, state in jobs.items() if state not in _ENDED]


def lost_jobs(before: t.Iterable[str], now: t.Mapping[str, str], *, seconds: float, remembered: float) -> list[str]:
    """The jobs that were lost: the controller does not know them although it remembers ended jobs longer (MinJobAge) than the time
    that has passed, or their node has failed.

    When more time has passed, a job that is not known any more may just have ended.
    """
    return [job for job in before if now.get(job) in _LOST or (job not in now and seconds < remembered)]


def unproven(
    changed: t.Iterable[str], keys: t.Mapping[str, list[str]], before: t.Mapping[str, str], now: t.Mapping[str, str]
) -> list[str]:
    """The changed keys that C(scontrol show config) shows with neither their new value nor any other than before.

    It writes many values in its own way, so this is no failure by itself; HASH_VAL says whether the controller has read the bytes.
    """
    shown = {key.lower(): value for key, value in now.items()}
    earlier = {key.lower(): value for key, value in before.items()}
    return [
        key
        for key in changed
        if keys.get(key)
        and key in shown
        and shown[key] == earlier.get(key)
        and _plain(shown[key]) != _plain(keys[key][-1])
    ]


def _plain(value: str) -> list[str]:
    return sorted(_UNIT.sub("", value.strip().lower()).split(","))


def seconds_of(value: str, default: float) -> float:
    """A time of C(scontrol show config), such as V(300 sec)."""
    match = re.match(r"(\d+)", value)
    return float(match.group(1)) if match else default


def severe_lines(text: str, limit: int = 5) -> list[str]:
    """The last fatal and error lines of a log, without their times, each once; where one is fatal, up to that."""
    lines = list(
        dict.fromkeys(
            re.sub(r"^\[[^\]]*\]\s*|^slurmctld: ", "", line.strip())
            for line in text.splitlines()
            if _SEVERE.search(line)
        )
    )
    fatal = [number for number, line in enumerate(lines) if "fatal: " in line]
    return lines[: fatal[-1] + 1 if fatal else len(lines)][-limit:]
