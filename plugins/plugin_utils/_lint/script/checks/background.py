# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""What a script leaves in the background."""

from __future__ import annotations

import typing as t

from ...core.model import Hit, hit_at
from ..facts import Is
from ..knowledge import is_a
from ..program import Call
from ..subject import Subject
from .vocabulary import origins


def background_process(subject: Subject) -> t.Iterator[Hit]:
    """background-process: what Slurm waits for, or kills, when the hook ends."""
    program = subject.program
    if subject.where.is_init:
        return
    waits = [call.sequence for call in program.named("wait") if not call.context.background]
    processes: dict[int, list[Call]] = {}
    for call in program.calls:
        # The output of a coprocess is the script's to read.
        if call.context.background and not call.context.substituted and call.context.stdout != "pipe":
            processes.setdefault(call.context.background, []).append(call)
    for number, calls in processes.items():
        first = min(calls, key=lambda call: call.sequence)
        names = {call.name for call in calls}
        is_awaited = any(sequence > first.sequence for sequence in waits)
        if (
            is_awaited
            or any(is_a(name, Is.DETACHES) for name in names)
            or _is_guard(subject, calls)
            or _is_ended(subject, number)
        ):
            continue
        # What a function does has the redirections of its call.
        outer = [call for call in calls if call.context.function == first.context.function]
        if _slurm_reads(subject) and any(_keeps_output(subject, call) for call in outer):
            yield hit_at(
                "background-process",
                first,
                f"{first.name or 'a command'} stays in the background with the script's output, and Slurm waits for its end",
            )
        elif "setsid" in names:
            yield hit_at(
                "background-process",
                first,
                "setsid in the background may be too late: write setsid --fork, without &",
                "info",
            )
        elif not _has_own_group(subject, first):
            yield hit_at(
                "background-process",
                first,
                f"{first.name or 'a command'} stays in the background, and Slurm kills it when the hook ends",
            )


def _is_guard(subject: Subject, calls: t.Sequence[Call]) -> bool:
    """Whether a process in the background ends the script, or what it started: (sleep 20; kill $$) &."""
    return any(
        piece.kind == "variable" and piece.text in ("$", "PPID", "BASHPID", "!")
        for call in calls
        if call.name == "kill"
        for word in call.arguments
        for piece in origins(subject, word, call)
    )


def _is_ended(subject: Subject, number: int) -> bool:
    """Whether the script itself ends a process by its $!."""
    return any(
        piece.text == "!"
        for call in subject.program.named("kill")
        if call.context.background != number
        for word in call.arguments
        for piece in origins(subject, word, call)
    )


def _slurm_reads(subject: Subject) -> bool:
    """Whether the script's output goes to Slurm itself. Our dispatcher gives each script a pipe, but not in task hooks."""
    return subject.where.name == "task_prolog" or (subject.path is None and subject.where.group != "task")


def _keeps_output(subject: Subject, call: Call) -> bool:
    """Whether a command has the output, or the error output, that the script started with."""
    kept = {"1", "2"}
    moved = [c for c in subject.program.named("exec") if len(c.words) == 1 and subject.program.lasts(c, call)]
    for redirect in (r for c in (*moved, call) for r in c.context.redirects):
        target = redirect.target.literal
        for fd in ("1", "2") if redirect.operator in ("&>", "&>>") else (redirect.fd or "1",):
            if redirect.operator == ">&" and target in ("1", "2"):
                kept = kept | {fd} if target in kept else kept - {fd}
            elif redirect.operator.endswith((">", "|", "&")):
                kept = kept - {fd}
    return bool(kept)


def _has_own_group(subject: Subject, call: Call) -> bool:
    """Whether job control is on, which gives each background process a group."""
    return any(
        c.has_option("-m") or "monitor" in c.texts
        for c in subject.program.named("set")
        if subject.program.lasts(c, call)
    )


CHECKS = (background_process,)
