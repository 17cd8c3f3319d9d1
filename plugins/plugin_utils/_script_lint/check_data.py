# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of values: variables, words and paths."""

from __future__ import annotations

import itertools
import re
import typing as t

from . import environment
from .check_commands import BASE_COMMANDS
from .model import Hit, Severity, hit_at, words
from .program import Assignment, Call, Piece, Point, Use, Word
from .subject import Subject

# ---------------------------------------------------------------------------------------------------------- variables

#: Every name that Slurm uses in some hook; another SLURM_ name may be the site's own.
_SLURM_NAMES = frozenset(name for table in environment._VARIABLES.values() for name in table)

_HAS_DEFAULT = words(":- - := = :+ + :? ?")


def variable_not_set(subject: Subject) -> t.Iterator[Hit]:
    """variable-not-set: a name of Slurm's that the hook does not have, or has only sometimes and may not lack."""
    where, version = subject.where, subject.slurm_version
    if not where.is_job:
        return
    program = subject.program
    seen: set[str] = set()
    for use in program.uses:
        name = use.name
        if name in seen or program.assignments.get(name) or use.context.remote or use.operator in ("!", "+", ":+"):
            continue
        variable = where.variables.get(name)
        if where.absent(name, version):
            session = name in environment.SESSION_VARIABLES
            if session and (use.operator in _HAS_DEFAULT or use.probing):
                continue
            if not session and name not in _SLURM_NAMES and not _like_slurm(name):
                # A name of the site's own, such as an optional SLURM_BIN.
                continue
            if any(other.operator in ("+", ":+") and other.sequence < use.sequence for other in program.uses_of(name)):
                # ${x+set} asks whether it is there at all.
                continue
            seen.add(name)
            if variable is not None:
                detail = f"since {variable.since}" if variable.since > (version or "") else f"until {variable.until}"
                yield hit_at("variable-not-set", use, f"{name} is set in {where.name} only {detail}")
            else:
                yield hit_at("variable-not-set", use, f"{name} is not set in {where.name}")
        elif (
            variable is not None
            and variable.optional
            and not use.probing
            and use.operator not in _HAS_DEFAULT
            and not _guarded(subject, name, use)
        ):
            if use.context.nounset:
                seen.add(name)
                yield hit_at(
                    "variable-not-set",
                    use,
                    f"{name} is set only for some jobs, and set -u ends the script without it",
                )
            elif where.group == "task" and name.startswith("SLURM_") and "_PER_" in name:
                seen.add(name)
                yield hit_at("variable-not-set", use, f"{name} is set only when the job asked for it")


def _like_slurm(name: str) -> bool:
    return bool(re.match(r"SLURM_(JOB|ARRAY|STEP|TASK|CPUS|GPUS|MEM|NTASKS)_[A-Z]+(_[A-Z]+)?$", name))


def _guarded(subject: Subject, name: str, use: Use) -> bool:
    """Whether something before the use makes sure that the variable is there."""
    return any(
        other.sequence < use.sequence and (other.probing or other.operator in (":?", "?", ":=", "="))
        for other in subject.program.uses_of(name)
    )


# ------------------------------------------------------------------------------------------------------------ quoting


def unquoted_user_text(subject: Subject) -> t.Iterator[Hit]:
    """unquoted-user-text: what a user wrote, or a file's name, split into words; and [ ] with what may be empty."""
    program = subject.program
    tainted = _tainted(subject)
    seen: set[int] = set()
    compared: set[str] = set()
    for use in program.uses:
        if use.quoted or use.unsplit or use.operator == "#" or use.context.remote or use.line in seen:
            continue
        if use.name in tainted and not (use.name not in environment.USER_TEXT and _reset(subject, use)):
            seen.add(use.line)
            yield hit_at("unquoted-user-text", use, f"${use.name} is not quoted, and {tainted[use.name]}")
    for call in program.named("[", "test"):
        for word in call.arguments:
            if call.line in seen or len(word.pieces) != 1:
                continue
            piece = word.pieces[0]
            if piece.kind != "variable" or piece.quoted or piece.operator in _HAS_DEFAULT or not _compared(call, word):
                continue
            if piece.text not in compared and _may_be_empty(subject, piece.text, call):
                # Said once a variable: such a test seldom stands alone.
                compared.add(piece.text)
                seen.add(call.line)
                yield hit_at(
                    "unquoted-user-text",
                    word,
                    f"${piece.text} is not quoted in [ ]: empty, or several words, makes the test an error",
                )


