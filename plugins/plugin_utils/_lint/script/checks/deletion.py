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
from .vocabulary import WIPED, is_job_id, named

#: Places that several jobs share.
_SHARED = re.compile(
    r"/(tmp|var/tmp|dev/shm|scratch|local|localscratch|local_scratch|lustre|nvme|mnt/(nvme|scratch|local|localdisk|resource))(/|$)"
)


def unsafe_delete(subject: Subject) -> t.Iterator[Hit]:
    """unsafe-delete: rm -r and find -delete whose path can shrink, or that meet other jobs' files."""
    for call in subject.program.calls:
        if call.name == "rm" and call.has_option("-r", "-R", "--recursive"):
            if "find" in call.via:
                continue
            operands = [word for word in call.arguments if not word.shown.startswith("-")]
            if (not operands and "xargs" in call.via) or any(
                len(w.pieces) == 1 and w.pieces[0].kind == "variable" for w in operands
            ):
                hit = _from_find(subject, call, operands)
                if hit is not None:
                    yield hit
                    continue
            for word in operands:
                hit = _unsafe(subject, call, word, f"{call.name} -r")
                if hit is not None:
                    yield hit
                    break
        elif call.name == "rm" and "find" not in call.via:
            yield from _files(subject, call)
        elif call.name == "find":
            texts = call.texts
            if "-delete" in texts or (
                any(a in texts for a in ("-exec", "-execdir"))
                and any(b in texts for b in ("rm", "/bin/rm", "/usr/bin/rm"))
            ):
                yield from _find(subject, call)


def _files(subject: Subject, call: Call) -> t.Iterator[Hit]:
    """rm without -r: what a find lists, and patterns."""
    operands = [word for word in call.arguments if not word.shown.startswith("-")]
    hit = _from_find(subject, call, operands)
    patterns = [word for word in operands if any(piece.kind == "glob" for piece in word.pieces)]
    # All of a place of everybody: node-wide-action says it.
    narrower = [w for w in patterns if not any(WIPED.search(text) for text in subject.values.texts(w, call))]
    hits = [hit, *(_unsafe(subject, call, word, call.name) for word in narrower)]
    yield from [hit for hit in hits if hit is not None][:1]


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


def _find(subject: Subject, call: Call) -> t.Iterator[Hit]:
    starts = []
    for word in call.arguments:
        if word.shown.startswith(("-", "(", "!", "\\")):
            break
        starts.append(word)
    texts = call.texts
    loose = _also_others(subject, call)
    if loose is not None:
        yield hit_at(
            "unsafe-delete", call, f"find: {loose} also matches jobs whose number contains this one's", "error"
        )
        return
    limited = any(
        text in ("-mtime", "-atime", "-ctime", "-mmin", "-amin", "-cmin", "-newer", "-older", "-empty")
        for text in texts
    )
    narrowed = limited or any(
        text in ("-name", "-path", "-iname", "-regex", "-user", "-uid") and "-prune" not in texts for text in texts
    )
    for word in starts:
        shared = next(filter(_is_shared, subject.values.texts(word, call)), None)
        if shared is not None and not subject.where.is_init and not narrowed:
            message = f"find deletes everything below {shared}, whichever job it belongs to"
            yield hit_at("unsafe-delete", call, message, "error")
            return
        hit = _unsafe(subject, call, word, "find -delete", soft=limited)
        if hit is not None:
            yield hit
            return
    if (
        not subject.where.is_init
        and any(text in ("-user", "-uid") for text in texts)
        and not limited
        and not _names_the_job(subject, call)
        and not _asks_for_other_jobs(subject, call)
    ):
        yield hit_at("unsafe-delete", call, _of_all_jobs(call))


def _is_shared(path: str) -> bool:
    """Whether a path is a place of all jobs, and not one below it."""
    bare = path.rstrip("/")
    return _SHARED.match(bare + "/") is not None and bare.count("/") <= 2


#: Tests of find that leave a part of the files out.
_NARROWING = word_set("-name -iname -path -ipath -wholename -regex -iregex -size -perm -links")


def _names_the_job(subject: Subject, find: Call) -> bool:
    """Whether a find is for names with the job's id in them."""
    return any(
        word.literal in _NARROWING and any(is_job_id(subject, piece, find) for piece in following.variables)
        for word, following in itertools.pairwise(find.arguments)
    )


def _of_all_jobs(find: Call) -> str:
    """What a find by user deletes."""
    tests = " ".join(f"{test} {value}" for test, value in itertools.pairwise(find.texts) if test in _NARROWING)
    which = f"the user's files with {tests}" if tests else "every file of the user"
    return f"deletes {which}, also those of his other jobs here"


def _from_find(subject: Subject, call: Call, operands: list[Word]) -> Hit | None:
    """rm of what a find by user lists: by xargs, or in a while read loop."""
    if subject.where.is_init:
        return None
    numbers = set()
    if "xargs" in call.via and call.context.pipeline:
        numbers.add(call.context.pipeline[0])
    for piece in (word.pieces[0] for word in operands if len(word.pieces) == 1):
        for assignment in subject.values.assignments(piece.text, call):
            if assignment.kind == "read" and assignment.context.pipeline:
                numbers.add(assignment.context.pipeline[0])
    for other in subject.program.named("find"):
        feeds = other.context.pipeline and other.context.pipeline[0] in numbers and other.sequence < call.sequence
        loose = _also_others(subject, other) if feeds else None
        if loose is not None:
            message = f"find: {loose} also matches jobs whose number contains this one's"
            return hit_at("unsafe-delete", call, message, "error")
        by_user = feeds and set(other.texts) & {"-user", "-uid", "-group"} and not _names_the_job(subject, other)
        if by_user and not _asks_for_other_jobs(subject, call):
            return hit_at("unsafe-delete", call, _of_all_jobs(other))
    return None


def _asks_for_other_jobs(subject: Subject, call: Call) -> bool:
    return any(
        other.sequence < call.sequence
        and (
            is_a(other.name, Is.LISTS_JOBS)
            or other.name == "loginctl"
            or any(re.search(r"uid_|slurmstepd", text) for text in other.texts)
        )
        for other in subject.program.calls
    )


def _unsafe(subject: Subject, call: Call, word: Word, action: str, *, soft: bool = False) -> Hit | None:
    """Whether the path of a deletion can be another one than it was meant to be, in one of its forms."""
    hits = [_unsafe_form(subject, call, word, form, action, soft) for form in subject.values.forms(word, call)]
    found = [hit for hit in hits if hit is not None]
    return next((hit for hit in found if hit.severity == "error"), found[0] if found else None)


def _unsafe_form(subject: Subject, call: Call, word: Word, resolved: Word, action: str, soft: bool) -> Hit | None:
    segments = _segments(resolved)
    while segments and not segments[-1]:
        segments.pop()
    # What a trailing /* empties is the directory before it.
    body = (
        segments[:-1]
        if segments and all(p.kind == "glob" and p.text in ("*", ".*", "*.*") for p in segments[-1])
        else segments
    )
    emptied = len(body) < len(segments)
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
                piece.kind == "variable"
                and following.kind == "glob"
                and following.text.startswith("*")
                and not subject.where.is_init
                and is_job_id(subject, piece, call)
            ):
                return hit_at(
                    "unsafe-delete",
                    call,
                    f"{action}: {word.shown} also matches jobs whose number begins with this one's",
                    "error",
                )
    is_pattern = any(piece.kind == "glob" for piece in resolved.pieces) and not _is_selected(subject, word, call)
    shared = not subject.where.is_init and is_pattern and not soft and _SHARED.match(resolved.literal or "")
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
