# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two linters stand on one core and know nothing of each other."""

from __future__ import annotations

import ast
import pathlib
import typing as t

import pytest

LINT = pathlib.Path(__file__).parents[3] / "plugins/plugin_utils/_lint"
PACKAGE = "ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint"

#: The parts of the linters that each part may import, beside itself.
ALLOWED = {"core": set(), "script": {"core"}, "conf": {"core"}}


def imported(source: str, package: str) -> t.Iterator[str]:
    """The full names that a module of a package imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            base = parents[: len(parents) - node.level + 1] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{prefix}.{alias.name}" for alias in node.names)


def parts_of(source: str, package: str) -> set[str]:
    """The parts of the linters that a module imports."""
    names = [name.removeprefix(f"{PACKAGE}.") for name in imported(source, package) if name.startswith(f"{PACKAGE}.")]
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("part", ALLOWED)
def test_a_part_imports_what_it_may(part: str) -> None:
    files = sorted((LINT / part).rglob("*.py"))
    assert len(files) > 3
    wrong = {}
    for file in files:
        package = ".".join([PACKAGE, *file.parent.relative_to(LINT).parts])
        if found := parts_of(file.read_text(), package) - ALLOWED[part] - {part}:
            wrong[str(file.relative_to(LINT))] = found
    assert not wrong


@pytest.mark.parametrize(
    ("source", "package"),
    [
        ("from ..conf import facts", "script"),
        ("from ...conf.facts import parts", "script.checks"),
        ("from .. import conf", "script"),
        ("import ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.conf.facts", "core"),
        ("from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.conf.facts import parts", "core"),
        ("def f():\n    from ..conf import engine", "core"),
    ],
)
def test_each_way_to_import_is_seen(source: str, package: str) -> None:
    assert parts_of(source, f"{PACKAGE}.{package}") == {"conf"}
