# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each part of the benchmark that needs no lab works, whatever else runs on this machine: slurmds in containers, for example."""

from __future__ import annotations

import os

import pytest
from conftest import Measure
from dispatcher import CASES

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount what a simulated host has of its own")


def test_the_dispatcher_is_measured(measure: Measure) -> None:
    assert [row[0] for row in measure("dispatcher", "--repeats=1")] == [case.name for case in CASES]


@needs_root
def test_the_bundle_is_measured(measure: Measure) -> None:
    rows = measure("bundle", "--repeats=1")
    assert [row[0] for row in rows] == ["3 nodes, 1 releases", "1000 nodes, 1 releases", "1000 nodes, 50 releases"]


@needs_root
def test_both_ways_are_compared_on_simulated_hosts(measure: Measure) -> None:
    rows = measure("compared", "--compared=1", "--rounds=0")
    assert [row[:2] for row in rows] == [["first", "**ours**"], ["first", "plain"]]


@needs_root
def test_our_way_is_measured_on_simulated_hosts(measure: Measure) -> None:
    rows = measure("hosts", "--hosts=1", "--rounds=1")
    # Module calls of a worker.
    assert [row[:3] for row in rows] == [
        ["first", "**ours**", "4"],
        ["changed prolog", "**ours**", "2"],
        ["no change", "**ours**", "1"],
        ["no change", "ping", "1"],
    ]
