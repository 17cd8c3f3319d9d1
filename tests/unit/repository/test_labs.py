# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Demo and tests run in labs of different names, in either order."""

from __future__ import annotations

import os
import pathlib
import re
import runpy
import subprocess

import pytest


def lab_of(target: str, root: pathlib.Path, **environment: str) -> str:
    """LAB_NAME as a target of the Makefile has it; empty for the default of lab/lab, which is the demo's."""
    clean = {name: value for name, value in os.environ.items() if name != "LAB_NAME"}
    done = subprocess.run(
        ["make", "--dry-run", "--print-data-base", target],
        cwd=root,
        env={**clean, **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    found = re.findall(rf"(?m)^{target}: LAB_NAME := (.+)$", done.stdout)
    return found[0] if found else environment.get("LAB_NAME", "")


def test_the_tests_leave_the_demo_s_cluster_alone(root: pathlib.Path) -> None:
    assert lab_of("demo", root) == ""
    assert lab_of("lab-test", root) == lab_of("molecule", root) == "nodecycle-test"
    assert lab_of("molecule", root, LAB_NAME="mine") == "mine"


def test_the_scenarios_do_so_without_make(root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_NAME", raising=False)
    assert runpy.run_path(str(root / "tools/scenarios"))["NAME"] == "nodecycle-test"
