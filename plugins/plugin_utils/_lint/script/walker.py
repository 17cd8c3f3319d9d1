# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""One walk over the syntax tree of a shell script, which notes everything that a Program holds."""

from __future__ import annotations

import contextlib
import dataclasses
import posixpath
import re
import typing as t

from . import wrappers
from .guards import NUMERIC, Guards, cannot_fail, is_always
from .model import word_set
from .parser import DIALECTS, Node, ShellSyntaxError, nodes, parse
from .program import (
    Assignment,
    Call,
    Cleared,
    Comparison,
    Context,
    Loop,
    Moment,
    Operand,
    Piece,
    Program,
    Redirect,
    Subshell,
    Test,
    Use,
    Word,
    Write,
)
from .tools import TooMuchError
from .values import Values

#: The kinds of nodes are CamelCase; the methods that walk them are not.
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def read(source: bytes, dialect: str, *, options: t.Sequence[str] = ()) -> Program:
    """The program of a script. O(options) are those that its interpreter line gives to the shell."""
    # sh is read as bash, so that a script with bashisms is understood; their own rule names the bashisms.
    posix = dialect == "posix"
    program = Program(source, parse(source, "bash" if posix else dialect))
    start = _Options(lastpipe=dialect in _LAST_STAGE_STAYS, inherit_errexit=posix)
    Walker(program, start.after_set(options), posix=posix).run()
    return program


#: The options that a context tells.
_TOLD = ("errexit", "nounset", "pipefail", "on_exit", "on_error")

_LETTERS = {"e": "errexit", "u": "nounset", "E": "errtrace"}

#: Their shells run the last stage of a pipeline themselves.
_LAST_STAGE_STAYS = frozenset({"mksh", "zsh"})


@dataclasses.dataclass(frozen=True)
class _Options:
    """The options of the shell at a point of the walk."""

    errexit: bool = False
    nounset: bool = False
    pipefail: bool = False
    #: $( ) keeps errexit, as in sh.
    inherit_errexit: bool = False
    #: The last stage of a pipeline is no subshell.
    lastpipe: bool = False
    #: Functions and subshells keep the trap on ERR.
    errtrace: bool = False
    #: The codes that the traps end the script with.
    on_exit: int | None = None
    on_error: int | None = None

    @property
    def inside(self) -> _Options:
        """The options in a subshell, which has no traps."""
        return dataclasses.replace(self, on_exit=None, on_error=self.on_error if self.errtrace else None)

    def after_set(self, texts: t.Sequence[str]) -> _Options:
        """The options after set has been given some words."""
        changed: dict[str, bool] = {}
        previous = ""
        for text in texts:
            on = text.startswith("-")
            if previous in ("-o", "+o") or (previous[:1] in "-+" and previous.endswith("o") and len(previous) > 1):
                if text in ("errexit", "nounset", "pipefail", "errtrace"):
                    changed[text] = previous.startswith("-")
            elif re.fullmatch(r"[-+][A-Za-z]+", text):
                changed |= {name: on for letter, name in _LETTERS.items() if letter in text}
            elif text == "--":
                break
            previous = text
        return dataclasses.replace(self, **changed)

    def after_shopt(self, texts: t.Sequence[str]) -> _Options:
        """The options after shopt has been given some words."""
        on = "-s" in texts
        names = {"inherit_errexit", "lastpipe"} & set(texts) if on or "-u" in texts else set()
        return dataclasses.replace(self, **dict.fromkeys(names, on))


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
        line, column = position.get("Line", 1), position.get("Col", 1)
        if not (line and column):
            # Where a number is too large for shfmt it writes 0; the offset is right.
            before = self.source[: position["Offset"]]
            line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        return line + self.first_line - 1, column


