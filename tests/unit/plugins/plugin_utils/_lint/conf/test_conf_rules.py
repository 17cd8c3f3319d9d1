# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every rule: texts on which it must fire, and near misses on which it must not."""

from __future__ import annotations

import pathlib
import re
import textwrap

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.conf.catalogue import RULES
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.conf.engine import check, check_file
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.conf.subject import Cluster
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.model import Finding

PRESENT = """ClusterName=test
SlurmctldHost=controller
SchedulerParameters=bf_continue,defer
MessageTimeout=30
ProctrackType=proctrack/linuxproc
NodeName=n[1-4] CPUs=2
NodeSet=big Feature=big
PartitionName=batch Nodes=n[1-4] Default=YES
Prolog=/etc/mine
"""

#: rule, text, release, line, severity
FIRES = [
    ("syntax-error", "KillWait=", "24.11", 1, "error"),
    ("syntax-error", "KillWait=30 WaitTime=5", "24.11", 1, "error"),
    ("syntax-error", "hello", "24.11", 1, "error"),
    ("syntax-error", 'MailDomain="a b', "24.11", 1, "error"),
    ("syntax-error", "MailDomain='a b'", "24.11", 1, "error"),
    ("syntax-error", 'MailDomain="a#b"', "24.11", 1, "warning"),
    ("syntax-error", 'MailDomain="a', "24.11", 1, "warning"),
    ("syntax-error", "\nSchedulerParameters=defer,\\\n  bf_continue", "24.11", 3, "error"),
    ("syntax-error", " Include more.conf", "24.11", 1, "error"),
    ("syntax-error", "Include a.conf b.conf", "24.11", 1, "error"),
    ("syntax-error", 'Include "a.conf"', "24.11", 1, "error"),
    ("syntax-error", "Include conf.d/*.conf", "24.11", 1, "error"),
    ("syntax-error", "\ufeffKillWait=30", "24.11", 1, "error"),
    ("syntax-error", "NodeName=n9 CPUs=2 big", "24.11", 1, "error"),
    ("syntax-error", "KillWait:30", "24.11", 1, "error"),
    ("unknown-key", "\nKilWait=30", "24.11", 2, "error"),
    ("unknown-key", "MaxTime=30", "24.11", 1, "error"),
    ("unknown-key", "NodeName=n9 Cpu=2", "24.11", 1, "error"),
    ("unknown-key", "PartitionName=x Nodes=n1 MaxTimes=30", "24.11", 1, "error"),
    ("removed-key", "CacheGroups=0", "24.11", 1, "error"),
    ("removed-key", "FrontendName=f", "25.05", 1, "error"),
    ("removed-key", "FastSchedule=2", "24.11", 1, "error"),
    ("removed-key", "AccountingStorageLoc=db", "24.11", 1, "error"),
    ("removed-key", "SallocDefaultCommand=srun", "22.05", 1, "error"),
    ("removed-key", "AccountingStoreJobComment=yes", "26.05", 1, "error"),
    ("not-yet-key", "PrologTimeout=30", "24.11", 1, "error"),
    ("not-yet-key", "HealthCheckTimeout=30", "25.11", 1, "error"),
    ("not-yet-key", "PartitionName=x Nodes=n1 Topology=t", "24.11", 1, "error"),
    ("defunct-key", "PowerParameters=x", "24.05", 1, "warning"),
    ("defunct-key", "GetEnvTimeout=2", "25.05", 1, "warning"),
    ("obsolete-key", "FastSchedule=1", "22.05", 1, "warning"),
    ("obsolete-key", "fastschedule=1", "26.05", 1, "warning"),
    ("deprecated-key", "ControlMachine=c", "24.11", 1, "info"),
    ("deprecated-key", "PartitionName=x Nodes=n1 Shared=NO", "24.11", 1, "info"),
    ("duplicate-key", "KillWait=30\nkillwait=40", "24.11", 2, "warning"),
    ("duplicate-key", "SchedulerParameters=bf_continue", "24.11", 1, "warning"),
    ("duplicate-key", "MessageTimeout=30", "24.11", 1, "info"),
    ("duplicate-key", "SrunProlog=/a\nSrunProlog=/b", "26.05", 2, "warning"),
    ("duplicate-key", "NodeName=n9 CPUs=1 CPUs=2", "24.11", 1, "warning"),
    ("duplicate-node", "NodeName=n[4-5] CPUs=2", "24.11", 1, "error"),
    ("duplicate-node", "NodeName=n9 CPUs=2\nNodeName=n9 CPUs=2", "24.11", 2, "error"),
    ("duplicate-node", "PartitionName=batch Nodes=n1", "24.11", 1, "error"),
    ("invalid-value", "KillWait=soon", "24.11", 1, "error"),
    ("invalid-value", "KillWait=08", "24.11", 1, "error"),
    ("invalid-value", "KillWait=-1", "24.11", 1, "error"),
    ("invalid-value", "KillWait=65536", "24.11", 1, "error"),
    ("invalid-value", "KillWait=5k", "24.11", 1, "error"),
    ("invalid-value", "UsePAM=on", "24.11", 1, "error"),
    ("invalid-value", "PrologFlags=Allocate", "24.11", 1, "error"),
    ("invalid-value", "PrologFlags=RunInJob", "23.11", 1, "error"),
    ("invalid-value", "DebugFlags=ConMgr", "24.05", 1, "error"),
    ("invalid-value", "SelectTypeParameters=other_cons_res", "24.05", 1, "error"),
    ("invalid-value", "AccountingStorageEnforce=limit", "24.11", 1, "error"),
    ("invalid-value", "AccountingStorageEnforce=none", "24.11", 1, "error"),
    ("invalid-value", "SchedulerParameters=bf_continu,defer", "24.11", 1, "warning"),
    ("invalid-value", "SchedulerParameters=bf_interval=often", "24.11", 1, "warning"),
    ("invalid-value", "SlurmctldParameters=enable_configles", "24.11", 1, "warning"),
    ("invalid-value", "SlurmctldParameters=enable_stepmgr", "23.11", 1, "warning"),
    ("invalid-value", "LaunchParameters=use_interactive", "24.11", 1, "warning"),
    ("invalid-value", "PriorityUsageResetPeriod=HOURLY", "24.11", 1, "error"),
    ("invalid-value", "PreemptMode=CANCEL,REQUEUE", "24.11", 1, "error"),
    ("invalid-value", "PropagateResourceLimits=nofile", "24.11", 1, "error"),
    ("invalid-value", "TaskPluginParam=Sched", "24.11", 1, "error"),
    ("invalid-value", "SlurmctldHost=c(1.2.3.4", "24.11", 1, "error"),
    ("invalid-value", "MaxNodeCount=100000", "24.11", 1, "error"),
    ("invalid-value", "PartitionName=x Nodes=n1 MaxTime=1:2:3:4", "24.11", 1, "error"),
    ("invalid-value", "PartitionName=x Nodes=n1 State=open", "24.11", 1, "error"),
    ("invalid-value", "NodeName=n9 State=UNKNWON", "24.11", 1, "error"),
    ("invalid-value", "NodeName=ALL CPUs=1", "24.11", 1, "error"),
    ("unexpanded-variable", "MailDomain=$DOMAIN", "24.11", 1, "warning"),
    ("unexpanded-variable", "NodeName=n9 CPUs=${CPUS}", "24.11", 1, "warning"),
    ("removed-plugin", "SelectType=select/cons_res", "23.11", 1, "error"),
    ("removed-plugin", "SwitchType=switch/cray_aries", "24.05", 1, "error"),
    ("removed-plugin", "JobCompType=jobcomp/slurmdbd", "24.11", 1, "error"),
    ("unknown-plugin", "SelectType=select/cons_tress", "24.11", 1, "warning"),
    ("unknown-plugin", "ProctrackType=task/cgroup", "24.11", 1, "warning"),
    ("unknown-plugin", "JobCompType=jobcomp/kafka", "22.05", 1, "error"),
    ("fatal-combination", "PrologFlags=NoHold,Contain", "24.11", 1, "error"),
    ("fatal-combination", "PrologFlags=X11", "24.11", 1, "error"),
    ("fatal-combination", "PrologFlags=Serial,RunInJob", "24.11", 1, "warning"),
    ("fatal-combination", "JobContainerType=job_container/tmpfs", "24.11", 1, "error"),
    ("fatal-combination", "SlurmctldParameters=enable_stepmgr", "24.05", 1, "error"),
    ("fatal-combination", "LaunchParameters=enable_nss_slurm,disable_send_gids", "24.11", 1, "error"),
    ("fatal-combination", "PreemptMode=SUSPEND", "24.11", 1, "error"),
    ("fatal-combination", "PreemptMode=REQUEUE", "24.11", 1, "error"),
    ("fatal-combination", "PreemptType=preempt/qos", "24.11", 1, "error"),
    ("fatal-combination", "PriorityDecayHalfLife=0", "24.11", 1, "error"),
    ("fatal-combination", "UnkillableStepTimeout=120", "24.11", 1, "warning"),
    ("fatal-combination", "HealthCheckInterval=60\nHealthCheckTimeout=60", "26.05", 2, "warning"),
    ("fatal-combination", "AccountingStorageEnforce=limits", "24.11", 1, "warning"),
    ("fatal-combination", "AccountingStorageType=accounting_storage/mysql", "24.11", 1, "error"),
    ("fatal-combination", "JobSubmitPlugins=lua", "24.11", 1, "info"),
    ("node-topology", "NodeName=n9 CPUs=10 Sockets=2 CoresPerSocket=4", "24.11", 1, "warning"),
    ("node-topology", "NodeName=n9 CPUs=104 Sockets=2 CoresPerSocket=26 ThreadsPerCore=1", "24.11", 1, "warning"),
    ("undefined-node", "PartitionName=x Nodes=n[3-5]", "24.11", 1, "error"),
    ("undefined-node", "PartitionName=x Nodes=N1", "24.11", 1, "error"),
    ("undefined-node", "DownNodes=n9 State=DOWN", "24.11", 1, "warning"),
    ("undefined-partition", "SuspendExcParts=bach", "24.11", 1, "warning"),
    ("undefined-partition", "SuspendExcParts=batch,gpu", "24.11", 1, "warning"),
    ("restart-key", "MaxJobCount=20000", "22.05", 1, "warning"),
    ("restart-key", "CommunicationParameters=EnableIPv6", "24.11", 1, "warning"),
    ("restart-key", "SlurmctldParameters=enable_configless", "23.02", 1, "warning"),
    ("dangerous-key", "StateSaveLocation=/var/lib/other", "24.11", 1, "error"),
    ("dangerous-key", "ClusterName=other", "22.05", 1, "error"),
    ("dangerous-key", "SelectType=select/linear", "24.11", 1, "warning"),
    ("insecure-path", "SlurmdSpoolDir=/tmp/slurmd", "24.11", 1, "warning"),
    ("insecure-path", "HealthCheckProgram=/var/tmp/check", "24.11", 1, "warning"),
    ("insecure-setting", "AuthType=auth/none", "24.11", 1, "info"),
    ("insecure-setting", "SlurmUser=root", "24.11", 1, "info"),
    ("relative-path", "HealthCheckProgram=check", "24.11", 1, "warning"),
    ("relative-path", "PrologSlurmctld=pre.sh", "24.11", 1, "error"),
    ("relative-path", "TaskProlog=task.sh", "25.05", 1, "warning"),
    ("secret-in-conf", "AccountingStoragePass=hunter2", "24.11", 1, "warning"),
    ("secret-in-conf", "JobCompLoc=http://elastic:hunter2@host:9200", "24.11", 1, "warning"),
    ("include-line", "Include more.conf", "24.11", 1, "warning"),
    ("include-line", "include /etc/slurm/more.conf", "22.05", 1, "warning"),
]

