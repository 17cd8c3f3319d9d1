# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slurm's reaction to a hook that fails (shared facts: prolog_epilog.html and slurm.conf(5), 22.05 to 26.05)."""

from __future__ import annotations

import contextlib
import json

import pytest
from conftest import wait

HOSTS = ("controller", "worker1", "worker2", "worker3")
#: Where each hook of a job runs, as whom, and the log of the daemon that calls it.
HOOKS = {
    "worker_prolog": ("worker1", "root", "slurmd.log"),
    "worker_epilog": ("worker1", "root", "slurmd.log"),
    "controller_prolog": ("controller", "slurm", "slurmctld.log"),
    "controller_epilog": ("controller", "slurm", "slurmctld.log"),
}


@pytest.fixture(autouse=True)
def repaired(lab):
    """Each test begins and ends with a cluster on which nothing fails."""
    yield
    for host in HOSTS:
        lab.run(host, "rm -rf /tmp/fail")
    lab.run("controller", "squeue -h -r -o %i | xargs -r scancel")
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


def pending(lab, job, times=1):
    """The job once Slurm has requeued it so many times."""
    return wait(
        lambda: (now := lab.job(job))["JobState"] == "PENDING" and int(now["Restarts"]) >= times and now,
        30,
        f"job {job} to be requeued",
    )


def told(lab, hook, job):
    """Whether the log of Slurm's daemon has what the hook printed for a job."""
    host, _user, log = HOOKS[hook]
    return f"{hook} says why of job {job}" in lab.read(host, f"/var/log/slurm/{log}")


def ran(lab, host, hook, job):
    """As whom a hook ran for a job on a host, each time."""
    lines = [line.split() for line in lab.read(host, f"/tmp/ran-{hook}").splitlines()]
    return [user for for_job, _hook, user in lines if for_job == job]


def syslog(lab, host, job):
    """What the task hooks have told syslog of a job."""
    text = lab.run(host, "journalctl -t nodecycle -o cat --no-pager")
    entries = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [(entry["hook"], entry["script"], entry["exit"]) for entry in entries if entry["job"] == job]


def test_slurm_gives_a_hook_its_user_and_neither_path_nor_home_nor_input(lab):
    job = lab.sbatch("true", "-w worker1")
    assert lab.finish(job)["JobState"] == "COMPLETED"
    for hook, (host, user, _log) in HOOKS.items():
        assert wait(lambda hook=hook, host=host: ran(lab, host, hook, job), 15, hook) == [user]
        stdin, *environment = lab.read(host, f"/tmp/given-{hook}").splitlines()
        assert stdin == "/dev/null", hook
        assert f"SLURM_JOB_ID={job}" in environment, hook
        assert [each for each in environment if each.startswith(("PATH=", "HOME="))] == [], hook
        # Only the output of a failure is logged.
        assert not told(lab, hook, job)
    assert syslog(lab, "worker1", job) == []


@pytest.mark.by_release
def test_worker_prolog_drains_the_node_and_holds_the_batch_job(lab):
    with failing(lab, "worker_prolog", 3, ["worker1"]):
        job = lab.sbatch("true", "-w worker1")
        held = pending(lab, job)
        assert (held["Reason"], held["Priority"]) == ("launch_failed_requeued_held", "0")
        node = lab.wait_for_state("worker1", lambda state: "DRAIN" in state)
        assert node["Reason"].startswith("Prolog error [slurm@")
        record = failure(lab, "worker1", "worker_prolog")
    assert (record["job"], record["script"], record["exit"], record["cause"]) == (job, "10-fail", 3, "exit")
    assert record["output"] == f"worker_prolog says why of job {job}\n"
    assert told(lab, "worker_prolog", job)
    done = lab.play(playbook="playbooks/explain.yml")
    assert done.returncode == 0, done.stdout
    node = lab.node("worker1")
    assert "DRAIN" in node["State"]
    words = f"nodecycle: worker_prolog 10-fail exit 3 job {job} release {record['release'][:8]} @"
    assert node["Reason"].startswith(words)
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
    # The job leaves the queue when its epilog has ended, a moment after srun has.
    wait(lambda: lab.run("controller", "squeue -h") == "", 60, "the job to be gone")


