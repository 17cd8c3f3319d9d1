# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The output of a script, and its readers."""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit, hit_at
from ..facts import Is
from ..knowledge import BASE_COMMANDS, is_a
from ..program import Call
from ..subject import Subject

_PROTOCOL = re.compile(r"\s*(export\s+[\w$%]|unset\s+[\w$%]|print\s)")


def output(subject: Subject) -> t.Iterator[Hit]:
    """stdout-noise and task-protocol."""
    where = subject.where
    if where.is_init:
        return
    noted = False
    for call in subject.program.calls:
        if call.name not in ("env", "printenv", "set", "declare", "export", "echo", "printf") or not reaches_stdout(
            subject, call
        ):
            continue
        if stdout_moved(subject, call) and (
            where.name == "task_prolog"
            or call.name not in ("echo", "printf")
            or not _PROTOCOL.match(_printed(call) or "")
        ):
            continue
        if (call.name in ("env", "printenv") and not call.arguments) or (
            call.name in ("set", "declare", "export") and (not call.arguments or call.texts == ["-p"])
        ):
            if where.group != "init":
                yield hit_at("stdout-noise", call, "the whole environment is printed", "warning")
            continue
        if call.name not in ("echo", "printf") or call.context.stdout == "pipe":
            continue
        text = _printed(call)
        if where.name == "task_prolog":
            if text is None or _PROTOCOL.match(text) or not text.strip():
                continue
            first = text.split()[0]
            if (
                first in BASE_COMMANDS
                and first not in ("set", "source")
                and len(text.split()) > 1
                and not re.match(r"[A-Z]", first)
            ):
                yield hit_at(
                    "task-protocol",
                    call,
                    f"the line is dropped; a task prolog's output is not executed, so {first} does not run",
                )
            elif first in ("set", "source", ".") and len(text.split()) > 1:
                yield hit_at("task-protocol", call, f"the line is dropped; {first} is not a word of the protocol")
            else:
                yield hit_at(
                    "stdout-noise",
                    call,
                    "the line is dropped: it starts with none of export, unset, print",
                    "warning",
                )
        elif text is not None and _PROTOCOL.match(text):
            yield hit_at(
                "task-protocol",
                call,
                f"{text.split()[0]} lines are read from a task prolog only, not from {where.name}",
            )
        elif not noted:
            noted = True
            yield hit_at(
                "stdout-noise",
                call,
                "what is printed here reaches nobody while the script succeeds"
                if where.group != "task"
                else "what is printed here ends up in the job's output",
                "info",
            )
    for call in subject.program.named("set"):
        if (
            not where.is_init
            and any(re.fullmatch(r"-[a-wyzA-Z]*x[a-z]*", text) for text in call.texts)
            and call.context.function is None
        ):
            yield hit_at("stdout-noise", call, "set -x writes every command to the log", "info")
            break


def stdout_moved(subject: Subject, call: Call) -> bool:
    """Whether an exec before the call sent all output elsewhere."""
    return any(
        len(c.words) == 1 and c.context.stdout not in ("script", "pipe") and subject.program.lasts(c, call)
        for c in subject.program.named("exec")
    )


def reaches_stdout(subject: Subject, call: Call) -> bool:
    """Whether what a command prints becomes the script's output, by way of sort and the like too."""
    context = call.context
    if context.substituted:
        return False
    if context.stdout != "pipe" or context.pipeline is None:
        return context.stdout == "script"
    number, position, _length = context.pipeline
    later = [
        c
        for c in subject.program.calls
        if c.context.pipeline and c.context.pipeline[0] == number and c.context.pipeline[1] > position
    ]
    return all(is_a(c.name, Is.FILTER) for c in later) and any(c.context.stdout == "script" for c in later)


def _printed(call: Call) -> str | None:
    """The beginning of what echo or printf prints; None when even that is not known."""
    words = [word for word in call.arguments if not re.fullmatch(r"-[neE]+", word.shown)]
    if not words:
        return ""
    if words[0].pieces and words[0].pieces[0].kind not in ("text", "glob"):
        return None
    text = words[0].shown
    if call.name == "echo":
        text = " ".join(word.shown for word in words)
    return text


CHECKS = (output,)