#: rule, text, release: looks like it and is right (with this release)
FIRES_NOT = [
    ("syntax-error", 'KillWait=""', "24.11"),
    ("syntax-error", "KillWait = 30 # seconds", "24.11"),
    ("syntax-error", 'MailDomain="a b"\t\r', "24.11"),
    ("syntax-error", r'MailDomain="a\#b"', "24.11"),
    ("syntax-error", "SchedulerParameters=defer,\\\nbf_continue", "24.11"),
    ("syntax-error", "SchedulerParameters=defer,\\  # more\nbf_continue", "24.11"),
    ("syntax-error", 'NodeName=n9 \\\n  CPUs=2 \\\n  Feature="a,b"', "24.11"),
    ("syntax-error", "Include more.conf # more", "24.11"),
    ("syntax-error", '#MailDomain="', "24.11"),
    ("syntax-error", "KillWait=30\r\n\r\n", "24.11"),
    ("unknown-key", "KILLWAIT=30", "24.11"),
    ("unknown-key", "NodeName=n9 cpus=2", "24.11"),
    ("removed-key", "FrontendName=f", "24.11"),
    ("removed-key", "FastSchedule=1", "24.11"),
    ("removed-key", "#CacheGroups=0", "24.11"),
    ("not-yet-key", "PrologTimeout=30", "25.05"),
    ("not-yet-key", "PartitionName=x Nodes=n1 Topology=t", "25.05"),
    ("defunct-key", "PowerParameters=x", "23.11"),
    ("defunct-key", "GetEnvTimeout=2", "24.11"),
    ("obsolete-key", "FastSchedule=2", "24.11"),
    ("obsolete-key", "KillWait=1", "24.11"),
    ("deprecated-key", "SlurmctldHost=c", "24.11"),
    ("deprecated-key", "JobContainerType=job_container/tmpfs", "24.11"),
    ("duplicate-key", "PrologSlurmctld=/a\nPrologSlurmctld=/b", "24.05"),
    ("duplicate-key", "SlurmctldHost=a\nSlurmctldHost=b", "24.11"),
    ("duplicate-key", "NodeName=n8 CPUs=1\nNodeName=n9 CPUs=1", "24.11"),
    ("duplicate-node", "NodeName=n5 CPUs=2", "24.11"),
    ("duplicate-node", "PartitionName=DEFAULT MaxTime=1\nPartitionName=DEFAULT MaxTime=2", "24.11"),
    ("invalid-value", "KillWait=0x1E", "24.11"),
    ("invalid-value", "KillWait=UNLIMITED", "24.11"),
    ("invalid-value", "MaxJobCount=20k", "24.11"),
    ("invalid-value", "UsePAM=Yes", "24.11"),
    ("invalid-value", "PrologFlags=contain,RUNINJOB", "24.05"),
    ("invalid-value", "DebugFlags=ConMgr,Steps", "24.11"),
    ("invalid-value", "SelectTypeParameters=CR_Core_Memory,other_cons_tres", "23.11"),
    ("invalid-value", "SchedulerParameters=bf_interval=30,bf_max_job_test=500,defer", "24.11"),
    ("invalid-value", "SlurmctldParameters=enable_stepmgr", "24.05"),
    ("invalid-value", "PrivateData=jobs,users,all", "24.11"),
    ("invalid-value", "AuthInfo=/run/munge/munge.socket.2", "24.11"),
    ("invalid-value", "AuthInfo=cred_expire=300,socket=/run/munge/munge.socket.2", "24.11"),
    ("invalid-value", "MaxNodeCount=100000", "23.11"),
    ("invalid-value", "PartitionName=x Nodes=n1 MaxTime=7-00:00:00 OverSubscribe=FORCE:4", "24.11"),
    ("unexpanded-variable", 'InteractiveStepOptions="--pty $SHELL"', "24.11"),
    ("unexpanded-variable", "SlurmdLogFile=/var/log/%n.log", "24.11"),
    ("removed-plugin", "SelectType=select/cons_res", "23.02"),
    ("removed-plugin", "JobCompType=jobcomp/none", "26.05"),
    ("unknown-plugin", "TaskPlugin=affinity,task/cgroup", "24.11"),
    ("unknown-plugin", "MpiDefault=pmix_v4", "24.11"),
    ("unknown-plugin", "JobSubmitPlugins=ours", "24.11"),
    ("unknown-plugin", "CredType=cred/slurm", "23.11"),
    ("fatal-combination", "PrologFlags=NoHold", "24.11"),
    ("fatal-combination", "PrologFlags=Serial,RunInJob\nProctrackType=proctrack/cgroup", "23.11"),
    ("fatal-combination", "PreemptMode=SUSPEND,GANG\nPreemptType=preempt/qos", "24.11"),
    ("fatal-combination", "PreemptMode=GANG", "24.11"),
    ("fatal-combination", "PriorityDecayHalfLife=0\nPriorityUsageResetPeriod=MONTHLY", "24.11"),
    ("fatal-combination", "UnkillableStepTimeout=150", "24.11"),
    ("fatal-combination", "UnkillableStepTimeout=120", "23.11"),
    ("fatal-combination", "HealthCheckInterval=60\nHealthCheckTimeout=59", "26.05"),
    ("node-topology", "NodeName=n9 CPUs=8 Sockets=2 CoresPerSocket=4", "24.11"),
    ("node-topology", "NodeName=n9 CPUs=8 Sockets=2 CoresPerSocket=4 ThreadsPerCore=2", "24.11"),
    ("undefined-node", "NodeName=n5\nPartitionName=x Nodes=n[1-5]", "24.11"),
    ("undefined-node", "PartitionName=x Nodes=ALL", "24.11"),
    ("undefined-node", "PartitionName=x Nodes=big,n1", "24.11"),
    ("undefined-partition", "SuspendExcParts=batch", "24.11"),
    ("undefined-partition", "PartitionName=gpu Nodes=n1\nSuspendExcParts=gpu", "24.11"),
    ("restart-key", "MaxJobCount=20000", "23.11"),
    ("restart-key", "SlurmctldParameters=enable_configless", "23.11"),
    ("dangerous-key", "ClusterName=test", "24.11"),
    ("dangerous-key", "KillWait=30", "24.11"),
    ("insecure-path", "SlurmdSpoolDir=/var/spool/tmp/slurmd", "24.11"),
    ("insecure-path", "TmpFS=/tmp", "24.11"),
    ("insecure-setting", "AuthType=auth/munge", "24.11"),
    ("insecure-setting", "SlurmUser=slurm", "24.11"),
    ("relative-path", "Epilog=end.sh", "23.11"),
    ("relative-path", "TaskProlog=task.sh", "25.11"),
    ("secret-in-conf", "AccountingStoragePass=/run/munge/munge.socket.2", "24.11"),
    ("secret-in-conf", "JobCompLoc=http://host:9200", "24.11"),
    ("include-line", "#Include more.conf", "24.11"),
    ("include-line", "Included=more.conf", "24.11"),
]


