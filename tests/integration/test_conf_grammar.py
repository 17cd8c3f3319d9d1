# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checker of slurm.conf against Slurm's own parser: an error of one is an error of the other.

Needs a running lab (lab/lab up), or the image of one (lab/lab image; CONF_TEST_IMAGE=localhost/nodecycle-lab/slurm:22.05
after `eval "$(lab/lab env)"`). Only private files below /tmp are read, by a command that asks no daemon. What Slurm's
commands do not look at (plugins, nodes, users) is left out.
"""

from __future__ import annotations

import io
import os
import pathlib
import random
import subprocess
import tarfile

import pytest
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.conf import facts
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.conf.engine import check_file

LAB = pathlib.Path(__file__).resolve().parents[2] / "lab" / "lab"
BASE = "ClusterName=lab\nSlurmctldHost=controller\nNodeName=w1 CPUs=1 RealMemory=1000\n"

#: Keys that send Slurm's commands to what the candidate's host has or lacks.
HOST = {
    "slurmuser",
    "slurmduser",
    "plugindir",
    "clustername",
    "slurmctldhost",
    "controlmachine",
    "backupcontroller",
    "frontendname",
}
#: Texts that only the daemons refuse.
DAEMONS_ONLY = ("ends slurmctld", "State of a node", "enable_stepmgr")
RULES = {"syntax-error", "unknown-key", "removed-key", "not-yet-key", "invalid-value", "fatal-combination"}

VALUES = {
    "uint16": [
        "0",
        "7",
        "07",
        "08",
        "0x10",
        "65535",
        "65536",
        "-1",
        "5k",
        "1.5",
        "abc",
        "INFINITE",
        "Unlimited",
        '""',
        "+3",
        '" 3"',
        '"3 "',
    ],
    "uint32": ["0", "7", "08", "4294967295", "4294967296", "-1", "5k", "5K", "5M", "abc", "UNLIMITED", '""', "k"],
    "uint64": ["7", "5k", "18446744073709551615", "18446744073709551616", "-1", "x", "infinite", '""'],
    "boolean": ["YES", "no", "True", "0", "1", "2", "on", "Up", "down", '""', "y"],
    "string": ["x", '""', '"a b"', "'a b'"],
    "array": ["x", '""', '"a b"'],
}
SYNTAX = (
    "{key}=",
    "{key}",
    "{key} = x",
    "{key}=x # c",
    "{key}=x#c",
    "{key}=#c",
    '{key}="a b" c',
    '{key}="ab"cd',
    '{key}="a b',
    "{key}='a b'",
    '{key}="a # b"',
    '{key}="a \\# b"',
    "{key}=a\\\nb",
    "{key}=a\\\n b",
    "{key}=a\\ \nb",
    "{key}=a\\ # c\nb",
    "{key}=a\\\\",
    "{key}=a\\",
    "  {key}=a",
    "\t{key}\t=\ta\t",
    "{key}=a b",
    "{key}=a {key}=b",
    "{key}=a {key}=",
    "{key}:a",
    "{key}+=a",
    "{key} *= a",
    "{key}==a",
    "{key}=a\r",
    "{key}x=a",
    "1{key}=a",
    "{key}-x=a",
    '"{key}"=a',
    "{key}=\\\na",
    "=a",
    "a",
    "#{key}",
    "\\",
    '"',
    " Include x",
    "Includex=1",
    "{key}=a\x0bb",
    "{key}=a\x0c",
    "{key}=a\x00b",
    "{key}=,",
    "{key}=a,",
    '{key}="a"\\\n',
    "{key}=\u00e4",
    "\ufeff{key}=a",
    "{key}.=a",
    "{key}=a;b",
    "\n\n{key}=a\n\n",
)
CHOSEN = (
    "PrologFlags=Alloc",
    "PrologFlags=alloc,contain",
    "PrologFlags=Foo",
    "PrologFlags=NoHold,Contain",
    "PrologFlags=NoHold,X11",
    "PrologFlags=,",
    'PrologFlags=""',
    "PrologFlags=X11\nProctrackType=proctrack/linuxproc",
    "PrologFlags=X11\nProctrackType=proctrack/cgroup",
    "PrologFlags=RunInJob,Serial",
    "PrologFlags=RunInJob",
    'PrologFlags="Alloc, Contain"',
    "DebugFlags=Steps,conmgr",
    "DebugFlags=Foo",
    "DebugFlags=Task",
    "ReconfigFlags=KeepPartState",
    "ReconfigFlags=Keep",
    "AccountingStorageEnforce=1",
    "AccountingStorageEnforce=limits,qos",
    "AccountingStorageEnforce=none",
    "SelectTypeParameters=CR_Core",
    "SelectTypeParameters=cr_core_memory,CR_LLN",
    "SelectTypeParameters=CR_Cores",
    "SelectTypeParameters=other_cons_tres",
    "EnforcePartLimits=ANY",
    "EnforcePartLimits=maybe",
    "PreemptMode=OFF",
    "PreemptMode=GANG",
    "PreemptMode=SUSPEND",
    "PreemptMode=SUSPEND,GANG",
    "PreemptMode=SUSPEND,GANG\nPreemptType=preempt/qos",
    "PreemptMode=CANCEL\nPreemptType=preempt/partition_prio",
    "PreemptMode=CANCEL,REQUEUE\nPreemptType=preempt/qos",
    "PreemptMode=GANG,WITHIN\nPreemptType=preempt/qos",
    "PreemptMode=WITHIN\nPreemptType=preempt/qos",
    "PreemptType=preempt/qos",
    "PreemptMode=GANG\nPreemptType=preempt/qos",
    "PreemptMode=CANCEL",
    "PreemptType=preempt/none\nPreemptMode=REQUEUE",
    "PreemptMode=foo",
    "PreemptMode=WITHIN",
    "PreemptMode=CANCEL,WITHIN\nPreemptType=preempt/qos",
    "PreemptExemptTime=1:00",
    "PreemptExemptTime=x",
    "PriorityDecayHalfLife=0",
    "PriorityDecayHalfLife=0\nPriorityUsageResetPeriod=WEEKLY",
    "PriorityDecayHalfLife=7-0",
    "PriorityDecayHalfLife=x",
    "PriorityCalcPeriod=0",
    "PriorityCalcPeriod=5",
    "PriorityCalcPeriod=0:30",
    "PriorityMaxAge=7-0",
    "PriorityMaxAge=-1",
    "PriorityMaxAge=--",
    "PriorityUsageResetPeriod=now",
    "PriorityUsageResetPeriod=HOURLY",
    "PropagatePrioProcess=2",
    "PropagatePrioProcess=3",
    "PropagateResourceLimits=NONE",
    "PropagateResourceLimits=CORE,RLIMIT_CPU",
    "PropagateResourceLimits=core",
    "PropagateResourceLimitsExcept=MEMLOCK",
    "PropagateResourceLimitsExcept=none",
    "SlurmctldDebug=debug3",
    "SlurmctldDebug=17",
    "SlurmctldDebug=loud",
    "SlurmdSyslogDebug=info",
    "SlurmdSyslogDebug=x",
    "SlurmctldPort=6817-6820",
    "SlurmctldPort=6820-6817",
    "SlurmctldPort=0",
    "SlurmctldPort=a",
    "SuspendTime=NONE",
    "SuspendTime=-1",
    "SuspendTime=abc",
    "SuspendTime=99999999999",
    "TaskPluginParam=Cores",
    "TaskPluginParam=Cores,Threads",
    "TaskPluginParam=Sched",
    "TaskPluginParam=autobind=cores,verbose",
    "TaskPluginParam=autobind=x",
    "TaskPluginParam=OOMKillStep",
    "TaskPluginParam=OOMKillStep\nTaskPlugin=task/cgroup",
    "MaxDBDMsgs=100",
    "MaxDBDMsgs=10000",
    "MaxJobCount=0",
    "MaxStepCount=0",
    "MaxNodeCount=65536",
    "MaxNodeCount=65537",
    "MaxNodeCount=100\nSelectType=select/linear",
    "FirstJobId=0",
    "FirstJobId=1000\nMaxJobId=500",
    "FirstJobId=1000",
    "MCSPlugin=mcs/group",
    "MCSParameters=x",
    "MCSPlugin=mcs/group\nMCSParameters=g",
    "MCSPlugin=mcs/none\nMCSParameters=g",
    "SlurmSchedLogLevel=1",
    "SlurmSchedLogLevel=1\nSlurmSchedLogFile=/l",
    "SlurmSchedLogLevel=0",
    "JobAcctGatherParams=UsePss,NoShared",
    "JobAcctGatherParams=UsePss",
    "LaunchParameters=enable_nss_slurm,disable_send_gids",
    "LaunchParameters=enable_nss_slurm",
    "CommunicationParameters=DisableIPv4",
    "CommunicationParameters=DisableIPv4,EnableIPv6",
    "SchedulerParameters=foo",
    "SchedulerParameters=max_script_size=536870913",
    "SchedulerParameters=max_script_size=536870912",
    "SchedulerParameters=max_submit_line_size=99999999",
    "SelectType=select/linear\nTopologyPlugin=topology/tree",
    "JobContainerType=job_container/tmpfs",
    "JobContainerType=job_container/tmpfs\nPrologFlags=Contain",
    "AccountingStorageType=accounting_storage/mysql",
    "AccountingStorageLoc=x",
    "AccountingStoreJobComment=no",
    "SallocDefaultCommand=x",
    "DefMemPerCPU=1\nDefMemPerNode=1",
    "MessageTimeout=101",
    "TreeWidth=0",
    "MinJobAge=1",
    "MaxArraySize=5000000",
    "NodeName=x",
    "NodeName=x CPUs=2 Foo=1",
    "NodeName=x CPUs=a",
    "NodeName=x stray",
    "NodeName=x CPUs=",
    "NodeName=ALL",
    "NodeName=DEFAULT CPUs=2",
    "NodeName=DEFAULT NodeAddr=1",
    "NodeName=x CPUs=1 CPUs=2",
    'NodeName=x Feature="a b"',
    "NodeName=x \\\n  CPUs=2",
    "NodeName=x State=FOO",
    "NodeName=x RealMemory=1k Weight=2K TmpDisk=3",
    "NodeName=x Sockets=70000",
    "PartitionName=p Nodes=w1",
    "PartitionName=p MaxTime=1-2:3:4",
    "PartitionName=p MaxTime=1-",
    "PartitionName=p MaxTime=1:2:3:4",
    "PartitionName=p MaxTime=-1",
    "PartitionName=p MaxTime=UNLIMITED",
    "PartitionName=p MaxTime=1:",
    "PartitionName=p MaxTime=1-2:3",
    "PartitionName=p MaxTime=1:2-3",
    "PartitionName=p DefaultTime=x",
    "PartitionName=p State=UP",
    "PartitionName=p State=open",
    "PartitionName=p OverSubscribe=FORCE:4",
    "PartitionName=p OverSubscribe=FORCE:x",
    "PartitionName=p OverSubscribe=maybe",
    "PartitionName=p Shared=YES",
    "PartitionName=p Default=maybe",
    "PartitionName=p PreemptMode=off",
    "PartitionName=p PreemptMode=x",
    "PartitionName=p SelectTypeParameters=CR_Core",
    "PartitionName=p SelectTypeParameters=x",
    "PartitionName=p SuspendTime=-1",
    "PartitionName=p SuspendTime=x",
    "PartitionName=p CPUs=1",
    "PartitionName=p Nodes=w1 Nodes=w2",
    "DownNodes=x State=DOWN",
    "DownNodes=x CPUs=1",
    "NodeSet=s Feature=f",
    "NodeSet=s Nodes=w1",
    "NodeSet=s State=x",
    "SlurmctldHost=a(b)",
    "SlurmctldHost=a(b",
    "SlurmctldHost=a(b)c",
    "SlurmctldHost=a b",
    "SlurmctldHost=(b)",
    "KillWait=1\nKillWait=2",
    "KillWait=x\nKillWait=2",
)


def run_in_lab(script: str, sent: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """A shell command on the lab's controller, or in a container without a network."""
    image = os.environ.get("CONF_TEST_IMAGE")
    in_image = ["podman", "run", "--rm", "--interactive", "--network=none", "--entrypoint=", str(image)]
    place = in_image if image else [str(LAB), "exec", "controller"]
    return subprocess.run([*place, "sh", "-c", script], input=sent, capture_output=True, check=False, timeout=600)


