# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of the course of a script: waits, exit codes, what is printed."""

from __future__ import annotations

import itertools
import re
import typing as t

from .check_commands import BASE_COMMANDS, SLURM_COMMANDS
from .model import Hit, hit_at, words
from .parser import Node
from .program import Assignment, Call, Context, Loop
from .subject import Subject
from .wrappers import seconds

# -------------------------------------------------------------------------------------------------------------- waits

#: Command: (options that bound it, what to add, only with these first words or None).
_NETWORK: dict[str, tuple[tuple[str, ...], str, frozenset[str] | None]] = {
    "curl": (("-m", "--max-time", "--connect-timeout"), "--max-time 10", None),
    "wget": (("-T", "--timeout", "--connect-timeout", "--read-timeout"), "--timeout=10 --tries=1", None),
    "psql": ((), "PGCONNECT_TIMEOUT=5 and timeout 10", None),
    "mysql": (("--connect-timeout", "--connect_timeout"), "--connect-timeout=5", None),
    "mariadb": (("--connect-timeout",), "--connect-timeout=5", None),
    "ssh": ((), "-o ConnectTimeout=5 -o BatchMode=yes", None),
    "scp": ((), "-o ConnectTimeout=5 -o BatchMode=yes", None),
    "sftp": ((), "-o ConnectTimeout=5 -o BatchMode=yes", None),
    "nc": (("-w",), "-w 5", None),
    "telnet": ((), "timeout 10", None),
    "ldapsearch": (("-l", "-o"), "-o nettimeout=5", None),
    "redis-cli": ((), "timeout 10", None),
    "docker": ((), "timeout 60, or --pull=never", frozenset({"run", "pull"})),
    "podman": ((), "timeout 60, or --pull=never", frozenset({"run", "pull"})),
    "showmount": ((), "timeout 10", None),
}

#: Clients with their own, long, limits: only noted.
_SLOW = words("beeond aws gcloud az oci openstack git kubectl gsutil azcopy rsync mount.nfs ping")


def unbounded_wait(subject: Subject) -> t.Iterator[Hit]:
    """unbounded-wait: network clients and polling loops without a limit."""
    waits = bool(subject.program.named("wait"))
    for call in subject.program.calls:
        if call.context.remote or call.context.bound is not None or (call.context.background and not waits):
            continue
        if call.name in _NETWORK:
            options, remedy, verbs = _NETWORK[call.name]
            texts = [text for text in call.texts if not text.startswith("-")]
            joined = " ".join(call.texts)
            if verbs is not None and not (texts and texts[0] in verbs):
                continue
            if (options and call.has_option(*options)) or set(call.texts) & {"--version", "-V", "--help"}:
                continue
            if re.search(r"(?i)connect_?timeout", joined + " " + " ".join(call.environment)) or (
                call.name == "psql" and _sets(subject, "PGCONNECT_TIMEOUT")
            ):
                continue
            if "--pull=never" in call.texts:
                continue
            # wget has long limits of its own, which a booting host can bear and a waiting job cannot.
            mild = call.name == "wget" and not subject.where.is_job
            yield hit_at(
                "unbounded-wait",
                call,
                f"{call.name} has no time limit; add {remedy}",
                "info" if mild else None,
            )
        elif call.name in _SLOW and subject.where.is_job and call.texts:
            yield hit_at(
                "unbounded-wait",
                call,
                f"{call.name} waits as long as its own defaults say; put timeout in front",
                "info",
            )
        elif call.name == "sleep" and subject.where.is_job and call.context.loops == ():
            length = seconds(subject.program.resolve(call.arguments[0], call).shown) if call.arguments else None
            if length is not None and length >= 5:
                yield hit_at("unbounded-wait", call, f"every job waits {length:g} s here", "info")
    for loop in subject.program.loops:
        if loop.context.bound is None and _polls(subject, loop) and not _capped(subject, loop):
            yield hit_at(
                "unbounded-wait",
                loop,
                "the loop waits for something that may never happen; count the rounds",
            )


def _sets(subject: Subject, name: str) -> bool:
    return bool(subject.program.assignments.get(name))


def _inside(loop: Loop, sequence: int) -> bool:
    return loop.sequence < sequence < loop.end


def _polls(subject: Subject, loop: Loop) -> bool:
    """Whether the loop goes round until the world has changed: it sleeps, or has no condition of its own."""
    calls = [call for call in subject.program.calls if _inside(loop, call.sequence)]
    conditions = loop.node.get("Cond") or []
    first = (conditions[0].get("Cmd") or {}) if conditions else {}
    words = ["".join(p.get("Value", "") for p in word["Parts"]) for word in first.get("Args") or ()]
    endless = (words[:1] in (["true"], [":"], ["1"]) and not loop.node.get("Until")) or (
        words[:1] == ["false"] and bool(loop.node.get("Until"))
    )
    if words[:1] == ["read"] or any(
        call.name in ("read", "shift", "getopts") and call.context.tested for call in calls
    ):
        return False
    if any(call.name == "shift" for call in calls):
        return False
    return endless or any(call.name == "sleep" and call.context.function == loop.context.function for call in calls)


