# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs one part of the benchmark with small numbers; its table goes into a copy of the page."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import typing as t

import pytest

BENCH = pathlib.Path(__file__).resolve().parent
PAGE = BENCH.parents[1] / "docs" / "benchmarks.md"

Measure = t.Callable[..., list[list[str]]]


@pytest.fixture
def measure(tmp_path: pathlib.Path) -> Measure:
    """The rows of the table that a part writes, without its head."""

    def rows(part: str, *options: str) -> list[list[str]]:
        page = tmp_path / "benchmarks.md"
        shutil.copy(PAGE, page)
        # No time limit: on a busy machine it takes minutes, and what ansible-playbook has started would outlive it.
        done = subprocess.run(
            [BENCH / "run", part, *options, f"--page={page}"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found = re.search(rf"(?s)<!-- begin {part} -->(.*)<!-- end {part} -->", page.read_text())
        assert found
        assert f"Command: `tests/bench/run {part}" in found.group(1)
        table = [line.strip("| ").split(" | ") for line in found.group(1).splitlines() if line.startswith("|")]
        return table[2:]

    return rows
