# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drains, nodes that are down, and holds of others stay as they are."""

from __future__ import annotations

import concurrent.futures
import json

import pytest
from conftest import WORKERS, active, administrator, extra, failure_of, summary, undone, users, wait

BAD = {"slurm_worker_prolog": [{"name": "bad", "content": "#!/bin/sh\necho no scratch here\nexit 1\n"}]}
#: Fails from a moment on that a test chooses.
SWITCHED = {
    "slurm_worker_prolog": [{"name": "switched", "content": "#!/bin/sh\necho switched\ntest ! -e /tmp/fail\n"}],
    "slurm_batches": ["100%"],
    "slurm_batch_watch": 15,
}


@pytest.fixture(autouse=True)
def in_service(lab):
    """Each test begins and ends with all nodes in service and no job held."""
    yield
    for host in WORKERS:
        lab.run(host, "rm -f /tmp/fail && systemctl start slurmd")
        if lab.in_service()[host]:
            lab.run("controller", f"scontrol update NodeName={host} State=RESUME")
    for host in WORKERS:
        wait(lambda host=host: not lab.in_service()[host], 30, f"{host} to be in service")


def test_what_others_did_before_stays_through_an_undo_and_through_a_commit(lab, good):
    administrator(lab, "NodeName=worker1 State=DRAIN Reason='broken fan'")
    # Its slurmd, too, is down: with the lab's ReturnToService=2 the node would return to service as soon as it registers.
    lab.run("worker2", "systemctl stop slurmd")
    administrator(lab, "NodeName=worker2 State=DOWN Reason='power supply'")
    service = lab.in_service()
    own = lab.sbatch("true", "--hold", "-w worker3")
    foreign = lab.sbatch("true", "--begin=now+1hour", "-w worker3")
    lab.run("controller", f"scontrol hold {foreign}")
    holds = {job: lab.job(job)["Reason"] for job in (own, foreign)}
    assert holds == {own: "JobHeldUser", foreign: "JobHeldAdmin"}

    with undone(lab, "-w worker3"):
        message = failure_of(lab.play(good, extra(BAD)))
    assert "Resumed: worker3" in message
    assert {job: lab.job(job)["Reason"] for job in holds} == holds

    with users(lab, "-w worker3"):
        done = lab.play(good, extra({"slurm_worker_epilog": []}))
    assert done.returncode == 0, done.stdout
    assert lab.in_service() == service
    assert {job: lab.job(job)["Reason"] for job in holds} == holds
    assert [word for word in ("worker2", "power supply") if word not in summary(done)] == [], summary(done)
    lab.run("controller", f"scancel {own} {foreign}")


def test_a_drain_by_an_administrator_during_the_rollout_wins(lab, good):
    """On an untouched node, and on one that Slurm has drained because of our script."""
    before = {host: active(lab, host) for host in WORKERS}
    with undone(lab), concurrent.futures.ThreadPoolExecutor() as pool:
        run = pool.submit(lab.play, good, extra(SWITCHED))
        wait(
            lambda: all(active(lab, host) != before[host] for host in WORKERS),
            120,
            "the release to be active everywhere",
        )
        administrator(lab, "NodeName=worker1 State=DRAIN Reason='broken fan'")
        for host in ("worker2", "worker3"):
            lab.run(host, "touch /tmp/fail")
        lab.wait_for_state("worker2", lambda state: "DRAIN" in state)
        administrator(lab, "NodeName=worker2 State=DRAIN Reason='I look at it'")
        service = lab.in_service()
        message = failure_of(run.result())
        now = lab.in_service()
        assert ("broken fan [root@" in now["worker1"], "I look at it [root@" in now["worker2"], now["worker3"]) == (
            True,
            True,
            "",
        )
        assert {host: now[host] for host in ("worker1", "worker2")} == {
            host: service[host] for host in ("worker1", "worker2")
        }
        assert "Left alone: worker2" in message
        assert {host: active(lab, host) for host in WORKERS} == before
        for host in ("worker1", "worker2"):
            administrator(lab, f"NodeName={host} State=RESUME")


# -- nodes that cannot be reached


@pytest.fixture
def broken(tmp_path):
    """An inventory in which the connection to worker2 is broken."""
    path = tmp_path / "broken.json"
    path.write_text(json.dumps({"all": {"hosts": {"worker2": {"ansible_host": "nowhere"}}}}))
    return [path]


def test_a_node_that_cannot_be_reached_stops_the_run_before_anything_changes(lab, good, broken):
    with undone(lab):
        message = failure_of(lab.play(good, extra({"slurm_worker_epilog": "#!/bin/sh\necho 2\n"}), inventory=broken))
    assert message.startswith("Nothing was changed for any job. worker2 cannot be reached")
    assert "slurm_tolerated_nodes" in message


def test_a_node_that_cannot_be_reached_is_drained_and_resumed_by_the_run_that_completes_it(lab, good, broken):
    changed = extra({"slurm_worker_epilog": "#!/bin/sh\necho 2\n", "slurm_tolerated_nodes": 1})
    before = active(lab, "worker2")
    with users(lab):
        done = lab.play(good, changed, inventory=broken)
        assert done.returncode == 0, done.stdout
        assert "nodecycle: unreachable" in lab.in_service()["worker2"]
        assert "Not reached, drained until the next run: worker2" in summary(done)
        assert active(lab, "worker2") == before
        again = lab.play(good, changed)
        assert again.returncode == 0, again.stdout
        assert lab.in_service() == dict.fromkeys(WORKERS, "")
        assert active(lab, "worker2") == active(lab, "worker1") != before


@pytest.mark.thorough
def test_a_node_that_cannot_be_reached_may_be_left_as_it_is(lab, good, broken):
    changed = extra({"slurm_tolerated_nodes": 1, "slurm_unreachable_nodes": "leave"})
    before = active(lab, "worker2")
    with users(lab):
        done = lab.play(good, changed, inventory=broken)
        assert done.returncode == 0, done.stdout
        assert "Not reached, left as they are until the next run: worker2" in summary(done)
        assert lab.in_service() == dict.fromkeys(WORKERS, "")
        assert active(lab, "worker2") == before != active(lab, "worker1")
        again = lab.play(good, changed)
        assert again.returncode == 0, again.stdout
    assert active(lab, "worker2") == active(lab, "worker1")


# -- a node that fails and is tolerated


def test_a_tolerated_node_stays_drained_with_the_script_as_the_reason(lab, good):
    script = {"name": "bad", "content": "#!/bin/sh\necho no such device; exit 7\n", "nodes": "worker2"}
    watched = {"slurm_tolerated_nodes": 1, "slurm_batches": ["100%"], "slurm_batch_watch": 10}
    with users(lab):
        done = lab.play(good, extra({"slurm_worker_prolog": [script], **watched}))
        assert done.returncode == 0, done.stdout
        assert "nodecycle: worker_prolog 10-bad exit 7 job " in lab.in_service()["worker2"]
        assert lab.in_service()["worker1"] == lab.in_service()["worker3"] == ""
        # No run resumes a node for which a script failed. Jobs that want just this node wait until somebody has resumed it.
        repaired = lab.play(good)
        assert repaired.returncode == 0, repaired.stdout
        assert "nodecycle: worker_prolog 10-bad exit 7 job " in lab.in_service()["worker2"]
        administrator(lab, "NodeName=worker2 State=RESUME")
