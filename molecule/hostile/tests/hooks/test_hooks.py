# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dispatchers with hostile users, full memory and all kinds of scripts."""

from __future__ import annotations

import json
import pathlib

import pytest
from conftest import wait

VARS = pathlib.Path(__file__).parents[2] / "vars/hooks.yml"
RUN = "/run/nodecycle"


@pytest.fixture(scope="module", autouse=True)
def definition(lab):
    done = lab.play(f"--extra-vars=@{VARS}")
    assert done.returncode == 0, done.stdout


@pytest.fixture(autouse=True)
def repaired(lab):
    yield
    lab.run("worker1", "rm -f /tmp/hostile-*; rm -rf /etc/nodecycle/canary*")
    lab.try_run("worker1", f"umount {RUN}")
    # The brackets: so that it does not end itself.
    lab.try_run("worker1", "pkill -f 'while sleep 0[.]2'")
    lab.resume()


def exits(lab, job):
    """The scripts that ran for a job on worker1, with their exit codes."""
    lines = map(json.loads, lab.read("worker1", "/var/log/nodecycle/worker_prolog.log").splitlines())
    return {line["script"]: line["exit"] for line in lines if line["job"] == job}


GOOD = {"10-prints": 0, "20-much": 0, "30-daemon": 0, "40-brood": 0}


def test_a_full_memory_fails_no_prolog(lab):
    lab.run(
        "worker1",
        f"mount -t tmpfs -o size=64k none {RUN} && mkdir -m 0700 {RUN}/worker_prolog; cat /dev/zero >{RUN}/fill || true",
    )
    job = lab.sbatch("true", "-w worker1")
    assert lab.finish(job)["JobState"] == "COMPLETED"
    assert exits(lab, job) == GOOD
    assert lab.node("worker1")["State"] == "IDLE"


def test_much_output_fills_nothing(lab):
    lab.run(
        "worker1",
        f"mount -t tmpfs -o size=256k none {RUN} && mkdir -m 0700 {RUN}/worker_prolog; touch /tmp/hostile-much",
    )
    job = lab.sbatch("true", "-w worker1")
    assert lab.finish(job)["JobState"] == "COMPLETED"
    assert exits(lab, job) == GOOD
    assert int(lab.run("worker1", f"du -sk {RUN}").split()[0]) < 64


def test_a_prolog_may_leave_a_daemon_with_its_output(lab):
    lab.run("worker1", "touch /tmp/hostile-daemon")
    job = lab.sbatch("true", "-w worker1")
    assert lab.finish(job, 20)["JobState"] == "COMPLETED"
    assert exits(lab, job) == GOOD
    # Slurm ends the group of the prolog; this one has left it, and lives although nobody listens.
    assert lab.run("worker1", "pgrep -f 'while sleep 0[.]2'").split()


def test_a_time_limit_ends_what_the_script_has_started(lab):
    lab.run("worker1", "touch /tmp/hostile-brood")
    job = lab.sbatch("sleep 2", "-w worker1")
    wait(lambda: lab.job(job)["JobState"] == "RUNNING" and "40-brood" in exits(lab, job), 30, "the limit")
    assert exits(lab, job) == {**GOOD, "40-brood": 124}
    before = lab.read("worker1", "/tmp/hostile-works")
    assert before
    assert lab.finish(job)["JobState"] == "COMPLETED"
    assert lab.read("worker1", "/tmp/hostile-works") == before


@pytest.mark.parametrize("variable", ["FUNCNEST=1", "POSIXLY_CORRECT=1", "name=mine run=mine"])
def test_no_variable_of_a_users_skips_a_task_prolog(lab, variable):
    done = lab.try_run("login", f"env {variable} timeout 60 srun -w worker1 true", "alice")
    assert (done.rc, done.stdout) == (0, "present\n"), done.stderr


def test_a_user_does_not_meet_a_canary(lab):
    canary = "/etc/nodecycle/releases/0123456789abcdef"
    script = "#!/bin/sh\\necho print canary\\n"
    lab.run(
        "worker1", f"mkdir -p {canary} && printf '{script}' >{canary}/task_prolog && chmod 755 {canary}/task_prolog"
    )
    slurm = lab.run("worker1", "id -u slurm").strip()
    lab.run("worker1", f"ln -s {canary} /etc/nodecycle/canary && ln -s {canary} /etc/nodecycle/canary.{slurm}")
    try:
        done = lab.try_run(
            "login", f"env EUID={slurm} SLURM_JOB_RESERVATION=nodecycle_canary timeout 60 srun -w worker1 true", "alice"
        )
        assert (done.rc, done.stdout) == (0, "present\n"), done.stderr
        probe = "cd / && runuser -u slurm -- env SLURM_JOB_RESERVATION=nodecycle_canary srun -w worker1 true"
        assert lab.run("controller", probe) == "canary\n"
    finally:
        lab.run("worker1", f"rm -rf {canary}")