def lint(text: str, version: str | None = "24.11") -> list[Finding]:
    """The findings beside a cluster's slurm.conf."""
    present = _conf.entries(PRESENT, "/etc/slurm/slurm.conf")
    return check(text, Cluster(version=version, present=present, partitions=["batch"]))


@pytest.mark.parametrize(("rule", "text", "version", "line", "severity"), FIRES)
def test_a_rule_fires(rule: str, text: str, version: str, line: int, severity: str) -> None:
    found = [finding for finding in lint(text, version) if finding.rule == rule]
    assert [(finding.line, finding.severity) for finding in found][:1] == [(line, severity)], lint(text, version)
    assert found[0].column >= 1
    assert found[0].origin == "slurm_extra_conf"
    assert found[0].message
    assert found[0].fix


@pytest.mark.parametrize(("rule", "text", "version"), FIRES_NOT)
def test_a_rule_does_not_fire(rule: str, text: str, version: str) -> None:
    assert [finding for finding in lint(text, version) if finding.rule == rule] == []


@pytest.mark.parametrize("rule", sorted(RULES))
def test_each_rule_has_cases(rule: str) -> None:
    assert sum(case[0] == rule for case in FIRES) >= 2
    assert sum(case[0] == rule for case in FIRES_NOT) >= 2


