# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Programs that a Python script starts, as commands of a shell's."""

from __future__ import annotations

import ast
import re
import typing as t

from . import library
from .source import Names, argument, is_none, is_true, method_of, variable
from .values import Values
from .words import Text, expansion, literal, quoted, split


class Commands(Values):
    """The programs that a script starts."""

    def printed(self, node: ast.Call) -> Text:
        """What a program prints."""
        command = self.started(node)
        self.counter += 1
        self.put(f'printed_{self.counter}="$({command})"; ', node)
        return expansion(f"${{printed_{self.counter}}}")

    def __init__(self, names: Names) -> None:
        super().__init__(names)
        #: The functions that start what they are given as a command: run(["a", "b"]).
        self.runners = dict(self._runners())

    def is_start(self, node: ast.Call) -> bool:
        """Whether a call starts a program."""
        name = self.names.full(node.func)
        return (
            bool(node.args) and (name in library.STARTS | library.STARTS_TEXT | library.REPLACES)
        ) or self.names.called(node) in self.runners

    def prints(self, node: ast.Call) -> bool:
        """Whether the script reads what a program prints."""
        name = self.names.full(node.func)
        if self.names.called(node) in self.runners:
            return True
        wanted = any(
            k.arg == "capture_output" or (k.arg == "stdout" and "PIPE" in ast.unparse(k.value)) for k in node.keywords
        )
        return name in library.PRINTS or wanted

    def started(self, node: ast.Call) -> str:
        """The program that a call starts, as a command."""
        own = self.names.called(node)
        if own in self.runners and own is not None:
            position, inner = self.runners[own]
            given = argument(node, position, self.parameters(self.names.functions[own])[position])
            return self._command(given, inner, inner) if given is not None else ":"
        name = self.names.full(node.func)
        if name in library.REPLACES:
            given = argument(node, 1)
            return f"exec {self.elements(given)}" if given is not None else ":"
        first = node.args[0]
        if isinstance(first, ast.Name) and self._is_runner_of(first.id):
            return f'/python/run "${{{first.id}:?}}"'
        return self._command(first, node, node)

    def _is_runner_of(self, name: str) -> bool:
        return (
            self.function is not None and self.function.name in self.runners and name in self.parameters(self.function)
        )

    def _command(self, given: ast.expr, call: ast.Call, at: ast.AST) -> str:
        """The words, or the text for a shell, with what the call says about it."""
        name = self.names.full(call.func)
        limit = argument(call, -1, "timeout") or (self._limit_of_wait() if name == "subprocess.Popen" else None)
        is_text = name in library.STARTS_TEXT or is_true(argument(call, -1, "shell"))
        if is_text:
            text = self.value(given)
            plain = split(text) if literal(text) is not None else ""
            # One variable alone would be a program that somebody else wrote.
            lead = "''" if isinstance(given, ast.Name) and self._is_made(given.id) else ""
            command = plain or f"/bin/sh -c {lead}{quoted(text)}"
        else:
            command = self.elements(given) or ":"
            self.say(at, "put timeout ", "add timeout=")
            self.say(at, " in front", "")
        user = argument(call, -1, "user")
        if user is not None and not is_none(user):
            command = f"/usr/sbin/runuser -u {quoted(self.value(user))} -- {command}"
        if limit is not None and not is_none(limit):
            length = literal(self.value(limit)) or ""
            command = f"/bin/timeout {length if re.fullmatch(r'[0-9.]+', length) else '1'} {command}"
        if argument(call, -1, "env") is not None:
            command = f"PATH=/usr/bin:/bin {command}"
        folder = argument(call, -1, "cwd")
        if folder is not None and not is_none(folder):
            self.value(folder)
        if any(k.arg == "stdout" and ast.unparse(k.value).endswith(("DEVNULL", "PIPE")) for k in call.keywords):
            command += " >/dev/null"
        if any(
            k.arg == "stderr" and ast.unparse(k.value).endswith(("DEVNULL", "PIPE", "STDOUT")) for k in call.keywords
        ):
            command += " 2>&1"
        if name == "subprocess.Popen":
            return self._left(command, call)
        return f"{command} || exit 1" if self._is_checked(call, name) and not self.prints(call) else command

    def _limit_of_wait(self) -> ast.expr | None:
        """The limit with which the script waits for what Popen started."""
        waits = (n for n in self.names.nodes if isinstance(n, ast.Call) and method_of(n) in ("wait", "communicate"))
        return next((limit for n in waits if (limit := argument(n, -1, "timeout")) is not None), None)

    def _is_made(self, name: str) -> bool:
        """Whether the script itself puts a text together."""
        return any(
            isinstance(n, ast.Assign)
            and any(variable(target) == name for target in n.targets)
            and isinstance(n.value, (ast.Constant, ast.JoinedStr, ast.BinOp, ast.Call, ast.IfExp))
            and not self.names.environment_key(n.value)
            for n in self.names.nodes
        )

    @staticmethod
    def _is_checked(call: ast.Call, name: str) -> bool:
        return name == "subprocess.check_call" or is_true(argument(call, -1, "check"))

    def _left(self, command: str, call: ast.Call) -> str:
        """Popen: in the background, unless the script talks to it or gives it a session of its own."""
        keywords = {k.arg: ast.unparse(k.value) for k in call.keywords}
        if "PIPE" in keywords.get("stdin", "") + keywords.get("stdout", ""):
            return command
        if keywords.get("start_new_session") == "True" or "setsid" in keywords.get("preexec_fn", ""):
            return f"setsid --fork {command}"
        waits = any(
            isinstance(n, ast.Call) and method_of(n) in ("wait", "communicate", "poll", "kill", "terminate")
            for n in self.names.nodes
        )
        with_it = any(isinstance(n, ast.withitem) and n.context_expr is call for n in self.names.nodes)
        return command if waits or with_it else f"{{ {command} & }}"

    def _runners(self) -> t.Iterator[tuple[str, tuple[int, ast.Call]]]:
        """Functions that start what they are given: def run(command): subprocess.run(command, timeout=9)."""
        for name, function in self.names.functions.items():
            parameters = self.parameters(function)
            for node in ast.walk(function):
                if (
                    isinstance(node, ast.Call)
                    and node.args
                    and self.names.full(node.func) in library.STARTS | library.STARTS_TEXT
                ):
                    first = node.args[0].id if isinstance(node.args[0], ast.Name) else ""
                    if first in parameters and name not in self.names.open_calls:
                        yield name, (parameters.index(first), node)
