# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The least number that an arithmetic expression can result in; a result of 0 is a failure of (( )) and let."""

from __future__ import annotations

import math
import re
import typing as t

from .parser import Node
from .program import Assignment, Call, Point, Word
from .values import Values, counts

_UNKNOWN = -math.inf

#: Says nothing about the least number: a counter that only grows is never below its start.
_ITSELF = math.inf

#: Variables of the shell's that are never negative; the second kind is never 0.
_FROM_ZERO = frozenset({"SECONDS", "RANDOM", "SRANDOM", "#", "?", "UID", "EUID", "SHLVL", "LINENO", "OPTIND"})
_FROM_ONE = frozenset({"$", "!", "PPID", "BASHPID", "EPOCHSECONDS"})


def may_be_zero(command: Node, values: Values, at: Point) -> bool:
    """Whether (( )) or let may result in 0."""
    expressions = command.get("Exprs") or [command.get("X")]
    return _Least(values).of(expressions[-1], at, frozenset()) <= 0


class _Least:
    def __init__(self, values: Values) -> None:
        self.values = values

    def of(self, node: Node | None, at: Point, seen: frozenset[int]) -> float:
        kind = (node or {}).get("Type")
        if not node or kind not in _READERS:
            return _UNKNOWN
        return _READERS[kind](self, node, at, seen)

    def word(self, node: Node, at: Point, seen: frozenset[int]) -> float:
        parts = node.get("Parts") or []
        if len(parts) != 1:
            return _UNKNOWN
        part = parts[0]
        text = part.get("Value", "")
        if part["Type"] == "ParamExp":
            if part.get("Length"):
                return 0
            if any(part.get(key) for key in ("Excl", "Names", "Repl", "Slice", "Index", "Exp")):
                return _UNKNOWN
            return self.variable((part.get("Param") or {}).get("Value", ""), at, seen)
        if part["Type"] == "ArithmExp":
            return self.of(part.get("X"), at, seen)
        if part["Type"] != "Lit":
            return _UNKNOWN
        if text.isdigit():
            return int(text, 8 if re.fullmatch(r"0[0-7]+", text) else 10)
        return self.variable(text, at, seen) if re.fullmatch(r"[A-Za-z_]\w*", text) else _UNKNOWN

    def variable(self, name: str, at: Point, seen: frozenset[int]) -> float:
        if name in _FROM_ZERO | _FROM_ONE:
            return int(name in _FROM_ONE)
        # Without a value a variable is 0; what the hook sets may be anything.
        found = [
            self.given(definition.assignment, seen)
            if definition.assignment is not None
            else (_UNKNOWN if self.values.is_from_hook(name) else 0)
            for definition in self.values.definitions(name, at)
        ]
        return min(found, default=_UNKNOWN)

    def given(self, assignment: Assignment, seen: frozenset[int]) -> float:
        if assignment.sequence in seen:
            return _ITSELF
        seen |= {assignment.sequence}
        if assignment.expression is not None:
            return self.of(assignment.expression, assignment, seen)
        if assignment.kind == "for":
            return min((self.item(item) for item in assignment.items), default=_UNKNOWN)
        if assignment.value is None or assignment.added or assignment.kind not in ("assign", "declare", "default"):
            return _UNKNOWN
        return self.text(assignment.value, assignment, seen)

    def item(self, item: Word) -> float:
        text = item.literal or ""
        numbers = re.fullmatch(r"(\d+)|\{(\d+)\.\.(\d+)(?:\.\.\d+)?\}", text)
        return min(int(number) for number in numbers.groups() if number) if numbers else _UNKNOWN

    def text(self, word: Word, at: Point, seen: frozenset[int]) -> float:
        """The least number that a word can be."""
        if word.literal is not None:
            return int(word.literal) if re.fullmatch(r"\d+", word.literal) else _UNKNOWN if word.literal else 0
        if len(word.pieces) != 1:
            return _UNKNOWN
        piece = word.pieces[0]
        if piece.kind == "number":
            return self.of(piece.expression, at, seen) if piece.expression is not None else 0
        if piece.kind == "command":
            return self.output(piece.commands)
        return self.variable(piece.text, at, seen) if not piece.operator and not piece.index else _UNKNOWN

    def output(self, commands: t.Sequence[Call]) -> float:
        if commands and commands[-1].name == "date" and "+%s" in commands[-1].texts:
            return 1
        return 0 if commands and counts(commands[-1]) else _UNKNOWN

    def unary(self, node: Node, at: Point, seen: frozenset[int]) -> float:
        operator = node["Op"]
        inner = self.of(node["X"], at, seen)
        if operator == "++":
            return inner if node.get("Post") else inner + 1
        if operator in ("!", "+"):
            return 0 if operator == "!" else inner
        return _UNKNOWN

    def binary(self, node: Node, at: Point, seen: frozenset[int]) -> float:
        operator = node["Op"]
        if operator in ("=", ","):
            return self.of(node["Y"], at, seen)
        if operator in ("==", "!=", "<", ">", "<=", ">=", "&&", "||"):
            return 0
        left, right = self.of(node["X"], at, seen), self.of(node["Y"], at, seen)
        operator = operator.removesuffix("=")
        if left < 0 or right < 0:
            return left + right if operator == "+" else _UNKNOWN
        if operator == "+":
            return left + right
        if operator in ("*", "**"):
            # 0 * inf has no value; what grows from 0 may stay 0.
            return 0 if 0 in (left, right) else left * right
        # What is left of a number that is not negative is not negative; a difference may be.
        return 0 if operator in ("/", "%", ">>", "&", "|", "^") else _UNKNOWN

    def paren(self, node: Node, at: Point, seen: frozenset[int]) -> float:
        return self.of(node.get("X"), at, seen)


_READERS: dict[str | None, t.Callable[[_Least, Node, Point, frozenset[int]], float]] = {
    "Word": _Least.word,
    "UnaryArithm": _Least.unary,
    "BinaryArithm": _Least.binary,
    "ParenArithm": _Least.paren,
}
