# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The rule unanchored-match for Python: a name or a number that is looked for in a text with the operator in."""

from __future__ import annotations

import ast
import re
import typing as t

from ...core.model import Hit
from ..environment import Surroundings
from .source import Names, text_of

#: Names for a job or its owner.
_IDENTITY = re.compile(
    r"(?i)\b(slurm_)?(job_?(id|user|uid)?|array_job_id|user(name)?|uid)\b|SLURM_JOB_(USER|UID|ID)|SLURM_JOBID"
)

#: What answers with a list; in a list a whole entry must be the same.
_LISTS = frozenset(["split", "rsplit", "splitlines", "readlines", "keys", "values", "items", "findall", "partition"])
_TEXTS = frozenset(
    [
        "strip",
        "rstrip",
        "lstrip",
        "decode",
        "lower",
        "upper",
        "read",
        "read_text",
        "readline",
        "group",
        "join",
        "replace",
        "name",
    ]
)


def check(names: Names, where: Surroundings) -> t.Iterator[Hit]:
    """unanchored-match: entries are picked by a job's number, or a user's name, that is also a part of others."""
    if where.is_init:
        return
    texts = set(_line_variables(names))
    for node in names.nodes:
        tests = (
            [node.test]
            if isinstance(node, (ast.If, ast.IfExp))
            else node.ifs
            if isinstance(node, ast.comprehension)
            else []
        )
        for test in (inner for part in tests for inner in ast.walk(part)):
            if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], (ast.In, ast.NotIn)):
                name = _identity(names, test.left)
                if name and _is_text(test.comparators[0], texts, names):
                    message = f"in meets every text with {name} in it, also as a part of a longer name or number"
                    yield Hit("unanchored-match", test.lineno, test.col_offset + 1, message)


def _identity(names: Names, node: ast.expr) -> str:
    """The job, or the user, that an expression is, if nothing in the text stands before it or behind it."""
    if isinstance(node, ast.Call) and names.full(node.func) == "str" and node.args:
        return _identity(names, node.args[0])
    if isinstance(node, ast.JoinedStr) and node.values:
        return next(
            (
                name
                for part in (node.values[0], node.values[-1])
                if isinstance(part, ast.FormattedValue) and (name := _identity(names, part.value))
            ),
            "",
        )
    if isinstance(node, ast.Subscript) and names.is_environ(node.value):
        key = text_of(node.slice)
        return key if _IDENTITY.search(key) else ""
    if not isinstance(node, ast.Name):
        return ""
    values = [
        n.value
        for n in names.nodes
        if isinstance(n, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == node.id for target in n.targets)
    ]
    is_one = any(
        (_IDENTITY.search(ast.unparse(value)) and "environ" in ast.unparse(value))
        or ("getenv" in ast.unparse(value) and _IDENTITY.search(ast.unparse(value)))
        for value in values
    )
    is_bare = not any(isinstance(value, (ast.JoinedStr, ast.BinOp, ast.List, ast.Tuple)) for value in values)
    return node.id if is_bare and is_one else ""


def _line_variables(names: Names) -> t.Iterator[str]:
    """The variables that hold a line, or a part of one."""
    opened = {
        item.optional_vars.id
        for node in names.nodes
        if isinstance(node, ast.With)
        for item in node.items
        if isinstance(item.optional_vars, ast.Name)
        and isinstance(item.context_expr, ast.Call)
        and names.full(item.context_expr.func) == "open"
    }
    for node in names.nodes:
        if isinstance(node, (ast.For, ast.comprehension)) and isinstance(node.target, ast.Name):
            source = node.iter
            method = source.func.attr if isinstance(source, ast.Call) and isinstance(source.func, ast.Attribute) else ""
            full = names.full(source.func) if isinstance(source, ast.Call) else ""
            if (
                method in ("splitlines", "readlines")
                or full in ("open", "os.listdir", "glob.glob", "glob.iglob")
                or (isinstance(source, ast.Name) and source.id in opened)
            ):
                yield node.target.id


def _is_text(node: ast.expr, lines: t.Collection[str], names: Names, depth: int = 4) -> bool:
    """Whether an expression surely is a text, and no list."""
    if isinstance(node, ast.Name) and depth:
        if node.id in lines:
            return True
        values = [
            n.value
            for n in names.nodes
            if isinstance(n, ast.Assign)
            and any(isinstance(target, ast.Name) and target.id == node.id for target in n.targets)
        ]
        return bool(values) and all(_is_text(value, lines, names, depth - 1) for value in values)
    if isinstance(node, ast.Subscript):
        value = node.value
        while isinstance(value, ast.Name) and depth:
            depth -= 1
            found = [
                n.value
                for n in names.nodes
                if isinstance(n, ast.Assign)
                and any(isinstance(target, ast.Name) and target.id == value.id for target in n.targets)
            ]
            if len(found) != 1:
                return False
            value = found[0]
        is_split = (
            isinstance(value, ast.Call)
            and isinstance(value.func, ast.Attribute)
            and value.func.attr in ("split", "rsplit", "splitlines", "readlines")
        )
        return is_split and not isinstance(node.slice, ast.Slice)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in _TEXTS and node.func.attr not in _LISTS
    return isinstance(node, ast.JoinedStr)
