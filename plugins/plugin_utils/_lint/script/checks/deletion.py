# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Deletions: can the path be another one than it was meant to be?"""

from __future__ import annotations

import itertools
import re
import typing as t

from ...core.model import Hit, Severity, hit_at
from ..facts import Is
from ..knowledge import is_a
from ..model import word_set
from ..program import Call, Piece, Word
from ..subject import Subject
from .vocabulary import JOB, OWNER, WIPED, asked_around, fed_by, is_job_id, last_cd, named, operands, placed

#: Places that several jobs share.
_SHARED = re.compile(
    r"/(tmp|var/tmp|dev/shm|scratch|local|localscratch|local_scratch|lustre|nvme|mnt/(nvme|scratch|local|localdisk|resource))(/|$)"
)


def unsafe_delete(subject: Subject) -> t.Iterator[Hit]:
    """unsafe-delete: rm, find -delete and rsync --delete whose path can shrink, or that meet other jobs' files."""
    for call in subject.program.calls:
        yield from _hits(subject, call)


def _hits(subject: Subject, call: Call) -> t.Iterator[Hit]:
    """What is wrong with a command that deletes."""
    if call.name == "rm" and "find" not in call.via:
        words = [word for word in call.arguments if not word.shown.startswith("-")]
        yield from _elsewhere(subject, call, words)
        yield from _chosen_by_owner(subject, call, words)
        words += _listed(subject, call)
        if call.has_option("-r", "-R", "--recursive"):
            yield from _trees(subject, call, words)
        else:
            yield from _files(subject, call, words)
    elif call.name == "find" and _deletes(call):
        starts = list(
            itertools.takewhile(lambda word: not word.shown.startswith(("-", "(", "!", "\\")), call.arguments)
        )
        yield from _elsewhere(subject, call, starts or [Word((Piece("text", "."),), call.line, call.column)])
        yield from _find(subject, call, starts)
    elif call.name == "rsync" and any(text.startswith("--del") for text in call.texts):
        yield from _mirror(subject, call)


def _listed(subject: Subject, rm: Call) -> list[Word]:
    """The patterns that a list for xargs is made of: ls -d /tmp/x* | xargs rm."""
    if "xargs" not in rm.via:
        return []
    lists = [source for source in fed_by(subject.program, rm) if source.name == "ls" or is_a(source.name, Is.PRINTS)]
    return [w for source in lists for w in operands(source) if any(piece.kind == "glob" for piece in w.pieces)]


def _chosen_by_owner(subject: Subject, call: Call, words: t.Sequence[Word]) -> t.Iterator[Hit]:
    """A loop over a shared directory that deletes the files of a user."""
    if subject.where.is_init or not call.context.loops or _asks_for_other_jobs(subject, call):
        return
    asked = asked_around(subject, call)
    if not any(OWNER.search(text) for text in asked) or any(JOB.search(text) for text in asked):
        return
    for word in words:
        loops = subject.values.loops(word, call)
        forms = [*subject.values.forms(word, call), *(item for loop in loops for item in loop.items)]
        if loops and any(_SHARED.match(form.shown) for form in forms) and not JOB.search(word.shown):
            message = "the loop deletes files of the user, also those of his other jobs here"
            yield hit_at("unsafe-delete", call, message)
            return


def _deletes(find: Call) -> bool:
    texts = find.texts
    runs = bool({"-exec", "-execdir"} & set(texts))
    return "-delete" in texts or (runs and bool({"rm", "/bin/rm", "/usr/bin/rm"} & set(texts)))


