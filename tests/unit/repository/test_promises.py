# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each command and each promise of the README and the guide has a test: tests/promises.yml says which.

A page is cut into blocks: paragraphs, points of a list, rows of a table, blocks of code. A block that is new or has
changed is not in the list, so its author is asked for its tests.
"""

from __future__ import annotations

import ast
import hashlib
import pathlib
import re
import typing as t

import pytest
import yaml

Listed = dict[str, dict[str, dict[str, t.Any]]]

_BEGINS = re.compile(r"(?:[-*]|\d+\.) |\| ?|#+ ")
_TABLE_RULE = re.compile(r"\|[-| :]+\|?")


def blocks(text: str) -> list[str]:
    """The blocks of a page, each in one line; neither headings nor comments."""
    found: list[list[str]] = []
    is_code = False
    is_new = True
    for line in re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL).splitlines():
        if line.startswith("```"):
            is_code, is_new = not is_code, True
            continue
        words = " ".join(line.split())
        # An empty line within code ends no block.
        if not words:
            is_new = is_new or not is_code
            continue
        if is_new or (not is_code and _BEGINS.match(words)):
            found.append([])
        is_new = False
        found[-1].append(words)
    joined = [" ".join(lines) for lines in found]
    return [block for block in joined if not block.startswith("#") and not _TABLE_RULE.fullmatch(block)]


def key(block: str) -> str:
    """What a block is called in the list: a digest, and its first words for the reader."""
    return f"{hashlib.sha256(block.encode()).hexdigest()[:8]} {' '.join(block.split()[:6])[:60]}"


def pages(root: pathlib.Path) -> dict[str, list[str]]:
    """The pages that promise something, with their blocks."""
    found = [root / "README.md", *sorted((root / "docs/guide").glob("*.md"))]
    return {str(page.relative_to(root)): blocks(page.read_text()) for page in found}


@pytest.fixture(scope="module")
def listed() -> Listed:
    """tests/promises.yml: by page and block its tests and the sentences that have none, or the reason why it needs none."""
    place = pathlib.Path(__file__).parents[2] / "promises.yml"
    return t.cast("Listed", yaml.safe_load(place.read_text()))


def names_of_tests(path: pathlib.Path) -> set[str]:
    """The names of the tests in a file."""
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_blocks_are_what_a_reader_sees() -> None:
    page = "# Title\n\nTwo\nlines.\n\n- a\n  b\n- c\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n```yaml\nk: 1\n\nl: 2\n```\n\n    make test\n"
    assert blocks(page) == ["Two lines.", "- a b", "- c", "| x | y |", "| 1 | 2 |", "k: 1 l: 2", "make test"]


def test_each_promise_has_its_tests(root: pathlib.Path, listed: Listed) -> None:
    present = {page: [key(block) for block in found] for page, found in pages(root).items()}
    missing = [
        f"{page}: {name}" for page, names in present.items() for name in names if name not in listed.get(page, {})
    ]
    assert not missing, "new or changed; name the tests of each sentence in tests/promises.yml:\n" + "\n".join(missing)
    gone = [f"{page}: {name}" for page, found in listed.items() for name in found if name not in present.get(page, [])]
    assert not gone, "no longer there; remove from tests/promises.yml:\n" + "\n".join(gone)


def test_each_named_test_is_there(root: pathlib.Path, listed: Listed) -> None:
    known: dict[str, set[str]] = {}
    for page, found in listed.items():
        for name, entry in found.items():
            where = f"{page}: {name}"
            assert set(entry) <= {"tests", "none", "untested"}, where
            assert all(entry.values()), where
            for test in entry.get("tests", []):
                path, _colons, function = test.partition("::")
                assert (root / path).is_file(), f"{where}: {path} is not there"
                if function and path not in known:
                    known[path] = names_of_tests(root / path)
                assert not function or function in known[path], f"{where}: {path} has no {function}"
