# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A shell script as the commands that run in it.

shfmt turns the text into a syntax tree; this module walks the tree once and notes what rules ask for:
which command really runs (through variables, wrappers such as sudo or timeout, eval, sh -c, here-documents fed
to a shell, functions), under which conditions, where its output goes, which variables it reads and sets.
What stands in a comment, a string or a function that nobody calls is not noted, because it does not run.
"""

from __future__ import annotations

import dataclasses
import json
import posixpath
import re
import typing as t

from . import tools
from .model import LintError

Node = dict[str, t.Any]

#: Programs that read shell, and the dialect as shfmt calls it.
DIALECTS = {"sh": "posix", "dash": "posix", "ash": "posix", "bash": "bash", "ksh": "mksh", "mksh": "mksh", "zsh": "zsh"}


class ShellSyntaxError(Exception):
    """The text is not a program of its dialect."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.message = message


# ------------------------------------------------------------------------------------------------ the parts of words


@dataclasses.dataclass(frozen=True)
class Piece:
    """A part of a word: fixed text, the value of a variable, the output of a command."""

    kind: t.Literal["text", "variable", "command", "number", "glob"]
    #: The text, or the name of the variable.
    text: str
    quoted: bool = False
    #: The operator of ${name<operator>...}, or V(#) for a length, V(!) for an indirection.
    operator: str = ""
    #: The word after the operator.
    operand: "Word | None" = None
    #: The commands inside $(...), as far as they are plain.
    commands: tuple["Call", ...] = ()


@dataclasses.dataclass(frozen=True)
class Word:
    """One word of a command."""

    pieces: tuple[Piece, ...]
    line: int
    column: int

    @property
    def literal(self) -> str | None:
        """The text, when all of it is fixed."""
        if all(piece.kind in ("text", "glob") for piece in self.pieces):
            return "".join(piece.text for piece in self.pieces)
        return None

    @property
    def shown(self) -> str:
        """The text with $name and $(...) where it is not fixed."""
        return "".join(_SHOWN[piece.kind](piece) for piece in self.pieces)

    @property
    def variables(self) -> list[Piece]:
        """The variables in it, in order."""
        return [piece for piece in self.pieces if piece.kind == "variable"]


_SHOWN: dict[str, t.Callable[[Piece], str]] = {
    "text": lambda p: p.text,
    "glob": lambda p: p.text,
    "variable": lambda p: "${" + p.text + "}",
    "command": lambda p: "$(...)",
    "number": lambda p: "$((...))",
}


# -------------------------------------------------------------------------------------------- what happens in a script


@dataclasses.dataclass(frozen=True)
class Redirect:
    """Where a command's input comes from or its output goes."""

    operator: str
    fd: str
    target: Word


@dataclasses.dataclass(frozen=True)
class Context:
    """The circumstances of a command."""

    function: str | None = None
    #: Its status is looked at: a condition, the left side of && or ||, after !.
    tested: bool = False
    #: Commands whose success (or failure) this one depends on.
    guards: tuple[int, ...] = ()
    #: Sequence numbers of the loops around it.
    loops: tuple[int, ...] = ()
    stdout: t.Literal["script", "file", "null", "pipe", "capture", "stderr"] = "script"
    redirects: tuple[Redirect, ...] = ()
    background: bool = False
    #: Seconds of a timeout around it; 0 when there is one whose length is not known.
    bound: float | None = None
    #: The user that sudo, su or runuser made it run as.
    user: str | None = None
    #: On another machine, by ssh and the like.
    remote: bool = False
    #: (number, position, length) of the pipeline that it is part of.
    pipeline: tuple[int, int, int] | None = None
    errexit: bool = False
    nounset: bool = False
    pipefail: bool = False
    #: Inside $( ) or ` `.
    substituted: bool = False
    #: Written in a string that a shell was given: eval, sh -c, trap.
    in_text: bool = False
    #: An assignment's value, not a command's own status: local x=$(...).
    declared: bool = False


@dataclasses.dataclass(frozen=True)
class Call:
    """A command that runs."""

    name: str
    #: The first word as far as it is known: /usr/bin/squeue, squeue, or empty.
    path: str
    words: tuple[Word, ...]
    line: int
    column: int
    context: Context
    sequence: int
    #: The wrappers around it, outermost first: sudo, timeout, xargs ...
    via: tuple[str, ...] = ()
    #: VAR=value in front of it.
    environment: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[Word, ...]:
        """The words after the command itself."""
        return self.words[1:]

    @property
    def texts(self) -> list[str]:
        """The arguments as text, $name where not fixed."""
        return [word.shown for word in self.words[1:]]

    def has_option(self, *names: str) -> bool:
        """Whether an option is given: V(--long), V(--long=x), V(-s), or V(s) in a cluster such as V(-xs)."""
        for text in self.texts:
            for name in names:
                if name.startswith("--"):
                    if text == name or text.startswith(name + "="):
                        return True
                elif text == name or (len(name) == 2 and re.match(r"-[A-Za-z0-9]*" + re.escape(name[1]), text) and not text.startswith("--")):
                    return True
        return False


@dataclasses.dataclass(frozen=True)
class Assignment:
    """A variable gets a value."""

    name: str
    #: None when the value comes from read, a loop counter or an unknown place.
    value: Word | None
    kind: t.Literal["assign", "append", "array", "for", "read", "declare", "number"]
    line: int
    column: int
    context: Context
    sequence: int
    #: The elements of an array, the items of a for loop.
    items: tuple[Word, ...] = ()
    exported: bool = False


@dataclasses.dataclass(frozen=True)
class Use:
    """A variable is read."""

    name: str
    operator: str
    quoted: bool
    line: int
    column: int
    context: Context
    sequence: int
    #: Only looked at for being set or empty: [ -n "$x" ], ${x:-}, ${x+y}.
    probing: bool = False
    #: Where it stands is not split into words: an assignment, [[ ]], a case, a here-document.
    unsplit: bool = False


