# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The very first rollout is killed: the next run finishes it, or removes everything again."""

from __future__ import annotations

import pytest
from conftest import WORKERS, Killer, differences, users

EMPTY = '--extra-vars={"slurm_batch_watch": 0}'


@pytest.fixture
def definition(request):
    """The arguments of the first definition."""
    return f"--extra-vars=@{request.path.parents[2]}/vars/a.yml"


@pytest.fixture(scope="module")
def bare(lab):
    """The files of the cluster before the first rollout."""
    return lab.snapshot()


def test_after_a_kill_the_next_run_with_nothing_defined_leaves_a_bare_cluster(lab, bare, definition):
    with users(lab):
        Killer(lab).kill("Note the hosts of the batch", 0.3, definition)
        done = lab.play(EMPTY)
        assert done.returncode == 0, done.stdout
    assert differences(bare, lab.snapshot()) == []
    assert lab.in_service() == dict.fromkeys(WORKERS, "")


def test_after_a_kill_the_next_run_finishes(lab, bare, definition):
    with users(lab):
        Killer(lab).kill("Activate an empty release", 0, definition)
        done = lab.play(definition)
        assert done.returncode == 0, done.stdout
    assert lab.snapshot() != bare
    settled = lab.play(definition)
    assert (settled.returncode, "changed=1" in settled.stdout) == (0, False), settled.stdout
