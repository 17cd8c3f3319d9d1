# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Checks of the bytes of a file, before anything is parsed: whatever the language."""

from __future__ import annotations

import itertools
import posixpath
import re
import typing as t

from ..core.model import Hit
from ..core.nearest import nearest
from .model import word_set
from .parser import DIALECTS
from .shebang import Shebang, read_shebang

#: Above this a text is not analysed: no prolog is a megabyte long.
MAX_BYTES = 1024 * 1024

#: The hit of a script that has text, and nothing in it that runs.
NO_COMMAND = Hit("script-empty", 1, 1, "no command stands in the script: whatever it should do is not done", "info")

_BOM = b"\xef\xbb\xbf"


def check(content: bytes) -> tuple[list[Hit], bytes | None]:
    """The hits of a file's bytes, and the text to analyse further (None if that makes no sense)."""
    hits: list[Hit] = []
    if not content.strip(b"\r\n\t \0"):
        return [Hit("script-empty", 1, 1, "the file is empty")], None
    if len(content) > MAX_BYTES:
        hits.append(Hit("script-size", 1, 1, f"{len(content) / 1048576:.1f} MiB; only texts up to 1 MiB are analysed"))
    text: bytes | None = content if len(content) <= MAX_BYTES else None
    hits.extend(_encoding(content))
    if b"\0" in content:
        return hits, None
    if content.startswith(_BOM):
        content = content[len(_BOM) :]
        text = text and content
    hits.extend(_shebang(content))
    # The kernel and the shell see the carriage returns; what else is wrong is easier told without them.
    return hits, text.replace(b"\r\n", b"\n") if text is not None else None


def _encoding(content: bytes) -> t.Iterator[Hit]:
    """CRLF, byte order mark, NUL, not UTF-8."""
    if (
        content[:4] in (b"\x7fELF",)
        or content[:2] in (b"\xfe\xff", b"\xff\xfe", b"\x1f\x8b")
        or content[:4] == b"PK\x03\x04"
    ):
        yield Hit("text-encoding", 1, 1, "the file is binary, not a text")
        return
    if content.startswith(_BOM):
        yield Hit("text-encoding", 1, 1, "a byte order mark stands before the first line")
    position = content.find(b"\0")
    if position >= 0:
        yield Hit("text-encoding", content.count(b"\n", 0, position) + 1, 1, "the file contains a NUL byte")
        return
    position = content.find(b"\r\n")
    if position >= 0:
        count = content.count(b"\r\n")
        yield Hit(
            "text-encoding",
            content.count(b"\n", 0, position) + 1,
            1,
            f"{count} line{'s end' if count > 1 else ' ends'} with a carriage return (Windows line end)",
        )
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        yield Hit(
            "text-encoding",
            line,
            exc.start - content.rfind(b"\n", 0, exc.start),
            "a byte here is not valid UTF-8",
            "warning",
        )


def _shebang(content: bytes) -> t.Iterator[Hit]:
    found = read_shebang(content)
    if found is None:
        later = re.search(rb"^[ \t]*#![ \t]*/", content[:4096], re.MULTILINE)
        if later is not None:
            line = content.count(b"\n", 0, later.start()) + 1
            yield Hit(
                "shebang-missing",
                1,
                1,
                f"#! stands on line {line}, not on the first byte of the file"
                if line > 1
                else "something stands before #!",
            )
        else:
            yield Hit("shebang-missing", 1, 1, "no #! line")
        return
    hits = list(_interpreter(found))
    misspelt = _misspelt(found) if not hits else None
    yield from [misspelt] if misspelt is not None else hits


def _interpreter(found: Shebang) -> t.Iterator[Hit]:
    interpreter = found.interpreter.rstrip("\r")
    if not interpreter:
        yield Hit("shebang-interpreter", 1, 1, "#! names nothing")
    elif re.search(r"\{\{|\{%|@[A-Za-z_]+@", interpreter):
        return
    elif not interpreter.startswith("/"):
        yield Hit("shebang-interpreter", 1, 1, f"{interpreter} is not an absolute path")
    elif posixpath.basename(interpreter) == "env":
        words = found.argument.split()
        if not words:
            yield Hit("shebang-interpreter", 1, 1, "env is told nothing to run")
        elif len(words) > 1 and not words[0].startswith(("-S", "--split-string", "-vS", "-iS")):
            said = f'env gets "{found.argument}" as ONE argument and looks for a program of that name; use env -S'
            yield _one_line(found.options) or Hit("shebang-interpreter", 1, 1, said)
        elif len(found.options) > 1 and (hit := _one_line(found.options)) is not None:
            yield hit
    elif len(found.options) > 1 and _takes_one(found.program):
        said = f'{found.program} gets "{found.argument}" as ONE argument and stops; set options in the script'
        yield _one_line(found.options) or Hit("shebang-interpreter", 1, 1, said)
    elif _takes_one(found.program) and re.fullmatch(r"-[A-Za-z]*o", found.argument):
        said = f"{found.program} {found.argument} takes the script's path for the name of an option, and stops"
        yield Hit("shebang-interpreter", 1, 1, said)


#: Interpreters; one whose name is almost one of these is misspelt.
_KNOWN = word_set(
    """
    ash awk bash busybox csh dash dsh env es expect fish gawk guile java julia ksh lua make mawk mksh nawk node nu oksh osh
    pdksh perl php pwsh pypy python rbash Rscript rc rsh ruby sash sed sh ssh tclsh tcsh wish xonsh yash zsh
    """
)
_PLACES = word_set("/bin /usr/bin /usr/local/bin /sbin /usr/sbin /usr/local/sbin")


def _misspelt(found: Shebang) -> Hit | None:
    """An interpreter that is no other's name, but almost one: bahs, /user/bin/bash."""
    name = re.sub(r"[\d.]+\r?$|\r$", "", found.program)
    folder = posixpath.dirname(found.interpreter)
    meant = nearest(name, sorted(_KNOWN), cutoff=0.74) if name not in _KNOWN else ""
    if len(name) == 2 and name[::-1] in _KNOWN:
        meant = f"; {name[::-1]} is probably meant"
    if meant:
        return Hit("shebang-interpreter", 1, 1, f"{found.program} is no interpreter that is known{meant}")
    place = nearest(folder, sorted(_PLACES), cutoff=0.8) if folder not in _PLACES else ""
    return Hit("shebang-interpreter", 1, 1, f"{folder} is no usual place of {name}{place}") if place else None


def _takes_one(program: str) -> bool:
    """Whether a program cannot take several words in one argument, as perl can, which reads the line itself."""
    return program in DIALECTS


def _one_line(options: list[str]) -> Hit | None:
    """A script whose commands stand behind the interpreter, as YAML folds a block."""
    commands = list(itertools.dropwhile(lambda word: word.startswith("-"), options))
    if len(commands) < 2 or commands[0].startswith("#"):
        return None
    said = (
        "the commands stand on the first line, where none of them runs; in YAML write the script with | and not with >"
    )
    return Hit("shebang-interpreter", 1, 1, said)