def test_worker_epilog_drains_the_node_and_leaves_the_job_its_result(lab):
    with failing(lab, "worker_epilog", 1, ["worker1"]):
        job = lab.sbatch("echo done", "-w worker1")
        assert lab.finish(job)["JobState"] == "COMPLETED"
        node = lab.wait_for_state("worker1", lambda state: "DRAIN" in state)
    assert node["Reason"].startswith("Epilog error [slurm@")
    assert told(lab, "worker_epilog", job)
    assert lab.output(job) == "done\n"


@pytest.mark.by_release
def test_controller_prolog_requeues_the_batch_job_and_touches_no_node(lab):
    with failing(lab, "controller_prolog", 1, ["controller"]):
        job = lab.sbatch("true")
        requeued = pending(lab, job)
        assert requeued["Priority"] != "0"
        assert [lab.node(name)["State"] for name in ("worker1", "worker2", "worker3")] == ["IDLE"] * 3
        record = failure(lab, "controller", "controller_prolog")
        assert (record["job"], record["output"]) == (job, f"controller_prolog says why of job {job}\n")
        assert not told(lab, "controller_prolog", job)
        # Again and again.
        lab.hurry()
        assert pending(lab, job, 2)["Priority"] != "0"


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
    record = "/var/lib/nodecycle/controller_epilog/failure.json"
    assert wait(lambda: f"says why of job {job}" in lab.read("controller", record), 15, "the failure's record")
    assert not told(lab, "controller_epilog", job)
    assert lab.output(job) == "done\n"
    assert lab.run("controller", "sinfo -h -R") == ""


def test_task_prolog_fails_the_task_with_its_code_and_touches_no_node(lab):
    with failing(lab, "task_prolog", 9):
        job = lab.sbatch("echo never", "-w worker1")
        ended = lab.finish(job)
    assert (ended["JobState"], ended["ExitCode"]) == ("FAILED", "9:0")
    assert syslog(lab, "worker1", job) == [("task_prolog", "10-fail", 9)]
    assert lab.node("worker1")["State"] == "IDLE"


def test_task_epilog_is_logged_and_nothing_else(lab):
    with failing(lab, "task_epilog", 6):
        job = lab.sbatch("echo done", "-w worker1")
        ended = lab.finish(job)
    assert (ended["JobState"], ended["ExitCode"]) == ("COMPLETED", "0:0")
    assert syslog(lab, "worker1", job) == [("task_epilog", "10-fail", 6)]
    # The job's user reads of it in his output.
    assert lab.output(job).splitlines()[:2] == ["done", "nodecycle: task_epilog: script 10-fail ended with exit code 6"]
    assert lab.run("controller", "sinfo -h -R") == ""


def test_without_alloc_the_prolog_runs_where_a_step_begins(lab):
    job = lab.sbatch("sleep 2", "-N2", "-w worker1,worker2")
    lab.finish(job)
    assert (ran(lab, "worker1", "worker_prolog", job), ran(lab, "worker2", "worker_prolog", job)) == (["root"], [])
    assert ran(lab, "worker2", "worker_epilog", job) == ["root"]


@pytest.mark.by_release
def test_with_alloc_the_prolog_runs_on_every_node_of_the_allocation(lab, request):
    definition = request.path.parent.parent / "vars/definition.yml"
    done = lab.play(
        f"--extra-vars=@{definition}", "--extra-vars", json.dumps({"slurm_extra_conf": "PrologFlags=Alloc"})
    )
    assert done.returncode == 0, done.stdout
    try:
        job = lab.sbatch("sleep 2", "-N2", "-w worker1,worker2")
        lab.finish(job)
        assert [ran(lab, host, "worker_prolog", job) for host in ("worker1", "worker2")] == [["root"]] * 2
    finally:
        assert lab.play(f"--extra-vars=@{definition}").returncode == 0
