# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Demo and tests run in labs of different names, in either order; and `make test` leaves out nothing."""

from __future__ import annotations

import os
import pathlib
import re
import runpy
import subprocess
import sys

import pytest
import yaml


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


def test_molecule_does_so_without_either(root: pathlib.Path) -> None:
    pytest.importorskip("testinfra", reason="the scenarios need it; the sessions of other ansible-cores run none")
    config = yaml.safe_load((root / ".config/molecule/config.yml").read_text())
    assert config["ansible"]["env"]["LAB_NAME"] == "${LAB_NAME:-nodecycle-test}"
    clean = {name: value for name, value in os.environ.items() if name != "LAB_NAME"}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import conftest, os, nodecycle_lab.settings as s; print(conftest.NAME, os.environ['LAB_NAME'], s.NAME)",
        ],
        cwd=root / "molecule",
        env=clean,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["nodecycle-test"] * 3


def test_the_scenarios_do_so_without_make(root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_NAME", raising=False)
    assert runpy.run_path(str(root / "tools/scenarios"))["NAME"] == "nodecycle-test"


#: Targets that are no check, or a part of one.
NO_GATES = {
    *("help", "demo", "test", "setup", "lint", "fix", "bench"),
    *("build", "package", "importer", "lab-up", "lab-down", "demo-down"),
    *("jobs", "session", "release", "publish", "matrix-slurm"),
    # The jobs of a code host are its sessions.
    "matrix",
}


def commands_of(target: str, root: pathlib.Path) -> str:
    """The commands of a target and of what it needs."""
    command = ["make", "--dry-run", "--always-make", target]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout


def test_make_test_runs_every_check_and_every_test(root: pathlib.Path) -> None:
    (call,) = re.findall(r"(?m)^python tools/gates\.py (.*)$", commands_of("test", root))
    gates = {word for word in call.split() if not word.startswith("--")}
    targets = set(re.findall(r"(?m)^([a-z-]+):.* ## ", (root / "Makefile").read_text()))
    assert gates == targets - NO_GATES
    commands = "".join(commands_of(gate, root) for gate in gates)
    sessions = set(re.findall(r"nox --session (\w+)", commands))
    assert {"site", "importer", "runs"} <= sessions
    places = {str(path.relative_to(root)) for path in (root / "tests").iterdir() if any(path.rglob("test_*.py"))}
    assert len(places) > 4
    run = commands + (root / "noxfile.py").read_text()
    assert [place for place in places if f" {place}" not in run and f'"{place}"' not in run] == []
    # Without a name it runs all scenarios.
    assert re.search(r"(?m)tools/scenarios *$", commands)


def test_what_is_tried_on_other_releases_beside_24_11(root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenarios = str(root / "tools/scenarios")
    monkeypatch.delenv("THOROUGH", raising=False)
    usual = runpy.run_path(scenarios)["ALSO"]
    assert {(version, choice) for _name, version, choice in usual} == {("26.05", "-m by_release")}
    marked = {
        path.parts[-3]
        for path in (root / "molecule").glob("*/tests/**/test_*.py")
        if "mark.by_release" in path.read_text()
    }
    assert {name for name, _version, _choice in usual} == marked
    monkeypatch.setenv("THOROUGH", "yes")
    (also,) = set(runpy.run_path(scenarios)["ALSO"]) - set(usual)
    assert also == ("hostile", "22.05", "-k 'test_drains or test_names'")
    found = {path.stem for path in (root / "molecule/hostile/tests").rglob("test_*.py")}
    assert {"test_drains", "test_names"} <= found


def test_the_matrix_has_each_scenario_on_each_slurm_that_has_its_subject(root: pathlib.Path) -> None:
    tool = runpy.run_path(str(root / "tools/scenarios"))
    suites = runpy.run_path(str(root / "lab/nodecycle_lab/settings.py"))["SUITES"]
    assert set(tool["VERSIONS"]) == set(suites)
    assert set(tool["SINCE"]) <= set(tool["names"]())
    every = {(name, version, "") for name in tool["names"]() for version in suites}
    assert every - set(tool["matrix"]()) == {
        ("auth_slurm", "22.05", ""),
        ("birth", "22.05", ""),
        ("delivery", "22.05", ""),
    }
    assert tool["matrix"]()[0] == ("operations", "24.11", "")
    assert {version for _name, version, _choice in tool["matrix"](["26.05"])} == {"26.05"}
