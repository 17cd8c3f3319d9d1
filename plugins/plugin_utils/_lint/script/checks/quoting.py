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
from ..model import word_set
from ..program import Assignment, Call, Piece, Point, Use, Word
from ..subject import Subject
from .file_names import lists_users_files
from .vocabulary import HAS_DEFAULT, ONE_WORD


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
            if call.line in seen or not _compared(call, word):
                continue
            name, what = _breaks_test(subject, word, call)
            if what and name not in compared:
                # Said once a variable: such a test seldom stands alone.
                compared.add(name)
                seen.add(call.line)
                yield hit_at("unquoted-user-text", word, f"{name} is not quoted in [ ]: {what} makes the test an error")


def _reset(subject: Subject, use: Use) -> bool:
    """Whether the value that a use sees is one that no user decides."""
    values = subject.program.values(use.name, use)
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
    if call.name in ("grep", "awk", "sed", "egrep", "cut"):
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
_UNARY = word_set("-z -n")
_OF_FILES = word_set("-a -b -c -d -e -f -g -G -h -k -L -N -O -p -r -s -S -u -w -x")


def _compared(call: Call, word: Word) -> bool:
    """Whether an operand stands where [ ] needs exactly one word."""
    words = list(call.arguments)
    position = next(i for i, other in enumerate(words) if other is word)
    before = words[position - 1].literal if position else None
    after = words[position + 1].literal if position + 1 < len(words) else None
    # A word that is a path in part is there also when its variable is empty.
    unary = _UNARY if len(word.pieces) == 1 else _UNARY | _OF_FILES
    return before in (unary | _BINARY) or after in _BINARY


def _breaks_test(subject: Subject, word: Word, at: Call) -> tuple[str, str]:
    """The part of an operand that [ ] may not see as one word, and what it would be: x$a is never empty, and may be several."""
    for piece in word.pieces:
        if piece.quoted or piece.operator in HAS_DEFAULT:
            continue
        if piece.kind == "variable" and len(word.pieces) == 1:
            if _may_be_empty(subject, piece.text, at):
                return f"${piece.text}", "empty, or several words,"
        elif len(word.pieces) > 1 and _may_be_several(subject, piece, at):
            return f"${piece.text}" if piece.kind == "variable" else f"$({piece.commands[0].name} ...)", "several words"
    return "", ""


def _may_be_several(subject: Subject, piece: Piece, at: Point, depth: int = 4) -> bool:
    """Whether an unquoted expansion can be more than one word."""
    if piece.kind == "command":
        return not _is_one_word(piece)
    if piece.kind != "variable" or piece.operator not in ("", "[@]") or not depth:
        return False
    values = subject.program.values(piece.text, at)
    if not values:
        return False
    last = values[-1]
    if last.kind == "read":
        return last.takes_the_rest
    return last.value is not None and (
        bool(re.search(r"\S\s+\S", last.value.shown))
        or any(_may_be_several(subject, part, last, depth - 1) for part in last.value.pieces)
    )


def _may_be_empty(subject: Subject, name: str, at: Call) -> bool:
    program = subject.program
    values = program.values(name, at)
    if not values:
        variable = subject.where.variables.get(name)
        # [ -z $x ] is right when x is empty; what Slurm sets is one word.
        only_asks = at.texts[:1] == ["-z"]
        return variable is not None and variable.optional and not only_asks and not _ever_probed(subject, name)
    last = values[-1]
    if last.kind not in ("assign", "declare") or last.value is None or len(last.value.pieces) != 1:
        return False
    piece = last.value.pieces[0]
    return piece.kind == "command" and not _is_one_word(piece) and not _ever_probed(subject, name)


def _is_one_word(piece: Piece) -> bool:
    """Whether $(...) is one word, whatever happens; also where its commands are not known."""
    if not piece.commands:
        return True
    final = [
        call
        for call in piece.commands
        if not call.context.pipeline or call.context.pipeline[1] == call.context.pipeline[2] - 1
    ]
    end = final[-1] if final else piece.commands[-1]
    counts = end.name in ("grep", "egrep", "zgrep") and end.has_option("-c", "--count")
    return end.name in ONE_WORD or counts


def _ever_probed(subject: Subject, name: str) -> bool:
    return any(use.probing and use.quoted for use in subject.program.uses_of(name))


CHECKS = (unquoted_user_text,)
