# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Paths that a user controls, in the hands of root: a link there leads to any file."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ...core.model import Hit, Severity, hit_at
from .. import environment
from ..facts import Is
from ..knowledge import facts, is_a
from ..program import Call, Piece, Point, Word, Write
from ..subject import Subject
from .vocabulary import OWNER, is_other_user, operands, origins, placed, sources, written

_CHOSEN_OPERANDS = {"all": slice(None), "behind the first": slice(1, None), "last": slice(-1, None)}

_HOME = re.compile(r"(/[\w.-]+)*/homes?\d*$|/(users|u|run/user)\d*$")
_SHARED = re.compile(r"/(tmp|var/tmp|dev/shm)/.")


@dataclasses.dataclass(frozen=True)
class _Control:
    """A user's power over a path."""

    #: Why it is his.
    reason: str
    #: How many names of the path lie in his directory.
    depth: int


@dataclasses.dataclass(frozen=True)
class _Gift:
    """A directory that was given to the user."""

    path: str
    line: int
    sequence: int
    function: str | None


_CHOSEN = "the job's owner chose"

#: The depth where all of a path is the user's.
_ANY = 9

#: They look for a file, or do something to one that is there.
_MAKES_NONE = Is.ONLY_LOOKS | Is.FILTER | Is.SOURCES | Is.DELETES | Is.MAKES_NONE


def user_controlled_path(subject: Subject) -> t.Iterator[Hit]:
    """user-controlled-path: root writes to, gives away, deletes or runs what the job's owner can replace by a link."""
    if subject.where.is_init or not subject.where.is_privileged:
        return
    gifts = list(_gifts(subject))
    worst: dict[str, Hit] = {}
    for place, word, action, follows, severity in sorted(_all_touched(subject), key=lambda found: found[0].sequence):
        control = _control(subject, word, place, gifts)
        if control is None or control.depth <= (0 if follows else 1):
            continue
        where = place if isinstance(place, Call) else place.target
        hit = hit_at("user-controlled-path", where, f"root {action} {word.shown}: {control.reason}", severity)
        path = subject.values.known(word, place).shown
        # Said once for a path, for mkdir, chown and chmod are one matter: the worst of them.
        if path not in worst or (worst[path].severity is not None and severity is None):
            worst[path] = hit
    yield from worst.values()


def _all_touched(subject: Subject) -> t.Iterator[tuple[Call | Write, Word, str, bool, Severity | None]]:
    for call in subject.program.calls:
        if not is_other_user(call):
            for found in _touched(subject, call):
                yield call, *found
    for write in subject.program.writes:
        if write.context.user in (None, "root"):
            yield write, write.target, "writes to", True, None


def _touched(subject: Subject, call: Call) -> t.Iterator[tuple[Word, str, bool, Severity | None]]:
    """What a command changes or runs: the path, what happens to it, whether a link is followed, how bad it is."""
    named = operands(call)
    if "find" in call.via:
        # chown by find: each name may be a link by now, and chown follows it.
        if call.name in ("chown", "chgrp", "chmod") and not call.has_option("-h", "--no-dereference"):
            for finder in subject.program.named("find"):
                if finder.line == call.line and finder.arguments:
                    below = Word((*finder.arguments[0].pieces, Piece("text", "/x")), call.line, call.column)
                    yield below, f"runs {call.name} on what find sees below", True, None
        return
    change = facts(call.name).changes
    if change is not None:
        follows = change.follows
        recursive = call.has_option("-R", "--recursive")
        if call.name in ("chown", "chgrp"):
            follows = not call.has_option("-h", "--no-dereference") and (not recursive or call.has_option("-H", "-L"))
        for word in named[_CHOSEN_OPERANDS[change.operands]]:
            yield word, f"runs {call.name} on", follows, None if change.follows else "warning"
    elif is_a(call.name, Is.RUNS_FILE):
        if named and not call.has_option("-c"):
            yield named[0], "runs", True, None
        for redirect in call.context.redirects:
            if redirect.operator == "<":
                yield redirect.target, "runs", True, None
    elif call.path == "" or "/" in call.path:
        # The command itself is a file of the user's.
        yield call.words[0], "runs", True, None
    for word in written(call):
        yield word, "writes to", True, None
    if call.name in ("eval", ".", "source"):
        # eval "$(cat file)", source <(grep x file): it runs what stands in the file.
        for source in (source for word in call.arguments for piece in word.pieces for source in piece.commands):
            if is_a(source.name, Is.FILTER):
                yield from ((word, "runs", True, None) for word in operands(source))


def _control(subject: Subject, word: Word, at: Point, gifts: t.Sequence[_Gift]) -> _Control | None:
    """The user's power over a path, None where he has none."""
    for resolved in subject.values.forms(placed(subject, word, at), at):
        found = _chosen(subject, resolved, at) or _below_home(subject, resolved, at) or _below_gift(resolved, at, gifts)
        if found is None and isinstance(at, Call) and (is_a(at.name, Is.RUNS_FILE) or at.words[0] is word):
            found = _below_shared(subject, resolved, at)
        if found is not None:
            return found
    return None


