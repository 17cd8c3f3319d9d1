# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The addresses of the rules' pages."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.conf.catalogue import RULES as CONF_RULES
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.catalogue import DOCUMENTATION, Rule
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.catalogue import RULES as SCRIPT_RULES


def test_the_documentation_is_where_the_collection_says(root: pathlib.Path) -> None:
    assert yaml.safe_load((root / "galaxy.yml").read_text())["documentation"] == DOCUMENTATION


@pytest.mark.parametrize("rule", [*SCRIPT_RULES.values(), *CONF_RULES.values()], ids=lambda rule: rule.page)
def test_each_rule_has_a_page(root: pathlib.Path, rule: Rule) -> None:
    path, _hash, heading = rule.page.removeprefix(f"{DOCUMENTATION}/").partition("#")
    text = (root / "docs" / path).read_text()
    assert f"\n## {heading}\n" in text if heading else f"# {rule.id}\n" in text