def _reset(subject: Subject, use: Use) -> bool:
    """Whether the value that a use sees is one that no user decides."""
    values = subject.program.values(use.name, use)
    return bool(values) and values[-1].value is not None and values[-1].value.literal is not None


def _tainted(subject: Subject) -> dict[str, str]:
    """Variables whose text a user decides, each with the reason."""
    program = subject.program
    found = {
        name: "the job's owner decides its text" for name in environment.USER_TEXT if not program.assignments.get(name)
    }
    for _round in range(3):
        for name, assignments in program.assignments.items():
            for assignment in assignments:
                if name in found:
                    break
                if assignment.value is not None and assignment.kind in ("assign", "declare", "append"):
                    if any(
                        piece.kind == "variable" and piece.text in found and piece.operator in ("", ":-", "-")
                        for piece in assignment.value.pieces
                    ) or any(_user_text_command(call) for piece in assignment.value.pieces for call in piece.commands):
                        found[name] = "the job's owner decides its text"
                elif assignment.kind == "read" and _lists_files(subject, assignment):
                    found[name] = "a user chose the file's name"
    return found


def _user_text_command(call: Call) -> bool:
    """A filter that picks the comment, the name or a directory out of scontrol show job; squeue -o %j."""
    text = " ".join(call.texts)
    if call.name in ("grep", "awk", "sed", "egrep", "cut"):
        return bool(re.search(r"\b(Comment|JobName|WorkDir|StdOut|StdErr|StdIn)\b", text))
    return call.name == "squeue" and bool(re.search(r"%[0-9.]*[jkZo]", text))


def _lists_files(subject: Subject, assignment: Assignment) -> bool:
    """Whether read takes the output of a find over places where users create files."""
    if assignment.context.pipeline is None:
        return False
    number = assignment.context.pipeline[0]
    for call in subject.program.calls:
        if (
            call.context.pipeline
            and call.context.pipeline[0] == number
            and call.sequence < assignment.sequence
            and call.name == "find"
        ):
            return any(text.startswith(("/tmp", "/var/tmp", "/dev/shm", "/home", "/scratch")) for text in call.texts)
    return False


