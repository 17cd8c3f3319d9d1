# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Files with a line for each user or job: is only his line removed, and is it removed at all?"""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit, Severity, hit_at
from ..facts import Is
from ..knowledge import is_a
from ..program import Call, Piece, Word, Write
from ..subject import Subject
from .vocabulary import OWNER, behind, fed_by

#: Names by which a script calls a job or what it belongs to.
_IDENTITY = re.compile(
    OWNER.pattern + r"|(?i:job_?id)|SLURM_(JOB_)?(GID|GROUP|ACCOUNT)\b|SLURM_ARRAY_JOB_ID|\baccount\b"
)

#: Where a name ends for sure.
_EDGE_BEFORE = re.compile(r"(?:\\<|\\b|\^|\[\^[^\]]*\]|[\s:,;=@\"'|+%(]|\\s|\[\[:(?:space|blank):\]\])$")
_EDGE_AFTER = re.compile(r"(?:\\>|\\b|\\?\$|\[\^|[\s:,;=@\"'|+%)]|\\s|\[\[:(?:space|blank):\]\])")

_IN_PLACE = {"sed": ("-i", "--in-place"), "perl": ("-i",)}


def unanchored_match(subject: Subject) -> t.Iterator[Hit]:
    """unanchored-match: lines are removed from a file by a name or number that is also part of others."""
    if subject.where.is_init:
        return
    for call in subject.program.calls:
        for pattern, delimiter in _patterns(subject, call):
            loose = _loose(subject, pattern, call, delimiter)
            if loose is not None:
                yield hit_at(
                    "unanchored-match",
                    call,
                    f"{call.name} meets every line with {loose} in it, also as a part of a longer name or number",
                )
                break


def _patterns(subject: Subject, call: Call) -> t.Iterator[tuple[Word, str]]:
    """The patterns by which a command removes lines of a file, each with the character that ends it."""
    if call.name in ("sed", "perl"):
        if not (call.has_option(*_IN_PLACE[call.name]) or _is_kept(subject, call)):
            return
        for script in _scripts(call):
            text = subject.values.known(script, call)
            if re.search(r"[/|,#!@]I?\s*!?[dp]\s*(;|\}|$)|[/|,#!@]g?$|!~|unless", text.shown):
                found = re.search(r"(?:^|[\s;{,!0-9$])(?:s(\W)|\\(\W)|m(\W))", text.shown)
                yield text, next((part for part in found.groups() if part), "/") if found else "/"
    elif call.name in ("grep", "egrep", "fgrep") and call.has_option("-v", "--invert-match"):
        exact = call.has_option("-w", "-x", "--word-regexp", "--line-regexp")
        if not exact and _is_kept(subject, call):
            for word in _scripts(call):
                yield subject.values.known(word, call), ""
    elif call.name in ("awk", "gawk", "mawk") and (_is_kept(subject, call) or call.has_option("-i")):
        for script in call.arguments:
            text = subject.values.known(script, call)
            if re.search(r"!\s*/|!~\s*[/\"]|/\s*\{\s*next", text.shown):
                yield text, "/"


def _scripts(call: Call) -> list[Word]:
    """The patterns of grep, the programs of sed: after each -e, or else the first operand."""
    given = [
        after
        for word, after in zip(call.arguments, call.arguments[1:], strict=False)
        if re.fullmatch(r"-[A-Za-z]*e|--(expression|regexp)", word.shown)
    ]
    given += [word for word in call.arguments if re.match(r"--(expression|regexp)=", word.shown)]
    return given or [word for word in call.arguments if not word.shown.startswith("-")][:1]


def _is_kept(subject: Subject, call: Call) -> bool:
    """Whether the lines that are left come from a file and go into one."""
    operands = [word for word in call.arguments if not word.shown.startswith("-")]
    sources = fed_by(subject.program, call)
    reads = len(operands) > 1 or any(redirect.operator == "<" for redirect in call.context.redirects)
    if not reads and not any(source.name == "cat" or _saves(source) for source in sources):
        return False
    return call.context.stdout == "file" or any(
        other.context.pipeline
        and call.context.pipeline
        and other.context.pipeline[0] == call.context.pipeline[0]
        and (other.context.stdout == "file" or other.name in ("sponge", "tee") or _restores(other))
        for other in subject.program.calls
    )


def _saves(call: Call) -> bool:
    """Whether a command prints a list of which another one makes it anew: iptables-save, crontab -l."""
    return call.name.endswith("-save") or (call.name == "crontab" and call.has_option("-l"))


def _restores(call: Call) -> bool:
    return call.name.endswith("-restore") or (call.name == "crontab" and not call.has_option("-l", "-r"))


