# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The artifact's content, and its playbooks after an installation."""

from __future__ import annotations

import pathlib
import re
import tarfile

import pytest
from conftest import User

PLAYBOOKS = sorted(path.stem for path in (pathlib.Path(__file__).parents[2] / "playbooks").glob("*.yml"))

#: What runs and what is read. A new name here is a decision: the user gets it.
ALLOWED = {
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "COPYING",
    "LICENSES",
    "README.md",
    "SECURITY.md",
    "changelogs",
    "docs",
    "meta",
    "playbooks",
    "plugins",
    "requirements.txt",
    "roles",
    "scripts",
}
MADE_BY_THE_BUILD = {"FILES.json", "MANIFEST.json"}
WHOLE = ("meta", "playbooks", "plugins", "roles", "scripts")


@pytest.fixture(scope="module")
def content(artifact: pathlib.Path) -> set[str]:
    with tarfile.open(artifact) as tar:
        return {member.name for member in tar if not member.isdir()} - MADE_BY_THE_BUILD


def test_only_what_was_decided(content: set[str]) -> None:
    assert {name.split("/")[0] for name in content} <= ALLOWED, "build_ignore in galaxy.yml, or ALLOWED in this file"


def test_nothing_that_git_does_not_have(content: set[str], committed: set[str]) -> None:
    assert content <= committed


def test_everything_that_runs(content: set[str], committed: set[str]) -> None:
    assert {name for name in committed if name.startswith(tuple(f"{name}/" for name in WHOLE))} <= content


def test_size(artifact: pathlib.Path) -> None:
    assert artifact.stat().st_size < 20_000_000, "the limit of Galaxy"


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_installed_playbook(user: User, playbook: str) -> None:
    user.run("ansible-playbook", "-i", "inventory.yml", f"nodecycle.slurm.{playbook}", "--syntax-check")


def test_the_command_is_where_the_guide_says(user: User, root: pathlib.Path) -> None:
    page = (root / "docs/guide/linting.md").read_text()
    (path,) = re.findall(r"^    ~/(\S+)", page, re.MULTILINE)
    (user.home / "worker_prolog.sh").write_text("#!/bin/sh\n/usr/bin/squeue -h >/dev/null\nexit 0\n")
    (user.home / "slurm.conf").write_text("KillWait=30\n")
    done = user.call(user.home / path, "worker_prolog.sh", "slurm.conf")
    assert done.returncode == 1
    assert done.stdout.startswith("worker_prolog.sh:2:1: error: squeue runs in worker_prolog [slurm-command]\n")


def test_the_requirements_are_where_the_guide_says(user: User, root: pathlib.Path) -> None:
    page = (root / "docs/guide/getting-started.md").read_text()
    (path,) = re.findall(r"pip install -r ~/(\S+)", page)
    assert (user.home / path).read_text() == (root / "requirements.txt").read_text()


def test_a_project_that_keeps_it_names_the_directory(
    artifact: pathlib.Path, root: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    project = User(tmp_path)
    page = (root / "docs/guide/getting-started.md").read_text()
    (settings,) = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)
    assert "add `-p collections` to the first command" in page
    project.run("ansible-galaxy", "collection", "install", "--offline", artifact, "-p", "collections")
    playbook = ("ansible-playbook", "-i", "inventory.yml", "nodecycle.slurm.status", "--syntax-check")
    assert project.call(*playbook).returncode != 0
    (tmp_path / "ansible.cfg").write_text(settings)
    project.run(*playbook)
