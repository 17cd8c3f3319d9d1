# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Expressions of Python's as words of a shell's."""

from __future__ import annotations

import ast
import re

from . import library
from .conditions import Conditions
from .source import method_of, text_of, variable
from .words import Part, Text, expansion, fixed, joined, literal, name_of, pattern, quoted, split, unknown


class Values(Conditions):
    """What expressions are, and what loops go over."""

    # -- loops

    def loop(self, target: ast.expr, source: ast.expr, node: ast.AST) -> None:
        """The head of a loop over something."""
        while isinstance(source, ast.Call) and self.names.full(source.func) in (
            "enumerate",
            "sorted",
            "set",
            "list",
            "reversed",
            "tuple",
            "iter",
        ):
            if self.names.full(source.func) == "enumerate" and isinstance(target, ast.Tuple) and len(target.elts) == 2:
                target = target.elts[1]
            if not source.args:
                break
            source = source.args[0]
        names = [v for one in (target.elts if isinstance(target, ast.Tuple) else [target]) if (v := variable(one))]
        name = names[0] if names else "item"
        path = self._lines_of(source)
        if path is not None:
            self.put(f"while read -r {name}; do ", node)
            self.ends.append(f" <{quoted(self.value(path))}")
        else:
            items = self.items(source, node)
            self.put(f"for {name} in {items}; do ", node)
            self.ends.append("")
        self.guard(names[1:])

    def _lines_of(self, node: ast.expr) -> ast.expr | None:
        """The file whose lines a loop goes over."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "readlines":
            node = node.func.value
        return self.names.opened(node) or self.files.get(variable(node))

    def items(self, node: ast.expr, at: ast.AST) -> str:
        """What a loop goes over, as the words of a shell."""
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return self.elements(node) or "''"
        if variable(node) in self.names.lists:
            return f'"${{{variable(node)}[@]}}"'
        if isinstance(node, ast.Call):
            name = self.names.full(node.func)
            method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if name in ("glob.glob", "glob.iglob") and node.args:
                return pattern(self.value(node.args[0])) or "''"
            if name == "os.scandir" or (method == "iterdir" and isinstance(node.func, ast.Attribute)):
                folder = node.args[0] if name == "os.scandir" and node.args else node.func
                path = self.value(folder.value if isinstance(folder, ast.Attribute) and method == "iterdir" else folder)
                return f"{quoted(path)}/*"
            if (
                method in ("glob", "rglob")
                and isinstance(node.func, ast.Attribute)
                and node.args
                and name.split(".")[0] != "glob"
            ):
                return pattern(joined([self.value(node.func.value), self.value(node.args[0])], "/"))
            if name in library.PROCESS_LISTS or (
                name == "os.listdir" and node.args and text_of(node.args[0]).rstrip("/") == "/proc"
            ):
                return f"$({self._process_list(at)})"
            if name == "os.listdir":
                return f"$(/bin/ls {quoted(self.value(node.args[0])) if node.args else ''})"
            if name == "range":
                return "$(/bin/seq 9)"
            if method in ("split", "splitlines") and isinstance(node.func, ast.Attribute):
                text = self.value(node.func.value)
                if len(text) == 1 and text[0].is_open:
                    return text[0].text
        return quoted(self.value(node))

    def _process_list(self, loop: ast.AST) -> str:
        """A list of processes, by what the loop looks for in it."""
        body = [n for part in getattr(loop, "body", []) for n in ast.walk(part)]
        asked = " ".join(ast.unparse(n.test) for n in body if isinstance(n, (ast.If, ast.IfExp)))
        said = " ".join(ast.unparse(part) for part in getattr(loop, "body", []))
        if re.search(r"cgroup|environ|(?i:job_?id|slurm_job)|ppid|parent|pgid|getsid", said):
            return "/bin/ps --ppid 1"
        if re.search(r"user|uid", asked):
            return '/bin/ps -o pid= -u "${SLURM_JOB_USER}"'
        return "/bin/pgrep -f 'name'" if re.search(r"name|cmdline|exe|comm", asked) else "/bin/ps -eo pid="

    # -- values

    def value(self, node: ast.expr) -> Text:
        """The text of an expression. What it does is written first."""
        handler = getattr(self, f"_{type(node).__name__.lower()}_value", None)
        if handler is not None:
            found: Text = handler(node)
            return found
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child)
        return unknown(node)

    def _constant_value(self, node: ast.Constant) -> Text:
        value = node.value
        return fixed(value.decode("latin-1") if isinstance(value, bytes) else str(value))

    def _name_value(self, node: ast.Name) -> Text:
        if node.id == "__file__":
            return expansion("$0")
        known = self.names.imported.keys() | self.names.functions.keys()
        return unknown(node) if node.id in known else expansion(f"${{{variable(node)}}}")

    def _attribute_value(self, node: ast.Attribute) -> Text:
        full = self.names.full(node)
        if full == "sys.executable":
            return fixed("python3")
        if isinstance(node.value, ast.Name) and node.attr in ("stdout", "stderr", "path"):
            return self.value(node.value)
        if isinstance(node.value, ast.Call):
            if self.is_entry(node.value) and node.attr in ("pw_dir", "pw_uid", "pw_gid"):
                user = quoted(self.value(node.value.args[0]))
                return expansion(
                    {
                        "pw_dir": f"$(/bin/getent passwd {user} | /bin/cut -d: -f6)",
                        "pw_uid": f"$(/bin/id -u {user})",
                    }.get(node.attr, f"$(/bin/id -g {user})")
                )
            if node.attr in ("stdout", "parent"):
                text = self.value(node.value)
                return text if node.attr == "stdout" else expansion(f"$(/bin/dirname {quoted(text)})")
        if isinstance(node.value, ast.Name) and node.attr.startswith("pw_"):
            return expansion(f"${{{node.value.id}_{node.attr}}}")
        if variable(node):
            return expansion(f"${{{variable(node)}}}")
        if not isinstance(node.value, ast.Name):
            self.value(node.value)
        return unknown(node)

    def is_entry(self, node: ast.expr) -> bool:
        return (
            isinstance(node, ast.Call)
            and self.names.full(node.func) in ("pwd.getpwnam", "pwd.getpwuid")
            and bool(node.args)
        )

    def _subscript_value(self, node: ast.Subscript) -> Text:
        key = text_of(node.slice)
        if self.names.environment_key(node):
            return expansion(f"${{{key}:?}}")
        value = node.value
        if key and isinstance(value, ast.Name):
            return expansion(f"${{{name_of(node)}:?}}")
        text = self.value(value)
        if len(text) == 1 and isinstance(value, ast.Call) and method_of(value) in ("split", "splitlines", "partition"):
            name = re.fullmatch(r"\$\{(\w+)(:[?-][^}]*)?\}", text[0].text)
            return expansion(f"${{{name[1]}%%:*}}") if name else text
        return unknown(node)

    def _joinedstr_value(self, node: ast.JoinedStr) -> Text:
        return joined(map(self.value, node.values), "")

    def _formattedvalue_value(self, node: ast.FormattedValue) -> Text:
        return self.value(node.value)

    def _starred_value(self, node: ast.Starred) -> Text:
        return self.value(node.value)

    def _await_value(self, node: ast.Await) -> Text:
        return self.value(node.value)

    def _namedexpr_value(self, node: ast.NamedExpr) -> Text:
        self.assign(node.target, node.value, node)
        return self.value(node.target)

    def _yield_value(self, node: ast.Yield) -> Text:
        if node.value is not None and self.function is not None:
            self.put(f"{self.function.name}_value={quoted(self.value(node.value))}; ", node)
        return fixed("None")

    def _compare_value(self, node: ast.Compare) -> Text:
        test = self.text_test(node)
        if test:
            self.put(f"if {test}; then :; fi; ", node)
            return unknown(node)
        for child in (node.left, *node.comparators):
            self.value(child)
        return unknown(node)

    def _lambda_value(self, node: ast.Lambda) -> Text:
        return unknown(node)

    def _ifexp_value(self, node: ast.IfExp) -> Text:
        self.counter += 1
        name = f"either_{self.counter}"
        self.put(f"if {self.condition(node.test)}; then ", node)
        self.put(f"{name}={quoted(self.value(node.body))}; else ")
        self.put(f"{name}={quoted(self.value(node.orelse))}; fi; ")
        return expansion(f"${{{name}}}")

    def _unaryop_value(self, node: ast.UnaryOp) -> Text:
        text = self.value(node.operand)
        is_number = isinstance(node.op, ast.USub) and literal(text) is not None
        return (*fixed("-"), *text) if is_number else unknown(node)

    def _boolop_value(self, node: ast.BoolOp) -> Text:
        if isinstance(node.op, ast.Or) and len(node.values) == 2:
            key = self.names.environment_key(node.values[0])
            name = key or variable(node.values[0])
            if name:
                return expansion(self.default(name, node.values[1])[1:-1])
        for value in node.values:
            self.value(value)
        return unknown(node)

    def _binop_value(self, node: ast.BinOp) -> Text:
        if isinstance(node.op, ast.Mod) and text_of(node.left):
            values = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
            if isinstance(node.right, ast.Dict):
                self.value(node.right)
                return self.filled(text_of(node.left), r"%\(\w+\)[-0-9.]*[sdrif]", [])
            return self.filled(text_of(node.left), r"%[-+ #0-9.]*[sdrifxou]", list(map(self.value, values)))
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Add):
            return (*left, *right)
        if isinstance(node.op, ast.Div) and (
            isinstance(node.right, (ast.Constant, ast.JoinedStr, ast.Name, ast.Subscript, ast.Call))
        ):
            is_path = not isinstance(node.right, ast.Constant) or bool(text_of(node.right))
            return joined([left, right], "/") if is_path else unknown(node)
        return unknown(node)

    def filled(self, form: str, place: str, values: list[Text]) -> Text:
        """A form with values in its places."""
        texts = re.split(place, form)
        found: list[Part] = []
        for number, text in enumerate(texts):
            found.append(Part(text.replace("%%", "%")))
            if number < len(texts) - 1:
                found.extend(values[number] if number < len(values) else expansion("${given:?}"))
        return tuple(part for part in found if part.text or part.is_open)

    def _listcomp_value(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Text:
        """A loop: what its element does."""
        return self._comprehension(node, [node.elt])

    _setcomp_value = _listcomp_value
    _generatorexp_value = _listcomp_value

    def _dictcomp_value(self, node: ast.DictComp) -> Text:
        return self._comprehension(node, [node.key, node.value])

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, elements: list[ast.expr]
    ) -> Text:
        for generator in node.generators:
            self.loop(generator.target, generator.iter, node)
        for test in (test for generator in node.generators for test in generator.ifs):
            self.value(test)
        for element in elements:
            self.value(element)
        self.put(":; ")
        for _generator in node.generators:
            self.put(f"done{self.ends.pop()}; ")
        return unknown(node)

    def _list_value(self, node: ast.List | ast.Tuple | ast.Set) -> Text:
        return joined(map(self.value, node.elts), " ")

    _tuple_value = _list_value
    _set_value = _list_value

    def _dict_value(self, node: ast.Dict) -> Text:
        for key, value in zip(node.keys, node.values, strict=True):
            text = self.value(value)
            name, known = text_of(key), literal(text)
            if name and known and isinstance(value, ast.Constant):
                # A header, or a setting: the rule for secrets reads it.
                self.put(f": {quoted(fixed(f'{name}: {known}' if ' ' in known else f'{name}={known}'))}; ", value)
            elif name == "Authorization":
                self.put(f": {quoted((*fixed(name + ': '), *text))}; ", value)
        return unknown(node)

    def elements(self, node: ast.expr) -> str:
        """The words of a list."""
        if isinstance(node, ast.BinOp):
            return f"{self.elements(node.left)} {self.elements(node.right)}"
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return " ".join(
                self.elements(e.value) if isinstance(e, ast.Starred) else quoted(self.value(e)) for e in node.elts
            )
        if isinstance(node, ast.Call) and self.names.full(node.func) == "shlex.split" and node.args:
            return split(self.value(node.args[0])) or quoted(self.value(node.args[0]))
        if (
            isinstance(node, ast.Call)
            and method_of(node) == "split"
            and isinstance(node.func, ast.Attribute)
            and not node.args
        ):
            return split(self.value(node.func.value)) or quoted(self.value(node))
        if variable(node) in self.names.lists:
            return f'"${{{variable(node)}[@]}}"'
        return quoted(self.value(node))

    def default(self, name: str, default: ast.expr | None, *, ask: str = "") -> str:
        """A variable, or what counts without it."""
        if default is None:
            return f'"${{{name}{ask}}}"'
        text = self.value(default)
        known = literal(text)
        if known is not None and re.fullmatch(r"[\w./:@ -]*", known, re.ASCII):
            return f'"${{{name}:-{known}}}"'
        self.counter += 1
        self.put(f"default_{self.counter}={quoted(text)}; ")
        return f'"${{{name}:-${{default_{self.counter}}}}}"'
