# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tools/release.py says of a checkout that is not the release that its tag names. tests/package has one that is."""

from __future__ import annotations

import importlib
import pathlib
import types

import pytest


@pytest.fixture
def release(root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    monkeypatch.syspath_prepend(root / "tools")
    return importlib.import_module("release")


@pytest.fixture
def checkout(tmp_path: pathlib.Path) -> pathlib.Path:
    """One that is 1.10.0."""
    (tmp_path / "changelogs/fragments").mkdir(parents=True)
    (tmp_path / "galaxy.yml").write_text("version: 1.10.0\n")
    (tmp_path / "changelogs/changelog.yaml").write_text("releases:\n  1.9.0: {}\n  1.10.0: {}\n")
    return tmp_path


def test_nothing_is_wrong(release: types.ModuleType, checkout: pathlib.Path) -> None:
    assert release.problems(checkout, "v1.10.0") == []


@pytest.mark.parametrize(
    ("tag", "file", "text", "says"),
    [
        ("1.10.0", "", "", "has not the form v1.2.3"),
        ("v1.10.0-rc1", "", "", "has not the form v1.2.3"),
        ("v1.9.0", "galaxy.yml", "version: 1.9.0\n", "changelog.yaml has 1.10.0, which is newer than the tag v1.9.0"),
        ("v1.10.0", "galaxy.yml", "version: 1.11.0\n", "v1.10.0 is not the version 1.11.0 of galaxy.yml"),
        ("v1.10.0", "changelogs/changelog.yaml", "releases: {1.9.0: {}}\n", "changelog.yaml has no 1.10.0"),
        ("v1.10.0", "changelogs/changelog.yaml", None, "changelog.yaml has no 1.10.0"),
        ("v1.10.0", "changelogs/fragments/late.yml", "bugfixes: []\n", "Not in the changelog yet: late.yml"),
    ],
)
def test_what_is_wrong(
    release: types.ModuleType, checkout: pathlib.Path, tag: str, file: str, text: str | None, says: str
) -> None:
    if text is None:
        (checkout / file).unlink()
    elif file:
        (checkout / file).write_text(text)
    (problem,) = release.problems(checkout, tag)
    assert says in problem
