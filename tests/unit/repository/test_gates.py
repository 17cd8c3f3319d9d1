# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tools/gates.py says of its gates. CI reads the last line, and nothing else tells it how many tests ran."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

import pytest

MAKEFILE = """\
quick:
\t@echo "all is well"
broken:
\t@echo "E: this is wrong"; false
tests:
\t@echo "==== 3 passed, 1 skipped, 1 xfailed in 0.10s ===="
tests-fail:
\t@printf '\\033[31m===== \\033[1m1 failed\\033[0m, 2 passed, 1 error in 61.20s (0:01:01) ====\\n'; false
tests-none:
\t@echo "==== no tests ran in 0.01s ===="; exit 5
tests-then-broken:
\t@echo "2 passed in 0.10s"; false
tests-named:
\t@printf '\\033[31mFAILED\\033[0m a/test_b.py::\\033[1mtest_c\\033[0m - assert 1 == 2\\nERROR tests/d.py - no e\\n'
\t@printf 'ERROR    a log line\\n  │ FAILED e.py::test_f\\nFAILED a/test_b.py::test_c - assert 1 == 2\\n2 failed in 0.10s\\n'; false
two: first second
first:
\t@echo "1 passed in 0.10s"; false
second:
\t@echo "4 passed in 0.10s"
# Each sees the other one, or gives up.
left:
\t@echo "left begins"; touch left; until [ -e right ]; do sleep 0.05; done; echo "left ends"
right:
\t@echo "right begins"; touch right; until [ -e left ]; do sleep 0.05; done; echo "right ends"
alone:
\t@test -e left && test -e right && echo "both have ended"
"""


@pytest.fixture
def gates(tmp_path: pathlib.Path, root: pathlib.Path):
    (tmp_path / "Makefile").write_text(MAKEFILE)

    def run(*arguments: str) -> tuple[int, list[str]]:
        done = subprocess.run(
            [sys.executable, root / "tools/gates.py", *arguments],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
        return done.returncode, done.stdout.splitlines()

    return run


def table(lines: list[str]) -> list[list[str]]:
    """Each gate and how it ended."""
    return [line.split()[:2] for line in lines[lines.index("=== all gates ===") :] if line.startswith("  ")]


@pytest.mark.parametrize(
    ("names", "code", "line"),
    [
        (["quick"], 0, "1 passed, 0 failed"),
        (["broken"], 1, "0 passed, 1 failed"),
        (["tests"], 0, "4 passed, 0 failed, 1 skipped"),
        (["tests-fail"], 1, "2 passed, 2 failed"),
        (["tests-none"], 1, "0 passed, 1 failed"),
        (["tests-then-broken"], 1, "2 passed, 1 failed"),
        (["two"], 1, "5 passed, 1 failed"),
        (["no-such-target"], 1, "0 passed, 1 failed"),
        (["broken", "quick", "tests"], 1, "5 passed, 1 failed, 1 skipped"),
        (["quick", "--alone", "broken", "tests"], 1, "5 passed, 1 failed, 1 skipped"),
    ],
)
def test_the_last_line_counts(gates, names: list[str], code: int, line: str) -> None:
    returned, lines = gates(*names)
    assert (returned, re.sub(r" in \d+\.\d\ds$", " in S", lines[-1])) == (code, f"{line} in S")


def test_every_gate_has_a_line_in_the_order_of_the_call(gates) -> None:
    _code, lines = gates("broken", "quick", "--alone", "tests")
    assert table(lines) == [["broken", "FAILED"], ["quick", "ok"], ["tests", "ok"]]


def test_what_failed_is_named_just_before_the_last_line(gates) -> None:
    """The output of CI is cut in its middle."""
    _code, lines = gates("quick", "tests-named", "--beside", "broken")
    assert lines[-5:-1] == [
        "tests-named: FAILED a/test_b.py::test_c - assert 1 == 2",
        "tests-named: ERROR tests/d.py - no e",
        "tests-named: FAILED e.py::test_f",
        "broken: E: this is wrong",
    ]


def test_two_run_at_a_time_and_each_output_is_whole(gates) -> None:
    code, lines = gates("left", "right")
    assert code == 0
    for name in ("left", "right"):
        begin = lines.index(f"=== {name} ===")
        assert lines[begin + 1 : begin + 3] == [f"{name} begins", f"{name} ends"]


def test_alone_waits_for_the_others(gates) -> None:
    code, lines = gates("left", "right", "--alone", "alone")
    assert code == 0
    assert lines.index("both have ended") > max(lines.index("left ends"), lines.index("right ends"))


def test_beside_runs_meanwhile_and_is_shown_in_the_end(gates) -> None:
    code, lines = gates("quick", "--alone", "left", "--beside", "right", "broken")
    assert code == 1
    assert lines.index("left ends") < lines.index("=== right ===") < lines.index("right ends")
    assert lines[lines.index("=== broken ===") + 1] == "E: this is wrong"
    assert table(lines) == [
        ["quick", "ok"],
        ["left", "ok"],
        ["right", "ok"],
        ["broken", "FAILED"],
    ]
