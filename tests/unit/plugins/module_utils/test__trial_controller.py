# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf, _trial_controller

PATH = "/etc/slurm/slurm.conf"

CLUSTER = """\
ClusterName=lab
SlurmctldHost=first(10.0.0.1)
SlurmctldHost=second
StateSaveLocation=/var/lib/slurm/slurmctld
SlurmctldLogFile=/var/log/slurm/slurmctld.log
AccountingStorageType=accounting_storage/slurmdbd
SlurmctldPrimaryOnProg=/usr/local/sbin/page
ResumeProgram=/usr/local/sbin/power
NodeName=n[1-3] NodeAddr=10.1.0.[1-3] CPUs=2
NodeName=cloud1 NodeHostName="host9" State=CLOUD
Include more.conf
"""
FILES = {PATH: CLUSTER, "/etc/slurm/more.conf": "JobCompType=jobcomp/mysql\nSuspendTime=60\n"}


def trial(files: t.Mapping[str, str], hostname: str = "first") -> dict[str, str]:
    return _trial_controller.trial_files(PATH, "/run/x", files.get, hostname)


# --- the trial's changes


def test_the_trial_has_nothing_of_the_running_controller_s() -> None:
    files = trial(FILES)
    values = {entry.key: entry.value for entry in _conf.tree(PATH, files.get)}
    assert values == {
        "ClusterName": "lab",
        "NodeName": 'NodeName=cloud1 NodeHostName="host9" State=CLOUD',
        "SuspendTime": "60",
        "ResumeProgram": "/bin/true",
        "StateSaveLocation": "/run/x/state",
        "SlurmctldPidFile": "/run/x/state/pid",
        "SlurmctldLogFile": "/run/x/state/log",
        "SlurmctldDebug": "info",
        "SlurmctldSyslogDebug": "quiet",
        "SlurmctldHost": "first(10.0.0.1)",
    }


def test_the_trial_keeps_the_numbers_of_the_lines() -> None:
    before, after = CLUSTER.splitlines(), trial(FILES)[PATH].splitlines()
    assert [line for line in before if not line.startswith("#")][8] == after[8]


def test_our_file_is_part_of_the_trial_also_without_a_key() -> None:
    files = {**FILES, PATH: f"{CLUSTER}{_conf.INCLUDE_LINE}\n", "/etc/slurm/nodecycle.conf": "# nothing\n"}
    assert trial(files)["/etc/slurm/nodecycle.conf"] == "# nothing\n"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("BurstBufferType=burst_buffer/lua", "BurstBufferType=burst_buffer/lua acts by itself"),
        ("PowerPlugin=power/cray_aries", "PowerPlugin=power/cray_aries acts by itself"),
        ("NodeFeaturesPlugins=knl_cray", "acts by itself"),
        ("DebugFlags=Power MaxJobCount=7", "sets maxjobcount as well as debugflags"),
    ],
)
def test_a_controller_that_would_act_is_not_started(change: str, why: str) -> None:
    with pytest.raises(_trial_controller.NotTriedError, match=why):
        trial({**FILES, PATH: f"{CLUSTER}{change}\n"})


def test_a_key_in_a_file_that_is_not_copied_is_seen() -> None:
    files = {**FILES, PATH: f"{CLUSTER}Include /opt/site.conf\n", "/opt/site.conf": "JobCompType=jobcomp/mysql\n"}
    with pytest.raises(_trial_controller.NotTriedError, match=r"/opt/site\.conf:1 sets JobCompType"):
        trial(files)


def test_none_is_no_plugin() -> None:
    assert trial({**FILES, PATH: f"{CLUSTER}BurstBufferType=none\nPowerPlugin=power/none\n"})


@pytest.mark.parametrize(("hostname", "host"), [("first.example.org", "first(10.0.0.1)"), ("second", "second")])
def test_only_this_host_s_name_stays(hostname: str, host: str) -> None:
    entries = _conf.tree(PATH, trial(FILES, hostname).get)
    assert [entry.value for entry in entries if entry.key == "SlurmctldHost"] == [host]


def test_a_host_that_is_no_controller_is_said() -> None:
    with pytest.raises(_trial_controller.NotTriedError, match=r"third.*first\(10.0.0.1\), second"):
        trial(FILES, "third")


def test_every_node_has_an_address_that_leads_nowhere() -> None:
    present = {"/etc/hosts": "127.0.0.1 localhost", "/etc/nsswitch.conf": "passwd: files sss\nhosts: files dns\n"}
    names = _trial_controller.name_files("first(10.0.0.1)", ["10.0.0.1"], _conf.tree(PATH, FILES.get), present.get)
    hosts = names["hosts"].splitlines()
    assert hosts[:2] == ["127.0.0.1 localhost", "10.0.0.1 first"]
    assert {line.split()[1] for line in hosts[2:]} >= {"n1", "n2", "n3", "cloud1", "host9"}
    assert {line.split()[0] for line in hosts[2:]} == {"127.0.0.1"}
    assert names["nsswitch.conf"] == "passwd: files sss\nhosts: files\n"


# --- the controller's words


def test_its_severe_lines_are_read() -> None:
    said = (
        "slurmctld: error: Configured MailProg is invalid\n"
        "slurmctld: slurmctld version 24.11.5 started on cluster lab(0)\n"
        "slurmctld: error: _xgetaddrinfo: getaddrinfo(n1:6818) failed: Name or service not known\n"
        "slurmctld: error: PriorityWeightFairshare can only be used with SlurmDBD, ignoring\n"
        "slurmctld: fatal: Invalid node names in partition x\n"
    )
    found = _trial_controller.read_trial(said, ran=False)
    assert found.fatal == ("Invalid node names in partition x",)
    assert found.errors == ("Configured MailProg is invalid",)


@pytest.mark.parametrize(
    ("said", "fatal"),
    [("", "it ended without a word"), ("slurmctld: x\n", "slurmctld: x"), ("slurmctld: error: y\nslurmctld: x\n", "y")],
)
def test_a_controller_that_ends_without_the_word_fatal_is_none_that_runs(said: str, fatal: str) -> None:
    assert _trial_controller.read_trial(said, ran=False).fatal == (fatal,)


def test_what_the_trial_itself_causes_is_no_verdict() -> None:
    with pytest.raises(_trial_controller.NotTriedError, match="leaves out"):
        _trial_controller.read_trial("slurmctld: fatal: PreemptType=preempt/qos needs slurmdbd\n", ran=False)


def test_what_a_site_s_controller_always_says_is_not_said_again() -> None:
    present = _trial_controller.Trial(True, (), ("/run/a/x.conf:3 is odd", "old"))
    candidate = _trial_controller.Trial(True, (), ("/run/b/x.conf:7 is odd", "old", "old", "new"))
    assert _trial_controller.new_errors(candidate, present) == ["old", "new"]
