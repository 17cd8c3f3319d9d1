# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What administrators have closed or set aside stays so, and does not stop a rollout."""

from __future__ import annotations

import contextlib
import json
import re

from conftest import WORKERS, active, administrator, extra, failure_of, summary, undone, users

EPILOG = extra({"slurm_worker_epilog": "#!/bin/sh\necho changed\n"})


def test_a_closed_partition_gets_no_probe_and_stops_nothing(lab, good):
    """worker3 alone is in the partition gpu, so it is the canary at other times."""
    try:
        for state in ("DOWN", "DRAIN", "INACTIVE"):
            administrator(lab, f"PartitionName=gpu State={state}")
            planned = lab.module("probe", "--check", name="worker3")
            assert ([job["partition"] for job in planned["jobs"]], planned["left_out"]) == (["batch"], ["gpu"])
        with users(lab, "-w worker1"):
            done = lab.play(good, EPILOG)
        assert done.returncode == 0, done.stdout
        assert "the partition gpu is closed, so no probe runs there" in done.stdout
        assert "State=INACTIVE" in lab.run("controller", "scontrol show partition gpu -o")
    finally:
        administrator(lab, "PartitionName=gpu State=UP")
        back = lab.play(good)
    assert back.returncode == 0, back.stdout
    assert "Canary: worker3." in summary(back)


def test_a_partition_that_refuses_the_probe_is_told_before_anything_changes(lab, good):
    administrator(lab, "PartitionName=gpu AllocNodes=login")
    try:
        with undone(lab, "-w worker1"):
            message = failure_of(lab.play(good, EPILOG, extra({"slurm_extra_conf": "PrologEpilogTimeout=65"})))
    finally:
        administrator(lab, "PartitionName=gpu AllocNodes=ALL")
    assert message.startswith("The probe of worker3 cannot run. worker3, partition gpu: sbatch refuses the job:"), (
        message
    )
    assert "These variables decide about the job" in message


@contextlib.contextmanager
def reservation(lab, good, fields):
    """Somebody's reservation of worker3; in the end the good definition is in place again."""
    lab.run("controller", f"scontrol create reservation ReservationName=theirs Nodes=worker3 Duration=60 {fields}")
    try:
        yield
    finally:
        lab.run("controller", "scontrol delete ReservationName=theirs")
        back = lab.play(good)
    assert back.returncode == 0, back.stdout


def test_a_node_in_somebody_s_maintenance_is_no_canary(lab, good):
    with reservation(lab, good, "StartTime=now Users=root Flags=MAINT"):
        # slurmctld marks the nodes of a reservation every five seconds.
        lab.wait_for_state("worker3", lambda state: "MAINT" in state or "RESERVED" in state)
        done = lab.play(good, EPILOG)
    assert done.returncode == 0, done.stdout
    assert "Canary: worker1." in summary(done)


def test_a_canary_in_somebody_s_reservation_is_probed_all_the_same(lab, good):
    """And so is each idle node of the batches, if the user says so, by jobs that are as he wants them."""
    probe = {"slurm_probe_user": "bob", "slurm_probe_account": "physics", "slurm_probe_command": "touch /tmp/probed"}
    with reservation(lab, good, "StartTime=now+1minutes Users=alice"):
        done = lab.play(good, EPILOG, extra({"slurm_canary": "worker3", "slurm_batch_probe": True, **probe}))
        released = {host: active(lab, host).rpartition("/")[2] for host in WORKERS}
    assert done.returncode == 0, done.stdout
    assert "Canary: worker3." in summary(done)
    shown = lab.run("controller", "scontrol show job -o").splitlines()
    jobs = [dict(re.findall(r"(\w+)=(\S+)", line)) for line in shown]
    asked = [job for job in jobs if job["JobName"] == "nodecycle_probe" and job["UserId"].startswith("bob(")]
    assert {job["Account"] for job in asked} == {"physics"}
    met = {}
    for host in WORKERS:
        assert lab.run(host, "stat -c %U /tmp/probed").strip() == "bob"
        log = [json.loads(line) for line in lab.read(host, "/var/log/nodecycle/worker_epilog.log").splitlines()]
        met[host] = {line["release"] for line in log if line["job"] in {job["JobId"] for job in asked}}
    assert met == {host: {release} for host, release in released.items()}


def test_a_node_with_its_releases_in_memory_is_named(lab, good):
    """A stateless image without our files: the next boot empties the directory."""
    lab.run("worker2", "mount -t tmpfs none /etc/nodecycle")
    try:
        done = lab.play(good)
    finally:
        lab.run("worker2", "umount /etc/nodecycle")
    assert done.returncode == 0, done.stdout
    assert "worker2: slurm_release_root is in memory" in done.stdout
    back = lab.play(good)
    assert back.returncode == 0, back.stdout
    assert "is in memory" not in back.stdout


def test_a_node_whose_slurmd_did_not_start_runs_again_and_is_no_canary(lab, good):
    """Its init script fails at the boot, so slurmd does not start, and Slurm calls the node idle for minutes."""
    init = extra({"slurm_worker_init": "#!/bin/sh -e\ntest ! -e /etc/broken\n"})
    first = lab.play(good, init)
    assert first.returncode == 0, first.stdout
    lab.run("worker3", "touch /etc/broken")
    lab.boot("worker3")
    assert lab.try_run("worker3", "systemctl is-active slurmd").stdout.strip() != "active"
    lab.run("worker3", "rm /etc/broken")
    done = lab.play(good, init, EPILOG)
    assert done.returncode == 0, done.stdout
    assert "Canary: worker1." in summary(done)
    assert lab.run("worker3", "systemctl is-active slurmd").strip() == "active"
    lab.wait_for_state("worker3", lambda state: state == "IDLE", 60)
    back = lab.play(good)
    assert back.returncode == 0, back.stdout


def test_a_left_over_slurm_conf_that_no_daemon_reads_is_left_alone(lab, good):
    left_over = "# of another cluster\nCacheGroups=0\n"
    lab.run("worker1", f"printf '{left_over}' >/etc/slurm/slurm.conf")
    try:
        done = lab.play(good, extra({"slurm_extra_conf": "PrologEpilogTimeout=63"}))
        assert lab.read("worker1", "/etc/slurm/slurm.conf") == left_over
        assert "PrologEpilogTimeout=63" in lab.read("worker1", "/run/slurm/conf/nodecycle.conf")
    finally:
        lab.run("worker1", "rm /etc/slurm/slurm.conf")
    assert done.returncode == 0, done.stdout
    back = lab.play(good)
    assert back.returncode == 0, back.stdout
