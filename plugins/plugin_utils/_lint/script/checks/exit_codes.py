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
from ..facts import Is
from ..knowledge import is_a
from ..parser import Node
from ..program import Assignment, Call, Context, Piece, Subshell, Use
from ..status import Origin, first_word, holds, literal, position, steps, substitutions, variable
from ..subject import Subject
from ..wrappers import SHELLS
from .failures import answers, finds_nothing, is_own_program, way_to_fail


def accidental_exit_code(subject: Subject) -> t.Iterator[Hit]:
    """accidental-exit-code: the last command, a status that is passed on, set -e, a lock that is busy."""
    # Of a health check's exit code Slurm makes nothing.
    if subject.where.is_init or subject.where.is_health:
        return
    found = [_last, _handed_on]
    if subject.where.name not in ("controller_epilog", "task_epilog"):
        found += [_arithmetic, _stopped, _busy, _answered]
    reported: set[int] = set()
    for hit in itertools.chain.from_iterable(check(subject) for check in found):
        if hit.line not in reported:
            reported.add(hit.line)
            yield hit


def _severity(subject: Subject) -> t.Any:
    """Slurm only logs that these two failed."""
    return "info" if subject.where.name in ("controller_epilog", "task_epilog") else None


def _last(subject: Subject) -> t.Iterator[Hit]:
    """What decides the status of the script by running last."""
    for origin in subject.statuses.of_script() if subject.program.on_exit != 0 else ():
        message = _handed(subject, origin) if origin.exit is not None else _decides(subject, origin)
        if message is not None:
            place = position(origin.exit or origin.guarded or origin.node)
            yield Hit("accidental-exit-code", *place, message, _severity(subject))


def _handed_on(subject: Subject) -> t.Iterator[Hit]:
    """A status that an exit passes on by hand."""
    for origin in subject.statuses.handed_on():
        message = _handed(subject, origin)
        call = _call_at(subject, origin.exit) if message is not None and origin.exit is not None else None
        if message is not None and origin.exit is not None and call is not None and subject.decides(call):
            yield Hit("accidental-exit-code", *position(origin.exit), message, _severity(subject))


def _call_at(subject: Subject, node: Node) -> Call | None:
    """The command of a statement; behind wrappers such as sudo and xargs the one that they run."""
    place = position(node["Cmd"])
    all_here = [call for call in subject.program.calls if (call.line, call.column) == place]
    here = [call for call in all_here if not call.context.in_text]
    found = next((call for call in here if not call.via), None)
    while found is not None and found.name not in ("find", "exec"):
        inner = next((call for call in here if call.via == (*found.via, found.name)), None)
        if inner is None:
            break
        found = inner
    if found is not None and found.name in {*SHELLS, "su", "runuser"}:
        # sh -c 'a; b': the status of b.
        return next((call for call in reversed(all_here) if call.context.in_text and not call.via), found)
    return found


def _handed(subject: Subject, origin: Origin) -> str | None:
    """Why a status must not be passed on: on a node in order the command fails too."""
    call = _call_at(subject, origin.node)
    reason = way_to_fail(subject, call) if call is not None else None
    if call is None or reason is None or origin.exit is None or _looks_closer(subject, origin):
        return None
    words = " ".join(["exit", *(f"${name}" for name in [variable(_argument(origin.exit))] if name)])
    return f"{words} passes on the status of {call.name} (line {call.line}), which fails when {reason}"


def _argument(node: Node) -> Node | None:
    arguments: list[Node] = node["Cmd"]["Args"][1:]
    return arguments[0] if arguments else None


def _looks_closer(subject: Subject, origin: Origin) -> bool:
    """Whether something between a command and its exit tells one failure from another, or changes the saved status."""
    if origin.exit is None:
        return False
    name = variable(_argument(origin.exit))
    if name is None or name == "?":
        return False
    start, end = origin.node["End"]["Offset"], origin.exit["Pos"]["Offset"]
    between = subject.program.source[start:end].decode("utf-8", "replace")
    compared = (
        rf"\b{name}\b\}}?\"?\s*(-\w\w|[!=<>]=?)\s*[\"']?[1-9]|\bcase\b[^\n]*\b{name}\b|\b{name}=(?!\"?\$(\?|{{\?}}))"
    )
    return re.search(compared, between) is not None


