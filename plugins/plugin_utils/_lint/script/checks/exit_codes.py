# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The status of commands, and of the script."""

from __future__ import annotations

import itertools
import re
import typing as t

from ...core.model import Hit, hit_at
from ..arithmetic import may_be_zero
from ..knowledge import SLURM_COMMANDS
from ..model import word_set
from ..parser import Node
from ..program import Call, Context, Piece
from ..subject import Subject

#: As a last command they fail only if the node is in trouble anyway, or on purpose.
_ROBUST = word_set(
    """
    true : echo printf logger exit return exec touch mkdir chmod chown chgrp umask export set unset date wait
    sleep cat source . rm ln awk cut tr wc uniq nl basename dirname cd pwd shift trap read local declare
    readonly kill tee sync sort env head tail mv cp hostname local break continue
    """
)

_ANSWERS = word_set("[ [[ test grep egrep fgrep zgrep pgrep diff cmp mountpoint pidof id getent ls which command type")


def accidental_exit_code(subject: Subject) -> t.Iterator[Hit]:
    """accidental-exit-code: the last command, a guess under set -e, a lock that is busy."""
    if subject.where.group == "init":
        return
    program = subject.program
    fatal = subject.where.name not in ("controller_epilog", "task_epilog")
    calls: dict[tuple[int, int], Call] = {}
    for call in program.calls:
        if not call.via:
            calls.setdefault((call.line, call.column), call)
    reported: set[int] = set()
    for node, kind in () if _delegates(subject) else tails(program.statements, program.functions):
        place = node["Pos"]["Line"], node["Pos"]["Col"]
        if place[0] in reported:
            continue
        command = node.get("Cmd") or {}
        found = calls.get((command["Pos"]["Line"], command["Pos"]["Col"])) if command else None
        hit = _tail_hit(subject, place, kind, found, fatal, node)
        if hit is not None:
            reported.add(place[0])
            yield hit
    if not fatal:
        return
    for test in program.tests:
        hit_before = test.line in reported
        if (
            test.kind == "arithmetic"
            and test.context.errexit
            and not test.context.tested
            and not hit_before
            and may_be_zero(test.node.get("Cmd") or {}, subject.values, test)
        ):
            reported.add(test.line)
            yield hit_at(
                "accidental-exit-code",
                test,
                "under set -e an arithmetic command that results in 0 ends the script",
            )
    guessed = False
    for name, assignment in sorted(
        ((n, a) for n, found in program.assignments.items() for a in found), key=lambda entry: entry[1].line
    ):
        context = assignment.context
        if assignment.value is None or not context.errexit or context.tested or context.declared or guessed:
            continue
        risky = _risky(assignment.value.pieces, context)
        if risky is not None:
            # Said once a script, at the first place.
            guessed = True
            yield hit_at(
                "accidental-exit-code",
                assignment,
                f"under set -e a failing {risky} in the value of {name} ends the script with its code",
            )
    for call in program.calls:
        if (
            call.name == "flock"
            and call.has_option("-n", "--nonblock", "--nb")
            and call.context.tested
            and call.line not in reported
        ):
            text = program.source.decode("utf-8", "replace").splitlines()[call.line - 1]
            if re.search(r"\|\|\s*\{?\s*exit\s+[1-9]", text):
                reported.add(call.line)
                yield hit_at(
                    "accidental-exit-code",
                    call,
                    "a lock that somebody else holds makes the script fail",
                )


def _delegates(subject: Subject) -> bool:
    """Whether the script is only a way to start one program, whose status it passes on deliberately."""
    work = [
        call
        for call in subject.program.calls
        if not call.via and not call.context.substituted and call.name not in _PREPARES
    ]
    return (
        len(work) == 1
        and not work[0].context.guards
        and work[0].name not in _ANSWERS
        and work[0].name not in subject.program.functions
    )


_PREPARES = word_set("source . export set umask cd ulimit module [ test echo logger : shopt unset")