@pytest.mark.parametrize("rule", sorted(RULES))
def test_each_rule_is_documented(rule: str, root: pathlib.Path) -> None:
    page = (root / "docs/rules/conf.md").read_text()
    assert f"\n## {rule}\n" in page


def test_a_hint_names_the_nearest_key_and_word() -> None:
    assert "did you mean KillWait?" in lint("KilWait=30")[0].message
    found = [finding for finding in lint("SchedulerParameters=bf_contine,defer") if finding.rule == "invalid-value"]
    assert "did you mean bf_continue?" in found[0].message


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("CgroupPlugin=autodetect", "cgroup.conf"),
        ("ConstrainCores=yes", "cgroup.conf"),
        ("AutoBasePath=true", "job_container.conf"),
        ("StorageHost=db", "slurmdbd.conf"),
        ("PurgeJobAfter=12months", "slurmdbd.conf"),
        ("AutoDetect=nvml", "gres.conf"),
        ("Name=gpu Type=a100 File=/dev/nvidia[0-3]", "gres.conf"),
        ("File=/dev/nvidia0", "gres.conf"),
        ("Dirs=/tmp,/dev/shm", "job_container.conf"),
        ("InitScript=/etc/slurm/init.sh", "job_container.conf"),
        ("LogFile=/var/log/slurmdbd.log", "slurmdbd.conf"),
        ("RunTimeRun=runc run %n", "oci.conf"),
        ("MountSpoolDir=/run/oci", "oci.conf"),
        ("SwitchName=s0 Nodes=n[1-2]", "topology.conf"),
        ("PMIxTimeout=300", "mpi.conf"),
    ],
)
def test_a_key_of_another_file_of_slurm_s_is_sent_there(line: str, file: str) -> None:
    finding = lint(line)[0]
    key = line.partition("=")[0]
    assert (finding.rule, finding.message) == ("unknown-key", f"{key} is not a key of slurm.conf: it belongs in {file}")


