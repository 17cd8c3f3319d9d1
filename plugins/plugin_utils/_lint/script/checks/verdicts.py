# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Checks of a node: does Slurm learn what they found?"""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit, Place, hit_at
from ..facts import Is
from ..knowledge import is_a, is_known
from ..model import word_set
from ..parser import Node, nodes
from ..program import Assignment, Call, Word
from ..status import first_word, holds, literal, position
from ..subject import Subject

_DRAIN = re.compile(r"(?i)\bstate=[\"']?(drain|down|fail)")
_DRAIN_TEXT = re.compile(r"(?i)\s*(sudo\s+)?\S*scontrol\s+(-\S+\s+)*update\s.*\bstate=\W?(drain|down|fail)")


def check_without_effect(subject: Subject) -> t.Iterator[Hit]:
    """check-without-effect: a fault is found, and the job starts (or the node stays in service) all the same."""
    if subject.where.is_init or subject.where.group == "task":
        return
    yield from _drained_and_started(subject)
    yield from _only_said(subject)
    yield from _wrong_status(subject)
    if subject.where.is_health:
        yield from _only_failed(subject)
    else:
        yield from _counts(subject)


# ------------------------------------------------------------------------------------------------- drain, then exit 0


def _drained_and_started(subject: Subject) -> t.Iterator[Hit]:
    """A prolog that drains the node by scontrol and ends with 0: the job starts there."""
    if not subject.where.name.endswith("_prolog") or subject.program.is_library:
        return
    for call in subject.program.named("scontrol"):
        texts = [subject.values.known(word, call).shown for word in call.arguments]
        if (
            "update" in texts
            and any(_DRAIN.match(text) for text in texts)
            and not call.context.in_text
            and not _fails_after(subject, call)
        ):
            yield hit_at(
                "check-without-effect",
                call,
                "the node is drained and the hook ends with 0: the job starts on it all the same",
            )


def _fails_after(subject: Subject, call: Call) -> bool:
    """Whether the script ends with another code than 0 on some way behind a command, as far as can be seen."""
    ways = _all_ways(subject, call)
    if not ways:
        return True
    return any(_may_fail(subject, way, set()) for way in ways) or _callers_fail(subject, call.context.function, set())


def _all_ways(subject: Subject, call: Call) -> list[list[Node]]:
    """What follows a command; nothing where it stands in a text of its own, such as a here-document."""
    program = subject.program
    lists = [program.statements, *([function["Body"]] for function in program.functions.values())]
    ways = [way for statements in lists for way in _ways(statements, call)]
    return [way for way in ways if call.context.substituted or _starts(way[0], call)]


def _starts(node: Node, call: Call) -> bool:
    """Whether a call is in the tree at the start of some command of a statement."""
    return any(position(found) == (call.line, call.column) for found in _commands(node))


def _callers_fail(subject: Subject, function: str | None, seen: set[str | None]) -> bool:
    """Whether what follows the calls of a function ends with another code than 0."""
    if function is None or function in seen:
        return False
    seen.add(function)
    return any(
        caller.context.tested
        or any(_may_fail(subject, way, set()) for way in _all_ways(subject, caller))
        or _callers_fail(subject, caller.context.function, seen)
        for caller in subject.program.named(function)
    )


def _ways(statements: t.Sequence[Node], place: Place) -> t.Iterator[list[Node]]:
    """What follows a command in its own list of statements and in those around it, once for each place where it stands."""
    for number, node in enumerate(statements):
        if not holds(node, place):
            continue
        after = list(statements[number + 1 :])
        inner = [way for part in _lists(node) for way in _ways(part, place)]
        if inner:
            yield from ([*way, *after] for way in inner)
        else:
            yield [node, *after]
        return


def _lists(node: Node) -> t.Iterator[list[Node]]:
    """The lists of statements that a statement is made of."""
    command = node.get("Cmd") or {}
    for key in ("Stmts", "Then", "Do"):
        if isinstance(command.get(key), list):
            yield command[key]
    if command.get("Type") == "BinaryCmd":
        yield from [[command["X"], command["Y"]]] if command["Op"] == "&&" else [[command["X"]], [command["Y"]]]
    if command.get("Type") == "IfClause" and command.get("Else"):
        yield [{"Cmd": command["Else"], "Pos": command["Else"]["Pos"], "End": command["Else"]["End"]}]
    for item in command.get("Items") or () if command.get("Type") == "CaseClause" else ():
        yield item.get("Stmts") or []


def _may_fail(subject: Subject, statements: t.Sequence[Node], seen: set[str]) -> bool:
    """Whether some exit or return in statements has, or may have, another code than 0; or the last of them is an answer."""
    for node in statements:
        for command in _commands(node):
            words = [literal(word) for word in command["Args"]]
            name = words[0]
            call = subject.program.call_at(command)
            if call is not None and not subject.decides(call):
                continue
            if name in ("exit", "return") and not _is_success(subject, words, call):
                # Without a number it is the status of the command before it: scontrol's, which is 0.
                if len(words) > 1:
                    return True
            elif name in ("false", "exec", "kill") or name in ("source", "."):
                return True
            elif name in subject.program.functions and name not in seen:
                seen.add(name)
                if _may_fail(subject, [subject.program.functions[name]["Body"]], seen):
                    return True
    last = (statements[-1].get("Cmd") or {}) if statements else {}
    return last.get("Type") in ("TestClause", "ArithmCmd") or first_word({"Cmd": last}) in ("[", "test")


def _is_success(subject: Subject, words: t.Sequence[str], call: Call | None) -> bool:
    """Whether the code of an exit is 0, whatever has happened."""
    given = [form.literal for form in subject.values.forms(call.words[1], call)] if call and len(words) > 1 else []
    return words[1:] == ["0"] or (bool(given) and set(given) == {"0"})


