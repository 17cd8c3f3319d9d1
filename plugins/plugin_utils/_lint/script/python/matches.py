# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The rule unanchored-match for Python: V(in), regular expressions, and the beginnings and ends of texts."""

from __future__ import annotations

import ast
import re
import typing as t

from ...core.model import Hit
from ..checks import records
from ..environment import Surroundings
from .source import Names
from .texts import Texts

#: Methods whose result is a text, and those whose result is a list of texts.
_TEXT_METHODS = re.compile(
    r"\.(read|read_text|decode|strip|rstrip|lstrip|lower|join|readline|communicate)$|check_output$|getoutput$"
)
_LIST_METHODS = re.compile(r"\.(split|rsplit|splitlines|readlines|iterdir|glob)$|(^|\.)(listdir|open|glob|iglob)$")


def check(names: Names, where: Surroundings) -> t.Iterator[Hit]:
    """unanchored-match: if job in line, re.search(job, line), line.startswith(user)."""
    if where.is_init:
        return
    texts = Texts(names)
    kinds = _Kinds(names, texts)
    for node in names.nodes:
        loose = ""
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            if kinds.is_text(node.comparators[0]):
                loose = records.loose_in(texts.text(node.left), "text")
        elif isinstance(node, ast.Call) and node.args:
            name = names.full(node.func)
            if re.fullmatch(r"re\.(search|findall|finditer|sub|split|match|compile)", name):
                loose = records.loose_in(("^" if name == "re.match" else "") + texts.text(node.args[0]), "regex")
            elif name in ("fnmatch.fnmatch", "fnmatch.filter", "fnmatch") and len(node.args) > 1:
                loose = records.loose_in(texts.text(node.args[1]), "glob")
            elif isinstance(node.func, ast.Attribute) and node.func.attr in ("startswith", "endswith"):
                at_start = node.func.attr == "startswith"
                text = texts.text(node.args[0])
                loose = records.loose_in(f"^{text}" if at_start else f"{text}$", "regex")
        if loose:
            line = t.cast(ast.expr, node).lineno
            yield Hit(
                "unanchored-match", line, 1, records.said("the test" if isinstance(node, ast.Compare) else "it", loose)
            )


class _Kinds:
    """Which expressions are a text: there, V(in) finds a part of it; in a list it finds a whole element."""

    def __init__(self, names: Names, texts: Texts) -> None:
        self.texts = texts
        self.files: set[str] = set()
        #: The names of open files, and those that loops over lists of texts use.
        self.files = {
            item.optional_vars.id
            for node in names.nodes
            if isinstance(node, ast.With)
            for item in node.items
            if isinstance(item.optional_vars, ast.Name) and self.is_list(item.context_expr)
        }
        self.items = {
            node.target.id
            for node in names.nodes
            if isinstance(node, (ast.For, ast.comprehension))
            and isinstance(node.target, ast.Name)
            and self.is_list(node.iter)
        }

    def is_text(self, node: ast.expr) -> bool:
        """Whether an expression is one text."""
        node = self.texts.source(node)
        if isinstance(node, ast.Name):
            return node.id in self.items and node.id not in self.texts.values
        if isinstance(node, ast.Subscript):
            return self.is_list(node.value) and not isinstance(node.slice, ast.Slice)
        if isinstance(node, ast.Attribute):
            return node.attr in ("stdout", "stderr", "name")
        return isinstance(node, ast.Call) and _TEXT_METHODS.search(ast.unparse(node.func)) is not None

    def is_list(self, node: ast.expr) -> bool:
        """Whether an expression is a list of texts: lines, words, names of files."""
        node = self.texts.source(node)
        if isinstance(node, ast.Name):
            return node.id in self.files
        return isinstance(node, ast.Call) and _LIST_METHODS.search(ast.unparse(node.func)) is not None
