# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""How commands fail: never on a node in order, as an answer, by a race, on purpose."""

from __future__ import annotations

import posixpath
import re
import typing as t

from ..facts import Is, WayToFail
from ..knowledge import ASKS_NOBODY, DRAINS, facts, is_a, is_known
from ..program import Call, Comparison, Point, Word
from ..subject import Subject
from .vocabulary import behind, conditions, fed_by, is_job_id

_CHECK = re.compile(r"\.(sh|bash|py|pl|rb)$|(?i:check|health|verif|valid|prolog|epilog)|\bnhc\b")

_SYSTEM_FOLDERS = frozenset({"", "/bin", "/sbin", "/usr/bin", "/usr/sbin"})


def answers(call: Call) -> bool:
    """Whether its status is the answer to a question."""
    if call.name in ("id", "ls"):
        return any(not text.startswith("-") for text in call.texts)
    if call.name == "command":
        return call.has_option("-v", "-V")
    if call.name == "kill":
        return call.has_option("-0")
    return is_a(call.name, Is.ANSWERS)


def is_own_program(call: Call) -> bool:
    """Whether it is a program or a check of the site's, whose status is meant."""
    if call.name == "run-parts":
        return True
    if is_a(call.name, Is.INTERPRETER):
        return bool(call.arguments) and not call.texts[0].startswith("-")
    if is_known(call.name):
        return False
    return posixpath.dirname(call.path) not in _SYSTEM_FOLDERS or bool(_CHECK.search(call.name))


def way_to_fail(subject: Subject, call: Call) -> str | None:
    """When a command fails although the node is in order; None if it does not."""
    if is_a(call.name, Is.SLURM | Is.ASKS_REMOTE):
        if any(ASKS_NOBODY.search(text) for text in call.texts[:2]) or DRAINS.search(" ".join(call.texts)):
            return None
        asked = "Slurm's daemon" if is_a(call.name, Is.SLURM) else "the other side"
        return f"{asked} is busy or away"
    if call.name == "read" and "" in _operands_of(call, "-d"):
        return "it meets no NUL byte, as always with -d ''"
    if call.name == "read" and _reads_a_search(call):
        return "nothing is found that it could read"
    return next((way.reason for way in facts(call.name).fails if _applies(subject, call, way)), None)


def _reads_a_search(read: Call) -> bool:
    """read ... < <(grep ...): without a line it fails."""
    inputs = [redirect.target for redirect in read.context.redirects if redirect.operator == "<"]
    lists = [piece.commands for target in inputs[-1:] for piece in target.pieces if piece.commands]
    return any(is_a(commands[-1].name, Is.SEARCHES) or commands[-1].name == "pgrep" for commands in lists)


def finds_nothing(call: Call) -> str | None:
    """When a search fails whose output is wanted; None if the command is none, or if only its status is wanted."""
    is_quiet = call.context.stdout == "null" or call.has_option("-q", "-s", "--quiet", "--silent")
    if call.name == "systemctl" and call.context.substituted and {"is-active", "is-enabled"} & set(call.texts):
        return "the unit is not"
    if not is_a(call.name, Is.SEARCHES) or is_quiet:
        return None
    if call.name in ("which", "command", "type"):
        # As a line of its own it is a condition of the whole script.
        return "it finds nothing" if answers(call) and call.context.substituted else None
    if call.name in ("diff", "cmp"):
        return "the files differ"
    if call.name == "ls" and not any(piece.kind == "glob" for word in call.arguments for piece in word.pieces):
        return None
    return "it finds nothing"


def _operands_of(call: Call, option: str) -> set[str | None]:
    return {after.literal for word, after in zip(call.words, call.words[1:], strict=False) if word.literal == option}