@pytest.mark.parametrize("pair", ["Name=gpu", "File=/dev/nvidia0", "AutoDetect=nvml", "Links=0,-1"])
def test_a_key_of_another_file_on_a_line_of_keys_is_sent_there(pair: str) -> None:
    (said,) = (finding.message for finding in lint(f"NodeName=n9 {pair}") if finding.rule == "unknown-key")
    assert said == f"{pair.partition('=')[0]} is not a key on a NodeName line: it belongs in gres.conf"


@pytest.mark.parametrize("key", ["Names", "Filee", "Dir", "LogFiles", "Counter"])
def test_a_short_key_of_another_file_counts_as_a_whole_only(key: str) -> None:
    assert "belongs in" not in lint(f"{key}=1")[0].message


def test_a_conflict_says_who_wins_and_where() -> None:
    found = [finding for finding in lint("SchedulerParameters=bf_continue") if finding.rule == "duplicate-key"]
    assert "/etc/slurm/slurm.conf:3" in found[0].message
    assert "wins" in found[0].message
    assert "defer will be lost" in found[0].message


def test_no_password_is_shown() -> None:
    text = "AccountingStoragePass=hunter2\nAccountingStoragePass=hunter3\nJobCompPass=hunter4 x\n"
    assert "hunter" not in "".join(finding.message + finding.fix for finding in lint(text))