@dataclasses.dataclass(frozen=True)
class Loop:
    """A while or until loop."""

    sequence: int
    line: int
    column: int
    context: Context
    node: Node
    #: The sequence numbers that lie inside it.
    end: int


# ------------------------------------------------------------------------------------------------------- the wrappers

#: Wrapper: (options that take a value, number of own operands before the command).
_WRAPPERS: dict[str, tuple[str, int]] = {
    "env": ("-u --unset -C --chdir -S --split-string", 0),
    "exec": ("-a", 0),
    "command": ("", 0),
    "builtin": ("", 0),
    "nohup": ("", 0),
    "nice": ("-n --adjustment", 0),
    "ionice": ("-c -n --class --classdata", 0),
    "setsid": ("", 0),
    "stdbuf": ("-i -o -e --input --output --error", 0),
    "timeout": ("-k --kill-after -s --signal", 1),
    "xargs": ("-n -I -L -P -d -a -s -E --max-args --max-procs --max-lines --delimiter --arg-file --replace", 0),
    "sudo": ("-u --user -g --group -h --host -p --prompt -C -r -t -D", 0),
    "doas": ("-u -C", 0),
    "runuser": ("-u --user -g --group -G --supp-group -s --shell", 0),
    "chroot": ("--groups --userspec", 1),
    "nsenter": ("-t --target -S -G --setuid --setgid", 0),
    "unshare": ("-S -G --setuid --setgid --propagation", 0),
    "taskset": ("", 1),
    "chrt": ("", 1),
    "numactl": ("-C -m -N -i -p --physcpubind --membind --cpunodebind --interleave --preferred", 0),
    "strace": ("-o -e -p -s", 0),
    "systemd-run": ("-p --property -u --unit --uid --gid --slice -E --setenv --description --on-active", 0),
    "systemd-cat": ("-t -p --identifier --priority", 0),
    "time": ("-f -o", 0),
    "caffeinate": ("", 0),
    "unbuffer": ("", 0),
    "setpriv": ("--reuid --regid --groups --inh-caps --bounding-set", 0),
    "capsh": ("", 0),
    "flock": ("-w --timeout -E --conflict-exit-code", 1),
    "ts": ("", 0),
    "chronic": ("", 0),
    "retry": ("", 0),
}

_SHELLS = frozenset(DIALECTS) | {"rbash", "busybox"}

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_DURATION = re.compile(r"([0-9]*\.?[0-9]+)([smhd]?)$")
_UNIT = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> float | None:
    """A duration as timeout(1) and sleep(1) write it."""
    match = _DURATION.match(text)
    return float(match[1]) * _UNIT[match[2]] if match else None


def parse(source: bytes, dialect: str) -> Node:
    """The syntax tree of a text, by shfmt."""
    done = tools.run([tools.find_tool("shfmt"), "--to-json", "-ln", dialect], stdin=source)
    if done.returncode != 0:
        message = done.stderr.decode("utf-8", "replace").strip().splitlines()
        match = re.match(r"(?:<standard input>:)?(\d+):(\d+): (.*)", message[0] if message else "")
        if match is None:
            raise LintError(f"shfmt failed: {' '.join(message) or 'no message'}")
        raise ShellSyntaxError(int(match[1]), int(match[2]), match[3])
    tree: Node = json.loads(done.stdout)
    return tree


class Program:
    """What a script does: its calls, assignments, uses of variables and loops, in the order of their walk."""

    def __init__(self, source: bytes, dialect: str, *, options: t.Sequence[str] = ()) -> None:
        self.source = source
        self.dialect = dialect
        self.calls: list[Call] = []
        self.assignments: dict[str, list[Assignment]] = {}
        self.uses: list[Use] = []
        self.loops: list[Loop] = []
        self.functions: dict[str, Node] = {}
        #: The functions that something calls, with the contexts of their calls.
        self.called: dict[str, list[Context]] = {}
        #: Redirections that stand alone: > file.
        self.writes: list[tuple[Redirect, Context, int]] = []
        #: Commands in arithmetic form and tests, by sequence: (line, column, kind, context, node).
        self.tests: list[tuple[int, int, str, Context, Node]] = []
        #: The file only declares functions, for other scripts to call.
        self.is_library = False
        self.tree = parse(source, dialect)
        _Walker(self, options).run()

    @property
    def statements(self) -> list[Node]:
        """The statements of the file itself."""
        found: list[Node] = self.tree.get("Stmts", [])
        return found

    def named(self, *names: str) -> list[Call]:
        """The calls of these commands."""
        return [call for call in self.calls if call.name in names]

    def values(self, name: str, at: Call | Use | Assignment | None = None) -> list[Assignment]:
        """The assignments that a use may see, the likeliest last."""
        found = self.assignments.get(name, [])
        if at is None:
            return found
        function = at.context.function
        same = [a for a in found if a.context.function == function and a.sequence < at.sequence]
        if function is None or same:
            return same or [a for a in found if a.context.function != function] or found
        return [a for a in found if a.context.function is None] or found

    def resolve(self, word: Word, at: Call | Use | Assignment | None = None, depth: int = 4) -> Word:
        """The word with known variables replaced by what was assigned to them."""
        pieces: list[Piece] = []
        for piece in word.pieces:
            known = self._known(piece, at) if piece.kind == "variable" and depth else None
            if known is None:
                pieces.append(piece)
            else:
                value, where = known
                inner = self.resolve(value, where, depth - 1)
                pieces.extend(
                    dataclasses.replace(p, quoted=True) if piece.quoted else p for p in inner.pieces
                )
        return Word(tuple(pieces), word.line, word.column)

    def _known(self, piece: Piece, at: Call | Use | Assignment | None) -> tuple[Word, Assignment | Call | Use | None] | None:
        """The word that a variable stands for, with the place where that word was written."""
        if piece.operator not in ("", ":-", "-", ":=", "=", ":?", "?"):
            return None
        candidates = [a for a in self.values(piece.text, at) if a.value is not None and a.kind in ("assign", "declare")]
        others = [a for a in self.values(piece.text, at) if a.kind in ("append", "read", "for", "array", "number")]
        # An assignment that reads the variable itself (x="$x/y") would go round in circles.
        candidates = [a for a in candidates if a.value and all(p.text != piece.text for p in a.value.variables)]
        if candidates and not others:
            chosen = candidates[-1]
            # One of several branches: which one ran is not known.
            branches = len(candidates) > 1 and chosen.context.guards and (at is None or at.context.guards[: len(chosen.context.guards)] != chosen.context.guards)
            if chosen.value is not None and not branches:
                return chosen.value, chosen
        # A default counts for the script's own settings, not for what Slurm sets.
        has_default = piece.operator in (":-", "-", ":=", "=") and piece.operand is not None and not piece.text.startswith("SLURM")
        if not candidates and not others and has_default and piece.operand is not None:
            return piece.operand, at
        return None

    def alternatives(self, word: Word, at: Call | Use | Assignment | None = None) -> list[Word]:
        """What a word can be, with each item of the for loops that it takes variables from."""
        found = [self.resolve(word, at)]
        for _round in range(2):
            widened: list[Word] = []
            for candidate in found:
                position = next((i for i, p in enumerate(candidate.pieces) if p.kind == "variable" and self._items(p.text)), None)
                if position is None:
                    widened.append(candidate)
                    continue
                for item in self._items(candidate.pieces[position].text)[:16]:
                    pieces = candidate.pieces[:position] + item.pieces + candidate.pieces[position + 1 :]
                    widened.append(Word(pieces, candidate.line, candidate.column))
            found = widened
        return found

    def _items(self, name: str) -> tuple[Word, ...]:
        """The items of the only loop over a variable, as far as they stand in the script."""
        assignments = self.assignments.get(name, [])
        if len(assignments) != 1 or assignments[0].kind != "for":
            return ()
        items = assignments[0].items
        return items if all(any(p.kind != "command" for p in item.pieces) and "@" not in item.shown for item in items) else ()

    def uses_of(self, name: str) -> list[Use]:
        """Every place that reads a variable."""
        return [use for use in self.uses if use.name == name]


