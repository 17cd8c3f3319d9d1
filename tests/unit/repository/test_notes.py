# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A step that cannot be noted, as on a full disk, leads to an undo: no call that writes the journal may end a rollout."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml

TASKS = sorted(pathlib.Path(__file__).parents[3].glob("roles/rollout/tasks/*.yml"))

#: Before these the run has changed nothing, so it may end there; or they belong to the undo, whose calls do not fail on a full disk.
BEGINNINGS = ("prepare.yml", "rollback.yml")
UNDO = ("undo.yml",)

Task = dict[str, t.Any]


def tasks_of(listed: list[Task], *, is_rescued: bool = False) -> t.Iterator[tuple[Task, bool]]:
    """All tasks, each with whether a failure of it is rescued."""
    for task in listed:
        yield task, is_rescued
        inner = is_rescued or "rescue" in task
        yield from tasks_of(task.get("block", []), is_rescued=inner)
        yield from tasks_of(task.get("rescue", []), is_rescued=is_rescued)


def writes(task: Task) -> bool:
    """Whether a task writes a note, itself or by an include. An evaluation may fail only because of a lost lock."""
    call = task.get("nodecycle.slurm.journal")
    return bool(call and call["state"] != "evaluated") or task.get("ansible.builtin.include_tasks") == "note.yml"


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.name)
def test_what_cannot_be_noted_is_undone(path: pathlib.Path) -> None:
    for task, is_rescued in tasks_of(yaml.safe_load(path.read_text())):
        if writes(task) and path.name not in (*BEGINNINGS, *UNDO):
            assert is_rescued or task.get("failed_when") is False or task.get("ignore_errors"), task["name"]


def test_there_is_something_to_look_at() -> None:
    found = [task for path in TASKS for task, _rescued in tasks_of(yaml.safe_load(path.read_text())) if writes(task)]
    assert len(found) > 8
