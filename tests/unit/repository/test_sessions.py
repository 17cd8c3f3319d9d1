# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nox's sessions: what a machine that lacks an interpreter says."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

# The sessions of nox themselves run these tests without it.
pytest.importorskip("nox")

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("session", ["unit-2.18", "sanity-2.18", "runs-2.18", "host"])
def test_a_session_without_its_interpreter_is_skipped_with_the_reason(session: str, tmp_path: pathlib.Path) -> None:
    """Where CI is set, nox itself makes that a failure; so Debian 13 would have no green `make test`."""
    done = subprocess.run(
        [sys.executable, "-m", "nox", "--session", session],
        cwd=ROOT,
        env={"HOME": str(tmp_path), "PATH": str(tmp_path), "PYENV_ROOT": str(tmp_path), "CI": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "skipped: this machine has no Python for" in done.stderr
