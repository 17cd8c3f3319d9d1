# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""How often a loop goes round at most: the items of its list, or the way of its counter to a fixed limit."""

from __future__ import annotations

import math
import re
import typing as t

from .program import Assignment, Call, Loop, Word
from .subject import Subject

_NUMBER = r"-?\d+"

#: {1..30}, {0..60..5}
_RANGE = re.compile(rf"\{{({_NUMBER})\.\.({_NUMBER})(?:\.\.({_NUMBER}))?\}}")

#: A clock ends the loop, however many rounds its counter allows.
_CLOCK = re.compile(r"\bSECONDS\b|date \+%s|EPOCHSECONDS")

#: The operators that also let the limit itself pass.
_INCLUSIVE = ("<=", "-le")


def rounds(subject: Subject, loop: Loop) -> int | None:
    """The number of rounds, as far as it is fixed."""
    if _CLOCK.search(loop.text):
        return None
    if loop.node["Type"] == "ForClause" and loop.node["Loop"]["Type"] == "WordIter":
        return _items(subject, loop)
    counted = (_counted(subject, loop, name) for name in _counters(subject, loop))
    return min((number for number in counted if number is not None), default=None)


def _items(subject: Subject, loop: Loop) -> int | None:
    """The length of a for loop's list."""
    name = loop.node["Loop"]["Name"]["Value"]
    assignment = next(a for a in subject.program.assignments[name] if loop.sequence < a.sequence < loop.body)
    lengths = [_length(subject, item, assignment) for item in assignment.items]
    known = [length for length in lengths if length is not None]
    return sum(known) if len(known) == len(lengths) else None


def _length(subject: Subject, item: Word, at: Assignment) -> int | None:
    """The number of words that one becomes."""
    commands = item.pieces[0].commands if len(item.pieces) == 1 else ()
    if commands:
        return _sequence(subject, commands[0]) if len(commands) == 1 and commands[0].name == "seq" else None
    ways = subject.values.fields(item, at)
    lengths = {_expanded(way) for way in ways}
    return lengths.pop() if len(lengths) == 1 else None


def _expanded(words: t.Sequence[Word]) -> int | None:
    found = 0
    for word in words:
        span = _RANGE.fullmatch(word.shown)
        if span is not None:
            found += _steps(int(span[1]), int(span[2]), abs(int(span[3] or 1)), inclusive=True)
        elif word.literal is None or any(piece.kind == "glob" for piece in word.pieces):
            return None
        else:
            found += 1
    return found


def _sequence(subject: Subject, call: Call) -> int | None:
    """What seq counts: to a number, from one to another, with a step between them."""
    texts = [subject.values.known(word, call).shown for word in call.arguments]
    if not texts or not all(re.fullmatch(_NUMBER, text) for text in texts):
        return None
    numbers = [int(text) for text in texts]
    first = numbers[0] if len(numbers) > 1 else 1
    step = numbers[1] if len(numbers) > 2 else 1
    return _steps(first, numbers[-1], abs(step), inclusive=True)


def _steps(first: int, last: int, step: int, *, inclusive: bool) -> int:
    return math.ceil(abs(last - first) / (step or 1)) if not inclusive else abs(last - first) // (step or 1) + 1


def _counters(subject: Subject, loop: Loop) -> list[str]:
    """The variables that change in the loop, or in the head of a for ((...))."""
    return [
        name
        for name, assignments in subject.program.assignments.items()
        if any(loop.sequence < assignment.sequence < loop.end for assignment in assignments)
    ]


def _counted(subject: Subject, loop: Loop, name: str) -> int | None:
    """The rounds until a counter meets its limit."""
    limit = re.search(
        rf"\$?\{{?\b{name}\b\}}?\"?(?:\+\+|--)?\s*(-l[te]|-g[te]|-eq|-ne|[<>]=?|==|!=)\s*\"?(\$?\{{?\w+)", loop.text
    )
    start, step = _start(subject, loop, name), _step(loop, name)
    if limit is None or start is None or step is None:
        return None
    last = _number(subject, limit[2], loop)
    return _steps(start, last, step, inclusive=limit[1] in _INCLUSIVE) if last is not None else None


def _step(loop: Loop, name: str) -> int | None:
    """By how much a counter changes in each round."""
    if re.search(rf"\b{name}(\+\+|--)|(\+\+|--){name}\b", loop.text):
        return 1
    changed = re.search(rf"\b{name}\"?\s*[-+]=\s*(\d+)|\b{name}=\S*?\$?\{{?{name}\}}?\s*[-+]\s*(\d+)", loop.text)
    changed = changed or re.search(rf"\b{name}=\$\(expr \"?\$\{{?{name}\}}?\"? [-+] (\d+)", loop.text)
    return int(next(filter(None, changed.groups()))) if changed is not None else None


def _start(subject: Subject, loop: Loop, name: str) -> int | None:
    """The number that a counter begins with."""
    head = re.match(rf"for \(\(\s*{name}\s*=\s*({_NUMBER})", loop.text)
    if head is not None:
        return int(head[1])
    before = [a for a in subject.program.assignments[name] if a.sequence < loop.sequence]
    if not before:
        # An arithmetic expression takes what is not set for 0.
        return 0
    return _number(subject, before[-1].value.literal or "" if before[-1].value is not None else "", loop)


def _number(subject: Subject, text: str, loop: Loop) -> int | None:
    """A number, or a variable that has one."""
    if re.fullmatch(_NUMBER, text):
        return int(text)
    name = re.fullmatch(r"\$?\{?([A-Za-z_]\w*)", text)
    values = [a.value.literal for a in subject.values.assignments(name[1], loop) if a.value] if name else []
    return int(values[0]) if len(values) == 1 and values[0] and re.fullmatch(_NUMBER, values[0]) else None
