# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Names in directories that everybody may write to."""

from __future__ import annotations

import typing as t

from ...core.model import Hit
from ..facts import Is
from ..knowledge import BASE_COMMANDS, is_a
from ..program import Assignment, Call, Point, Word, Write
from ..subject import Subject
from .vocabulary import (
    WORLD_WRITABLE,
    is_guessable,
    is_job_id,
    is_other_user,
    made_first,
    makes_it_first,
    operands,
    placed,
    written,
)


def predictable_temp_file(subject: Subject) -> t.Iterator[Hit]:
    """predictable-temp-file: a name that anybody can guess, below /tmp, /var/tmp or /dev/shm."""
    program = subject.program
    found: list[tuple[Word, Point]] = [(write.target, write) for write in program.writes if _is_open(subject, write)]
    found += [(word, call) for call in program.calls if not is_other_user(call) for word in _written_by(subject, call)]
    places: list[tuple[int, int, Word]] = []
    for word, point in found:
        place = _top_setting(subject, word) or (point if isinstance(point, Call) else word)
        forms = subject.values.forms(placed(subject, word, point), point)
        # Of several branches one may never run in this hook.
        if all(WORLD_WRITABLE.match(form.shown) for form in forms) or subject.values.loops(word, point):
            places += [(place.line, place.column, resolved) for resolved in forms]
    for assignments in program.assignments.values():
        for assignment in assignments:
            # A name for each job, handed to a program that will write there.
            if assignment.exported and assignment.value is not None and _foreign_follows(subject, assignment):
                resolved = subject.values.known(assignment.value, assignment)
                if any(is_job_id(subject, piece, assignment) for piece in resolved.variables):
                    places.append((assignment.line, assignment.column, resolved))
    reported: list[str] = []
    made = made_first(subject)
    for line, column, resolved in sorted(places, key=lambda entry: entry[:2]):
        text = resolved.shown
        directory = WORLD_WRITABLE.match(text)
        if directory is None or not is_guessable(resolved):
            continue
        if any(text == other or text.startswith(other.rstrip("/") + "/") for other in (*reported, *made)):
            continue
        reported.append(text)
        message = f"{text} can be guessed, and everybody may write to {directory[1]}"
        yield Hit("predictable-temp-file", line, column, message)


def _top_setting(subject: Subject, word: Word) -> Assignment | None:
    """The setting at the top of the script that decides the path, when that is where one would change it."""
    if len(word.pieces) != 1 or word.pieces[0].kind != "variable":
        return None
    found = [a for a in subject.program.assignments.get(word.pieces[0].text, ()) if a.value is not None]
    if len(found) != 1 or found[0].context.guards or found[0].context.loops or found[0].context.function:
        return None
    return found[0]


def _is_open(subject: Subject, write: Write) -> bool:
    """Whether root writes to what is there already: not as another user, and not with noclobber."""
    if write.context.user not in (None, "root", "0"):
        return False
    return write.operator != ">" or not any(
        call.sequence < write.sequence
        and (call.has_option("-C") or "noclobber" in call.texts)
        and "+o" not in call.texts
        for call in subject.program.named("set")
    )


def _foreign_follows(subject: Subject, assignment: Assignment) -> bool:
    return any(
        subject.program.precedes(assignment, call)
        and (call.name not in BASE_COMMANDS or is_a(call.name, Is.INTERPRETER))
        for call in subject.program.calls
    )


def _written_by(subject: Subject, call: Call) -> list[Word]:
    named = operands(call)
    if call.name == "mkdir":
        return [] if makes_it_first(subject, call) else named
    if call.name == "mkfifo":
        return named
    if call.name == "ln":
        return named[-1:] if call.has_option("-f", "--force") else []
    return named[-1:] if call.name == "install" else list(written(call))


CHECKS = (predictable_temp_file,)
