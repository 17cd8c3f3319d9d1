# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo on the newest Slurm that Debian has, on a machine that may have cgroup v1."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = f"{os.environ.get('LAB_NAME') or 'nodecycle-test'}-newest"
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
UNIFIED = pathlib.Path("/sys/fs/cgroup/unified")


def make(target: str) -> subprocess.CompletedProcess[str]:
    words = ["make", target, "SLURM=26.05"]
    environment = {**ENVIRONMENT, "LAB_NAME": NAME}
    return subprocess.run(words, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)


def test_the_demo_of_the_readme_on_slurm_26_05() -> None:
    try:
        done = make("demo")
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"Slurm 26\.05; all nodes idle", done.stdout + done.stderr)
        assert re.search(r"\nEverything that is defined ran: 7 jobs, 5 hosts, \d+ s\.\n$", done.stdout)
    finally:
        assert make("demo-down").returncode == 0
    assert [path.name for path in UNIFIED.glob(f"{NAME}-*")] == []
