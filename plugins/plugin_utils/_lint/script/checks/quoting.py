# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Words that the shell splits although somebody else decides what stands in them."""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit, hit_at
from .. import environment
from ..facts import Is
from ..knowledge import is_a
from ..model import word_set
from ..program import Assignment, Call, Use, Word
from ..subject import Subject
from .file_names import lists_users_files
from .vocabulary import named


def unquoted_user_text(subject: Subject) -> t.Iterator[Hit]:
    """unquoted-user-text: what a user wrote, or a file's name, split into words; and [ ] with what may be empty."""
    program = subject.program
    tainted = _tainted(subject)
    seen: set[int] = set()
    compared: set[str] = set()
    for use in program.uses:
        if use.quoted or use.unsplit or use.operator == "#" or use.line in seen:
            continue
        if use.name in tainted and not (use.name not in environment.USER_TEXT and _reset(subject, use)):
            seen.add(use.line)
            yield hit_at("unquoted-user-text", use, f"${use.name} is not quoted, and {tainted[use.name]}")
    for call in program.named("[", "test"):
        for word in call.arguments:
            operator = _operator(call, word)
            if call.line in seen or operator is None:
                continue
            name, what = _breaks_test(subject, word, call, operator)
            if what and name not in compared:
                # Said once a variable: such a test seldom stands alone.
                compared.add(name)
                seen.add(call.line)
                yield hit_at("unquoted-user-text", word, f"{name} is not quoted in [ ]: {what}")


def _reset(subject: Subject, use: Use) -> bool:
    """Whether the value that a use sees is one that no user decides."""
    values = subject.values.assignments(use.name, use)
    return bool(values) and values[-1].value is not None and values[-1].value.literal is not None


def _tainted(subject: Subject) -> dict[str, str]:
    """Variables whose text a user decides, each with the reason."""
    program = subject.program
    found = {
        name: "the job's owner decides its text" for name in environment.USER_TEXT if not program.assignments.get(name)
    }
    for _round in range(3):
        for name, assignments in program.assignments.items():
            for assignment in assignments:
                if name in found:
                    break
                if assignment.value is not None and assignment.kind in ("assign", "declare", "append"):
                    if any(
                        piece.kind == "variable" and piece.text in found and piece.operator in ("", ":-", "-")
                        for piece in assignment.value.pieces
                    ) or any(_user_text_command(call) for piece in assignment.value.pieces for call in piece.commands):
                        found[name] = "the job's owner decides its text"
                elif assignment.kind == "read" and _lists_files(subject, assignment):
                    found[name] = "a user chose the file's name"
    return found


def _user_text_command(call: Call) -> bool:
    """A filter that picks the comment, the name or a directory out of scontrol show job; squeue -o %j."""
    text = " ".join(call.texts)
    if is_a(call.name, Is.FILTER):
        return bool(re.search(r"\b(Comment|JobName|WorkDir|StdOut|StdErr|StdIn)\b", text))
    return call.name == "squeue" and bool(re.search(r"%[0-9.]*[jkZo]", text))


def _lists_files(subject: Subject, assignment: Assignment) -> bool:
    """Whether read takes a list of files that users named."""
    if assignment.context.pipeline is None:
        return False
    number = assignment.context.pipeline[0]
    return any(
        call.context.pipeline is not None
        and call.context.pipeline[0] == number
        and call.sequence < assignment.sequence
        and lists_users_files(subject, call)
        for call in subject.program.calls
    )


#: Operators of [ ] with a word on each side, and those with one behind them.
_BINARY = word_set("= == != -eq -ne -lt -le -gt -ge -ef -nt -ot")
_OF_TEXTS = word_set("-z -n")
_OF_FILES = word_set("-a -b -c -d -e -f -g -G -h -k -L -N -O -p -r -s -S -u -w -x")


def _operator(call: Call, word: Word) -> str | None:
    """The operator of [ ] that needs exactly one word where an operand stands."""
    words = list(call.arguments)
    position = next(i for i, other in enumerate(words) if other is word)
    before = words[position - 1].literal if position else None
    after = words[position + 1].literal if position + 1 < len(words) else None
    if before in _BINARY | _OF_TEXTS | _OF_FILES:
        return before
    return after if after in _BINARY else None


def _breaks_test(subject: Subject, word: Word, at: Call, operator: str) -> tuple[str, str]:
    """The part of an operand that [ ] may not see as one word, and what then happens: x$a is never empty, and may be several."""
    values = subject.values
    for piece in word.pieces:
        if piece.quoted or piece.kind not in ("variable", "command"):
            continue
        name = named(piece)
        several = values.piece_may_be_several(piece, at)
        if len(word.pieces) > 1:
            if several:
                return name, "several words make the test an error"
        elif values.may_be_empty(word, at):
            # [ -z ] and [ -n ] ask for one word, whichever; -z is also right for none.
            if operator in _OF_FILES or (operator == "-n" and not several):
                return name, f"[ {operator} ] is true when it is empty"
            if operator != "-z":
                return name, "empty, or several words, makes the test an error"
            if several:
                return name, "several words make the test an error"
    return "", ""


CHECKS = (unquoted_user_text,)