def _loose(subject: Subject, pattern: Word, call: Call, delimiter: str) -> str | None:
    """The variable of a pattern that names a user or a job and may be part of a longer word."""
    for position, piece in enumerate(pattern.pieces):
        if piece.kind not in ("variable", "command"):
            continue
        named = behind(subject, [Word((piece,), pattern.line, pattern.column)], call)
        if not _IDENTITY.search(named) or (piece.kind == "command" and not piece.commands):
            continue
        before = _text(pattern.pieces[:position])
        if delimiter and not _is_in_a_pattern(call, before, delimiter):
            # What is put in, not what is looked for.
            continue
        if delimiter not in ("", "/"):
            # \|...|d: the first one is the delimiter, not a character.
            before = before.replace("\\" + delimiter, delimiter, 1)
        # perl quotes a name by \Q and \E.
        before = before.removesuffix("\\Q")
        after = _text(pattern.pieces[position + 1 :]).removeprefix("\\E")
        if not _is_edge(before, _EDGE_BEFORE, delimiter, -1) or not _is_edge(after, _EDGE_AFTER, delimiter, 0):
            return f"${piece.text}" if piece.kind == "variable" else "the output of a command"
    return None


#: What stands in front of a command of sed's: blanks, numbers of lines, the end of the command before.
_BEFORE_COMMAND = " \t\n;{}0123456789,$!~+"


def _is_in_a_pattern(call: Call, before: str, delimiter: str) -> bool:
    """Whether a program of sed's, perl's or awk's is within a pattern where a text of it ends."""
    if call.name not in ("sed", "perl"):
        return delimiter not in before or re.sub(r"\\.", "", before).count(delimiter) % 2 == 1
    position = 0
    while rest := before[position:].lstrip(_BEFORE_COMMAND):
        position = len(before) - len(rest)
        command = rest[:2]
        mark = (
            command[1:]
            if command[0] in "\\smy" and re.fullmatch(r"\W", command[1:]) and not command[1:].isspace()
            else ""
        )
        if not mark and command[0] != "/":
            if call.name == "sed" and command[0] in "aicrw":
                return False
            position += 1
            continue
        end = _closed(before, position + len(mark) + 1, mark or "/")
        if end is None:
            return True
        if mark and command[0] in "sy":
            end = _closed(before, end + 1, mark)
            if end is None:
                return False
        position = end + 1
    return False


def _closed(text: str, start: int, delimiter: str) -> int | None:
    """The place where a pattern ends."""
    found = re.compile(rf"(?:\\.|[^\\{re.escape(delimiter)}])*").match(text, start)
    return found.end() if found is not None and found.end() < len(text) else None


def _text(pieces: t.Sequence[Piece]) -> str:
    """Fixed text; a variable counts as a letter, for it may end in one."""
    return "".join(piece.text if piece.kind in ("text", "glob") else "x" for piece in pieces)


def _is_edge(text: str, edge: re.Pattern[str], delimiter: str, place: int) -> bool:
    """Whether a name surely ends there. The delimiter of the pattern is no part of it."""
    found = edge.search(text) if place else edge.match(text)
    if text and text[place] == delimiter and not (place and text.endswith("\\" + delimiter)):
        return False
    return found is not None or (bool(text) and text[place] == "/" and delimiter not in ("", "/"))


#: Files that something reads as a whole, or that stand in memory.
_READ_WHOLE = re.compile(r"/(etc|run|var/run|dev/shm)/|.*/(authorized_keys|known_hosts|hosts|exports|sudoers)(\.\w+)?$")


def growing_file(subject: Subject) -> t.Iterator[Hit]:
    """growing-file: each job appends a line to a file that something reads as a whole, and nothing takes it out."""
    if subject.where.is_init or subject.where.group == "task":
        return
    reported: set[str] = set()
    for target, at, appended in _appends(subject):
        path = subject.values.known(target, at).shown
        if path in reported or not _grows(subject, path, at):
            continue
        reported.add(path)
        yield hit_at(
            "growing-file",
            target,
            f"each {subject.where.occasion} appends to {path}, and nothing here shortens it",
            _severity(subject, appended, at),
        )


def _appends(subject: Subject) -> t.Iterator[tuple[Word, Write | Call, list[Word]]]:
    """Files that are appended to: the name, the place, what is appended."""
    for call in subject.program.calls:
        for redirect in call.context.redirects:
            if redirect.operator in (">>", "&>>"):
                yield redirect.target, call, list(call.arguments)
        if call.name == "tee" and call.has_option("-a", "--append"):
            for word in call.arguments:
                if not word.shown.startswith("-"):
                    yield word, call, [word for source in fed_by(subject.program, call) for word in source.arguments]


def _grows(subject: Subject, path: str, at: Write | Call) -> bool:
    if not _READ_WHOLE.match(path) or re.search(r"log|\$\{?\w*(?i:job_?id|date)|\$\(\.\.\.\)", path):
        return False
    program = subject.program
    for call in program.calls:
        names = any(subject.values.known(word, call).shown.startswith(path) for word in call.arguments)
        if names and is_a(call.name, Is.LESSENS):
            return False
        # grep -q line file || echo line >> file
        if names and (is_a(call.name, Is.SEARCHES) or call.name == "awk") and call.sequence < at.sequence:
            return False
    return not any(
        write.operator in (">", ">|") and subject.values.known(write.target, write).shown == path
        for write in program.writes
    )


def _severity(subject: Subject, appended: list[Word], at: Write | Call) -> Severity | None:
    """A prolog's line that names the job or the user may be taken out by the epilog."""
    if subject.where.name.endswith("_prolog") and _IDENTITY.search(behind(subject, appended, at)):
        return "info"
    return None


CHECKS = (
    unanchored_match,
    growing_file,
)