def _elsewhere(subject: Subject, call: Call, words: t.Sequence[Word]) -> t.Iterator[Hit]:
    """A deletion in the current directory, which may be another one than was meant."""
    here = [word for word in words if word.pieces and word.pieces[0].kind in ("text", "glob") and _is_relative(word)]
    if not here:
        return
    cd = last_cd(subject, call)
    wide = call.name == "find" or any(piece.kind == "glob" for word in here for piece in word.pieces)
    if cd is None:
        if wide and not subject.program.named("cd", "pushd"):
            yield hit_at(
                "unsafe-delete", call, f"{call.name} deletes where Slurm started the script: no cd comes before"
            )
    elif not _is_checked(subject, cd, call):
        yield hit_at(
            "unsafe-delete", call, f"when {cd.name} fails (line {cd.line}), {call.name} deletes where the script was"
        )
    elif wide and cd.arguments:
        target = cd.arguments[-1]
        stays = (subject.where.group == "task" or all(p.quoted for p in target.pieces)) and all(
            _may_vanish(subject, piece, cd) for form in subject.values.forms(target, cd)[:1] for piece in form.pieces
        )
        if target.pieces and stays:
            name = named(target.pieces[0])
            yield hit_at(
                "unsafe-delete", call, f"when {name} is empty, {cd.name} leads nowhere, and {call.name} deletes there"
            )


def _is_relative(word: Word) -> bool:
    return not word.shown.startswith(("/", "~"))


def _is_checked(subject: Subject, cd: Call, later: Call) -> bool:
    """Whether a deletion is not reached where a cd before it failed."""
    if cd.context.errexit and not cd.context.tested:
        return True
    if not cd.context.tested:
        return False
    calls = subject.program.calls
    behind = next((other for other in calls if other.sequence > cd.sequence), None)
    if behind is None or len(behind.context.guards) <= len(cd.context.guards):
        return True
    # What depends on its status: the deletion itself, or a way out.
    mark = behind.context.guards[len(cd.context.guards)]
    depending = [other for other in calls if mark in other.context.guards]
    return later in depending or any(
        other.name in _WAYS_OUT or any(inner.name == "exit" for inner in subject.program.calls_in(other.name))
        for other in depending
    )


_WAYS_OUT = word_set("exit return break continue exec")


def _trees(subject: Subject, call: Call, words: list[Word]) -> t.Iterator[Hit]:
    """rm -r."""
    if (not words and "xargs" in call.via) or any(len(w.pieces) == 1 and w.pieces[0].kind == "variable" for w in words):
        yield from _from_find(subject, call, words)
    for word in words:
        yield from _unsafe(subject, call, word, f"{call.name} -r")
        yield from _of_the_user(subject, call, word, f"{call.name} -r")


def _files(subject: Subject, call: Call, words: list[Word]) -> t.Iterator[Hit]:
    """rm without -r: what a find lists, and patterns."""
    yield from _from_find(subject, call, words)
    for word in words:
        is_pattern = any(piece.kind == "glob" for form in subject.values.forms(word, call) for piece in form.pieces)
        # All of a place of everybody: node-wide-action says it.
        if is_pattern and not any(WIPED.search(text) for text in subject.values.texts(word, call)):
            yield from _unsafe(subject, call, word, call.name)


def _mirror(subject: Subject, call: Call) -> t.Iterator[Hit]:
    """rsync --delete: it makes the second directory like the first, whichever these are."""
    for word in operands(call):
        yield from _unsafe(subject, call, word, "rsync --delete", from_root=True)


def _also_others(subject: Subject, find: Call) -> str | None:
    """A -name of find with the job's number, which also meets longer numbers."""
    for test, word in itertools.pairwise(find.arguments):
        if test.shown not in ("-name", "-iname", "-path", "-wholename") or subject.where.is_init:
            continue
        pieces = [Piece("text", ""), *word.pieces, Piece("text", "")]
        for before, piece, after in zip(pieces, pieces[1:], pieces[2:], strict=False):
            open_ended = before.text.endswith("*") or after.text.startswith("*")
            if piece.kind == "variable" and open_ended and is_job_id(subject, piece, find):
                return word.shown
    return None