def _capped(subject: Subject, loop: Loop) -> bool:
    """Whether a counter, a clock or a bounded reader ends the loop."""
    program = subject.program
    if re.search(r"\bSECONDS\b|date \+%s|EPOCHSECONDS|inotifywait|\btimeout\b", loop.text):
        return True
    changed = {
        name
        for name, assignments in program.assignments.items()
        if any(
            _inside(loop, a.sequence)
            and (a.kind == "number" or _counts(name, a.value) or (a.kind == "append" and _is_number(a)))
            for a in assignments
        )
    }
    compared = {use.name for use in program.uses if _inside(loop, use.sequence)}
    return bool(changed & compared) and bool(re.search(r"-(?:eq|ne|lt|le|gt|ge)\b|\(\(|[<>]=?", loop.text))


def _is_number(assignment: Assignment) -> bool:
    return assignment.value is not None and (assignment.value.literal or "").isdigit()


def _counts(name: str, value: t.Any) -> bool:
    """x=$((x+1)), x=$(expr $x + 1), x=$(($x - 1))."""
    if value is None:
        return False
    if any(piece.text == name for piece in value.variables) and re.search(r"[-+]\s*\d", value.shown):
        return True
    return any(piece.kind == "number" for piece in value.pieces) or any(
        call.name in ("expr", "bc") for piece in value.pieces for call in piece.commands
    )


def wait_exceeds_timeout(subject: Subject) -> t.Iterator[Hit]:
    """wait-exceeds-timeout: a fixed bound that is longer than the script may run."""
    if subject.timeout is None:
        return
    for call in subject.program.calls:
        length = _length(subject, call)
        if (
            length is not None
            and length >= subject.timeout
            and not call.context.background
            and call.context.bound is None
        ):
            yield hit_at(
                "wait-exceeds-timeout",
                call,
                f"{call.name} may take {length:g} s, the script is ended after {subject.timeout} s",
            )


def _length(subject: Subject, call: Call) -> float | None:
    words = [subject.program.resolve(word, call).shown for word in call.arguments]
    if call.name == "sleep" and words:
        lengths = [seconds(word) for word in words]
        return sum(length for length in lengths if length is not None) if None not in lengths else None
    if call.name == "timeout":
        operands = [word for word in words if not word.startswith("-") and seconds(word) is not None]
        return seconds(operands[0]) if operands else None
    names = {"curl": ("-m", "--max-time"), "flock": ("-w", "--timeout"), "wget": ("-T", "--timeout")}.get(call.name, ())
    for position, word in enumerate(words):
        for name in names:
            if word == name and position + 1 < len(words):
                return seconds(words[position + 1])
            if name.startswith("--") and word.startswith(name + "="):
                return seconds(word[len(name) + 1 :])
    return None


# --------------------------------------------------------------------------------------------------------- exit codes

#: As a last command they fail only when the node is in trouble anyway, or their failure is no accident.
_ROBUST = words(
    """
    true : echo printf logger exit return exec touch mkdir chmod chown chgrp umask export set unset date wait
    sleep cat source . rm ln awk cut tr wc uniq nl basename dirname cd pwd shift trap read local declare
    readonly kill tee sync sort env head tail mv cp hostname local break continue
    """
)

_ANSWERS = words("[ [[ test grep egrep fgrep zgrep pgrep diff cmp mountpoint pidof id getent ls which command type")


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
            and _may_be_zero(test.node)
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


_PREPARES = words("source . export set umask cd ulimit module [ test echo logger : shopt unset")


def _tail_hit(
    subject: Subject, place: tuple[int, int], kind: str, call: Call | None, fatal: bool, node: Node
) -> Hit | None:
    severity: t.Any = None if fatal else "info"
    command = (node.get("Cmd") or {}).get("Type")
    if kind == "and":
        return Hit(
            "accidental-exit-code", *place, "the last command is A && B: when A is false, the script fails", severity
        )
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
        (r.target.literal or r.target.shown).startswith(("/tmp/", "/var/tmp/", "/dev/shm/"))
        and r.target.shown.count("/") > 2
        for r in call.context.redirects
    )


def _risky(pieces: t.Iterable[t.Any], context: Context) -> str | None:
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


