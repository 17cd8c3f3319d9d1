# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark works beside a lab: slurmds in containers of this machine are no business of its simulated hosts."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

BENCH = pathlib.Path(__file__).resolve().parents[1] / "bench" / "run"


@pytest.mark.parametrize("part", ["dispatcher", "hosts"])
def test_a_part_of_the_benchmark_works(part: str) -> None:
    done = subprocess.run(
        [BENCH, part, "--smoke"], capture_output=True, text=True, check=False, timeout=300, env={**os.environ}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Command: `tests/bench/run {part}" in done.stdout
