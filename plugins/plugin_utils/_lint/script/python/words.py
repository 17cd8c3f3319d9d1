# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""A text of a Python script as a word of a shell's: what is fixed, and the expansions that stand for the rest."""

from __future__ import annotations

import ast
import dataclasses
import re
import typing as t

#: What a character is in $'...'. A text is one line there, so that the lines of both scripts agree.
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclasses.dataclass(frozen=True)
class Part:
    """A piece of a text."""

    text: str
    #: An expansion such as ${name}, not a fixed text.
    is_open: bool = False


Text = tuple[Part, ...]


def fixed(text: str) -> Text:
    """A text that is known."""
    return (Part(text),)


def expansion(text: str) -> Text:
    """An expansion: ${name}, $(command)."""
    return (Part(text, True),)


def unknown(node: ast.expr) -> Text:
    """What is known only when the script runs: a variable that is never empty, and has a name like the expression."""
    return expansion(f"${{{name_of(node)}:?}}")


def name_of(node: ast.expr) -> str:
    """A variable's name for an expression: job.id and job["id"] are job_id."""
    name = re.sub(r"\W+", "_", ast.unparse(node), flags=re.ASCII)[:60].strip("_")
    return name if re.match(r"[A-Za-z]", name) else f"x_{name}"


def literal(text: Text) -> str | None:
    """The text, if all of it is known."""
    return None if any(part.is_open for part in text) else "".join(part.text for part in text)


def quoted(text: Text) -> str:
    """One word of a shell's."""
    return "".join(f'"{part.text}"' if part.is_open else _quoted(part.text) for part in text) or "''"


def split(text: Text) -> str:
    """A text as the shell that reads it splits it into words, where it has no other meaning to a shell; otherwise empty."""
    if any(not part.is_open and re.search(r"[^\w\s./:=,@%+-]", part.text, re.ASCII) for part in text):
        return ""
    return " ".join("".join(part.text for part in text).split())


def pattern(text: Text) -> str:
    """A word whose * and ? stand for file names."""
    return "".join(
        f'"{part.text}"' if part.is_open else re.sub(r"[^*?\[\]]+", lambda found: _quoted(found[0]), part.text)
        for part in text
    )


def joined(texts: t.Iterable[Text], separator: str) -> Text:
    """Several texts with something between them."""
    found: list[Part] = []
    for number, text in enumerate(texts):
        found += [Part(separator)] * bool(number and separator)
        found += text
    return tuple(found)


def lines(text: Text) -> list[Text]:
    """The lines of a text; the last one is empty where the text ends with an end of line."""
    found: list[list[Part]] = [[]]
    for part in text:
        first, *rest = [part.text] if part.is_open else part.text.split("\n")
        found[-1] += [Part(first, part.is_open)] * bool(first)
        found += [[Part(line)] * bool(line) for line in rest]
    return [tuple(line) for line in found]


def _quoted(text: str) -> str:
    text = re.sub(r"[\0\ud800-\udfff]", "", text)
    if re.search(r"['\n\r\t]", text):
        return "$'" + "".join(_ESCAPES.get(character, character) for character in text) + "'"
    return f"'{text}'"