def _tail_hit(
    subject: Subject, place: tuple[int, int], kind: str, call: Call | None, fatal: bool, node: Node
) -> Hit | None:
    severity: t.Any = None if fatal else "info"
    command = (node.get("Cmd") or {}).get("Type")
    if kind == "and":
        return Hit(
            "accidental-exit-code", *place, "the last command is A && B: when A is false, the script fails", severity
        )
    if command in ("ArithmCmd", "LetClause") and not node.get("Negated"):
        point = next((test for test in subject.program.tests if test.node is node), None)
        if point is not None and not may_be_zero(node["Cmd"], subject.values, point):
            return None
    if command in ("TestClause", "ArithmCmd", "LetClause") or node.get("Negated"):
        return Hit(
            "accidental-exit-code", *place, "the last command is a test, its answer becomes the exit code", severity
        )
    if call is None:
        return None
    if call.name in _ANSWERS:
        return Hit(
            "accidental-exit-code",
            *place,
            f"the last command is {call.name}, its answer becomes the exit code",
            severity,
        )
    if call.name in subject.program.functions or not call.name or call.context.errexit:
        return None
    words = call.words
    name = call.name
    if call.via == () and name in ("sudo", "timeout", "nice", "env", "nohup"):
        inner = next((c for c in subject.program.calls if c.via[:1] == (name,) and c.line == call.line), None)
        name = inner.name if inner is not None else name
        words = inner.words if inner is not None else words
    writes = any(
        r.operator in (">", ">>", ">|", "&>", "&>>") and r.target.literal != "/dev/null" for r in call.context.redirects
    )
    if name in _ROBUST and not (writes and name in ("echo", "printf", "date") and _elsewhere(call)):
        return None
    if name in ("systemctl", "service") or (
        name in ("sed", "perl") and not any(w.shown.startswith("-i") for w in words)
    ):
        return None
    return Hit("accidental-exit-code", *place, f"the last command is {name}: when it fails, the script fails", severity)


def _elsewhere(call: Call) -> bool:
    """Whether the output goes to a file below a directory that may be missing."""
    return any(
        re.match(r"/(tmp|var/tmp|dev/shm)/", r.target.shown) and r.target.shown.count("/") > 2
        for r in call.context.redirects
    )


def _risky(pieces: t.Iterable[Piece], context: Context) -> str | None:
    """A command in $( ) whose failure reaches the assignment, and that does fail now and then."""
    for piece in pieces:
        if piece.kind != "command" or len(piece.commands) == 0:
            continue
        outer = [call for call in piece.commands if call.context.substituted]
        for call in outer:
            last = call.context.pipeline is None or call.context.pipeline[1] == call.context.pipeline[2] - 1
            if call.context.tested and not (call.context.pipeline and context.pipefail):
                continue
            if not last and not context.pipefail:
                continue
            if call.name in SLURM_COMMANDS or call.name in ("curl", "wget", "ssh", "psql", "nc"):
                return call.name
    return None


def tails(
    statements: t.Sequence[Node], functions: t.Mapping[str, Node], depth: int = 6
) -> t.Iterator[tuple[Node, str]]:
    """The statements whose status becomes the status of the list: (statement, V(plain) or V(and))."""
    rest = list(statements)
    while rest:
        last = rest.pop()
        command = last.get("Cmd") or {}
        kind = command.get("Type")
        if kind == "FuncDecl":
            continue
        if kind == "CallExpr" and command.get("Args"):
            words = ["".join(p.get("Value", "") for p in word["Parts"]) for word in command["Args"]]
            if words[0] in ("exit", "return"):
                if len(words) == 1 or (words[1] == "" and _is_status(command["Args"][1])):
                    continue
                return
        yield from _tail(last, functions, depth)
        return


def _is_status(word: Node) -> bool:
    parts = word["Parts"]
    if len(parts) == 1 and parts[0]["Type"] == "DblQuoted":
        parts = parts[0].get("Parts") or []
    return len(parts) == 1 and parts[0]["Type"] == "ParamExp" and (parts[0].get("Param") or {}).get("Value") == "?"


def _tail(node: Node, functions: t.Mapping[str, Node], depth: int) -> t.Iterator[tuple[Node, str]]:
    command = node.get("Cmd") or {}
    kind = command.get("Type")
    if depth == 0 or node.get("Background") or not command:
        return
    if kind in ("Block", "Subshell"):
        yield from tails(command.get("Stmts") or (), functions, depth - 1)
    elif kind == "IfClause":
        clause: Node | None = command
        while clause:
            yield from tails(clause.get("Then") or (), functions, depth - 1)
            clause = clause.get("Else")
    elif kind in ("WhileClause", "ForClause"):
        yield from tails(command.get("Do") or (), functions, depth - 1)
    elif kind == "CaseClause":
        for item in command.get("Items") or ():
            yield from tails(item.get("Stmts") or (), functions, depth - 1)
    elif kind == "BinaryCmd":
        if command["Op"] == "||":
            yield from tails([command["Y"]], functions, depth - 1)
        elif command["Op"] == "&&":
            yield node, "and"
        else:
            yield from tails([command["Y"]], functions, depth - 1)
    elif kind == "TimeClause" and command.get("Stmt"):
        yield from _tail(command["Stmt"], functions, depth - 1)
    elif kind == "CallExpr" and command.get("Args"):
        name = _first_word(node)
        if name in functions:
            yield from tails([functions[name]["Body"]], functions, depth - 1)
        else:
            yield node, "plain"
    elif kind in ("TestClause", "ArithmCmd", "LetClause"):
        yield node, "plain"


