# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""A shell script as the commands that run in it, and the questions that checks ask of it.

walker.py fills a Program: which command really runs (through variables, wrappers such as sudo or timeout, eval,
sh -c, here-documents fed to a shell, functions), under which conditions, where its output goes, which variables are
read and set. What stands in a comment, a string or a function that nobody calls is not there, for it does not run.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import typing as t

from .parser import Node


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
    operand: Word | None = None
    #: The commands inside $(...) or $((...)), as far as they are plain.
    commands: tuple[Call, ...] = ()
    #: The number of an array's element; a question mark when it is not fixed.
    index: str = ""
    #: Something made sure that it is not empty.
    is_sure: bool = False
    #: What $((...)) works out.
    expression: Node | None = dataclasses.field(default=None, compare=False)


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

    def without(self, length: int) -> Word:
        """The word without its first characters, which are fixed text."""
        first = self.pieces[0]
        return dataclasses.replace(
            self, pieces=(dataclasses.replace(first, text=first.text[length:]), *self.pieces[1:])
        )

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
    "command": lambda _: "$(...)",
    "number": lambda _: "$((...))",
}


# -------------------------------------------------------------------------------------------- what happens in a script


@dataclasses.dataclass(frozen=True)
class Redirect:
    """Where a command's input comes from or its output goes."""

    operator: str
    fd: str
    target: Word
    #: The circumstances without it.
    context: Context
    sequence: int
    #: The text of a here-document or here-string.
    body: Word | None = None


@dataclasses.dataclass(frozen=True)
class Cleared:
    """An environment without the variables of the script: behind su -, sudo -i, env -i."""

    by: str
    #: The names that are there all the same: handed over, or expanded before.
    names: frozenset[str]


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
    #: The number of the background process that it belongs to; 0 when the script waits for it.
    background: int = 0
    #: Seconds of a timeout around it; 0 when there is one whose length is not known.
    bound: float | None = None
    #: The user that sudo, su or runuser made it run as.
    user: str | None = None
    #: (number, position, length) of the pipeline that it is part of.
    pipeline: tuple[int, int, int] | None = None
    errexit: bool = False
    nounset: bool = False
    pipefail: bool = False
    #: The code that the trap on EXIT, or on ERR, ends the script with; None when there is no such code.
    on_exit: int | None = None
    on_error: int | None = None
    #: Inside $( ) or ` `.
    substituted: bool = False
    #: The subshells around it, outermost first: what is set in one of them ends with it.
    shells: tuple[int, ...] = ()
    #: Written in a string that a shell was given: eval, sh -c, trap.
    in_text: bool = False
    #: An assignment's value, not a command's own status: local x=$(...).
    declared: bool = False
    #: Runs when the script ends, or between other commands: what trap was given.
    deferred: bool = False
    #: It is sh that reads it, not bash.
    posix: bool = False
    #: It starts with an empty environment.
    cleared: Cleared | None = None

    @property
    def fails(self) -> bool:
        """Whether a command that fails here, and that nobody asks, makes the script fail."""
        codes = [code for code in (self.on_exit, self.on_error) if code is not None]
        return (self.errexit or self.on_error is not None) and codes[:1] != [0]

    def reaches(self, other: Context) -> bool:
        """Whether what is set here has not ended with its subshell there, in the same function."""
        return other.shells[: len(self.shells)] == self.shells


#: Their options are words behind one dash: -pl is no -p -l.
_ONE_DASH = frozenset({"nvidia-smi", "find"})


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
    environment: t.Mapping[str, Word] = dataclasses.field(default_factory=dict, compare=False)

    @property
    def arguments(self) -> tuple[Word, ...]:
        """The words after the command itself."""
        return self.words[1:]

    @property
    def texts(self) -> list[str]:
        """The arguments as text, $name where not fixed."""
        return [word.shown for word in self.words[1:]]

    @property
    def literals(self) -> list[str]:
        """The arguments that are fixed."""
        return [text for text in (word.literal for word in self.words[1:]) if text is not None]

    def has_option(self, *names: str) -> bool:
        """Whether an option is given: V(--long), V(--long=x), V(-s), V(s) in a cluster such as V(-xs), V(+x=1) for V(+x=)."""
        for text in self.texts:
            for name in names:
                if name.startswith("--"):
                    if text == name or text.startswith(name + "="):
                        return True
                elif name.endswith("="):
                    if text.startswith(name):
                        return True
                elif text == name or (
                    len(name) == 2
                    and self.name not in _ONE_DASH
                    and re.match(r"-[A-Za-z0-9]*" + re.escape(name[1]), text)
                    and not text.startswith("--")
                ):
                    return True
        return False

    def values_of(self, *names: str) -> list[Word]:
        """The values of options: V(--long x), V(--long=x), V(-s x), V(-xs x), V(-sx), and V(of=x) for V(of=)."""
        found: list[Word] = []
        for position, word in enumerate(self.arguments):
            text = word.shown
            for name in names:
                joined = name if name.endswith("=") else name + "=" if name.startswith("--") else name
                is_cluster = len(name) == 2 and re.fullmatch(r"-[A-Za-z]*" + re.escape(name[1]), text)
                if text == name or is_cluster:
                    found += self.arguments[position + 1 : position + 2]
                elif text.startswith(joined) and len(name) != 1 and word.pieces[0].text.startswith(joined):
                    found.append(word.without(len(joined)))
        return found


