# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The lines that a task prolog prints, word by word as Slurm reads them (_proc_stdout in slurmstepd/task.c, 26.05).

No shell reads them: the word, one blank, and the rest as it stands. The value of an export is all that follows the first =.
"""

from __future__ import annotations

import itertools
import re
import typing as t

from ...core.model import Hit, hit_at
from ..environment import SESSION_VARIABLES
from ..facts import Is
from ..knowledge import BASE_COMMANDS, FOR_COMMANDS, facts, is_a
from ..program import Assignment, Call, Word
from ..subject import Subject
from .output import reaches_stdout, stdout_moved

#: Stands for what is known only when the script runs.
OPEN = "\0"

_NAME = re.compile(r"[A-Za-z_]\w*")


def protocol(subject: Subject) -> t.Iterator[Hit]:
    """task-protocol: a line with a word of the protocol that sets, unsets or prints something else than it seems."""
    if subject.where.name != "task_prolog":
        return
    for call in subject.program.calls:
        if (
            call.name not in ("echo", "printf", "cat")
            or not reaches_stdout(subject, call)
            or stdout_moved(subject, call)
        ):
            continue
        for line, text in _lines(call):
            wrong = wrong_line(text) or (_unread(text) if call.name == "cat" else "")
            if wrong:
                yield Hit("task-protocol", line, call.column, wrong)
                break


def lost_export(subject: Subject) -> t.Iterator[Hit]:
    """task-protocol: an export that ends with the script, and that nothing in it needs."""
    program = subject.program
    # After the job no task is left that could be meant.
    if not subject.where.name.endswith("_prolog") or program.is_library:
        return
    is_task = subject.where.name == "task_prolog"
    source = program.source.decode("utf-8", "replace")
    if is_task and _EXPORTS_ANY.search(source):
        return
    for name, assignments in program.assignments.items():
        exported = [assignment for assignment in assignments if assignment.exported]
        if not exported or name in FOR_COMMANDS or name.startswith("LC_") or _is_needed(subject, exported[0]):
            continue
        if is_task and len(re.findall(rf"\bexport\s+{re.escape(name)}\b", source)) > len(exported):
            continue
        fix = f'; a task prolog prints the line: echo "export {name}=..."' if is_task else ""
        yield hit_at("task-protocol", exported[0], f"export {name} ends with the script, no task gets it{fix}")


#: An echoed export whose name is known only when the script runs.
_EXPORTS_ANY = re.compile(r"export\s+[$%\\&]|export\s*/")


def lost_setting(subject: Subject) -> t.Iterator[Hit]:
    """task-protocol: a limit that ends with the script; in a task prolog, a module that is loaded in it."""
    if not subject.where.name.endswith("_prolog") or subject.program.is_library:
        return
    is_task = subject.where.name == "task_prolog"
    for call in subject.program.calls:
        pattern = facts(call.name).alters
        if pattern is None or call.name in subject.program.functions or call.context.user is not None:
            continue
        is_limit = is_a(call.name, Is.BUILTIN)
        known = " ".join(subject.values.known(word, call).shown for word in call.arguments)
        if not re.search(pattern, f" {known} ") or not (is_task or is_limit):
            continue
        if not _starts_a_program(subject, call) and (is_limit or not _hands_on(subject, call)):
            yield hit_at("task-protocol", call, f"{call.name} changes the script's own shell, no task gets it")


def _starts_a_program(subject: Subject, at: Call) -> bool:
    """Whether the script starts a program later that may need what its shell has."""
    program = subject.program
    later = [c for c in program.calls if c.sequence > at.sequence and c.name not in program.functions]
    return any(
        (call.name not in BASE_COMMANDS and facts(call.name).alters is None) or is_a(call.name, Is.RUNS_FILE)
        for call in later
    )


#: What prints the environment of a shell.
_PRINTS_ALL = ("env", "printenv", "export", "declare", "set", "compgen", "eval")


def _hands_on(subject: Subject, at: Call) -> bool:
    """Whether the script prints variables later that a module may have set."""
    program, own = subject.program, subject.where.variables
    return any(call.sequence > at.sequence for call in program.named(*_PRINTS_ALL)) or any(
        use.sequence > at.sequence
        and use.name not in program.assignments
        and not (use.name.startswith("SLURM") or use.name in own or use.name in SESSION_VARIABLES)
        for use in program.uses
        if re.fullmatch(r"[A-Za-z_]\w*", use.name)
    )


def _is_needed(subject: Subject, assignment: Assignment) -> bool:
    """Whether the script reads a variable itself, as no task's environment, or starts a program that may."""
    program = subject.program
    later = [c for c in program.calls if c.sequence > assignment.sequence and c.name not in program.functions]
    if any(call.name not in BASE_COMMANDS or is_a(call.name, Is.RUNS_FILE) for call in later):
        return True
    if subject.where.name != "task_prolog":
        return bool(program.uses_of(assignment.name))
    # The variable was meant for the task, also where the script makes its directory; unless a line hands its value on.
    return any(
        is_a(call.name, Is.PRINTS) and reaches_stdout(subject, call) and assignment.name in _names(call.arguments)
        for call in later
    )


