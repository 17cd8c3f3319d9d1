# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Where a note of ShellCheck's is surely a mistake. Each hit counts only if ShellCheck, which a comment silences, says so too."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ...core.model import Hit, hit_at
from .. import status
from ..guards import Guards
from ..program import Moment
from ..subject import Subject

_WAYS_OUT = frozenset({"exit", "return", "break", "continue"})


def exit_range(subject: Subject) -> t.Iterator[Hit]:
    """SC2242 and SC2152: a code that becomes another. V(-1) fails as it was meant to: 255 in bash, 2 in dash."""
    for call in subject.program.named("exit", "return"):
        text = call.literals[0] if call.literals else ""
        if re.fullmatch(r"\d+", text) and int(text) > 255:
            becomes = f"{text} becomes {int(text) % 256}" + (", which means success" if int(text) % 256 == 0 else "")
            number = "SC2242" if call.name == "exit" else "SC2152"
            yield hit_at("shellcheck", call, f"{number}: codes end at 255; {becomes}", "warning")


def redirected_in_vain(subject: Subject) -> t.Iterator[Hit]:
    """SC2069: V(2>&1 >file) leaves the errors where stdout was. In a pipeline or $( ) just that may be meant."""
    for call in subject.program.calls:
        redirects = call.context.redirects
        for position, first in enumerate(redirects):
            to_stdout = first.operator == ">&" and first.fd == "2" and first.target.literal == "1"
            moved = any(r.operator in (">", ">>", ">|") and r.fd in ("", "1") for r in redirects[position + 1 :])
            if to_stdout and moved and first.context.stdout not in ("pipe", "capture"):
                message = "SC2069: the errors go where stdout was before, not into the file; write >file 2>&1"
                yield hit_at("shellcheck", first.target, message, "warning")


def never_runs(subject: Subject) -> t.Iterator[Hit]:
    """SC2317: work behind an exit. A function is declared to be called, which ShellCheck does not always see."""
    guards = Guards(subject.program.functions)
    for step in subject.statuses.steps:
        is_declaration = (step.node.get("Cmd") or {}).get("Type") == "FuncDecl"
        is_work = not is_declaration and status.first_word(step.node) not in _WAYS_OUT
        if step.before is not None and guards.leaves(step.before) and is_work:
            yield Hit("shellcheck", *status.position(step.node), "SC2317: the script never gets here", "warning")


def expands_too_early(subject: Subject) -> t.Iterator[Hit]:
    """SC2064: a trap in double quotes with a variable that gets its value later: what the trap runs has nothing in its place."""
    program = subject.program
    for call in program.named("trap"):
        for piece in call.arguments[0].variables if call.arguments else ():
            now = Moment(dataclasses.replace(call.context, deferred=False), call.sequence)
            if program.assignments.get(piece.text) and not subject.values.assignments(piece.text, now):
                message = f"SC2064: {piece.text} has no value yet when the trap is set; write the trap in single quotes"
                yield hit_at("shellcheck", call, message, "warning")


CHECKS = (exit_range, redirected_in_vain, never_runs, expands_too_early)
