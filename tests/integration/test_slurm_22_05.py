# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slurm 22.05, whose controller ends when it is told to read a bad slurm.conf (refused before, and undone where that was not wanted),
and which applies a page of keys only when it is restarted."""

from __future__ import annotations

import time
import typing as t

import pytest
from lab_calls import Lab

LAB = Lab("22-05", {"slurm_restart_allowed": False}, LAB_SLURM_VERSION="22.05")
lab, play = LAB.call, LAB.play
#: Slurm's commands do not notice it. Our own checker would, so its rule is off.
BAD = {"slurm_extra_conf": "PartitionName=night Nodes=worker[1-9]\n", "slurm_lint_disable": ["undefined-node"]}


def controller(command: str) -> str:
    return LAB.inside("controller", command)


@pytest.fixture(scope="module")
def cluster() -> t.Iterator[None]:
    """A cluster of 22.05 with a line of ours, a job that runs and one that waits."""
    done = lab("up")
    assert done.returncode == 0, done.stderr
    try:
        assert play({"slurm_extra_conf": "PrologEpilogTimeout=77\n"}).returncode == 0
        for _time in range(2):
            assert (
                lab("exec", "-u", "alice", "login", "sbatch", "-w", "worker1", "-n2", "--wrap", "sleep 900").returncode
                == 0
            )
        # One runs and one waits for its CPUs, from the first test to the last.
        deadline = time.monotonic() + 60
        while "RUNNING" not in controller("squeue -h -o %T"):
            assert time.monotonic() < deadline, controller("squeue")
            time.sleep(0.5)
        yield
    finally:
        lab("down")


def state() -> list[str]:
    """The state that must be the same afterwards: the files, the jobs, the nodes."""
    return [
        controller("find /etc/slurm -type f -exec sha256sum {} + | sort"),
        controller("squeue -h -o '%A %T %B' | sort"),
        controller("sinfo -h -N -o '%n %T'"),
        controller("scontrol ping"),
        controller("ls -d /var/lib/nodecycle/rollout/journal.json 2>/dev/null; true"),
    ]


@pytest.mark.usefixtures("cluster")
def test_a_trial_refuses_what_would_end_it() -> None:
    before = state()
    done = play(BAD)
    assert done.returncode != 0
    assert "Invalid node names in partition night" in done.stdout + done.stderr
    assert "so nothing was changed" in done.stdout + done.stderr
    assert state() == before


@pytest.mark.usefixtures("cluster")
def test_a_controller_that_has_ended_runs_again_with_the_previous_files() -> None:
    before = state()
    ended = "grep -c 'fatal: Invalid node names in partition night' /var/log/slurm/slurmctld.log || true"
    assert controller(ended).strip() == "0"
    done = play({**BAD, "slurm_try_controller": False})
    assert done.returncode != 0
    assert "is undone" in done.stdout + done.stderr
    assert "fatal: Invalid node names in partition night" in done.stdout + done.stderr
    assert controller(ended).strip() == "1", "it did not end, so this proves nothing"
    assert state() == before


def drained() -> str:
    """Each drained node with its reason and the user of it."""
    return controller("scontrol show node -o | sed -n 's/.*NodeName=\\([^ ]*\\) .*Reason=/\\1 /p'")


@pytest.mark.usefixtures("cluster")
def test_whose_drain_it_is_survives_a_reconfigure() -> None:
    """22.05 forgets at a reconfigure who gave a reason, and names root. A prolog that drained the canary, and slurm.conf, are undone."""
    controller("scontrol update NodeName=worker3 State=DRAIN Reason='Prolog error'")
    before = drained()
    assert before.startswith("worker3 Prolog error [root@")
    done = play(
        {
            "slurm_worker_prolog": "#!/bin/sh\nexit 1\n",
            "slurm_extra_conf": "PrologEpilogTimeout=79\n",
            "slurm_canary": "worker2",
        }
    )
    assert done.returncode != 0
    assert "Prolog error" in done.stdout + done.stderr
    assert "is undone" in done.stdout + done.stderr
    # The administrator's is as it was, and ours are gone.
    assert drained() == before
    assert controller("find /var/lib/nodecycle -name 'reason*'") == ""
    controller("scontrol update NodeName=worker3 State=RESUME")


def started(unit: str = "slurmctld", host: str = "controller") -> str:
    """When a daemon was started."""
    done = lab("exec", host, "systemctl", "show", unit, "--property=ExecMainStartTimestampMonotonic", "--value")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.usefixtures("cluster")
def test_a_key_that_needs_a_restart_waits_for_the_leave_and_then_costs_no_job() -> None:
    jobs, nodes = (controller("squeue -h -o '%A %T %B' | sort"), controller("sinfo -h -N -o '%n %T'"))
    since, slurmd = started(), started("slurmd", "worker1")
    waits = play({"slurm_extra_conf": "PrologEpilogTimeout=78\nMaxJobCount=5000\n"})
    assert waits.returncode == 0, waits.stdout
    assert "maxjobcount: only a restart of the Slurm daemons applies that" in waits.stdout
    # The rest is in effect.
    assert "PrologEpilogTimeout     = 78" in controller("scontrol show config")
    assert started() == since

    leave = play({"slurm_extra_conf": "PrologEpilogTimeout=78\nMaxJobCount=6000\n", "slurm_restart_allowed": True})
    assert leave.returncode == 0, leave.stdout
    assert "only a restart" not in leave.stdout
    for run in (waits, leave):
        assert "could not keep jobs from starting" not in run.stdout + run.stderr
    assert started() != since
    assert started("slurmd", "worker1") == slurmd
    assert "MaxJobCount             = 6000" in controller("scontrol show config")
    assert (controller("squeue -h -o '%A %T %B' | sort"), controller("sinfo -h -N -o '%n %T'")) == (jobs, nodes)
    assert "is UP" in controller("scontrol ping")


@pytest.mark.usefixtures("cluster")
def test_a_first_hook_of_the_controller_is_refused_without_the_leave_to_restart() -> None:
    """slurmctld would run it after a restart only, so the canary would miss it."""
    lines = "PrologEpilogTimeout=78\nMaxJobCount=6000\n"
    hook = {"slurm_controller_prolog": "#!/bin/sh\necho here\n", "slurm_extra_conf": lines}
    before = state()
    refused = play(hook)
    assert refused.returncode != 0
    said = refused.stdout + refused.stderr
    assert "slurm_controller_prolog is the first to set PrologSlurmctld, and slurmctld 22.05" in said
    assert "Remedy: set slurm_restart_allowed: true" in said
    assert state() == before

    jobs = controller("squeue -h -o '%A %T %B' | sort")
    done = play({**hook, "slurm_restart_allowed": True})
    assert done.returncode == 0, done.stdout
    assert "/controller_prolog" in controller("scontrol show config | grep PrologSlurmctld")
    assert controller("squeue -h -o '%A %T %B' | sort") == jobs