def test_what_is_placed_already_is_no_change() -> None:
    text = "StateSaveLocation=/srv/slurm\nMaxJobCount=20000\n"
    assert {finding.rule for finding in check(text, Cluster(version="22.05"))} == {"dangerous-key", "restart-key"}
    assert check(text, Cluster(version="22.05", placed=_conf.entries(text))) == []


def test_columns_point_at_the_word() -> None:
    found = lint('KillWait=30\n  SchedulerParameters = "defer, bf_foo=1"\n')
    assert [(finding.line, finding.column) for finding in found if finding.rule == "invalid-value"] == [(2, 33)]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("SchedulerParameters=\\\nbf_continue\\\n,bf_foo=30", (3, 2)),
        ("SchedulerParameters=bf_continue,\\\ndefer,bf_foo=30", (2, 7)),
        ("SchedulerParameters=bf_continue,bf_foo\\\n=30,defer", (1, 33)),
        ('SchedulerParameters="defer,\\\n   bf_continue, \\\n bf_foo=1"\n', (3, 2)),
        ("  SchedulerParameters=\\\ndefer,\\\n\\\nbf_foo=1\nKillWait=30", (4, 1)),
        ("KillWait=30\nSchedulerParameters=default_queue_depth=\\1\\0,bf_foo=1", (2, 46)),
        ("SchedulerParameters=defer,\\\nbf_continue # bf_foo", None),
        ("NodeName=n9 CPUs=1 \\\nState=UNKNWON", (2, 7)),
    ],
)
def test_a_word_of_a_continued_value_has_its_own_line(text: str, place: tuple[int, int] | None) -> None:
    found = [(finding.line, finding.column) for finding in lint(text) if finding.rule == "invalid-value"]
    assert found == ([place] if place else [])


