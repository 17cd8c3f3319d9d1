# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our words: CONTRIBUTING.md, Style, as far as a machine can tell. In pages, code, tasks and messages alike."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest

WIDTH = 120

#: Not English, or another word for a thing that has one. (withdrawn is an option of the module journal.)
UNWANTED = re.compile(
    r"\b(of before|what was before|that which|(is|are) made to|lest|whoever|in force"
    r"|on trial|tr(y|ies|ied) out|tried first"
    r"|(give|gives|given|giving|gave|put|puts|putting|bring|brings|brought|bringing|go|goes|gone|going|went) back"
    r"|(take|takes|taken|taking|took) (it |them |that )?(back|away)|puts? right"
    r"|withdraw(?!n[\":])\w*|judg(e|es|ed|ing)|mend(s|ed|ing)?|lets? go of)\b",
    re.IGNORECASE,
)

#: antsibull-changelog writes it.
BY_TOOL = "CHANGELOG.md"

#: The files that name the words not to use.
EXEMPT = {"CONTRIBUTING.md", "test_words.py"}

#: The places of our words, without those that hold the words of others: output of Slurm, scripts of other sites.
PLACES = ("changelogs/fragments/", "molecule/", "playbooks/", "plugins/", "roles/", "tests/")
OTHERS = ("tests/unit/fixtures/",)
KINDS = {".md", ".py", ".sh", ".yml", ".j2"}


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
    return [path for path in committed_files if path.suffix == ".md" and path.name != BY_TOOL]


def test_lines_fit_a_terminal(root: pathlib.Path, pages: list[pathlib.Path]) -> None:
    long = [
        f"{page.relative_to(root)}:{number}"
        for page in pages
        for number, line in prose(page)
        # A link alone in its line cannot be broken.
        if len(line) > WIDTH and " " in line.strip()
    ]
    assert not long, f"longer than {WIDTH} characters: {long}"


@pytest.fixture
def written(root: pathlib.Path, pages: list[pathlib.Path], committed_files: list[pathlib.Path]) -> list[pathlib.Path]:
    """The pages, and all files whose comments, names and messages are ours."""
    names = {path: path.relative_to(root).as_posix() for path in committed_files}
    files = [
        path
        for path, name in names.items()
        if path.suffix in KINDS and name.startswith(PLACES) and not name.startswith(OTHERS)
    ]
    # A release has no fragments left.
    present = [place for place in PLACES if any((root / place).glob("*"))]
    assert len(present) >= len(PLACES) - 1
    assert {names[path].split("/")[0] for path in files} == {place.split("/")[0] for place in present}
    return [path for path in {*pages, *files} if path.name not in EXEMPT]


def test_words(root: pathlib.Path, written: list[pathlib.Path]) -> None:
    found = [
        f"{path.relative_to(root)}:{number}: {line.strip()}"
        for path in sorted(written)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        # In names, too.
        if UNWANTED.search(line.replace("_", " "))
    ]
    assert not found, "see CONTRIBUTING.md, Style:\n" + "\n".join(found)


def test_the_run_in_the_readme_has_the_names_of_a_run(root: pathlib.Path) -> None:
    """Each play and task that it shows is one of ours."""
    shown = re.findall(r"^ {4}(?:PLAY|TASK) \[(.+)\]$", (root / "README.md").read_text(), re.MULTILINE)
    sources = [*root.glob("playbooks/*.yml"), *root.glob("roles/rollout/tasks/*.yml")]
    names = {name for path in sources for name in re.findall(r"- name: (.+)", path.read_text())}
    assert len(shown) > 5
    assert [name for name in shown if name not in names] == []
