# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Conditions of Python's as commands of a shell's."""

from __future__ import annotations

import ast

from . import library
from .kinds import Kinds
from .source import Names, method_of, text_of, variable
from .words import fixed, pattern, quoted
from .writer import Writer


class Conditions(Writer):
    """What conditions ask."""

    def __init__(self, names: Names) -> None:
        super().__init__(names)
        self.kinds = Kinds(names)

    def condition(self, node: ast.expr) -> str:
        """A command that succeeds where the expression is true."""
        if isinstance(node, ast.BoolOp):
            operator = " && " if isinstance(node.op, ast.And) else " || "
            return f"{{ {operator.join(map(self.condition, node.values))}; }}"
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return f"! {{ {self.condition(node.operand)}; }}"
        if isinstance(node, ast.Constant):
            return "true" if node.value else "false"
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return self._comparison(node, node.left, node.ops[0], node.comparators[0])
        if isinstance(node, ast.Call):
            return self._asked(node)
        if isinstance(node, (ast.Name, ast.Attribute)) and variable(node):
            return f'[ -n "${{{variable(node)}}}" ]'
        return self._opaque(node)

    def _asked(self, node: ast.Call) -> str:
        name = self.names.full(node.func)
        own = self.names.called(node)
        if own is not None:
            return self.own_call(node, own)
        if name in library.FILE_TESTS and node.args:
            return f"[ {library.FILE_TESTS[name]} {quoted(self.value(node.args[0]))} ]"
        if isinstance(node.func, ast.Attribute) and node.func.attr in library.FILE_TEST_METHODS and not node.args:
            return f"[ {library.FILE_TEST_METHODS[node.func.attr]} {quoted(self.value(node.func.value))} ]"
        if self.is_start(node) and not self.prints(node):
            return f"! {self.started(node)}"
        if self.names.environment_key(node):
            return f"[ -n {quoted(self.value(node))} ]"
        return self._looked_at(node, self.text_test(node)) or self._opaque(node)

    def _comparison(self, node: ast.expr, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> str:
        if isinstance(operator, (ast.In, ast.NotIn)):
            if self.names.is_environ(right) and text_of(left):
                sign = "-n" if isinstance(operator, ast.In) else "-z"
                return f'[ {sign} "${{{text_of(left)}+set}}" ]'
            return self._looked_at(node, self.text_test(node)) or self._opaque(node)
        is_equal = isinstance(operator, (ast.Eq, ast.Is))
        status = left.value if isinstance(left, ast.Attribute) and left.attr == "returncode" else left
        is_status = isinstance(status, ast.Call) and (
            self.names.called(status) or (self.is_start(status) and not self.prints(status))
        )
        if isinstance(status, ast.Call) and is_status and isinstance(right, ast.Constant) and right.value == 0:
            own = self.names.called(status)
            command = self.own_call(status, own) if own else self.started(status)
            return command if is_equal else f"! {command}"
        numbers = {ast.Lt: "-lt", ast.LtE: "-le", ast.Gt: "-gt", ast.GtE: "-ge"}
        words = quoted(self.value(left)), quoted(self.value(right))
        sign = numbers.get(type(operator)) or ("=" if is_equal else "!=")
        test = f"[ {words[0]} {sign} {words[1]} ]"
        length = (
            left.args[0] if isinstance(left, ast.Call) and self.names.full(left.func) == "len" and left.args else None
        )
        return self._opaque(node) if length is not None else test

    def _opaque(self, node: ast.expr) -> str:
        """A condition that only Python can answer."""
        self.value(node)
        return self._looked_at(node, '[ "${answer:?}" ]')

    def _looked_at(self, node: ast.expr, test: str) -> str:
        """A test, if there is one. What it looks at counts as looked at, whatever the answer is."""
        asked = sorted(
            {v for n in ast.walk(node) if isinstance(n, ast.expr) and (v := variable(n))}
            - self.names.functions.keys()
            - self.names.imported.keys()
        )
        guards = "".join(f': "${{{name}:?}}"; ' for name in asked)
        return f"{{ {guards}{test}; }}" if test else ""

    # -- what is looked for in a text

    def text_test(self, node: ast.expr) -> str:
        """A test that looks for something in a text, as the shell has it; empty for others."""
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            return self._part_of_text(node)
        return self._pattern_of_text(node) if isinstance(node, ast.Call) else ""

    def _part_of_text(self, node: ast.Compare) -> str:
        text = node.comparators[0]
        if not self.kinds.is_text(text):
            return ""
        self.say(node, "the test", "in")
        sign = "==" if isinstance(node.ops[0], ast.In) else "!="
        return f"[[ {quoted(self.value(text))} {sign} *{quoted(self.value(node.left))}* ]]"

    def _pattern_of_text(self, node: ast.Call) -> str:
        name, method = self.names.full(node.func), method_of(node)
        if name in library.REGEXES and node.args:
            self.say(node, "grep", name)
            before, after = library.REGEXES[name]
            wanted = (*fixed(before), *self.value(node.args[0]), *fixed(after))
            given = "".join(f" <<<{quoted(self.value(text))}" for text in node.args[1:][-1:])
            return f"/bin/grep -E {quoted(wanted)}{given}"
        if name in library.GLOBS and len(node.args) == 2:
            self.say(node, "the test", name)
            return f"[[ {quoted(self.value(node.args[0]))} == {pattern(self.value(node.args[1]))} ]]"
        if method in ("startswith", "endswith") and len(node.args) == 1 and isinstance(node.func, ast.Attribute):
            self.say(node, "the test", f"{method}()")
            text, wanted_part = quoted(self.value(node.func.value)), quoted(self.value(node.args[0]))
            return f"[[ {text} == {wanted_part}* ]]" if method == "startswith" else f"[[ {text} == *{wanted_part} ]]"
        return ""