def _decides(subject: Subject, origin: Origin) -> str | None:
    """Why the status of a last command is not the script's."""
    node = origin.node
    kind = node["Cmd"]["Type"]
    call = _call_at(subject, node) if kind == "CallExpr" else None
    if origin.guarded is not None:
        meant = call is not None and not node.get("Negated") and (is_own_program(call) or _is_sure(call))
        return None if meant else "the last command is A && B: when A is false, the script fails"
    if kind in ("ArithmCmd", "LetClause") and not node.get("Negated") and not _may_be_zero(subject, node):
        return None
    if kind in ("TestClause", "ArithmCmd", "LetClause") or node.get("Negated"):
        return "the last command is a test, its answer becomes the exit code"
    if call is None or not call.name or call.name in subject.program.functions:
        return None
    if answers(call):
        return f"the last command is {call.name}, its answer becomes the exit code"
    if call.context.errexit or is_own_program(call):
        return None
    reason = way_to_fail(subject, call)
    if reason is not None:
        return f"the last command is {call.name}: when {reason}, the script fails"
    if is_a(call.name, Is.ROBUST) and not (call.name in ("echo", "printf", "date") and _writes_elsewhere(call)):
        return None
    if call.name in ("systemctl", "service") or (
        call.name in ("sed", "perl") and not any(text.startswith("-i") for text in call.texts)
    ):
        return None
    return f"the last command is {call.name}: when it fails, the script fails"


def _is_sure(call: Call) -> bool:
    """Whether A && B is only a way to write two lines."""
    return is_a(call.name, Is.ROBUST ^ Is.NEEDS_ITS_FILE) and not answers(call)


def _writes_elsewhere(call: Call) -> bool:
    """Whether the output goes to a file below a directory that may be missing."""
    return any(
        r.operator in (">", ">>", ">|", "&>", "&>>") and re.match(r"/(tmp|var/tmp|dev/shm)/[^/]+/", r.target.shown)
        for r in call.context.redirects
    )


def _may_be_zero(subject: Subject, node: Node) -> bool:
    """Whether an arithmetic command may result in 0."""
    test = next((test for test in subject.program.tests if test.node is node), None)
    return test is None or may_be_zero(node["Cmd"], subject.values, test)


def _cause(context: Context) -> str:
    """What ends the script where a command fails."""
    return "under set -e" if context.errexit else "by the trap on ERR"


def _arithmetic(subject: Subject) -> t.Iterator[Hit]:
    """An arithmetic command that results in 0 under set -e."""
    for test in subject.program.tests:
        context = test.context
        if test.kind == "arithmetic" and context.fails and not context.tested and _may_be_zero(subject, test.node):
            message = f"{_cause(context)} an arithmetic command that results in 0 ends the script"
            yield hit_at("accidental-exit-code", test, message)


def _stopped(subject: Subject) -> t.Iterator[Hit]:
    """A command that fails on a node in order, under set -e."""
    program = subject.program
    fails_anyway = {
        position(step.before["Cmd"])
        for step in subject.statuses.steps
        if step.before is not None and step.before.get("Cmd") and _fails_on_purpose(step.node)
    }
    for call in program.calls:
        context = call.context
        if not context.fails or context.tested or context.background or not subject.decides(call):
            continue
        if (call.line, call.column) in fails_anyway or {"find", "exec"} & set(call.via):
            continue
        reason = way_to_fail(subject, call) or finds_nothing(call)
        if reason is not None:
            yield hit_at("accidental-exit-code", call, f"{_cause(context)} {call.name} ends the script when {reason}")
    said: set[str] = set()
    for name, assignment in sorted(
        ((n, a) for n, found in program.assignments.items() for a in found), key=lambda entry: entry[1].line
    ):
        context = assignment.context
        if assignment.value is None or not context.fails or context.tested or context.declared:
            continue
        risky = _risky(subject, assignment.value.pieces, context)
        if risky is not None and risky not in said:
            # Said once a command, at the first place.
            said.add(risky)
            message = f"{_cause(context)} a failing {risky} in the value of {name} ends the script with its code"
            yield hit_at("accidental-exit-code", assignment, message)


