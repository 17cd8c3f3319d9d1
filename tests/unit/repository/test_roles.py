# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for every role that no other tool checks."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
import yaml

ROLES = sorted(path.parent.parent for path in pathlib.Path(__file__).parents[3].glob("roles/*/tasks/main.yml"))

pytestmark = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def load(path: pathlib.Path) -> dict[str, t.Any]:
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}


def documented_defaults(role: pathlib.Path) -> dict[str, t.Any]:
    """The options of the role's entry points that have a default, and that default."""
    options: dict[str, t.Any] = {}
    for entry_point in load(role / "meta/argument_specs.yml").get("argument_specs", {}).values():
        options |= entry_point.get("options", {})
    return {name: option["default"] for name, option in options.items() if "default" in option}


def test_defaults_equal_the_documented_ones(role: pathlib.Path) -> None:
    actual = load(role / "defaults/main.yml")
    documented = documented_defaults(role)
    assert sorted(actual) == sorted(documented), "defaults/main.yml and the defaults in meta/argument_specs.yml"
    different = {name: (value, documented[name]) for name, value in actual.items() if value != documented[name]}
    assert not different, f"name: (in defaults/main.yml, in meta/argument_specs.yml): {different}"


def test_every_entry_point_is_described(role: pathlib.Path) -> None:
    specs = load(role / "meta/argument_specs.yml").get("argument_specs", {})
    assert "main" in specs
    for name, entry_point in specs.items():
        assert entry_point.get("short_description"), name
        assert entry_point.get("description"), name
        for option, spec in entry_point.get("options", {}).items():
            assert spec.get("description"), f"{name}: {option}"
            assert spec.get("type"), f"{name}: {option}"


def test_has_a_readme(role: pathlib.Path) -> None:
    """Galaxy refuses a role without a README. A few lines suffice, because the variables are in the argument_specs."""
    assert (role / "README.md").is_file()


def expressions(node: object) -> t.Iterator[str]:
    """The texts of tasks or variables, but for what people read."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key not in ("name", "msg", "fail_msg"):
                yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)
    elif isinstance(node, str):
        yield node


def test_a_variable_that_is_yes_or_no_may_be_a_word(role: pathlib.Path) -> None:
    """`-e slurm_birth=true` is text: no condition takes it, and in an expression `false` would count as true. A module converts its option."""
    options = load(role.parent / "rollout/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    names = "|".join(name for name, option in options.items() if option["type"] == "bool")
    bare, whole = re.compile(rf"\b(?:{names})\b(?! \| bool\b)"), re.compile(r"{{ \w+ }}")
    pages = [*role.glob("tasks/*.yml"), *role.glob("vars/*.yml")]
    found = [(page.name, text) for page in pages for text in expressions(yaml.safe_load(page.read_text()))]
    assert [place for place in found if bare.search(place[1]) and not whole.fullmatch(place[1])] == []
