# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""A Python script as its calls: which function of which module each of them is, whatever name the script has for it."""

from __future__ import annotations

import ast
import re
import typing as t
import warnings


class Source:
    """The calls of a script, and what its names stand for."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.tree = tree
        self.nodes = list(ast.walk(tree))
        self.calls = [node for node in self.nodes if isinstance(node, ast.Call)]
        self._imported = dict(pair for node in self.nodes for pair in _imports(node))
        self._own = {node.name for node in self.nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        self._stars = [
            n.module for n in self.nodes if isinstance(n, ast.ImportFrom) and n.names[0].name == "*" and n.module
        ]
        self._objects: dict[str, list[ast.Call]] = {}
        for target, value in (pair for node in self.nodes for pair in _bindings(node)):
            self._objects.setdefault(target, []).append(value)

    def called(self, call: ast.Call) -> str:
        """The full name of what is called: V(subprocess.run), V(socket.socket().connect); empty for the script's own."""
        return self._name(ast.unparse(call.func), 3)

    def made(self, call: ast.Call) -> list[ast.Call]:
        """The calls that made the object whose method is called."""
        return self._objects.get(ast.unparse(call.func).rpartition(".")[0], [])

    def _name(self, dotted: str, depth: int) -> str:
        owner, _dot, method = dotted.rpartition(".")
        if owner in self._objects and depth:
            return f"{self._name(ast.unparse(self._objects[owner][-1].func), depth - 1)}().{method}"
        first, dot, rest = dotted.partition(".")
        if first in self._imported:
            return self._imported[first] + dot + rest
        if first in self._own:
            return ""
        return f"{self._stars[0]}.{dotted}" if self._stars and not dot else dotted


def parse(content: bytes) -> Source:
    """A script; SyntaxError or ValueError when Python cannot parse it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Source(ast.parse(content))


def read(content: bytes) -> Source | None:
    """A script that Python can parse."""
    try:
        return parse(content)
    except (SyntaxError, ValueError):
        return None


def _imports(node: ast.AST) -> t.Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import):
        # import a.b makes the name a.
        yield from ((a.asname, a.name) if a.asname else (a.name.split(".")[0],) * 2 for a in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def _bindings(node: ast.AST) -> t.Iterator[tuple[str, ast.Call]]:
    """The names that stand for what a call made."""
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
        yield from ((ast.unparse(target), node.value) for target in node.targets)
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        for item in node.items:
            if item.optional_vars is not None and isinstance(item.context_expr, ast.Call):
                yield ast.unparse(item.optional_vars), item.context_expr


def text(node: ast.expr, unknown: str) -> str:
    """A string with O(unknown) for what is not fixed: f"a {b}", "a %s" % b, "a" + b, "a {}".format(b)."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text(part, unknown) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return _filled(r"%\(?\w*\)?[sdr]", text(node.left, unknown), unknown)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text(node.left, unknown) + text(node.right, unknown)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return _filled(r"\{\w*\}", text(node.func.value, unknown), unknown)
    return unknown


def _filled(field: str, template: str, unknown: str) -> str:
    return re.sub(field, lambda _match: unknown, template)


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The value of a keyword argument."""
    return next((given.value for given in call.keywords if given.arg == name), None)
