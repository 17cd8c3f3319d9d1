# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Waits without an end, and waits that are too long."""

from __future__ import annotations

import bisect
import dataclasses
import re
import typing as t

from ...core.model import Hit, hit_at
from ..environment import Surroundings
from ..facts import Is, Wait
from ..knowledge import SLURM_WAIT, facts, is_a
from ..program import Assignment, Call, Loop, Point, Word
from ..rounds import rounds
from ..subject import Subject
from ..wrappers import own_words, seconds
from .vocabulary import asks_slurm


def unbounded_wait(subject: Subject) -> t.Iterator[Hit]:
    """unbounded-wait: what waits for a server, a driver, a lock or a user; loops without a limit."""
    waits = bool(subject.program.named("wait"))
    for call in subject.program.calls:
        if call.context.bound is not None or (call.context.background and not waits):
            continue
        wait = _wait(subject, call)
        if wait is not None:
            message = told(subject.where, call.name, wait)
            if subject.where.is_health:
                yield hit_at("unbounded-wait", call, message)
            # A host that starts can bear what is only long.
            elif not subject.where.is_init or not (wait.in_jobs_only or wait.severity == "info"):
                yield hit_at("unbounded-wait", call, message, wait.severity)
        elif call.name == "sleep" and subject.where.occasion == "job" and call.context.loops == ():
            length = seconds(subject.values.known(call.arguments[0], call).shown) if call.arguments else None
            if length is not None and length >= 5:
                yield hit_at("unbounded-wait", call, f"every job waits {length:g} s here", "info")
    for redirect in subject.program.redirects:
        is_free = redirect.context.bound is None and not redirect.context.background
        if is_free and redirect.target.shown.startswith("/dev/tcp/"):
            message = "the shell connects without a time limit; put timeout 5 bash -c around it"
            yield hit_at("unbounded-wait", redirect.target, message)
    for loop in subject.program.loops:
        if loop.ends_by_itself:
            continue
        if loop.context.bound is None and _polls(subject, loop) and not _capped(subject, loop):
            yield hit_at(
                "unbounded-wait",
                loop,
                "the loop waits for something that may never happen; count the rounds",
            )


def told(where: Surroundings, name: str, wait: Wait) -> str:
    """What is said of a wait."""
    # The kill takes the whole script, and with it the drain.
    then = "slurmd kills a check that hangs, and the node stays in service; " if where.is_health else ""
    return f"{name} {wait.says}; {then}{wait.fix}"


def _wait(subject: Subject, call: Call) -> Wait | None:
    """The way in which a call may wait without an end."""
    if subject.where.is_health and asks_slurm(call):
        return SLURM_WAIT
    if call.name in subject.program.functions:
        return None
    return next((wait for wait in facts(call.name).waits if _waits(subject, call, wait)), None)


def _waits(subject: Subject, call: Call, wait: Wait) -> bool:
    """Whether a call waits in this way, and one of its forms has no limit."""
    return any(
        _goes_unbounded(subject, dataclasses.replace(call, words=words), wait) for words in _forms(subject, call)
    )


def _forms(subject: Subject, call: Call) -> list[tuple[Word, ...]]:
    """The words of a command, without those of a program that it runs, in every form that they can take."""
    own = dataclasses.replace(call, words=own_words(call))
    return [(call.words[0], *arguments) for arguments in subject.values.arguments(own)]


def _goes_unbounded(subject: Subject, call: Call, wait: Wait) -> bool:
    texts = call.texts
    operands = [text for text in texts if not text.startswith("-")]
    bounds = wait.bounds.split()
    if call.has_option("--help", *bounds):
        return False
    if re.search(r"(?i)(connect|net|op)_?timeout|retry=", " ".join((*texts, *call.environment))):
        return False
    if wait.variable and (wait.variable in call.environment or subject.program.assignments.get(wait.variable)):
        return False
    # Behind an option of the whole program the verb may be the second operand.
    verbs = operands[: 2 if texts[:1] and texts[0].startswith("-") else 1]
    return (
        (not wait.verbs or bool(set(verbs) & set(wait.verbs.split())))
        and (not wait.options or call.has_option(*wait.options.split()))
        and (not wait.operand or any(re.search(wait.operand, text) for text in operands))
        and (wait.operands is None or len(operands) == wait.operands)
        and (not wait.more_than or len(operands) > wait.more_than)
    )


_Noted = t.TypeVar("_Noted", bound=Point)


def _within(noted: t.Sequence[_Noted], loop: Loop) -> t.Sequence[_Noted]:
    """What was noted within a loop; the walk numbers its notes in their order."""
    first = bisect.bisect_right(noted, loop.sequence, key=lambda one: one.sequence)
    return noted[first : bisect.bisect_left(noted, loop.end, key=lambda one: one.sequence)]


