# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import multiprocessing
import os
import pathlib
import signal
import subprocess
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _lock_holder


def holder(pid: int) -> dict[str, object]:
    return {**_lock_holder.this_run(), "pid": pid, "started": _lock_holder.started(pid)}


def test_a_run_that_lives_is_not_dead() -> None:
    assert _lock_holder.lives(holder(os.getpid()))


def test_a_run_that_ended_is_dead_also_as_a_zombie() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        seen = holder(process.pid)
        assert _lock_holder.lives(seen)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not _lock_holder.lives(seen)
    assert not _lock_holder.lives(seen)


def test_the_number_alone_says_nothing() -> None:
    assert not _lock_holder.lives({**holder(os.getpid()), "started": "1"})


def test_a_run_on_another_machine_cannot_be_checked() -> None:
    assert _lock_holder.lives({**holder(os.getpid()), "started": "1", "machine": "another"}) is None


def test_a_name_with_spaces_and_parentheses_does_not_shift_the_fields(tmp_path: pathlib.Path) -> None:
    (tmp_path / "5").mkdir()
    (tmp_path / "5/stat").write_text("5 (a) b (c)) S " + " ".join(str(number) for number in range(4, 40)) + "\n")
    assert _lock_holder.started(5, tmp_path) == "22"


FORK = multiprocessing.get_context("fork")


def run(way: t.Any, killed: t.Any) -> None:
    """Stands for ansible-playbook: it starts a task's process, as Ansible does, and is killed."""
    FORK.Process(target=task, args=(way, killed)).start()
    signal.pause()


def task(way: t.Any, killed: t.Any) -> None:
    """The process of a task, which says who holds the lock before and after its run was killed."""
    way.send(_lock_holder.this_run()["pid"])
    killed.recv()
    try:
        way.send(_lock_holder.this_run()["pid"])
    except _lock_holder.EndedRunError:
        way.send("ended")


def test_a_task_that_outlives_its_run_holds_no_lock() -> None:
    """Else the process that adopts it, as a rule process 1, would hold the lock until the machine's next boot."""
    here, there = FORK.Pipe()
    waiting, told = FORK.Pipe()
    process = FORK.Process(target=run, args=(there, waiting))
    process.start()
    assert here.recv() == process.pid
    process.kill()
    process.join()
    told.send("killed")
    assert here.recv() == "ended"


@pytest.mark.parametrize("pid", [1, 2**22 + 1])
def test_a_holder_without_a_beginning_is_dead(pid: int) -> None:
    assert not _lock_holder.lives({**holder(os.getpid()), "pid": pid, "started": ""})
