# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's package, as far as it needs no container."""

from __future__ import annotations

import json
import pathlib
import resource
import subprocess
import sys
import typing as t

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "lab"))

from nodecycle_lab import images, machine, saved  # noqa: E402
from nodecycle_lab.demo import jobs  # noqa: E402

PACKAGE = ROOT / "lab/nodecycle_lab"


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> list[pathlib.Path]:
    """The files whose content decides whether a saved cluster is still the one of these sources."""
    found: list[pathlib.Path] = []
    monkeypatch.setattr(saved, "image_id", lambda _image: "id")
    monkeypatch.setattr(saved, "digest_of", lambda _start, *paths: found.extend(paths) or "digest")
    saved.digest_now()
    return found


def test_of_the_package_only_the_saving_makes_a_new_saved_cluster(sources: list[pathlib.Path]) -> None:
    ours = [path for path in sources if path.is_relative_to(PACKAGE)]
    assert ours == [PACKAGE / "saved.py"]


def test_the_role_and_the_lab_s_variables_make_a_new_saved_cluster(sources: list[pathlib.Path]) -> None:
    assert {ROOT / "roles/install", ROOT / "lab/group_vars", ROOT / "lab/inventory.yml"} <= set(sources)


def test_a_digest_is_of_names_and_content(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setattr(images, "ROOT", tmp_path)
    (tmp_path / "a").mkdir()
    file = tmp_path / "a/one"

    def digest(text: str, start: str = "") -> str:
        file.write_text(text)
        return images.digest_of(start, tmp_path / "a")

    first = digest("x")
    assert digest("x") == first
    assert digest("y") != first
    assert digest("x", "other") != first
    digest("x")
    file.rename(tmp_path / "a/two")
    assert images.digest_of("", tmp_path / "a") != first


@pytest.mark.parametrize(
    ("hard", "expected"),
    [
        ({}, ""),
        ({resource.RLIMIT_NOFILE: 20000}, "[Service]\nLimitNOFILE=20000\n"),
        ({resource.RLIMIT_NOFILE: 1048576, resource.RLIMIT_STACK: 8388608}, "[Service]\nLimitSTACK=8388608\n"),
    ],
)
def test_only_a_limit_that_the_machine_refuses_is_lowered(
    monkeypatch: pytest.MonkeyPatch, hard: dict[int, int], expected: str
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda of: (0, hard.get(of, resource.RLIM_INFINITY)))
    assert machine.limits_dropin() == expected


def test_the_reader_of_a_host_is_one_file_that_runs_alone(tmp_path: pathlib.Path) -> None:
    # The machine of the tests may have no systemd.
    journalctl = tmp_path / "journalctl"
    journalctl.write_text("#!/bin/sh\n")
    journalctl.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-I", "-", "0"],
        check=True,
        capture_output=True,
        text=True,
        input=(PACKAGE / "demo/on_host.py").read_text(),
        cwd="/",
        env={"PATH": str(tmp_path)},
    )
    facts: dict[str, t.Any] = json.loads(done.stdout)
    assert {"manifest", "disk", "log", "failures"} <= facts.keys()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("worker1", ["worker1"]),
        ("worker[1-3]", ["worker1", "worker2", "worker3"]),
        ("worker[1,3]", ["worker1", "worker3"]),
        ("(null)", []),
        ("", []),
    ],
)
def test_slurm_s_names_of_hosts_are_read(expression: str, expected: list[str]) -> None:
    assert jobs.hosts_in(expression) == expected
