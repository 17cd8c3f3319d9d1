# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Where a status comes from: of a list of statements, of a saved $?, of an exit that passes it on."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ..core.model import Place
from .guards import cannot_fail, is_always
from .parser import Node, nodes

#: Deep enough for functions that call each other; a loop of calls ends here.
_DEPTH = 8


@dataclasses.dataclass(frozen=True)
class Origin:
    """A statement whose status becomes the status in question."""

    node: Node
    #: The A && B that it guards: it counts when A is false.
    guarded: Node | None = None
    #: The exit or return that passes it on by hand.
    exit: Node | None = None


@dataclasses.dataclass(frozen=True)
class Step:
    """A statement, and the one whose status it finds in $?."""

    node: Node
    before: Node | None
    function: str | None
    #: It runs only after some outcome of another command.
    is_conditional: bool


@dataclasses.dataclass(frozen=True)
class Saved:
    """A variable that keeps a status."""

    name: str
    step: Step
    line: int
    column: int


class Statuses:
    """The ways of statuses through a script. O(statements) are those of the file, O(functions) its functions."""

    def __init__(self, statements: t.Sequence[Node], functions: t.Mapping[str, Node]) -> None:
        self.functions = functions
        self.statements = statements
        self.steps = _entered(list(steps(statements)), functions)
        self.saved = [saved for step in self.steps for saved in _saves(step)]
        #: The returns by their functions.
        self.returns: dict[str | None, list[Step]] = {}
        for step in self.steps:
            if first_word(step.node) == "return":
                self.returns.setdefault(step.function, []).append(step)
        self._known: dict[tuple[int, int], list[Origin]] = {}

    def of_script(self) -> t.Iterator[Origin]:
        """The statements that decide the status of the script by running last."""
        return self._of_list(self.statements, _DEPTH)

    def handed_on(self) -> t.Iterator[Origin]:
        """The statements whose status an exit passes on by hand, wherever it stands."""
        for step in self.steps:
            if first_word(step.node) == "exit":
                yield from self._handed_on_by(step, _DEPTH)

    def of_statement(self, node: Node) -> t.Iterable[Origin]:
        """The statements that decide the status of a statement."""
        return self._of(node, _DEPTH)

    def _of_list(self, statements: t.Sequence[Node], depth: int) -> t.Iterator[Origin]:
        for last in reversed(statements):
            if (last.get("Cmd") or {}).get("Type") == "FuncDecl":
                continue
            if first_word(last) in ("exit", "return"):
                arguments = last["Cmd"]["Args"][1:]
                if not arguments or variable(arguments[0]) == "?":
                    continue
                return
            yield from self._of(last, depth)
            return

    def _of(self, node: Node, depth: int) -> t.Iterable[Origin]:
        """Each of them once, by however many calls a way leads there."""
        key = id(node), depth
        if key not in self._known:
            found = {(id(o.node), id(o.guarded), id(o.exit)): o for o in self._ways_to(node, depth)}
            self._known[key] = list(found.values())
        return self._known[key]

    def _ways_to(self, node: Node, depth: int) -> t.Iterator[Origin]:
        command = node.get("Cmd") or {}
        kind = command.get("Type")
        if depth == 0 or node.get("Background") or not command:
            return
        if kind == "BinaryCmd" and command["Op"] == "&&":
            yield from (Origin(left, guarded=node) for left in _joined(command["X"]) if not cannot_fail(left))
        for part in self._deciding(node):
            yield from self._of_list(part, depth - 1)
        if kind == "CallExpr" and command.get("Args"):
            if first_word(node) not in self.functions:
                yield Origin(node)
            for step in self.returns.get(first_word(node), ()):
                yield from self._handed_on_by(step, depth - 1)
        elif kind in ("TestClause", "ArithmCmd", "LetClause"):
            yield Origin(node)

    def _deciding(self, node: Node) -> t.Iterator[t.Sequence[Node]]:
        """The lists of statements in a statement of which the last one that runs decides its status."""
        command = node.get("Cmd") or {}
        kind = command.get("Type")
        if node.get("Type") == "CmdSubst":
            yield node.get("Stmts") or ()
        elif kind in ("Block", "Subshell"):
            yield command.get("Stmts") or ()
        elif kind == "IfClause":
            clause: Node | None = command
            while clause:
                yield clause.get("Then") or ()
                clause = clause.get("Else")
        elif kind in ("WhileClause", "ForClause"):
            yield command.get("Do") or ()
        elif kind == "CaseClause":
            yield from (item.get("Stmts") or () for item in command.get("Items") or ())
        elif kind == "BinaryCmd":
            yield [command["Y"]]
        elif kind == "TimeClause" and command.get("Stmt"):
            yield [command["Stmt"]]
        elif kind == "CallExpr" and command.get("Args"):
            function = self.functions.get(first_word(node))
            yield [function["Body"]] if function is not None else ()
        elif kind == "CallExpr":
            # x=$(command): the status of the last substitution.
            for found in _last_substitution(command):
                yield from self._deciding(found)

    def passing(self, asked: t.Iterable[Node]) -> t.Iterator[Node]:
        """Statements, and the parts of them whose status becomes their own, as far as they are statements or substitutions."""
        rest = [(node, _DEPTH) for node in asked]
        seen: set[tuple[int, int]] = set()
        while rest:
            node, depth = rest.pop()
            if (id(node), depth) in seen:
                continue
            seen.add((id(node), depth))
            yield node
            yield from _last_substitution(node.get("Cmd") or {})
            for part in self._deciding(node) if depth else ():
                last = [other for other in part if (other.get("Cmd") or {}).get("Type") != "FuncDecl"][-1:]
                rest += [(other, depth - 1) for other in last]

    @functools.cached_property
    def assigned(self) -> frozenset[int]:
        """The ids of the substitutions whose status is that of their assignment."""
        return frozenset(id(found) for step in self.steps for found in _last_substitution(step.node.get("Cmd") or {}))

    @functools.cached_property
    def heard(self) -> frozenset[int]:
        """The ids of the nodes whose status somebody looks at: a condition, $? behind it, the end of the script."""
        asked = [{"Cmd": {"Type": "Block", "Stmts": self.statements}}]
        for step in self.steps:
            command = step.node.get("Cmd") or {}
            kind = command.get("Type")
            if kind in ("IfClause", "WhileClause"):
                asked += (command.get("Cond") or [])[-1:]
            elif kind == "BinaryCmd" and command["Op"] in ("&&", "||"):
                asked.append(command["X"])
            if step.node.get("Negated"):
                asked.append(step.node)
            if step.before is not None and _has_status(step.node):
                asked.append(step.before)
        return frozenset(id(part) for part in self.passing(asked))

    def _handed_on_by(self, step: Step, depth: int) -> t.Iterator[Origin]:
        """The statements whose status V(exit $?) or V(exit $name) passes on."""
        arguments = step.node["Cmd"]["Args"][1:]
        name = variable(arguments[0]) if arguments else "?"
        sources = [step.before] if name == "?" else [saved.step.before for saved in self._seen(name, step)]
        for source in sources:
            if source is not None and not source.get("Negated"):
                for origin in self._of(source, depth):
                    yield dataclasses.replace(origin, guarded=None, exit=step.node)

    def _seen(self, name: str | None, at: Step) -> t.Iterator[Saved]:
        """The places that may have saved the status that a variable holds here, the nearest first."""
        place = position(at.node)
        found = [saved for saved in self.saved if saved.name == name]
        same = [s for s in found if s.step.function == at.function and (s.line, s.column) < place]
        for saved in reversed(same or found):
            yield saved
            if not saved.step.is_conditional:
                return


