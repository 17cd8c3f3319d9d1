# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Names in directories that everybody may write to."""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit
from ..facts import Is
from ..knowledge import BASE_COMMANDS, is_a
from ..program import Assignment, Call, Point, Word
from ..subject import Subject
from .vocabulary import is_job_id, is_other_user, operands, placed, written

_WORLD_WRITABLE = re.compile(r"(/tmp|/var/tmp|/dev/shm)/+[^/\s]")


def predictable_temp_file(subject: Subject) -> t.Iterator[Hit]:
    """predictable-temp-file: a name that anybody can guess, below /tmp, /var/tmp or /dev/shm."""
    program = subject.program
    found: list[tuple[Word, int, int, Point]] = [(w.target, w.target.line, w.target.column, w) for w in program.writes]
    found += [
        (word, call.line, call.column, call)
        for call in program.calls
        if not is_other_user(call)
        for word in _written_by(call)
    ]
    places: list[tuple[int, int, Word]] = []
    for word, line, column, point in found:
        setting = _top_setting(subject, word)
        forms = subject.values.forms(placed(subject, word, point), point)
        if not all(_WORLD_WRITABLE.match(form.shown) for form in forms) and not subject.values.loops(word, point):
            # Of several branches one may never run in this hook.
            continue
        for resolved in forms:
            places.append((setting.line, setting.column, resolved) if setting is not None else (line, column, resolved))
    for assignments in program.assignments.values():
        for assignment in assignments:
            # A name for each job, handed to a program that will write there.
            if assignment.exported and assignment.value is not None and _foreign_follows(subject, assignment):
                resolved = subject.values.known(assignment.value, assignment)
                if any(is_job_id(subject, piece, assignment) for piece in resolved.variables):
                    places.append((assignment.line, assignment.column, resolved))
    reported: list[str] = []
    made = _made_first(subject)
    for line, column, resolved in sorted(places, key=lambda entry: entry[:2]):
        text = resolved.shown
        directory = _WORLD_WRITABLE.match(text)
        if directory is None or not _predictable(resolved):
            continue
        if any(text == other or text.startswith(other.rstrip("/") + "/") for other in (*reported, *made)):
            continue
        reported.append(text)
        yield Hit(
            "predictable-temp-file",
            line,
            column,
            f"{text} can be guessed, and everybody may write to {directory[1]}",
        )


def _top_setting(subject: Subject, word: Word) -> Assignment | None:
    """The setting at the top of the script that decides the path, when that is where one would change it."""
    if len(word.pieces) != 1 or word.pieces[0].kind != "variable":
        return None
    found = [a for a in subject.program.assignments.get(word.pieces[0].text, ()) if a.value is not None]
    if len(found) != 1 or found[0].context.guards or found[0].context.loops or found[0].context.function:
        return None
    return found[0]


def _foreign_follows(subject: Subject, assignment: Assignment) -> bool:
    return any(
        call.sequence > assignment.sequence and (call.name not in BASE_COMMANDS or is_a(call.name, Is.INTERPRETER))
        for call in subject.program.calls
    )


def _written_by(call: Call) -> list[Word]:
    named = operands(call)
    if call.name == "mkdir":
        # Without -p mkdir fails when somebody was there first: the safe way, if the failure is looked at.
        looked_at = call.context.tested or call.context.errexit
        return named if call.has_option("-p", "--parents") or not looked_at else []
    if call.name == "chown" or (call.name == "sed" and call.has_option("-i", "--in-place")):
        return named[1:]
    return named[-1:] if call.name == "install" else list(written(call))


def _made_first(subject: Subject) -> list[str]:
    """Directories that the script itself makes: mkdir without -p fails when somebody was there first."""
    return [
        subject.values.known(word, call).shown
        for call in subject.program.named("mkdir")
        if not _written_by(call)
        for word in call.arguments
        if word.shown.startswith(("/", "$"))
    ]


def _predictable(word: Word) -> bool:
    for piece in word.pieces:
        if piece.kind == "command" and any(
            is_a(call.name, Is.RANDOM) or (call.name == "mktemp" and not call.has_option("-u"))
            for call in piece.commands
        ):
            return False
        if piece.kind == "variable" and piece.text in ("RANDOM", "SRANDOM"):
            return False
    return "XXXX" not in word.shown


CHECKS = (predictable_temp_file,)
