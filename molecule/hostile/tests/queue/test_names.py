# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs whose names look like lines of squeue: they cancel nobody's job, they stop no rollout, and every undo ends."""

from __future__ import annotations

import concurrent.futures
import shlex
import time

import pytest
from conftest import HOSTS, WORKERS, active, differences, extra, failure_of, wait

BAD = {"slurm_worker_prolog": [{"name": "bad", "content": "#!/bin/sh\necho no scratch here\nexit 1\n"}]}
CHANGED = {"slurm_worker_epilog": [{"name": "changed", "content": "#!/bin/sh\necho changed\n"}], "slurm_batch_watch": 2}

#: Names of jobs that alice chooses. VICTIM is the id of bob's job; some squeue once printed it as one of ours.
NAMES = {
    "another job": "y\nVICTIM|RUNNING|None|0:0|0|nodecycle_probe|nodecycle_canary|",
    "an option": "y\n--partition=batch|RUNNING|None|0:0|0|nodecycle_probe|nodecycle_canary|",
    "in our reservation": "x|nodecycle_canary",
    "a name like ours": "nodecycle_probe",
    "the columns of today": "y\nVICTIM|RUNNING|0:0|0|\nVICTIM|RUNNING\nVICTIM\n--all",
    "a hold": "y\nVICTIM|VICTIM|PENDING|0|N/A\nlaunch failed requeued held",
    "no text at all": 'q"\n\\\x01{|',
}


def submit(lab, user, *options):
    return lab.run("login", " ".join(["sbatch", "--parsable", *options]), user).strip()


def queue(lab):
    """Each job that has not ended: its id, owner, state, priority and how often it was restarted."""
    return sorted(
        lab.run(
            "controller", "squeue -h -a -r -O 'JobID:20,UserID:20,State:20,PriorityLong:20,RestartCnt:20'"
        ).splitlines()
    )


@pytest.fixture(autouse=True)
def nothing(lab):
    """Each test begins and ends without jobs and without a reservation."""
    yield
    lab.run("controller", "scancel -u alice; scancel -u bob; scancel -u slurm")
    wait(lambda: not queue(lab), 60, "the queue to be empty")
    lab.try_run("controller", "scontrol delete reservation=nodecycle_canary")


@pytest.fixture
def hostile(lab, nothing):  # noqa: ARG001
    # First in, last out.
    """bob's jobs, one that runs and one that waits, and alice's with all her names; the queue must be the same at the end."""
    victim = submit(lab, "bob", "-w worker1 -p batch -n1 -o /dev/null --wrap 'sleep 3000'")
    submit(lab, "bob", "-H -p batch -o /dev/null --wrap true")
    lab.wait_for_state("worker1", lambda state: state.startswith(("MIXED", "ALLOCATED")))
    for name in NAMES.values():
        # The line that is forged has to come after the true one; so in one partition and in the other.
        for partition in ("batch", "gpu"):
            forged = shlex.quote(name.replace("VICTIM", victim))
            submit(lab, "alice", f"-H -p {partition} -o /dev/null -J {forged} --wrap true")
    before = queue(lab)
    assert len(before) == 2 + 2 * len(NAMES), before
    yield
    assert queue(lab) == before


def untidy(lab):
    """The traces of a run: files on hosts, and reservations. The jobs are alice's, whatever their names."""
    found = [line for line in lab.leftovers() if line.partition(":")[0] in HOSTS]
    reservations = lab.run("controller", "scontrol show reservation -o").splitlines()
    return found + [line for line in reservations if line.startswith("ReservationName=")]


@pytest.mark.usefixtures("hostile")
def test_nothing_of_others_is_taken_for_a_left_over_probe(lab):
    done = lab.module("probe", state="absent")
    assert (done["failed"], done["changed"], done["strangers"]) == (False, False, [])


@pytest.mark.thorough
@pytest.mark.usefixtures("hostile")
def test_a_rollout_goes_its_way(lab, good):
    before = active(lab, "worker1")
    done = lab.play(good, extra(CHANGED))
    assert done.returncode == 0, done.stdout
    assert active(lab, "worker1") != before
    back = lab.play(good)
    assert back.returncode == 0, back.stdout


