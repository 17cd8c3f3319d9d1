# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules say of themselves, read without importing them."""

from __future__ import annotations

import ast
import pathlib
import typing as t

import yaml

ROOT = pathlib.Path(__file__).parents[3]
PLUGINS = ROOT / "plugins"


def documentation(module: pathlib.Path) -> dict[str, t.Any]:
    """The YAML blocks of a module, without importing it."""
    blocks: dict[str, t.Any] = {}
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in ("DOCUMENTATION", "EXAMPLES", "RETURN"):
                blocks[name] = yaml.safe_load(ast.literal_eval(node.value))
    return blocks


def options_of(module: pathlib.Path) -> dict[str, t.Any]:
    """The options that a module documents, with those of our fragments that it extends."""
    documented = documentation(module)["DOCUMENTATION"]
    options = dict(documented.get("options", {}))
    for fragment in documented.get("extends_documentation_fragment", []):
        source = PLUGINS / "doc_fragments" / f"{fragment.split('.')[2]}.py"
        (found,) = [node for node in ast.parse(source.read_text()).body if isinstance(node, ast.ClassDef)]
        for node in found.body:
            if isinstance(node, ast.Assign):
                options |= yaml.safe_load(ast.literal_eval(node.value)).get("options", {})
    return options
