# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Slurm's hostlist expressions: C(n[1-3,7],login) as a list of names, and back.

Grammar: hostlist functions of src/common/hostlist.c (22.05 to 26.05), one bracket group per name.
"""

from __future__ import annotations

import itertools
import math
import re
import typing as t

#: More names than any cluster has: a typing error like n[1-99999999] must not eat the memory.
MAX_NAMES = 1_000_000
#: More characters than any node name has (a host's has 255 at most).
MAX_LENGTH = 256
#: More digits than any number of a name has. Python itself converts no more than 4,300.
MAX_DIGITS = 30

_RANGE = re.compile(r"([0-9]+)(?:-([0-9]+))?")
#: Never with a dash first: a command would take such a name for an option.
_NAME = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]*")
_NUMBERED = re.compile(r"^(.*?)([0-9]+)$")


class HostlistError(ValueError):
    """The text is not a hostlist expression."""


def _split(expression: str) -> t.Iterator[str]:
    """Split at the commas that stand outside of brackets."""
    depth = 0
    start = 0
    for position, char in enumerate(expression):
        if char == "[":
            depth += 1
        elif char == "]":
            depth -= 1
        if depth not in (0, 1):
            raise HostlistError(f"unbalanced brackets in {_short(expression)}")
        if char == "," and depth == 0:
            yield expression[start:position].strip()
            start = position + 1
    if depth:
        raise HostlistError(f"unbalanced brackets in {_short(expression)}")
    yield expression[start:].strip()


def _ranges(group: str) -> list[tuple[int, int, int]]:
    """First number, last number and width of each range of a bracket group."""
    found = []
    for part in (text.strip() for text in group.split(",")):
        match = _RANGE.fullmatch(part)
        if not match:
            raise HostlistError(f"{_short(part)} is not a number or a range like 1-8")
        first, last = match.group(1), match.group(2) or match.group(1)
        if max(len(first), len(last)) > MAX_DIGITS:
            raise HostlistError(f"{_short(part)} has a number of more than {MAX_DIGITS} digits")
        if int(last) < int(first):
            raise HostlistError(f"the range {part!r} runs backwards")
        found.append((int(first), int(last), len(first)))
    return found


def _count(piece: str) -> int:
    """How many names a piece of an item makes, before any of them is made."""
    return sum(last - first + 1 for first, last, _width in _ranges(piece[1:-1])) if piece.startswith("[") else 1


def _choices(piece: str) -> t.Iterator[str]:
    if not piece.startswith("["):
        yield piece
        return
    for first, last, width in _ranges(piece[1:-1]):
        for number in range(first, last + 1):
            yield str(number).zfill(width)


def _short(text: str) -> str:
    """A wrong part as a message quotes it."""
    return repr(text if len(text) <= MAX_LENGTH else f"{text[:40]}...")


def expand(expression: str) -> list[str]:
    """The names of a hostlist expression, in its order, each once.

    Raises HostlistError with a sentence that names the wrong part.
    """
    names: dict[str, None] = {}
    for item in _split(expression):
        if not item:
            raise HostlistError(f"an empty name in {_short(expression)}")
        pieces = re.split(r"(\[[^\]]*\])", item)
        if math.prod(_count(piece) for piece in pieces) > MAX_NAMES:
            raise HostlistError(f"{_short(item)} names more than {MAX_NAMES} hosts")
        if sum(len(piece) for piece in pieces if not piece.startswith("[")) > MAX_LENGTH:
            raise HostlistError(f"{_short(item)} is not a node name: it has more than {MAX_LENGTH} characters")
        for combination in itertools.product(*map(_choices, pieces)):
            name = "".join(combination)
            if not _NAME.fullmatch(name):
                raise HostlistError(f"{_short(item)} is not a node name or a hostlist expression")
            names[name] = None
            if len(names) > MAX_NAMES:
                raise HostlistError(f"{_short(expression)} names more than {MAX_NAMES} hosts")
    return list(names)


def fold(names: t.Iterable[str]) -> str:
    """The shortest expression of this simple form for the names: one bracket group per prefix and width."""
    numbered: set[tuple[str, str]] = set()
    plain: set[str] = set()
    for name in names:
        match = _NUMBERED.match(name)
        if match and len(match.group(2)) < 10:
            numbered.add((match.group(1), match.group(2)))
        else:
            plain.add(name)
    # Without leading zeros n9 and n10 belong together; with them the width is part of the name, so n09 and n10 do.
    padded = {(prefix, len(digits)) for prefix, digits in numbered if len(digits) > 1 and digits.startswith("0")}
    groups: dict[tuple[str, int], set[int]] = {}
    for prefix, digits in numbered:
        width = len(digits) if (prefix, len(digits)) in padded else 0
        groups.setdefault((prefix, width), set()).add(int(digits))
    parts = sorted(plain)
    for (prefix, width), numbers in sorted(groups.items()):
        ordered = sorted(numbers)
        ranges: list[str] = []
        for _key, run in itertools.groupby(enumerate(ordered), lambda pair: pair[1] - pair[0]):
            members = [number for _index, number in run]
            first, last = str(members[0]).zfill(width), str(members[-1]).zfill(width)
            ranges.append(first if members[0] == members[-1] else f"{first}-{last}")
        text = ",".join(ranges)
        parts.append(f"{prefix}{text}" if len(ordered) == 1 else f"{prefix}[{text}]")
    return ",".join(parts)


def parts(names: t.Iterable[str], limit: int) -> list[str]:
    """Expressions that together name the same hosts, none longer than a limit: an argument of a command has one."""
    ordered = sorted(set(names))
    whole = fold(ordered)
    if len(whole) <= limit or len(ordered) < 2:
        return [whole] if ordered else []
    middle = len(ordered) // 2
    return parts(ordered[:middle], limit) + parts(ordered[middle:], limit)