class Walker:
    """Walks the tree once and fills the program."""

    MAX_DEPTH = 4
    #: Of commands in C($( )) within each other: each one doubles what there is to know of a word.
    MAX_NESTING = 10
    #: What a script may hold: commands, assignments and uses of variables; and texts that a shell of their own reads.
    MAX_EVENTS = 8000
    MAX_TEXTS = 100

    def __init__(self, program: Program, options: _Options, *, posix: bool) -> None:
        self.program = program
        self.posix = posix
        self.sequence = 0
        self.pipelines = 0
        self.texts = 0
        self.options = options
        self.depth = 0
        self.nesting = 0
        #: Functions that are reached and not walked yet, and those that are done.
        self.pending: list[str] = []
        self.done: set[str] = set()
        self.guards = Guards(program.functions)
        self.values = Values(program, remember=False)
        #: Where each function was declared.
        self.units: dict[str, _Unit] = {}

    # -- the whole

    def run(self) -> None:
        """Walk the file, then every function that something reached."""
        unit = _Unit(self.program.source)
        self._collect_functions(self.program.tree, unit)
        context = self._current(Context(posix=self.posix))
        self.statements(self.program.statements, unit, context)
        self.program.on_exit = self.options.on_exit
        if (
            self.program.functions
            and not self.pending
            and all(c.name in _HARMLESS_ALONE or c.context.substituted for c in self.program.calls)
        ):
            # Nothing runs by itself: a library, whose functions others call.
            self.program.is_library = True
            self.pending.extend(self.program.functions)
        while self.pending:
            self._walk_function(self.pending.pop(0))

    def _walk_function(self, name: str) -> None:
        if name in self.done:
            return
        self.done.add(name)
        sites = [site.context for site in self.program.called.get(name, [])]
        context = Context(
            function=name,
            tested=bool(sites) and all(site.tested for site in sites),
            guards=sites[0].guards if len(sites) == 1 else (),
            stdout=sites[0].stdout if sites and len({site.stdout for site in sites}) == 1 else "script",
            loops=sites[0].loops if len(sites) == 1 else (),
            bound=max((site.bound for site in sites if site.bound is not None), default=None)
            if all(site.bound is not None for site in sites)
            else None,
            background=sites[0].background if sites and all(site.background for site in sites) else 0,
            posix=self.posix,
        )
        if sites:
            self.options = dataclasses.replace(
                self.options,
                errexit=any(site.errexit for site in sites),
                nounset=all(site.nounset for site in sites),
                pipefail=any(site.pipefail for site in sites),
                on_exit=sites[0].on_exit if len({site.on_exit for site in sites}) == 1 else None,
                on_error=sites[0].on_error if self.options.errtrace else None,
            )
        self.statement(self.program.functions[name]["Body"], self.units[name], context)

    def _collect_functions(self, tree: t.Any, unit: _Unit) -> None:
        """Note every function, wherever it is declared."""
        for node in nodes(tree):
            if node.get("Type") == "FuncDecl" and node.get("Name"):
                self.program.functions[node["Name"]["Value"]] = node
                self.units[node["Name"]["Value"]] = unit

    def tick(self) -> int:
        self.sequence += 1
        if self.sequence > self.MAX_EVENTS:
            raise TooMuchError(f"it has more than {self.MAX_EVENTS} commands and uses of variables")
        return self.sequence

    def _current(self, context: Context) -> Context:
        """The context with the shell options as they are now."""
        now = {name: getattr(self.options, name) for name in _TOLD}
        return (
            context if now == {name: getattr(context, name) for name in _TOLD} else dataclasses.replace(context, **now)
        )

    @contextlib.contextmanager
    def _one_deeper(self) -> t.Iterator[None]:
        """One level deeper, if that is not too deep."""
        self.nesting += 1
        if self.nesting > self.MAX_NESTING:
            raise TooMuchError("it is nested too deeply")
        yield
        self.nesting -= 1

    @contextlib.contextmanager
    def _inside(self, subshell: Subshell) -> t.Iterator[Context]:
        """The circumstances in a subshell: its variables and options end with it."""
        saved, number = self.options, self.tick()
        self.program.subshells[number] = subshell
        self.options = saved.inside
        yield dataclasses.replace(subshell.context, shells=(*subshell.context.shells, number))
        self.options = saved

    # -- statements

    def statements(self, nodes: t.Iterable[Node] | None, unit: _Unit, context: Context) -> None:
        for node in nodes or ():
            self.statement(node, unit, context)

    def statement(self, node: Node, unit: _Unit, context: Context) -> None:
        if node.get("Background"):
            with self._inside(Subshell("&", node, context)) as inner:
                self._statement(node, unit, dataclasses.replace(inner, background=inner.shells[-1]))
        else:
            self._statement(node, unit, context)

    def _statement(self, node: Node, unit: _Unit, context: Context) -> None:
        context = self._current(context)
        command = node.get("Cmd")
        if node.get("Negated"):
            context = dataclasses.replace(context, tested=True)
        redirects = node.get("Redirs") or ()
        for raw in redirects:
            context = self.redirect(raw, unit, context)
        if command is None:
            return
        kind = command["Type"]
        handler = getattr(self, "_" + _CAPITAL.sub("_", kind).lower(), None)
        if handler is not None:
            before = self.tick()
            handler(command, unit, context, node)
            whole = Moment(context, before, self.tick())
            self._note(self.program.replaced, self.guards.replaced(node), whole)
            self._note(self.program.guarded, self.guards.covered(node), whole)
            self._guard(self.guards.after(node), context)
            if context.errexit and not context.tested:
                self._guard(self.guards.when(node, True), context)

    def _guard(self, names: t.Collection[str], context: Context) -> None:
        """Note that variables have a value from here on."""
        if names:
            self._note(self.program.guarded, names, Moment(context, self.tick()))

    @staticmethod
    def _note(moments: dict[str, list[Moment]], names: t.Iterable[str], moment: Moment) -> None:
        for name in names:
            moments.setdefault(name, []).append(moment)

    def redirect(self, raw: Node, unit: _Unit, context: Context) -> Context:
        operator = raw["Op"]
        fd = (raw.get("N") or {}).get("Value", "")
        if fd.startswith("{"):
            self.program.declared.add(fd.strip("{}"))
        line, column = unit.place(raw)
        word = self.word(raw["Word"], unit, context, unsplit=True) if raw.get("Word") else Word((), line, column)
        body = self.word(raw["Hdoc"], unit, context, unsplit=True) if raw.get("Hdoc") else None
        target = dataclasses.replace(word, line=line, column=column)
        here = Redirect(operator, fd, target, context, self.tick(), word if operator == "<<<" else body)
        self.program.redirects.append(here)
        if operator in (">", ">>", "&>", "&>>", ">|", "<>"):
            self.program.writes.append(Write(here.target, context, self.tick(), operator))
        stdout = context.stdout
        if (operator in (">", ">>", ">|") and fd in ("", "1")) or operator in ("&>", "&>>"):
            stdout = "null" if word.literal == "/dev/null" else "file"
        elif operator == ">&" and fd in ("", "1"):
            stdout = "stderr" if word.literal == "2" else "file"
        return dataclasses.replace(context, stdout=stdout, redirects=(*context.redirects, here))

    def _block(self, node: Node, unit: _Unit, context: Context, _stmt: Node) -> None:
        self.statements(node.get("Stmts"), unit, context)

    def _subshell(self, node: Node, unit: _Unit, context: Context, stmt: Node) -> None:
        with self._inside(Subshell("( )", stmt, context)) as inner:
            self.statements(node.get("Stmts"), unit, inner)

    def _branch(self, node: Node, context: Context, mark: int, number: int, since: int) -> Context:
        """The context of a branch of an if or case, once what its condition makes sure of is noted."""
        self.program.branches[mark] = since
        inner = dataclasses.replace(context, guards=(*context.guards, mark))
        self._guard(self.guards.branches(node)[number][0], inner)
        return inner

    def _if_clause(self, node: Node, unit: _Unit, context: Context, _stmt: Node) -> None:
        clause: Node | None = node
        number, since = 0, self.sequence
        while clause:
            mark = self.tick()
            self.statements(clause.get("Cond"), unit, dataclasses.replace(context, tested=True))
            if is_always(clause.get("Cond")):
                self.statements(clause.get("Then"), unit, context)
                break
            self.statements(clause.get("Then"), unit, self._branch(node, context, mark, number, since))
            clause = clause.get("Else")
            number += 1

    def _while_clause(self, node: Node, unit: _Unit, context: Context, _stmt: Node) -> None:
        mark = self.tick()
        inner = dataclasses.replace(context, loops=(*context.loops, mark))
        self.statements(node.get("Cond"), unit, dataclasses.replace(inner, tested=True))
        body = self.tick()
        self._guard(self.guards.when_all(node.get("Cond"), not node.get("Until")), inner)
        self.statements(node.get("Do"), unit, inner)
        self._note_loop(node, unit, context, mark, body)

    def _note_loop(self, node: Node, unit: _Unit, context: Context, mark: int, body: int) -> None:
        line, column = unit.place(node)
        text = unit.source[node["Pos"]["Offset"] : node["End"]["Offset"]].decode("utf-8", "replace")
        self.program.loops.append(Loop(mark, line, column, context, node, text, body, self.tick()))

    def _for_clause(self, node: Node, unit: _Unit, context: Context, _stmt: Node) -> None:
        mark = self.tick()
        loop = node["Loop"]
        line, column = unit.place(node)
        if loop["Type"] == "WordIter":
            items = tuple(self.word(item, unit, context) for item in loop.get("Items") or ())
            self.assign(Assignment(loop["Name"]["Value"], None, "for", line, column, context, self.tick(), items))
        else:
            for key in ("Init", "Cond", "Post"):
                self.arithmetic(loop.get(key), unit, context)
        body = self.tick()
        self.statements(node.get("Do"), unit, dataclasses.replace(context, loops=(*context.loops, mark)))
        self._note_loop(node, unit, context, mark, body)

    def _case_clause(self, node: Node, unit: _Unit, context: Context, _stmt: Node) -> None:
        patterns = [pattern for item in node.get("Items") or () for pattern in item.get("Patterns") or ()]
        asks = any(_asks(node["Word"], pattern) for pattern in patterns)
        since = self.sequence
        subject = self.word(node["Word"], unit, context, unsplit=True, probing=asks)
        for number, item in enumerate(node.get("Items") or ()):
            for pattern in item.get("Patterns") or ():
                wanted = self.word(pattern, unit, context, unsplit=True)
                self._compare("case", (subject, wanted), wanted.line, wanted.column, context)
            self.statements(item.get("Stmts"), unit, self._branch(node, context, self.tick(), number, since))

    def _binary_cmd(self, node: Node, unit: _Unit, context: Context, stmt: Node) -> None:
        operator = node["Op"]
        if operator in ("|", "|&"):
            stages = list(_stages(node))
            self.pipelines += 1
            number = self.pipelines
            if operator == "|&":
                place = Word((), *unit.place(node))
                self.program.redirects.append(Redirect(operator, "", place, context, self.tick()))
            for position, stage in enumerate(stages):
                last = position == len(stages) - 1
                inner = dataclasses.replace(
                    context,
                    pipeline=(number, position, len(stages)),
                    stdout=context.stdout if last else "pipe",
                    tested=context.tested or (not last and not context.pipefail),
                )
                if last and self.options.lastpipe:
                    self.statement(stage, unit, inner)
                else:
                    with self._inside(Subshell("|", stmt, context, last or context.pipefail)) as alone:
                        self.statement(stage, unit, dataclasses.replace(inner, shells=alone.shells))
            return
        self._condition(node, unit, context)

    def _condition(self, node: Node, unit: _Unit, context: Context) -> Context:
        """Both sides of A && B or A || B. Returns the context of B."""
        mark = self.tick()
        left, is_and = node["X"], node["Op"] == "&&"
        command = left.get("Cmd") or {}
        guards = context.guards
        if is_and and cannot_fail(left):
            self.statement(left, unit, context)
            self.statement(node["Y"], unit, context)
            return context
        if is_and and command.get("Type") == "BinaryCmd" and command["Op"] == "&&" and not left.get("Negated"):
            # Behind A && B, both ran.
            guards = self._condition(command, unit, dataclasses.replace(context, tested=True)).guards
        else:
            self.statement(left, unit, dataclasses.replace(context, tested=True))
        inner = dataclasses.replace(self._current(context), guards=(*guards, mark))
        self._guard(self.guards.when(left, is_and), inner)
        self.statement(node["Y"], unit, inner)
        return inner

    def _func_decl(self, node: Node, unit: _Unit, context: Context, _stmt: Node) -> None:
        """A declaration runs nothing."""

    def _time_clause(self, node: Node, unit: _Unit, context: Context, _stmt: Node) -> None:
        if node.get("Stmt"):
            self.statement(node["Stmt"], unit, context)

    def _coproc_clause(self, node: Node, unit: _Unit, context: Context, stmt: Node) -> None:
        name = "".join(_texts(node["Name"])) if node.get("Name") else "COPROC"
        self.program.declared.update((name, f"{name}_PID"))
        with self._inside(Subshell("&", stmt, context)) as inner:
            self.statement(node["Stmt"], unit, dataclasses.replace(inner, background=inner.shells[-1], stdout="pipe"))

    def _test_clause(self, node: Node, unit: _Unit, context: Context, stmt: Node) -> None:
        line, column = unit.place(node)
        self.program.tests.append(Test("test", line, column, context, self.tick(), stmt))
        self.test(node["X"], unit, context, True)

    def test(self, node: Node, unit: _Unit, context: Context, probing: bool) -> Word | None:
        """A part of a test. Returns its word if it is one."""
        kind = node.get("Type")
        if kind in ("BinaryTest", "UnaryTest", "ParenTest"):
            sides: list[Word | None] = []
            # What stands alone, [[ $x ]], is asked for being empty.
            alone = kind == "ParenTest" or node["Op"] in ("-z", "-n", "-v", "!", "&&", "||")
            for key, other in (("X", "Y"), ("Y", "X")):
                if (
                    node.get(key)
                    and node.get("Op") in NUMERIC
                    and not any(_is_variable(part) for part in _flat(node[key]))
                ):
                    # [[ rc -ne 0 ]] reads rc.
                    self.arithmetic(node[key], unit, context)
                elif node.get(key):
                    sides.append(self.test(node[key], unit, context, alone or _asks(node[key], node.get(other))))
            self._compare(node.get("Op", ""), sides, *unit.place(node), context)
            return None
        word = self.word(node, unit, context, unsplit=True, probing=probing)
        if probing and node.get("Parts") and len(node["Parts"]) == 1 and node["Parts"][0].get("Type") == "Lit":
            # [[ -v name ]] asks as ${name+set} does: set -u has nothing against it.
            self.use(node["Parts"][0]["Value"], "+", True, node, unit, context, probing=True, unsplit=True, asking=True)
        return word

    def _compare(self, operator: str, sides: t.Sequence[Word | None], line: int, column: int, context: Context) -> None:
        """Note a test of one word, or of two."""
        words = tuple(word for word in sides if word is not None)
        if words and len(words) == len(sides):
            self.program.comparisons.append(Comparison(operator, words, line, column, context, self.tick()))

    def _note_comparisons(self, words: t.Sequence[Word], line: int, column: int, context: Context) -> None:
        """Note what [ ] tests."""
        for position, word in enumerate(words):
            operator = word.literal or ""
            if re.fullmatch(r"-[a-zA-Z]", operator) and word.pieces[0].text == operator:
                self._compare(operator, words[position + 1 : position + 2], line, column, context)
            elif operator in _EQUALITY and 0 < position < len(words) - 1:
                self._compare(operator, (words[position - 1], words[position + 1]), line, column, context)

    def _arithm_cmd(self, node: Node, unit: _Unit, context: Context, stmt: Node) -> None:
        line, column = unit.place(node)
        self.program.tests.append(Test("arithmetic", line, column, context, self.tick(), stmt))
        self.arithmetic(node.get("X"), unit, context)

    def _let_clause(self, node: Node, unit: _Unit, context: Context, stmt: Node) -> None:
        line, column = unit.place(node)
        self.program.tests.append(Test("arithmetic", line, column, context, self.tick(), stmt))
        node["Exprs"] = [_unquoted(expression) for expression in node.get("Exprs") or ()]
        for expression in node["Exprs"]:
            self.arithmetic(expression, unit, context)

    def arithmetic(self, node: Node | None, unit: _Unit, context: Context, *, needs_text: bool = False) -> None:
        """Names in arithmetic are variables without a dollar sign. O(needs_text): nothing in this place is a syntax error."""
        if not node:
            return
        kind = node.get("Type")
        if kind == "Word":
            text = "".join(p.get("Value", "") for p in node["Parts"] if p.get("Type") == "Lit")
            if len(node["Parts"]) == 1 and re.fullmatch(r"[A-Za-z_]\w*", text):
                self.use(text, "", True, node, unit, context, unsplit=True)
            else:
                word = self.word(node, unit, context, unsplit=True)
                if needs_text and len(word.pieces) == 1:
                    self.program.operands.append(Operand(word.pieces[0], word.line, word.column, context, self.tick()))
            return
        changed = (kind == "UnaryArithm" and node["Op"] in ("++", "--")) or (
            kind == "BinaryArithm"
            and re.fullmatch(r"[-+*/%&|^<>]*=", node["Op"])
            and node["Op"] not in ("==", "<=", ">=")
        )
        if changed:
            text = "".join(p.get("Value", "") for p in (node["X"].get("Parts") or ()) if p.get("Type") == "Lit")
            line, column = unit.place(node)
            if text:
                given = Assignment(text, None, "number", line, column, context, self.tick(), expression=node)
                self.assign(given)
        # Without a left side + and - are signs.
        signs = kind == "BinaryArithm" and node["Op"] in ("+", "-")
        self.arithmetic(node.get("X"), unit, context, needs_text=not signs)
        self.arithmetic(node.get("Y"), unit, context, needs_text=True)

    def subscript(self, name: str, index: Node, unit: _Unit, context: Context) -> None:
        """What stands in [ ] behind an array: arithmetic, or the text that an associative one has as its key."""
        if name not in self.program.maps:
            self.arithmetic(index, unit, context)
        elif index.get("Type") == "Word":
            self.word(index, unit, context, unsplit=True)

    def _decl_clause(self, node: Node, unit: _Unit, context: Context, _stmt: Node) -> None:
        variant = node["Variant"]["Value"]
        options = "".join(
            "".join(_texts(a["Value"])) for a in node.get("Args") or () if not a.get("Name") and a.get("Value")
        )
        for argument in node.get("Args") or ():
            if argument.get("Name"):
                if "A" in options and variant != "export":
                    self.program.maps.add(argument["Name"]["Value"])
                if "i" in options and variant != "export":
                    self.program.integers.add(argument["Name"]["Value"])
                masked = dataclasses.replace(context, declared=True, tested=True)
                if variant in ("local", "declare", "typeset") and context.function is not None:
                    self.program.local.add((context.function, argument["Name"]["Value"]))
                if argument.get("Naked") and not argument.get("Value"):
                    if variant == "export":
                        self._export(argument["Name"]["Value"])
                    else:
                        self.program.declared.add(argument["Name"]["Value"])
                    continue
                self.assignment(argument, unit, masked, "declare", exported=variant == "export")
            elif argument.get("Value"):
                self.program.sets_unknown |= self.word(argument["Value"], unit, context).literal is None

    def _export(self, name: str) -> None:
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
            items = tuple(
                self.word(e["Value"], unit, context) for e in node["Array"].get("Elems") or () if e.get("Value")
            )
        elif node.get("Value"):
            value = self.word(node["Value"], unit, context, unsplit=True)
        else:
            value = Word((), line, column)
        if name in self.program.integers and value is not None and value.literal is None:
            kind = "number"
        if node.get("Append"):
            kind = "append" if kind != "array" else kind
        if node.get("Index"):
            kind = "append"
        given = Assignment(name, value, t.cast(t.Any, kind), line, column, context, self.tick(), items, exported)
        self.assign(dataclasses.replace(given, added=bool(node.get("Append"))))

    def assign(self, assignment: Assignment) -> None:
        self._note_functions((item.literal for item in assignment.items), assignment.context)
        self.program.assignments.setdefault(assignment.name, []).append(assignment)

    # -- words

    def use(
        self,
        name: str,
        operator: str,
        quoted: bool,
        node: Node,
        unit: _Unit,
        context: Context,
        *,
        probing: bool = False,
        unsplit: bool = False,
        asking: bool = False,
    ) -> None:
        line, column = unit.place(node)
        self.program.uses.append(
            Use(name, operator, quoted, line, column, context, self.tick(), probing, unsplit, asking)
        )

    def word(self, node: Node, unit: _Unit, context: Context, *, unsplit: bool = False, probing: bool = False) -> Word:
        line, column = unit.place(node)
        pieces: list[Piece] = []
        for part in node.get("Parts") or ():
            pieces.extend(self.part(part, unit, context, False, unsplit, probing))
        return Word(tuple(pieces), line, column)

    def part(
        self, part: Node, unit: _Unit, context: Context, quoted: bool, unsplit: bool, probing: bool
    ) -> list[Piece]:
        kind = part["Type"]
        if kind == "Lit":
            raw = part.get("Value", "")
            if quoted:
                return [Piece("text", re.sub(r"\\([$`\"\\\n])", lambda m: "" if m[1] == "\n" else m[1], raw), True)]
            text = re.sub(r"\\(.)", r"\1", raw.replace("\\\n", ""))
            bare = re.sub(r"\\.", "", raw)
            return [
                Piece("glob" if (re.search(r"[*?\[]", bare) and len(raw) > 1) or raw in ("*", "?") else "text", text)
            ]
        if kind == "SglQuoted":
            value = part.get("Value", "")
            return [Piece("text", _unescaped(value) if part.get("Dollar") else value, True)]
        if kind == "DblQuoted":
            found: list[Piece] = []
            for inner in part.get("Parts") or ():
                found.extend(self.part(inner, unit, context, True, unsplit, probing))
            return found or [Piece("text", "", True)]
        if kind == "ParamExp":
            return [self.parameter(part, unit, context, quoted, unsplit, probing)]
        if kind in ("CmdSubst", "ProcSubst"):
            first = len(self.program.calls)
            is_command = kind == "CmdSubst"
            with self._inside(Subshell("$( )" if is_command else "<( )", part, context)) as inner, self._one_deeper():
                if is_command and not self.options.inherit_errexit:
                    self.options = dataclasses.replace(self.options, errexit=False)
                substituted = dataclasses.replace(
                    inner,
                    substituted=True,
                    pipeline=None,
                    stdout="capture" if is_command or part.get("Op") == "<(" else context.stdout,
                    tested=context.tested or not is_command,
                )
                self.statements(part.get("Stmts"), unit, substituted)
            return [
                Piece(
                    "command", "", quoted, "<(" if kind == "ProcSubst" else "", None, tuple(self.program.calls[first:])
                )
            ]
        if kind == "ArithmExp":
            first = len(self.program.calls)
            self.arithmetic(part.get("X"), unit, context)
            return [Piece("number", "", quoted, commands=tuple(self.program.calls[first:]), expression=part.get("X"))]
        return [Piece("glob", "*", quoted)]

    def parameter(self, part: Node, unit: _Unit, context: Context, quoted: bool, unsplit: bool, probing: bool) -> Piece:
        name = (part.get("Param") or {}).get("Value", "")
        expansion = part.get("Exp") or {}
        # A single # is the length; what ${x#y} cuts off at the front is ##'s matter.
        operator = {"#": "##"}.get(expansion.get("Op", ""), expansion.get("Op", ""))
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
        element = ""
        if index.get("Type") == "Word" and index["Parts"] and index["Parts"][0].get("Value") in ("@", "*"):
            operator = operator or "[@]"
        elif index:
            self.subscript(name, index, unit, context)
            element = "".join(p.get("Value", "") for p in index.get("Parts") or ())
            element = element if element.isdigit() else "?"
        self.use(
            name,
            operator,
            quoted,
            part,
            unit,
            context,
            probing=probing or operator in _PROBING,
            unsplit=unsplit,
            asking=probing or operator in _ASKING,
        )
        if operator in ("=", ":="):
            line, column = unit.place(part)
            if operator == ":=":
                # What the variable had before stays only if it is something.
                self._guard([name], context)
            self.assign(Assignment(name, operand, "default", line, column, context, self.tick()))
        return Piece("number" if operator == "#" else "variable", name, quoted, operator, operand, index=element)

    # -- commands

    def _call_expr(self, node: Node, unit: _Unit, context: Context, stmt: Node) -> None:
        arguments = node.get("Args") or ()
        environment: dict[str, Word] = {}
        for item in node.get("Assigns") or ():
            if arguments:
                value = item.get("Value")
                word = self.word(value, unit, context, unsplit=True) if value else Word((), *unit.place(item))
                environment[item["Name"]["Value"]] = word
            else:
                self.assignment(item, unit, context, "assign")
        if not arguments:
            return
        first_literal = "".join(p.get("Value", "") for p in arguments[0]["Parts"])
        is_test = first_literal in ("[", "test")
        words = []
        for position, argument in enumerate(arguments):
            probing = is_test and _is_asked(arguments, position, first_literal == "[")
            if probing and arguments[position - 1]["Parts"][0].get("Value") == "-v":
                self.use(
                    "".join(_texts(argument)),
                    "+",
                    True,
                    argument,
                    unit,
                    context,
                    probing=True,
                    unsplit=True,
                    asking=True,
                )
            words.append(self.word(argument, unit, context, probing=probing))
        line, column = unit.place(node)
        if is_test:
            self.program.tests.append(Test("test", line, column, context, self.tick(), stmt))
            self._note_comparisons(words[1:], line, column, context)
        self.call(tuple(words), line, column, context, unit, stmt, (), environment, 0)

    def call(
        self,
        words: tuple[Word, ...],
        line: int,
        column: int,
        context: Context,
        unit: _Unit,
        stmt: Node,
        via: tuple[str, ...],
        environment: t.Mapping[str, Word],
        depth: int,
    ) -> None:
        """Note a command, and the command that it runs in turn."""
        if depth > 8 or not words:
            return
        words = self._spread(words, context)
        path = self._command_path(words[0], context)
        name = posixpath.basename(path)
        if name == "trap" and not any(word.shown in ("EXIT", "0") for word in words[2:]):
            # Only at the end does its status count.
            context = dataclasses.replace(context, tested=True)
        call = Call(name, path, words, line, column, context, self.tick(), via, environment)
        self.program.calls.append(call)
        later = dataclasses.replace(context, deferred=True, on_exit=None, on_error=None) if name == "trap" else context
        inner = (
            [] if name in self.program.functions else wrappers.inner(call, lambda word: self.values.known(word, call))
        )
        # Where what a command runs is followed, a function counts as called there.
        self._note_functions([call.path, *(word.literal for word in call.arguments if not inner)], later)
        if name in self.program.functions and not context.background:
            self._note(self.program.replaced, self.guards.set_by(name), Moment(context, call.sequence))
        dynamic = name in ("read", "mapfile", "readarray", "eval") or (name == "printf" and call.has_option("-v"))
        if name in (".", "source") or (dynamic and any(word.literal is None for word in call.arguments)):
            self.program.sets_unknown = True
        self._set_options(name, call.texts)
        if name in ("read", "mapfile", "readarray"):
            for word in call.arguments:
                if word.literal and re.fullmatch(r"[A-Za-z_]\w*", word.literal):
                    rest = name == "read" and word is call.words[-1]
                    self.assign(
                        Assignment(word.literal, None, "read", line, column, context, self.tick(), takes_the_rest=rest)
                    )
        elif name in ("getopts", "printf") and len(words) > 2:
            target = words[2] if name == "getopts" or words[1].literal == "-v" else None
            if target is not None and target.literal:
                self.assign(Assignment(target.literal, None, "read", line, column, context, self.tick()))
        self._inner(call, inner, unit, stmt, depth)

    def _spread(self, words: tuple[Word, ...], context: Context) -> tuple[Word, ...]:
        """The words that a command gets: those of "${command[@]}" and of an unquoted $options in the place of the variable."""
        here = Moment(context, self.sequence + 1)
        spread: list[Word] = []
        for word in words:
            piece = word.pieces[0] if len(word.pieces) == 1 else None
            if piece is None or piece.kind != "variable" or (spread and spread[0].literal in ("[", "test")):
                spread.append(word)
                continue
            ways = self.values.fields(word, here)
            # Of several programs the likeliest; options are told only where there is no choice.
            way = ways[-1] if not spread or len(ways) == 1 else (word,)
            is_list = len(way) > 1 or (spread and way and way[0].shown.startswith("-"))
            spread.extend(way if is_list else (word,))
        return tuple(spread)

    def _command_path(self, word: Word, context: Context, depth: int = 4) -> str:
        """The command that a first word names, as far as it can be known."""
        text = ""
        for position, piece in enumerate(word.pieces):
            if piece.kind in ("text", "glob"):
                text += piece.text
            elif piece.kind == "variable":
                value = self._variable_path(piece, context, depth)
                # ${BIN}squeue and $ROOT/bin/squeue: an unknown directory in front of a known name.
                unknown = _UNKNOWN + "/" if position < len(word.pieces) - 1 else _UNKNOWN
                text += unknown if value is None else value
            elif piece.kind == "command":
                text += _looked_up(piece) or _UNKNOWN
        return "" if text.endswith(_UNKNOWN) else text.replace(_UNKNOWN + "//", _UNKNOWN + "/")

    def _variable_path(self, piece: Piece, context: Context, depth: int) -> str | None:
        if depth == 0:
            return None
        for assignment in reversed(self.values.assignments(piece.text, Moment(context, self.sequence + 1))):
            if assignment.value is not None and assignment.value.pieces:
                found = self._command_path(assignment.value, assignment.context, depth - 1)
                if found:
                    return found
        if piece.operand is not None and piece.operator in (":-", "-", ":=", "="):
            return self._command_path(piece.operand, context, depth - 1) or None
        return None

    def _note_functions(self, texts: t.Iterable[str | None], context: Context) -> None:
        """A function is reached when its name is called, or given to something that may call it."""
        for text in texts:
            for name in {text, *text.split()} & self.program.functions.keys() if text else ():
                self.program.called.setdefault(name, []).append(Moment(context, self.sequence))
                if name not in self.done and name not in self.pending:
                    self.pending.append(name)

    def _set_options(self, name: str, texts: t.Sequence[str]) -> None:
        """What a command changes in the options, if it is one of those that do."""
        if name == "set":
            self.options = self.options.after_set(texts)
        elif name == "shopt":
            self.options = self.options.after_shopt(texts)
        elif name == "trap":
            self.options = self._after_trap(texts)

    def _after_trap(self, texts: t.Sequence[str]) -> _Options:
        """The options after a trap: the code that it ends the script with."""
        action = texts[0] if texts else ""
        function = self.program.functions.get(action.strip(" ;"))
        code = _code_of(function["Body"]) if function is not None else _code_in(action)
        fields = {
            "on_exit" if text in ("EXIT", "0") else "on_error" for text in texts[1:] if text in ("EXIT", "0", "ERR")
        }
        return dataclasses.replace(self.options, **dict.fromkeys(fields, code))

    def _inner(self, call: Call, found: t.Sequence[wrappers.Inner], unit: _Unit, stmt: Node, depth: int) -> None:
        """Follow a command into the commands that it runs."""

        def again(words: tuple[Word, ...], context: Context, environment: t.Mapping[str, Word] | None = None) -> None:
            place = call.line, call.column
            given = {**call.environment, **(environment or {})}
            self.call(words, *place, context, unit, stmt, (*call.via, call.name), given, depth + 1)

        function = self.program.functions.get(call.name)
        if function is not None:
            for name, texts in _settings_of(function):
                self._set_options(name, texts)
            if _runs_its_arguments(function):
                again(call.words[1 + _shifts(function) :], call.context)
            return
        for item in found:
            context = dataclasses.replace(
                call.context,
                user=item.user or call.context.user,
                bound=item.bound if item.bound is not None else call.context.bound,
                deferred=call.context.deferred or call.name == "trap",
                cleared=_cleared(call, item),
            )
            if item.words:
                again(item.words, context, item.environment)
            elif item.text.strip() and not item.text.startswith("$(...)"):
                text = item.text.encode()
                shell = "sh" if item.is_posix else "bash"
                self._nested(text, call, _Unit(text, line=call.line, column=call.column), shell, context)
        if call.name in wrappers.SHELLS and not found:
            self._here_documents(call, unit, stmt)

    def _here_documents(self, call: Call, unit: _Unit, stmt: Node) -> None:
        """A shell without a script of its own reads the here-document behind it."""
        if any(not word.shown.startswith("-") for word in call.arguments) and not call.has_option("-s"):
            return
        for raw in stmt.get("Redirs") or ():
            if raw["Op"] in ("<<", "<<-") and raw.get("Hdoc"):
                body = raw["Hdoc"]
                text = unit.source[body["Pos"]["Offset"] : body["End"]["Offset"]]
                first_line = unit.place(body)[0] if unit.line is None else 1
                self._nested(text, call, _Unit(text, first_line, unit.line), call.name, call.context)

    def _nested(self, source: bytes, call: Call, unit: _Unit, shell: str, outer: Context) -> None:
        """Walk a text that a shell started here reads."""
        if self.depth >= self.MAX_DEPTH or not source.strip():
            return
        self.texts += 1
        if self.texts > self.MAX_TEXTS:
            raise TooMuchError(f"more than {self.MAX_TEXTS} texts in it are read by a shell of their own")
        dialect = DIALECTS.get(shell, "bash")
        try:
            tree = parse(source, "bash" if dialect == "posix" else dialect)
        except ShellSyntaxError:
            return
        self.depth += 1
        self._collect_functions(tree, unit)
        saved = self.options
        if call.name == "trap":
            self.options = dataclasses.replace(saved, on_exit=None, on_error=None)
        same_shell = call.name in ("eval", "trap")
        context = dataclasses.replace(
            outer,
            redirects=(),
            in_text=unit.line is not None,
            posix=outer.posix if same_shell else dialect == "posix",
        )
        if not same_shell:
            # A shell of its own starts without the options of this one.
            self.options = _Options(inherit_errexit=dialect == "posix")
            if call.name in wrappers.SHELLS:
                self.options = self.options.after_set(call.texts)
            context = self._current(dataclasses.replace(context, shells=(*context.shells, self.tick())))
            self.program.subshells[context.shells[-1]] = Subshell("text", tree, outer)
        self.statements(tree.get("Stmts"), unit, context)
        if call.name != "eval":
            self.options = saved
        self.depth -= 1


