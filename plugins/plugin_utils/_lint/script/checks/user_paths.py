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
from .vocabulary import (
    OWNER,
    WORLD_WRITABLE,
    below,
    fed_by,
    is_guessable,
    is_job_id,
    is_other_user,
    made_first,
    operands,
    origins,
    placed,
    sources,
    written,
)

_CHOSEN_OPERANDS = {"all": slice(None), "behind the first": slice(1, None), "last": slice(-1, None)}

_HOME = re.compile(r"(/[\w.-]+)*/homes?\d*$|/(users|u|run/user)\d*$")
#: Directories below which each user, or each job, has one of its own.
_SCRATCH = re.compile(
    r"/((local|node|l|ssd|nvme|job|user|global|fast|big)?_?-?scratch\d*|local|localdisk|nvme|ssd|raid|data|work|lustre|gpfs|beegfs|beeond"
    r"|projects?|lscratch|mnt)(/[\w.-]+)*/$"
)


@dataclasses.dataclass(frozen=True)
class _Control:
    """A user's power over a path."""

    #: Why it is his.
    reason: str
    #: How many names of the path lie in his directory.
    depth: int
    #: Only where something else than the rule has it.
    severity: Severity | None = None


@dataclasses.dataclass(frozen=True)
class _Gift:
    """A directory that was given to the user, or to everybody."""

    path: str
    call: Call
    sequence: int
    function: str | None
    is_everybodys: bool


_CHOSEN = "the job's owner chose"
_ANYBODY = "every user may put a file of that name there"

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
        shown = word.shown.removesuffix("/...")
        level = severity or control.severity
        hit = hit_at("user-controlled-path", where, f"root {action} {shown}: {control.reason}", level)
        path = subject.values.known(word, place).shown
        # Said once for a path, for mkdir, chown and chmod are one matter: the worst of them.
        if path not in worst or (worst[path].severity is not None and level is None):
            worst[path] = hit
    yield from worst.values()


def _all_touched(subject: Subject) -> t.Iterator[tuple[Call | Write, Word, str, bool, Severity | None]]:
    for call in subject.program.calls:
        if not is_other_user(call):
            for found in _touched(subject, call):
                yield call, *found
    for write in subject.program.writes:
        if write.context.user in (None, "root", "0"):
            yield write, write.target, "writes to", True, None


def _touched(subject: Subject, call: Call) -> t.Iterator[tuple[Word, str, bool, Severity | None]]:
    """What a command changes or runs: the path, what happens to it, whether a link is followed, how bad it is."""
    named = operands(call)
    if "find" in call.via or "xargs" in call.via:
        # Each name that find saw may be a link by now, and chown follows it.
        change = facts(call.name).changes
        follows = change is not None and change.follows and not call.has_option("-h", "--no-dereference")
        if follows or any(True for _word in written(call)):
            for start in _starts(subject, call):
                yield below(start), f"runs {call.name} on what find sees below", True, None
        if "find" in call.via:
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
        if is_a(call.name, Is.COPIES) or call.name == "mv":
            # Where a directory has that name, the file gets into it.
            yield below(word), "writes to", True, None
    if call.name == "mount":
        for word in named[:-1]:
            yield word, "mounts", True, "warning"
    if call.name in ("eval", ".", "source"):
        # eval "$(cat file)", source <(grep x file): it runs what stands in the file.
        for source in (source for word in call.arguments for piece in word.pieces for source in piece.commands):
            if is_a(source.name, Is.FILTER):
                yield from ((word, "runs", True, None) for word in operands(source))


def _starts(subject: Subject, call: Call) -> t.Iterator[Word]:
    """Where the find begins that gives a command its operands."""
    for finder in subject.program.named("find"):
        if "find" in call.via:
            feeds = finder.line <= call.line and finder.sequence < call.sequence and call.words[-1].line >= finder.line
            feeds = feeds and any(argument in finder.arguments for argument in call.arguments)
        else:
            feeds = finder in fed_by(subject.program, call)
        if feeds and finder.arguments:
            yield finder.arguments[0]


def _control(subject: Subject, word: Word, at: Point, gifts: t.Sequence[_Gift], depth: int = 3) -> _Control | None:
    """The user's power over a path, None where he has none."""
    for resolved in subject.values.forms(placed(subject, word, at), at):
        found = (
            _chosen(subject, resolved, at)
            or _led_away(subject, resolved, at)
            or _below_home(subject, resolved, at)
            or _below_gift(subject, resolved, at, gifts)
            or _in_shared(subject, resolved, at)
        )
        if found is None and isinstance(at, Call) and (is_a(at.name, Is.RUNS_FILE) or at.words[0] is word):
            found = _below_shared(subject, resolved, at)
        if found is None and depth:
            listed = (
                _control(subject, below(start), call, gifts, depth - 1)
                for start, call in _listed(subject, resolved, at)
            )
            found = next((control for control in listed if control is not None), None)
        if found is not None:
            return found
    return None


