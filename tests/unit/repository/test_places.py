# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names that no committed file may hold, because they exist on one machine only."""

from __future__ import annotations

import pathlib
import re

import pytest

#: Written in pieces, so that this file passes its own test.
HOSTS = (
    "pypi" + ".org",
    "files.pythonhosted" + ".org",
    "registry.npmjs" + ".org",
    "galaxy.ansible" + ".com",
    "docker" + ".io",
    "quay" + ".io",
    "ghcr" + ".io",
    "deb.debian" + ".org",
    "archive.ubuntu" + ".com",
    "security.ubuntu" + ".com",
)
PATHS = ("/" + "work", "/" + "root")

HOST = re.compile("|".join(map(re.escape, HOSTS)))
PATH = re.compile(rf"(?<![\w.~}}\])-])({'|'.join(PATHS)})(?=/|\b(?![\w.-]))")


def test_no_registry_and_no_path_of_a_machine(root: pathlib.Path, committed_files: list[pathlib.Path]) -> None:
    found = []
    for path in committed_files:
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            found += [f"{path.relative_to(root)}:{number}: {match[0]}" for match in HOST.finditer(line)]
            found += [f"{path.relative_to(root)}:{number}: {match[0]}" for match in PATH.finditer(line)]
    assert not found, "a registry's host or a machine's path:\n" + "\n".join(found)


@pytest.mark.parametrize("text", [f"{path}{rest}" for path in PATHS for rest in ("", "/x", ": y", "'")])
def test_the_patterns_find(text: str) -> None:
    assert PATH.search(text)
    assert PATH.search(f"cd {text}")


@pytest.mark.parametrize("text", ["~" + PATHS[1], "a" + PATHS[0], PATHS[0] + "er", "." + PATHS[0] + "/x"])
def test_the_patterns_let_pass(text: str) -> None:
    assert not PATH.search(text)
