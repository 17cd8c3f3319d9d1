# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""What a Python script takes from os.environ."""

from __future__ import annotations

import ast
import typing as t

from ..foreign_variables import Read
from .source import Names, text_of


def reads(names: Names) -> list[Read]:
    """The variables that a script reads, in the order of its lines."""
    nodes = names.nodes
    asked = {
        id(inner) for node in nodes if isinstance(node, (ast.If, ast.IfExp, ast.While)) for inner in ast.walk(node.test)
    }
    # A script that catches the error, or asks first, knows what it does.
    caught = {
        id(inner)
        for node in nodes
        if isinstance(node, ast.Try) and node.handlers
        for statement in node.body
        for inner in ast.walk(statement)
    }
    known = {name for node in nodes for name in _known(names, node)}
    found = []
    for node in nodes:
        name, is_required, has_default = _read(names, node)
        answered = id(node) in (caught if is_required else asked)
        if name and name not in known and not answered:
            found.append(Read(name, node.lineno, node.col_offset + 1, is_required, has_default))  # type: ignore[attr-defined]
    return sorted(found, key=lambda read: (read.line, read.column))


def _read(names: Names, node: ast.AST) -> tuple[str, bool, bool]:
    """The name that a node reads, whether it must be there, whether there is a default; an empty name for other nodes."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and names.stands_for_environ(node.value):
        return text_of(node.slice), True, False
    if isinstance(node, ast.Call) and node.args:
        function = node.func
        is_get = (
            isinstance(function, ast.Attribute) and function.attr == "get" and names.stands_for_environ(function.value)
        )
        if is_get or names.full(function) == "os.getenv":
            return text_of(node.args[0]), False, len(node.args) > 1 or bool(node.keywords)
    return "", False, False


def _known(names: Names, node: ast.AST) -> t.Iterator[str]:
    """The names that a node sets, or asks for by "X" in os.environ."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and names.stands_for_environ(node.value):
        yield text_of(node.slice)
    elif isinstance(node, ast.Compare) and any(names.stands_for_environ(other) for other in node.comparators):
        yield text_of(node.left)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("environ.setdefault") and node.args:
        yield text_of(node.args[0])