# ---------------------------------------------------------------------------------------------------------- the walk


@dataclasses.dataclass(frozen=True)
class _Unit:
    """A piece of text that was parsed on its own, and where it stands in the script."""

    source: bytes
    first_line: int = 1
    #: All of it counts as this one line (the text of an eval).
    line: int | None = None
    column: int = 1

    def place(self, node: Node) -> tuple[int, int]:
        if self.line is not None:
            return self.line, self.column
        position = node.get("Pos", {})
        return position.get("Line", 1) + self.first_line - 1, position.get("Col", 1)


class _Walker:
    """Walks the tree once and fills the program."""

    MAX_DEPTH = 4

    def __init__(self, program: Program, options: t.Sequence[str]) -> None:
        self.program = program
        self.sequence = 0
        self.pipelines = 0
        self.errexit = self.nounset = self.pipefail = False
        self.depth = 0
        self.pending: list[str] = []
        self.done: set[str] = set()
        for option in options:
            self._set_options([option])

    # -- the whole

    def run(self) -> None:
        unit = _Unit(self.program.source)
        self._collect_functions(self.program.tree, unit)
        context = Context(errexit=self.errexit, nounset=self.nounset, pipefail=self.pipefail)
        self.units: dict[str, _Unit] = getattr(self, "units", {})
        self.statements(self.program.statements, unit, context)
        if self.program.functions and not self.pending and all(c.name in _HARMLESS_ALONE or c.context.substituted for c in self.program.calls):
            # Nothing runs by itself: a library, whose functions others call.
            self.program.is_library = True
            self.pending.extend(self.program.functions)
        while self.pending:
            self._walk_function(self.pending.pop(0))

    def _walk_function(self, name: str) -> None:
        if name in self.done:
            return
        self.done.add(name)
        sites = self.program.called.get(name, [])
        context = Context(
            function=name,
            tested=bool(sites) and all(site.tested for site in sites),
            guards=sites[0].guards if len(sites) == 1 else (),
            stdout=sites[0].stdout if sites and len({site.stdout for site in sites}) == 1 else "script",
            loops=sites[0].loops if len(sites) == 1 else (),
            bound=sites[0].bound if len(sites) == 1 else None,
            background=bool(sites) and all(site.background for site in sites),
            errexit=any(site.errexit for site in sites) if sites else self.errexit,
            nounset=all(site.nounset for site in sites) if sites else self.nounset,
            pipefail=any(site.pipefail for site in sites) if sites else self.pipefail,
        )
        self.statement(self.program.functions[name]["Body"], self.units.get(name, _Unit(self.program.source)), context)

    def _collect_functions(self, tree: t.Any, unit: _Unit) -> None:
        """Note every function, wherever it is declared."""
        self.units = getattr(self, "units", {})
        stack = [tree]
        while stack:
            node = stack.pop()
            if isinstance(node, dict):
                if node.get("Type") == "FuncDecl" and node.get("Name"):
                    self.program.functions[node["Name"]["Value"]] = node
                    self.units[node["Name"]["Value"]] = unit
                stack.extend(node.values())
            elif isinstance(node, list):
                stack.extend(node)

    def tick(self) -> int:
        self.sequence += 1
        return self.sequence

    def _current(self, context: Context) -> Context:
        """The context with the shell options as they are now."""
        if context.function is None and (context.errexit, context.nounset, context.pipefail) != (self.errexit, self.nounset, self.pipefail):
            return dataclasses.replace(context, errexit=self.errexit, nounset=self.nounset, pipefail=self.pipefail)
        return context

    # -- statements

    def statements(self, nodes: t.Iterable[Node] | None, unit: _Unit, context: Context) -> None:
        for node in nodes or ():
            self.statement(node, unit, context)

    def statement(self, node: Node, unit: _Unit, context: Context) -> None:
        context = self._current(context)
        command = node.get("Cmd")
        if node.get("Negated"):
            context = dataclasses.replace(context, tested=True)
        if node.get("Background"):
            context = dataclasses.replace(context, background=True)
        redirects = node.get("Redirs") or ()
        for raw in redirects:
            context = self.redirect(raw, unit, context, alone=not (command or {}).get("Args") if (command or {}).get("Type", "CallExpr") == "CallExpr" else False)
        if command is None:
            return
        kind = command["Type"]
        handler = getattr(self, "_" + kind, None)
        if handler is not None:
            handler(command, unit, context, node)

    def redirect(self, raw: Node, unit: _Unit, context: Context, *, alone: bool) -> Context:
        operator = raw["Op"]
        fd = (raw.get("N") or {}).get("Value", "")
        line, column = unit.place(raw)
        word = self.word(raw["Word"], unit, context, unsplit=True) if raw.get("Word") else Word((), line, column)
        if raw.get("Hdoc"):
            self.word(raw["Hdoc"], unit, context, unsplit=True)
        here = Redirect(operator, fd, dataclasses.replace(word, line=line, column=column))
        if operator in (">", ">>", "&>", "&>>", ">|", "<>"):
            self.program.writes.append((here, context, self.tick()))
        stdout = context.stdout
        if operator in (">", ">>", ">|") and fd in ("", "1") or operator in ("&>", "&>>"):
            stdout = "null" if word.literal == "/dev/null" else "file"
        elif operator == ">&" and fd in ("", "1"):
            stdout = "stderr" if word.literal == "2" else "file"
        return dataclasses.replace(context, stdout=stdout, redirects=context.redirects + (here,))

    def _Block(self, node: Node, unit: _Unit, context: Context, _stmt: Node) -> None:
        self.statements(node.get("Stmts"), unit, context)

    def _Subshell(self, node: Node, unit: _Unit, context: Context, _stmt: Node) -> None:
        saved = self.errexit, self.nounset, self.pipefail
        self.statements(node.get("Stmts"), unit, context)
        self.errexit, self.nounset, self.pipefail = saved

    def _IfClause(self, node: Node, unit: _Unit, context: Context, _stmt: Node) -> None:
        mark = self.tick()
        self.statements(node.get("Cond"), unit, dataclasses.replace(context, tested=True))
        inner = dataclasses.replace(context, guards=context.guards + (mark,))
        self.statements(node.get("Then"), unit, inner)
        if node.get("Else"):
            self._IfClause(node["Else"], unit, context, _stmt)

    def _WhileClause(self, node: Node, unit: _Unit, context: Context, _stmt: Node) -> None:
        mark = self.tick()
        inner = dataclasses.replace(context, loops=context.loops + (mark,))
        self.statements(node.get("Cond"), unit, dataclasses.replace(inner, tested=True))
        self.statements(node.get("Do"), unit, inner)
        line, column = unit.place(node)
        self.program.loops.append(Loop(mark, line, column, context, node, self.tick()))

    def _ForClause(self, node: Node, unit: _Unit, context: Context, _stmt: Node) -> None:
        mark = self.tick()
        loop = node["Loop"]
        line, column = unit.place(node)
        if loop["Type"] == "WordIter":
            items = tuple(self.word(item, unit, context) for item in loop.get("Items") or ())
            self.assign(Assignment(loop["Name"]["Value"], None, "for", line, column, context, self.tick(), items))
        else:
            for key in ("Init", "Cond", "Post"):
                self.arithmetic(loop.get(key), unit, context)
        self.statements(node.get("Do"), unit, dataclasses.replace(context, loops=context.loops + (mark,)))

    def _CaseClause(self, node: Node, unit: _Unit, context: Context, _stmt: Node) -> None:
        mark = self.tick()
        self.word(node["Word"], unit, context, unsplit=True)
        for item in node.get("Items") or ():
            for pattern in item.get("Patterns") or ():
                self.word(pattern, unit, context, unsplit=True)
            self.statements(item.get("Stmts"), unit, dataclasses.replace(context, guards=context.guards + (mark,)))

    def _BinaryCmd(self, node: Node, unit: _Unit, context: Context, _stmt: Node) -> None:
        operator = node["Op"]
        if operator in ("|", "|&"):
            stages = list(_stages(node))
            self.pipelines += 1
            number = self.pipelines
            for position, stage in enumerate(stages):
                last = position == len(stages) - 1
                inner = dataclasses.replace(
                    context,
                    pipeline=(number, position, len(stages)),
                    stdout=context.stdout if last else "pipe",
                    tested=context.tested or not last and not context.pipefail,
                )
                self.statement(stage, unit, inner)
            return
        mark = self.tick()
        self.statement(node["X"], unit, dataclasses.replace(context, tested=True))
        self.statement(node["Y"], unit, dataclasses.replace(context, guards=context.guards + (mark,)))

    def _FuncDecl(self, node: Node, unit: _Unit, context: Context, _stmt: Node) -> None:
        """A declaration runs nothing."""

    def _TimeClause(self, node: Node, unit: _Unit, context: Context, _stmt: Node) -> None:
        if node.get("Stmt"):
            self.statement(node["Stmt"], unit, context)

    def _CoprocClause(self, node: Node, unit: _Unit, context: Context, _stmt: Node) -> None:
        self.statement(node["Stmt"], unit, dataclasses.replace(context, background=True))

    def _TestClause(self, node: Node, unit: _Unit, context: Context, stmt: Node) -> None:
        line, column = unit.place(node)
        self.program.tests.append((line, column, "test", context, stmt))
        self.test(node["X"], unit, context, False)

    def test(self, node: Node, unit: _Unit, context: Context, probing: bool) -> None:
        kind = node.get("Type")
        if kind in ("BinaryTest", "UnaryTest", "ParenTest"):
            unary = kind == "UnaryTest" and node["Op"] in ("-z", "-n", "-v")
            against_empty = kind == "BinaryTest" and _is_empty_word(node.get("Y"))
            for key in ("X", "Y"):
                if node.get(key):
                    self.test(node[key], unit, context, unary or against_empty)
        else:
            self.word(node, unit, context, unsplit=True, probing=probing)
            if probing and node.get("Parts") and len(node["Parts"]) == 1 and node["Parts"][0].get("Type") == "Lit":
                self.use(node["Parts"][0]["Value"], "", True, node, unit, context, probing=True, unsplit=True)

    def _ArithmCmd(self, node: Node, unit: _Unit, context: Context, stmt: Node) -> None:
        line, column = unit.place(node)
        self.program.tests.append((line, column, "arithmetic", context, stmt))
        self.arithmetic(node.get("X"), unit, context)

    def _LetClause(self, node: Node, unit: _Unit, context: Context, stmt: Node) -> None:
        line, column = unit.place(node)
        self.program.tests.append((line, column, "arithmetic", context, stmt))
        for expression in node.get("Exprs") or ():
            self.arithmetic(expression, unit, context)

    def arithmetic(self, node: Node | None, unit: _Unit, context: Context) -> None:
        """Names in arithmetic are variables without a dollar sign."""
        if not node:
            return
        kind = node.get("Type")
        if kind == "Word":
            text = "".join(p.get("Value", "") for p in node["Parts"] if p.get("Type") == "Lit")
            if len(node["Parts"]) == 1 and re.fullmatch(r"[A-Za-z_]\w*", text):
                self.use(text, "", True, node, unit, context, unsplit=True)
            else:
                self.word(node, unit, context, unsplit=True)
            return
        changed = kind == "UnaryArithm" and node["Op"] in ("++", "--") or kind == "BinaryArithm" and re.fullmatch(r"[-+*/%&|^<>]*=", node["Op"]) and node["Op"] not in ("==", "<=", ">=")
        if changed:
            text = "".join(p.get("Value", "") for p in (node["X"].get("Parts") or ()) if p.get("Type") == "Lit")
            line, column = unit.place(node)
            if text:
                self.assign(Assignment(text, None, "number", line, column, context, self.tick()))
        for key in ("X", "Y"):
            self.arithmetic(node.get(key), unit, context)

    def _DeclClause(self, node: Node, unit: _Unit, context: Context, _stmt: Node) -> None:
        variant = node["Variant"]["Value"]
        for argument in node.get("Args") or ():
            if argument.get("Name"):
                masked = dataclasses.replace(context, declared=True, tested=True)
                if argument.get("Naked") and not argument.get("Value"):
                    if variant == "export":
                        line, column = unit.place(argument)
                        self.program.assignments.setdefault(argument["Name"]["Value"], [])
                        self._exports(argument["Name"]["Value"], line, column, context)
                    continue
                self.assignment(argument, unit, masked, "declare", exported=variant == "export")
            elif argument.get("Value"):
                self.word(argument["Value"], unit, context)

    def _exports(self, name: str, line: int, column: int, context: Context) -> None:
        found = self.program.assignments.get(name)
        if found:
            found[-1] = dataclasses.replace(found[-1], exported=True)

    def assignment(self, node: Node, unit: _Unit, context: Context, kind: str, *, exported: bool = False) -> None:
        line, column = unit.place(node)
        name = node["Name"]["Value"]
        items: tuple[Word, ...] = ()
        value: Word | None = None
        if node.get("Array"):
            kind = "array"
            items = tuple(self.word(e["Value"], unit, context) for e in node["Array"].get("Elems") or () if e.get("Value"))
        elif node.get("Value"):
            value = self.word(node["Value"], unit, context, unsplit=True)
        else:
            value = Word((), line, column)
        if node.get("Append"):
            kind = "append" if kind != "array" else kind
        if node.get("Index"):
            kind = "append"
        self.assign(Assignment(name, value, t.cast(t.Any, kind), line, column, context, self.tick(), items, exported))

    def assign(self, assignment: Assignment) -> None:
        self.program.assignments.setdefault(assignment.name, []).append(assignment)

    # -- words

    def use(self, name: str, operator: str, quoted: bool, node: Node, unit: _Unit, context: Context, *, probing: bool = False, unsplit: bool = False) -> None:
        line, column = unit.place(node)
        self.program.uses.append(Use(name, operator, quoted, line, column, context, self.tick(), probing, unsplit))

    def word(self, node: Node, unit: _Unit, context: Context, *, unsplit: bool = False, probing: bool = False) -> Word:
        line, column = unit.place(node)
        pieces: list[Piece] = []
        for part in node.get("Parts") or ():
            pieces.extend(self.part(part, unit, context, False, unsplit, probing))
        return Word(tuple(pieces), line, column)

    def part(self, part: Node, unit: _Unit, context: Context, quoted: bool, unsplit: bool, probing: bool) -> list[Piece]:
        kind = part["Type"]
        if kind == "Lit":
            raw = part.get("Value", "")
            if quoted:
                return [Piece("text", re.sub(r"\\([$`\"\\\n])", lambda m: "" if m[1] == "\n" else m[1], raw), True)]
            text = re.sub(r"\\(.)", r"\1", raw.replace("\\\n", ""))
            bare = re.sub(r"\\.", "", raw)
            return [Piece("glob" if re.search(r"[*?\[]", bare) and len(raw) > 1 or raw in ("*", "?") else "text", text)]
        if kind == "SglQuoted":
            return [Piece("text", part.get("Value", ""), True)]
        if kind == "DblQuoted":
            found: list[Piece] = []
            for inner in part.get("Parts") or ():
                found.extend(self.part(inner, unit, context, True, unsplit, probing))
            return found or [Piece("text", "", True)]
        if kind == "ParamExp":
            return [self.parameter(part, unit, context, quoted, unsplit, probing)]
        if kind in ("CmdSubst", "ProcSubst"):
            first = len(self.program.calls)
            inner_context = dataclasses.replace(
                context,
                substituted=True,
                pipeline=None,
                stdout="capture" if kind == "CmdSubst" or part.get("Op") == "<(" else context.stdout,
                tested=context.tested or kind == "ProcSubst",
            )
            saved = self.errexit, self.nounset, self.pipefail
            self.statements(part.get("Stmts"), unit, inner_context)
            self.errexit, self.nounset, self.pipefail = saved
            return [Piece("command", "", quoted, "<(" if kind == "ProcSubst" else "", None, tuple(self.program.calls[first:]))]
        if kind == "ArithmExp":
            self.arithmetic(part.get("X"), unit, context)
            return [Piece("number", "", quoted)]
        return [Piece("glob", "*", quoted)]

    def parameter(self, part: Node, unit: _Unit, context: Context, quoted: bool, unsplit: bool, probing: bool) -> Piece:
        name = (part.get("Param") or {}).get("Value", "")
        expansion = part.get("Exp") or {}
        operator = expansion.get("Op", "")
        operand = self.word(expansion["Word"], unit, context, unsplit=True) if expansion.get("Word") else None
        if part.get("Length"):
            operator = "#"
        elif part.get("Excl") or part.get("Names"):
            operator = "!"
        elif part.get("Repl") or part.get("Slice"):
            operator = "/"
        for key in ("Orig", "With"):
            if (part.get("Repl") or {}).get(key):
                self.word(part["Repl"][key], unit, context, unsplit=True)
        index = part.get("Index") or {}
        if index.get("Type") == "Word" and index["Parts"] and index["Parts"][0].get("Value") in ("@", "*"):
            operator = operator or "[@]"
        elif index:
            self.arithmetic(index, unit, context)
        self.use(name, operator, quoted, part, unit, context, probing=probing or operator in _PROBING, unsplit=unsplit)
        if operator in ("=", ":="):
            line, column = unit.place(part)
            self.assign(Assignment(name, operand, "assign", line, column, context, self.tick()))
        return Piece("number" if operator == "#" else "variable", name, quoted, operator, operand)

    # -- commands

    def _CallExpr(self, node: Node, unit: _Unit, context: Context, stmt: Node) -> None:
        arguments = node.get("Args") or ()
        names = []
        for item in node.get("Assigns") or ():
            if arguments:
                names.append(item["Name"]["Value"])
                if item.get("Value"):
                    self.word(item["Value"], unit, context, unsplit=True)
            else:
                self.assignment(item, unit, context, "assign")
        if not arguments:
            return
        first_literal = "".join(p.get("Value", "") for p in arguments[0]["Parts"])
        is_test = first_literal in ("[", "test")
        words = []
        for position, argument in enumerate(arguments):
            before = arguments[position - 1]["Parts"][0].get("Value") if position else ""
            after = arguments[position + 1] if position + 1 < len(arguments) else None
            far = arguments[position + 2] if position + 2 < len(arguments) else None
            probing = is_test and (
                before in ("-z", "-n", "-v")
                or (far is not None and after is not None and after["Parts"][0].get("Value") in ("=", "==", "!=") and _is_empty_word(far))
                or (position == 1 and len(arguments) == (3 if first_literal == "[" else 2))
            )
            words.append(self.word(argument, unit, context, probing=probing))
        line, column = unit.place(node)
        if is_test:
            self.program.tests.append((line, column, "test", context, stmt))
        self.call(tuple(words), line, column, context, unit, stmt, (), tuple(names), 0)

    def call(
        self,
        words: tuple[Word, ...],
        line: int,
        column: int,
        context: Context,
        unit: _Unit,
        stmt: Node,
        via: tuple[str, ...],
        environment: tuple[str, ...],
        depth: int,
    ) -> None:
        """Note a command, and the command that it runs in turn."""
        if depth > 8 or not words:
            return
        words = self._spread(words, context)
        path = self._command_path(words[0], context)
        name = posixpath.basename(path)
        call = Call(name, path, words, line, column, context, self.tick(), via, environment)
        self.program.calls.append(call)
        if not context.remote:
            self._note_functions(call)
        if name == "set":
            self._set_options(call.texts)
        elif name == "shopt":
            pass
        elif name in ("read", "mapfile", "readarray"):
            for word in call.arguments:
                if word.literal and re.fullmatch(r"[A-Za-z_]\w*", word.literal):
                    self.assign(Assignment(word.literal, None, "read", line, column, context, self.tick()))
        elif name in ("getopts", "printf") and len(words) > 2:
            target = words[2] if name == "getopts" or words[1].literal == "-v" else None
            if target is not None and target.literal:
                self.assign(Assignment(target.literal, None, "read", line, column, context, self.tick()))
        elif name in ("export", "local", "declare", "readonly", "typeset"):
            # Reached through a wrapper such as builtin; plain ones are DeclClauses.
            pass
        self._inner(call, unit, stmt, depth)

    def _spread(self, words: tuple[Word, ...], context: Context) -> tuple[Word, ...]:
        """Put the words of "${command[@]}", and of an unquoted $command, in the place of the variable."""
        first = words[0]
        if len(first.pieces) != 1 or first.pieces[0].kind != "variable":
            return words
        piece = first.pieces[0]
        found = self._seen(piece.text, context)
        if not found:
            return words
        chosen = found[-1]
        if chosen.kind == "array" and chosen.items and piece.operator in ("[@]", ""):
            return chosen.items + words[1:]
        if chosen.value is not None and not piece.quoted:
            parts = _split(chosen.value)
            if len(parts) > 1:
                placed = tuple(Word(p.pieces, first.line, first.column) for p in parts)
                return placed + words[1:]
        return words

    def _seen(self, name: str, context: Context) -> list[Assignment]:
        found = self.program.assignments.get(name, [])
        same = [a for a in found if a.context.function == context.function]
        return same or found

    def _command_path(self, word: Word, context: Context, depth: int = 4) -> str:
        """The command that a first word names, as far as it can be known."""
        text = ""
        for position, piece in enumerate(word.pieces):
            if piece.kind in ("text", "glob"):
                text += piece.text
            elif piece.kind == "variable":
                value = self._variable_path(piece, context, depth)
                # ${BIN}squeue and $ROOT/bin/squeue: an unknown directory in front of a known name.
                text += value if value is not None else ("\0/" if position < len(word.pieces) - 1 else "\0")
            elif piece.kind == "command":
                looked_up = _looked_up(piece)
                text += looked_up if looked_up else "\0"
        if text.endswith("\0"):
            return ""
        text = text.replace("\0//", "\0/")
        return text.replace("\0", "$") if not text.startswith("\0") else "$" + text[1:]

    def _variable_path(self, piece: Piece, context: Context, depth: int) -> str | None:
        if depth == 0:
            return None
        for assignment in reversed(self._seen(piece.text, context)):
            if assignment.value is not None and assignment.value.pieces:
                found = self._command_path(assignment.value, assignment.context, depth - 1)
                if found and not (found.split() or [""])[0].startswith("$\0"):
                    return found
        if piece.operand is not None and piece.operator in (":-", "-", ":=", "="):
            found = self._command_path(piece.operand, context, depth - 1)
            return found or None
        return None

    def _note_functions(self, call: Call) -> None:
        functions = self.program.functions
        for position, word in enumerate(call.words):
            text = word.literal if position else call.path
            for name in {text, *(text or "").split()} & functions.keys() if text else ():
                self.program.called.setdefault(t.cast(str, name), []).append(call.context)
                if name not in self.done and name not in self.pending:
                    self.pending.append(t.cast(str, name))

    def _set_options(self, texts: t.Sequence[str]) -> None:
        previous = ""
        for text in texts:
            on = text.startswith("-")
            if previous in ("-o", "+o") or previous[:1] in "-+" and previous.endswith("o") and len(previous) > 1:
                on = previous.startswith("-")
                self.errexit = on if text == "errexit" else self.errexit
                self.nounset = on if text == "nounset" else self.nounset
                self.pipefail = on if text == "pipefail" else self.pipefail
            elif re.fullmatch(r"[-+][A-Za-z]+", text):
                self.errexit = on if "e" in text else self.errexit
                self.nounset = on if "u" in text else self.nounset
            elif text == "--":
                break
            previous = text

    def _inner(self, call: Call, unit: _Unit, stmt: Node, depth: int) -> None:
        """The command that this command runs."""
        name = call.name
        words = call.words
        context = call.context

        def again(rest: tuple[Word, ...], inner: Context) -> None:
            if rest:
                self.call(rest, call.line, call.column, inner, unit, stmt, call.via + (name,), call.environment, depth + 1)

        if name in ("command", "type", "which", "hash") and (name != "command" or call.has_option("-v", "-V")):
            return
        if name in _SHELLS:
            self._shell(call, unit, stmt)
            return
        if name == "eval":
            self._text(" ".join(word.shown for word in self._resolved(call)), call, posix=False)
            return
        if name == "trap" and len(words) > 2 and words[1].literal not in (None, "", "-", "-l", "-p"):
            self._text(words[1].shown, call, posix=False)
            return
        if name == "su":
            text = next((words[i + 1] for i, w in enumerate(words[:-1]) if w.literal in ("-c", "--command") or (w.literal or "").endswith("c") and (w.literal or "").startswith("-l")), None)
            if text is not None:
                user = next((w.shown for w in words[1:] if not w.shown.startswith("-") and w is not text), None)
                self._text(text.shown, call, posix=False, user=user)
            return
        if name in ("ssh", "pdsh", "clush", "rsh"):
            return
        if name == "find":
            for position, word in enumerate(words):
                if word.literal in ("-exec", "-execdir", "-ok"):
                    rest = []
                    for later in words[position + 1 :]:
                        if later.literal in (";", "+"):
                            break
                        rest.append(later)
                    again(tuple(rest), context)
            return
        if name in self.program.functions and _runs_its_arguments(self.program.functions[name]):
            again(words[1 + _shifts(self.program.functions[name]) :], context)
            return
        if name not in _WRAPPERS:
            return
        valued, operands = _WRAPPERS[name]
        takes = set(valued.split())
        position = 1
        user = "root" if name == "sudo" else context.user
        while position < len(words):
            text = words[position].shown
            if text == "--":
                position += 1
                break
            if name in ("sudo", "env", "doas", "systemd-run") and _ASSIGNMENT.match(text):
                position += 1
                continue
            if not text.startswith("-") or text == "-":
                break
            if name in ("sudo", "runuser", "doas") and text in ("-u", "--user") and position + 1 < len(words):
                user = words[position + 1].shown
            elif name == "sudo" and text.startswith("--user="):
                user = text[7:]
            if name == "flock" and text in ("-c", "--command"):
                break
            position += 2 if text in takes else 1
        bound = context.bound
        if name == "timeout" and position < len(words):
            limit = seconds(self.program.resolve(words[position], call).shown)
            bound = limit or 0.0
        if name == "timeout":
            bound = bound if bound is not None else 0.0
        position += operands
        if name == "flock" and position < len(words) and words[position].literal in ("-c", "--command"):
            if position + 1 < len(words):
                self._text(words[position + 1].shown, call, posix=True)
            return
        if name == "runuser" and user is None and position < len(words):
            text_word = next((words[i + 1] for i, w in enumerate(words[:-1]) if w.literal in ("-c", "--command")), None)
            if text_word is not None:
                self._text(text_word.shown, call, posix=False, user=words[position].shown)
                return
        again(words[position:], dataclasses.replace(context, bound=bound, user=user))

    def _resolved(self, call: Call) -> list[Word]:
        return [self.program.resolve(word, call) for word in call.arguments]

    def _shell(self, call: Call, unit: _Unit, stmt: Node) -> None:
        """A shell started by the script: sh -c '...', or a here-document on its standard input."""
        words = call.words
        position = 1
        while position < len(words):
            text = words[position].shown
            if re.fullmatch(r"-[A-Za-z]*c[A-Za-z]*", text):
                if position + 1 < len(words):
                    self._text(self.program.resolve(words[position + 1], call).shown, call, posix=call.name in ("sh", "dash"))
                return
            if text in ("-o", "-O", "+O", "+o"):
                position += 2
                continue
            if text == "-s" or text == "--":
                position += 1
                break
            if not text.startswith("-"):
                return
            position += 1
        for raw in stmt.get("Redirs") or ():
            if raw["Op"] in ("<<", "<<-") and raw.get("Hdoc"):
                body = raw["Hdoc"]
                start, end = body["Pos"]["Offset"], body["End"]["Offset"]
                text = unit.source[start:end]
                self._nested(text, call, _Unit(text, unit.place(body)[0] if unit.line is None else 1, unit.line), call.name)

    def _text(self, text: str, call: Call, *, posix: bool, user: str | None = None) -> None:
        """A string that a shell reads as a program."""
        source = text.encode()
        if text.strip() and "$(...)" not in text.split()[0]:
            self._nested(source, call, _Unit(source, line=call.line, column=call.column), "sh" if posix else "bash", user)

    def _nested(self, source: bytes, call: Call, unit: _Unit, shell: str, user: str | None = None) -> None:
        if self.depth >= self.MAX_DEPTH or not source.strip():
            return
        dialect = DIALECTS.get(shell, "bash")
        try:
            tree = parse(source, "bash" if dialect == "posix" else dialect)
        except ShellSyntaxError:
            return
        self.depth += 1
        self._collect_functions(tree, unit)
        saved = self.errexit, self.nounset, self.pipefail
        context = dataclasses.replace(call.context, user=user or call.context.user, redirects=(), in_text=unit.line is not None)
        self.statements(tree.get("Stmts"), unit, context)
        if call.name != "eval":
            self.errexit, self.nounset, self.pipefail = saved
        self.depth -= 1