def _find(subject: Subject, call: Call, starts: list[Word]) -> t.Iterator[Hit]:
    texts = call.texts
    loose = _also_others(subject, call)
    if loose is not None:
        message = f"find: {loose} also matches jobs whose number contains this one's"
        yield hit_at("unsafe-delete", call, message, "error")
    limited = _spares_the_young(subject, call)
    narrowed = limited or (bool(_narrowed_by(call)) and "-prune" not in texts)
    by_user = bool({"-user", "-uid"} & set(texts))
    is_own = subject.where.is_init or limited or _names_the_job(subject, call) or _asks_for_other_jobs(subject, call)
    for word in starts:
        if all(not piece.quoted and _may_vanish(subject, piece, call) for piece in word.pieces) and word.pieces:
            message = f"when {named(word.pieces[0])} is empty, find starts in the current directory and deletes there"
            yield hit_at("unsafe-delete", call, message)
        shared = next(filter(_is_shared, subject.values.texts(word, call)), None)
        if shared is not None and not subject.where.is_init and not narrowed and not by_user:
            message = f"find deletes everything below {shared}, whichever job it belongs to"
            yield hit_at("unsafe-delete", call, message, "error")
        yield from _unsafe(subject, call, word, "find -delete", soft=limited, from_root=True)
        if shared is not None and not is_own and not by_user:
            message = f"find deletes what it finds below {shared}, also the files of other jobs"
            yield hit_at("unsafe-delete", call, message)
        if not is_own:
            yield from _of_the_user(subject, call, word, "find -delete")
    if by_user and not is_own:
        yield hit_at("unsafe-delete", call, _of_all_jobs(call))


#: Tests of find that leave young files alone, or those of users that exist.
_AGE = word_set("-mtime -atime -ctime -mmin -amin -cmin -newer -newermt -older -empty -nouser -nogroup")

#: A job that runs has not touched some of its files for this long.
_YOUNG_MINUTES = 60


def _spares_the_young(subject: Subject, find: Call) -> bool:
    """Whether a find leaves the files of running jobs out by their age. -mtime -1 chooses just these."""
    texts = [subject.values.known(word, find).shown for word in find.arguments]
    for before, test, value in zip(("", *texts), texts, (*texts[1:], ""), strict=False):
        if test not in _AGE:
            continue
        age = re.fullmatch(r"([-+]?)(\d+)", value) if re.fullmatch(r"-[acm](time|min)", test) else None
        if age is None:
            return True
        is_older = (age[1] == "-") == (before in ("!", "-not"))
        if is_older and (test.endswith("time") or int(age[2]) >= _YOUNG_MINUTES):
            return True
    return False


def _is_shared(path: str) -> bool:
    """Whether a path is a place of all jobs, and not one below it."""
    bare = path.rstrip("/")
    return _SHARED.match(bare + "/") is not None and bare.count("/") <= 2


#: Tests of find that leave a part of the files out.
_NARROWING = word_set("-name -iname -path -ipath -wholename -regex -iregex -size -perm -links")


def _narrowed_by(find: Call) -> list[str]:
    """The tests of a find that leave a part of the files out. Files are what -delete is for: -type f leaves out none."""
    return [
        f"{test} {value}"
        for test, value in itertools.pairwise(find.texts)
        if test in _NARROWING and (test, value) != ("-type", "f")
    ]


def _names_the_job(subject: Subject, find: Call) -> bool:
    """Whether a find is for names with the job's id in them."""
    return any(
        word.literal in _NARROWING and any(is_job_id(subject, piece, find) for piece in following.variables)
        for word, following in itertools.pairwise(find.arguments)
    )


def _of_all_jobs(find: Call) -> str:
    """What a find by user deletes."""
    tests = _narrowed_by(find)
    which = f"the user's files with {' '.join(tests)}" if tests else "every file of the user"
    return f"deletes {which}, also those of his other jobs here"


