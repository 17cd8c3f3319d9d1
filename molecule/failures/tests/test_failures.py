# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slurm's reaction to a hook that fails (shared facts: prolog_epilog.html and slurm.conf(5), 22.05 to 26.05)."""

from __future__ import annotations

import contextlib
import json

import pytest
from conftest import wait

HOSTS = ("controller", "worker1", "worker2", "worker3")


@pytest.fixture(autouse=True)
def repaired(lab):
    """Each test begins and ends with a cluster on which nothing fails."""
    yield
    for host in HOSTS:
        lab.run(host, "rm -rf /tmp/fail")
    lab.run("controller", "squeue -h -o %A | xargs -r scancel")
    lab.resume()


@contextlib.contextmanager
def failing(lab, hook, code=1, hosts=("worker1", "worker2", "worker3")):
    """Make a hook's script exit with a code on these hosts."""
    for host in hosts:
        lab.run(host, f"mkdir -p /tmp/fail && echo {code} >/tmp/fail/{hook}")
    yield
    for host in hosts:
        lab.run(host, "rm -rf /tmp/fail")


def failure(lab, host, hook):
    """The dispatcher's record of the last failure."""
    return json.loads(lab.read(host, f"/var/lib/nodecycle/{hook}/failure.json"))


def pending(lab, job):
    """The job once Slurm has requeued it."""
    from conftest import wait

    return wait(
        lambda: (now := lab.job(job))["JobState"] == "PENDING" and now["Restarts"] != "0" and now,
        30,
        f"job {job} to be requeued",
    )


def test_worker_prolog_drains_the_node_and_holds_the_batch_job(lab):
    with failing(lab, "worker_prolog", 3, ["worker1"]):
        job = lab.sbatch("true", "-w worker1")
        held = pending(lab, job)
        assert (held["Reason"], held["Priority"]) == ("launch_failed_requeued_held", "0")
        node = lab.wait_for_state("worker1", lambda state: "DRAIN" in state)
        assert node["Reason"].startswith("Prolog error [slurm@")
        record = failure(lab, "worker1", "worker_prolog")
    assert (record["job"], record["script"], record["exit"], record["cause"]) == (job, "10-fail", 3, "exit")
    assert record["output"] == "worker_prolog says why\n"
    # The order of the recovery: first the script, then the node, then the job.
    lab.resume()
    lab.run("controller", f"scontrol release {job}")
    # Slurm lets a requeued job wait for two minutes (the lifetime of its credential); a test need not.
    lab.run("controller", f"scontrol update JobId={job} StartTime=now")
    assert lab.finish(job)["JobState"] == "COMPLETED"


def test_worker_prolog_cancels_an_interactive_job(lab):
    with failing(lab, "worker_prolog", 1, ["worker2"]):
        result = lab.srun("hostname", "-w worker2")
    assert result.rc != 0
    assert result.stdout == ""
    assert "DRAIN" in lab.wait_for_state("worker2", lambda state: "DRAIN" in state)["State"]
    assert lab.run("controller", "squeue -h") == ""


def test_worker_epilog_drains_the_node_and_leaves_the_job_its_result(lab):
    with failing(lab, "worker_epilog", 1, ["worker3"]):
        job = lab.sbatch("echo done", "-w worker3")
        assert lab.finish(job)["JobState"] == "COMPLETED"
        node = lab.wait_for_state("worker3", lambda state: "DRAIN" in state)
    assert node["Reason"].startswith("Epilog error [slurm@")
    assert lab.output(job) == "done\n"


def test_controller_prolog_requeues_the_batch_job_and_touches_no_node(lab):
    with failing(lab, "controller_prolog", 1, ["controller"]):
        job = lab.sbatch("true")
        requeued = pending(lab, job)
        assert requeued["Priority"] != "0"
        assert [lab.node(name)["State"] for name in ("worker1", "worker2", "worker3")] == ["IDLE"] * 3
        assert failure(lab, "controller", "controller_prolog")["job"] == job


def test_controller_prolog_cancels_an_interactive_job(lab):
    with failing(lab, "controller_prolog", 1, ["controller"]):
        result = lab.srun("hostname")
    assert result.rc != 0
    assert lab.run("controller", "sinfo -h -R") == ""


def test_controller_epilog_is_logged_and_nothing_else(lab):
    with failing(lab, "controller_epilog", 5, ["controller"]):
        job = lab.sbatch("echo done")
        assert lab.finish(job)["JobState"] == "COMPLETED"
        ended = wait(
            lambda: [
                line
                for line in lab.read("controller", "/var/log/nodecycle/controller_epilog.log").splitlines()
                if f'"job":"{job}"' in line
            ],
            15,
            "its line",
        )
    assert json.loads(ended[0])["exit"] == 5
    assert lab.output(job) == "done\n"
    assert lab.run("controller", "sinfo -h -R") == ""


def test_task_prolog_fails_the_task_with_its_code_and_touches_no_node(lab):
    with failing(lab, "task_prolog", 9):
        job = lab.sbatch("echo never", "-w worker1")
        ended = lab.finish(job)
    assert (ended["JobState"], ended["ExitCode"]) == ("FAILED", "9:0")
    assert lab.node("worker1")["State"] == "IDLE"


def ran(lab, host, job):
    """Whether the prolog ran for a job on a host."""
    return f"{job} worker_prolog" in lab.read(host, "/tmp/ran-worker_prolog").splitlines()


def test_without_alloc_the_prolog_runs_where_a_step_begins(lab):
    job = lab.sbatch("sleep 2", "-N2", "-w worker1,worker2")
    lab.finish(job)
    assert (ran(lab, "worker1", job), ran(lab, "worker2", job)) == (True, False)


def test_with_alloc_the_prolog_runs_on_every_node_of_the_allocation(lab, request):
    definition = request.path.parent.parent / "vars/definition.yml"
    done = lab.play(
        f"--extra-vars=@{definition}", "--extra-vars", json.dumps({"slurm_extra_conf": "PrologFlags=Alloc"})
    )
    assert done.returncode == 0, done.stdout
    try:
        job = lab.sbatch("sleep 2", "-N2", "-w worker1,worker2")
        lab.finish(job)
        assert (ran(lab, "worker1", job), ran(lab, "worker2", job)) == (True, True)
    finally:
        assert lab.play(f"--extra-vars=@{definition}").returncode == 0