def _fails_on_purpose(node: Node) -> bool:
    """Whether a statement is an exit with a code of its own, so that a failure right before it changes nothing."""
    argument = _argument(node) if first_word(node) == "exit" else None
    return argument is not None and re.fullmatch(r"[1-9]\d*", literal(argument)) is not None


def _is_end(subject: Subject, node: Node) -> bool:
    """Whether a statement ends the script with a code of its own."""
    call = subject.program.call_at(node["Cmd"]) if _fails_on_purpose(node) else None
    return call is not None and subject.decides(call)


def _busy(subject: Subject) -> t.Iterator[Hit]:
    """A lock that is busy makes the script fail."""
    for step in subject.statuses.steps:
        for asked, otherwise in _refusals(step.node):
            calls = [_call_at(subject, origin.node) for origin in subject.statuses.of_statement(asked)]
            for call in calls:
                is_lock = call is not None and call.name == "flock" and call.has_option("-n", "--nonblock", "--nb")
                if call is not None and is_lock and any(_is_end(subject, inner.node) for inner in steps(otherwise)):
                    yield hit_at("accidental-exit-code", call, "a lock that somebody else holds makes the script fail")


def _answered(subject: Subject) -> t.Iterator[Hit]:
    """[ ... ] || exit: without a number the exit hands on the no of the test."""
    for step in subject.statuses.steps:
        command = step.node.get("Cmd") or {}
        is_or = command.get("Type") == "BinaryCmd" and command["Op"] == "||"
        for asked, otherwise in _refusals(step.node):
            ends = otherwise[0] if len(otherwise) == 1 else {}
            # Behind `if ! ...` the status is that of the !, which is 0.
            if first_word(ends) != "exit" or (asked.get("Negated") and not is_or):
                continue
            argument = _argument(ends)
            call = subject.program.call_at(ends["Cmd"])
            is_bare = argument is None or variable(argument) == "?"
            if is_bare and call is not None and subject.decides(call) and _may_say_no(subject, asked):
                message = "exit hands on the answer of the test before it, and the script fails when that is no"
                yield hit_at("accidental-exit-code", call, message)


#: Questions to which a hook that Slurm starts has one answer only.
_ALWAYS_SO = re.compile(r"\b(E?UID|EUID|USER|SLURM_JOB_?ID|SLURM_SCRIPT_CONTEXT|SLURMD_NODENAME)\b")


def _may_say_no(subject: Subject, asked: Node) -> bool:
    """Whether a test, or a search, has another answer for some jobs or nodes that are in order."""
    call = _call_at(subject, asked) if (asked.get("Cmd") or {}).get("Type") == "CallExpr" else None
    if call is None and asked["Cmd"]["Type"] != "TestClause":
        return False
    if call is not None and not (answers(call) and is_a(call.name, Is.ANSWERS)):
        return False
    found = [test for test in subject.program.comparisons if holds(asked, test)]
    words = [*(word for test in found for word in test.words), *(call.arguments if call is not None else ())]
    if any(c.name in ("id", "whoami") for word in words for piece in word.pieces for c in piece.commands):
        return False
    return not any(_ALWAYS_SO.search(piece.text) for word in words for piece in word.variables)