def _applies(subject: Subject, call: Call, way: WayToFail) -> bool:
    if way.only and not any(_given(call, word) for word in way.only.split()):
        return False
    if any(_given(call, word) for word in way.unless.split()):
        return False
    operands = [subject.values.known(word, call) for word in call.arguments if not word.shown.startswith("-")]
    things = [word.shown for word in operands if word.shown not in way.only.split()]
    is_listed = any(other.name == call.name for other in fed_by(subject.program, call))
    if way.avoidable and (is_listed or _is_asked_about(subject, things, call.name, call)):
        return False
    if way.again:
        # What a link leads to may differ.
        operands = operands[-1:] if call.name == "ln" else operands
        return bool(operands) and all(word.literal for word in operands) and not _removed(subject, call, operands)
    if call.name == "kill":
        return not call.has_option("-l", "-L", "-0") and not _still_there(subject, call)
    if call.name == "find":
        return not any(is_job_id(subject, piece, call) for word in operands[:1] for piece in word.variables)
    return not (is_a(call.name, Is.DELETES) and operands and all(_made(subject, w, call) for w in operands))


def _given(call: Call, word: str) -> bool:
    return call.has_option(word) if word.startswith("-") and len(word) == 2 else word in call.texts


def _made(subject: Subject, word: Word, at: Call) -> bool:
    """Whether the script itself made the file, or has used it, so that it is there."""
    program = subject.program
    if any(call.name == "mktemp" for piece in word.pieces for call in piece.commands):
        return True
    shown = word.shown
    if any(program.precedes(w, at) and subject.values.known(w.target, w).shown == shown for w in program.writes):
        return True
    before = [c for c in program.calls if program.precedes(c, at) and (c.line, c.column) != (at.line, at.column)]
    used = [c for c in before if not is_a(c.name, Is.NEEDS_NONE | Is.DELETES | Is.PRINTS) and not c.context.tested]
    return any(
        subject.values.known(other, call).shown == shown
        for call in used
        for other in (*call.arguments, *(redirect.target for redirect in call.context.redirects))
    )


def _removed(subject: Subject, at: Call, operands: t.Sequence[Word]) -> bool:
    """Whether the script removes a thing before it makes it anew."""
    names = {word.literal for word in operands}
    return any(
        subject.program.precedes(call, at) and names & {subject.values.known(w, call).literal for w in call.arguments}
        for call in subject.program.calls
        if is_a(call.name, Is.LESSENS)
    )


def _still_there(subject: Subject, at: Call) -> bool:
    """Whether a guard has just asked for the process."""
    things = [subject.values.known(word, at).shown for word in at.arguments if not word.shown.startswith("-")]
    return any(
        place.name in ("pgrep", "ps", "pidof")
        or any(thing in text for thing in things for text in _asked(subject, place))
        for place in conditions(subject.program, at)
        if isinstance(place, Call)
    )


def _is_asked_about(
    subject: Subject, things: t.Sequence[str], command: str, at: Point, seen: set[int] | None = None
) -> bool:
    """Whether a condition around a point looks at one of some things, or is an answer of the same command's or of the site's.

    O(seen) has the assignments of this question that were looked at: one way to each is enough.
    """
    seen = set() if seen is None else seen
    for place in conditions(subject.program, at):
        if isinstance(place, Call) and (place.name == command or is_own_program(place)):
            return True
        texts = _asked(subject, place)
        if not things or any(thing in text for thing in things for text in texts) or command in texts:
            return True
        # A variable that an earlier condition has set.
        for piece in (piece for word in place.words for piece in word.variables):
            for assignment in subject.values.assignments(piece.text, place):
                if assignment.sequence in seen:
                    continue
                seen.add(assignment.sequence)
                if _is_asked_about(subject, things, command, assignment, seen):
                    return True
    return False


def _asked(subject: Subject, place: Call | Comparison) -> list[str]:
    """The texts that a condition looks at, those of a function in it too."""
    calls = subject.program.calls_in(place.name) if isinstance(place, Call) else []
    texts = [form.shown for at in (place, *calls) for word in at.words for form in subject.values.forms(word, at)]
    source = behind(subject, place.words, place)
    return [*texts, source, *source.split()]
