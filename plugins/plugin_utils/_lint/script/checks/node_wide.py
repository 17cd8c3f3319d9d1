# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""What is done to a whole node: do other jobs on it notice?"""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit, Severity, hit_at
from ..facts import Action, Is
from ..knowledge import facts, is_a
from ..model import word_set
from ..program import Call, Point, Word
from ..subject import Subject
from .vocabulary import JOB, OWNER, WIPED, asked_before, behind, fed_by, origins

_ENDS = "ends every job on the node"

#: Files that stand for the whole node.
_FILES = (
    (r"/proc/sys/vm/(drop_caches|compact_memory)$", "slows down every job on the node", None),
    (r"/proc/sysrq-trigger$", _ENDS, "error"),
    (r"/proc/sys/|/sys/kernel/mm/|/sys/devices/system/node/", "changes the kernel for every job", None),
    (r"/sys/devices/system/cpu/", "changes the CPUs of other jobs", None),
    (r"/sys/fs/cgroup/(.*/)?(slurmstepd\.scope|system\.slice|user\.slice)/cgroup\.(kill|freeze)$", _ENDS, "error"),
    (r"/sys/fs/cgroup/.*/cgroup\.(kill|freeze)$", "meets every process of the group, also those of other jobs", None),
    (r"/sys/power/|/sys/class/drm/|/sys/bus/pci/", "changes a device for every job", None),
)

#: Variables by which a script finds out whether the job has the node for itself.
_EXCLUSIVE = word_set("SLURM_JOB_EXCLUSIVE SLURM_JOB_OVERSUBSCRIBE SLURM_JOB_CPUS_PER_NODE SLURM_JOB_PARTITION")
_CONDITION = re.compile(r"\b(case|if|elif|while|until|test)\b|\[|\(\(")


def node_wide_action(subject: Subject) -> t.Iterator[Hit]:
    """node-wide-action: containers, mounts, GPUs, CPUs, services and kernel settings of the whole node."""
    if subject.where.is_init or subject.where.group == "task":
        return
    for call in subject.program.calls:
        found = _done_to_all(subject, call)
        if found is not None:
            what, severity = found
            yield hit_at("node-wide-action", call, f"{_shown(call)} {what}", _softened(subject, call, severity))
    for write in subject.program.writes:
        yield from _written(subject, write.target, write)
    for call in subject.program.named("tee", "truncate"):
        for word in call.arguments:
            yield from _written(subject, word, call)


def _shown(call: Call) -> str:
    text = " ".join([call.name, *call.texts])
    return text if len(text) <= 60 else text[:57] + "..."


def _softened(subject: Subject, at: Point, severity: Severity | None) -> Severity | None:
    """Who asks whether the job is alone has thought of the others."""
    lines = subject.program.source.decode("utf-8", "replace").split("\n")
    asks = any(
        use.name in _EXCLUSIVE and use.line <= len(lines) and _CONDITION.search(lines[use.line - 1])
        for use in subject.program.uses
    )
    return "info" if asks or asked_before(subject, at) else severity


def _done_to_all(subject: Subject, call: Call) -> tuple[str, Severity | None] | None:
    if call.name in subject.program.functions or any(is_a(wrapper, Is.ELSEWHERE) for wrapper in call.via):
        return None
    ways = ([word.shown for word in words] for words in subject.values.arguments(call))
    return next((found for words in ways if (found := _done(subject, call, words)) is not None), None)


def _done(subject: Subject, call: Call, words: list[str]) -> tuple[str, Severity | None] | None:
    """What a command with these arguments does to everybody."""
    text = f" {' '.join(words)} "
    name = "service" if re.match(r"/etc/(rc\.d/)?init\.d/", call.path) else call.name
    for action in facts(name).acts:
        said = _acts(subject, call, text, action)
        if said:
            return said, action.severity
    if call.name == "umount" or (call.name in ("fusermount", "fusermount3") and call.has_option("-u")):
        fixed = [word for word in words if re.fullmatch(r"/[\w./-]*", word)]
        if fixed and not _mounted_here(subject, fixed, call):
            return "unmounts what other jobs use", None
    if is_a(call.name, Is.DELETES) and not call.has_option("-r", "-R", "--recursive"):
        shared = next((word for word in words if WIPED.search(word)), None)
        if shared is not None:
            return "removes the files of every job", None
    return None


def _acts(subject: Subject, call: Call, text: str, action: Action) -> str:
    """What an action does; nothing where it is not meant, or where something narrows it."""
    if not re.search(action.pattern, text) or re.search(action.unless, text):
        return ""
    if action.is_listed:
        return action.what if _all_are_listed(subject, call) else ""
    if _is_the_job_s(subject, call) or _was_down(subject, call):
        return ""
    chosen = re.search(rf" (?:{action.device})[ =](\S+)", text) if action.device else None
    if chosen is None:
        return action.what
    return "is done to each of them, also those of other jobs" if _is_each_device(subject, call, chosen[1]) else ""


def _is_the_job_s(subject: Subject, call: Call) -> bool:
    """Whether what the command names has to do with the job, as far as can be known."""
    text = behind(subject, call.arguments, call)
    return bool(JOB.search(text) or OWNER.search(text))


def _was_down(subject: Subject, call: Call) -> bool:
    """Whether the script looked first, and touches the service only when it is down."""
    if call.name != "systemctl" or not set(call.texts) & {"restart", "try-restart", "reload-or-restart"}:
        return False
    return any(
        other.context.tested
        and subject.program.precedes(other, call)
        and set(other.texts) & {"is-active", "is-failed", "status"}
        and set(other.texts) & set(call.texts)
        for other in subject.program.named("systemctl")
    )


def _is_each_device(subject: Subject, call: Call, device: str) -> bool:
    """Whether a device is a fixed one, or one after another of all that the node has."""
    if re.fullmatch(r"[0-9a-fA-F:.,-]+|all", device):
        return True
    return bool(re.search(r"\b(seq|nvidia-smi|rocm-smi|amd-smi|lspci|nproc)\b", behind(subject, call.arguments, call)))


def _all_are_listed(subject: Subject, call: Call) -> bool:
    """Whether the names come from a list of all there are, and nothing picks those of the job."""
    program = subject.program
    makers = [maker for word in call.arguments for piece in origins(subject, word, call) for maker in piece.commands]
    makers += fed_by(program, call) if "xargs" in call.via else []
    listers = [
        maker
        for maker in makers
        if (lists := facts(maker.name).lists) is not None and re.search(lists, f" {' '.join(maker.texts)} ")
    ]
    if (
        not listers
        or any(one.has_option("-f", "--filter") for one in listers)
        or any(maker.name == "grep" for maker in makers)
    ):
        return False
    text = behind(subject, (*call.arguments, *(word for maker in makers for word in maker.arguments)), call)
    return not JOB.search(text) and not OWNER.search(text)


def _mounted_here(subject: Subject, targets: t.Iterable[str], call: Call) -> bool:
    """Whether the script itself mounted it."""
    return any(
        subject.program.precedes(other, call)
        and any(subject.values.known(word, other).shown in targets for word in other.arguments)
        for other in subject.program.named("mount")
    )


def _written(subject: Subject, target: Word, at: Point) -> t.Iterator[Hit]:
    for resolved in subject.values.forms(target, at):
        for pattern, what, severity in _FILES:
            if re.match(pattern, resolved.shown):
                if not JOB.search(behind(subject, [target], at)):
                    found = _softened(subject, at, t.cast("Severity | None", severity))
                    yield hit_at("node-wide-action", target, f"a write to {resolved.shown} {what}", found)
                return


CHECKS = (node_wide_action,)
