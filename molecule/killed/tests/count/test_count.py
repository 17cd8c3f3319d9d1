# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts the tasks of the runs that are to be killed: a change, and one that fails and is undone."""

from __future__ import annotations

from conftest import Killer, failure_of


def test_the_tasks_of_a_change(lab, request):
    definition = f"--extra-vars=@{request.path.parents[2]}/vars"
    back = lab.play(f"{definition}/b.yml")
    assert back.returncode == 0, back.stdout
    done = Killer(lab).count("change", f"{definition}/a.yml")
    assert done.returncode == 0, done.stdout


def test_the_tasks_of_an_undo(lab, request):
    definition = f"--extra-vars=@{request.path.parents[2]}/vars"
    message = failure_of(Killer(lab).count("undo", f"{definition}/a.yml", f"{definition}/bad.yml"))
    assert "no scratch here" in message
