# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The first line of a script, read the way the Linux kernel reads it."""

from __future__ import annotations

import dataclasses
import posixpath


@dataclasses.dataclass(frozen=True)
class Shebang:
    """An interpreter line: V(#!interpreter [one argument])."""

    interpreter: str
    argument: str

    @property
    def program(self) -> str:
        """The name of the program that reads the script; V(env) is looked through."""
        name = posixpath.basename(self.interpreter)
        if name != "env":
            return name
        words = [w for w in self.argument.split() if not w.startswith("-") and "=" not in w]
        return posixpath.basename(words[0]) if words else ""

    @property
    def options(self) -> list[str]:
        """What the interpreter itself is given, V(env) looked through."""
        words = self.argument.split()
        if posixpath.basename(self.interpreter) == "env":
            while words and (words[0].startswith("-") or "=" in words[0]):
                words = words[1:]
            words = words[1:]
        return words


def read_shebang(content: bytes) -> Shebang | None:
    """The interpreter line of a file's first bytes, or None when the kernel would see none."""
    if not content.startswith(b"#!"):
        return None
    line = content[2:4098].split(b"\n", 1)[0].decode("utf-8", "replace").strip(" \t")
    interpreter, _sep, argument = line.replace("\t", " ").partition(" ")
    return Shebang(interpreter, argument.strip())