def _refusals(node: Node) -> t.Iterator[tuple[Node, t.Sequence[Node]]]:
    """The conditions of a statement, each with what runs when it fails."""
    command = node.get("Cmd") or {}
    if command.get("Type") == "BinaryCmd" and command["Op"] == "||":
        yield command["X"], [command["Y"]]
    elif command.get("Type") == "IfClause" and command.get("Cond"):
        condition = command["Cond"][-1]
        other = command.get("Else") or {}
        yield condition, (command.get("Then") or ()) if condition.get("Negated") else (other.get("Then") or ())


def _risky(subject: Subject, pieces: t.Iterable[Piece], context: Context) -> str | None:
    """A command in $( ) whose failure reaches the assignment, and that does fail now and then."""
    for piece in pieces:
        if piece.kind != "command" or len(piece.commands) == 0:
            continue
        final = next((call for call in reversed(piece.commands) if not call.via), piece.commands[-1])
        pipeline = final.context.pipeline
        for call in piece.commands:
            if call is not final and (pipeline is None or (call.context.pipeline or (0,))[0] != pipeline[0]):
                continue
            last = pipeline is None or (call.context.pipeline or pipeline)[1] == pipeline[2] - 1
            if call.context.tested:
                continue
            if (last or context.pipefail) and (way_to_fail(subject, call) or finds_nothing(call)):
                return call.name
    return None


def exit_code_masked(subject: Subject) -> t.Iterator[Hit]:
    """exit-code-masked: $? after something that has a status of its own; a condition that is another's; $? never read."""
    for step in subject.statuses.steps:
        what = _hides(step.before) if step.before is not None else None
        if what is not None and _hands_on_status(step.node):
            # logger done; exit $? is a habit, and says what it says.
            what = what if what != first_word(step.before or {}) else None
        elif what is not None and not _reads_status(step.node):
            what = None
        if what and not (step.before and _pipefail_at(subject, step.before)):
            message = f"$? is the status of {what}, not of the command"
            yield Hit("exit-code-masked", *position(step.node), message)
        elif step.before is not None and _reads_status(step.node) and _ended_there(subject, step.before):
            message = "under set -e the script has ended before this line when the command fails"
            yield Hit("exit-code-masked", *position(step.node), message)
        for asked in _asked(step.node):
            what = _never_fails(asked) or _told_last(subject, asked)
            if what is not None and not _pipefail_at(subject, step.node):
                message = f"the condition is the status of {what}, not of the command before it"
                yield Hit("exit-code-masked", *position(asked), message)
    yield from _never_read(subject)
    yield from _kept_inside(subject)
    yield from _set_inside(subject)
    yield from _trapped(subject)


def _conditions(node: Node) -> t.Iterator[Node]:
    """An if with its elif parts."""
    clause: Node | None = node.get("Cmd") or {}
    while clause and (clause.get("Type") == "IfClause" or clause.get("Cond")):
        yield clause
        clause = clause.get("Else")


def _branches_of(node: Node) -> t.Iterator[Node]:
    """An if with its elif parts and its else."""
    clause: Node | None = node["Cmd"]
    while clause:
        yield clause
        clause = clause.get("Else")


def _ended_there(subject: Subject, node: Node) -> bool:
    """Whether set -e ends the script at a statement that fails."""
    command = node.get("Cmd") or {}
    if command.get("Type") != "CallExpr" or node.get("Negated") or node.get("Background"):
        return False
    if command.get("Args"):
        call = _call_at(subject, node)
        return call is not None and call.context.errexit and not call.context.tested and first_word(node) != "set"
    values = [
        a for found in subject.program.assignments.values() for a in found if (a.line, a.column) == position(node)
    ]
    return any(
        a.context.errexit and not a.context.tested and a.value is not None and any(p.commands for p in a.value.pieces)
        for a in values
    )


def _asked(node: Node) -> t.Iterator[Node]:
    """The statements whose status decides: conditions of an if, the left side of ||."""
    yield from ((clause.get("Cond") or [{}])[-1] for clause in _conditions(node))
    command = node.get("Cmd") or {}
    if command.get("Type") == "BinaryCmd" and command["Op"] == "||" and first_word(command["Y"]) not in ("true", ":"):
        yield command["X"]