@pytest.fixture(scope="module")
def release() -> str:
    """The lab's Slurm."""
    try:
        done = run_in_lab("slurmctld -V 2>/dev/null || scontrol -V")
    except (OSError, subprocess.TimeoutExpired) as exc:
        pytest.skip(f"no lab: {exc}")
    if done.returncode:
        pytest.skip(f"no lab: {done.stderr.decode(errors='replace').strip()[-200:]}")
    return done.stdout.decode().split()[-1]


def candidates(release: str) -> list[str]:
    """Texts to put behind BASE."""
    target = facts.targets(release)[0]
    texts = list(CHOSEN)
    plugins = facts.plugin_kinds()
    for name, key in facts.table(facts.MAIN).items():
        if name in HOST or name in plugins or name in facts.LINE_KEYS:
            continue
        kind = key.type_in(target) if key.span.covers(target) else "string"
        texts += [f"{key.name}={value}" for value in VALUES.get(kind, ["x"])]
        texts += [f"{key.name.swapcase()}=1", f"{key.name}s=1"]
    for line in ("nodename", "partitionname"):
        for key in facts.table(line).values():
            kind = key.type_in(target) if key.span.covers(target) else "string"
            texts += [f"{facts.LINE_KEYS[line]}=x {key.name}={value}" for value in VALUES.get(kind, ["x"])]
    texts += [pattern.format(key=key) for pattern in SYNTAX for key in ("MailDomain", "KillWait", "NodeName")]
    chance = random.Random(1)  # noqa: S311
    pieces = ["MailDomain", "=", "a", " ", '"', "\\", "\n", "#", "'", ",", "\t", "NodeName=y", "CPUs=1"]
    texts += ["".join(chance.choice(pieces) for _piece in range(chance.randrange(1, 9))) for _text in range(600)]
    return texts


