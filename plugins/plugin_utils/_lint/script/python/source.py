# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""A Python script as its parser sees it, and what its names mean."""

from __future__ import annotations

import ast
import functools
import re
import sys
import typing as t
import warnings

from ...core.model import Hit
from ..knowledge import facts
from . import library

Function = ast.FunctionDef | ast.AsyncFunctionDef

#: What only Python 2 understands, by what the parser says of it.
_OF_PYTHON_2 = re.compile(
    r"Missing parentheses in call to '(print|exec)'|multiple exception types must be parenthesized|leading zeros in decimal"
    r"|inconsistent use of tabs|invalid (decimal|hexadecimal|octal) literal"
)

#: What a newer Python understands, by the line: type X = ..., def f[T](), class C[T], except A, B:, t"...".
_OF_NEWER = re.compile(r"\s*(type\s+\w+.*=|(async\s+)?def\s+\w+\[|class\s+\w+\[|except\*?\s+[\w.]+\s*,|.*\bt[\"'])")


def parse(text: bytes) -> ast.Module:
    """The tree of a script. Raises SyntaxError and ValueError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def verdict(program: str, text: bytes, error: SyntaxError) -> Hit:
    """What is said of a script that cannot be parsed. Another Python may understand it."""
    place = error.lineno or 1, error.offset or 1
    lines = text.decode("utf-8", "replace").split("\n")
    line = lines[place[0] - 1] if place[0] <= len(lines) else ""
    is_newer = _OF_NEWER.match(line) or (sys.version_info < (3, 12) and "f-string" in error.msg)
    is_older = program.startswith("python2") or (not re.search(r"\d", program) and _OF_PYTHON_2.search(error.msg))
    if is_newer or is_older:
        own = f"Python {sys.version_info.major}.{sys.version_info.minor}"
        return Hit("unknown-language", *place, f"{own}, which runs the linter, cannot parse it: {error.msg}")
    return Hit("syntax-error", *place, f"Python: {error.msg}")


def is_empty(tree: ast.Module) -> bool:
    """Whether nothing stands in a script but texts and pass."""
    return all(
        isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in tree.body
    )


class Names:
    """What the names of a script mean."""

    def __init__(self, tree: ast.Module) -> None:
        self.nodes = list(ast.walk(tree))
        #: The calls that made what names stand for: with Session() as session.
        self.makers = dict(pair for node in self.nodes for pair in _makers(node))
        #: The modules of which all names are imported.
        self.whole_modules: list[str] = []
        #: The classes that have something to do when an object is made.
        self.classes = {
            node.name
            for node in self.nodes
            if isinstance(node, ast.ClassDef) and any(getattr(inner, "name", "") == "__init__" for inner in node.body)
        }
        #: Imported names, as their full names: {"run": "subprocess.run", "sp": "subprocess"}.
        self.imported: dict[str, str] = {}
        found: dict[str, list[Function]] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.imported[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                if node.names[0].name == "*":
                    self.whole_modules.append(node.module)
                self.imported.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names})
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found.setdefault(node.name, []).append(node)
        #: The functions and methods with a name of their own.
        self.functions = {name: nodes[0] for name, nodes in found.items() if len(nodes) == 1}

    def full(self, node: ast.expr) -> str:
        """The full name of a function, as its module calls it: os.remove, subprocess.run; empty for others."""
        if isinstance(node, ast.Name):
            return self.imported.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            before = self.full(node.value)
            return f"{before}.{node.attr}" if before else ""
        return ""

    def waits_as(self, node: ast.Call) -> str:
        """The name of a function that may wait, as the table of commands has it; empty for others."""
        name = self.full(node.func)
        if isinstance(node.func, ast.Attribute):
            maker = self.maker(node.func.value)
            name = f"{self.full(maker.func)}.{node.func.attr}" if maker is not None else name
        names = [name] if name.split(".")[0] in self.modules else []
        names += [f"{module}.{name}" for module in self.whole_modules if name not in self.functions]
        return next((full for full in names if facts(full).waits), "")

    def maker(self, node: ast.expr) -> ast.Call | None:
        """The call that made an object."""
        return node if isinstance(node, ast.Call) else self.makers.get(ast.unparse(node))

    def opened(self, node: ast.expr) -> ast.expr | None:
        """The path of the file that a call opens."""
        if not isinstance(node, ast.Call):
            return None
        name = self.full(node.func)
        if name in library.OPENS:
            is_followed = name != "os.open" or "O_APPEND" in ast.unparse(node)
            return argument(node, 0, "file") if is_followed else None
        is_method = isinstance(node.func, ast.Attribute) and node.func.attr == "open" and not node.args[1:]
        is_of_a_module = name.split(".")[0] in self.modules
        return node.func.value if is_method and not is_of_a_module and isinstance(node.func, ast.Attribute) else None

    def mode(self, node: ast.Call) -> str:
        """What a call opens a file for: r, w, a, r+."""
        name = self.full(node.func)
        if name == "os.open":
            return "a"
        return text_of(argument(node, 1 if name in library.OPENS else 0, "mode")) or "r"

    @functools.cached_property
    def limited(self) -> frozenset[str]:
        """The objects that are told how long to wait."""
        return frozenset(
            ast.unparse(node.func.value)
            for node in self.nodes
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in library.SET_LIMIT
        )

    def called(self, node: ast.Call) -> str | None:
        """The script's own function that a call runs."""
        function = node.func
        name = function.id if isinstance(function, ast.Name) else ""
        if name in self.classes:
            name = "__init__"
        if isinstance(function, ast.Attribute) and self.full(function.value).split(".")[0] not in self.modules:
            name = function.attr
        return name if name in self.functions else None

    @functools.cached_property
    def modules(self) -> frozenset[str]:
        """The first names of all modules that the script uses."""
        return frozenset(name.split(".")[0] for name in self.imported.values())

    @functools.cached_property
    def calls(self) -> frozenset[str]:
        """The full names of all functions that are called."""
        return frozenset(self.full(node.func) for node in self.nodes if isinstance(node, ast.Call))

    @functools.cached_property
    def looks_beside(self) -> bool:
        """Whether modules are looked for in the script's own directory: sys.path.insert(0, dirname(__file__))."""
        return any(
            isinstance(node, ast.Call)
            and self.full(node.func) in ("sys.path.insert", "sys.path.append")
            and any(isinstance(inner, ast.Name) and inner.id == "__file__" for inner in ast.walk(node))
            for node in self.nodes
        )

    @functools.cached_property
    def loaded(self) -> frozenset[str]:
        """The names that something reads."""
        return frozenset(
            node.id if isinstance(node, ast.Name) else node.attr
            for node in self.nodes
            if isinstance(node, (ast.Name, ast.Attribute)) and not isinstance(node.ctx, ast.Store)
        )

    @functools.cached_property
    def open_calls(self) -> frozenset[str]:
        """The script's own functions that something else may call, or calls with arguments that are not known."""
        direct = {id(node.func) for node in self.nodes if isinstance(node, ast.Call)}
        found = {
            name for name, node in self.functions.items() if node.decorator_list or node.args.vararg or node.args.kwarg
        }
        for node in self.nodes:
            if isinstance(node, ast.Call):
                name = self.called(node)
                spread = any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords)
                if name is not None and spread:
                    found.add(name)
            elif isinstance(node, (ast.Name, ast.Attribute)) and id(node) not in direct:
                name = node.id if isinstance(node, ast.Name) else node.attr
                if name in self.functions:
                    found.add(name)
        named = {self.called(node) for node in self.nodes if isinstance(node, ast.Call)}
        return frozenset(found | (self.functions.keys() - named))

    @functools.cached_property
    def environments(self) -> frozenset[str]:
        """The names that stand for os.environ, or for a copy of it."""
        return frozenset(
            target.id
            for node in self.nodes
            if isinstance(node, ast.Assign) and self.is_environ(node.value, copies=True)
            for target in node.targets
            if isinstance(target, ast.Name)
        )

    def is_environ(self, node: ast.expr, *, copies: bool = False) -> bool:
        """Whether an expression is os.environ, or a copy of it."""
        if copies and isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Attribute) and function.attr == "copy":
                return self.is_environ(function.value)
            return self.full(function) == "dict" and len(node.args) == 1 and self.is_environ(node.args[0])
        return self.full(node) == "os.environ"

    def stands_for_environ(self, node: ast.expr) -> bool:
        """Whether an expression is os.environ, or a name for it."""
        return self.is_environ(node) or variable(node) in self.environments

    def environment_key(self, node: ast.expr) -> str:
        """The variable of the environment that an expression reads."""
        if isinstance(node, ast.Subscript) and self.stands_for_environ(node.value):
            return text_of(node.slice) if re.fullmatch(r"\w+", text_of(node.slice)) else ""
        if isinstance(node, ast.Call) and node.args:
            function = node.func
            is_get = self.full(function) == "os.getenv" or (
                isinstance(function, ast.Attribute)
                and function.attr in ("get", "pop", "setdefault")
                and self.stands_for_environ(function.value)
            )
            return text_of(node.args[0]) if is_get and re.fullmatch(r"\w+", text_of(node.args[0])) else ""
        return ""

    @functools.cached_property
    def lists(self) -> frozenset[str]:
        """The variables that hold lists of words."""
        return frozenset(
            name
            for node in self.nodes
            if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and _is_list(node.value)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if (name := variable(target))
        )