def _never_fails(node: Node) -> str | None:
    """What ends with success whatever happened in it: local x=$(command), command | logger."""
    command = node.get("Cmd") or {}
    if command.get("Type") == "DeclClause":
        return _declares(command)
    if command.get("Type") == "CallExpr" and not command.get("Args"):
        return _assigned_from(command)
    return _ends_in(node, Is.SINK)


def _assigned_from(command: Node) -> str | None:
    """The filter at the end of the pipeline whose output becomes a value."""
    lists = [substitution.get("Stmts") or [{}] for substitution in _substituted(command)]
    return _ends_in(lists[-1][-1], Is.SINK | Is.MUTE) if lists else None


def _told_last(subject: Subject, node: Node) -> str | None:
    """The message with which a function ends that hands no failure on otherwise."""
    name = first_word(node)
    if name not in subject.program.functions:
        return None
    statements = (subject.program.functions[name]["Body"].get("Cmd") or {}).get("Stmts") or []
    inner = subject.program.calls_in(name)
    if len(statements) < 2 or any(call.name in ("return", "exit") or call.context.errexit for call in inner):
        return None
    return _only_tells(statements[-1])


def _only_tells(node: Node) -> str | None:
    """A message that cannot fail."""
    word = first_word(node)
    is_sure = is_a(word, Is.NEVER_FAILS) and is_a(word, Is.ONLY_LOOKS)
    return word if is_sure and all(_is_to_nowhere(r) for r in node.get("Redirs") or ()) else None


def _declares(command: Node) -> str | None:
    """A declaration with the output of a command in it."""
    for argument in command.get("Args") or ():
        parts = (argument.get("Value") or {}).get("Parts") or []
        inner = parts[0].get("Parts") or parts if parts and parts[0]["Type"] == "DblQuoted" else parts
        if any(part["Type"] == "CmdSubst" for part in inner):
            return str(command["Variant"]["Value"])
    return None


def _ends_in(node: Node, traits: Is) -> str | None:
    """The last command of a pipeline, if it is one of some, and something before it may fail."""
    command = node.get("Cmd") or {}
    if command.get("Type") != "BinaryCmd" or command["Op"] not in ("|", "|&"):
        return None
    last = first_word(command["Y"])
    # A program of awk's has a failure to tell if it says so itself.
    is_mute = is_a(last, traits) or (Is.MUTE in traits and _is_awk(last) and "exit" not in repr(command["Y"]))
    return last if is_mute and first_word(command["X"]) not in ("echo", "printf", "cat") else None


def _is_awk(name: str) -> bool:
    return name in ("awk", "gawk", "mawk")


#: Names that say that nobody is to read them.
_UNREAD = re.compile(r"_+|.*(unused|ignore|dummy|discard).*", re.IGNORECASE)


def _never_read(subject: Subject) -> t.Iterator[Hit]:
    """A status that is saved, and then lost: nobody reads the variable before the script ends or saves the next one."""
    program = subject.program
    places = {(saved.line, saved.column): saved for saved in subject.statuses.saved}
    for name, assignments in program.assignments.items():
        if _UNREAD.fullmatch(name) or any(a.exported or a.context.substituted for a in assignments):
            continue
        uses = program.uses_of(name)
        for assignment in assignments:
            saved = places.get((assignment.line, assignment.column))
            source = saved.step.before if saved is not None else None
            if source is None or assignment.context.in_text or _is_harmless(subject, source):
                continue
            if not any(_may_read(subject, use, assignment) for use in uses) and not _read_elsewhere(subject, name):
                message = f"{name} keeps the status of a command, and nothing reads it"
                yield hit_at("exit-code-masked", assignment, message)


_WHICH = {"( )": "the ( )", "|": "its part of the pipeline", "$( )": "the $( )"}