def _may_be_zero(node: Node) -> bool:
    expression = (node.get("Cmd") or {}).get("X") or ((node.get("Cmd") or {}).get("Exprs") or [{}])[0]
    if expression.get("Type") == "UnaryArithm":
        return (expression.get("Op") in ("++", "--") and bool(expression.get("Post"))) or expression.get("Op") == "--"
    return expression.get("Type") == "BinaryArithm" and expression.get("Op") in ("-=", "=", "*=", "/=", "%=", "&=")


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


# ------------------------------------------------------------------------------------------------------------- stdout

_PROTOCOL = re.compile(r"\s*(export\s+[\w$%]|unset\s+[\w$%]|print\s)")


def output(subject: Subject) -> t.Iterator[Hit]:
    """stdout-noise and task-protocol."""
    where = subject.where
    if not where.is_job:
        return
    noted = False
    for call in subject.program.calls:
        if call.name not in ("env", "printenv", "set", "declare", "export", "echo", "printf") or not _reaches_stdout(
            subject, call
        ):
            continue
        if _stdout_moved(subject, call) and (
            where.name == "task_prolog"
            or call.name not in ("echo", "printf")
            or not _PROTOCOL.match(_printed(call) or "")
        ):
            continue
        if (call.name in ("env", "printenv") and not call.arguments) or (
            call.name in ("set", "declare", "export") and (not call.arguments or call.texts == ["-p"])
        ):
            if where.group != "init":
                yield hit_at("stdout-noise", call, "the whole environment is printed", "warning")
            continue
        if call.name not in ("echo", "printf") or call.context.stdout == "pipe":
            continue
        text = _printed(call)
        if where.name == "task_prolog":
            if text is None or _PROTOCOL.match(text) or not text.strip():
                continue
            first = text.split()[0]
            if (
                first in BASE_COMMANDS
                and first not in ("set", "source")
                and len(text.split()) > 1
                and not re.match(r"[A-Z]", first)
            ):
                yield hit_at(
                    "task-protocol",
                    call,
                    f"the line is dropped; a task prolog's output is not executed, so {first} does not run",
                )
            elif first in ("set", "source", ".") and len(text.split()) > 1:
                yield hit_at("task-protocol", call, f"the line is dropped; {first} is no word of the protocol")
            else:
                yield hit_at(
                    "stdout-noise",
                    call,
                    "the line is dropped: it starts with none of export, unset, print",
                    "warning",
                )
        elif text is not None and _PROTOCOL.match(text):
            yield hit_at(
                "task-protocol",
                call,
                f"{text.split()[0]} lines are read from a task prolog only, not from {where.name}",
            )
        elif not noted:
            noted = True
            yield hit_at(
                "stdout-noise",
                call,
                "what is printed here reaches nobody while the script succeeds"
                if where.group != "task"
                else "what is printed here ends up in the job's output",
                "info",
            )
    for call in subject.program.named("set"):
        if (
            where.is_job
            and any(re.fullmatch(r"-[a-wyzA-Z]*x[a-z]*", text) for text in call.texts)
            and call.context.function is None
        ):
            yield hit_at("stdout-noise", call, "set -x writes every command to the log", "info")
            break


def _stdout_moved(subject: Subject, call: Call) -> bool:
    """Whether an exec before the call sent all output to a file."""
    return any(
        c.name == "exec" and len(c.words) == 1 and c.context.stdout in ("file", "null") and c.sequence < call.sequence
        for c in subject.program.calls
    )


def _reaches_stdout(subject: Subject, call: Call) -> bool:
    """Whether what a command prints becomes the script's output, by way of sort and the like too."""
    context = call.context
    if context.substituted:
        return False
    if context.stdout != "pipe" or context.pipeline is None:
        return context.stdout == "script"
    number, position, _length = context.pipeline
    later = [
        c
        for c in subject.program.calls
        if c.context.pipeline and c.context.pipeline[0] == number and c.context.pipeline[1] > position
    ]
    return all(c.name in ("sort", "grep", "egrep", "sed", "awk", "uniq", "head", "tail", "cat") for c in later) and any(
        c.context.stdout == "script" for c in later
    )


def _printed(call: Call) -> str | None:
    """The beginning of what echo or printf prints; None when even that is not known."""
    words = [word for word in call.arguments if not re.fullmatch(r"-[neE]+", word.shown)]
    if not words:
        return ""
    if words[0].pieces and words[0].pieces[0].kind not in ("text", "glob"):
        return None
    text = words[0].shown
    if call.name == "echo":
        text = " ".join(word.shown for word in words)
    return text


CHECKS: tuple[t.Callable[[Subject], t.Iterator[Hit]], ...] = (
    unbounded_wait,
    wait_exceeds_timeout,
    accidental_exit_code,
    exit_code_masked,
    init_without_errexit,
    output,
)
