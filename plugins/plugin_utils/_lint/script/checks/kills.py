# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Kills: who dies beside the job?"""

from __future__ import annotations

import dataclasses
import itertools
import re
import typing as t

from ...core.model import Hit, hit_at
from ..facts import Is
from ..knowledge import MILD_SIGNALS, PKILL_NARROWS, PS_NARROWS, is_a
from ..program import Call, Loop, Word
from ..subject import Subject
from .vocabulary import JOB, OWNER, asked_around, asked_before, behind, fed_by, is_other_user, origins


def kill_processes(subject: Subject) -> t.Iterator[Hit]:
    """kill-user-processes and kill-unscoped: who dies beside the job?"""
    if subject.where.is_init:
        return
    for call in subject.program.calls:
        if is_a(call.name, Is.KILLS):
            if _probes(call):
                continue
            target = _user_option(call)
            if target is not None:
                yield _user_kill(subject, call, target)
            elif is_other_user(call) and {".", ".*", ""} & set(call.texts):
                yield _user_kill(subject, call, "the user")
            elif not (call.name == "pkill" and call.has_option(*PKILL_NARROWS)) and call.arguments:
                yield from _by_name(subject, call, call.name, [call])
        elif call.name == "loginctl" and call.texts[:1] in (["terminate-user"], ["kill-user"]):
            yield _user_kill(subject, call, " ".join(call.texts[1:]))
        elif call.name == "systemctl" and call.texts[:1] in (["stop"], ["kill"]) and _session(call):
            yield _user_kill(subject, call, "the user")
        elif call.name == "fuser" and call.has_option("-k", "--kill"):
            if JOB.search(behind(subject, call.arguments, call)):
                # A directory or device of the job's own.
                continue
            asked = asked_before(subject, call)
            yield hit_at(
                "kill-unscoped",
                call,
                "fuser -k kills every process that uses the file, also those of other jobs",
                "info" if asked else None,
            )
        elif call.name == "kill" and not _probes(call):
            yield from _kill(subject, call)


def _session(call: Call) -> bool:
    """Whether a unit is all that a user runs: his slice, or his service manager."""
    return any(re.match(r"user-.+\.slice$|user@.+", text) and text != "user-.slice" for text in call.texts)


def _probes(call: Call) -> bool:
    """kill -0 and pkill -0 only ask."""
    return call.texts[:1] in (["-0"], ["-l"], ["-L"]) or call.texts[:2] == ["-s", "0"]


def _user_option(call: Call) -> str | None:
    """Whose processes pkill, killall or skill selects, when that is all they select by."""
    texts = call.texts
    target = None
    names = []
    position = 0
    while position < len(texts):
        text = texts[position]
        match = re.match(r"--(?:user|uid|euid)(?:=(.*))?$", text) or re.match(r"-[A-Za-z0-9]*[uU](.*)$", text)
        if match and not text.startswith("--signal"):
            if match[1]:
                target = match[1]
            else:
                position += 1
                target = texts[position] if position < len(texts) else ""
        elif text in ("-s", "--signal", "-g", "-P", "-t", "-y", "-o"):
            position += 1
        elif not text.startswith("-"):
            names.append(text)
        position += 1
    # A pattern narrows it down to one program of the user's: pkill -u x ssh-agent.
    return target if target is not None and not [name for name in names if name not in (".", ".*")] else None


def _user_kill(subject: Subject, call: Call, target: str) -> Hit:
    message = f"{call.name} kills every process of {target or 'a user'}"
    if asked_before(subject, call):
        return hit_at(
            "kill-user-processes",
            call,
            message + "; the script looks for other jobs first, make sure that it stops when that look fails",
            "info",
        )
    return hit_at("kill-user-processes", call, message + ", also in his other jobs on this node")


def _kill(subject: Subject, call: Call) -> t.Iterator[Hit]:
    texts = call.texts
    if texts and texts[-1] == "-1" and len(texts) > 1:
        if is_other_user(call):
            yield hit_at("kill-user-processes", call, "kill -1 kills every process of the user, also in his other jobs")
            return
        yield hit_at("kill-unscoped", call, "kill -1 signals every process that there is", "error")
        return
    stages = fed_by(subject.program, call) if "xargs" in call.via else []
    given = [(word, command) for command in (call, *stages) for word in command.arguments]
    sources = [
        *stages,
        *(source for word, at in given for piece in origins(subject, word, at) for source in piece.commands),
    ]
    group = _group(subject, call, given)
    if group is not None:
        yield hit_at(*group)
        return
    if any(_narrows(subject, source) for source in sources) or _is_in_the_job(subject, call):
        return
    if _goes_over_all(subject, call):
        asked = asked_around(subject, call)
        if any(OWNER.search(text) for text in asked):
            yield _user_kill(subject, call, "the user")
        elif not any(JOB.search(text) for text in asked):
            yield from _by_name(subject, call, "kill in a loop over /proc", sources)
        return
    users_of = sorted({source.name for source in sources if is_a(source.name, Is.LISTS_USERS_OF)})
    lists = [source for source in sources if is_a(source.name, Is.LISTS_PROCESSES)]
    if users_of:
        yield hit_at(
            "kill-unscoped",
            call,
            f"kills every process that {users_of[0]} lists, also those of other jobs",
        )
    elif lists and _selects_user(sources) and not _selects_name(sources):
        yield _user_kill(subject, call, "the user")
    elif lists:
        yield from _by_name(subject, call, f"kill with what {lists[0].name} finds", sources)