def _kept_inside(subject: Subject) -> t.Iterator[Hit]:
    """An exit that is meant for the script, and ends its subshell only."""
    program = subject.program
    leaving = {name for name, function in program.functions.items() if _exits(function["Body"])}
    for call in program.calls:
        fails = call.name == "exit" and call.literals and re.fullmatch(r"[1-9]\d*", call.literals[0])
        if not (fails or call.name in leaving) or call.via or call.context.in_text or subject.decides(call):
            continue
        number = next((n for n in call.context.shells[::-1] if not subject.is_heard(n)), None)
        subshell = program.subshells[number] if number is not None else None
        if subshell is None or subshell.kind not in _WHICH or not _means_all(subject, call, subshell):
            continue
        message = f"{call.name} ends {_WHICH[subshell.kind]} only, the script goes on and nobody reads its code"
        yield hit_at("exit-code-masked", call, message, fix="Use { ...; } for ( ), done < <(command) for a pipeline.")


def _exits(body: Node) -> bool:
    """Whether a function does little more than to end the script with a failure."""
    statements = (body.get("Cmd") or {}).get("Stmts") or []
    is_plain = all((node.get("Cmd") or {}).get("Type") in ("CallExpr", "DeclClause") for node in statements)
    return is_plain and bool(statements) and _fails_on_purpose(statements[-1])


def _means_all(subject: Subject, call: Call, subshell: Subshell) -> bool:
    """Whether an exit does nothing for its subshell itself: it is the last thing there, or stands in the loop of a pipeline."""
    if subshell.kind == "|" and len(call.context.loops) > len(subshell.context.loops):
        return True
    if len(call.context.loops) > len(subshell.context.loops):
        return False
    if subshell.kind == "$( )" and not _is_used_blindly(subject, call):
        return False
    place = call.line, call.column
    return any(
        position(node["Cmd"]) == place
        for node in subject.statuses.passing([subshell.node])
        if "Pos" in (node.get("Cmd") or {})
    )


def _is_used_blindly(subject: Subject, call: Call) -> bool:
    """Whether the output of a substitution is kept, and nobody asks whether it is there."""
    program = subject.program
    kept = [
        assignment
        for found in program.assignments.values()
        for assignment in found
        if assignment.value is not None and any(call in piece.commands for piece in assignment.value.pieces)
    ]
    return bool(kept) and not any(use.asking for use in program.uses_of(kept[0].name))


def _trapped(subject: Subject) -> t.Iterator[Hit]:
    """A failure that a trap turns into 0: an exit with a code, a check of the site's."""
    for call in subject.program.calls:
        context = call.context
        if context.deferred or context.shells or call.via or context.tested:
            continue
        fails = call.name == "exit" and call.literals and re.fullmatch(r"[1-9]\d*", call.literals[0])
        if fails and context.on_exit == 0:
            message = "the trap on EXIT ends the script with 0, whatever code this exit has"
            yield hit_at("exit-code-masked", call, message, fix="Keep the code in the trap: rc=$?; ...; exit $rc.")
        elif context.on_error == 0 and is_own_program(call):
            message = f"when {call.name} fails, the trap on ERR ends the script with 0"
            yield hit_at("exit-code-masked", call, message, fix="Keep the code in the trap: rc=$?; ...; exit $rc.")


def _set_inside(subject: Subject) -> t.Iterator[Hit]:
    """exit $failed, where only a subshell sets failed to something else than 0."""
    program = subject.program
    for call in program.named("exit"):
        for piece in call.arguments[0].variables[:1] if call.arguments else ():
            inside = [
                a for a in program.assignments.get(piece.text, ()) if program.in_subshell(a) and a.line < call.line
            ]
            if inside and {form.literal for form in subject.values.forms(call.arguments[0], call)} == {"0"}:
                message = f"{piece.text} is 0 here: line {inside[-1].line} sets it in a subshell, and it ends with it"
                yield hit_at("exit-code-masked", call, message)


