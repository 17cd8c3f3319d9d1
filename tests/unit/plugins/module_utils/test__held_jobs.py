# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _held_jobs

#: As squeue of 24.11 prints it: a batch job, a task of an array, tasks of it that never ran, one that its user holds, one that runs.
QUEUE = """\
26|26|PENDING|2026-11-22T18:35:33|launch failed requeued held
23|22_1|PENDING|2026-11-22T18:31:29|launch failure limit exceeded requeued held
22|22_2|PENDING|N/A|Priority
22|22_3|PENDING|N/A|JobHeldUser
19|19|PENDING|N/A|JobHeldUser
30|30|RUNNING|2026-11-22T18:31:29|None
31|31|PENDING|N/A|a|b
slurm_load_jobs error
"""
HOLDS = {"26": "JobHeldUser", "23": "JobHeldUser"}


def judge(asked: list[str] | None, holds: dict[str, str] | None) -> tuple[list[str], dict[str, str]]:
    verdict = _held_jobs.judge(_held_jobs.parse_queue(QUEUE), asked, holds)
    return [job.id for job in verdict.held], verdict.foreign


def test_the_queue() -> None:
    queue = _held_jobs.parse_queue(QUEUE)
    assert len(queue) == 7
    assert queue[-1].reason == "a|b"
    assert [job.id for job in queue if job.is_launch_failure] == ["26", "22_1"]


def test_all_that_a_failed_launch_holds() -> None:
    assert judge(None, HOLDS) == (["26", "22_1"], {})


@pytest.mark.parametrize(
    ("asked", "held", "foreign"),
    [
        ([], [], {}),
        (["26"], ["26"], {}),
        # The hooks of an array's task see an id of its own, users another one.
        (["23"], ["22_1"], {}),
        (["22_1", "23"], ["22_1"], {}),
        (["22_3"], [], {"22_3": "PENDING, JobHeldUser"}),
        (["19", "30", "9"], [], {"19": "PENDING, JobHeldUser", "30": "RUNNING, None", "9": "not in the queue"}),
    ],
)
def test_only_what_was_asked_for(asked: list[str], held: list[str], foreign: dict[str, str]) -> None:
    assert judge(asked, HOLDS) == (held, foreign)


def test_an_administrators_hold_on_top_stays() -> None:
    held, foreign = judge(["26", "23"], {**HOLDS, "26": "JobHeldAdmin"})
    assert held == ["22_1"]
    assert foreign == {"26": "launch failed requeued held; and JobHeldAdmin since then"}


@pytest.mark.parametrize("holds", [None, {}])
def test_without_knowing_who_holds_it_no_job_is_released(holds: dict[str, str] | None) -> None:
    held, foreign = judge(None, holds)
    assert held == []
    assert sorted(foreign) == ["22_1", "26"]
    assert all("is not known without squeue --json" in why for why in foreign.values())


def test_holds() -> None:
    assert _held_jobs.parse_holds(json.dumps({"jobs": [{"job_id": 26, "state_reason": "JobHeldUser"}]})) == {
        "26": "JobHeldUser"
    }


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"jobs": [{}]}', '{"jobs": null}'])
def test_what_is_no_list_of_jobs(text: str) -> None:
    with pytest.raises(ValueError, match=r"no list of jobs|Expecting"):
        _held_jobs.parse_holds(text)


def test_ids() -> None:
    assert _held_jobs.malformed(["1", "1_2", "1_", "1,2", "", "1_[1-2]", "-1"]) == ["1_", "1,2", "", "1_[1-2]", "-1"]
