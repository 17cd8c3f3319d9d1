# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of faults in docs/ is that of the scenario which runs them."""

from __future__ import annotations

import pathlib
import typing as t

import yaml


def row(fault: dict[str, t.Any], ends: dict[str, str]) -> str:
    """The line of the table for one fault."""
    said = " ... ".join(fault["says"]).replace("|", "\\|")
    return f"| {fault['fault']} | {ends[fault['ends']]} | {said} |"


def test_the_table_is_what_the_scenario_runs(root: pathlib.Path) -> None:
    faults = yaml.safe_load((root / "molecule/conf_faults/tests/faults.yml").read_text())
    expected = [row(fault, faults["ends"]) for fault in [*faults["lines"], *faults["events"]]]
    page = (root / "docs/guide/slurm-conf-faults.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")][1:]
    assert rows == expected, "write it into docs/guide/slurm-conf-faults.md:\n" + "\n".join(expected)
