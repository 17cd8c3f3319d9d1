# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Words that the shell splits although somebody else decides what stands in them."""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit, hit_at
from .. import environment
from ..facts import Is
from ..guards import NUMERIC
from ..knowledge import is_a
from ..model import word_set
from ..parser import Node, nodes
from ..program import Assignment, Call, Piece, Use, Word
from ..subject import Subject
from .file_names import lists_users_files
from .vocabulary import fed_by, named

#: Directories that a task has from its user.
_USERS_FOLDERS = word_set("TMPDIR TMP TEMP")

#: Expansions that leave blanks and * in the text.
_KEEP = frozenset({"", ":-", "-", ":=", "=", ":?", "?", "%", "%%", "##", "[@]"})

#: They print what they are given, or a part of it.
_PRINTS_GIVEN = Is.PRINTS | Is.PRINTS_PATH


def unquoted_user_text(subject: Subject) -> t.Iterator[Hit]:
    """unquoted-user-text: what a user wrote, or a file's name, split into words; and [ ] with what may be empty."""
    program = subject.program
    tainted = _tainted(subject)
    seen: set[int] = set()
    compared: set[str] = set()
    for use in program.uses:
        if use.quoted or use.unsplit or use.operator == "#" or use.line in seen:
            continue
        if use.name in tainted and not (use.name not in environment.USER_TEXT and _reset(subject, use)):
            if use.name in _USERS_FOLDERS and not _is_worked_on(subject, use):
                continue
            seen.add(use.line)
            yield hit_at("unquoted-user-text", use, f"${use.name} is not quoted, and {tainted[use.name]}")
    for call in program.named("[", "test"):
        for word in call.arguments:
            operator = _operator(call, word)
            if call.line in seen or operator is None:
                continue
            name, what = _breaks_test(subject, word, call, operator)
            if what and name not in compared:
                # Said once a variable: such a test seldom stands alone.
                compared.add(name)
                seen.add(call.line)
                yield hit_at("unquoted-user-text", word, f"{name} is not quoted in [ ]: {what}")


def _is_worked_on(subject: Subject, use: Use) -> bool:
    """Whether a command other than echo gets a variable."""
    return any(call.line == use.line and not is_a(call.name, Is.PRINTS) for call in subject.program.calls)


def _reset(subject: Subject, use: Use) -> bool:
    """Whether the value that a use sees is one that no user decides."""
    values = subject.values.assignments(use.name, use)
    return bool(values) and values[-1].value is not None and values[-1].value.literal is not None


_OWNERS = "the job's owner decides its text"


def _tainted(subject: Subject) -> dict[str, str]:
    """Variables whose text a user decides, each with the reason."""
    program = subject.program
    found = {name: _OWNERS for name in environment.USER_TEXT if not program.assignments.get(name)}
    if subject.where.group == "task":
        found.update({name: "the user sets it" for name in _USERS_FOLDERS if not program.assignments.get(name)})
    cleaned = _cleaned(program.source.decode("utf-8", "replace"))
    for _round in range(3):
        for name, assignments in program.assignments.items():
            for assignment in assignments:
                if name in found or name in cleaned:
                    break
                if any(_hands_on(subject, word, found) for word in _given(subject, assignment)):
                    found[name] = _OWNERS
                elif assignment.kind == "read" and _lists_files(subject, assignment):
                    found[name] = "a user chose the file's name"
    return found


def _given(subject: Subject, assignment: Assignment) -> list[Word]:
    """What a variable gets its value from."""
    if assignment.kind == "read":
        bodies = [r.body for r in assignment.context.redirects[-1:] if r.body is not None]
        commands = tuple(fed_by(subject.program, assignment))
        return [*bodies, *([Word((Piece("command", "", commands=commands),), assignment.line, 0)] if commands else [])]
    if assignment.kind not in ("assign", "declare", "append", "default", "for", "array"):
        return []
    return [word for word in (*assignment.items, assignment.value) if word is not None]


def _hands_on(subject: Subject, word: Word, tainted: t.Container[str]) -> bool:
    """Whether a word has text of a user in it, by way of filters that keep blanks and *, too."""
    for piece in word.pieces:
        if piece.kind == "variable" and piece.text in tainted and piece.operator in _KEEP:
            return True
        if piece.kind == "command" and piece.commands:
            calls = piece.commands
            if any(_user_text_command(call) or _reads_users_file(subject, call) for call in calls):
                return not any(_cleans(call) for call in calls)
            passed = [word for call in calls for word in _passed_on(call)]
            knows_all = all(is_a(c.name, _PRINTS_GIVEN | Is.FILTER) or c.name == "xargs" for c in calls)
            if knows_all and not any(map(_cleans, calls)) and any(_hands_on(subject, w, tainted) for w in passed):
                return True
    return False


def _passed_on(call: Call) -> t.Iterator[Word]:
    """The words whose text a command prints, or reads and prints."""
    yield from (redirect.body for redirect in call.context.redirects if redirect.body is not None)
    if is_a(call.name, _PRINTS_GIVEN):
        yield from call.arguments


def _cleans(call: Call) -> bool:
    """Whether a filter leaves only some characters, or counts them."""
    text = " ".join(call.texts)
    return (call.name == "tr" and call.has_option("-c", "-C")) or (
        is_a(call.name, Is.FILTER) and ("[^" in text or call.has_option("-o", "-c"))
    )


_VALUE = r"\"?\$\{?(\w+)\b\}?\"?"
_LOOKS_AT = re.compile(rf"{_VALUE}\s*=~|case\s+{_VALUE}\s+in\b(?=[^;]*?\[[!^])|<<<\s*{_VALUE}")


