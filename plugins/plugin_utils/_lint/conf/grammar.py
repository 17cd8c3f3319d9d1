# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""slurm.conf as Slurm's reader takes it apart, with the place of everything in the user's text.

module_utils/_conf.py reads what is there; this module also says what a line holds that Slurm would refuse. Source:
src/common/parse_config.c (_get_next_line, _keyvalue_regex, _parse_include_directive), the same from 22.05 to 26.05;
checked against Slurm by tests/integration/test_conf_grammar.py.
"""

from __future__ import annotations

import bisect
import dataclasses
import re
import typing as t

#: White space for isspace() of C.
BLANK = " \t\n\v\f\r"

_KEY_VALUE = re.compile(
    rf"[{BLANK}]*(?P<key>[A-Za-z0-9_.]+)[{BLANK}]*(?P<operator>[-*+/]?)=[{BLANK}]*"
    rf'(?:"(?P<quoted>[^"]*)"|(?P<bare>[^{BLANK}]+))(?:(?=[{BLANK}])|\Z)'
)
_INCLUDE = re.compile(rf"include[{BLANK}]+(?P<name>[^{BLANK}]*)", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_CONTINUED = re.compile(rf"(?<!\\)(?:\\\\)*(?P<last>\\)[{BLANK}]*\Z")


@dataclasses.dataclass(frozen=True)
class Position:
    """A line and a column of the text, both from 1."""

    line: int
    column: int


@dataclasses.dataclass(frozen=True)
class Pair:
    """One key and its value, and where both stand."""

    key: str
    value: str
    place: Position
    value_place: Position
    operator: str = ""
    is_quoted: bool = False
    #: The offsets in the value at which another line or an escape moves what follows, each with its place.
    moved: tuple[tuple[int, Position], ...] = ()

    @property
    def name(self) -> str:
        """The key as Slurm compares it."""
        return self.key.lower()

    def within_value(self, offset: int) -> Position:
        """Where a part of the value stands."""
        start, place = [(0, self.value_place), *(each for each in self.moved if each[0] <= offset)][-1]
        return Position(place.line, place.column + offset - start)


@dataclasses.dataclass(frozen=True)
class Statement:
    """One logical line: continuation lines joined, comment removed."""

    text: str
    place: Position
    #: The first is the key that the line belongs to; there are more only on lines such as NodeName's.
    pairs: tuple[Pair, ...] = ()
    #: The rest of the line where Slurm expects its end, and its place.
    rest: str = ""
    rest_place: Position = Position(1, 1)
    #: The name after Include; an empty one is as wrong as none at all.
    include: str | None = None
    #: A comment begins inside of quotes here.
    cut_quote: Position | None = None
    #: Whether the text goes on in another physical line.
    is_continued: bool = False
    #: No white space ends the name after Include: what Slurm goes on to read behind it.
    beyond: str = ""

    @property
    def head(self) -> Pair | None:
        """The key that the line belongs to."""
        return self.pairs[0] if self.pairs else None


class _Joined:
    """The text of a logical line and the way back from an offset in it to the user's lines."""

    def __init__(self) -> None:
        self.text = ""
        self._offsets: list[int] = []
        self._places: list[Position] = []

    def add(self, piece: str, line: int) -> None:
        """Append a part of a physical line, without its escapes: a backslash goes, what follows it stays."""
        end = 0
        for match in _ESCAPE.finditer(piece):
            self._append(piece[end : match.start()], Position(line, end + 1))
            self._append(match.group(1), Position(line, match.start() + 2))
            end = match.end()
        self._append(piece[end:], Position(line, end + 1))

    def _append(self, piece: str, place: Position) -> None:
        self._offsets.append(len(self.text))
        self._places.append(place)
        self.text += piece

    def place(self, offset: int) -> Position:
        """Where the character at an offset stands."""
        index = max(0, bisect.bisect_right(self._offsets, offset) - 1)
        start = self._places[index]
        return Position(start.line, start.column + offset - self._offsets[index])

    def moved(self, start: int, end: int) -> tuple[tuple[int, Position], ...]:
        """Where the text between two offsets does not go on in the next column, counted from the first of them."""
        first, last = bisect.bisect_right(self._offsets, start), bisect.bisect_left(self._offsets, end)
        return tuple((self._offsets[index] - start, self._places[index]) for index in range(first, last))


def _unescaped_hash(raw: str) -> int:
    """Where the comment of a physical line begins; its length where there is none."""
    position = raw.find("#")
    while position >= 0:
        before = raw[:position]
        if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
            return position
        position = raw.find("#", position + 1)
    return len(raw)


def _logical(text: str) -> t.Iterator[tuple[_Joined, Position | None, bool, str]]:
    """Each logical line, the place of a comment inside of quotes, whether it was continued, and what Slurm's buffer holds behind it."""
    joined = _Joined()
    cut: Position | None = None
    is_continued = False
    longest = ""
    lines = text.split("\n")
    ends_with_newline = text.endswith("\n")
    if ends_with_newline:
        lines.pop()
    for number, raw in enumerate(lines, 1):
        line = raw.split("\0", 1)[0]
        comment = _unescaped_hash(line)
        kept = line[:comment]
        if comment < len(line) and kept.count('"') % 2 and '"' in line[comment:]:
            cut = Position(number, comment + 1)
        is_last = number == len(lines)
        if match := _CONTINUED.search(kept):
            joined.add(kept[: match.start("last")], number)
            is_continued = True
            if not is_last:
                continue
        else:
            joined.add(kept, number)
        # The reader's buffer keeps what a longer line has left there (Include does not stop at the end of its line).
        if comment < len(line):
            beyond = line[comment + 1 :]
        else:
            beyond = longest[len(line) + 1 :] if is_last and not ends_with_newline else ""
        longest = line if len(line) >= len(longest) else line + "\n\0" + longest[len(line) + 2 :]
        yield joined, cut, is_continued, beyond
        joined, cut, is_continued = _Joined(), None, False


def _next_word(beyond: str) -> str:
    """What is left of a C string behind its first white space."""
    match = re.search(rf"[{BLANK}]([^\0]*)", beyond)
    return match.group(1).strip(BLANK) if match else ""


def statements(text: str, line_keys: t.Container[str]) -> t.Iterator[Statement]:
    """The logical lines that say something. line_keys are the keys (lower case) whose lines hold further keys."""
    for joined, cut, is_continued, beyond in _logical(text):
        logical = joined.text
        if not logical.strip(BLANK):
            continue
        start = joined.place(len(logical) - len(logical.lstrip(BLANK)))
        if (match := _INCLUDE.match(logical)) is not None:
            yield Statement(
                logical,
                start,
                rest=logical[match.end() :],
                rest_place=joined.place(match.end()),
                include=match.group("name"),
                cut_quote=cut,
                is_continued=is_continued,
                beyond=_next_word(beyond) if match.end() == len(logical) else "",
            )
            continue
        pairs: list[Pair] = []
        position = 0
        while match := _KEY_VALUE.match(logical, position):
            group = "quoted" if match.group("quoted") is not None else "bare"
            pairs.append(
                Pair(
                    match.group("key"),
                    match.group(group),
                    joined.place(match.start("key")),
                    joined.place(match.start(group)),
                    match.group("operator"),
                    group == "quoted",
                    joined.moved(match.start(group), match.end(group)),
                )
            )
            position = match.end()
            if pairs[0].name not in line_keys:
                break
        rest = logical[position:]
        blanks = len(rest) - len(rest.lstrip(BLANK))
        yield Statement(
            logical, start, tuple(pairs), rest.strip(BLANK), joined.place(position + blanks), None, cut, is_continued
        )