def _makers(node: ast.AST) -> t.Iterator[tuple[str, ast.Call]]:
    """The names that stand for what a call made."""
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
        yield from ((ast.unparse(target), node.value) for target in node.targets)
    elif isinstance(node, ast.withitem) and node.optional_vars is not None and isinstance(node.context_expr, ast.Call):
        yield ast.unparse(node.optional_vars), node.context_expr


def _is_list(node: ast.expr | None) -> bool:
    return isinstance(node, (ast.List, ast.Tuple)) or (
        isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and (_is_list(node.left) or _is_list(node.right))
    )


def variable(node: ast.expr) -> str:
    """The shell's variable for a name, or for an attribute of self; empty for other targets."""
    name = ""
    if isinstance(node, ast.Name):
        name = f"{node.id}_" if node.id in ("PATH", "IFS", "_") else node.id
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
        name = f"{node.value.id}_{node.attr}"
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def text_of(node: ast.expr | None) -> str:
    """The text that a constant is; empty for others."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def is_none(node: ast.expr | None) -> bool:
    """Whether nothing is given, or None."""
    return node is None or (isinstance(node, ast.Constant) and node.value is None)


def argument(call: ast.Call, position: int, name: str = "") -> ast.expr | None:
    """An argument of a call, by its place or its name."""
    named: t.Iterator[ast.expr] = (keyword.value for keyword in call.keywords if name and keyword.arg == name)
    found = next(named, None)
    if found is None and 0 <= position < len(call.args):
        return call.args[position]
    return found


def method_of(node: ast.Call) -> str:
    """The name of the method that a call is of; empty for a plain function."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else ""


def is_true(node: ast.expr | None) -> bool:
    """Whether True is given."""
    return isinstance(node, ast.Constant) and node.value is True
