# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The text and its lines: parts that Slurm cannot read, or reads otherwise than meant."""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit, Severity, hit_at
from .. import facts, grammar
from ..grammar import Pair, Position, Statement
from ..subject import Subject
from ..wording import shown


def stray_bytes(subject: Subject) -> t.Iterator[Hit]:
    """syntax-error: a byte order mark, a NUL byte."""
    if subject.text.startswith("\ufeff"):
        said = "a byte order mark stands before the first key, which so becomes no key"
        yield hit_at("syntax-error", Position(1, 1), said)
    if "\0" in subject.text:
        line = subject.text[: subject.text.index("\0")].count("\n") + 1
        yield hit_at("syntax-error", Position(line, 1), "a NUL byte ends the line for Slurm", "warning")


def include(subject: Subject) -> t.Iterator[Hit]:
    """syntax-error, include-line: Include, which names one file and no more."""
    for statement in subject.statements:
        if statement.include is None or subject.is_touched(statement.place):
            continue
        yield from _include_syntax(statement, statement.include)
        if not subject.is_whole:
            said = f"Include {statement.include}: this file is neither checked nor placed nor undone"
            yield hit_at("include-line", statement.place, said)


def _include_syntax(statement: Statement, name: str) -> t.Iterator[Hit]:
    place = statement.place
    if not name:
        yield hit_at("syntax-error", place, "Include names no file")
    elif statement.rest.strip(grammar.BLANK):
        said = f"Include takes one name, and {statement.rest.strip()!r} is left over"
        yield hit_at("syntax-error", statement.rest_place, said)
    elif '"' in name or "'" in name:
        said = "Include takes the quotes for a part of the name"
        yield hit_at("syntax-error", place, said, fix="write the name without quotes")
    elif "*" in name:
        yield hit_at("syntax-error", place, "Include knows no wildcards", fix="name each file")
    elif statement.beyond:
        said = f"no blank and no newline ends the name {name}: Slurm reads on, into {shown(statement.beyond)}"
        fix = "end the line with a newline, and put a blank before a comment"
        yield hit_at("syntax-error", place, said, fix=fix)


def no_pair(subject: Subject) -> t.Iterator[Hit]:
    """syntax-error: a line that is not a Key=value."""
    for statement in subject.statements:
        if statement.head or statement.include is not None or subject.is_touched(statement.place):
            continue
        text = statement.text.strip(grammar.BLANK)
        if pair := subject.empty_pair(statement):
            # The unknown key says more than the value that is missing.
            if pair.name in facts.table(facts.MAIN):
                fix = 'write "" for an empty one, or take the line out'
                yield hit_at("syntax-error", pair.place, f"{pair.key}= has no value", fix=fix)
        elif re.match(r"include\s", text, re.IGNORECASE):
            said = "Include stands behind blanks, where Slurm does not see it as one"
            yield hit_at("syntax-error", statement.place, said, fix="begin the line with Include")
        else:
            severity: Severity | None = "info" if subject.is_whole and subject.is_open(text) else None
            yield hit_at("syntax-error", statement.place, f"{shown(text)} is not a Key=value", severity)


def quotes(subject: Subject) -> t.Iterator[Hit]:
    """syntax-error: quotes that do not hold the value together."""
    for statement in subject.statements:
        head = statement.head
        if head is None:
            continue
        if statement.cut_quote:
            said = f"the # ends the value of {head.key} in the middle of its quotes"
            severity: Severity | None = None if statement.rest else "warning"
            fix = r"write \# for a # that belongs to the value"
            yield hit_at("syntax-error", statement.cut_quote, said, severity, fix)
        elif (
            not subject.is_open(head.value) and head.value.startswith('"') and not head.is_quoted and not statement.rest
        ):
            said = f"the quotes of {head.key}'s value do not match; Slurm takes them into the value"
            yield hit_at("syntax-error", head.value_place, said, "warning")


def left_over(subject: Subject) -> t.Iterator[Hit]:
    """syntax-error: text behind the value."""
    for statement, head, _key in subject.known_heads:
        if statement.rest and not statement.cut_quote and not subject.is_touched(statement.place):
            said, fix = _left_over(statement, head)
            yield hit_at("syntax-error", statement.rest_place, said, fix=fix)


def _left_over(statement: Statement, head: Pair) -> tuple[str, str]:
    """The fault of the rest of a line, and the remedy if the rule's own does not fit."""
    last = statement.pairs[-1]
    rest = shown(statement.rest)
    if last.value.startswith("'"):
        return f"{rest} is left over: single quotes mean nothing to Slurm", "use double quotes"
    if last.value.startswith('"') and not last.is_quoted:
        return f"the quotes of {last.key}'s value do not match, and {rest} is left over", ""
    if last.value.endswith(",") and not last.is_quoted:
        return f"{rest} is left over: a blank ends the value", "write the list without blanks, or in double quotes"
    if statement.is_continued and statement.rest_place.line != last.place.line:
        said = f"{rest} is left over: the blanks at the beginning of a continued line end the value"
        return said, "begin the continued line in the first column"
    if re.match(r"[\w.]+\s*[-*+/]?=\s*[^\s]", statement.rest) and head.name not in facts.LINE_KEYS:
        return f"{rest} stands on the line of {head.key}: Slurm takes one key a line", "put it on a line of its own"
    if re.fullmatch(r"[\w.]+\s*[-*+/]?=", statement.rest):
        return f"{rest} has no value", 'write "" for an empty one, or take it out'
    return f"{rest} is left over after the value of {last.key}", ""


CHECKS = (
    stray_bytes,
    include,
    no_pair,
    quotes,
    left_over,
)
