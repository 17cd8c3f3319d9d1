# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tools/pythons.py takes for an interpreter; nox and ansible-test fail on anything else."""

from __future__ import annotations

import importlib
import pathlib
import types

import pytest


@pytest.fixture
def pythons(root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    monkeypatch.syspath_prepend(root / "tools")
    return importlib.import_module("pythons")


def install(prefix: pathlib.Path, version: str, library: str = "lib") -> pathlib.Path:
    program = prefix / f"bin/python{version}"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.touch(mode=0o755)
    (prefix / library / f"python{version}/venv").mkdir(parents=True)
    return program


@pytest.fixture
def machine(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setenv("PATH", f"{tmp_path}/shims/bin:{tmp_path}/venv/bin::{tmp_path}/usr/bin")
    monkeypatch.setenv("PYENV_ROOT", f"{tmp_path}/pyenv")
    return tmp_path


def test_path_comes_before_pyenv(pythons: types.ModuleType, machine: pathlib.Path) -> None:
    here = install(machine / "usr", "3.11")
    install(machine / "pyenv/versions/3.11.2", "3.11")
    there = install(machine / "pyenv/versions/3.13.0", "3.13", "lib64")
    assert pythons.find(["3.11", "3.12", "3.13"]) == {"3.11": here, "3.13": there}


def test_a_wrapper_is_passed_over(pythons: types.ModuleType, machine: pathlib.Path) -> None:
    wrapper = machine / "shims/bin/python3.11"
    wrapper.parent.mkdir(parents=True)
    wrapper.touch(mode=0o755)
    assert pythons.find(["3.11"]) == {}
    real = install(machine / "pyenv/versions/3.11.2", "3.11")
    assert pythons.find(["3.11"]) == {"3.11": real}


def test_a_python_without_venv_is_passed_over(pythons: types.ModuleType, machine: pathlib.Path) -> None:
    install(machine / "usr", "3.11")
    (machine / "usr/lib/python3.11/venv").rmdir()
    assert pythons.find(["3.11"]) == {}


def test_an_environment_counts_by_the_python_that_it_links(pythons: types.ModuleType, machine: pathlib.Path) -> None:
    real = install(machine / "usr", "3.11")
    link = machine / "venv/bin/python3.11"
    link.parent.mkdir(parents=True)
    link.symlink_to(real)
    assert pythons.find(["3.11"]) == {"3.11": link}
