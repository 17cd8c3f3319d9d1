# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""A Python script as the shell script that does the same to the host, line by line: so that each rule has one check.

Nothing runs it. What has no meaning for a rule is left out; what is known only when the script runs becomes a variable
that is never empty.
"""

from __future__ import annotations

import ast
import re
import sys
import typing as t

from . import library
from .calls import Calls
from .source import Function, Names, text_of, variable
from .words import fixed, literal, name_of, quoted


class Shell(Calls):
    """Writes the shell script. Each of its lines stands for the line of the Python script with the same number."""

    def __init__(self, tree: ast.Module, names: Names) -> None:
        super().__init__(names)
        self.guard(sorted({v for node in names.nodes if (v := self._set_by(node))}), 1)
        self.block(tree.body, empty="")
        self.put("exit 0; ")

    @staticmethod
    def _set_by(node: ast.AST) -> str:
        is_set = isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store)
        return variable(node) if is_set and isinstance(node, ast.expr) else ""

    def block(self, statements: t.Iterable[ast.stmt], *, empty: str = ":; ") -> None:
        """Statements; a list of a shell's must not be empty."""
        before = len(self.rows), len(self.rows[-1])
        for statement in statements:
            handler = getattr(self, f"_{type(statement).__name__.lower()}", self._other)
            handler(statement)
        if not any(self.rows[before[0] - 1][before[1] :]) and not any(map(any, self.rows[before[0] :])):
            self.put(empty)

    def _other(self, node: ast.stmt) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child)
            elif isinstance(child, ast.stmt):
                self.block([child], empty="")

    def _expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self.call(node.value, wanted=False)
        else:
            self.value(node.value)

    def _assign(self, node: ast.Assign) -> None:
        if any(self.names.full(target) == "sys.stdout" for target in node.targets):
            self.put("exec >&2; ", node)
        for target in node.targets:
            self.assign(target, node.value, node)

    def _annassign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.assign(node.target, node.value, node)

    def assign(self, target: ast.expr, value: ast.expr, node: ast.AST) -> None:
        """A target gets a value."""
        if isinstance(target, (ast.Tuple, ast.List)):
            values = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
            if len(values) == len(target.elts):
                for one, its in zip(target.elts, values, strict=True):
                    self.assign(one, its, node)
            else:
                self.value(value)
                self.guard(v for one in target.elts if (v := variable(one)))
            return
        if isinstance(target, ast.Subscript):
            self._assign_item(target, value, node)
            return
        name = variable(target)
        if not name or self.names.is_environ(value, copies=True):
            return
        if isinstance(value, ast.Dict):
            self._dict(name, value)
        elif self.is_entry(value):
            user = quoted(self.value(t.cast(ast.Call, value).args[0]))
            parts = {
                "dir": f'"$(/bin/getent passwd {user} | /bin/cut -d: -f6)"',
                "uid": f'"$(/bin/id -u {user})"',
                "gid": f'"$(/bin/id -g {user})"',
            }
            for part, command in parts.items():
                self._set(f"{name}_pw_{part}", command, node)
            self.guard(f"{name}_pw_{part}" for part in parts)
        elif isinstance(value, (ast.List, ast.Tuple, ast.BinOp)) and name in self.names.lists:
            self._set(name, f"({self.elements(value)})", node)
        elif (path := self.names.opened(value)) is not None:
            self.files[name] = path
            self.value(value)
        elif isinstance(value, ast.Call) and self.is_start(value) and not self.prints(value):
            self.call(value, wanted=False)
            self._set(name, '"$?"' if not self.names.full(value.func).endswith(("run", "Popen")) else "", node)
        else:
            text = self.value(value)
            is_read = name.removeprefix("self_") in self.names.loaded or name.removesuffix("_") in self.names.loaded
            # A text that nothing reads may be a secret all the same.
            if is_read or text_of(value):
                self._set(name, quoted(text), node)

    def _set(self, name: str, value: str, node: ast.AST) -> None:
        """name=value; without a value it becomes one that is not known."""
        own = "local " if self.function is not None and self._is_local(name) else ""
        self.put(f"{own}{name}={value}; " if value else f': "${{{name}:?}}"; ', node)

    def _is_local(self, name: str) -> bool:
        function = self.function
        return (
            function is not None
            and not name.startswith(("self_", "cls_"))
            and not any(
                isinstance(node, (ast.Global, ast.Nonlocal)) and name in node.names for node in ast.walk(function)
            )
        )

    def _assign_item(self, target: ast.Subscript, value: ast.expr, node: ast.AST) -> None:
        key = text_of(target.slice)
        if self.names.is_environ(target.value) and re.fullmatch(r"\w+", key):
            self.say(node, f"export {key} ends", f'os.environ["{key}"] ends')
            self.say(node, f'echo "export {key}=..."', f'print("export {key}=...")')
            self.put(f"export {key}={quoted(self.value(value))}; ", node)
        elif key:
            self.put(f"{name_of(target)}={quoted(self.value(value))}; ", node)
        else:
            self.value(value)

    def _dict(self, name: str, node: ast.Dict) -> None:
        """A table with fixed keys: a variable for each of them."""
        for key, value in zip(node.keys, node.values, strict=True):
            text = self.value(value)
            plain = re.sub(r"\W+", "_", text_of(key))
            if plain:
                self.put(f"{name}_{plain}={quoted(text)}; ", value)

    def _augassign(self, node: ast.AugAssign) -> None:
        name = variable(node.target)
        text = self.value(node.value)
        if not name or not isinstance(node.op, (ast.Add, ast.Sub)):
            return
        if name in self.names.lists:
            self.put(f"{name}+=({self.elements(node.value)}); ", node)
        elif isinstance(node.op, ast.Sub) or re.fullmatch(r"[\d.]+", literal(text) or ""):
            self.put(f"{name}=$(({name} {'+' if isinstance(node.op, ast.Add) else '-'} 1)); ", node)
        else:
            self.put(f"{name}+={quoted(text)}; ", node)

    def _functiondef(self, node: Function) -> None:
        if self.names.functions.get(node.name) is not node:
            return
        outer, self.function = self.function, node
        self.put(f"{node.name}_() {{ ", node)
        parameters = self.parameters(node)
        if node.name in self.names.open_calls:
            self.guard(parameters)
        else:
            defaults = [*[None] * (len(parameters) - len(node.args.defaults) - len(node.args.kwonlyargs))]
            given = [*defaults, *node.args.defaults, *node.args.kw_defaults]
            for number, (name, default) in enumerate(zip(parameters, given, strict=False), 1):
                self.put(f"local {name}={self.default(str(number), default)}; ")
        self.block(node.body)
        self.put("}; ")
        self.function = outer

    _asyncfunctiondef = _functiondef

    def _classdef(self, node: ast.ClassDef) -> None:
        self.block(node.body, empty="")

    def _return(self, node: ast.Return) -> None:
        if self.function is None:
            return
        name = f"{self.function.name}_value"
        value = node.value
        if isinstance(value, ast.Constant) and isinstance(value.value, (int, type(None))):
            # True is a success to a condition of Python's, 0 one to sys.exit().
            status = int(not value.value) if isinstance(value.value, bool) else int(value.value or 0) & 255
            self.put(f"{name}={quoted(fixed(str(value.value)))}; return {status}; ", node)
        elif value is None:
            self.put("return 0; ", node)
        else:
            text = quoted(self.value(value))
            self.put(f'{name}={text}; return "${{answer:?}}"; ', node)

    def _if(self, node: ast.If) -> None:
        if _is_main(node.test):
            self.block(node.body)
            return
        self.put(f"if {self.condition(node.test)}; then ", node)
        self.block(node.body)
        if node.orelse:
            self.put("else ")
            self.block(node.orelse)
        self.put("fi; ")

    def _while(self, node: ast.While) -> None:
        sleeps = any(isinstance(n, ast.Call) and self.names.full(n.func) == "time.sleep" for n in ast.walk(node))
        if sleeps:
            self.put(f"while {self.condition(node.test)}; do ", node)
        else:
            self.value(node.test)
            self.put('for round in "${rounds:?}"; do ', node)
        self.block(node.body)
        self.put("done; ")
        self.block(node.orelse, empty="")

    def _for(self, node: ast.For) -> None:
        self.loop(node.target, node.iter, node)
        self.block(node.body)
        self.put(f"done{self.ends.pop()}; ")
        self.block(node.orelse, empty="")

    _asyncfor = _for

    def _with(self, node: ast.With) -> None:
        moved = [item for item in node.items if self._moves_output(item.context_expr)]
        self.put("{ " * len(moved), node)
        for item in node.items:
            name = variable(item.optional_vars) if item.optional_vars is not None else ""
            value = item.context_expr
            path = self.names.opened(value)
            if path is not None and isinstance(value, ast.Call):
                self._open(value, node)
                if name:
                    self.files[name] = path
            elif item.optional_vars is not None:
                self.assign(item.optional_vars, value, node)
            elif isinstance(value, ast.Call):
                self.call(value, wanted=False)
        self.block(node.body)
        self.put("} >&2; " * len(moved))

    def _moves_output(self, node: ast.expr) -> bool:
        """Whether what is printed goes elsewhere for a while."""
        return isinstance(node, ast.Call) and self.names.full(node.func) == "contextlib.redirect_stdout"

    _asyncwith = _with

    def _try(self, node: ast.Try) -> None:
        if node.handlers:
            self.put("{ ", node)
            self.tried += 1
            self.block(node.body)
            self.tried -= 1
            self.put("} || { ")
            for handler in node.handlers[:-1]:
                self.put('if [ "${caught:?}" ]; then ', handler)
                self.block(handler.body)
                self.put("else ")
            self.block(node.handlers[-1].body)
            self.put("fi; " * (len(node.handlers) - 1) + "}; ")
        else:
            self.block(node.body, empty="")
        self.block(node.orelse, empty="")
        self.block(node.finalbody, empty="")

    _trystar = _try

    def _raise(self, node: ast.Raise) -> None:
        error = node.exc
        if isinstance(error, ast.Call) and self.names.full(error.func) in library.ENDS:
            self.call(error, wanted=False)
        elif error is not None and self.names.full(error) in library.ENDS:
            self.put("exit 0; ", node)
        else:
            self.put("false; " if self.tried else "exit 1; ", node)

    def _match(self, node: ast.Match) -> None:
        self.value(node.subject)
        for case in node.cases:
            self.put('if [ "${case:?}" ]; then ')
            self.block(case.body)
            self.put("fi; ")

    def _break(self, node: ast.Break) -> None:
        self.put("break; ", node)

    def _continue(self, node: ast.Continue) -> None:
        self.put("continue; ", node)

    def _importfrom(self, node: ast.ImportFrom) -> None:
        name = (node.module or node.names[0].name).split(".")[0]
        if node.level:
            self.put(f'/bin/cat "$(/bin/dirname "$0")/{name}.py"; ', node)
        else:
            self._module(name, node)

    def _import(self, node: ast.Import) -> None:
        """Modules come from Python's own places, or from beside the script where it asks for that."""
        for alias in node.names:
            self._module(alias.name.split(".")[0], node)

    def _module(self, name: str, node: ast.AST) -> None:
        if self.names.looks_beside and name not in sys.stdlib_module_names and not self.tried:
            self.put(f'/bin/cat "$(/bin/dirname "$0")/{name}.py"; ', node)


def _is_main(node: ast.expr) -> bool:
    return isinstance(node, ast.Compare) and isinstance(node.left, ast.Name) and node.left.id == "__name__"