def _commands(node: t.Any) -> t.Iterator[Node]:
    """The simple commands in a part of the tree, without the functions that it declares."""
    yield from (part for part in nodes(node, but="FuncDecl") if part.get("Type") == "CallExpr" and part.get("Args"))


# ------------------------------------------------------------------------------------------------- said, not done


def _only_said(subject: Subject) -> t.Iterator[Hit]:
    """echo scontrol update ... state=drain: nothing runs it."""
    program = subject.program
    for call in program.named("echo", "printf", "logger"):
        text = " ".join(call.texts)
        if not _DRAIN_TEXT.match(re.sub(r"^(-\S+ (\w+ )?)*", "", text) if call.name == "logger" else text):
            continue
        if call.context.stdout in ("pipe", "capture") or (call.context.stdout == "file" and not _is_a_log(call)):
            continue
        if subject.where.is_health or not _fails_after(subject, call):
            yield hit_at("check-without-effect", call, f"{call.name} only shows the command, nothing drains the node")


def _is_a_log(call: Call) -> bool:
    return any(
        "log" in redirect.target.shown or redirect.target.shown == "/dev/stderr" for redirect in call.context.redirects
    )


# ------------------------------------------------------------------------------------------------- failed, not drained


def _only_failed(subject: Subject) -> t.Iterator[Hit]:
    """A health check that only fails: Slurm ignores its exit code, and nothing in it drains the node or tells somebody."""
    program = subject.program
    if program.is_library or any(_may_act(subject, call) for call in program.calls):
        return
    for call in program.named("exit"):
        words = [subject.values.known(word, call) for word in call.arguments[:1]]
        if words and words[0].literal != "0":
            yield hit_at(
                "check-without-effect",
                call,
                "Slurm ignores the exit code of a health check, and nothing here drains the node",
                fix='Drain the node: timeout 20 scontrol update nodename="$SLURMD_NODENAME" state=drain reason="...".',
            )
            return


#: What answers a fault: a drain, a message to somebody, as Slurm's manual says, the end of the node or its slurmd.
_ANSWERS = Is.SLURM | Is.TELLS | Is.KILLS | Is.ENDS_NODE
_STOPS = word_set("stop kill reboot poweroff halt")


def _may_act(subject: Subject, call: Call) -> bool:
    """Whether a command answers the fault, or may do so: a program of the site's, a sourced file."""
    if call.name in subject.program.functions:
        return False
    if call.name in ("systemctl", "service"):
        return bool(_STOPS & set(call.texts))
    return not is_known(call.name) or is_a(call.name, _ANSWERS | Is.SOURCES) or call.name == "eval"


# ------------------------------------------------------------------------------------------------- the wrong number


def _wrong_status(subject: Subject) -> t.Iterator[Hit]:
    """$! where nothing runs in the background: $? was meant."""
    program = subject.program
    if any(call.context.background for call in program.calls):
        return
    seen: set[int] = set()
    for use in program.uses:
        if use.name == "!" and use.line not in seen and not use.probing:
            seen.add(use.line)
            yield hit_at(
                "check-without-effect",
                use,
                "$! is the number of the last process in the background, and there is none; the status is $?",
                fix="Write $?, or better: if ! command; then ...",
            )


def _counts(subject: Subject) -> t.Iterator[Hit]:
    """exit $errors: a number of faults is no status, 256 of them are 0."""
    program = subject.program
    for call in program.named("exit"):
        for word in call.arguments[:1]:
            counted = _count(subject, word)
            if counted is not None:
                yield hit_at(
                    "check-without-effect",
                    call,
                    f"the exit code is {counted}, and only its last 8 bits count: 256 is 0",
                    fix='Compare it: [ "$errors" -eq 0 ] || exit 1.',
                )


def _count(subject: Subject, word: Word) -> str | None:
    """What a word counts, without a limit; None when it does not."""
    program = subject.program
    if len(word.pieces) != 1:
        return None
    piece = word.pieces[0]
    lines = [_counts_lines(command) for command in piece.commands]
    if any(lines):
        return "a number of lines"
    if piece.kind != "variable" or piece.operator:
        return None
    found = program.assignments.get(piece.text, [])
    if any(
        a.value is not None and a.value.literal not in (None, "", "0") for a in found if a.kind in ("assign", "declare")
    ):
        # if it is large, then it is set to something smaller
        return None
    for assignment in found:
        if assignment.value is not None and any(_counts_lines(c) for p in assignment.value.pieces for c in p.commands):
            return f"a number of lines (${piece.text})"
        if assignment.context.loops and _adds(subject, assignment):
            return f"a number of faults (${piece.text})"
    return None


def _counts_lines(call: Call) -> bool:
    last = call.context.pipeline is None or call.context.pipeline[1] == call.context.pipeline[2] - 1
    return last and (
        (call.name == "wc" and call.has_option("-l", "--lines"))
        or (call.name in ("grep", "egrep") and call.has_option("-c", "--count"))
    )


def _adds(subject: Subject, assignment: Assignment) -> bool:
    """Whether an assignment in a loop makes a number larger by one or more."""
    lines = subject.program.source.decode("utf-8", "replace").split("\n")
    text = lines[assignment.line - 1] if assignment.line <= len(lines) else ""
    name = re.escape(assignment.name)
    return bool(
        re.search(
            rf"\b{name}\+\+|\+\+{name}\b|\b{name}\s*\+=\s*[\d$(]|\b{name}\s*=\s*\$?\(*\s*\$?\{{?{name}\}}?\s*\+", text
        )
    )


CHECKS = (check_without_effect,)
