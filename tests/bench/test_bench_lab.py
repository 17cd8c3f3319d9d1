# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the benchmark that has labs of its own works."""

from __future__ import annotations

import os

import pytest
from conftest import Measure


@pytest.mark.skipif(
    not os.environ.get("THOROUGH"), reason="a lab of its own for a minute and a half; CI has 85 minutes"
)
def test_many_nodes_cost_no_module_call(measure: Measure) -> None:
    ((kind, calls, *_numbers),) = measure("fleet", "--nodes=60", "--rounds=0")
    assert kind == "first"
    assert int(calls) < 60


def test_both_ways_are_compared_on_a_lab(measure: Measure) -> None:
    rows = measure("lab", "--rounds=0")
    assert [row[:2] for row in rows] == [["first", "**ours**"], ["first", "plain"]]