def _from_find(subject: Subject, call: Call, words: list[Word]) -> t.Iterator[Hit]:
    """rm of what a find lists: by xargs, or in a while read loop."""
    if subject.where.is_init:
        return
    numbers = set()
    if "xargs" in call.via and call.context.pipeline:
        numbers.add(call.context.pipeline[0])
    for piece in (word.pieces[0] for word in words if len(word.pieces) == 1):
        for assignment in subject.values.assignments(piece.text, call):
            if assignment.kind == "read" and assignment.context.pipeline:
                numbers.add(assignment.context.pipeline[0])
    for other in subject.program.named("find"):
        feeds = other.context.pipeline and other.context.pipeline[0] in numbers and other.sequence < call.sequence
        if not feeds:
            continue
        loose = _also_others(subject, other)
        if loose is not None:
            message = f"find: {loose} also matches jobs whose number contains this one's"
            yield hit_at("unsafe-delete", call, message, "error")
        if _names_the_job(subject, other) or _asks_for_other_jobs(subject, call):
            continue
        texts = set(other.texts)
        if texts & {"-user", "-uid", "-group"}:
            yield hit_at("unsafe-delete", call, _of_all_jobs(other))
        shared = next(
            (text for w in other.arguments for text in subject.values.texts(w, other) if _is_shared(text)), None
        )
        # A loop may choose among the files.
        if (
            shared is not None
            and not _spares_the_young(subject, other)
            and ("xargs" in call.via or not call.context.guards)
        ):
            message = f"deletes what find finds below {shared}, also the files of other jobs"
            yield hit_at("unsafe-delete", call, message)


def _asks_for_other_jobs(subject: Subject, call: Call) -> bool:
    return any(
        (
            is_a(other.name, Is.LISTS_JOBS)
            or other.name == "loginctl"
            or (other.name in ("ps", "pgrep") and other.has_option("-u", "-U", "--user", "--euid", "--uid"))
            or any(re.search(r"uid_|slurmstepd", text) for text in other.texts)
        )
        and subject.program.precedes(other, call)
        for other in subject.program.calls
    )


def _of_the_user(subject: Subject, call: Call, word: Word, action: str) -> t.Iterator[Hit]:
    """A directory that a user has for all of his jobs."""
    if subject.where.is_init:
        return
    for form in subject.values.forms(word, call):
        segments = [segment for segment in _segments(form) if segment and not _is_everything(segment)]
        pieces = [piece for segment in segments for piece in segment]
        if (
            len(segments) > 1
            and any(piece.kind == "variable" and OWNER.search(piece.text) for piece in segments[-1])
            and not any(piece.kind == "command" or is_job_id(subject, piece, call) for piece in pieces)
            and not _asks_for_other_jobs(subject, call)
        ):
            yield hit_at("unsafe-delete", call, f"{action}: {form.shown} also holds the files of the user's other jobs")


def _is_everything(segment: t.Sequence[Piece]) -> bool:
    return all(piece.kind == "glob" and re.fullmatch(r"[*.\[\]!]+", piece.text) for piece in segment)


def _unsafe(
    subject: Subject, call: Call, word: Word, action: str, *, soft: bool = False, from_root: bool = False
) -> t.Iterator[Hit]:
    """Whether the path of a deletion can be another one than it was meant to be, in one of its forms."""
    whole = placed(subject, word, call)
    for form in subject.values.forms(whole, call):
        hit = _unsafe_form(subject, call, whole, form, action, soft, from_root)
        if hit is not None:
            yield hit


