# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Files that each job makes longer: does anything keep them short?"""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit, Severity, hit_at
from ..facts import Is
from ..knowledge import is_a
from ..model import word_set
from ..program import Call, Comparison, Piece, Point, Word, Write
from ..subject import Subject
from .vocabulary import behind, conditions, fed_by

#: Something else than a file of records: a device, the kernel, a place that is emptied, a user's own place.
_ELSEWHERE = re.compile(r"/(proc|sys|tmp|var/tmp|home|users)/|/dev/(?!shm/)")

#: Memory, where nothing rotates a log.
_MEMORY = re.compile(r"/(run|var/run|dev/shm)/")

#: Files that something reads as a whole, wherever they stand.
_READ_WHOLE = re.compile(r".*/(authorized_keys|known_hosts|hosts|exports|sudoers)(\.\w+)?$")

#: Lists of who may do what: the other hook of the same job may take a line out.
_LISTS = re.compile(r"/etc/")

#: Data: logrotate is set up for logs.
_DATA = re.compile(r"\.(csv|tsv|tab|json|jsonl|ndjson|ya?ml|xml|prom|db|sqlite3?|dat)$")
_LOG = re.compile(
    r"(?i)log|\.(out|err|trace)$|(^|[-_.])(errors?|debug|trace|messages|output)\b|^(secure|cron|dmesg|boot|kern|daemon|user|auth)$"
)

#: The parts of a name that are the same for many jobs. Any other one may tell jobs or days apart.
_SAME = re.compile(
    r"\$\{(SLURM_CLUSTER_NAME|SLURMD_NODENAME|HOSTNAME|SLURM_(JOB_)?(PARTITION|ACCOUNT|USER|UID|GID|GROUP|QOS)"
    r"|(?i:user|uid|account|group|partition|node|host|cluster)(?i:_?name)?)\}|\$\((hostname|uname|id)\)"
)


def grows(path: str) -> bool:
    """Whether a file that jobs append to gets longer without end, by its name."""
    fixed = _SAME.sub("x", path)
    if not fixed.startswith("/") or "$" in fixed:
        return False
    if _READ_WHOLE.match(fixed) or _MEMORY.match(fixed):
        return True
    return not _ELSEWHERE.match(fixed) and not _is_a_log(fixed)


def _is_a_log(path: str) -> bool:
    name = path.rsplit("/", 1)[-1]
    return not _DATA.search(name) and _LOG.search(re.sub(r"^(pro|epi)log[-_]", "", name)) is not None


def growing_file(subject: Subject) -> t.Iterator[Hit]:
    """growing-file: each job appends to a file, and nothing takes anything out of it."""
    if subject.where.is_init or subject.where.group == "task":
        return
    reported: set[str] = set()
    for target, at, appended in _appends(subject):
        path = next(filter(grows, _paths(subject, target, at)), None)
        if path is None or path in reported or _is_kept_short(subject, path, at):
            continue
        reported.add(path)
        yield hit_at("growing-file", target, said(subject.where.occasion, path), _severity(subject, path, appended, at))


def said(occasion: str, path: str) -> str:
    """The message."""
    return f"each {occasion} appends to {path}, and nothing here shortens it"


def _paths(subject: Subject, word: Word, at: Point) -> list[str]:
    """The names that a file can have, with V($(command)) where a command makes a part of it."""
    return ["".join(map(_shown, form.pieces)) for form in subject.values.forms(word, at)]


def _shown(piece: Piece) -> str:
    if piece.kind == "command":
        return f"$({piece.commands[0].name})" if len(piece.commands) == 1 else "$(...)"
    return Word((piece,), 0, 0).shown


def _appends(subject: Subject) -> t.Iterator[tuple[Word, Call, list[Word]]]:
    """Files that are appended to: the name, the place, what is appended."""
    for call in subject.program.calls:
        for redirect in call.context.redirects:
            if redirect.operator in (">>", "&>>"):
                yield redirect.target, call, list(call.arguments)
        piped = [word for source in fed_by(subject.program, call) for word in source.arguments]
        for target in _appended_by(subject, call):
            yield target, call, [*piped, *call.arguments]


#: A line that sed puts behind the last one, or in front of the first one: $a text, 1i text.
_ADDS_LINE = re.compile(r"\s*(\\?\$\s*a|[01]\s*[ia])\b")
_AWK_APPENDS = re.compile(r">>\s*\"(/[^\"]+)\"")


