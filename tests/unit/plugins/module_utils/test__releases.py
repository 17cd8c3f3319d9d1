# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import re

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _releases


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("slurm 24.11.5\n", (24, 11, 5)),
        ("slurm-wlm 22.05.8", (22, 5, 8)),
        ("24.11.5-1", (24, 11, 5)),
        ("26.05", (26, 5)),
        ("", None),
        ("slurm x", None),
    ],
)
def test_the_version_in_slurms_words(text: str, release: tuple[int, ...] | None) -> None:
    assert _releases.parse(text) == release


@pytest.mark.parametrize(
    ("release", "holds"),
    [
        ((23, 2, 7), False),
        ((23, 11), True),
        ((24, 11), True),
        ((24, 11, 5), True),
        ((24, 11, 6), False),
        ((26, 5, 3), False),
    ],
)
def test_a_difference_holds_from_its_first_release_to_the_last(release: tuple[int, ...], holds: bool) -> None:
    assert _releases.WAITS_FOR_DATABASE.holds(release) is holds


def written(release: tuple[int, ...]) -> str:
    """As Slurm writes it."""
    return ".".join([f"{release[0]}.{release[1]:02}", *map(str, release[2:])])


def test_the_guide_has_the_same_table(root: pathlib.Path) -> None:
    page = (root / "docs/guide/operations.md").read_text()
    section = page.partition("## What differs between releases of Slurm\n")[2].partition("\n## ")[0]
    rows = set(re.findall(r"(?m)^\| ([\d.]+)(?: to before ([\d.]+))? \|", section))
    known = [value for value in vars(_releases).values() if isinstance(value, _releases.Difference)]
    assert {(written(each.since), written(each.until) if each.until else "") for each in known} <= rows
