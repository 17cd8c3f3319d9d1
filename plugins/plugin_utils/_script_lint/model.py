# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""What goes into the linter and what comes out of it."""

from __future__ import annotations

import dataclasses
import typing as t

Severity = t.Literal["error", "warning", "info"]

#: From the worst to the mildest.
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")

#: What the dispatcher sets before it starts a script (not for the task hooks).
DISPATCHER_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def word_set(text: str) -> frozenset[str]:
    """The words of a text: a way to write long lists of names."""
    return frozenset(text.split())


class LintError(Exception):
    """The linter cannot do its work: a missing program, wrong options. The text is for the user."""


@dataclasses.dataclass(frozen=True)
class Script:
    """One script as one hook would run it."""

    hook: str
    name: str
    content: bytes
    #: Where the user finds it, such as C(slurm_worker_prolog[2] (files/x.sh\)).
    origin: str = ""
    #: Seconds after which the dispatcher ends it; None when nothing does.
    timeout: int | None = None
    #: A host that gets this text (a template may render differently elsewhere).
    host: str | None = None
    #: No text of a secret script may appear in a finding.
    is_secret: bool = False


@dataclasses.dataclass(frozen=True)
class Options:
    """What changes the outcome, apart from the scripts."""

    #: The oldest Slurm of the cluster, such as V(24.11); None means any that is supported.
    slurm_version: str | None = None
    #: Rules that are not wanted at all.
    disabled: frozenset[str] = frozenset()
    #: Rule to severity, or to V(off).
    severities: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: PrologEpilogTimeout of the cluster, a bound for scripts without their own.
    prolog_epilog_timeout: int | None = None
    #: The search path a script starts with; None when Slurm starts it without our dispatcher.
    path: str | None = DISPATCHER_PATH


@dataclasses.dataclass(frozen=True)
class Hit:
    """A rule fired at a place: a finding before it knows which script of which host it belongs to."""

    rule: str
    line: int
    column: int
    message: str
    #: Only where it differs from the rule's own severity in this hook.
    severity: Severity | None = None


class Place(t.Protocol):
    """Anything that stands somewhere in a script."""

    @property
    def line(self) -> int:
        """Counted from 1."""

    @property
    def column(self) -> int:
        """Counted from 1."""


def hit_at(rule: str, place: Place, message: str, severity: Severity | None = None) -> Hit:
    """A hit where something stands."""
    return Hit(rule, place.line, place.column, message, severity)


@dataclasses.dataclass(frozen=True)
class Finding:
    """A hit in a script, with what the user needs to understand and mend it."""

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
    host: str | None = None

    def as_dict(self) -> dict[str, t.Any]:
        """The finding as plain data, for a module's result."""
        return dataclasses.asdict(self)


def at_or_above(severity: str, threshold: str) -> bool:
    """Whether a severity is as bad as the threshold or worse."""
    order: tuple[str, ...] = SEVERITIES
    return order.index(severity) <= order.index(threshold)