def _is_harmless(subject: Subject, node: Node) -> bool:
    """Whether only commands were asked that do not fail."""
    calls = [_call_at(subject, origin.node) for origin in subject.statuses.of_statement(node)]
    return bool(calls) and all(call is not None and is_a(call.name, Is.NEVER_FAILS) for call in calls)


def _may_read(subject: Subject, use: Use, assignment: Assignment) -> bool:
    """Whether a use may see the value that an assignment gave."""
    return use.context.in_text or assignment in subject.values.assignments(use.name, use)


def _read_elsewhere(subject: Subject, name: str) -> bool:
    """Whether a place that is not seen may read a variable: a sourced file, an eval, a call that gets its name."""
    program = subject.program
    if program.is_library or program.named("source", ".", "eval") or any(name in c.texts for c in program.calls):
        return True
    return any(a.value is not None and a.value.literal == name for found in program.assignments.values() for a in found)


def _pipefail_at(subject: Subject, node: Node) -> bool:
    line = node["Pos"]["Line"]
    return any(call.context.pipefail for call in subject.program.calls if abs(call.line - line) <= 1)


def _hides(node: Node) -> str | None:
    """What a statement leaves in $? instead of the status that was wanted."""
    command = node.get("Cmd") or {}
    kind = command.get("Type")
    if node.get("Background"):
        return "the start in the background"
    if kind == "DeclClause":
        return _declares(command)
    if kind == "BinaryCmd":
        if command["Op"] == "||" and first_word(command["Y"]) in ("true", ":"):
            return first_word(command["Y"])
        return _ends_in(node, Is.SINK)
    if kind == "CallExpr" and not command.get("Args"):
        return _assigned_from(command)
    if kind == "IfClause":
        ends = [(clause.get("Then") or [{}])[-1] for clause in _branches_of(node)]
        return "the if" if all(_only_tells(end) for end in ends) else None
    if is_a(first_word(node), Is.NEVER_FAILS) and all(_is_to_nowhere(r) for r in node.get("Redirs") or ()):
        return first_word(node)
    return None


def _substituted(command: Node) -> list[Node]:
    """The substitutions of an assignment's value."""
    return [part for item in command.get("Assigns") or () for part in substitutions(item.get("Value"))]


def _is_to_nowhere(redirect: Node) -> bool:
    """Whether a redirection cannot fail, as one into a file can."""
    return redirect["Op"] in (">&", "<&") or literal(redirect.get("Word") or {}) == "/dev/null"


def _reads_status(node: Node) -> bool:
    command = node.get("Cmd") or {}
    kind = command.get("Type")
    if kind == "IfClause":
        return _mentions_status((command.get("Cond") or [{}])[0])
    if kind in ("TestClause", "ArithmCmd") or first_word(node) in ("[", "test"):
        return _mentions_status(command)
    given: list[Node] = []
    if kind == "DeclClause":
        given = command.get("Args") or []
    elif kind == "CallExpr" and not command.get("Args"):
        given = command.get("Assigns") or []
    return bool(given) and variable(given[0].get("Value")) == "?"


def _hands_on_status(node: Node) -> bool:
    """exit $?, return $?."""
    arguments = (node.get("Cmd") or {}).get("Args") or []
    return first_word(node) in ("exit", "return") and len(arguments) == 2 and variable(arguments[1]) == "?"


def _mentions_status(node: Node) -> bool:
    return "'?'" in repr(node) and "'Param': {" in repr(node)


def init_without_errexit(subject: Subject) -> t.Iterator[Hit]:
    """init-without-errexit: commands that may fail, nobody looks, and the script goes on."""
    if not subject.where.is_init:
        return
    program = subject.program
    careless = [
        call
        for call in program.calls
        if not call.context.tested
        and not call.context.errexit
        and not call.context.substituted
        and not call.via
        and call.name not in program.functions
        and not is_a(call.name, Is.ROBUST ^ Is.PREPARES)
        and not answers(call)
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
