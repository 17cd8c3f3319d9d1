# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo on other releases of Slurm, by other releases of ansible-core than the development environment's.

noxfile.py says in its sessions `runs-*` which: SLURM is the word for `make demo`, LAB_ANSIBLE an ansible-playbook, ANSIBLE_CORE its version.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
SLURM, CORE = os.environ["SLURM"], os.environ["ANSIBLE_CORE"]
NAME = f"{os.environ.get('LAB_NAME') or 'nodecycle-test'}-demo-{SLURM.replace('.', '-')}"
#: make has told the outer call's options in the environment.
OUTER = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "SLURM", "LAB_SLURM_VERSION")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in OUTER}
#: So that ansible-playbook tells its version.
VERBOSE = {"ANSIBLE_VERBOSITY": "2"}
#: A machine with cgroup v1 needs it for the newest Slurm.
UNIFIED = pathlib.Path("/sys/fs/cgroup/unified")


def make(target: str) -> subprocess.CompletedProcess[str]:
    words = ["make", target, f"SLURM={SLURM}"]
    environment = {**ENVIRONMENT, **VERBOSE, "LAB_NAME": NAME}
    return subprocess.run(words, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)


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