def _compared(call: Call, word: Word) -> bool:
    """Whether an operand stands where [ ] needs exactly one word."""
    words = list(call.arguments)
    position = next(i for i, other in enumerate(words) if other is word)
    before = words[position - 1].literal if position else None
    after = words[position + 1].literal if position + 1 < len(words) else None
    binary = {"=", "==", "!=", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-ef", "-nt", "-ot"}
    return before in ({"-z", "-n"} | binary) or after in binary


#: Their output is one word, whatever happens.
_ONE_WORD = words(
    """
    wc id date hostname uname nproc stat basename dirname pwd expr mktemp realpath readlink tty whoami arch
    getconf seq sum logname cksum md5sum sha256sum echo printf
    """
)


def _may_be_empty(subject: Subject, name: str, at: Call) -> bool:
    program = subject.program
    values = program.values(name, at)
    if not values:
        variable = subject.where.variables.get(name)
        return variable is not None and variable.optional and not _ever_probed(subject, name)
    last = values[-1]
    if last.kind not in ("assign", "declare") or last.value is None or len(last.value.pieces) != 1:
        return False
    piece = last.value.pieces[0]
    if piece.kind != "command" or not piece.commands:
        return False
    if _ever_probed(subject, name):
        return False
    final = [
        call
        for call in piece.commands
        if not call.context.pipeline or call.context.pipeline[1] == call.context.pipeline[2] - 1
    ]
    end = final[-1] if final else piece.commands[-1]
    if end.name in _ONE_WORD or (end.name in ("grep", "egrep", "zgrep") and end.has_option("-c", "--count")):
        return False
    return True


def _ever_probed(subject: Subject, name: str) -> bool:
    return any(use.probing and use.quoted for use in subject.program.uses_of(name))


# ----------------------------------------------------------------------------------------------------------- deletion

#: Places that several jobs share.
_SHARED = re.compile(
    r"/(tmp|var/tmp|dev/shm|scratch|local|localscratch|local_scratch|lustre|nvme|mnt/(nvme|scratch|local|localdisk|resource))(/|$)"
)


def unsafe_delete(subject: Subject) -> t.Iterator[Hit]:
    """unsafe-delete: rm -r and find -delete whose path can shrink, or that meet other jobs' files."""
    for call in subject.program.calls:
        if call.context.remote:
            continue
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
                hit = _judge(subject, call, word, f"{call.name} -r")
                if hit is not None:
                    yield hit
                    break
        elif call.name == "find":
            texts = call.texts
            if "-delete" in texts or (
                any(a in texts for a in ("-exec", "-execdir"))
                and any(b in texts for b in ("rm", "/bin/rm", "/usr/bin/rm"))
            ):
                yield from _find(subject, call)


def _find(subject: Subject, call: Call) -> t.Iterator[Hit]:
    starts = []
    for word in call.arguments:
        if word.shown.startswith(("-", "(", "!", "\\")):
            break
        starts.append(word)
    texts = call.texts
    limited = any(
        text in ("-mtime", "-atime", "-ctime", "-mmin", "-amin", "-cmin", "-newer", "-older", "-empty")
        for text in texts
    )
    narrowed = limited or any(
        text in ("-name", "-path", "-iname", "-regex", "-user", "-uid") and "-prune" not in texts for text in texts
    )
    for word in starts:
        resolved = subject.program.resolve(word, call)
        fixed = resolved.literal
        if fixed is not None:
            if (
                subject.where.is_job
                and not narrowed
                and _SHARED.match(fixed.rstrip("/") + "/")
                and fixed.rstrip("/").count("/") <= 2
            ):
                yield hit_at(
                    "unsafe-delete",
                    call,
                    f"find deletes everything below {fixed}, whichever job it belongs to",
                    "error",
                )
                return
            continue
        hit = _judge(subject, call, word, "find -delete", soft=limited)
        if hit is not None:
            yield hit
            return
    if (
        subject.where.is_job
        and any(text in ("-user", "-uid") for text in texts)
        and not limited
        and not _asks_for_other_jobs(subject, call)
    ):
        yield hit_at("unsafe-delete", call, "deletes every file of the user, also those of his other jobs here")


def _from_find(subject: Subject, call: Call, operands: list[Word]) -> Hit | None:
    """rm of what a find by user lists: by xargs, or in a while read loop."""
    if not subject.where.is_job:
        return None
    numbers = set()
    if "xargs" in call.via and call.context.pipeline:
        numbers.add(call.context.pipeline[0])
    for piece in (word.pieces[0] for word in operands if len(word.pieces) == 1):
        for assignment in subject.program.values(piece.text, call):
            if assignment.kind == "read" and assignment.context.pipeline:
                numbers.add(assignment.context.pipeline[0])
    for other in subject.program.calls:
        if (
            other.name == "find"
            and other.context.pipeline
            and other.context.pipeline[0] in numbers
            and other.sequence < call.sequence
        ):
            if any(text in ("-user", "-uid", "-group") for text in other.texts) and not _asks_for_other_jobs(
                subject, call
            ):
                return hit_at(
                    "unsafe-delete",
                    call,
                    "deletes every file of the user, also those of his other jobs here",
                )
    return None


def _asks_for_other_jobs(subject: Subject, call: Call) -> bool:
    return any(
        other.sequence < call.sequence
        and (
            other.name in ("squeue", "loginctl", "sacct")
            or any(re.search(r"uid_|slurmstepd", text) for text in other.texts)
        )
        for other in subject.program.calls
    )


def _judge(subject: Subject, call: Call, word: Word, action: str, *, soft: bool = False) -> Hit | None:
    """Whether the path of a deletion can be another one than it was meant to be."""
    resolved = subject.program.resolve(word, call)
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
    unsure = [
        piece
        for segment in segments
        for piece in segment
        if piece.kind == "variable" and not _never_empty(subject, piece, call)
    ]
    for segment in segments:
        for piece, following in itertools.pairwise(segment):
            if (
                piece.kind == "variable"
                and following.kind == "glob"
                and following.text.startswith("*")
                and subject.where.is_job
                and _is_job_id(subject, piece, call)
            ):
                return hit_at(
                    "unsafe-delete",
                    call,
                    f"{action}: {word.shown} also matches jobs whose number begins with this one's",
                    "error",
                )
    if subject.where.is_job and resolved.literal is not None and any(piece.kind == "glob" for piece in resolved.pieces):
        if _SHARED.match(resolved.literal) and not _asks_for_other_jobs(subject, call) and not soft:
            return hit_at(
                "unsafe-delete",
                call,
                f"{action}: {resolved.literal} is shared, the pattern meets every job's files",
            )
    if not unsure or not body:
        return None
    last = body[-1]
    names = ", ".join(sorted({piece.text for piece in unsure}))
    shrinks = bool(last) and all(piece in unsure for piece in last)
    starts = bool(segments[0]) and all(piece in unsure for piece in segments[0]) and (len(body) > 1 or emptied)
    if not shrinks and not starts:
        return None
    if shrinks and len(body) == 1 and not emptied and segments[0]:
        # The whole path is one variable: rm -r "" is an error message, no more.
        return None
    severity: Severity | None = None
    if subject.where.is_job and any(
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


def _is_job_id(subject: Subject, piece: Piece, at: Call | Assignment) -> bool:
    if re.search(r"(?i)job_?id", piece.text):
        return True
    values = subject.program.values(piece.text, at)
    return any(
        a.value is not None and any(re.search(r"(?i)job_?id", p.text) for p in a.value.variables) for a in values
    )


def _never_empty(subject: Subject, piece: Piece, at: Call) -> bool:
    """Whether a variable surely has a value where it is used."""
    if piece.operator in (":?", "?") or (
        piece.operator in (":-", ":=", "-", "=") and piece.operand is not None and piece.operand.pieces
    ):
        return True
    if piece.text.isdigit() or piece.text in (
        "$",
        "!",
        "?",
        "#",
        "UID",
        "EUID",
        "BASHPID",
        "HOSTNAME",
        "RANDOM",
        "SECONDS",
        "PPID",
    ):
        return not piece.text.isdigit()
    program = subject.program
    values = program.values(piece.text, at)
    if at.context.nounset and not values:
        return True
    for assignment in values:
        if assignment.kind in ("for", "number"):
            return True
    if values and values[-1].value is not None:
        for command in (c for p in values[-1].value.pieces for c in p.commands):
            if command.name in _ONE_WORD or command.name == "mktemp":
                return True
    for use in program.uses_of(piece.text):
        if use.sequence < at.sequence and (use.probing or use.operator in (":?", "?", ":=")):
            return True
    tested = {test.line for test in program.tests}
    # A pattern test ([[ $x =~ ^[0-9]+$ ]]) or a numeric one says that there is something.
    return any(
        use.sequence < at.sequence and use.line in tested and (use.probing or _requires_text(subject, use))
        for use in program.uses_of(piece.text)
    )


def _requires_text(subject: Subject, use: Use) -> bool:
    lines = subject.program.source.decode("utf-8", "replace").splitlines()
    text = lines[use.line - 1] if use.line <= len(lines) else ""
    return bool(re.search(r"=~|-(?:eq|ne|lt|le|gt|ge)\b", text))


# ---------------------------------------------------------------------------------------------------- temporary files

_WORLD_WRITABLE = re.compile(r"(/tmp|/var/tmp|/dev/shm)/+[^/\s]")

#: Commands that write to (or change) what they name: all operands, or the last one only.
_WRITES_ALL = frozenset({"touch", "tee", "truncate"})


def predictable_temp_file(subject: Subject) -> t.Iterator[Hit]:
    """predictable-temp-file: a name that anybody can guess, below /tmp, /var/tmp or /dev/shm."""
    program = subject.program
    written: list[tuple[Word, int, int, Point]] = [
        (w.target, w.target.line, w.target.column, w) for w in program.writes
    ]
    written += [(word, call.line, call.column, call) for call in program.calls for word in _written_by(call)]
    places: list[tuple[int, int, Word]] = []
    for word, line, column, point in written:
        setting = _top_setting(subject, word)
        for resolved in program.alternatives(word, point):
            places.append((setting.line, setting.column, resolved) if setting is not None else (line, column, resolved))
    for assignments in program.assignments.values():
        for assignment in assignments:
            # A name for each job, handed to a program that will write there.
            if assignment.exported and assignment.value is not None and _foreign_follows(subject, assignment):
                resolved = program.resolve(assignment.value, assignment)
                if any(_is_job_id(subject, piece, assignment) for piece in resolved.variables):
                    places.append((assignment.line, assignment.column, resolved))
    reported: list[str] = []
    for line, column, resolved in sorted(places, key=lambda entry: entry[:2]):
        text = resolved.shown
        if not _WORLD_WRITABLE.match(text) or not _predictable(resolved):
            continue
        if any(text == other or text.startswith(other.rstrip("/") + "/") for other in reported):
            continue
        reported.append(text)
        yield Hit(
            "predictable-temp-file",
            line,
            column,
            f"{text} can be guessed, and {'/'.join(text.split('/')[: 2 if text.startswith('/tmp') else 3])} is open to everybody",
        )


def _top_setting(subject: Subject, word: Word) -> Assignment | None:
    """The setting at the top of the script that decides the path, when that is where one would change it."""
    if len(word.pieces) != 1 or word.pieces[0].kind != "variable":
        return None
    found = [a for a in subject.program.assignments.get(word.pieces[0].text, ()) if a.value is not None]
    if len(found) != 1 or found[0].context.guards or found[0].context.loops or found[0].context.function:
        return None
    return found[0]


def _foreign_follows(subject: Subject, assignment: Assignment) -> bool:
    return any(
        call.sequence > assignment.sequence and call.name not in BASE_COMMANDS - {"bash", "sh", "python", "python3"}
        for call in subject.program.calls
    )


def _written_by(call: Call) -> list[Word]:
    operands = [word for word in call.arguments if not word.shown.startswith("-")]
    if call.name == "mkdir":
        # Without -p mkdir fails when somebody was there first: that is the safe way.
        return operands if call.has_option("-p", "--parents") else []
    if call.name == "chown":
        return operands[1:]
    if call.name in _WRITES_ALL:
        return operands
    if call.name == "sed" and call.has_option("-i", "--in-place"):
        return operands[1:]
    if call.name in ("cp", "mv", "install") and len(operands) > 1:
        return operands[-1:]
    return []


def _predictable(word: Word) -> bool:
    for piece in word.pieces:
        if piece.kind == "command" and any(
            call.name in ("mktemp", "uuidgen", "openssl", "shuf", "head") for call in piece.commands
        ):
            return False
        if piece.kind == "variable" and piece.text in ("RANDOM", "SRANDOM"):
            return False
    return "XXXX" not in word.shown


CHECKS: tuple[t.Callable[[Subject], t.Iterator[Hit]], ...] = (
    variable_not_set,
    unquoted_user_text,
    unsafe_delete,
    predictable_temp_file,
)