def _code_in(action: str) -> int | None:
    """The code that the text of a trap ends with in any case."""
    found = re.fullmatch(r"(?s)(?:(?!\bexit\b).)*?(?:^|[;\n])\s*exit\s+(\d+)\s*;?\s*", action)
    return int(found[1]) if found else None


def _code_of(body: Node) -> int | None:
    """The code that a function ends the script with in any case."""
    exits = [
        node
        for node in nodes(body)
        if node.get("Type") == "CallExpr" and node.get("Args") and "".join(_texts(node["Args"][0])) == "exit"
    ]
    last = ((body.get("Cmd") or {}).get("Stmts") or [{}])[-1].get("Cmd") or {}
    is_only = len(exits) == 1 and last is exits[0] and len(last["Args"]) == 2
    code = "".join(_texts(last["Args"][1])) if is_only else ""
    return int(code) if code.isdigit() else None


#: A part of a command's path that cannot be known.
_UNKNOWN = "$"

#: Commands that a file may have at its top and still be a mere library.
_HARMLESS_ALONE = word_set(
    "set shopt export source . umask [ test return dirname hostname readlink realpath pwd basename command which alias"
)

_EQUALITY = frozenset({"=", "==", "!="})

#: Expansions that only tell whether a variable is there, or how long it is.
_ASKING = frozenset({":+", "+", "#"})

