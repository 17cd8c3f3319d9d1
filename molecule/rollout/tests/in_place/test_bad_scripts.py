# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad scripts that pass every check before a run: no user's job notices, the last good release is active again, the message names the cause."""

from __future__ import annotations

import re
import typing as t

import pytest
from conftest import extra, failure_of, undone


def script(text: str, **options: t.Any) -> list[dict[str, t.Any]]:
    """A hook with one script."""
    return [{"name": "bad", "content": f"#!/bin/sh\n{text}\n", **options}]


#: For each the variables, and the words of the message.
CASES: dict[str, tuple[dict[str, t.Any], list[str]]] = {
    "a prolog that exits 1": (
        {"slurm_worker_prolog": script("echo no scratch here; exit 1")},
        ["worker_prolog: script 10-bad ended with exit code 1 on worker3", "no scratch here"],
    ),
    "a prolog that hangs beyond its time limit": (
        {"slurm_worker_prolog": script("echo waiting for a mount; sleep 600", timeout=2)},
        ["worker_prolog: script 10-bad ended with exit code 124 (its time limit) on worker3", "waiting for a mount"],
    ),
    "a prolog that hangs and has no time limit": (
        {"slurm_worker_prolog": script("echo waiting for ever; sleep 600")},
        ["worker_prolog: script 10-bad", "(killed by Slurm's time limit) on worker3", "waiting for ever"],
    ),
    # The pause is a watch, too.
    "a prolog that fails only on a node that is no canary": (
        {
            "slurm_worker_prolog": script("echo no such device; exit 7", nodes="worker2"),
            "slurm_extra_conf": "PrologEpilogTimeout=7",
            "slurm_batches": ["100%"],
            "slurm_batch_watch": 0,
            "slurm_batch_pause": 10,
        },
        [
            "worker_prolog: script 10-bad ended with exit code 7 on worker2 for job ", "no such device", "Resumed: worker2",
            "Released the held jobs ",
        ],
    ),
    "an epilog that exits 1": (
        {"slurm_worker_epilog": script("echo cannot clean; exit 1")},
        ["worker_epilog: script 10-bad ended with exit code 1 on worker3", "cannot clean"],
    ),
    "a controller prolog that exits 1": (
        {"slurm_controller_prolog": script("echo no licence server; exit 1")},
        ["controller_prolog: script 10-bad ended with exit code 1 on controller", "no licence server"],
    ),
}  # fmt: skip


#: The steps of an undo, in the order of the guide; the probes go last.
UNDO = [
    "Activate the previous release, or an empty one",
    "Restore our lines in slurm.conf",
    "Let Slurm read its changed slurm.conf",
    "Prove the previous release and lines",
    "Resume the nodes that this rollout drained",
    "Release the jobs that Slurm holds because of this rollout",
    "Remove the rest of the probe",
]

#: Of these kinds there is another one.
THOROUGH = ("a prolog that hangs beyond its time limit", "an epilog that exits 1", "a controller prolog that exits 1")


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.thorough] if case in THOROUGH else []) for case in CASES]
)
def test_nobody_notices(lab, good, case):
    variables, words = CASES[case]
    with undone(lab):
        done = lab.play(good, extra(variables))
    message = failure_of(done)
    assert [word for word in [*words, "It printed last:"] if word not in message] == [], message
    assert "is undone; each host has proven it by sha256" in message
    steps = re.findall(r"(?m)^TASK \[nodecycle.slurm.rollout : (.*)\]", done.stdout.partition("PLAY [Undo]")[2])
    assert [step for step in steps if step in UNDO] == UNDO


@pytest.mark.thorough
def test_the_probe_of_a_batch_meets_a_bad_script_before_any_user_does(lab, good):
    """No user's job runs on worker2, and the run watches for no second."""
    fails_there = script("echo no such device; exit 7", nodes="worker2")
    variables = {"slurm_worker_prolog": fails_there, "slurm_batch_probe": True, "slurm_batch_watch": 0}
    with undone(lab, "-w worker1"):
        message = failure_of(lab.play(good, extra(variables)))
    assert "worker_prolog: script 10-bad ended with exit code 7 on worker2" in message
    assert "Resumed: worker2" in message