def _polls(subject: Subject, loop: Loop) -> bool:
    """Whether the loop goes round until the world has changed: busily, asleep, or without a condition of its own."""
    calls = _within(subject.program.calls, loop)
    if any(call.name == "shift" or (_takes(call) and call.context.tested) for call in calls):
        return False
    if _is_endless(loop) or any(c.name == "sleep" and c.context.function == loop.context.function for c in calls):
        return True
    return not _advances(subject, loop, calls)


def _takes(call: Call) -> bool:
    """Whether a command takes the next lines of its input (or the next option)."""
    if call.name == "head":
        return all(re.fullmatch(r"-.*|\d+", text) for text in call.texts)
    return is_a(call.name, Is.TAKES_NEXT)


def _is_endless(loop: Loop) -> bool:
    """while true, while :, until false, for ((;;))."""
    conditions = loop.node.get("Cond") or []
    if not conditions:
        return True
    first = conditions[0].get("Cmd") or {}
    words = ["".join(p.get("Value", "") for p in word["Parts"]) for word in first.get("Args") or ()]
    return words[:1] == ["false"] if loop.node.get("Until") else words[:1] in (["true"], [":"], ["1"])


def _advances(subject: Subject, loop: Loop, calls: t.Sequence[Call]) -> bool:
    """Whether each round brings the loop nearer to its end by itself: it changes what its condition looks at."""
    program = subject.program
    span = loop.node["Cond"][0]["Pos"]["Offset"], loop.node["Cond"][-1]["End"]["Offset"]
    start = loop.node["Pos"]["Offset"]
    condition = loop.text.encode()[span[0] - start : span[1] - start].decode("utf-8", "replace")
    names = set(re.findall(r"[A-Za-z_]\w*", condition)) & program.assignments.keys()
    changes = [(name, a) for name in names for a in _within(program.assignments[name], loop)]
    if changes:
        return any(_goes_on(name, a) for name, a in changes)
    # A function, or arithmetic without a change here: what it does cannot be seen.
    tests = [call for call in calls if call.context.tested and _in_condition(loop, call)]
    if not tests or any(call.name in program.functions for call in tests):
        return True
    operands = {text for call in tests for text in call.texts if not re.fullmatch(r"-.*|\]|!?=|.", text)}
    return any(
        is_a(call.name, Is.LESSENS) and operands & set(call.texts) for call in calls if not _in_condition(loop, call)
    ) or any(is_a(call.name, Is.LESSENS) for call in tests)


def _in_condition(loop: Loop, call: Call) -> bool:
    return loop.sequence < call.sequence < loop.body


def _goes_on(name: str, assignment: Assignment) -> bool:
    """Whether a value is made from the one before: a counter, the rest of a list, the directory above."""
    if assignment.kind in ("number", "append", "array", "read", "for"):
        return True
    value = assignment.value
    if value is None:
        return True
    inside = [word for piece in value.pieces for call in piece.commands for word in call.arguments]
    return any(piece.text == name for word in (value, *inside) for piece in word.variables) or any(
        piece.kind == "number" for piece in value.pieces
    )


def _capped(subject: Subject, loop: Loop) -> bool:
    """Whether a counter, a clock or a bounded reader ends the loop."""
    program = subject.program
    if re.search(r"\bSECONDS\b|date \+%s|EPOCHSECONDS|inotifywait|\btimeout\b", loop.text):
        return True
    counted = any(
        a.kind == "number" or _counts(name, a.value) or (a.kind == "append" and _is_number(a))
        for name in {use.name for use in _within(program.uses, loop)} & program.assignments.keys()
        for a in _within(program.assignments[name], loop)
    )
    return counted and bool(re.search(r"-(?:eq|ne|lt|le|gt|ge)\b|\(\(|[<>]=?", loop.text))


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

    for loop in subject.program.loops:
        once = _round(subject, loop)
        number = rounds(subject, loop) if once and loop.context.bound is None and not loop.context.background else None
        if number is not None and number > 1 and number * once >= subject.timeout > once:
            yield hit_at(
                "wait-exceeds-timeout",
                loop,
                f"the loop may take {number} rounds of {once:g} s; the script is ended after {subject.timeout} s",
            )


def _round(subject: Subject, loop: Loop) -> float:
    """The seconds that one round may take, as far as they are fixed."""
    certain, either = 0.0, [0.0]
    for call in _within(subject.program.calls, loop):
        if call.context.loops[-1:] != (loop.sequence,) or call.context.background or call.context.bound is not None:
            continue
        length = _length(subject, call) or 0.0
        if len(call.context.guards) > len(loop.context.guards):
            # Of the branches of one condition only one is taken.
            either.append(length)
        else:
            certain += length
    for inner in subject.program.loops:
        if inner.context.loops[-1:] == (loop.sequence,):
            certain += (rounds(subject, inner) or 0) * _round(subject, inner)
    return certain + max(either)


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
