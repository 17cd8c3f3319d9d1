# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The common terms of both linters: places, hits and findings."""

from __future__ import annotations

import dataclasses
import typing as t

Severity = t.Literal["error", "warning", "info"]

#: From the worst to the mildest.
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


class LintError(Exception):
    """The linter cannot do its work: a missing program, wrong options. The text is for the user."""


class Place(t.Protocol):
    """Anything that stands somewhere in a text."""

    @property
    def line(self) -> int:
        """Counted from 1."""

    @property
    def column(self) -> int:
        """Counted from 1."""


@dataclasses.dataclass(frozen=True)
class Hit:
    """A rule fired at a place: a finding before it knows which text of which host it belongs to."""

    rule: str
    line: int
    column: int
    message: str
    #: Only where it differs from the rule's own severity.
    severity: Severity | None = None
    #: Only where it is more to the point than the rule's own remedy.
    fix: str = ""


def hit_at(rule: str, place: Place, message: str, severity: Severity | None = None, fix: str = "") -> Hit:
    """A hit where something stands."""
    return Hit(rule, place.line, place.column, message, severity, fix)


@dataclasses.dataclass(frozen=True)
class Written:
    """Where the user wrote a text: a file of its own, or some lines of an inventory."""

    file: str
    #: The lines of the file, and those of the text, of which a template may have changed some.
    lines: t.Sequence[str]
    text: t.Sequence[str]
    #: The line of the variable, from 1; 0 if the file holds nothing else.
    variable: int
    #: The index of the text's first line in the file; None if it does not stand there.
    start: int | None

    @classmethod
    def of(cls, file: str, whole: str, text: str, variable: int = 0) -> Written:
        """The place of a text in a file with this content."""
        lines, own = whole.split("\n"), text.split("\n")
        return cls(file, lines, own, variable, _start(lines, own, variable) if variable else 0)

    def place(self, line: int, column: int) -> tuple[int, int]:
        """The line and column of the file; the line of the variable, and 0, if another text stands there."""
        if self.start is not None and line <= len(self.text) and self.start + line <= len(self.lines):
            there, wanted = self.lines[self.start + line - 1], self.text[line - 1]
            indentation = there[: max(0, len(there) - len(wanted))]
            if there == indentation + wanted and not indentation.strip():
                return self.start + line, column + len(indentation)
        return self.variable, 0


def _start(lines: t.Sequence[str], text: t.Sequence[str], variable: int) -> int | None:
    """The index of a text's first line at or below that of its variable: ansible-cores name the place of one or of the other."""
    for start in range(variable - 1, len(lines)):
        pairs = list(zip(lines[start:], text, strict=False))
        # A template fills in some lines; the text of the next script has other ones.
        same = sum(there.strip() == wanted.strip() for there, wanted in pairs)
        if pairs[0][0].strip() == pairs[0][1].strip() and 2 * same > len(text):
            return start
    return None


@dataclasses.dataclass(frozen=True)
class Source:
    """Which text a hit belongs to, as the user knows it."""

    #: The hook that runs it; the name of the file where no hook does.
    hook: str
    script: str
    origin: str
    #: A host that gets this text (a template may render differently elsewhere).
    host: str | None = None
    #: None if no file is known.
    written: Written | None = None


@dataclasses.dataclass(frozen=True)
class Finding:
    """A hit in a text, with all that the user needs to understand and fix it."""

    rule: str
    severity: Severity
    hook: str
    script: str
    origin: str
    line: int
    column: int
    message: str
    why: str
    fix: str
    host: str | None
    #: The address of the rule's page.
    page: str
    #: The file that holds the text, or the variable with it, and the place in that file; empty and 0 if not known.
    file: str = ""
    file_line: int = 0
    file_column: int = 0

    def as_dict(self) -> dict[str, t.Any]:
        """The finding as plain data, for a module's result."""
        return dataclasses.asdict(self)


def at_or_above(severity: str, threshold: str) -> bool:
    """Whether a severity is as bad as the threshold or worse."""
    order: tuple[str, ...] = SEVERITIES
    return order.index(severity) <= order.index(threshold)
