# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reconfigure resets what was set at run time, and ends the jobs of partitions that slurm.conf does not have; ours do not."""

from __future__ import annotations

import pytest
from conftest import administrator, extra, failure_of, undone, wait

SET = (
    "PartitionName=gpu State=DOWN MaxTime=60",
    "PartitionName=batch MaxNodes=2",
    "NodeName=worker1 Weight=77 AvailableFeatures=fast ActiveFeatures=fast",
)
RESET = (
    "PartitionName=gpu State=UP MaxTime=UNLIMITED",
    "PartitionName=batch MaxNodes=UNLIMITED",
    "NodeName=worker1 Weight=1 AvailableFeatures= ActiveFeatures=",
)
WORDS = ("State=", "MaxTime=", "MaxNodes=", "Weight=", "Features=")


def shown(lab):
    """The fields in question, as Slurm shows them."""
    text = lab.run("controller", "scontrol show partition -a -o; scontrol show node worker1 -o")
    return [word for word in text.split() if any(name in word for name in WORDS) and "State=IDLE" not in word]


@pytest.fixture
def night(lab):
    """A partition of run time."""
    lab.run("controller", "scontrol create PartitionName=night Nodes=worker2 State=UP")
    yield
    lab.run("controller", "squeue -h -p night -o %A | xargs -r scancel")
    wait(lambda: not lab.run("controller", "squeue -h -p night").strip(), 30, "the partition to be empty")
    lab.run("controller", "scontrol delete PartitionName=night")


@pytest.mark.usefixtures("night")
def test_what_was_set_at_run_time_stays_through_a_commit_and_through_an_undo(lab, good):
    for what in SET:
        administrator(lab, what)
    before = shown(lab)
    job = lab.sbatch("true", "-p gpu")
    try:
        done = lab.play(good, extra({"slurm_extra_conf": "PrologEpilogTimeout=66"}))
        assert done.returncode == 0, done.stdout
        assert shown(lab) == before
        assert "the run has restored it: scontrol update PartitionName=batch MaxNodes=2" in done.stdout + done.stderr
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
