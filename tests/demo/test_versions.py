# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo on other releases of Slurm, by other releases of ansible-core than the development environment's.

noxfile.py says in its sessions `runs-*` which: SLURM is the word for `make demo`, LAB_ANSIBLE an ansible-playbook, ANSIBLE_CORE its version.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess

import demo_calls

SLURM, CORE = os.environ["SLURM"], os.environ["ANSIBLE_CORE"]
NAME = demo_calls.lab_name(f"demo-{SLURM.replace('.', '-')}")
#: make is told the release by a word of its own, and ansible-playbook tells its version.
ENVIRONMENT = demo_calls.environment(NAME, without=("SLURM", "LAB_SLURM_VERSION"), ANSIBLE_VERBOSITY="2")
#: A machine with cgroup v1 needs it for the newest Slurm.
UNIFIED = pathlib.Path("/sys/fs/cgroup/unified")


def make(target: str) -> subprocess.CompletedProcess[str]:
    return demo_calls.call(ENVIRONMENT, "make", target, f"SLURM={SLURM}")


def test_the_demo_of_the_readme() -> None:
    try:
        done = make("demo")
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        assert re.search(rf"Slurm {re.escape(SLURM)}; all nodes idle", said)
        assert set(re.findall(r"\[core (\S+)\]", said)) == {CORE}
        assert re.search(r"\nEverything that is defined ran: 7 jobs, 5 hosts, \d+ s\.\n$", done.stdout)
    finally:
        assert make("demo-down").returncode == 0
    assert [path.name for path in UNIFIED.glob(f"{NAME}-*")] == []
