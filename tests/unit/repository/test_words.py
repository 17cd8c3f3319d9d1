# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The form of our pages: CONTRIBUTING.md, Style, as far as a machine can tell."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest

WIDTH = 120

#: Not English, or another word for a thing that has one.
UNWANTED = re.compile(
    r"\b(of before|that which|(is|are) made to|on trial|tr(y|ies|ied) out|withdraw\w*)\b", re.IGNORECASE
)

#: Written by a tool, and the page that names the words not to use.
EXEMPT = {"CHANGELOG.md", "CONTRIBUTING.md"}


def prose(page: pathlib.Path) -> t.Iterator[tuple[int, str]]:
    """The lines of a page that are neither code nor of a table."""
    fenced = False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith(("|", "    ")):
            yield number, line


@pytest.fixture
def pages(committed_files: list[pathlib.Path]) -> list[pathlib.Path]:
    return [path for path in committed_files if path.suffix == ".md"]


def test_lines_fit_a_terminal(root: pathlib.Path, pages: list[pathlib.Path]) -> None:
    long = [
        f"{page.relative_to(root)}:{number}"
        for page in pages
        for number, line in prose(page)
        # A link alone in its line cannot be broken.
        if len(line) > WIDTH and " " in line.strip()
    ]
    assert not long, f"longer than {WIDTH} characters: {long}"


def test_words(root: pathlib.Path, pages: list[pathlib.Path]) -> None:
    found = [
        f"{page.relative_to(root)}:{number}: {line}"
        for page in pages
        if page.name not in EXEMPT
        for number, line in enumerate(page.read_text().splitlines(), 1)
        if UNWANTED.search(line)
    ]
    assert not found, "see CONTRIBUTING.md, Style:\n" + "\n".join(found)


def test_the_run_in_the_readme_has_the_names_of_a_run(root: pathlib.Path) -> None:
    """Each play and task that it shows is one of ours."""
    shown = re.findall(r"^ {4}(?:PLAY|TASK) \[(.+)\]$", (root / "README.md").read_text(), re.MULTILINE)
    sources = [*root.glob("playbooks/*.yml"), *root.glob("roles/rollout/tasks/*.yml")]
    names = {name for path in sources for name in re.findall(r"- name: (.+)", path.read_text())}
    assert len(shown) > 5
    assert [name for name in shown if name not in names] == []
