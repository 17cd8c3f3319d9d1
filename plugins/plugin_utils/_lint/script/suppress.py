# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Comments that silence a finding where it stands.

C(# nodecycle: disable=rule-id[,rule-id] reason) on the line of the finding or on a line of its own before it;
C(# nodecycle: disable-file=rule-id reason) anywhere, for the whole file.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..core.model import Hit
from .catalogue import RULES

_COMMENT = re.compile(r"#\s*nodecycle:\s*(disable(?:-file)?)\s*=\s*([A-Za-z0-9_,-]*)[ \t]*(.*)$")


@dataclasses.dataclass(frozen=True)
class Suppression:
    """One comment that counts."""

    rules: frozenset[str]
    #: The line that it speaks of; None for the whole file.
    line: int | None

    def covers(self, hit: Hit) -> bool:
        """Whether it silences a hit."""
        return hit.rule in self.rules and self.line in (None, hit.line)


def read(text: str) -> tuple[list[Suppression], list[Hit]]:
    """The suppressions of a script, and hits for those that do not count."""
    found: list[Suppression] = []
    wrong: list[Hit] = []
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        match = _COMMENT.search(line)
        if match is None:
            continue
        rules = [rule for rule in match[2].split(",") if rule]
        unknown = [rule for rule in rules if rule not in RULES]
        column = match.start() + 1
        if unknown or not rules:
            wrong.append(
                Hit(
                    "suppression",
                    number,
                    column,
                    f"no rule is called {', '.join(unknown)}" if unknown else "no rule is named",
                )
            )
            continue
        if not match[3].strip():
            wrong.append(Hit("suppression", number, column, f"the reason for disable={match[2]} is missing"))
            continue
        found.append(Suppression(frozenset(rules), None if match[1] == "disable-file" else _target(lines, number)))
    return found, wrong


def _target(lines: t.Sequence[str], number: int) -> int:
    """The line that a comment on this line speaks of."""
    if not lines[number - 1].lstrip().startswith("#"):
        return number
    for later in range(number, len(lines)):
        if lines[later].strip() and not lines[later].lstrip().startswith("#"):
            return later + 1
    return number


def apply(hits: t.Iterable[Hit], text: str) -> list[Hit]:
    """The hits that stay, with those about the suppressions themselves."""
    suppressions, wrong = read(text)
    return [hit for hit in hits if not any(s.covers(hit) for s in suppressions)] + wrong
