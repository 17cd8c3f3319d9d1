# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Slurm's hostlist expressions: C(n[1-3,7],login) as a list of names, and back.

Grammar: hostlist functions of src/common/hostlist.c (22.05 to 26.05), one bracket group per name.
"""

from __future__ import annotations

import itertools
import re
import typing as t

#: More names than any cluster has: a typing error like n[1-99999999] must not eat the memory.
MAX_NAMES = 1_000_000

_RANGE = re.compile(r"^([0-9]+)(?:-([0-9]+))?$")
_NAME = re.compile(r"^[A-Za-z0-9._-]+$")
_NUMBERED = re.compile(r"^(.*?)([0-9]+)$")


class HostlistError(ValueError):
    """The text is no hostlist expression."""


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
            raise HostlistError(f"unbalanced brackets in {expression!r}")
        if char == "," and depth == 0:
            yield expression[start:position].strip()
            start = position + 1
    if depth:
        raise HostlistError(f"unbalanced brackets in {expression!r}")
    yield expression[start:].strip()


def _numbers(group: str) -> t.Iterator[str]:
    count = 0
    for part in group.split(","):
        match = _RANGE.match(part.strip())
        if not match:
            raise HostlistError(f"{part.strip()!r} is no number or range like 1-8")
        first, last = match.group(1), match.group(2) or match.group(1)
        if int(last) < int(first):
            raise HostlistError(f"the range {part.strip()!r} runs backwards")
        count += int(last) - int(first) + 1
        if count > MAX_NAMES:
            raise HostlistError(f"the range {part.strip()!r} names more than {MAX_NAMES} hosts")
        for number in range(int(first), int(last) + 1):
            yield str(number).zfill(len(first))


def expand(expression: str) -> list[str]:
    """The names of a hostlist expression, in its order, each once.

    Raises HostlistError with a sentence that names the wrong part.
    """
    names: dict[str, None] = {}
    for item in _split(expression):
        if not item:
            raise HostlistError(f"an empty name in {expression!r}")
        pieces = re.split(r"(\[[^\]]*\])", item)
        choices = [list(_numbers(piece[1:-1])) if piece.startswith("[") else [piece] for piece in pieces]
        for combination in itertools.product(*choices):
            name = "".join(combination)
            if not _NAME.match(name):
                raise HostlistError(f"{item!r} is no node name or hostlist expression")
            names[name] = None
            if len(names) > MAX_NAMES:
                raise HostlistError(f"{expression!r} names more than {MAX_NAMES} hosts")
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
