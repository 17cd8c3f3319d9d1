# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user reads whose ansible-core is too old. `nox -s unit-too-old` does this with a real one."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
import yaml
from ansible.release import __version__ as CORE  # noqa: N812

#: The oldest that this collection takes is the same in all of these places.
NEEDED = "2.16"
IS_OLD = tuple(map(int, CORE.split(".")[:2])) < tuple(map(int, NEEDED.split(".")))


@pytest.fixture
def old_core(tmp_path: pathlib.Path) -> tuple[str, dict[str, str]]:
    """The version of an ansible-core that is too old, and the environment that makes it so."""
    if IS_OLD:
        return CORE, {}
    (tmp_path / "old").mkdir()
    (tmp_path / "old/sitecustomize.py").write_text("import ansible.release\nansible.release.__version__ = '2.15.9'\n")
    return "2.15.9", {"PYTHONPATH": str(tmp_path / "old")}


@pytest.mark.parametrize("playbook", ["site", "status", "validate"])
def test_an_old_core_is_named_before_any_host_is_touched(
    ansible: t.Any, inventory: pathlib.Path, old_core: tuple[str, dict[str, str]], playbook: str
) -> None:
    version, environment = old_core
    done = ansible("ansible-playbook", "--inventory", inventory, f"nodecycle.slurm.{playbook}", **environment)
    said = done.stdout + done.stderr
    assert done.returncode
    assert f"nodecycle.slurm needs ansible-core {NEEDED} or newer, and this is {version}." in said
    assert f"pip install 'ansible-core>={NEEDED}'" in said
    assert not re.search("Traceback|probably a bug|MODULE FAILURE|fatal:", said), said
    assert "ansible_collections.nodecycle" not in said


def test_the_oldest_core_is_the_same_everywhere(root: pathlib.Path) -> None:
    assert yaml.safe_load((root / "meta/runtime.yml").read_text())["requires_ansible"] == f">={NEEDED}.0"
    for path in root.glob("roles/*/meta/main.yml"):
        assert yaml.safe_load(path.read_text())["galaxy_info"]["min_ansible_version"] == NEEDED, path
    text = (root / "plugins/action/__init__.py").read_text()
    assert f"OLDEST_CORE = ({NEEDED.replace('.', ', ')})\n" in text
