# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Shell text to a syntax tree, by shfmt."""

from __future__ import annotations

import json
import re
import typing as t

from . import tools
from .model import LintError

Node = dict[str, t.Any]

#: Programs that read shell, and the dialect as shfmt calls it.
DIALECTS = {"sh": "posix", "dash": "posix", "ash": "posix", "bash": "bash", "ksh": "mksh", "mksh": "mksh", "zsh": "zsh"}


class ShellSyntaxError(Exception):
    """The text is not a program of its dialect."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.message = message


def parse(source: bytes, dialect: str) -> Node:
    """The syntax tree of a text, by shfmt."""
    done = tools.run([tools.find_tool("shfmt"), "--to-json", "-ln", dialect], stdin=source)
    if done.returncode != 0:
        message = done.stderr.decode("utf-8", "replace").strip().splitlines()
        match = re.match(r"(?:<standard input>:)?(\d+):(\d+): (.*)", message[0] if message else "")
        if match is None:
            raise LintError(f"shfmt failed: {' '.join(message) or 'no message'}")
        raise ShellSyntaxError(int(match[1]), int(match[2]), match[3])
    tree: Node = json.loads(done.stdout)
    return tree