_PROBING = frozenset({":-", "-", ":+", "+", ":=", "=", ":?", "?"})


#: What stands behind a backslash in $'...', apart from the characters that it only quotes.
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


def _unescaped(text: str) -> str:
    """The text that $'...' is."""
    return re.sub(r"\\(.)", lambda found: _ESCAPED.get(found[1], found[1]), text, flags=re.DOTALL)


def _unquoted(expression: Node) -> Node:
    """What let is given in quotes, as the expression that it is."""
    parts = expression.get("Parts") or []
    inner = parts[0].get("Parts", [parts[0]]) if len(parts) == 1 else []
    if expression.get("Type") != "Word" or not inner or parts[0]["Type"] not in ("SglQuoted", "DblQuoted"):
        return expression
    if any(part["Type"] not in ("Lit", "SglQuoted") for part in inner):
        return expression
    try:
        tree = parse(f"(({inner[0].get('Value', '')}))".encode(), "bash")
        found: Node = tree["Stmts"][0]["Cmd"]["X"]
    except (ShellSyntaxError, KeyError, IndexError):
        return expression
    for node in nodes(found):
        # Its place is that of the text, not the one in what was parsed.
        node.update({"Pos": expression["Pos"]} if "Pos" in node else {})
    return found


def _stages(node: Node) -> t.Iterator[Node]:
    """The stages of a pipeline, which the tree nests to the left."""
    left = node["X"]
    command = left.get("Cmd") or {}
    if (
        command.get("Type") == "BinaryCmd"
        and command["Op"] in ("|", "|&")
        and not left.get("Redirs")
        and not left.get("Negated")
    ):
        yield from _stages(command)
    else:
        yield left
    yield node["Y"]


