# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tools/scenarios says of a scenario that failed, so that the end of CI's output has its cause."""

from __future__ import annotations

import pathlib
import runpy
import typing as t

import pytest


@pytest.fixture
def untested(root: pathlib.Path) -> t.Callable[[str, str], str]:
    return t.cast("t.Callable[[str, str], str]", runpy.run_path(str(root / "tools/scenarios"))["untested"])


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        (
            "fatal: [worker1]: FAILED! => no\n\nPLAY RECAP\nCRITICAL Ansible return code was 2\n",
            "fatal: [worker1]: FAILED! => no",
        ),
        ("lab: [ 1.1s] error: no image\nCRITICAL rc 1\n", "lab: [ 1.1s] error: no image"),
        ("CRITICAL no such scenario\n", "CRITICAL no such scenario"),
        ("", ""),
    ],
)
def test_a_failure_without_a_test_has_its_cause(untested, output: str, cause: str) -> None:
    assert untested("boot", output) == f"ERROR molecule/boot/molecule.yml - {cause}\n"


@pytest.mark.parametrize(
    "line",
    [
        "FAILED tests/test_a.py::test_b - no",
        "  \x1b[2m│\x1b[0m FAILED tests/test_a.py::test_b",
        "\x1b[31mERROR\x1b[0m ../test_a.py::\x1b[1mtest_b\x1b[0m",
    ],
)
def test_a_test_that_failed_speaks_for_itself(untested, line: str) -> None:
    assert untested("boot", f"{line}\n") == ""


def test_a_run_has_its_code_its_output_and_its_children_s_time(root: pathlib.Path) -> None:
    run = runpy.run_path(str(root / "tools/scenarios"))["run"]
    script = "echo begin; sh -c 'timeout 0.3 sh -c \"while :; do :; done\"'; echo end >&2; exit 3"
    code, output, cpu = run(["sh", "-c", script], {"PATH": "/usr/bin:/bin"})
    assert (code, output) == (3, "begin\nend\n")
    assert 0.01 < cpu < 5


def test_no_lab_but_those_of_the_tests_is_touched(root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also without make. The demo's has the name that lab/lab takes where none is given."""
    monkeypatch.delenv("LAB_NAME", raising=False)
    tool = runpy.run_path(str(root / "tools/scenarios"))
    labs: list[tuple[str, str | None]] = []

    def run(command: list[t.Any], **options: t.Any) -> None:
        labs.append((command[-1], (options.get("env") or {}).get("LAB_NAME")))

    monkeypatch.setattr(tool["subprocess"], "run", run)
    assert tool["every"]([]) == 0
    assert labs == [("up", "nodecycle-test"), ("down", "nodecycle-test")]
