# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs at once, and the lock of one that is gone."""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import time

import pytest
from conftest import extra, failure_of, undone, users, wait

LOCK = "/var/lib/nodecycle/rollout/lock.json"


@pytest.mark.parametrize("wanted", ["the same", "another"])
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


def test_the_lock_of_a_run_on_a_machine_that_cannot_be_looked_at_is_taken_on_demand_only(lab, good):
    holder = {"run": "x", "machine": "x", "pid": 1, "started": "1", "user": "bob", "host": "laptop", "since": 0}
    text = json.dumps({**holder, "seen": int(time.time())})
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