def _listed(subject: Subject, word: Word, at: Point) -> t.Iterator[tuple[Word, Call]]:
    """The directories whose names a path is one of: what find or ls printed."""
    for piece in word.pieces[:1]:
        commands = list(piece.commands)
        for _source, words, pieces in sources(subject, piece, at) if piece.kind == "variable" else ():
            inner = [*pieces, *(part for given in words for part in given.pieces)]
            commands += [call for part in inner for call in part.commands]
        for call in commands:
            if call.name == "find" and call.arguments:
                yield call.arguments[0], call


def _led_away(subject: Subject, word: Word, at: Point) -> _Control | None:
    """A path with what the user said in the middle: .. leads out of the directory before it."""
    before = ""
    for piece in word.pieces:
        is_free = piece.kind == "variable" and piece.operator in ("", ":-", "-", ":?")
        if before.startswith("/") and is_free and not WORLD_WRITABLE.match(before + "x"):
            for origin in origins(subject, Word((piece,), 0, 0), at):
                if origin.text in environment.USER_TEXT and not _is_looked_at(subject, piece.text, origin.text):
                    return _Control(f"{_CHOSEN} ${origin.text}, which may hold ../", _ANY)
        before += piece.text if piece.kind in ("text", "glob") else "$"
    return None


def _is_looked_at(subject: Subject, *names: str) -> bool:
    """Whether a pattern decides what may stand in a variable, or something is cut out of it."""
    name = "|".join(map(re.escape, names))
    text = subject.program.source.decode("utf-8", "replace")
    looks = rf'\bcase\s+"?\$\{{?({name})\b|\$\{{?({name})\}}?"?\s*(=~|=|==|!=)\s|\$\{{({name})/|\$\{{?({name})\}}?"?[^\n]*\b(tr|sed|grep|basename)\b'
    return re.search(looks + rf"|\bbasename\b[^\n]*\$\{{?({name})\b", text) is not None


def _in_shared(subject: Subject, word: Word, at: Point) -> _Control | None:
    """What root gives away in a directory where somebody else may have made it."""
    change = facts(at.name).changes if isinstance(at, Call) else None
    if change is None or not change.follows or not isinstance(at, Call) or at.name in ("install", "chmod"):
        return None
    text = word.shown
    if not WORLD_WRITABLE.match(text) or not is_guessable(word) or at.has_option("-h", "--no-dereference"):
        return None
    if any(text == made or text.startswith(made.rstrip("/") + "/") for made in made_first(subject)):
        return None
    return _Control("every user may have made it first", _ANY, "warning")