@pytest.mark.parametrize(
    ("version", "severities"),
    [
        (None, {"removed-key": "warning", "not-yet-key": "info"}),
        ("24.11", {"not-yet-key": "error"}),
        ("slurm 24.11.5", {"not-yet-key": "error"}),
        ("25.05.1", {"removed-key": "error"}),
        ("21.08", {"not-yet-key": "error"}),
    ],
)
def test_the_release_decides(version: str | None, severities: dict[str, str]) -> None:
    found = {finding.rule: finding.severity for finding in lint("FrontendName=f\nPrologTimeout=1\n", version)}
    assert {rule: severity for rule, severity in found.items() if rule in ("removed-key", "not-yet-key")} == severities


def test_a_release_that_is_newer_than_the_facts_may_know_more() -> None:
    assert {finding.severity for finding in lint("BrandNewKey=1\n", "27.11")} == {"warning"}
    assert {finding.severity for finding in lint("BrandNewKey=1\n", "26.05")} == {"error"}


def test_a_whole_file() -> None:
    assert check_file(PRESENT, version="24.11") == []
    found = check_file(
        PRESENT + "PartitionName=x Nodes=n9\nCacheGroups=0\n", version="24.11", origin="/etc/slurm/slurm.conf"
    )
    assert [(finding.rule, finding.line, finding.script) for finding in found] == [
        ("undefined-node", 10, "/etc/slurm/slurm.conf"),
        ("removed-key", 11, "/etc/slurm/slurm.conf"),
    ]


def test_include_at_the_end_of_a_file_without_a_newline() -> None:
    """Slurm reads on in its buffer: seen on 24.11."""
    text = "NodeName=w1 CPUs=1 RealMemory=1000 State=UNKNOWN\nInclude more.conf"
    assert [finding.rule for finding in check_file(text)] == ["syntax-error"]
    assert check_file(text + "\n") == []


@pytest.mark.parametrize(
    "text",
    [
        "{% if big %}\nKillWait=30\n{% else %}\nKillWait=40\n{% endif %}\n",
        "NodeName={{ name }} {{ '' -}}\n    CPUs={{ cpus }}\n",
        "KillWait=<%= @kill_wait %>\n<% if @x %>\nWaitTime={{ y }}\n<% end %>\n",
        "SlurmctldPort=#PORT\nSlurmUser=#USER\n",
        "{# KillWait = #}\n",
    ],
)
def test_a_template_is_checked_as_far_as_it_can_be(text: str) -> None:
    assert check_file(text) == []


def check_with_two(template: str) -> list[str]:
    """The rules that fire on a template with a key at ONE and again at TWO."""
    text = template.replace("ONE", "PrologFlags=Alloc").replace("TWO", "PrologFlags=Contain")
    return [finding.rule for finding in check_file(text)]


