# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
import subprocess
import typing as t

import pytest

#: Calls a program of Ansible with arguments and variables of the environment.
Ansible = t.Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def ansible(root: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    """The programs of Ansible on the control node, with a home of their own."""
    home = tmp_path_factory.mktemp("home")

    def run(
        program: str, *arguments: object, timeout: float = 300, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *map(str, arguments)],
            cwd=root,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
                "ANSIBLE_HOME": str(home),
                "ANSIBLE_NOCOLOR": "1",
                # Ansible breaks the lines of warnings.
                "COLUMNS": "10000",
                **environment,
            },
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def inventory(tmp_path: pathlib.Path) -> pathlib.Path:
    """The inventory of a controller and a worker that are this machine."""
    path = tmp_path / "inventory.yml"
    path.write_text("""
slurm_controller: {hosts: {ctl: }}
slurm_worker: {hosts: {w1: }}
all: {vars: {ansible_connection: local}}
""")
    return path
