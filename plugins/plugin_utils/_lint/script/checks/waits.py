# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Waits without an end, and waits that are too long."""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit, hit_at
from ..model import word_set
from ..program import Assignment, Call, Loop
from ..subject import Subject
from ..wrappers import seconds

#: Command: (options that bound it, what to add, only with these first words or None).
_NETWORK: dict[str, tuple[tuple[str, ...], str, frozenset[str] | None]] = {
    "curl": (("-m", "--max-time", "--connect-timeout"), "--max-time 10", None),
    "wget": (("-T", "--timeout", "--connect-timeout", "--read-timeout"), "--timeout=10 --tries=1", None),
    "psql": ((), "PGCONNECT_TIMEOUT=5 and timeout 10", None),
    "mysql": (("--connect-timeout", "--connect_timeout"), "--connect-timeout=5", None),
    "mariadb": (("--connect-timeout",), "--connect-timeout=5", None),
    "ssh": ((), "-o ConnectTimeout=5 -o BatchMode=yes", None),
    "scp": ((), "-o ConnectTimeout=5 -o BatchMode=yes", None),
    "sftp": ((), "-o ConnectTimeout=5 -o BatchMode=yes", None),
    "nc": (("-w",), "-w 5", None),
    "telnet": ((), "timeout 10", None),
    "ldapsearch": (("-l", "-o"), "-o nettimeout=5", None),
    "redis-cli": ((), "timeout 10", None),
    "docker": ((), "timeout 60, or --pull=never", frozenset({"run", "pull"})),
    "podman": ((), "timeout 60, or --pull=never", frozenset({"run", "pull"})),
    "showmount": ((), "timeout 10", None),
}

#: Clients with their own, long, limits: only noted.
_SLOW = word_set("beeond aws gcloud az oci openstack git kubectl gsutil azcopy rsync mount.nfs")


def unbounded_wait(subject: Subject) -> t.Iterator[Hit]:
    """unbounded-wait: network clients and polling loops without a limit."""
    waits = bool(subject.program.named("wait"))
    for call in subject.program.calls:
        if call.context.bound is not None or (call.context.background and not waits):
            continue
        message = _endless(call)
        if message is not None:
            yield hit_at("unbounded-wait", call, message)
        elif call.name in _NETWORK and not _is_bounded(subject, call):
            # wget has long limits of its own, which a booting host can bear and a waiting job cannot.
            mild = call.name == "wget" and not subject.where.is_job
            message = f"{call.name} has no time limit; add {_NETWORK[call.name][1]}"
            yield hit_at("unbounded-wait", call, message, "info" if mild else None)
        elif call.name in _SLOW and subject.where.is_job and call.texts:
            message = f"{call.name} waits as long as its own defaults say; put timeout in front"
            yield hit_at("unbounded-wait", call, message, "info")
        elif call.name == "sleep" and subject.where.is_job and call.context.loops == ():
            length = seconds(subject.values.known(call.arguments[0], call).shown) if call.arguments else None
            if length is not None and length >= 5:
                yield hit_at("unbounded-wait", call, f"every job waits {length:g} s here", "info")
    for loop in subject.program.loops:
        if loop.context.bound is None and _polls(subject, loop) and not _capped(subject, loop):
            yield hit_at(
                "unbounded-wait",
                loop,
                "the loop waits for something that may never happen; count the rounds",
            )


def _endless(call: Call) -> str | None:
    """Commands that go on until they are stopped."""
    if call.name == "sleep" and call.texts[:1] in (["infinity"], ["inf"]):
        return "sleep infinity never ends"
    if call.name == "tail" and call.has_option("-f", "-F", "--follow") and not call.has_option("--pid"):
        return "tail -f never ends"
    if call.name == "inotifywait" and not call.has_option("-t", "--timeout"):
        return "inotifywait has no time limit; add --timeout 10"
    if call.name == "ping" and not call.has_option("-c", "-w"):
        return "ping never ends; add -c 1 -W 2"
    return None


