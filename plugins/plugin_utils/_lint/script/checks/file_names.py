# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Lists of files' names that are taken apart at blanks: find | xargs, for f in $(ls), rm $(find)."""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit, hit_at
from .. import environment
from ..facts import Is
from ..knowledge import is_a
from ..program import Assignment, Call, Piece, Point, Word
from ..subject import Subject
from .vocabulary import last_cd

#: Directories where users give no names to files; what lies below is the system's, or root's.
_SYSTEM = re.compile(
    r"/(proc|sys|dev(?!/shm)|etc|usr|lib\w*|s?bin|boot|opt|run(?!/user)|var(?!/tmp)|cgroup)(/|$)|/(home/?)?$"
)

#: Names of variables that hold a directory of users.
_OF_USERS = re.compile(r"SCRATCH|TMP|SHM|HOME|WORK_?DIR", re.IGNORECASE)

_ANY_NAME = "the files' names are split at blanks, and a user can make one name look like two"


def file_names(subject: Subject) -> t.Iterator[Hit]:
    """unquoted-user-text: names of files that users chose, in a list that is split at blanks."""
    for call in subject.program.calls:
        if call.name == "xargs":
            yield from _fed(subject, call)
        elif not is_a(call.name, Is.ONLY_LOOKS):
            for word in call.arguments:
                listing = _split_listing(subject, word, call)
                if listing is not None:
                    yield hit_at("unquoted-user-text", call, f"{call.name} of what {listing.name} lists: {_ANY_NAME}")
                    break
    for assignment in (a for found in subject.program.assignments.values() for a in found if a.kind == "for"):
        for item in assignment.items:
            listing = _split_listing(subject, item, assignment)
            if listing is not None and _acted_on(subject, assignment):
                yield hit_at("unquoted-user-text", assignment, f"a loop over what {listing.name} lists: {_ANY_NAME}")
                break


def _fed(subject: Subject, call: Call) -> t.Iterator[Hit]:
    """What a pipeline gives to xargs, unless it reads whole lines or names that end with a NUL."""
    if call.has_option("-0", "--null", "-d", "--delimiter", "-I", "--replace", "-L") or call.context.pipeline is None:
        return
    inner = [other for other in subject.program.calls if "xargs" in other.via and other.line == call.line]
    if all(is_a(other.name, Is.ONLY_LOOKS) for other in inner):
        return
    number, position, _length = call.context.pipeline
    before = [
        other
        for other in subject.program.calls
        if other.context.pipeline
        and other.context.pipeline[0] == number
        and other.context.pipeline[1] < position
        and not other.via
    ]
    listing = _listing(subject, before)
    if listing is not None:
        names = ", ".join(dict.fromkeys(other.name for other in inner))
        fix = "find ... -print0 | xargs -0 ..., or find ... -exec ... {} +"
        yield hit_at("unquoted-user-text", call, f"xargs {names} of what {listing.name} lists: {_ANY_NAME}", fix=fix)


def _split_listing(subject: Subject, word: Word, at: Point, depth: int = 3) -> Call | None:
    """The command whose list of files' names a word takes apart."""
    if subject.program.assignments.get("IFS"):
        return None
    for piece in word.pieces:
        if piece.quoted:
            continue
        if piece.kind == "command" and piece.operator != "<(":
            found = _listing(subject, piece.commands)
            if found is not None:
                return found
        elif piece.kind == "variable" and not piece.operator and depth:
            found = _kept(subject, piece, at, depth)
            if found is not None:
                return found
    return None


def _kept(subject: Subject, piece: Piece, at: Point, depth: int) -> Call | None:
    """The command whose list a variable holds."""
    for value in (a.value for a in subject.values.assignments(piece.text, at)[-1:] if a.kind in ("assign", "declare")):
        if value is not None and len(value.pieces) == 1:
            bare = Piece(value.pieces[0].kind, value.pieces[0].text, False, "", None, value.pieces[0].commands)
            return _split_listing(subject, Word((bare,), value.line, value.column), at, depth - 1)
    return None


def _listing(subject: Subject, stages: t.Sequence[Call]) -> Call | None:
    """The first of some commands, if it lists files of users and the others pass the list on."""
    if not stages or not all(is_a(stage.name, Is.PASSES_LINES) for stage in stages[1:]):
        return None
    return stages[0] if lists_users_files(subject, stages[0]) else None


def lists_users_files(subject: Subject, call: Call) -> bool:
    """Whether a command prints the names of files in places where users choose them."""
    if call.name == "find":
        return _prints_names(call) and _of_users(subject, call, _starts(call))
    if call.name == "ls" and not call.has_option("-l", "-n", "-g", "-o", "-i", "-s"):
        return _of_users(subject, call, [word for word in call.arguments if not word.shown.startswith("-")])
    return False


def _starts(call: Call) -> list[Word]:
    """The places where a find begins."""
    words = []
    for word in call.arguments:
        if word.shown.startswith(("-", "(", "!")):
            break
        words.append(word)
    return words


def _prints_names(call: Call) -> bool:
    texts = call.texts
    if {"-delete", "-exec", "-execdir", "-print0", "-quit", "-ls"} & set(texts):
        return False
    return "-printf" not in texts or any(re.search(r"%[pPfh]", text) for text in texts)


def _of_users(subject: Subject, call: Call, places: t.Sequence[Word]) -> bool:
    """Whether users decide what files are called in one of some places; without a place, where the script stands."""
    return any(_users_choose(subject, call, place) for place in places or (None,))


def _users_choose(subject: Subject, call: Call, place: Word | None) -> bool:
    shown = subject.values.known(place, call).shown if place is not None else "."
    if not shown.startswith(("/", "${")):
        stands = last_cd(subject, call)
        if stands is None or not stands.arguments:
            return False
        shown = subject.values.known(stands.arguments[0], stands).shown
    if shown.startswith("${"):
        name = re.split(r"\W", shown[2:])[0]
        return name in environment.USER_TEXT or bool(_OF_USERS.search(name))
    return shown.startswith("/") and not _SYSTEM.match(shown)


def _acted_on(subject: Subject, loop: Assignment) -> bool:
    """Whether something is done to the files that a loop variable names."""
    return any(
        call.sequence > loop.sequence
        and not is_a(call.name, Is.ONLY_LOOKS)
        and any(piece.text == loop.name for word in call.arguments for piece in word.variables)
        for call in subject.program.calls
    )


CHECKS = (file_names,)
