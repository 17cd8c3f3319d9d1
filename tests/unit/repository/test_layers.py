# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The layers of docs/architecture.md, and every import in plugins/ beside them."""

from __future__ import annotations

import ast
import pathlib
import re
import sys
import typing as t

import pytest

COLLECTION = "ansible_collections.nodecycle.slurm"

#: Their files import one another. No action imports another action.
SHARED = ("plugin_utils", "module_utils")


def layers(root: pathlib.Path) -> dict[str, set[str]]:
    """For each directory of plugins/ the words in backquotes of its column `may import`."""
    rows = re.findall(
        r"^\| `plugins/(\w+)/` \|[^|]*\|([^|]*)\|", (root / "docs/architecture.md").read_text(), re.MULTILINE
    )
    return {place: set(re.findall(r"`([\w.]+)`", allowed)) for place, allowed in rows}


def imported(path: pathlib.Path, package: str) -> t.Iterator[str]:
    """The full names of all modules that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            # `from package import module` names a module as well.
            yield from (f"{base}.{name.name}" for name in node.names)


def layer_of(name: str) -> str:
    """A module's name in the table: a directory of plugins/, else its own name; empty for the standard library."""
    parts = name.split(".")
    if parts[:3] == COLLECTION.split("."):
        return parts[4] if len(parts) > 4 and parts[3] == "plugins" else name
    return "" if parts[0] in sys.stdlib_module_names else name


def refused(root: pathlib.Path) -> list[str]:
    """The imports that the table does not allow."""
    table = layers(root)
    found = []
    for path in sorted((root / "plugins").rglob("*.py")):
        place = path.relative_to(root / "plugins").parts[0]
        package = ".".join([COLLECTION, *path.relative_to(root).parent.parts])
        allowed = table.get(place, set()) | ({place} if place in SHARED else set())
        for name in imported(path, package):
            layer = layer_of(name)
            if layer and not any(f"{layer}.".startswith(f"{one}.") for one in allowed):
                found.append(f"{path.relative_to(root)} imports {name}")
    return found


def test_imports_point_downwards(root: pathlib.Path) -> None:
    assert refused(root) == [], "docs/architecture.md, Layers"


def test_the_table_has_every_directory_with_imports(root: pathlib.Path) -> None:
    present = {path.relative_to(root / "plugins").parts[0] for path in (root / "plugins").rglob("*.py")}
    assert set(layers(root)) == present - {"doc_fragments"}


@pytest.mark.parametrize(
    ("place", "line", "is_allowed"),
    [
        ("action/definition.py", f"from {COLLECTION}.plugins.modules.definition import ARGUMENT_SPEC", False),
        ("action/definition.py", f"from {COLLECTION}.plugins.action import release", False),
        ("action/definition.py", f"from {COLLECTION}.plugins.plugin_utils import _definition", True),
        ("modules/node.py", f"from {COLLECTION}.plugins.plugin_utils import _rendering", False),
        ("modules/node.py", f"from {COLLECTION}.plugins import plugin_utils", False),
        ("modules/node.py", f"import {COLLECTION}.plugins.modules.probe", False),
        ("modules/node.py", "def late():\n    from ansible.plugins.action import ActionBase", False),
        ("modules/node.py", "from ansible.module_utils.basic import AnsibleModule", True),
        ("module_utils/_slurm.py", "import yaml", False),
        ("module_utils/_slurm.py", "from ..plugin_utils import _rendering", False),
        ("module_utils/_slurm.py", "from . import _files", True),
        ("module_utils/_slurm.py", "import json, os.path", True),
        ("plugin_utils/_lint/checks/waits.py", "from ..model import Finding", True),
        ("plugin_utils/_lint/checks/waits.py", "from ....modules import node", False),
    ],
)
def test_an_import_that_points_upwards_is_seen(
    place: str, line: str, is_allowed: bool, root: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/architecture.md").write_bytes((root / "docs/architecture.md").read_bytes())
    path = tmp_path / "plugins" / place
    path.parent.mkdir(parents=True)
    path.write_text(f"{line}\n")
    assert (refused(tmp_path) == []) == is_allowed
