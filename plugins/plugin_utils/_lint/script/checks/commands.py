# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Single commands: is this one right in this hook, and is it found?"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ...core.model import Hit, hit_at
from ..knowledge import BASE_COMMANDS, SHELL_WORDS, facts, has_facts
from ..program import Call
from ..subject import Subject
from .vocabulary import asks_slurm, fed_by, only_expands, verbs


def slurm_command(subject: Subject) -> t.Iterator[Hit]:
    """slurm-command: every Slurm command that runs in a job hook."""
    if subject.where.is_init:
        return
    for call in subject.program.calls:
        if only_expands(call):
            yield hit_at(
                "slurm-command",
                call,
                f"{call.name} {' '.join(verbs(call))} only expands names here; it does not ask the controller",
                "info",
            )
        elif asks_slurm(call) and not subject.where.is_health:
            yield hit_at("slurm-command", call, f"{_label(call)} runs in {subject.where.name}")
        elif asks_slurm(call) and verbs(call)[:1] != ["update"]:
            yield hit_at(
                "slurm-command",
                call,
                f"{_label(call)} runs in {subject.where.name}, so every node asks slurmctld at the same time",
                fix="Look at the node itself, and ask slurmctld only when a check has failed.",
            )


def _label(call: Call) -> str:
    """A command with its verb, as a reader would call it."""
    verb = next((text for text in call.texts[:1] if re.fullmatch(r"[a-z]+", text)), "")
    return f"{call.name} {verb}".strip()


def command_search_path(subject: Subject) -> t.Iterator[Hit]:
    """command-search-path: the commands of no base system that are called by their bare names, or else the first of any."""
    if subject.where.is_init or subject.where.group == "task" or subject.program.is_library:
        return
    bare = [
        call
        for call in subject.program.calls
        if call.path
        and "/" not in call.path
        and "$" not in call.path
        and call.name not in subject.program.functions
        and re.fullmatch(r"[A-Za-z0-9][\w.+-]*", call.name)
        # sudo and su bring a PATH of their own; the text of an eval has no place of its own.
        and call.context.user is None
        and "PATH" not in call.environment
        and not call.context.in_text
        and not _has_path(subject, call)
    ]
    bare.sort(key=lambda call: call.line)
    # With a file of functions in use, an unknown name may be one of them.
    sources = bool(subject.program.named("source", "."))
    foreign: dict[str, Call] = {}
    for call in bare:
        is_program = has_facts(call.name) and facts(call.name).alters is None
        if call.name not in BASE_COMMANDS and (not sources or is_program):
            foreign.setdefault(call.name, call)
    if foreign:
        found_by = (
            "the PATH of our dispatcher"
            if subject.path
            else "nothing but the shell's built-in default, for Slurm sets no PATH"
        )
        first, *others = foreign.values()
        also = "".join(f"; {call.name} (line {call.line}) too" for call in others)
        yield hit_at(
            "command-search-path",
            first,
            f"{first.name} is called by its bare name and found through {found_by}{also}",
            "info" if subject.path else "warning",
        )
        return
    base = next((call for call in bare if call.name not in SHELL_WORDS), None)
    if base is not None and subject.path is None:
        yield hit_at(
            "command-search-path",
            base,
            f"{base.name} is called by its bare name, and Slurm sets no PATH",
            "info",
        )


def _has_path(subject: Subject, call: Call) -> bool:
    """Whether the script has set PATH where a command runs."""
    given = subject.values.assignments("PATH", call) if "PATH" in subject.program.assignments else ()
    return "PATH" in call.environment or any(a.value is not None or a.kind == "append" for a in given)


def package_install(subject: Subject) -> t.Iterator[Hit]:
    """package-install: a package manager that installs or updates; in an init hook, one that asks and gets no answer."""
    for call in subject.program.calls:
        if subject.where.is_init:
            if _asks_in_vain(subject, call):
                message = f"{call.name} asks before it acts, nobody answers, and it changes nothing"
                fix = f"Let an option answer: {facts(call.name).answers.split()[0]}."
                yield hit_at("package-install", call, message, fix=fix)
            continue
        texts = call.texts
        name = call.name
        if re.fullmatch(r"python[0-9.]*", name) and texts[:2] == ["-m", "pip"]:
            name, texts = "pip", texts[2:]
        words = facts(name).installs.split()
        found = next((text for text in texts if text in words), None)
        if found is not None:
            yield hit_at("package-install", call, f"{name} {found} runs in {subject.where.name}")


def _asks_in_vain(subject: Subject, call: Call) -> bool:
    """Whether a command asks before it acts, and neither an option nor its input, nor a setting of its own, answers."""
    known = facts(call.name)
    if not known.asks or fed_by(subject.program, call):
        return False
    inputs = [r.target.shown for r in call.context.redirects if r.operator.startswith("<")]
    if (inputs and inputs != ["/dev/null"]) or _ASSUMES.search(subject.program.source):
        return False
    forms = (dataclasses.replace(call, words=(call.words[0], *words)) for words in subject.values.arguments(call))
    return any(
        not set(form.texts).isdisjoint(known.asks.split()) and not form.has_option(*known.answers.split())
        for form in forms
    )


#: The setting of apt and of dnf that answers all questions.
_ASSUMES = re.compile(rb"(?i)assume-?yes\W+(true|yes|1)")


CHECKS = (
    slurm_command,
    command_search_path,
    package_install,
)
