# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""What the texts of a Python script can be: what a pattern is made of."""

from __future__ import annotations

import ast
import re

from .source import Names

_DEPTH = 6


class Texts:
    """The texts of a script's expressions, with V(${NAME}) for a variable of the environment and V($x) for what is not known."""

    def __init__(self, names: Names) -> None:
        self.values: dict[str, list[ast.expr]] = {}
        for node in names.nodes:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self._note(target, node.value)
            elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
                self._note(node.target, node.value)

    def _note(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.values.setdefault(target.id, []).append(value)

    def source(self, node: ast.expr) -> ast.expr:
        """The expression that a name stands for, if there is one only."""
        for _step in range(_DEPTH):
            if not isinstance(node, ast.Name) or len(self.values.get(node.id, ())) != 1:
                break
            node = self.values[node.id][0]
        return node

    def text(self, node: ast.expr, depth: int = _DEPTH) -> str:
        """The text of an expression."""
        node = self.source(node)
        if depth == 0:
            return "$x"
        if isinstance(node, ast.Constant):
            return str(node.value)
        if isinstance(node, ast.JoinedStr):
            return "".join(self.text(part, depth - 1) for part in node.values)
        if isinstance(node, ast.FormattedValue):
            return self.text(node.value, depth - 1)
        if isinstance(node, ast.BinOp):
            return self._joined(node, depth - 1)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) in ("os.environ", "environ"):
            return f"${{{self.text(node.slice, depth - 1)}}}"
        if isinstance(node, ast.Call):
            return self._called(node, depth - 1)
        return "$x"

    def _joined(self, node: ast.BinOp, depth: int) -> str:
        left, right = self.text(node.left, depth), self.text(node.right, depth)
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Div):
            return f"{left}/{right}"
        if isinstance(node.op, ast.Mod):
            given = [self.text(e, depth) for e in node.right.elts] if isinstance(node.right, ast.Tuple) else [right]
            return self._filled(left, r"%\(?\w*\)?[sdr]", given)
        return "$x"

    def _called(self, node: ast.Call, depth: int) -> str:
        name = ast.unparse(node.func)
        given = [self.text(argument, depth) for argument in node.args]
        if name in ("os.environ.get", "environ.get", "os.getenv", "getenv") and given:
            return f"${{{given[0]}}}"
        if name in ("os.path.join", "pathlib.Path", "Path", "pathlib.PurePath"):
            return "/".join(part.rstrip("/") for part in given)
        if name in ("str", "int", "os.fspath", "re.escape") and given:
            return given[0]
        if isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            return self._filled(self.text(node.func.value, depth), r"\{\w*\}", given)
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("strip", "encode", "joinpath", "rstrip"):
            return "/".join([self.text(node.func.value, depth), *(given if node.func.attr == "joinpath" else ())])
        return "$x"

    @staticmethod
    def _filled(text: str, place: str, given: list[str]) -> str:
        rest = iter(given)
        return re.sub(place, lambda _match: next(rest, "$x"), text)
