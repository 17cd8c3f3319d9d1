# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The hits of a Python script: those of its shell script, in the words of Python, and those that only its own tree shows."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ...core.model import Hit
from .. import foreign_variables
from ..check_files import NO_COMMAND
from ..environment import Surroundings
from . import source, variables
from .shell import Shell

#: They are about the shell as a language, or about its options.
_OF_SHELL = frozenset(
    [
        "syntax-error",
        "script-empty",
        "variable-not-set",
        "init-without-errexit",
        "exit-code-masked",
        "unquoted-user-text",
        "bashism",
        "shellcheck",
    ]
)


def check(
    program: str,
    text: bytes,
    where: Surroundings,
    version: str | None,
    of_shell: t.Callable[[bytes], t.Iterable[Hit]],
) -> t.Iterator[Hit]:
    """The hits of a script. O(of_shell) has those of a shell script."""
    try:
        tree = source.parse(text)
    except SyntaxError as exc:
        yield source.verdict(program, text, exc)
        return
    except ValueError as exc:
        yield Hit("syntax-error", 1, 1, f"Python: {exc}")
        return
    if source.is_empty(tree):
        yield NO_COMMAND
        return
    names = source.Names(tree)
    yield from foreign_variables.check(variables.reads(names), where, version)
    shell = Shell(tree, names)
    # An alarm ends every wait.
    left_out = _OF_SHELL | ({"unbounded-wait"} if names.calls & {"signal.alarm", "signal.setitimer"} else set())
    if where.group != "task":
        left_out |= {"task-protocol"}
    for hit in of_shell(shell.text):
        if hit.rule not in left_out:
            yield dataclasses.replace(hit, column=1, message=_as_python(hit.message, shell.said.get(hit.line, {})))


def _as_python(message: str, said: t.Mapping[str, str]) -> str:
    """A message in the words of the script."""
    for shell, python in said.items():
        message = re.sub(rf"(?<![\w./]){re.escape(shell)}(?!\w)", python.replace("\\", r"\\"), message)
    return re.sub(r"\$\{(\w+)\}|\$(?=[A-Za-z_])", lambda found: f"{{{found[1]}}}" if found[1] else "", message)
