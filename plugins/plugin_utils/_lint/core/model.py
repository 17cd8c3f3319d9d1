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
class Source:
    """Which text a hit belongs to, as the user knows it."""

    #: The hook that runs it; the name of the file where no hook does.
    hook: str
    script: str
    origin: str
    #: A host that gets this text (a template may render differently elsewhere).
    host: str | None = None


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

    def as_dict(self) -> dict[str, t.Any]:
        """The finding as plain data, for a module's result."""
        return dataclasses.asdict(self)


def at_or_above(severity: str, threshold: str) -> bool:
    """Whether a severity is as bad as the threshold or worse."""
    order: tuple[str, ...] = SEVERITIES
    return order.index(severity) <= order.index(threshold)