def _chosen(subject: Subject, word: Word, at: Point, depth: int = 5) -> _Control | None:
    """A path that begins with what the user said."""
    first = next((piece for piece in word.pieces if piece.kind != "text" or piece.text), None)
    if (
        first is None
        or first.kind not in ("variable", "command")
        or first.operator in ("#", "##", "!", "+", ":+")
        or not depth
    ):
        return None
    if first.text in environment.USER_TEXT and any(
        d.assignment is None for d in subject.values.definitions(first.text, at)
    ):
        return _Control(f"{_CHOSEN} it (${first.text})", _ANY)
    inner: list[tuple[Word, Point]] = []
    commands = list(first.commands)
    for source, words, pieces in sources(subject, first, at) if first.kind == "variable" else ():
        inner += [(part, source) for part in words]
        commands += [call for piece in pieces for call in piece.commands]
    for call in commands:
        if is_other_user(call) and OWNER.search(call.context.user or ""):
            return _Control("a shell of the job's owner printed it", _ANY)
        if call.name in ("grep", "awk", "sed") and re.search(r"\b(WorkDir|StdOut|StdErr)\b", " ".join(call.texts)):
            return _Control(f"{_CHOSEN} it", _ANY)
        if is_a(call.name, Is.PRINTS | Is.PRINTS_PATH):
            inner += [(argument, call) for argument in call.arguments]
    return next((found for part, where in inner if (found := _chosen(subject, part, where, depth - 1))), None)


def _below_home(subject: Subject, word: Word, at: Point) -> _Control | None:
    """A path in the home directory of the user."""
    before = ""
    for position, piece in enumerate(word.pieces):
        rest = Word(word.pieces[position + 1 :], word.line, word.column)
        if piece.kind in ("text", "glob"):
            before += piece.text
            continue
        if (before and _HOME.match(before.rstrip("/")) and before.endswith("/")) or (
            not before and _is_home(subject, piece, at)
        ):
            return _Control("it lies in the home directory of the job's owner", _names(rest.shown))
        before += "$"
    return None


def _is_home(subject: Subject, piece: Piece, at: Point) -> bool:
    """Whether a variable or a command gives the user's home: field 6 of passwd, or ~user."""
    for origin in origins(subject, Word((piece,), 0, 0), at):
        texts = [(call.name, " ".join(call.texts)) for call in origin.commands]
        passwd = any(name in ("getent", "grep", "awk") and "passwd" in text for name, text in texts)
        if passwd and any(re.search(r"-f\s?6|\$6|\$\(NF-1\)", text) for _name, text in texts):
            return True
        if any(name == "eval" and "~" in text for name, text in texts):
            return True
    return False


def _below_gift(word: Word, at: Point, gifts: t.Iterable[_Gift]) -> _Control | None:
    """A path in a directory that the script gave to the user a moment ago."""
    text = word.shown
    for gift in gifts:
        same = gift.function == at.context.function and gift.sequence < at.sequence
        if same and text.startswith(gift.path + "/"):
            return _Control(f"line {gift.line} gave {gift.path} to the job's owner", _names(text[len(gift.path) :]))
    return None


def _below_shared(subject: Subject, word: Word, at: Call) -> _Control | None:
    """A program in a directory where everybody may put one, which the script did not write itself."""
    text = word.shown
    if not _SHARED.match(text) or any(piece.kind == "command" for piece in word.pieces):
        return None
    program = subject.program
    written = {subject.values.known(write.target, write).shown for write in program.writes}
    others = [call for call in program.calls if call is not at and not is_a(call.name, _MAKES_NONE)]
    named = {subject.values.known(word, call).shown for call in others for word in call.arguments}
    return None if text in written | named else _Control("every user may put a file of that name there", _ANY)


def _names(text: str) -> int:
    return len([name for name in text.split("/") if name])


def _gifts(subject: Subject) -> t.Iterator[_Gift]:
    """The directories that the script gives to the job's owner."""
    program = subject.program
    for call in program.calls:
        named = operands(call)
        if call.name == "chown" and len(named) > 1 and _is_owner(subject, named[0], at=call):
            given = named[1:]
        elif (
            call.name == "install"
            and call.has_option("-d", "--directory")
            and _is_owner(subject, *call.arguments, at=call)
        ):
            given = named
        elif call.name == "setfacl" and re.search(r"u(ser)?:\$\{\w+\}:\w*w", " ".join(call.texts)):
            given = named[-1:]
        else:
            continue
        for word in given:
            for resolved in subject.values.forms(word, call):
                path = resolved.shown.rstrip("/")
                if path and not path.endswith("*"):
                    yield _Gift(path, call.line, call.sequence, call.context.function)
                    # Where the function was called, too: after the last time.
                    for site in program.called.get(call.context.function or "", ())[-1:]:
                        yield _Gift(path, call.line, site.sequence, site.context.function)


def _is_owner(subject: Subject, *words: Word, at: Call) -> bool:
    return any(
        OWNER.search(piece.text) for word in words for piece in origins(subject, word, at) if piece.kind == "variable"
    )


CHECKS = (user_controlled_path,)