def _is_asked(arguments: t.Sequence[Node], position: int, is_bracket: bool) -> bool:
    """Whether an argument of [ ] is only looked at for being set or empty."""
    end = len(arguments) - 1 if is_bracket else len(arguments)
    before = "".join(_texts(arguments[position - 1])) if position else ""
    after = "".join(_texts(arguments[position + 1])) if position + 1 < end else ""
    if before in ("-z", "-n", "-v"):
        return True
    if after in _EQUALITY and position + 2 < end:
        return _asks(arguments[position], arguments[position + 2])
    if before in _EQUALITY and position > 1:
        return _asks(arguments[position], arguments[position - 2])
    # [ "$x" ] and [ ! "$x" ].
    return position == end - 1 and (position == 1 or (position == 2 and before == "!"))


def _asks(word: Node | None, other: Node | None) -> bool:
    """Whether a word is compared with what it would be without its variables: "$x" with "", x$x with x, ${x:-no} with no."""
    if not word or not other or "Parts" not in word or "Parts" not in other:
        return False
    if not any(_is_variable(part) for part in _flat(word)) or any(_is_variable(part) for part in _flat(other)):
        return False
    return "".join(_texts(word)) == "".join(_texts(other))


def _flat(word: Node) -> t.Iterator[Node]:
    """The parts of a word, those in double quotes too."""
    for part in word.get("Parts") or ():
        if part["Type"] == "DblQuoted":
            yield from _flat(part)
        else:
            yield part