def _goes_over_all(subject: Subject, call: Call) -> bool:
    """Whether a loop takes each process of the node: for dir in /proc/[0-9]*."""
    items = [item for word in call.arguments for loop in subject.values.loops(word, call) for item in loop.items]
    listed = [
        word for item in items for piece in item.pieces for command in piece.commands for word in command.arguments
    ]
    return any(re.match(r"/proc/[^a-z]", item.shown) for item in items) or any(
        re.fullmatch(r"/proc/?", word.shown) for word in listed
    )


def _group(subject: Subject, call: Call, given: t.Sequence[tuple[Word, Call]]) -> tuple[str, Call, str] | None:
    """What a kill of a cgroup's members is, where the group holds more than this job."""
    inputs = [redirect.target for redirect in call.context.redirects if redirect.operator == "<"]
    text = " ".join(behind(subject, [word], at) for word, at in (*given, *((target, call) for target in inputs)))
    if not re.search(r"cgroup.*(\.procs|/tasks)", text) or re.search(r"(?i)job_?id", text):
        return None
    if re.search(r"/uid_|/user-", text):
        return "kill-user-processes", call, "the cgroup holds every process of the user, also those of his other jobs"
    if re.search(r"job_\*|/\*|slurmstepd\.scope/cgroup", text):
        return "kill-unscoped", call, "the cgroups are those of every job on the node"
    return None


def _by_name(subject: Subject, call: Call, what: str, sources: t.Sequence[Call]) -> t.Iterator[Hit]:
    """A kill that selects by a name or a pattern alone."""
    # Another user can end nothing but his own.
    if is_other_user(call) or subject.where.group not in ("node", "health", "controller"):
        return
    if any(_narrows(subject, source) for source in sources) or _signal(call) in MILD_SIGNALS:
        return
    mild = _selects_user(sources) or asked_before(subject, call)
    yield hit_at("kill-unscoped", call, f"{what} kills by name, in every job on the node", "info" if mild else None)


def _signal(call: Call) -> str:
    """The signal that is sent, without SIG."""
    texts = call.texts
    named = next((after for before, after in itertools.pairwise(texts) if before in ("-s", "--signal", "-n")), None)
    named = named or next((text.removeprefix("--signal=") for text in texts if text.startswith("--signal=")), None)
    if named is None:
        first = texts[0] if texts else ""
        named = first[1:] if re.fullmatch(r"-(SIG)?[A-Z0-9]{1,6}", first) and first != "-P" else "TERM"
    return named.removeprefix("SIG")


def _selects_user(sources: t.Iterable[Call]) -> bool:
    return any(
        source.has_option("-u", "-U", "--user", "--uid", "--euid")
        if is_a(source.name, Is.LISTS_PROCESSES | Is.KILLS)
        else source.name in ("awk", "grep", "egrep") and OWNER.search(" ".join(source.texts))
        for source in sources
    )


def _selects_name(sources: t.Iterable[Call]) -> bool:
    """Whether pgrep or pidof was given the name of a program."""
    return any(
        source.name == "pidof"
        or (source.name == "pgrep" and any(not text.startswith("-") and "$" not in text for text in source.texts))
        for source in sources
    )


#: The cgroup of one process.
_PROCESS_CGROUP = re.compile(r"/proc/\S+/cgroup")


def _is_in_the_job(subject: Subject, kill: Call) -> bool:
    """Whether the script looks for the job in the cgroup of each process before it kills that one."""
    loop = next((loop for loop in subject.program.loops if loop.sequence in kill.context.loops[-1:]), None)
    return loop is not None and any(
        _PROCESS_CGROUP.search(text) and JOB.search(text) for text in (loop.text, *_called_in(subject, loop))
    )


def _called_in(subject: Subject, loop: Loop) -> t.Iterator[str]:
    """The texts of the functions that a loop calls."""
    lines = subject.program.source.decode("utf-8", "replace").split("\n")
    for name in {call.name for call in subject.program.calls if loop.sequence < call.sequence < loop.end}:
        node = subject.program.functions.get(name)
        if node is not None:
            yield "\n".join(lines[node["Pos"]["Line"] - 1 : node["End"]["Line"]])


def _narrows(subject: Subject, source: Call) -> bool:
    """Whether a filter asks for this job, a parent or certain processes."""
    if JOB.search(behind(subject, source.arguments, source)):
        return True
    if source.name == "ps":
        # -eopid: what is shown, not what is selected.
        words = tuple(word for word in source.words if not re.match(r"-[A-Za-z]*o[a-z]", word.shown))
        return dataclasses.replace(source, words=words).has_option(*PS_NARROWS)
    if source.name in ("awk", "gawk", "mawk"):
        # awk -v pgid=$pgid: the script knows which processes it means.
        return any(re.match(r"(p?pid|pgid|pgrp|sid|sess)=\$", text) for text in source.texts)
    return source.name in ("pgrep", "pkill") and source.has_option(*PKILL_NARROWS)


CHECKS = (kill_processes,)
