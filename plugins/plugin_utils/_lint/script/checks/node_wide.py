# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""What is done to a whole node: do other jobs on it notice?"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ...core.model import Hit, Severity, hit_at
from ..model import word_set
from ..program import Call, Point, Word
from ..subject import Subject
from .vocabulary import JOB, OWNER, WIPED, asked_before, behind, fed_by, origins

_NVIDIA_CHANGES = (
    r" (-r|--gpu-reset|-e|--ecc-config|-c|--compute-mode|-pl|--power-limit|-mig|--multi-instance-gpu|-l[gm]c|--lock-\w+-clocks|"
    r"-r[gm]c|--reset-\w+-clocks|-r?ac|--(reset-)?applications-clocks|-gom|--gom)[ =]"
)
#: Behind an option with its value: it may say which GPU.
_OPERAND = r" -\S+ [^-\s]\S* \$[{(]\S+ "
#: Subcommands that only show something; their -c is a count, their -r no reset.
_NVIDIA_SHOWS = r" (dmon|pmon|topo|nvlink|c2c|vgpu|daemon|replay|stats|encodersessions|fbcsessions|gpm|pci) "
_AMD_CHANGES = r" (--(gpu)?reset\w*|--set\w+|-r|reset|set) "


@dataclasses.dataclass(frozen=True)
class _Action:
    """Commands that do something to everybody on a node, unless their arguments narrow it."""

    commands: frozenset[str]
    #: Searched in the arguments, each with a blank on both sides.
    pattern: str
    what: str
    #: Arguments with which it is narrower, or harmless.
    unless: str = r"(?!)"
    severity: Severity | None = None


_CONTAINERS = word_set("docker podman nerdctl")
_WIPES = "wipes a disk of the node"
_ENDS = "ends every job on the node"

_ACTIONS = (
    _Action(word_set("reboot poweroff halt shutdown"), "", _ENDS, r" (-c|-k|--help|-w|--wtmp-only) ", "error"),
    _Action(word_set("init telinit"), r"^ [016] ", _ENDS, severity="error"),
    _Action(
        word_set("systemctl"), r"^ (--?[a-z]\S* )*(reboot|poweroff|halt|kexec|isolate|rescue) ", _ENDS, severity="error"
    ),
    _Action(word_set("ipmitool"), r" power (off|cycle|reset|soft) ", _ENDS, severity="error"),
    _Action(
        _CONTAINERS,
        r" (system|container|volume|pod) prune | image prune .*(-\w*a\w*|--all) | (stop|kill|rm|restart|pause) (.* )?(-\w*a\w*|--all) ",
        "also meets the containers of other jobs",
        r" --filter[ =]",
    ),
    _Action(
        word_set("apptainer singularity"), r" instance stop .*(-\w*a\w*|--all) ", "stops every instance of the user"
    ),
    _Action(
        word_set("crictl"), r" (rm|rmp|stop|stopp|rmi) .*(-\w*a\w*|--all) ", "also meets the containers of other jobs"
    ),
    _Action(
        word_set("mkfs mkfs.ext2 mkfs.ext3 mkfs.ext4 mkfs.xfs mkfs.btrfs mke2fs mkswap blkdiscard"),
        r" /dev/(?!loop|ram)",
        _WIPES,
    ),
    _Action(word_set("wipefs"), r" (-\w*[ao]\w*|--all|--offset) .*/dev/", _WIPES),
    _Action(word_set("nvme"), r"^ (format|sanitize) ", _WIPES),
    _Action(word_set("sgdisk"), r" (-\w*[Zz]\w*|--zap(-all)?) ", _WIPES),
    _Action(word_set("ifdown"), "", "changes the network of every job"),
    _Action(word_set("umount"), r" (-\w*[aA]\w*|--all(-targets)?) ", "unmounts file systems that other jobs use"),
    _Action(word_set("nvidia-smi"), _NVIDIA_CHANGES, "changes every GPU of the node", r" (-i|--id)[ =]|" + _OPERAND),
    _Action(
        word_set("rocm-smi amd-smi"), _AMD_CHANGES, "changes every GPU of the node", r" (-d|--device|-g|--gpu)[ =]"
    ),
    _Action(word_set("rmmod"), "", "takes a driver from every job"),
    _Action(word_set("modprobe"), r" (-\w*r\w*|--remove) ", "takes a driver from every job"),
    _Action(
        word_set("systemctl"),
        r"^ (--?[a-z]\S* )*(stop|restart|try-restart|reload-or-restart|force-reload|kill|disable|mask) (?!.*\.slice )",
        "meets every job that uses the service",
        r" (--user|-M|--machine)[ =]| --?h",
    ),
    _Action(
        word_set("service"),
        r" (stop|restart|force-reload|condrestart|try-restart) ",
        "meets every job that uses the service",
    ),
    _Action(word_set("systemctl"), r" (stop|kill) .*(system|user|machine)\.slice ", _ENDS, severity="error"),
    _Action(word_set("swapoff"), r" (-\w*a\w*|--all) ", "moves what every job has in swap"),
    _Action(word_set("sysctl"), r" (-\w*w\w*|--write) | [\w.-]+\.[\w.-]+=", "changes the kernel for every job"),
    _Action(word_set("chcpu"), r" (-[edcg]|--(enable|disable|configure|deconfigure)) ", "takes CPUs from other jobs"),
    _Action(
        word_set("cpupower"), r" (frequency-set|idle-set|set) ", "changes the CPUs of other jobs", r" (-c|--cpu)[ =]"
    ),
    _Action(word_set("x86_energy_perf_policy"), r" [^- ]", "changes the CPUs of other jobs", r" (-c|--cpu)[ =]"),
    _Action(word_set("tuned-adm"), r" (profile|off|auto_profile) ", "changes the kernel for every job"),
    _Action(word_set("ipcrm"), r" (-a|--all)", "removes the shared memory of every job"),
    _Action(
        word_set("iptables ip6tables nft"),
        r" (-F|--flush|flush (ruleset|table|chain)) ",
        "changes the network of every job",
    ),
    _Action(word_set("ip"), r" link .*\bdown ", "changes the network of every job"),
)

