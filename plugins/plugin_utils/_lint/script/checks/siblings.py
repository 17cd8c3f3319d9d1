# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Files that a script expects beside itself, or where it happens to be started: a script is placed alone."""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit, hit_at
from ..facts import Is
from ..knowledge import facts
from ..program import Call, Piece, Word
from ..subject import Subject


def file_not_placed(subject: Subject) -> t.Iterator[Hit]:
    """file-not-placed: . ./lib.sh, "$(dirname "$0")/helper" and their kin."""
    for call in subject.program.calls:
        if call.via and call.via[-1] in ("find", "chroot"):
            continue
        for word, is_run in _files(call):
            listed = [item for loop in subject.values.loops(word, call) for item in loop.items]
            form = next((form for form in (*subject.values.forms(word, call), *listed) if _is_beside(form)), None)
            shown = form is not None
            if form is not None and subject.where.is_placed and not _looked_for(subject, word, call, form):
                message = f"{_last(word)} is expected beside the script, but the script is placed alone"
                yield hit_at("file-not-placed", call, message)
                break
            if is_run and not shown and _is_relative(subject, word, call):
                message = f"{word.shown} is looked for where the hook is started, which is no directory of yours"
                yield hit_at("file-not-placed", call, message)
                break


def _files(call: Call) -> t.Iterator[tuple[Word, bool]]:
    """The files that a call runs (true) or reads."""
    yield call.words[0], True
    operands = [word for word in call.arguments if not word.shown.startswith("-")]
    known = facts(call.name)
    if known.traits & Is.RUNS_FILE or call.name == "run-parts":
        if not call.has_option(*known.program.split(), *known.no_file.split()):
            yield from ((word, True) for word in operands[:1])
    elif known.traits & (Is.FILTER | Is.COPIES):
        yield from ((word, False) for word in operands)
    yield from ((redirect.target, False) for redirect in call.context.redirects if redirect.operator == "<")


def _is_beside(form: Word) -> bool:
    """Whether a path begins with the script's own directory: ${0%/*}/x, "$(dirname "$0")/x"."""
    if len(form.pieces) < 2:
        return False
    first, second = form.pieces[:2]
    return second.kind in ("text", "glob") and second.text.startswith("/") and _is_own_directory(first)


def _is_own_directory(piece: Piece) -> bool:
    if piece.kind == "variable":
        return _is_own_path(piece) and piece.operator.startswith("%")
    words = [word for call in piece.commands for word in call.arguments]
    return any(call.name == "dirname" for call in piece.commands) and any(
        _is_own_path(inner) for word in words for inner in word.variables
    )


def _is_own_path(piece: Piece) -> bool:
    return piece.text in ("0", "BASH_SOURCE")


def _is_relative(subject: Subject, word: Word, call: Call) -> bool:
    """Whether a file to run is named from the current directory, which the script has not chosen."""
    path = word.literal or ""
    by_name = word is call.words[0] or call.name not in (".", "source")
    if path.startswith(("/", "~")) or not path or (by_name and "/" not in path):
        return False
    chosen = any(subject.program.lasts(other, call) for other in subject.program.named("cd", "pushd"))
    return not chosen and not _looked_for(subject, word, call, word)


def _looked_for(subject: Subject, word: Word, call: Call, form: Word) -> bool:
    """Whether the script asks for the file, or for its directory, before it takes it."""
    program = subject.program
    lines = program.source.decode("utf-8", "replace").split("\n")
    tested = {test.line for test in program.tests if test.line <= call.line}
    own = {piece.text for piece in word.variables}
    names = own | {piece.text for piece in form.variables}
    wanted = _names(word) or ["$"]
    return any(
        use.line in tested
        and (
            (use.name in own and any(name in lines[use.line - 1] for name in wanted))
            or (use.name in names and any(name in lines[use.line - 1] for name in _names(form)))
        )
        for use in program.uses
    ) or any(word.shown in other.texts and program.precedes(other, call) for other in program.named("[", "test"))


def _names(word: Word) -> list[str]:
    """The fixed names of a path."""
    fixed = "".join(piece.text if piece.kind == "text" else "/" for piece in word.pieces)
    return [name for name in re.split(r"[/*]+", fixed) if len(name) > 1]


def _last(word: Word) -> str:
    return word.shown.rpartition("/")[2] or word.shown


CHECKS = (file_not_placed,)