def _is_variable(part: Node) -> bool:
    return part["Type"] not in ("Lit", "SglQuoted")


def _texts(word: Node) -> t.Iterator[str]:
    """The fixed texts of a word, and the defaults of its variables; NUL for what is not known."""
    for part in _flat(word):
        if not _is_variable(part):
            yield part.get("Value", "")
        elif part["Type"] != "ParamExp":
            yield "\0"
        elif (part.get("Exp") or {}).get("Op") in (":-", "-", ":=", "=") and part["Exp"].get("Word"):
            yield from _texts(part["Exp"]["Word"])


def _looked_up(piece: Piece) -> str | None:
    """The command that $(command -v x) or $(which x) finds."""
    for call in piece.commands:
        if call.name in ("which", "type", "command") and call.arguments:
            text = call.arguments[-1].literal
            return text if text and not text.startswith("-") else None
    return None


def _runs_its_arguments(function: Node) -> bool:
    """Whether a function runs "$@" as a command."""
    for node in nodes(function["Body"]):
        if node.get("Type") == "CallExpr" and node.get("Args"):
            words = node["Args"]
            lead = 1 if len(words) > 1 and words[0]["Parts"][0].get("Value") in ("eval", "exec", "sudo") else 0
            if _is_all_arguments(words[lead]):
                return True
    return False