#: Commands that a file may have at its top and still be a mere library.
_HARMLESS_ALONE = frozenset({"set", "shopt", "export", "source", ".", "umask", "true", ":", "[", "test", "return", "dirname", "hostname", "readlink", "realpath", "pwd", "basename", "command", "which", "alias", "readonly"})

_PROBING = frozenset({":-", "-", ":+", "+", ":=", "=", ":?", "?"})


def _stages(node: Node) -> t.Iterator[Node]:
    """The stages of a pipeline, which the tree nests to the left."""
    left = node["X"]
    command = left.get("Cmd") or {}
    if command.get("Type") == "BinaryCmd" and command["Op"] in ("|", "|&") and not left.get("Redirs") and not left.get("Negated"):
        yield from _stages(command)
    else:
        yield left
    yield node["Y"]


def _is_empty_word(node: Node | None) -> bool:
    if not node or "Parts" not in node:
        return False
    return all(part["Type"] in ("DblQuoted", "SglQuoted") and not part.get("Parts") and not part.get("Value") for part in node["Parts"])


def _split(word: Word) -> list[Word]:
    """A value split at the blanks of its fixed text, as an unquoted expansion is."""
    words: list[list[Piece]] = [[]]
    for piece in word.pieces:
        if piece.kind not in ("text", "glob"):
            words[-1].append(piece)
            continue
        for position, text in enumerate(re.split(r"\s+", piece.text)):
            if position:
                words.append([])
            if text:
                words[-1].append(dataclasses.replace(piece, text=text))
    return [Word(tuple(pieces), word.line, word.column) for pieces in words if pieces]


