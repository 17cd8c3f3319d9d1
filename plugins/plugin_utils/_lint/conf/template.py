# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""A slurm.conf that is still a template (Jinja, ERB, EPP, Go): the parts that are readable without its values."""

from __future__ import annotations

import re

#: Stands where a value will be filled in; no slurm.conf holds it.
FILLED = "\x01"

# The last one belongs to no language but is common: Key=#PORT, to be replaced by sed.
_CONSTRUCT = re.compile(
    r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|<%.*?%>|(?<=[^\s#\\\\])#[A-Z][A-Z0-9_]{2,}(?![A-Za-z0-9_=])", re.DOTALL
)
_OPENS = re.compile(
    r"(?:\{%[-+]?|<%-?|\{\{-?)\s*(?:if|for|unless|range|with|block|define|macro|case|while)\b|<%-?[^=].*\bdo\b(?:\s*\|[^|]*\|)?\s*-?%>",
    re.DOTALL,
)
_CLOSES = re.compile(r"(?:\{%[-+]?|<%-?|\{\{-?)\s*(?:end\w*)\b")
#: Code of EPP or ERB that prints nothing.
_CODE = re.compile(r"<%-?(?![=#])(.*?)-?%>", re.DOTALL)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_INNERMOST = re.compile(r"\{[^{}]*\}")
#: A block that ends where it began. Ruby's empty hash at the end of a condition is none.
_WHOLE = re.compile(r"\{[^{}]*[^{}\s][^{}]*\}\s*\Z")


def _blocks(construct: str) -> tuple[int, int]:
    """How many blocks a construct ends, and how many it begins: by its braces (EPP, ERB), or by its words."""
    if code := _CODE.fullmatch(construct):
        left = _QUOTED.sub("", code[1])
        is_whole = bool(_WHOLE.search(left))
        while _INNERMOST.search(left):
            left = _INNERMOST.sub("", left)
        ended, begun = left.count("}"), left.count("{")
        if ended or begun or is_whole:
            return ended, begun
    return int(bool(_CLOSES.match(construct))), int(bool(_OPENS.match(construct)))


class Template:
    """The text with its constructs replaced, to the same length and with the same lines."""

    def __init__(self, text: str) -> None:
        self._touched: set[int] = set()
        self._conditional: set[int] = set()
        self.is_one = False
        pieces: list[str] = []
        end = 0
        depth = 0
        line = 1
        opened = 0
        for match in _CONSTRUCT.finditer(text):
            construct = match.group()
            before = text[end : match.start()]
            line += before.count("\n")
            last = line + construct.count("\n")
            self.is_one = True
            self._touched.update(range(line, last + 1))
            pieces.append(before)
            ended, begun = _blocks(construct)
            is_control = ended or begun or not re.match(r"\{\{|<%-?=|#", construct)
            alone = (
                not text[text.rfind("\n", 0, match.start()) + 1 : match.start()].strip()
                and not text[match.end() :].split("\n", 1)[0].strip()
            )
            pieces.append(re.sub(r"[^\n]", " " if is_control or alone else FILLED, construct))
            if ended and depth:
                depth = max(0, depth - ended)
                if depth == 0:
                    self._conditional.update(range(opened, last + 1))
            if begun:
                opened = line if depth == 0 else opened
                depth += begun
            line, end = last, match.end()
        pieces.append(text[end:])
        self.text = "".join(pieces)

    def is_touched(self, line: int) -> bool:
        """Whether a line holds something of the template's language."""
        return line in self._touched

    def is_conditional(self, line: int) -> bool:
        """Whether a line stands in a block that may be left out or repeated."""
        return line in self._conditional

    def is_filled_in(self, value: str) -> bool:
        """Whether a value is not known yet."""
        return FILLED in value