def position(node: Node) -> tuple[int, int]:
    """Line and column."""
    return node["Pos"]["Line"], node["Pos"]["Col"]


def end(node: Node) -> tuple[int, int]:
    """Line and column behind it."""
    return node["End"]["Line"], node["End"]["Col"]


def holds(node: Node, place: Place) -> bool:
    """Whether something stands in a part of the tree."""
    return position(node) <= (place.line, place.column) < end(node)


def first_word(node: Node) -> str:
    """The fixed text of a command's name."""
    arguments = (node.get("Cmd") or {}).get("Args") or []
    return literal(arguments[0]) if arguments else ""


def literal(word: Node) -> str:
    """The fixed text of a word."""
    parts = word.get("Parts") or ()
    return "".join(literal(part) if part["Type"] == "DblQuoted" else part.get("Value", "") for part in parts)


def variable(word: Node | None) -> str | None:
    """The variable that a word consists of: V($rc), V("${rc}"), V($?)."""
    parts = _unquoted(word)
    if len(parts) != 1 or parts[0]["Type"] != "ParamExp" or parts[0].get("Exp"):
        return None
    name: str | None = (parts[0].get("Param") or {}).get("Value")
    return name


def _unquoted(word: Node | None) -> list[Node]:
    parts: list[Node] = (word or {}).get("Parts") or []
    return (parts[0].get("Parts") or []) if len(parts) == 1 and parts[0]["Type"] == "DblQuoted" else parts


def substitutions(word: Node | None) -> list[Node]:
    """The command substitutions that a word is made of."""
    return [part for part in _unquoted(word) if part["Type"] == "CmdSubst"]


def _last_substitution(command: Node) -> list[Node]:
    """The substitution that decides the status of an assignment."""
    if command.get("Type") != "CallExpr" or command.get("Args"):
        return []
    return [s for item in command.get("Assigns") or () for s in substitutions(item.get("Value"))][-1:]


