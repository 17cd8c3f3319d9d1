# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the change of one script and the removal of another."""

from __future__ import annotations

import json

from conftest import differences, failure_of


def test_the_next_job_runs_what_is_left_without_a_reconfigure(lab):
    # The file is older than the change.
    read = lab.run("controller", "stat -c %Y /etc/slurm/nodecycle.conf")
    changed = lab.run("worker1", "stat -c %W $(realpath /etc/nodecycle/current)")
    times = lab.run("controller", "grep 'Processing Reconfiguration Request' /var/log/slurm/slurmctld.log | tail -n 1")
    last = lab.run("controller", f"date +%s -d '{times[1:20]}'")
    assert int(read) <= int(last) < int(changed)
    job = lab.sbatch("true", "-w worker1")
    assert lab.finish(job)["JobState"] == "COMPLETED"
    mine = [line for line in lab.read("worker1", "/var/log/hooks").splitlines() if job in line.split()]
    assert [line for line in mine if line.startswith("epilog")] == [f"epilog changed {job}"]


def test_the_script_that_was_taken_out_is_gone(lab):
    assert lab.run("worker1", "ls /etc/nodecycle/current/worker_epilog.d").split() == ["10-cleanup"]


def test_the_previous_release_is_kept(lab):
    # The first one, which runs nothing, and the one whose scripts the jobs ran, are there for a rollback.
    history = [entry["id"] for entry in json.loads(lab.read("worker1", "/etc/nodecycle/history.json"))["entries"]]
    assert len(history) == 3
    assert sorted(history) == lab.run("worker1", "ls /etc/nodecycle/releases").split()
    assert lab.run("worker1", "readlink /etc/nodecycle/current").strip() == f"releases/{history[0]}"


def test_the_dispatchers_stay_while_a_node_keeps_its_slurm_conf(lab):
    """Each node's daemon has to drop our lines before anything is removed that they name."""
    copy = "/var/lib/slurm/slurmd/conf-cache/slurm.conf"
    before = lab.snapshot()
    # slurmd cannot replace it, logs an error, and runs on with what it has.
    lab.run("worker2", f"mount --bind {copy} {copy}")
    try:
        message = failure_of(lab.play())
    finally:
        lab.run("worker2", f"umount {copy}; rm -f {copy}.new")
    assert "worker2: slurmd on this host has not taken the new slurm.conf within 30 seconds" in message
    assert differences(before, lab.snapshot()) == []
    assert lab.finish(lab.sbatch("true", "-w worker2"))["JobState"] == "COMPLETED"
