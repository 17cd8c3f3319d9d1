# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> pathlib.Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def committed(root: pathlib.Path) -> set[str]:
    """The files that git has, or would add on `git add`."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listing = subprocess.run(command, cwd=root, check=True, text=True, stdout=subprocess.PIPE).stdout
    return {name for name in listing.split("\0") if (root / name).is_file()}


@pytest.fixture(scope="session")
def artifact() -> pathlib.Path:
    """What `make build` has just made."""
    (path,) = ROOT.glob("build/nodecycle-slurm-*.tar.gz")
    return path


@pytest.fixture(scope="session")
def user(artifact: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> User:
    """Somebody with ansible-core, an empty home and the installed artifact, and nothing of the checkout."""
    user = User(tmp_path_factory.mktemp("user"))
    user.run("ansible-galaxy", "collection", "install", "--offline", artifact)
    return user


class User:
    def __init__(self, home: pathlib.Path) -> None:
        self.home = home
        (home / "inventory.yml").write_text(
            "slurm_controller: {hosts: {ctl: }}\nslurm_login: {hosts: {login: }}\nslurm_worker: {hosts: {node1: }}\n"
        )

    def call(self, *command: str | pathlib.Path) -> subprocess.CompletedProcess[str]:
        """Run a command in the home directory."""
        environment = {name: os.environ[name] for name in ("PATH", "LC_ALL") if name in os.environ}
        return subprocess.run(
            command,
            cwd=self.home,
            env={**environment, "HOME": str(self.home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def run(self, *command: str | pathlib.Path) -> str:
        """The output of a command, which must succeed."""
        done = self.call(*command)
        assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"
        return done.stdout