def _first_word(node: Node) -> str:
    arguments = (node.get("Cmd") or {}).get("Args") or []
    return "".join(p.get("Value", "") for p in arguments[0]["Parts"]) if arguments and arguments[0].get("Parts") else ""


def exit_code_masked(subject: Subject) -> t.Iterator[Hit]:
    """exit-code-masked: $? after something that has a status of its own; if with a pipeline into tee or logger."""
    program = subject.program
    yield from _masked(subject, program.statements)
    for function in program.functions.values():
        body = function["Body"].get("Cmd") or {}
        yield from _masked(subject, body.get("Stmts") or ())


def _masked(subject: Subject, statements: t.Sequence[Node]) -> t.Iterator[Hit]:
    for before, after in itertools.pairwise(statements):
        what = _hides(before)
        if what and _reads_status(after):
            yield Hit(
                "exit-code-masked",
                after["Pos"]["Line"],
                after["Pos"]["Col"],
                f"$? is the status of {what}, not of the command",
            )
    for node in statements:
        command = node.get("Cmd") or {}
        if command.get("Type") == "IfClause":
            last = (command.get("Cond") or [{}])[-1]
            pipe = last.get("Cmd") or {}
            if (
                pipe.get("Type") == "BinaryCmd"
                and pipe["Op"] in ("|", "|&")
                and _first_word(pipe["Y"]) in ("tee", "logger", "cat", "systemd-cat")
                and not _pipefail_at(subject, node)
            ):
                yield Hit(
                    "exit-code-masked",
                    last["Pos"]["Line"],
                    last["Pos"]["Col"],
                    f"the condition is the status of {_first_word(pipe['Y'])}, not of the command before it",
                )
        for key in ("Then", "Do", "Stmts"):
            if isinstance(command.get(key), list):
                yield from _masked(subject, command[key])


def _pipefail_at(subject: Subject, node: Node) -> bool:
    line = node["Pos"]["Line"]
    return any(call.context.pipefail for call in subject.program.calls if abs(call.line - line) <= 1)


def _hides(node: Node) -> str | None:
    command = node.get("Cmd") or {}
    if command.get("Type") == "DeclClause":
        for argument in command.get("Args") or ():
            parts = (argument.get("Value") or {}).get("Parts") or []
            inner = parts[0].get("Parts") or parts if parts and parts[0]["Type"] == "DblQuoted" else parts
            if any(part["Type"] == "CmdSubst" for part in inner):
                return str(command["Variant"]["Value"])
    if (
        command.get("Type") == "BinaryCmd"
        and command["Op"] in ("|", "|&")
        and _first_word(command["Y"]) in ("tee", "logger", "systemd-cat")
    ):
        return _first_word(command["Y"])
    return None


def _reads_status(node: Node) -> bool:
    command = node.get("Cmd") or {}
    if command.get("Type") == "IfClause":
        conditions = command.get("Cond") or [{}]
        return "'?'" in repr(conditions[0]) and "'Param': {" in repr(conditions[0])
    return (
        command.get("Type") == "CallExpr"
        and bool(command.get("Assigns"))
        and not command.get("Args")
        and _is_status(command["Assigns"][0].get("Value") or {"Parts": []})
    )


def init_without_errexit(subject: Subject) -> t.Iterator[Hit]:
    """init-without-errexit: commands that may fail, nobody looks, and the script goes on."""
    if not subject.where.hook.is_init:
        return
    program = subject.program
    careless = [
        call
        for call in program.calls
        if call.context.function is None
        and not call.context.tested
        and not call.context.errexit
        and not call.context.substituted
        and not call.via
        and call.name not in _ROBUST - {"cp", "mv", "ln", "mkdir", "chmod", "chown"}
        and call.name not in _ANSWERS
    ]
    if len(careless) > 1 and not any(call.context.errexit for call in program.calls):
        first = careless[0]
        yield hit_at(
            "init-without-errexit",
            first,
            f"{first.name or 'a command'} may fail and the script goes on; there is no set -e",
        )


CHECKS = (
    accidental_exit_code,
    exit_code_masked,
    init_without_errexit,
)
