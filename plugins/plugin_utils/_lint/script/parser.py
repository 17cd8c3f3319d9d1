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
SECONDS = 1

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


#: declare -A and its kin, with the rest of the line.
_DECLARES_MAPS = re.compile(rb"\b(?:declare|local|typeset|readonly)[ \t]+(?:-\w+[ \t]+)*-\w*A\w*[ \t]+([^\n#]*)")
_NAME = re.compile(rb"(?<![\w/.$-])[A-Za-z_]\w*(?=[=\s;&|)]|$)")


def _with_plain_keys(source: bytes) -> bytes:
    """The text with keys of associative arrays that shfmt can read.

    It takes each subscript for arithmetic, in which [/data] and [x.y] are errors; so a key gets letters in the place of
    such characters. The length stays.
    """
    names = {name for declared in _DECLARES_MAPS.findall(source) for name in _NAME.findall(declared)}
    if not names:
        return source
    element = rb"(?<![\w$])(?:\$\{[!#]?)?(?:%s)(?=\[)|(?<=[\s(])(?=\[[^][$\"'`\\\s]+\]\+?=)" % b"|".join(sorted(names))
    return re.sub(
        rb"(%s)\[([^][$\"'`\\\s]+)(?=\])" % element,
        lambda match: match[1] + b"[" + (match[2] if match[2] in (b"@", b"*") else re.sub(rb"\W", b"_", match[2])),
        source,
    )


def nodes(root: t.Any, *, but: str = "") -> t.Iterator[Node]:
    """Every node of a part of the tree, without those of one type and what lies in them."""
    stack = [root]
    while stack:
        part = stack.pop()
        if isinstance(part, list):
            stack.extend(part)
        elif isinstance(part, dict) and (not but or part.get("Type") != but):
            yield part
            for value in part.values():
                # Most of what a node has are places in the text, which have a line and a column.
                if isinstance(value, (dict, list)) and "Col" not in value:
                    stack.append(value)


def parse(source: bytes, dialect: str) -> Node:
    """The syntax tree of a text, by shfmt. Raises ShellSyntaxError, and LintError where it is shfmt that does not work."""
    done = _shfmt(_with_plain_keys(source), dialect)
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