@pytest.mark.parametrize(
    "template",
    [
        "<% if $x { -%>\nONE\n<% } else { -%>\nTWO\n<% } -%>\n",
        "<%- if $x == 'a}' { -%>\nONE\n<%- } elsif $y { -%>\nTWO\n<%- } -%>\n",
        "<% unless $x {%>\nONE\n<%}%>\n<% $list.each |$k, $v| { -%>\nTWO\n<% } -%>\n",
        "<% case $x { -%>\n<% 'a', 'b': { -%>\nONE\n<% } -%>\n<% default: { -%>\nTWO\n<% } -%>\n<% } -%>\n",
        "<% if $x { -%>\n<% if $y { $z = 1 } -%>\nONE\n<% } -%>\n<% if $y { -%>\nTWO\n<% } -%>\n",
        "<% if @x == {} -%>\nONE\n<% else -%>\nTWO\n<% end -%>\n",
        "<% @list.each { |x| -%>\nONE\n<% } -%>\n<% @list.each do |x| -%>\nTWO\n<% end -%>\n",
        "{{ if .X }}\nONE\n{{ else }}\nTWO\n{{ end }}\n",
    ],
)
def test_two_branches_of_a_template_are_no_duplicate(template: str) -> None:
    assert check_with_two(template) == []


@pytest.mark.parametrize(
    "template",
    [
        "<% if $x { -%>\nKillWait=30\n<% } -%>\nONE\nTWO\n",
        "<%# { -%>\nONE\nTWO\n<% if $x { -%>\n<% } -%>\n",
        "<% $x = { 'a' => 1 } -%>\nONE\nTWO\n",
        "<%- | String $x, Hash $y = {} | -%>\nONE\nTWO\n<% if $x { -%>\nKillWait=30\n<% } -%>\n",
        "ONE\n<% if $x { $y = 1 } -%>\nTWO\n<% if $x { -%>\nKillWait=30\n<% } -%>\n",
        "KillWait=<%= $x['{'] %>\nONE\nTWO\n<% if $x { -%>\n<% } -%>\n",
    ],
)
def test_a_key_twice_outside_of_the_branches_of_a_template_is_one(template: str) -> None:
    assert check_with_two(template) == ["duplicate-key"]


def test_a_removed_key_is_seen_in_a_template() -> None:
    assert [finding.rule for finding in check_file("{% if x %}\nCacheGroups={{ y }}\n{% endif %}\n")] == ["removed-key"]


def examples(page: str) -> list[tuple[str, str, str, str]]:
    """Rule, "Bad" or "Good", release and text of each example of the page."""
    found = []
    for rule, section in re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL):
        for kind, heading, text in re.findall(r"^(Bad|Good)(.*?):[^\n]*\n\n((?:    [^\n]*\n)+)", section, re.MULTILINE):
            match = re.search(r"Slurm (\d\d\.\d\d)", heading)
            release = "23.02" if "before" in heading else match.group(1) if match else "24.11"
            found.append(
                (
                    rule,
                    kind,
                    release,
                    textwrap.dedent(text) if rule != "syntax-error" else re.sub("(?m)^    ", "", text),
                )
            )
    return found


def test_the_examples_of_the_page_hold(root: pathlib.Path) -> None:
    shown = examples((root / "docs/rules/conf.md").read_text())
    assert {rule for rule, kind, _release, _text in shown if kind == "Bad"} == set(RULES)
    for rule, kind, release, text in shown:
        for line in (
            text.splitlines()
            if kind == "Bad" and rule in ("removed-key", "invalid-value", "fatal-combination", "secret-in-conf")
            else [text]
        ):
            fired = {
                finding.rule for finding in lint(line + "\n", release) if kind == "Bad" or finding.severity != "info"
            }
            if kind == "Bad":
                assert rule in fired, (rule, line)
            elif "{{" not in line and not line.startswith("slurm_"):
                assert rule not in fired, (rule, line)