def _names(words: t.Iterable[Word]) -> set[str]:
    return {piece.text for word in words for piece in word.variables}


def wrong_line(text: str) -> str:
    """What Slurm makes of a line, if that is not what its words say."""
    found = re.match(r"(\s*)(export|unset|print)(\s)(.*)", text, re.DOTALL)
    if found is None:
        return ""
    lead, word, blank, rest = found.groups()
    if lead:
        return f"the line is dropped, for it begins with a blank and not with {word}"
    if blank != " ":
        return f"the line is dropped: a blank, and no tab, must follow {word}"
    return {"export": _wrong_export, "unset": _wrong_unset, "print": lambda _rest: ""}[word](rest.lstrip())


def _unread(text: str) -> str:
    """What is wrong with a line of a here-document that begins with no word of the protocol; a comment may be dropped."""
    if re.match(rf"\s*($|#|{OPEN}|(export|unset|print)\b)", text):
        return ""
    return "the line is dropped: it starts with none of export, unset, print"


def _wrong_unset(rest: str) -> str:
    names = rest.split()
    if len(names) > 1:
        return f"Slurm unsets one name a line; {_shown(' '.join(names))} is no name, and nothing is unset"
    if "=" in rest:
        return f"unset takes a name and no value; nothing is called {_shown(rest)}, and nothing is unset"
    return f"Slurm expands nothing, and unsets no {_shown(rest)}" if "$" in rest else ""


def _wrong_export(rest: str) -> str:
    name, equals, value = rest.partition("=")
    name = name.rstrip()
    if not equals:
        return "" if OPEN in rest or not rest else "the line is dropped: Slurm needs export NAME=value"
    if OPEN not in name and not _NAME.fullmatch(name):
        return f"{_shown(name)} becomes the name of the variable"
    if re.match(r"""(["']).*\1\s*$""", value):
        return f"the quotes become a part of {_shown(name)}'s value"
    if re.search(r"\$[A-Za-z_{(]|`", value):
        return f"Slurm expands nothing: {_shown(name)}'s value keeps the $ as it stands"
    for pattern, what in _IN_VALUES.items():
        if re.search(pattern, value):
            return f"{what} {_shown(name)}'s value"
    return ""


#: What a shell would take off a value, or expand in it.
_IN_VALUES = {
    r"^\s": "the blank behind = becomes a part of",
    r"^~(/|$)": "no shell expands the ~ in",
    r"^[^\s\"'=]*(\s+[A-Za-z_]\w*=\S*)+$": "one variable a line: the next one becomes a part of",
    r";\s*(export|unset|print)\b|[^;];\s*$": "what stands behind the ; becomes a part of",
    r"\s#\s": "the comment becomes a part of",
}


def _shown(text: str) -> str:
    return text.replace(OPEN, "$...")


def _lines(call: Call) -> t.Iterator[tuple[int, str]]:
    """The lines that a command prints, each with its place in the script."""
    if call.name == "cat":
        if all(text == "-" for text in call.texts):
            yield from _from_here(call)
        return
    options = list(itertools.takewhile(lambda word: re.fullmatch(r"-[neE]+", word.shown), call.arguments))
    words = [_text(word) for word in call.arguments[len(options) :]]
    if call.name == "printf":
        text = _formatted(words)
    else:
        escapes = call.context.posix or any("e" in option.shown for option in options)
        text = _unescaped(" ".join(words)) if escapes else " ".join(words)
    for line in text.split("\n"):
        yield call.line, line


def _from_here(call: Call) -> t.Iterator[tuple[int, str]]:
    """The lines of a here-document."""
    for redirect in call.context.redirects:
        if redirect.body is not None:
            for number, line in enumerate(_text(redirect.body).split("\n")):
                yield redirect.body.line + number, line.lstrip("\t") if redirect.operator == "<<-" else line


def _text(word: Word) -> str:
    return "".join(piece.text if piece.kind in ("text", "glob") else OPEN for piece in word.pieces)


def _unescaped(text: str) -> str:
    return text.replace("\\n", "\n").replace("\\t", "\t")


def _formatted(words: list[str]) -> str:
    """What printf prints: its format again and again until the words are used up."""
    if not words or OPEN in words[0]:
        return ""
    left = iter(words[1:])
    parts = re.split(r"%[-0-9.]*[sdibquxfeg]", _unescaped(words[0]))
    rounds = max(1, -(-(len(words) - 1) // (len(parts) - 1))) if len(parts) > 1 else 1
    return "".join(
        part + (next(left, "") if number < len(parts) - 1 else "")
        for _round in range(rounds)
        for number, part in enumerate(parts)
    )


CHECKS = (protocol, lost_export, lost_setting)