def verdicts(texts: list[str]) -> list[tuple[bool, str]]:
    """Whether Slurm refuses each text, and its message."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number, text in enumerate(texts):
            content = (BASE + text + "\n").encode()
            entry = tarfile.TarInfo(f"{number:05}/slurm.conf")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    script = """
    d=$(mktemp -d) && trap 'rm -rf "$d"' EXIT && cd "$d" && tar x || exit 1
    for f in *; do
        if out=$(SLURM_CONF=$d/$f/slurm.conf scontrol show hostnames x 2>&1); then r=0; else r=1; fi
        printf '%s %s %s\\n' "$f" "$r" "$(printf %s "$out" | tr '\\n' ' ' | cut -c -200)"
    done
    """
    done = run_in_lab(script, buffer.getvalue())
    if done.returncode in (125, 137, 143):
        pytest.skip("the lab was restarted meanwhile")
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-500:]
    lines = [line.split(" ", 2) for line in done.stdout.decode(errors="replace").split("\n") if line]
    assert len(lines) == len(texts)
    return [(line[1] == "1", line[-1]) for line in lines]


def test_slurm_and_the_checker_refuse_the_same(release: str) -> None:
    texts = [text for text in candidates(release) if not text.endswith("\\")]
    wrong = []
    for text, (is_refused, said) in zip(texts, verdicts(texts), strict=True):
        found = [
            finding
            for finding in check_file(BASE + text + "\n", version=release)
            if finding.severity == "error"
            and finding.rule in RULES
            and not any(part in finding.message for part in DAEMONS_ONLY)
        ]
        if bool(found) != is_refused:
            wrong.append(
                f"{text!r}: Slurm {'refuses' if is_refused else 'takes'} it ({said}), the checker says {[finding.message for finding in found]}"
            )
    print(f"Slurm {release}: {len(texts)} candidates, {len(wrong)} with another result")
    assert not wrong, "\n".join(wrong)