def _chosen(subject: Subject, word: Word, at: Point, depth: int = 5) -> _Control | None:
    """A path that begins with what the user said."""
    first = next((piece for piece in word.pieces if piece.kind != "text" or piece.text), None)
    if (
        first is None
        or first.kind not in ("variable", "command")
        or first.operator in ("#", "!", "+", ":+")
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
        if is_a(call.name, Is.FILTER) and re.search(r"\b(WorkDir|StdOut|StdErr|Command)\b", " ".join(call.texts)):
            return _Control(f"{_CHOSEN} it", _ANY)
        if is_a(call.name, Is.PRINTS | Is.PRINTS_PATH):
            inner += [(argument, call) for argument in call.arguments]
        inner += [(redirect.target, call) for redirect in call.context.redirects if redirect.operator == "<<<"]
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
        kind = (
            _kind_of_own(subject, piece, at)
            if _SCRATCH.match(before[: before.rfind("/") + 1]) and rest.shown.startswith("/")
            else ""
        )
        if kind and not _is_made_here(subject, before + Word((piece,), 0, 0).shown):
            return _Control(
                f"it lies in a directory of the {kind}, which belongs to the job's owner", _deep(rest, at), "warning"
            )
        before += Word((piece,), 0, 0).shown
    shown = re.match(r"/proc/[^/]*\$[^/]*/(root|cwd)/", word.shown)
    return _Control("a process of the job decides where that leads", _ANY) if shown else None


def _deep(rest: Word, at: Point) -> int:
    """The names below such a directory; none for what follows no link at the end."""
    change = facts(at.name).changes if isinstance(at, Call) else None
    return 0 if change is not None and not change.follows else _names(rest.shown)


def _kind_of_own(subject: Subject, piece: Piece, at: Point) -> str:
    """Whether a directory of this name is the user's, or his job's (once the prolog has made it)."""
    if piece.kind != "variable":
        return ""
    if is_job_id(subject, piece, at):
        return "job" if subject.where.name.endswith("_epilog") else ""
    return "user" if OWNER.search(piece.text) else ""


def _is_made_here(subject: Subject, directory: str) -> bool:
    """Whether the script makes a directory, or one below it: then it is root's until it is given away."""
    return any(
        form.shown.rstrip("/").startswith(directory)
        for call in subject.program.named("mkdir", "install")
        if not is_other_user(call)
        for word in operands(call)
        for form in subject.values.forms(word, call)
    )


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


def _below_gift(subject: Subject, word: Word, at: Point, gifts: t.Iterable[_Gift]) -> _Control | None:
    """A path in a directory that the script gave to the user, or to everybody, a moment ago."""
    text = word.shown
    function = at.context.function
    points = [(function, at.sequence)]
    points += [(site.context.function, site.sequence) for site in subject.program.called.get(function or "", ())]
    for gift in gifts:
        if not text.startswith(gift.path + "/") or (gift.function, gift.sequence) in points:
            continue
        if not any(gift.function == where and gift.sequence < when for where, when in points):
            continue
        if gift.is_everybodys and any((text + "/").startswith(made.rstrip("/") + "/") for made in made_first(subject)):
            continue
        whom = "everybody" if gift.is_everybodys else "the job's owner"
        level: Severity | None = "warning" if gift.is_everybodys else None
        return _Control(f"line {gift.call.line} gave {gift.path} to {whom}", _names(text[len(gift.path) :]), level)
    return None


def _below_shared(subject: Subject, word: Word, at: Call) -> _Control | None:
    """A program in a directory where everybody may put one, which the script did not write itself."""
    text = word.shown
    if not WORLD_WRITABLE.match(text) or any(piece.kind == "command" for piece in word.pieces):
        return None
    program = subject.program
    written = {subject.values.known(write.target, write).shown for write in program.writes}
    others = [call for call in program.calls if call is not at and not is_a(call.name, _MAKES_NONE)]
    named = {subject.values.known(word, call).shown for call in others for word in call.arguments}
    return None if text in written | named else _Control(_ANYBODY, _ANY)


def _names(text: str) -> int:
    return len([name for name in text.split("/") if name])


def _gifts(subject: Subject) -> t.Iterator[_Gift]:
    """The directories that the script gives to the job's owner, or to everybody."""
    program = subject.program
    for call in program.calls:
        given, is_everybodys = _given(subject, call)
        for word in given:
            for resolved in subject.values.forms(word, call):
                path = resolved.shown.rstrip("/")
                if path and not path.endswith("*"):
                    yield _Gift(path, call, call.sequence, call.context.function, is_everybodys)
                    # Where the function was called, too: after the last time.
                    for site in program.called.get(call.context.function or "", ())[-1:]:
                        yield _Gift(path, call, site.sequence, site.context.function, is_everybodys)


#: The modes that let everybody write.
_OPEN = re.compile(r"[0-7]?[0-7]{2}[2367]|[ugoa]*[oa][ugoa]*[+=][rwxXst]*w[rwxXst]*|\+[rwxXst]*w[rwxXst]*")


def _given(subject: Subject, call: Call) -> tuple[list[Word], bool]:
    """What a command gives away, and whether everybody gets it."""
    named = operands(call)
    makes = call.name == "mkdir" or (call.name == "install" and call.has_option("-d", "--directory"))
    mode = [word.shown for word in call.values_of("-m", "--mode")] if makes else [w.shown for w in named[:1]]
    if call.name == "chown" and len(named) > 1 and _is_owner(subject, named[0], at=call):
        return named[1:], False
    if call.name == "install" and makes and _is_owner(subject, *call.arguments, at=call):
        return named, False
    if makes and is_other_user(call) and OWNER.search(call.context.user or ""):
        return named, False
    if call.name == "setfacl" and re.search(r"u(ser)?:\$\{\w+\}:\w*w", " ".join(call.texts)):
        return named[-1:], False
    if call.name == "mount" and re.search(r"\buid=\$\{\w+\}", " ".join(call.texts)):
        return named[-1:], False
    if (makes or call.name == "chmod") and any(_OPEN.fullmatch(text) for text in mode):
        return named if makes else named[1:], True
    return [], False


def _is_owner(subject: Subject, *words: Word, at: Call) -> bool:
    return any(
        OWNER.search(piece.text) for word in words for piece in origins(subject, word, at) if piece.kind == "variable"
    )


CHECKS = (user_controlled_path,)