def _has_status(node: Node) -> bool:
    """Whether a statement has $? in it, as far as it runs at once."""
    command = node.get("Cmd") or {}
    parts = (command.get("Cond") or [])[:1] if command.get("Type") in ("IfClause", "WhileClause") else command
    return any((part.get("Param") or {}).get("Value") in ("?", "PIPESTATUS") for part in nodes(parts))


def _joined(node: Node) -> t.Iterator[Node]:
    """The commands of A && B && C."""
    command = node.get("Cmd") or {}
    if command.get("Type") == "BinaryCmd" and command["Op"] == "&&":
        yield from _joined(command["X"])
        yield from _joined(command["Y"])
    else:
        yield node


def _entered(found: list[Step], functions: t.Mapping[str, Node]) -> list[Step]:
    """The steps, of which the first of a function that is called once finds in $? what its call finds there."""
    sites: dict[str, list[Step]] = {}
    for step in found:
        sites.setdefault(first_word(step.node), []).append(step)
    entries: dict[int, Node | None] = {}
    for name, function in functions.items():
        here = sites.get(name, [])
        if len(here) == 1:
            entries.update((id(node), here[0].before) for node in _first_of(function["Body"]))
    before = [(step, entries.get(id(step.node), step.before)) for step in found]
    return [dataclasses.replace(step, before=_last_of(node) if node is not None else None) for step, node in before]


def _last_of(node: Node) -> Node:
    """The statement whose status a statement has, where that is plain."""
    command = node.get("Cmd") or {}
    inner = command.get("Stmts") if command.get("Type") == "Block" else None
    if command.get("Type") == "IfClause" and is_always(command.get("Cond")):
        inner = command.get("Then")
    is_plain = not node.get("Negated") and not node.get("Background") and not node.get("Redirs")
    return _last_of(inner[-1]) if inner and is_plain else node


def _first_of(node: Node) -> t.Iterator[Node]:
    """A statement, and those inside of it that nothing runs before."""
    yield node
    command = node.get("Cmd") or {}
    key = {"Block": "Stmts", "Subshell": "Stmts", "IfClause": "Cond", "WhileClause": "Cond"}.get(
        command.get("Type", "")
    )
    inner = (command.get(key) or [])[:1] if key else [command["X"]] if command.get("Type") == "BinaryCmd" else []
    for first in inner:
        yield from _first_of(first)


def _saves(step: Step) -> t.Iterator[Saved]:
    """The variables that a statement puts $? into."""
    command = step.node.get("Cmd") or {}
    assignments = command.get("Assigns") or [] if command.get("Type") == "CallExpr" and not command.get("Args") else []
    if command.get("Type") == "DeclClause":
        assignments = command.get("Args") or []
    for assignment in assignments:
        if assignment.get("Name") and variable(assignment.get("Value")) == "?":
            line, column = position(assignment)
            yield Saved(assignment["Name"]["Value"], step, line, column)


def steps(
    statements: t.Iterable[Node] | None,
    before: Node | None = None,
    function: str | None = None,
    conditional: bool = False,
) -> t.Iterator[Step]:
    """Every statement of a list, and those inside of it."""
    for node in statements or ():
        yield Step(node, before, function, conditional)
        yield from _inside(node, before, function, conditional)
        before = node


def _inside(node: Node, before: Node | None, function: str | None, conditional: bool) -> t.Iterator[Step]:
    command = node.get("Cmd") or {}
    kind = command.get("Type")
    if kind in ("Block", "Subshell"):
        yield from steps(command.get("Stmts"), before, function, conditional)
    elif kind in ("IfClause", "WhileClause"):
        conditions: list[Node] = command.get("Cond") or []
        asked = conditions[-1] if conditions else before
        yield from steps(conditions, before, function, conditional)
        for key in ("Then", "Do"):
            yield from steps(command.get(key), asked, function, True)
        if command.get("Else"):
            yield from _inside({"Cmd": {"Type": "IfClause", **command["Else"]}}, asked, function, True)
    elif kind == "ForClause":
        yield from steps(command.get("Do"), None, function, True)
    elif kind == "CaseClause":
        for item in command.get("Items") or ():
            yield from steps(item.get("Stmts"), before, function, True)
    elif kind == "BinaryCmd" and command["Op"] in ("&&", "||"):
        yield from steps([command["X"]], before, function, conditional)
        yield from steps([command["Y"]], command["X"], function, True)
    elif kind == "BinaryCmd":
        yield from steps([command["X"]], None, function, conditional)
        yield from steps([command["Y"]], None, function, conditional)
    elif kind == "FuncDecl":
        yield from steps([command["Body"]], None, command["Name"]["Value"], False)
