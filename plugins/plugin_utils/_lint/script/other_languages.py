# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Scripts that are not shell: parsed, or shown to their own interpreter where that parses without running anything."""

from __future__ import annotations

import os
import re
import shutil
import typing as t

from ..core.model import Hit, LintError
from . import tools

#: Our own look at Python takes seconds above this.
MAX_BYTES = 256 * 1024

#: Interpreter: how it parses a program that it reads from standard input, and nothing else. Only those are here of which that is
#: known: ruby(1) -c "without executing" (BEGIN blocks are compiled only), php(1) -l, luac(1) -p (luac has no interpreter),
#: node(1) --check (compiles). Each was tried with programs that leave a trace as early as the language allows (ruby 3.3,
#: php 8.4, lua 5.4, node 20).
_CHECKERS: dict[str, list[str]] = {
    "ruby": ["--disable=gems", "-c", "-"],
    "php": ["-n", "-l"],
    "lua": ["-p", "-"],
    "node": ["--check", "-"],
}

#: Where the checking program has another name.
_PROGRAMS = {"lua": "luac"}

#: Known, and not shown to their interpreter. `perl -c` runs BEGIN blocks and all that `use` loads. csh -n expands some words of what it
#: reads, and fish -n is a promise that its older versions are not known to keep.
_UNCHECKED = {
    "perl": "perl can check a program only by running parts of it",
    "tcsh": "tcsh is not known to check a program without running parts of it",
    "csh": "csh is not known to check a program without running parts of it",
    "fish": "fish is not known to check a program without running parts of it",
}

#: Where the error stands and what it is, in what the programs say.
_ERRORS: dict[str, tuple[str, str]] = {
    "ruby": (r"(?m)^-:(\d+):", r"(?m)^-:\d+: *(.*)$"),
    "php": (r"on line (\d+)", r"(?m)^(?:PHP )?((?:Parse|Fatal) error:.*)$"),
    "lua": (r"stdin:(\d+):", r"stdin:\d+: *(.*)"),
    "node": (r"(?m)^\[stdin\]:(\d+)$", r"(?m)^(SyntaxError: .*)$"),
}

#: What node says of a module, which it takes for one only where the file's name or its version allows that.
_IS_MODULE = re.compile(r"outside a module|top level bodies of modules|ES module")


def check(program: str, text: bytes) -> t.Iterator[Hit]:
    """The hits of a script in a language other than shell."""
    base = re.sub(r"[0-9.]+$", "", program)
    if base in _CHECKERS:
        yield from _by_interpreter(base, text)
    elif base in _UNCHECKED:
        yield Hit("unknown-language", 1, 1, f"{_UNCHECKED[base]}; the syntax was not checked")
    else:
        yield Hit("unknown-language", 1, 1, f"scripts for {program or 'an unknown interpreter'} are not analysed")


def _by_interpreter(base: str, text: bytes) -> t.Iterator[Hit]:
    path = shutil.which(_PROGRAMS.get(base, base))
    if path is None:
        yield Hit("unknown-language", 1, 1, f"{base} is not installed on the control node; the syntax was not checked")
        return
    # What stands behind the interpreter's name are options (ruby -r loads code); the line stays, for the numbers.
    text = re.sub(rb"\A#![^\n]*", b"", text) if base == "ruby" else text
    try:
        # Without variables that load code of the user's (RUBYOPT, NODE_OPTIONS, LUA_INIT ...).
        done = tools.run(
            [path, *_CHECKERS[base]], seconds=2, stdin=text, timeout=10, env={"PATH": os.environ.get("PATH", "")}
        )
    except LintError as exc:
        yield Hit("unknown-language", 1, 1, f"{base} could not check the syntax: {exc}")
        return
    if done.returncode == 0:
        return
    said = (done.stderr + b"\n" + done.stdout).decode("utf-8", "replace")
    place, what = (re.search(pattern, said) for pattern in _ERRORS[base])
    if what is None or _IS_MODULE.search(said):
        yield Hit("unknown-language", 1, 1, f"{base} could not check the syntax: {' '.join(said.split())[:200]}")
        return
    yield Hit("syntax-error", int(place[1][:9]) if place else 1, 1, f"{base}: {' '.join(what[1].split())}")