def _is_bounded(subject: Subject, call: Call) -> bool:
    """Whether an option, the environment or the kind of the call sets a limit."""
    options, _remedy, verbs = _NETWORK[call.name]
    operands = [text for text in call.texts if not text.startswith("-")]
    if verbs is not None and operands[:1] and operands[0] not in verbs:
        return True
    if (options and call.has_option(*options)) or set(call.texts) & {"--version", "-V", "--help", "--pull=never"}:
        return True
    if call.name == "psql" and subject.program.assignments.get("PGCONNECT_TIMEOUT"):
        return True
    return re.search(r"(?i)connect_?timeout", " ".join((*call.texts, *call.environment))) is not None


def _inside(loop: Loop, sequence: int) -> bool:
    return loop.sequence < sequence < loop.end


def _polls(subject: Subject, loop: Loop) -> bool:
    """Whether the loop goes round until the world has changed: it sleeps, or has no condition of its own."""
    calls = [call for call in subject.program.calls if _inside(loop, call.sequence)]
    conditions = loop.node.get("Cond") or []
    first = (conditions[0].get("Cmd") or {}) if conditions else {}
    words = ["".join(p.get("Value", "") for p in word["Parts"]) for word in first.get("Args") or ()]
    endless = (words[:1] in (["true"], [":"], ["1"]) and not loop.node.get("Until")) or (
        words[:1] == ["false"] and bool(loop.node.get("Until"))
    )
    if words[:1] == ["read"] or any(
        call.name in ("read", "shift", "getopts") and call.context.tested for call in calls
    ):
        return False
    if any(call.name == "shift" for call in calls):
        return False
    return endless or any(call.name == "sleep" and call.context.function == loop.context.function for call in calls)


def _capped(subject: Subject, loop: Loop) -> bool:
    """Whether a counter, a clock or a bounded reader ends the loop."""
    program = subject.program
    if re.search(r"\bSECONDS\b|date \+%s|EPOCHSECONDS|inotifywait|\btimeout\b", loop.text):
        return True
    changed = {
        name
        for name, assignments in program.assignments.items()
        if any(
            _inside(loop, a.sequence)
            and (a.kind == "number" or _counts(name, a.value) or (a.kind == "append" and _is_number(a)))
            for a in assignments
        )
    }
    compared = {use.name for use in program.uses if _inside(loop, use.sequence)}
    return bool(changed & compared) and bool(re.search(r"-(?:eq|ne|lt|le|gt|ge)\b|\(\(|[<>]=?", loop.text))


def _is_number(assignment: Assignment) -> bool:
    return assignment.value is not None and (assignment.value.literal or "").isdigit()


def _counts(name: str, value: t.Any) -> bool:
    """x=$((x+1)), x=$(expr $x + 1), x=$(($x - 1))."""
    if value is None:
        return False
    if any(piece.text == name for piece in value.variables) and re.search(r"[-+]\s*\d", value.shown):
        return True
    return any(piece.kind == "number" for piece in value.pieces) or any(
        call.name in ("expr", "bc") for piece in value.pieces for call in piece.commands
    )


def wait_exceeds_timeout(subject: Subject) -> t.Iterator[Hit]:
    """wait-exceeds-timeout: a fixed bound that is longer than the script may run."""
    if subject.timeout is None:
        return
    for call in subject.program.calls:
        length = _length(subject, call)
        if (
            length is not None
            and length >= subject.timeout
            and not call.context.background
            and call.context.bound is None
        ):
            yield hit_at(
                "wait-exceeds-timeout",
                call,
                f"{call.name} may take {length:g} s, the script is ended after {subject.timeout} s",
            )


def _length(subject: Subject, call: Call) -> float | None:
    words = [subject.values.known(word, call).shown for word in call.arguments]
    if call.name == "sleep" and words:
        lengths = [seconds(word) for word in words]
        return sum(length for length in lengths if length is not None) if None not in lengths else None
    if call.name == "timeout":
        operands = [word for word in words if not word.startswith("-") and seconds(word) is not None]
        return seconds(operands[0]) if operands else None
    names = {"curl": ("-m", "--max-time"), "flock": ("-w", "--timeout"), "wget": ("-T", "--timeout")}.get(call.name, ())
    for position, word in enumerate(words):
        for name in names:
            if word == name and position + 1 < len(words):
                return seconds(words[position + 1])
            if name.startswith("--") and word.startswith(name + "="):
                return seconds(word[len(name) + 1 :])
    return None


CHECKS = (
    unbounded_wait,
    wait_exceeds_timeout,
)