def _looked_up(piece: Piece) -> str | None:
    """The command that $(command -v x) or $(which x) finds."""
    for call in piece.commands:
        if call.name in ("which", "type", "command") and call.arguments:
            text = call.arguments[-1].literal
            return text if text and not text.startswith("-") else None
    return None


def _runs_its_arguments(function: Node) -> bool:
    """Whether a function runs "$@" as a command."""
    stack: list[t.Any] = [function["Body"]]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if node.get("Type") == "CallExpr" and node.get("Args"):
                words = node["Args"]
                lead = 1 if len(words) > 1 and words[0]["Parts"][0].get("Value") in ("eval", "exec", "sudo") else 0
                if _is_all_arguments(words[lead]):
                    return True
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    return False


def _is_all_arguments(word: Node) -> bool:
    parts = word["Parts"]
    if len(parts) == 1 and parts[0]["Type"] == "DblQuoted":
        parts = parts[0].get("Parts") or []
    return len(parts) == 1 and parts[0]["Type"] == "ParamExp" and (parts[0].get("Param") or {}).get("Value") in ("@", "*")


def _shifts(function: Node) -> int:
    """How many of its arguments a function takes away before it runs the rest."""
    count = 0
    for stmt in function["Body"].get("Cmd", {}).get("Stmts") or ():
        command = stmt.get("Cmd") or {}
        if command.get("Type") == "CallExpr" and command.get("Args"):
            texts = ["".join(p.get("Value", "") for p in word["Parts"]) for word in command["Args"]]
            if texts[0] == "shift":
                count += int(texts[1]) if len(texts) > 1 and texts[1].isdigit() else 1
    return count