def _appended_by(subject: Subject, call: Call) -> t.Iterator[Word]:
    """The files that a command itself appends to."""
    operands = [word for word in call.arguments if not word.shown.startswith("-")]
    texts = " ".join(call.texts)
    if call.name == "tee" and call.has_option("-a", "--append"):
        yield from operands
    elif call.name == "dd" and re.search(r"\boflag=\S*append|\bconv=\S*notrunc\b.*\bseek=|\bseek=.*notrunc", texts):
        yield from call.values_of("of=")
    elif call.name == "sed" and call.has_option("-i", "--in-place"):
        if operands and _ADDS_LINE.match(subject.values.known(operands[0], call).shown):
            yield from operands[1:]
    elif call.name == "sqlite3" and re.search(r"(?i)\b(insert|replace)\s+into\b", _fed_text(call)):
        yield from operands[:1]
    elif call.name == "tar" and re.match(r"-?\w*[ru]\w*f\b|--(append|update)\b", texts):
        yield from call.values_of("-f", "--file") or operands[1:2]
    elif call.name in ("awk", "gawk", "mawk"):
        for word in call.arguments:
            for path in _AWK_APPENDS.findall(word.shown):
                yield Word((Piece("text", path),), word.line, word.column)


def _fed_text(call: Call) -> str:
    """What a command is told, by arguments or by a here-document."""
    bodies = [redirect.body.shown for redirect in call.context.redirects if redirect.body is not None]
    return " ".join([*call.texts, *bodies])


def _is_kept_short(subject: Subject, path: str, at: Call) -> bool:
    """Whether something in the script shortens a file, limits it, or adds only what is not there."""
    return (
        any(_shortens(subject, path, call, at) for call in subject.program.calls)
        or any(
            write.operator in (">", ">|")
            and path in _paths(subject, write.target, write)
            # A head line for a new file: [ -e file ] || echo "time,job" > file
            and path not in _asked_for(subject, write)
            for write in subject.program.writes
        )
        # Done once: [ -e file ] || { echo ... >> other; touch file; }
        or not _asked_for(subject, at).isdisjoint({path} | _made(subject))
    )


def _shortens(subject: Subject, path: str, call: Call, at: Call) -> bool:
    named = [text for word in call.arguments for text in _paths(subject, word, call)]
    read = [text for r in call.context.redirects if r.operator == "<" for text in _paths(subject, r.target, call)]
    is_named = any(text.startswith(path) for text in named + read)
    if call.name == "sqlite3":
        return is_named and re.search(r"(?i)\b(delete\s+from|drop\s+table)\b", _fed_text(call)) is not None
    if call.name in ("rm", "find") and any(path.startswith(text.rstrip("/") + "/") for text in named if len(text) > 1):
        return call.name == "rm" or "-delete" in call.texts or "-exec" in call.texts
    if not is_named:
        return False
    if is_a(call.name, Is.LESSENS) or call.name == "find":
        return not (call is at or any(True for _target in _appended_by(subject, call)))
    if call.name == "dd":
        return (
            path in [text for word in call.values_of("of=") for text in _paths(subject, word, call)] and call is not at
        )
    # grep -q line file || echo line >> file. The number of a job is never there.
    looks = (
        (is_a(call.name, Is.SEARCHES) or call.name == "awk")
        and subject.program.precedes(call, at)
        and not _names_a_job(subject, call, path)
    )
    return looks or is_a(call.name, Is.MEASURES)


def _names_a_job(subject: Subject, call: Call, path: str) -> bool:
    others = [word for word in call.arguments if path not in _paths(subject, word, call)]
    return re.search(r"(?i)job_?id", behind(subject, others, call)) is not None


#: Tests of a file that is there, or has something in it.
_THERE = word_set("-e -f -s -r")


def _asked_for(subject: Subject, at: Write | Call) -> set[str]:
    """The files that a command runs with or without."""
    return {
        path
        for test in conditions(subject.program, at)
        if isinstance(test, Comparison) and test.operator in _THERE
        for word in test.words
        for path in _paths(subject, word, test)
    }


def _made(subject: Subject) -> set[str]:
    """The files that the script makes, apart from those that it appends to."""
    points: list[tuple[Word, Write | Call]] = [
        (w, call) for call in subject.program.named("touch") for w in call.arguments
    ]
    points += [(write.target, write) for write in subject.program.writes if write.operator in (">", ">|")]
    return {path for word, at in points for path in _paths(subject, word, at)}


def _severity(subject: Subject, path: str, appended: list[Word], at: Call) -> Severity | None:
    """A line that names the job or the user may be taken out by the hook at its other end; one with a time is a record."""
    is_prolog = subject.where.name.endswith("_prolog")
    if not (_LISTS.match(path) or (is_prolog and _MEMORY.match(path))):
        return None
    named = behind(subject, appended, at)
    is_owned = re.search(r"SLURM_(JOB_?ID|(JOB_)?(USER|UID))\b|\b(user|uid|job_?id)\b", named, re.IGNORECASE)
    return "info" if is_owned and not re.search(r"\bdate\b", named) else None


CHECKS = (growing_file,)