def _settings_of(function: Node) -> t.Iterator[tuple[str, list[str]]]:
    """The names and arguments of the commands that a call of a function runs in this shell whatever happens."""
    body = function["Body"].get("Cmd") or {}
    for stmt in body.get("Stmts") or () if body.get("Type") == "Block" else ():
        words = ["".join(_texts(word)) for word in (stmt.get("Cmd") or {}).get("Args") or () if "Parts" in word]
        if words:
            yield words[0], words[1:]


def _is_all_arguments(word: Node) -> bool:
    parts = word["Parts"]
    if len(parts) == 1 and parts[0]["Type"] == "DblQuoted":
        parts = parts[0].get("Parts") or []
    return (
        len(parts) == 1 and parts[0]["Type"] == "ParamExp" and (parts[0].get("Param") or {}).get("Value") in ("@", "*")
    )


def _shifts(function: Node) -> int:
    """The number of arguments that a function shifts off before it runs the rest."""
    count = 0
    for stmt in function["Body"].get("Cmd", {}).get("Stmts") or ():
        command = stmt.get("Cmd") or {}
        if command.get("Type") == "CallExpr" and command.get("Args"):
            texts = ["".join(p.get("Value", "") for p in word["Parts"]) for word in command["Args"]]
            if texts[0] == "shift":
                count += int(texts[1]) if len(texts) > 1 and texts[1].isdigit() else 1
    return count


def _cleared(call: Call, item: wrappers.Inner) -> Cleared | None:
    """What is known of the environment in a program that a command runs, where it begins empty."""
    outer = call.context.cleared
    if not item.clears and outer is None:
        return None
    there = item.expanded.union(item.environment, item.kept)
    if item.clears or outer is None:
        return Cleared(call.name, there)
    return Cleared(outer.by, there.union(outer.names, call.environment))
