# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Which expressions of a script are a text, and which are a list: the operator in finds a part of a text, and whole entries of a list."""

from __future__ import annotations

import ast

from . import library
from .source import Names, method_of

_DEPTH = 4


class Kinds:
    """The texts and the lists of texts, as far as they are sure."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.values: dict[str, list[ast.expr]] = {}
        for node in names.nodes:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self.values.setdefault(target.id, []).append(node.value)
        #: The names of open files, and those that loops over lists use.
        self.files = {
            node.optional_vars.id
            for node in names.nodes
            if isinstance(node, ast.withitem)
            and isinstance(node.optional_vars, ast.Name)
            and self.is_list(node.context_expr)
        }
        self.entries = {
            node.target.id
            for node in names.nodes
            if isinstance(node, (ast.For, ast.comprehension))
            and isinstance(node.target, ast.Name)
            and self.is_list(node.iter)
        }

    def is_text(self, node: ast.expr, depth: int = _DEPTH) -> bool:
        """Whether an expression is one text."""
        if isinstance(node, ast.Name):
            values = self.values.get(node.id, [])
            if not values or not depth:
                return node.id in self.entries
            return all(self.is_text(value, depth - 1) for value in values)
        if isinstance(node, ast.Subscript):
            return self.is_list(node.value) and not isinstance(node.slice, ast.Slice)
        if isinstance(node, ast.Attribute):
            return node.attr in library.TEXT_ATTRIBUTES
        if isinstance(node, ast.Call):
            return method_of(node) in library.TEXT_METHODS or self.names.full(node.func) in library.PRINTS
        return isinstance(node, ast.JoinedStr)

    def is_list(self, node: ast.expr, depth: int = _DEPTH) -> bool:
        """Whether an expression is a list of texts: lines, words, names of files."""
        if isinstance(node, ast.Name):
            values = self.values.get(node.id, [])
            if len(values) == 1 and depth:
                return self.is_list(values[0], depth - 1)
            return node.id in self.files
        if isinstance(node, ast.Call) and self.names.opened(node) is None:
            return method_of(node) in library.LIST_METHODS or self.names.full(node.func) in library.LISTS
        return isinstance(node, ast.Call)
