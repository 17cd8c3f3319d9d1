# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts the tasks of the runs that are to be killed: a change, and one that fails and is undone."""

from __future__ import annotations

import json

from conftest import Killer, failure_of


def test_the_tasks_of_a_change(lab, request):
    """The step before has left the definition a."""
    snapshots = {"a": lab.snapshot()}
    done = Killer(lab).count("change", f"--extra-vars=@{request.path.parents[2]}/vars/b.yml")
    assert done.returncode == 0, done.stdout
    assert "is committed." in done.stdout
    Killer.SNAPSHOTS.write_text(json.dumps({**snapshots, "b": lab.snapshot()}))


def test_the_tasks_of_an_undo(lab, request):
    place = f"--extra-vars=@{request.path.parents[2]}/vars"
    message = failure_of(Killer(lab).count("undo", f"{place}/b.yml", f"{place}/bad.yml"))
    assert "no scratch here" in message