#: Lists of everything there is, whose members are then stopped one by one.
_LISTED = (
    _Action(_CONTAINERS, r" (stop|kill|rm|restart|pause) ", "also meets the containers of other jobs"),
    _Action(word_set("enroot"), r" remove ", "also removes the containers of other jobs"),
    _Action(word_set("ipcrm"), r" (-[msq]|--(shmem|semaphore|queue)-id) ", "removes the shared memory of every job"),
)
_LISTERS: dict[str, str] = {
    **dict.fromkeys(_CONTAINERS, r"^ ((container )?(ps|ls|list)|container list) "),
    "enroot": r"^ list ",
    "ipcs": "",
}

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
    return "info" if asks or (isinstance(at, Call) and asked_before(subject, at)) else severity


def _done_to_all(subject: Subject, call: Call) -> tuple[str, Severity | None] | None:
    if {"unshare", "nsenter", "chroot", "ssh"} & set(call.via):
        return None
    ways = ([word.shown for word in words] for words in subject.values.arguments(call))
    return next((found for words in ways if (found := _done(subject, call, words)) is not None), None)


def _done(subject: Subject, call: Call, words: list[str]) -> tuple[str, Severity | None] | None:
    """What a command with these arguments does to everybody."""
    text = f" {' '.join(words)} "
    if call.name == "nvidia-smi" and re.match(_NVIDIA_SHOWS, text):
        return None
    name = "service" if re.match(r"/etc/(rc\.d/)?init\.d/", call.path) else call.name
    for action in _ACTIONS:
        if name in action.commands and re.search(action.pattern, text) and not re.search(action.unless, text):
            narrowed = _is_the_job_s(subject, call) or _was_down(subject, call)
            return None if narrowed else (action.what, action.severity)
    if call.name in ("nvidia-smi", "rocm-smi", "amd-smi", "cpupower") and _meets_each_device(subject, call, text):
        return "is done to each of them, also those of other jobs", None
    for action in _LISTED:
        if call.name in action.commands and re.search(action.pattern, text) and _all_are_listed(subject, call):
            return action.what, None
    if call.name == "umount" or (call.name in ("fusermount", "fusermount3") and call.has_option("-u")):
        fixed = [word for word in words if re.fullmatch(r"/[\w./-]*", word)]
        if fixed and not _mounted_here(subject, fixed, call):
            return "unmounts what other jobs use", None
    if call.name == "rm" and not call.has_option("-r", "-R", "--recursive"):
        shared = next((word for word in words if WIPED.search(word)), None)
        if shared is not None:
            return "removes the files of every job", None
    return None


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
        and other.sequence < call.sequence
        and set(other.texts) & {"is-active", "is-failed", "status"}
        and set(other.texts) & set(call.texts)
        for other in subject.program.named("systemctl")
    )


def _meets_each_device(subject: Subject, call: Call, text: str) -> bool:
    """Whether a change meets one device after another, of all that the node has."""
    changes = next(action.pattern for action in _ACTIONS if call.name in action.commands)
    if not re.search(changes, text) or _is_the_job_s(subject, call):
        return False
    # nvidia-smi -c is a mode.
    selects = "-c|--cpu" if call.name == "cpupower" else "-i|--id|-d|--device|-g|--gpu"
    fixed = re.search(rf" (?:{selects})[ =](\S+)", text)
    if fixed is not None and re.fullmatch(r"[0-9a-fA-F:.,-]+|all", fixed[1]):
        return True
    return bool(re.search(r"\b(seq|nvidia-smi|rocm-smi|amd-smi|lspci|nproc)\b", behind(subject, call.arguments, call)))


def _all_are_listed(subject: Subject, call: Call) -> bool:
    """Whether the names come from a list of all there are, and nothing picks those of the job."""
    program = subject.program
    makers = [maker for word in call.arguments for piece in origins(subject, word, call) for maker in piece.commands]
    makers += fed_by(program, call) if "xargs" in call.via else []
    lists = [
        maker
        for maker in makers
        if maker.name in _LISTERS and re.search(_LISTERS[maker.name], f" {' '.join(maker.texts)} ")
    ]
    if (
        not lists
        or any(one.has_option("-f", "--filter") for one in lists)
        or any(maker.name == "grep" for maker in makers)
    ):
        return False
    text = behind(subject, (*call.arguments, *(word for maker in makers for word in maker.arguments)), call)
    return not JOB.search(text) and not OWNER.search(text)


def _mounted_here(subject: Subject, targets: t.Iterable[str], call: Call) -> bool:
    """Whether the script itself mounted it."""
    return any(
        other.sequence < call.sequence
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