def _cleaned(source: str) -> set[str]:
    """The variables whose characters the script looks at: [[ $x =~ ^[0-9]+$ ]], case $x in *[!0-9]*), grep <<<"$x"."""
    found: set[str] = set()
    for match in _LOOKS_AT.finditer(source):
        matched, chosen, given = match.groups()
        before = (
            source[max(source.rfind(mark, 0, match.start()) for mark in "\n|") + 1 : match.start()] if given else ""
        )
        found.update(name for name in (matched, chosen, given if "grep" in before else None) if name)
    return found


def _reads_users_file(subject: Subject, call: Call) -> bool:
    """Whether a command prints a file from a directory that the job's owner named."""
    if not is_a(call.name, Is.FILTER):
        return False
    files = [form for word in call.arguments for form in subject.values.forms(word, call) if len(form.pieces) > 1]
    return any(form.pieces[0].text in environment.USER_TEXT and "/" in form.shown for form in files)


def users_lists(subject: Subject) -> t.Iterator[Hit]:
    """unquoted-user-text: $(cat file) without quotes, where the file is a user's."""
    program = subject.program
    loops = [(item, a) for found in program.assignments.values() for a in found if a.kind == "for" for item in a.items]
    words: list[tuple[Word, Call | Assignment]] = [(word, call) for call in program.calls for word in call.arguments]
    for word, at in [*words, *loops]:
        for piece in word.pieces:
            reader = next((call for call in piece.commands if _reads_users_file(subject, call)), None)
            if (
                reader is not None
                and not piece.quoted
                and piece.operator != "<("
                and not any(map(_cleans, piece.commands))
            ):
                yield hit_at(
                    "unquoted-user-text", at, f"the output of {reader.name} is not quoted, and the file is a user's"
                )
                break


def calculated(subject: Subject) -> t.Iterator[Hit]:
    """unquoted-user-text: text of a user in arithmetic, which runs the command in a[$(command)]."""
    tainted = _tainted(subject)
    for node in nodes(subject.program.tree):
        is_arithmetic = node.get("Type") in ("ArithmExp", "ArithmCmd", "LetClause")
        if not is_arithmetic and not (node.get("Type") == "BinaryTest" and node.get("Op") in NUMERIC):
            continue
        name = next((name for name in _names_in(node) if name in tainted and name not in _USERS_FOLDERS), None)
        if name is not None and node.get("Pos"):
            message = f"${name} is calculated with, and {tainted[name]}: arithmetic runs a[$(command)]"
            fix = "Look first whether it is a number: [[ $n =~ ^[0-9]+$ ]]."
            yield Hit("unquoted-user-text", node["Pos"]["Line"], node["Pos"]["Col"], message, fix=fix)


def _names_in(node: Node) -> t.Iterator[str]:
    """The variables of an expression; without a $ too."""
    for part in nodes(node, but="CmdSubst"):
        if part.get("Type") == "ParamExp" and not part.get("Length"):
            yield (part.get("Param") or {}).get("Value", "")
        elif part.get("Type") == "Lit":
            yield part.get("Value", "")


def _user_text_command(call: Call) -> bool:
    """A filter that picks the comment, the name or a directory out of scontrol show job; squeue -o %j."""
    text = " ".join(call.texts)
    if is_a(call.name, Is.FILTER):
        return bool(re.search(r"\b(Comment|JobName|WorkDir|StdOut|StdErr|StdIn)\b", text))
    return call.name == "squeue" and bool(re.search(r"%[0-9.]*[jkZo]", text))


def _lists_files(subject: Subject, assignment: Assignment) -> bool:
    """Whether read takes a list of files that users named."""
    if assignment.context.pipeline is None:
        return False
    number = assignment.context.pipeline[0]
    return any(
        call.context.pipeline is not None
        and call.context.pipeline[0] == number
        and call.sequence < assignment.sequence
        and lists_users_files(subject, call)
        for call in subject.program.calls
    )


#: Operators of [ ] with a word on each side, and those with one behind them.
_BINARY = word_set("= == != -eq -ne -lt -le -gt -ge -ef -nt -ot")
_OF_TEXTS = word_set("-z -n")
_OF_FILES = word_set("-a -b -c -d -e -f -g -G -h -k -L -N -O -p -r -s -S -u -w -x")


def _operator(call: Call, word: Word) -> str | None:
    """The operator of [ ] that needs exactly one word where an operand stands."""
    words = list(call.arguments)
    position = next(i for i, other in enumerate(words) if other is word)
    before = words[position - 1].literal if position else None
    after = words[position + 1].literal if position + 1 < len(words) else None
    if before in _BINARY | _OF_TEXTS | _OF_FILES:
        return before
    return after if after in _BINARY else None


def _breaks_test(subject: Subject, word: Word, at: Call, operator: str) -> tuple[str, str]:
    """The part of an operand that [ ] may not see as one word, and what then happens: x$a is never empty, and may be several."""
    values = subject.values
    for piece in word.pieces:
        if piece.quoted or piece.kind not in ("variable", "command"):
            continue
        name = named(piece)
        several = values.piece_may_be_several(piece, at)
        if len(word.pieces) > 1:
            if several:
                return name, "several words make the test an error"
        elif values.may_be_empty(word, at):
            # [ -z ] and [ -n ] ask for one word, whichever; -z is also right for none.
            if operator in _OF_FILES or (operator == "-n" and not several):
                return name, f"[ {operator} ] is true when it is empty"
            if operator != "-z":
                return name, "empty, or several words, makes the test an error"
            if several:
                return name, "several words make the test an error"
    return "", ""


CHECKS = (unquoted_user_text, users_lists, calculated)
