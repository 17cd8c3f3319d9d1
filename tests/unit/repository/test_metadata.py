# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's own metadata."""

from __future__ import annotations

import pathlib

import yaml


def test_action_group_has_every_module(root: pathlib.Path) -> None:
    group = yaml.safe_load((root / "meta/runtime.yml").read_text())["action_groups"]["slurm"]
    assert group == sorted(path.stem for path in root.glob("plugins/modules/*.py")), "meta/runtime.yml, action_groups"


def test_every_action_has_its_module(root: pathlib.Path) -> None:
    """The documentation of an action plugin is in the module of the same name."""
    for action in root.glob("plugins/action/[!_]*.py"):
        assert (root / "plugins/modules" / action.name).exists(), f"plugins/action/{action.name} has no module"


def test_private_code_says_so(root: pathlib.Path) -> None:
    """The name of a file that other collections must not import begins with an underscore, and the file says so."""
    public, silent = [], []
    for directory in ("module_utils", "plugin_utils", "doc_fragments"):
        for path in (root / "plugins" / directory).rglob("*.py"):
            name = str(path.relative_to(root))
            if not path.relative_to(root / "plugins" / directory).parts[0].startswith("_"):
                public.append(name)
            if path.name != "__init__.py" and "is PRIVATE to the collection" not in path.read_text():
                silent.append(name)
    assert not public, "begin with no underscore"
    assert not silent, "do not say `Note that this ... is PRIVATE to the collection`"
