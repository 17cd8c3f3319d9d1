# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _held_jobs
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Node, epoch

#: As squeue of 24.11 prints it: a batch job, a task of an array, tasks of it that never ran, one that its user holds, one that runs.
QUEUE = """\
26|26|PENDING|0|2026-11-22T18:35:33|2026-11-22T18:33:33
23|22_1|PENDING|0|2026-11-22T18:31:29|2026-11-22T18:29:29
22|22_2|PENDING|4294901757|N/A|2026-11-22T18:20:00
22|22_3|PENDING|0|N/A|2026-11-22T18:20:00
19|19|PENDING|0|N/A|2026-11-22T18:20:00
30|30|RUNNING|4294901751|2026-11-22T18:31:29|2026-11-22T18:20:00
"""
FAILED = _held_jobs.Hold("JobHeldUser", "launch failed requeued held")
LIMIT = _held_jobs.Hold("JobHeldUser", "launch_failure_limit_exceeded_requeued_held")
USERS = _held_jobs.Hold("JobHeldUser", "")
HOLDS = {"26": FAILED, "23": LIMIT, "22": USERS, "19": USERS}


def queue() -> list[_held_jobs.Job]:
    return _held_jobs.parse_queue(line.split("|") for line in QUEUE.splitlines())


def evaluate(asked: list[str] | None, holds: dict[str, _held_jobs.Hold] | None) -> tuple[list[str], dict[str, str]]:
    verdict = _held_jobs.evaluate(queue(), asked, holds)
    return [job.id for job in verdict.held], verdict.foreign


def test_the_queue() -> None:
    assert [job.id for job in queue() if job.is_held] == ["26", "22_1", "22_3", "19"]
    assert [job.own_id for job in _held_jobs.candidates(queue(), ["22_1", "30"])] == ["23"]


def test_all_that_a_failed_launch_holds() -> None:
    assert evaluate(None, HOLDS) == (["26", "22_1"], {})


@pytest.mark.parametrize(
    ("asked", "held", "foreign"),
    [
        ([], [], {}),
        (["26"], ["26"], {}),
        # The hooks of an array's task see an id of its own, users another one.
        (["23"], ["22_1"], {}),
        (["22_1", "23"], ["22_1"], {}),
        (["22_3"], [], {"22_3": "PENDING, JobHeldUser"}),
        (["22_2"], [], {"22_2": "PENDING, not held"}),
        (["19", "30", "9"], [], {"19": "PENDING, JobHeldUser", "30": "RUNNING, not held", "9": "not in the queue"}),
    ],
)
def test_only_what_was_asked_for(asked: list[str], held: list[str], foreign: dict[str, str]) -> None:
    assert evaluate(asked, HOLDS) == (held, foreign)


def test_an_administrators_hold_on_top_stays() -> None:
    held, foreign = evaluate(["26", "23"], {**HOLDS, "26": _held_jobs.Hold("JobHeldAdmin", FAILED.description)})
    assert held == ["22_1"]
    assert foreign == {"26": "launch failed requeued held; and JobHeldAdmin since then"}


@pytest.mark.parametrize("holds", [None, {}])
def test_without_knowing_who_holds_it_no_job_is_released(holds: dict[str, _held_jobs.Hold] | None) -> None:
    held, foreign = evaluate(["26", "23"], holds)
    assert held == []
    assert sorted(foreign) == ["22_1", "26"]
    assert all("only squeue --json tells" in why for why in foreign.values())


def test_holds() -> None:
    job = {
        "job_id": 26,
        "state_reason": "JobHeldUser",
        "state_description": "launch failed requeued held",
        "name": "26|x\n",
    }
    assert _held_jobs.parse_holds([job, {"job_id": 27, "state_reason": "None"}]) == {
        "26": FAILED,
        "27": _held_jobs.Hold("None", ""),
    }


def test_a_task_is_known_by_its_own_name_before_its_arrays() -> None:
    jobs = [
        {
            "job_id": 22,
            "state_reason": "None",
            "array_job_id": {"set": True, "number": 22},
            "array_task_id": {"set": False, "number": 0},
        },
        {
            "job_id": 27,
            "state_reason": "JobHeldAdmin",
            "array_job_id": {"set": True, "number": 22},
            "array_task_id": {"set": True, "number": 0},
        },
        # 22.05
        {"job_id": 28, "state_reason": "JobHeldUser", "array_job_id": 22, "array_task_id": 3},
        {"job_id": 29, "state_reason": "None", "array_job_id": 0, "array_task_id": None},
    ]
    holds = _held_jobs.parse_holds(jobs)
    assert sorted(holds) == ["22", "22_0", "22_3", "27", "28", "29"]
    assert evaluate(["22_3"], holds)[1] == {"22_3": "PENDING, JobHeldUser"}


@pytest.mark.parametrize("jobs", [[{}], [1], [None], 1])
def test_what_is_no_list_of_jobs(jobs: list[object]) -> None:
    with pytest.raises(ValueError, match="not a list of jobs"):
        _held_jobs.parse_holds(jobs)


def test_ids() -> None:
    assert _held_jobs.malformed(["1", "1_2", "1_", "1,2", "", "1_[1-2]", "-1", "1\n"]) == [
        *("1_", "1,2", "", "1_[1-2]", "-1", "1\n")
    ]


# --- on nodes that cannot be asked

MOMENT = "2026-11-22T18:33:34"


def drained(name: str, reason: str = "Prolog error", user: str = "slurm", moment: str = MOMENT) -> Node:
    return Node(name, "IDLE", frozenset({"DRAIN"}), (), reason, user, moment)


@pytest.mark.parametrize(
    ("nodes", "jobs"),
    [
        ([drained("n1")], ["26"]),
        ([drained("n1", moment="2026-11-22T18:33:35")], ["26"]),
        ([drained("n2"), drained("n1")], ["26"]),
        # Its own log tells.
        ([drained("n2")], []),
        ([drained("n1", moment="2026-11-22T18:29:30")], ["23"]),
        # Another moment, another cause, another hand.
        ([drained("n1", moment="2026-11-22T18:33:36")], []),
        ([drained("n1", reason="Epilog error")], []),
        ([drained("n1", user="root")], []),
        ([Node("n1", "IDLE", frozenset(), (), "Prolog error", "slurm", MOMENT)], []),
        ([drained("n1", moment="Unknown")], []),
        # It may be that of a node which the change has not reached, or not yet.
        ([drained("n1"), drained("foreign")], []),
        ([drained("foreign")], []),
        ([drained("late")], []),
        ([], []),
    ],
)
def test_a_held_job_is_ours_if_only_our_nodes_can_have_failed_it(nodes: list[Node], jobs: list[str]) -> None:
    since = {"n1": 0.0, "n2": 0.0, "late": (epoch(MOMENT) or 0) + 1}
    held = _held_jobs.evaluate(queue(), None, HOLDS).held
    found = _held_jobs.failed_on(held, nodes, since, ["n1", "late"], "slurm")
    assert [record["job"] for record in found] == jobs
    assert all(
        (record["hook"], record["node"], record["cause"]) == ("worker_prolog", "n1", "unasked") for record in found
    )
