# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs at once, and the lock of a run that has died."""

from __future__ import annotations

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import time

import pytest
from conftest import extra, failure_of, undone, users, wait

LOCK = "/var/lib/nodecycle/rollout/lock.json"


@pytest.mark.parametrize("wanted", [pytest.param("the same", marks=pytest.mark.thorough), "another"])
def test_the_second_of_two_runs_refuses_and_harms_nothing(lab, good, wanted):
    first = {"slurm_worker_epilog": f"#!/bin/sh\necho {wanted}\n", "slurm_batch_watch": 8}
    second = {**first, **({} if wanted == "the same" else {"slurm_worker_epilog": "#!/bin/sh\necho second\n"})}
    with users(lab), concurrent.futures.ThreadPoolExecutor() as pool:
        run = pool.submit(lab.play, good, extra(first))
        holder = json.loads(wait(lambda: lab.read("controller", LOCK), 60, "the lock"))
        message = failure_of(lab.play(good, extra(second)))
        assert (
            f"another run is under way: {holder['user']}@{holder['host']}, process {holder['pid']}, since " in message
        )
        assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, last seen \d+ seconds ago", message)
        done = run.result()
        assert done.returncode == 0, done.stdout
    settled = lab.play(good, extra(first))
    assert (settled.returncode, "changed=1" in settled.stdout) == (0, False), settled.stdout


def started(pid):
    """When a process began (proc(5)), as long as it lives."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return fields[19]


@pytest.mark.thorough
def test_a_living_process_on_this_machine_never_loses_its_lock(lab, good):
    """Neither after an hour without a sign of life nor on request. A dead run loses it at once."""
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    change = extra({"slurm_worker_epilog": f"#!/bin/sh\necho alive {os.getpid()}\n"})
    with subprocess.Popen(["sleep", "600"]) as process:
        holder = {
            "format": 1,
            "run": "x",
            "machine": f"{boot} {os.readlink('/proc/self/ns/pid')}",
            "pid": process.pid,
            "started": started(process.pid),
            "user": "bob",
            "host": "here",
            "since": 0,
            # An hour and more ago, by the clock of the controller that nobody can set.
            "boot": boot,
            "seen": int(time.clock_gettime(time.CLOCK_BOOTTIME)) - 4000,
        }
        with undone(lab):
            directory = os.path.dirname(LOCK)
            lab.run("controller", f"mkdir -p -m 0700 {directory} && printf %s '{json.dumps(holder)}' >{LOCK}")
            for word in ({}, {"slurm_take_lock": True}):
                message = failure_of(lab.play(good, change, extra(word)))
                assert f"process {process.pid}" in message
                assert "Its process lives on this machine" in message
            text = lab.read("controller", LOCK)
            lab.run("controller", f"rm {LOCK}")
        process.kill()
    lab.run("controller", f"printf %s '{text}' >{LOCK}")
    with users(lab):
        done = lab.play(good, change)
    assert done.returncode == 0, done.stdout


@pytest.mark.thorough
def test_the_lock_of_a_run_on_a_machine_that_cannot_be_looked_at_is_taken_on_demand_only(lab, good):
    holder = {"run": "x", "machine": "x", "pid": 1, "started": "1", "user": "bob", "host": "laptop", "since": 0}
    boot = lab.run("controller", "cat /proc/sys/kernel/random/boot_id").strip()
    seen = int(time.clock_gettime(time.CLOCK_BOOTTIME))
    text = json.dumps({**holder, "format": 1, "boot": boot, "seen": seen})
    change = extra({"slurm_worker_epilog": f"#!/bin/sh\necho {os.getpid()}\n"})
    with undone(lab):
        lab.run("controller", f"mkdir -p -m 0700 {os.path.dirname(LOCK)} && printf %s '{text}' >{LOCK}")
        message = failure_of(lab.play(good, change))
        assert "bob@laptop" in message
        assert "slurm_take_lock=true" in message
        lab.run("controller", f"rm {LOCK}")
    lab.run("controller", f"printf %s '{text}' >{LOCK}")
    with users(lab):
        done = lab.play(good, change, extra({"slurm_take_lock": True}))
    assert done.returncode == 0, done.stdout
