# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reconfigure resets what was set at run time, and ends the jobs of partitions that slurm.conf does not have; ours do not."""

from __future__ import annotations

import re

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _run_time
from conftest import SLURM, administrator, extra, failure_of, undone, wait

#: What is told apart: 22.05 lacks some, and 26.05 has one key for all that is exclusive, and asks slurmdbd for a QOS.
OF_RELEASE = {
    "22.05": "DenyQos=q ExclusiveUser=YES",
    "24.11": "DenyQos=q ExclusiveTopo=YES ExclusiveUser=YES MaxCPUsPerSocket=2",
    "26.05": "Exclusive=USER MaxCPUsPerSocket=2",
}
#: All that Slurm takes on a cluster without accounting, and with which alice's jobs in the other partitions run as before.
FIELDS = (
    "AllocNodes=controller,login AllowAccounts=a AllowGroups=users Alternate=batch CpuBind=cores DefaultTime=5"
    " DefMemPerCPU=10 DisableRootJobs=YES GraceTime=3 Hidden=YES JobDefaults=DefCpuPerGPU=2"
    " LLN=YES MaxCPUsPerNode=2 MaxMemPerCPU=100 MaxNodes=2 MaxTime=60 MinNodes=1 Nodes=worker[2-3]"
    " OverSubscribe=FORCE:3 OverTimeLimit=3 PriorityJobFactor=5 PriorityTier=6 ReqResv=YES RootOnly=YES TRESBillingWeights=CPU=2"
    f" {OF_RELEASE[SLURM]}"
)
NODE_FIELDS = "Weight=77 AvailableFeatures=fast ActiveFeatures=fast CpuBind=cores"
#: 22.05 has neither instances nor a way to change keys of slurm.conf.
NEWER = SLURM > "22.05"
SET = (
    "PartitionName=gpu State=DOWN MaxTime=60 Alternate=batch CpuBind=cores",
    "PartitionName=batch MaxNodes=2",
    f"PartitionName=night {FIELDS}",
    f"NodeName=worker1 {NODE_FIELDS}{' InstanceId=i InstanceType=t' * NEWER}",
    *("SuspendExcNodes=worker1", "SuspendExcParts=gpu", "SuspendExcStates=DOWN") * NEWER,
)
RESET = (
    "PartitionName=gpu State=UP MaxTime=UNLIMITED Alternate= CpuBind=off",
    "PartitionName=batch MaxNodes=UNLIMITED",
    "NodeName=worker1 Weight=1 AvailableFeatures= ActiveFeatures= CpuBind=off",
    *("SuspendExcNodes=", "SuspendExcParts=", "SuspendExcStates=") * NEWER,
)


def shown(lab):
    """All of the partitions, and the fields in question of a node and of slurm.conf, as Slurm shows them."""
    node = lab.run("controller", "scontrol show node worker1 -o | grep -oE ' (Weight|[A-Za-z]+Features|CpuBind)=[^ ]*'")
    config = lab.run("controller", "scontrol show config | grep -i SuspendExc")
    partitions = lab.run("controller", "scontrol show partition -a -o").split()
    # Slurm counts it when nodes change, not when their weights do.
    partitions = [word for word in partitions if not word.startswith("TRES=")]
    return [*partitions, *node.split(), *config.splitlines()]


@pytest.fixture
def night(lab):
    """A partition of run time."""
    lab.run("controller", "scontrol create PartitionName=night Nodes=worker2 State=UP")
    yield
    lab.run("controller", "squeue -h -r -p night -o %i | xargs -r scancel")
    wait(lambda: not lab.run("controller", "squeue -h -p night").strip(), 30, "the partition to be empty")
    lab.run("controller", "scontrol delete PartitionName=night")


@pytest.mark.usefixtures("night")
def test_the_fields_of_a_partition_are_those_that_slurm_shows_and_takes(lab):
    """scontrol itself says which of them it does not take, before it asks anybody."""
    administrator(lab, f"PartitionName=night {FIELDS}")
    names = re.findall(r"(?:^| )([A-Za-z]+)=", lab.run("controller", "scontrol show partition -o night"))
    refused = "scontrol update PartitionName=nosuch $name=1 2>&1 | grep -q 'not supported' || echo $name"
    taken = lab.run("controller", f"for name in {' '.join(names)}; do {refused}; done").split()
    assert "Alternate" in taken
    # TRES is short for TRESBillingWeights there.
    assert set(taken) - {"PartitionName", "TRES"} - _run_time.PARTITION_FIELDS.keys() == set()


@pytest.mark.usefixtures("night")
def test_what_was_set_at_run_time_stays_through_a_commit_and_through_an_undo(lab, good):
    for what in SET:
        administrator(lab, what)
    lab.run("controller", "scontrol setdebugflags +Steps && scontrol setdebug verbose")
    before = shown(lab)
    job = lab.sbatch("true", "-p gpu")
    try:
        done = lab.play(good, extra({"slurm_extra_conf": "PrologEpilogTimeout=66"}))
        assert done.returncode == 0, done.stdout
        assert shown(lab) == before
        assert "the run has restored it: scontrol update PartitionName=batch MaxNodes=2" in done.stdout + done.stderr
        # What the guide says is not restored.
        if SLURM == "24.11":
            assert "Instance" not in lab.run("controller", "scontrol show node worker1")
        config = lab.run("controller", "scontrol show config")
        assert "DebugFlags              = (null)" in config
        assert "SlurmctldDebug          = info" in config
        bad = {"slurm_extra_conf": "PrologEpilogTimeout=67", "slurm_worker_prolog": "#!/bin/sh\nexit 3\n"}
        with undone(lab, "-w worker1"):
            failure_of(lab.play(good, extra(bad)))
        assert shown(lab) == before
        # The partition was open for a moment, and no job started.
        assert (lab.job(job)["JobState"], lab.job(job)["StartTime"]) == ("PENDING", "Unknown")
    finally:
        lab.run("controller", f"scancel {job}")
        for what in RESET:
            administrator(lab, what)
    back = lab.play(good)
    assert back.returncode == 0, back.stdout


@pytest.mark.usefixtures("night")
def test_no_reconfigure_ends_the_jobs_of_a_partition_of_run_time(lab, good):
    job = lab.sbatch("sleep 300", "-p night")
    wait(lambda: lab.job(job)["JobState"] == "RUNNING", 30, "the job to run")
    with undone(lab, "-w worker1"):
        message = failure_of(lab.play(good, extra({"slurm_extra_conf": "PrologEpilogTimeout=66"})))
    assert "slurm_extra_conf would end the 1 jobs of the partition night" in message
    assert "write night into slurm.conf" in message
    found = lab.module("reconfigure")
    assert found["failed"]
    assert "slurm.conf has no partition night, so a reconfigure would end its 1 jobs" in found["msg"]
    assert (lab.job(job)["JobState"], lab.job(job)["Restarts"]) == ("RUNNING", "0")
