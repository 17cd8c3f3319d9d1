# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The shell script that stands for a Python script, while it is written."""

from __future__ import annotations

import abc
import ast
import typing as t

from .source import Function, Names
from .words import Text


class Writer(abc.ABC):
    """The lines of the shell script, and what its parts ask of each other."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.rows: list[list[str]] = [[]]
        #: What the reader of a line calls the words of the shell there.
        self.said: dict[int, dict[str, str]] = {}
        #: The function that is being written.
        self.function: Function | None = None
        #: The number of try statements around.
        self.tried = 0
        #: The number of variables that were made up.
        self.counter = 0
        #: Whether the last print has not ended its line.
        self.is_line_open = False
        #: What stands behind the done of the loops that are open.
        self.ends: list[str] = []
        #: The files that variables stand for: with open(path) as name.
        self.files: dict[str, ast.expr] = {}

    @abc.abstractmethod
    def value(self, node: ast.expr) -> Text:
        """The text of an expression. What it does is written first."""

    @abc.abstractmethod
    def assign(self, target: ast.expr, value: ast.expr, node: ast.AST) -> None:
        """A target gets a value."""

    @abc.abstractmethod
    def call(self, node: ast.Call, *, wanted: bool) -> Text:
        """What a call does, and the text that it answers with."""

    @abc.abstractmethod
    def own_call(self, node: ast.Call, name: str) -> str:
        """The call of a function of the script's, as a command."""

    @abc.abstractmethod
    def is_start(self, node: ast.Call) -> bool:
        """Whether a call starts a program."""

    @abc.abstractmethod
    def prints(self, node: ast.Call) -> bool:
        """Whether the script reads what a program prints."""

    @abc.abstractmethod
    def started(self, node: ast.Call) -> str:
        """The program that a call starts, as a command."""

    @property
    def text(self) -> bytes:
        """The whole script."""
        return "\n".join("".join(row) for row in self.rows).encode("utf-8", "replace") + b"\n"

    def put(self, text: str, node: ast.AST | None = None) -> None:
        """Write something at the line of a node, or at the current one if that is further down."""
        self.rows += [[] for _row in range(getattr(node, "lineno", 1) - len(self.rows))]
        self.rows[-1].append(text)

    def guard(self, names: t.Iterable[str], line: int = 0) -> None:
        """Python ends at a name without a value: none of them is empty for that."""
        words = " ".join(f'"${{{name}:?}}"' for name in names)
        if words:
            self.put(f": {words}; ", ast.Pass(lineno=line))

    def say(self, node: ast.AST, shell: str, python: str) -> None:
        self.said.setdefault(max(len(self.rows), getattr(node, "lineno", 1)), {})[shell] = python

    def run(self, command: str, node: ast.AST) -> None:
        """Write a command."""
        self.put(f"{command}; ", node)

    @staticmethod
    def parameters(node: Function) -> list[str]:
        names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        return names[1:] if names[:1] in (["self"], ["cls"]) else names
