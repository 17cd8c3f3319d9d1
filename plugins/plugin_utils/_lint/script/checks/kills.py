# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Kills: who dies beside the job?"""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit, hit_at
from ..program import Call
from ..subject import Subject
from .vocabulary import OWNER, asked_before, fed_by, origins


def kill_processes(subject: Subject) -> t.Iterator[Hit]:
    """kill-user-processes and kill-unscoped: who dies beside the job?"""
    if not subject.where.is_job:
        return
    for call in subject.program.calls:
        if call.name in ("pkill", "killall", "skill", "slay"):
            if _probes(call):
                continue
            target = _user_option(call)
            if target is not None:
                yield _user_kill(subject, call, target)
            elif call.name == "pkill" and call.has_option(
                "-P", "-g", "-s", "-t", "--parent", "--pgroup", "--session", "--terminal", "--ns", "--cgroup"
            ):
                continue
            elif (
                call.context.user in (None, "root") and call.arguments and subject.where.group in ("node", "controller")
            ):
                yield hit_at(
                    "kill-unscoped",
                    call,
                    f"{call.name} kills by name, in every job on the node",
                    "info",
                )
        elif call.name == "loginctl" and call.texts[:1] in (["terminate-user"], ["kill-user"]):
            yield _user_kill(subject, call, " ".join(call.texts[1:]))
        elif call.name == "systemctl" and call.texts[:1] in (["stop"], ["kill"]) and _session(call):
            yield _user_kill(subject, call, "the user")
        elif call.name == "fuser" and call.has_option("-k", "--kill"):
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
        yield hit_at("kill-unscoped", call, "kill -1 signals every process that there is", "error")
        return
    sources = [source for word in call.arguments for piece in origins(subject, word, call) for source in piece.commands]
    if "xargs" in call.via:
        sources += fed_by(subject.program, call)
    names = {source.name for source in sources}
    if "nvidia-smi" in names or "fuser" in names or "lsof" in names or "rocm-smi" in names:
        if not any(_narrows(source) for source in sources):
            yield hit_at(
                "kill-unscoped",
                call,
                f"kills every process that {sorted(names & {'nvidia-smi', 'fuser', 'lsof', 'rocm-smi'})[0]} lists, also those of other jobs",
            )
    elif "ps" in names or "pgrep" in names:
        lists = [source for source in sources if source.name in ("ps", "pgrep")]
        by_user = any(source.has_option("-u", "-U", "--user", "--uid") for source in lists) or any(
            OWNER.search(" ".join(s.texts)) for s in sources if s.name in ("awk", "grep", "egrep")
        )
        narrowed = any(_narrows(source) for source in sources) or any(
            source.name == "pgrep" and any(not text.startswith("-") and "$" not in text for text in source.texts)
            for source in lists
        )
        if by_user and not narrowed:
            yield _user_kill(subject, call, "the user")


def _narrows(source: Call) -> bool:
    """Whether a filter asks for this job, a cgroup, a parent or a user."""
    text = " ".join(source.texts)
    return bool(re.search(r"SLURM_JOB_?ID|cgroup|job_?id|JOB_?ID", text)) or source.has_option(
        "--ppid", "-g", "-P", "-s"
    )


CHECKS = (kill_processes,)