def _unsafe_form(
    subject: Subject, call: Call, word: Word, resolved: Word, action: str, soft: bool, from_root: bool
) -> Hit | None:
    segments = [segment for segment in _segments(resolved) if [piece.text for piece in segment] != ["."]]
    # GNU rm refuses /; nothing else does.
    emptied = from_root and len(segments) > 1 and not segments[-1]
    while segments and not segments[-1]:
        segments.pop()
    # What a trailing /* empties is the directory before it.
    body = segments[:-1] if segments and _is_everything(segments[-1]) else segments
    emptied = emptied or len(body) < len(segments)
    last_segment = segments[-1] if segments else []
    vanishing = [piece for piece in last_segment if _may_vanish(subject, piece, call)]
    if (
        vanishing
        and len(last_segment) > len(vanishing)
        and all(p in vanishing or p.kind == "glob" for p in last_segment)
    ):
        name = named(vanishing[0])
        return hit_at("unsafe-delete", call, f"{action}: when {name} is empty, {word.shown} matches everything there")
    unsure = [piece for segment in segments for piece in segment if _may_vanish(subject, piece, call)]
    for segment in segments:
        for piece, following in itertools.pairwise(segment):
            if (
                not subject.where.is_init
                and {piece.kind, following.kind} == {"variable", "glob"}
                and (following.text.startswith("*") if piece.kind == "variable" else piece.text.endswith("*"))
                and is_job_id(subject, piece if piece.kind == "variable" else following, call)
            ):
                return hit_at(
                    "unsafe-delete",
                    call,
                    f"{action}: {word.shown} also matches jobs whose number begins with this one's",
                    "error",
                )
    is_pattern = any(piece.kind == "glob" for piece in resolved.pieces) and not _is_selected(subject, word, call)
    others = [piece for piece in resolved.pieces if piece.kind not in ("text", "glob")]
    is_wide = is_pattern and all(piece.kind == "variable" and OWNER.search(piece.text) for piece in others)
    shared = not subject.where.is_init and is_wide and not soft and _SHARED.match(resolved.shown)
    if shared and not _asks_for_other_jobs(subject, call):
        return hit_at(
            "unsafe-delete", call, f"{action}: {resolved.shown} is shared, the pattern meets every job's files"
        )
    if not unsure or not body:
        return None
    last = body[-1]
    names = ", ".join(sorted({named(piece) for piece in unsure}))
    shrinks = bool(last) and all(piece in unsure for piece in last)
    starts = bool(segments[0]) and all(piece in unsure for piece in segments[0]) and (len(body) > 1 or emptied)
    if not shrinks and not starts:
        return None
    if shrinks and len(body) == 1 and not emptied and segments[0]:
        # The whole path is one variable: rm -r "" is an error message, no more.
        return None
    severity: Severity | None = None
    if not subject.where.is_init and any(
        subject.where.absent(piece.text, subject.slurm_version) and not subject.program.assignments.get(piece.text)
        for piece in unsure
    ):
        severity = "error"
    left = (
        "".join(
            "/" + "".join(p.text for p in s if p.kind in ("text", "glob"))
            for s in segments[1:]
            if any(p not in unsure for p in s)
        )
        or "/"
    )
    return hit_at(
        "unsafe-delete",
        call,
        f"{action}: when {names} is empty, {word.shown} becomes {left}",
        severity,
    )


def _segments(word: Word) -> list[list[Piece]]:
    """A path's parts between the slashes."""
    segments: list[list[Piece]] = [[]]
    for piece in word.pieces:
        if piece.kind not in ("text", "glob"):
            segments[-1].append(piece)
            continue
        for position, text in enumerate(piece.text.split("/")):
            if position:
                segments.append([])
            if text:
                kind: t.Literal["text", "glob"] = (
                    "glob" if piece.kind == "glob" and re.search(r"[*?\[]", text) else "text"
                )
                segments[-1].append(Piece(kind, text, piece.quoted))
    return segments


def _may_vanish(subject: Subject, piece: Piece, at: Call) -> bool:
    """Whether nothing may be left of a part of a path; a script that deletes is also started by hand."""
    return piece.kind in ("variable", "command") and subject.values.piece_may_be_empty(piece, at, by_hand=True)


def _is_selected(subject: Subject, word: Word, call: Call) -> bool:
    """Whether something chooses among the files of a pattern that a loop goes over."""
    loops = subject.values.loops(word, call)
    return bool(loops) and (
        any(len(call.context.guards) > len(loop.context.guards) for loop in loops)
        or any(
            other.name == "continue" and other.context.loops == call.context.loops for other in subject.program.calls
        )
    )


CHECKS = (unsafe_delete,)