@dataclasses.dataclass(frozen=True)
class Assignment:
    """A variable gets a value."""

    name: str
    #: None when the value comes from read, a loop counter or an unknown place.
    value: Word | None
    kind: t.Literal["assign", "append", "array", "for", "read", "declare", "number", "default"]
    line: int
    column: int
    context: Context
    sequence: int
    #: The elements of an array, the items of a for loop.
    items: tuple[Word, ...] = ()
    exported: bool = False
    #: The last name of a read: what is left of the line, spaces included.
    takes_the_rest: bool = False
    #: += : what the variable has stays in it.
    added: bool = False
    #: What an arithmetic command works out for it.
    expression: Node | None = dataclasses.field(default=None, compare=False)


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
    #: The script asks whether it is there; ${x:-default} asks nothing.
    asking: bool = False


@dataclasses.dataclass(frozen=True)
class Write:
    """A redirection into a file."""

    target: Word
    context: Context
    sequence: int
    operator: str


@dataclasses.dataclass(frozen=True)
class Test:
    """A test or an arithmetic command: [ ], [[ ]], (( )), let."""

    kind: t.Literal["test", "arithmetic"]
    line: int
    column: int
    context: Context
    sequence: int
    node: Node


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A test of one word or two: [ -e a ], [[ a == b ]], a pattern of a case."""

    #: V(case) for a pattern of a case, which follows the word that it is for.
    operator: str
    words: tuple[Word, ...]
    line: int
    column: int
    context: Context
    sequence: int


@dataclasses.dataclass(frozen=True)
class Operand:
    """An expansion in arithmetic that must leave something: 2 * $x."""

    piece: Piece
    line: int
    column: int
    context: Context
    sequence: int


class Point(t.Protocol):
    """Anything that happens at some point of a script."""

    @property
    def context(self) -> Context:
        """Its circumstances."""

    @property
    def sequence(self) -> int:
        """Its place in the walk."""


@dataclasses.dataclass(frozen=True)
class Moment:
    """A point of a script at which nothing else is noted."""

    context: Context
    sequence: int
    #: Where the statement ends that begins here: it says nothing of what stands in it.
    end: int = 0


@dataclasses.dataclass(frozen=True)
class Subshell:
    """A process of its own for a part of the script; an exit in it ends nothing more."""

    kind: t.Literal["( )", "|", "&", "$( )", "<( )", "text"]
    #: The statement, or the substitution, whose status is the subshell's.
    node: Node
    #: The circumstances of that.
    context: Context
    #: A part of a pipeline that is not its last one has no say in the status.
    is_last: bool = True


@dataclasses.dataclass(frozen=True)
class Loop:
    """A loop: for, while, until."""

    sequence: int
    line: int
    column: int
    context: Context
    node: Node
    #: What stands between while and done.
    text: str
    #: The sequence numbers of its body, which follows the condition, and of its end.
    body: int
    end: int

    @property
    def ends_by_itself(self) -> bool:
        """Whether a list or a head ends it. for ((;;)) ends from inside only, as while true does."""
        loop = self.node.get("Loop") or {}
        return bool(loop) and (loop["Type"] == "WordIter" or bool(loop.get("Cond")))


#: Of more calls of one function the first ones tell enough.
_MOST_CALLS = 16


def _moment(at: Point) -> tuple[bool, int]:
    """The place of a point in its function; what a trap runs comes after everything."""
    return at.context.deferred, at.sequence


class Program:
    """What a script does: its calls, assignments, uses of variables and loops, in the order of their walk."""

    def __init__(self, source: bytes, tree: Node) -> None:
        self.source = source
        self.tree = tree
        self.calls: list[Call] = []
        self.assignments: dict[str, list[Assignment]] = {}
        self.uses: list[Use] = []
        self.loops: list[Loop] = []
        self._known_calls: dict[str, list[tuple[Point, ...]]] = {}
        self._in_subshells: dict[tuple[str, int], bool] = {}
        #: The branches of if and case by their guards: where the conditions begin that lead there.
        self.branches: dict[int, int] = {}
        #: By their numbers, which Context.shells has.
        self.subshells: dict[int, Subshell] = {}
        self.functions: dict[str, Node] = {}
        #: The functions that something calls, with the points of their calls.
        self.called: dict[str, list[Moment]] = {}
        #: The variables that are a function's own: (function, name).
        self.local: set[tuple[str | None, str]] = set()
        #: The points from which on a variable has a value, if it had one of an earlier assignment.
        self.guarded: dict[str, list[Moment]] = {}
        #: The points that no earlier assignment passes, for each way through sets the variable.
        self.replaced: dict[str, list[Moment]] = {}
        self.writes: list[Write] = []
        self.redirects: list[Redirect] = []
        self.tests: list[Test] = []
        self.comparisons: list[Comparison] = []
        self.operands: list[Operand] = []
        #: The code that the trap on EXIT has for the last command.
        self.on_exit: int | None = None
        #: The file only declares functions, for other scripts to call.
        self.is_library = False
        #: Names that are declared without a value, or that a redirection sets.
        self.declared: set[str] = set()
        #: Arrays whose subscripts are texts: declare -A.
        self.maps: set[str] = set()
        #: Variables that hold numbers only: declare -i.
        self.integers: set[str] = set()
        #: Something sets variables whose names are not known: a file that it reads, eval, export "$name=x".
        self.sets_unknown = False

    @property
    def statements(self) -> list[Node]:
        """The statements of the file itself."""
        found: list[Node] = self.tree.get("Stmts", [])
        return found

    def precedes(self, first: Point, second: Point) -> bool:
        """Whether something may have run before something else: a function runs where it is called, a trap at the end."""
        if first.context.function == second.context.function:
            return _moment(first) < _moment(second)
        return any(True for _ways in self._orders(first, second))

    def lasts(self, first: Point, second: Point) -> bool:
        """Whether a setting of the shell, such as its directory, was made before, and not in a subshell that has ended."""
        for before, after in self._orders(first, second):
            same = sum(1 for one, other in zip(before, after, strict=False) if one is other)
            if before[same].context.reaches(after[same].context) and not any(
                p.context.shells for p in before[same + 1 :]
            ):
                return True
        return False

    def _orders(self, first: Point, second: Point) -> t.Iterator[tuple[tuple[Point, ...], tuple[Point, ...]]]:
        """The ways to two points, each through the calls of functions, on which the first comes before the second."""
        for before in self._calls_to(first.context.function, frozenset()):
            for after in self._calls_to(second.context.function, frozenset()):
                if [*map(_moment, before), _moment(first)] < [*map(_moment, after), _moment(second)]:
                    yield (*before, first), (*after, second)

    def _calls_to(self, function: str | None, inside: frozenset[str]) -> list[tuple[Point, ...]]:
        """The ways to a function: the call in the file, the one in the function that this one calls, and so on."""
        if function is None:
            return [()]
        if function not in self._known_calls:
            self._known_calls[function] = [
                (*way, site)
                for site in self.called.get(function, ())[:_MOST_CALLS]
                if site.context.function not in inside | {function}
                for way in self._calls_to(site.context.function, inside | {function})
            ][:_MOST_CALLS] or [()]
        return self._known_calls[function]

    def in_subshell(self, at: Point, depth: int = 6) -> bool:
        """Whether a point lies in a subshell, or in a function that runs in subshells only."""
        return bool(at.context.shells) or (depth > 0 and self._only_in_subshells(at.context.function or "", depth - 1))

    def _only_in_subshells(self, function: str, depth: int) -> bool:
        key = function, depth
        if key not in self._in_subshells:
            sites = self.called.get(function, ())
            self._in_subshells[key] = bool(sites) and all(self.in_subshell(site, depth) for site in sites)
        return self._in_subshells[key]

    def named(self, *names: str) -> list[Call]:
        """The calls of these commands."""
        return [call for call in self.calls if call.name in names]

    def calls_in(self, function: str | None) -> list[Call]:
        """The calls that a function makes itself."""
        return self._calls_by_function.get(function, [])

    def stages(self, at: Point) -> list[Call]:
        """Every command of the pipeline that something stands in."""
        return self._stages.get(at.context.pipeline[0], []) if at.context.pipeline else []

    @functools.cached_property
    def mentioned(self) -> frozenset[str]:
        """Every fixed argument, and every variable in front of a command. For the checks, too."""
        return frozenset(text for call in self.calls for text in (*call.environment, *call.literals))

    @functools.cached_property
    def _stages(self) -> dict[int, list[Call]]:
        """For the checks, which begin when all calls are noted."""
        found: dict[int, list[Call]] = {}
        for call in self.calls:
            if call.context.pipeline:
                found.setdefault(call.context.pipeline[0], []).append(call)
        return found

    @functools.cached_property
    def _calls_by_function(self) -> dict[str | None, list[Call]]:
        """For the checks, which begin when all calls are noted."""
        found: dict[str | None, list[Call]] = {}
        for call in self.calls:
            found.setdefault(call.context.function, []).append(call)
        return found

    @functools.cached_property
    def _uses_by_name(self) -> dict[str, list[Use]]:
        """For the checks, which begin when all uses are noted."""
        found: dict[str, list[Use]] = {}
        for use in self.uses:
            found.setdefault(use.name, []).append(use)
        return found

    @functools.cached_property
    def _calls_by_place(self) -> dict[tuple[int, int], Call]:
        """For the checks: what stands in the script itself, without what a command runs in turn."""
        return {(c.line, c.column): c for c in self.calls if not c.via and not c.context.in_text}

    def call_at(self, command: Node) -> Call | None:
        """The call of a command of the tree."""
        return self._calls_by_place.get((command["Pos"]["Line"], command["Pos"]["Col"]))

    def uses_of(self, name: str) -> list[Use]:
        """Every place that reads a variable."""
        return self._uses_by_name.get(name, [])
