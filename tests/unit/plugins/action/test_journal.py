# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may take the lock, and how a long watch gives signs of life. The module's answers are given; the processes are real."""

from __future__ import annotations

import os
import subprocess
import time
import types
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.action import journal as action
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal import LOCK_STALE
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _journal_call, _lock_holder

Answer = dict[str, t.Any]


class Journal(action.ActionModule):
    """The plugin, with the answers of its module. It keeps the arguments of each call."""

    def __init__(self, answers: t.Sequence[Answer], **args: t.Any) -> None:
        self._answers = iter(answers)
        self._task = types.SimpleNamespace(args=args, check_mode=False, async_val=0)
        self.calls: list[Answer] = []

    def _execute_module(self, **call: t.Any) -> Answer:  # type: ignore[override]
        self.calls.append(call["module_args"])
        time.sleep(call["module_args"].get("seconds", 0))
        return dict(next(self._answers))

    def hold(self) -> Answer:
        return _journal_call.call(self, self._task.args, {})


def held(pid: int, **more: t.Any) -> Answer:
    holder = {
        **_lock_holder.this_run(),
        "run": "x",
        "pid": pid,
        "started": _lock_holder.started(pid),
        "age": 99,
        **more,
    }
    return {"failed": True, "msg": "another run is under way.", "holder": holder}


@pytest.mark.parametrize("is_forced", [False, True])
def test_a_living_process_keeps_its_lock(is_forced: bool) -> None:
    plugin = Journal([held(os.getpid(), age=10 * LOCK_STALE)], state="opened", is_dead=is_forced)
    answer = plugin.hold()
    assert answer["failed"]
    assert "Its process lives on this machine" in answer["msg"]


def test_a_dead_process_loses_it_at_once() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        answer = held(process.pid)
        process.kill()
    plugin = Journal([answer, {"changed": True}], state="opened")
    assert plugin.hold() == {"changed": True}
    claim = plugin.calls[1]["holder"]
    assert (claim["instead_of"], claim["is_known"]) == ("x", True)
    # Never without a check.
    assert "instead_of" not in plugin.calls[0]["holder"]


@pytest.mark.parametrize(
    ("age", "is_forced", "claim"),
    [
        (LOCK_STALE - 1, False, None),
        (LOCK_STALE, False, ("x", False)),
        (1, True, ("x", True)),
    ],
)
def test_who_cannot_be_looked_at_loses_it_by_age_or_on_demand(
    age: int, is_forced: bool, claim: tuple[str, bool] | None
) -> None:
    answer = held(os.getpid(), machine="another", age=age)
    plugin = Journal([answer, {"changed": True}], state="opened", is_dead=is_forced)
    assert plugin.hold().get("failed", False) == (claim is None)
    claims = [(call["holder"]["instead_of"], call["holder"]["is_known"]) for call in plugin.calls[1:]]
    assert claims == ([claim] if claim else [])


@pytest.mark.parametrize("is_forced", [False, True])
def test_a_lock_that_cannot_be_read_is_taken_on_demand(is_forced: bool) -> None:
    plugin = Journal([{"failed": True, "msg": "x", "lock_unreadable": True}, {"changed": True}], is_dead=is_forced)
    assert plugin.hold().get("failed", False) != is_forced
    assert [call["holder"]["instead_of"] for call in plugin.calls[1:]] == (["*"] if is_forced else [])


@pytest.mark.parametrize(
    ("go", "steps"),
    [
        ([True, True, True], [(1, {}), (1, {}), (1, _ansible.pack({"passed": True}))]),
        ([True, False], [(1, {}), (1, {})]),
    ],
)
def test_a_long_watch_is_made_of_signs_of_life(
    go: list[bool], steps: list[t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note for a rollout that may go on is written at the end of the watch."""
    monkeypatch.setattr(_journal_call, "WATCH_AT_ONCE", 1)
    monkeypatch.setattr(action.OnHost, "run", lambda *_arguments: {})
    plugin = Journal([{"go": each} for each in go], state="evaluated", seconds="3", note={"passed": True})
    assert plugin.run(task_vars={})["go"] == go[-1]
    assert [(call["seconds"], call["note"]) for call in plugin.calls] == steps
