# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Code hosts run what `make test` runs. What the files mean to a code host, `make workflows` asks other programs."""

from __future__ import annotations

import importlib
import json
import pathlib
import re
import subprocess
import types
import typing as t

import pytest
import yaml

GITHUB = (".github/workflows/test.yml", ".github/workflows/release.yml")
GITLAB = ".gitlab-ci.yml"


@pytest.fixture
def jobs(root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    monkeypatch.syspath_prepend(root / "tools")
    return importlib.import_module("jobs")


def recipe(root: pathlib.Path, *arguments: str) -> str:
    """What a target of the Makefile would run."""
    command = ["make", "--dry-run", *arguments]
    return subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout


def gates_of(root: pathlib.Path, target: str) -> set[str]:
    """The gates that a target gives to tools/gates.py."""
    (words,) = re.findall(r"tools/gates\.py (.+)", recipe(root, target))
    return {word for word in words.split() if not word.startswith("-")}


@pytest.fixture
def listed(root: pathlib.Path, jobs: types.ModuleType) -> list[str]:
    """The jobs, without the sessions of nox, which the unit tests of other ansible-cores do not have."""
    (gates,) = re.findall(r"tools/jobs\.py github list (.+)", recipe(root, "jobs", "FORMAT=github", "FILE=list"))
    return t.cast("list[str]", jobs.calls(gates.split(), jobs.scenarios(), ["unit-9.9"]))


def test_each_gate_and_each_scenario_is_a_job(root: pathlib.Path, listed: list[str]) -> None:
    gates, linters = gates_of(root, "test"), gates_of(root, "lint")
    assert linters < gates
    scenarios = {path.parent.name for path in root.glob("molecule/*/molecule.yml")} - {"default"}
    expected = (gates - linters - {"molecule"}) | {f"molecule SCENARIO={name}" for name in scenarios}
    assert sorted(listed) == sorted([*expected, "lint", "session SESSION=unit-9.9"])


def test_github_makes_them(root: pathlib.Path, jobs: types.ModuleType, listed: list[str]) -> None:
    name, _equals, value = jobs.github(listed).partition("=")
    assert json.loads(value) == listed
    workflow = yaml.safe_load((root / GITHUB[0]).read_text())["jobs"]
    assert workflow["list"]["outputs"] == {name: f"${{{{ steps.list.outputs.{name} }}}}"}
    assert workflow["make"]["strategy"]["matrix"] == {"job": f"${{{{ fromJSON(needs.list.outputs.{name}) }}}}"}
    assert workflow["all"]["needs"] == "make"
    release = yaml.safe_load((root / GITHUB[1]).read_text())["jobs"]
    assert release["test"]["uses"].endswith(GITHUB[0])
    assert "test" in release["publish"]["needs"]


def test_the_shell_of_github_makes_one(root: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Each word of a job is an argument of its own, and a failure is one."""
    sudo = tmp_path / "sudo"
    sudo.write_text('#!/bin/sh\nprintf "<%s>" "$@"\nexit 3\n')
    sudo.chmod(0o755)
    (line,) = [
        step["run"]
        for step in yaml.safe_load((root / GITHUB[0]).read_text())["jobs"]["make"]["steps"]
        if "JOB" in step.get("env", {})
    ]
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "JOB": "molecule SCENARIO=one"}
    done = subprocess.run(["bash", "-e", "-c", line], env=environment, stdout=subprocess.PIPE, text=True, check=False)
    assert done.stdout == f"<env><PATH={environment['PATH']}><make><molecule><SCENARIO=one>"
    assert done.returncode != 0


def test_gitlab_makes_them(root: pathlib.Path, jobs: types.ModuleType, listed: list[str]) -> None:
    pipeline = yaml.safe_load((root / GITLAB).read_text())
    assert pipeline["test"]["trigger"]["include"] == [{"artifact": "jobs.yml", "job": "list"}]
    stages = pipeline["stages"]
    assert stages.index(pipeline["list"]["stage"]) < stages.index("test") < stages.index(pipeline["publish"]["stage"])
    child = yaml.safe_load(jobs.gitlab(listed, pipeline))
    del child["workflow"]
    assert [job["script"] for job in child.values()] == [[f"make {job}"] for job in listed]
    assert all(job["image"] and job["timeout"] for job in child.values())
    (in_lab,) = re.findall(r"^(.+): export LAB_NAME", (root / "Makefile").read_text(), re.MULTILINE)
    assert {name.split()[1] for name, job in child.items() if job.get("tags") == ["lab"]} == set(in_lab.split())


@pytest.mark.parametrize("file", [*GITHUB, GITLAB])
def test_each_call_of_make_has_its_target(root: pathlib.Path, file: str, listed: list[str]) -> None:
    text = (root / file).read_text()
    called = re.findall(r"(?:run: |^ +- )make ([a-z-]+)", text, re.MULTILINE)
    assert called
    targets = re.findall(r"^([a-z-]+):.*## ", (root / "Makefile").read_text(), re.MULTILINE)
    assert set(called) | {job.split()[0] for job in listed} <= set(targets)


def test_github_has_the_pythons(root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that ansible-test imports modules with; a session whose Python is missing would have no job."""
    monkeypatch.syspath_prepend(root / "tools")
    sanity = importlib.import_module("sanity")
    here = yaml.safe_load((root / GITHUB[0]).read_text())["env"]["PYTHONS"].split()
    assert set(sanity.python_versions()) <= set(here)