@pytest.mark.usefixtures("hostile")
def test_an_undo_ends(lab, good):
    files = lab.snapshot()
    message = failure_of(lab.play(good, extra(BAD)))
    assert "is undone; each host has proven it" in message
    assert "jobs of others" not in message
    assert differences(files, lab.snapshot()) == []
    assert lab.in_service() == dict.fromkeys(WORKERS, "")
    assert untidy(lab) == []


@pytest.mark.usefixtures("hostile")
def test_held_jobs_are_known_by_their_ids(lab):
    done = lab.module("held_jobs_info")
    assert (done["failed"], done["held"], done["foreign"]) == (False, [], {})


def test_a_stranger_in_our_reservation_is_told_and_keeps_no_undo_from_ending(lab, good):
    """Only an administrator can let him in: he makes a reservation of our name, for alice, too."""
    files = lab.snapshot()
    lab.run(
        "controller",
        "scontrol create reservation ReservationName=nodecycle_canary StartTime=now Duration=3 Users=root,alice "
        "Flags=MAINT,IGNORE_JOBS Nodes=worker2",
    )
    job = submit(lab, "alice", "-H -p batch --reservation=nodecycle_canary -o /dev/null --wrap true")
    message = failure_of(lab.play(good, extra(CHANGED)))
    assert f"jobs of others use the reservation nodecycle_canary ({job})" in message
    assert "is undone; each host has proven it" in message
    assert f"stays until it ends by itself, because jobs of others use it: {job}" in message
    assert lab.job(job)["JobState"] == "PENDING"
    assert differences(files, lab.snapshot()) == []
    assert [line for line in untidy(lab) if not line.startswith("ReservationName=")] == []
    lab.run("controller", f"scancel {job}")
    assert lab.module("probe", state="absent")["changed"]
    assert untidy(lab) == []


def test_a_probe_that_outlived_its_reservation_is_found_and_nobody_elses_job(lab):
    lab.run(
        "controller",
        "scontrol create reservation ReservationName=nodecycle_canary StartTime=now Duration=1 Users=root,slurm "
        "Flags=MAINT,IGNORE_JOBS Nodes=worker2",
    )
    options = "--parsable -H -J nodecycle_probe -o /dev/null --chdir=/ -t 1 --wrap true"
    orphan = lab.run("controller", f"sbatch --uid=slurm --gid=slurm --reservation=nodecycle_canary {options}").strip()
    alices = submit(lab, "alice", options.replace("--parsable ", ""))
    wait(
        lambda: "RESV_DEL_HOLD" in lab.run("controller", f"squeue -h -j {orphan} -o %T"), 120, "the reservation to end"
    )
    done = lab.module("probe", state="absent")
    assert (done["failed"], done["changed"]) == (False, True)
    assert lab.job(orphan)["JobState"] == "CANCELLED"
    assert lab.job(alices)["JobState"] == "PENDING"
    lab.run("controller", f"scancel {alices}")
    assert not lab.module("probe", state="absent")["changed"]


@pytest.mark.usefixtures("hostile")
def test_what_slurm_holds_is_released_beside_all_of_that(lab, good):
    """The prolog fails for a batch job of bob's. Slurm holds it, and the undo releases it."""
    switched = {
        "slurm_worker_prolog": [{"name": "switched", "content": "#!/bin/sh\ntest ! -e /tmp/fail\n"}],
        "slurm_batches": ["100%"],
        "slurm_batch_watch": 20,
    }
    before = active(lab, "worker2")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        run = pool.submit(lab.play, good, extra(switched))
        wait(lambda: active(lab, "worker2") != before, 120, "the release to be active")
        lab.run("worker2", "touch /tmp/fail")
        job = submit(lab, "bob", "-w worker2 -p batch -o /dev/null --wrap true")
        message = failure_of(run.result())
    lab.run("worker2", "rm -f /tmp/fail")
    assert f"Released the held jobs {job}" in message
    time.sleep(1)
    lab.hurry()
    assert lab.finish(job)["JobState"] == "COMPLETED"
    assert lab.in_service() == dict.fromkeys(WORKERS, "")
