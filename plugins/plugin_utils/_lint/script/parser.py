# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Shell text to a syntax tree, by shfmt."""

from __future__ import annotations

import json
import re
import subprocess
import typing as t

from ..core.model import LintError
from . import tools

Node = dict[str, t.Any]

#: Of processor time. Of a script that somebody wrote by hand, shfmt needs a hundredth; its answer grows with the square of the depth.
SECONDS = 2

#: Programs that read shell, and the dialect as shfmt calls it.
DIALECTS = {"sh": "posix", "dash": "posix", "ash": "posix", "bash": "bash", "ksh": "mksh", "mksh": "mksh", "zsh": "zsh"}


class ShellSyntaxError(Exception):
    """The text is not a program of its dialect."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.message = message


#: How shfmt begins an error. Beyond line 262,143 or column 16,383 it writes a question mark.
_PLACE = re.compile(r"(?:<standard input>:)?(\d+|\?):(\d+|\?): (.*)", re.DOTALL)


def as_utf_8(source: bytes) -> bytes:
    """The text with a comma for each byte that is not UTF-8: neither program takes such bytes, a shell does, and a comma says nothing to it."""
    text = source.decode("utf-8", "surrogateescape")
    return re.sub(r"[\udc80-\udcff]", ",", text).encode()


def parse(source: bytes, dialect: str) -> Node:
    """The syntax tree of a text, by shfmt. Raises ShellSyntaxError, and LintError where it is shfmt that does not work."""
    done = _shfmt(source, dialect)
    if done.returncode != 0:
        message = " ".join(done.stderr.decode("utf-8", "replace").split()) or f"it ended with code {done.returncode}"
        if "exceeded max depth" in message:
            raise tools.TooMuchError("it is nested too deeply")
        match = _PLACE.match(message)
        if match is not None:
            line, column = (int(number) if number.isdigit() else 1 for number in match.groups()[:2])
            raise ShellSyntaxError(line, column, match[3])
        if _shfmt(b"true\n", dialect).returncode != 0:
            raise LintError(f"shfmt failed: {message}")
        raise ShellSyntaxError(1, 1, message)
    tree: Node = json.loads(done.stdout)
    return tree


def _shfmt(source: bytes, dialect: str) -> subprocess.CompletedProcess[bytes]:
    return tools.run([tools.find_tool("shfmt"), "--to-json", "-ln", dialect], seconds=SECONDS, stdin=source)
