# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user reads whose ansible-core, or whose host's Python, is too old. `nox -s unit-too-old` does this with a real one."""

from __future__ import annotations

import importlib
import pathlib
import re
import typing as t

import pytest
import yaml
from ansible.release import __version__ as CORE  # noqa: N812

INVENTORY = """
slurm_controller: {hosts: {ctl: }}
slurm_worker: {hosts: {w1: }}
all: {vars: {ansible_connection: local}}
"""
#: An action of its own, and one for several modules.
PLAYBOOK = """
- hosts: w1
  gather_facts: false
  ignore_errors: true
  tasks:
    - nodecycle.slurm.cluster_info:
    - nodecycle.slurm.release: {state: absent}
    - nodecycle.slurm.journal: {state: closed}
"""
#: The oldest that this collection takes is the same in all of these places.
NEEDED = "2.16"
IS_OLD = tuple(map(int, CORE.split(".")[:2])) < tuple(map(int, NEEDED.split(".")))
ON_A_SUPPORTED_CORE = pytest.mark.skipif(IS_OLD, reason=f"ansible-core {CORE} refuses before any host is asked")


@pytest.fixture
def inventory(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "inventory.yml"
    path.write_text(INVENTORY)
    return path


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


# --- the hosts


@ON_A_SUPPORTED_CORE
@pytest.mark.parametrize(
    ("output", "is_refused"),
    [
        ("3.6.8\n", True),
        ("2.7.18\n", True),
        ("3.8.18\n", True),
        ("Welcome to node7, which has 3 users.\n3.8.0rc1\n", True),
        ("3.9.0\n", False),
        ("3.14.0a1\n", False),
        ("3.10.0\n", False),
        ("", False),
        ("sh: 1: python3: not found\n", False),
        ("3\n", False),
    ],
)
def test_only_a_version_that_is_too_old_is_refused(output: str, is_refused: bool) -> None:
    from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _host_python

    said = _host_python.refusal("/usr/bin/python3", output)
    assert bool(said) is is_refused
    if is_refused:
        assert said.startswith(f"/usr/bin/python3 of this host is Python {output.split()[-1]}, and nodecycle.slurm ")
        assert "3.9 or newer" in said
        assert "ansible_python_interpreter" in said


@ON_A_SUPPORTED_CORE
@pytest.mark.parametrize("version", ["3.6", "3.8"])
def test_an_old_python_of_a_host_is_named(
    ansible: t.Any,
    inventory: pathlib.Path,
    root: pathlib.Path,
    version: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(root / "tools")
    python = importlib.import_module("pythons").find([version]).get(version)
    if python is None:
        pytest.skip(f"this machine has no Python {version}")
    playbook = inventory.with_name("playbook.yml")
    playbook.write_text(PLAYBOOK)
    done = ansible(
        "ansible-playbook",
        f"--inventory={inventory}",
        f"--extra-vars=ansible_python_interpreter={python}",
        "--check",
        playbook,
    )
    said = done.stdout + done.stderr
    assert f"ok={PLAYBOOK.count('nodecycle')} " in said, said
    fatal = [line for line in said.splitlines() if line.startswith("fatal:")]
    assert len(fatal) == PLAYBOOK.count("nodecycle")
    for line in fatal:
        assert f"{python} of this host is Python {version}." in line
        assert "set `ansible_python_interpreter` for this host to its path." in line
    assert not re.search("Traceback|No start of json|not subscriptable|has no attribute", said), said


@ON_A_SUPPORTED_CORE
def test_a_failure_with_a_python_that_is_new_enough_stays_as_it_is(
    ansible: t.Any, inventory: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    broken = tmp_path / "python3"
    broken.write_text('#!/bin/sh\n[ "$1" = -c ] && exec echo 3.12.1\necho something is wrong >&2; exit 3\n')
    broken.chmod(0o755)
    done = ansible(
        "ansible",
        "w1",
        f"--inventory={inventory}",
        f"--extra-vars=ansible_python_interpreter={broken}",
        "--module-name=nodecycle.slurm.proof_info",
    )
    assert "something is wrong" in done.stdout
    assert "of this host is Python" not in done.stdout


@ON_A_SUPPORTED_CORE
def test_the_oldest_python_is_the_same_everywhere(root: pathlib.Path) -> None:
    from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _host_python

    oldest = _host_python.OLDEST
    targets = re.findall(r'^"plugins/module\w+/\*\*" = "(\w+)"$', (root / "ruff.toml").read_text(), re.MULTILINE)
    assert targets == ["py{}{}".format(*oldest)] * 2
    assert "OLDEST_PYTHON = ({}, {})\n".format(*oldest) in (root / "tools/sanity.py").read_text()
    assert "Python {}.{} or newer, root".format(*oldest) in (root / "README.md").read_text()


def test_every_module_that_goes_to_a_host_has_an_action_that_names_its_python(root: pathlib.Path) -> None:
    routed = yaml.safe_load((root / "meta/runtime.yml").read_text())["plugin_routing"]["modules"]
    assert set(map(str, routed.values())) == {str({"action_plugin": "nodecycle.slurm.cluster_info"})}
    actions = {path.stem: path.read_text() for path in root.glob("plugins/action/[!_]*.py")}
    assert not set(routed) & set(actions)
    for path in root.glob("plugins/modules/*.py"):
        if "AnsibleModule" in path.read_text() and path.stem not in routed:
            assert "class ActionModule(OnHost" in actions[path.stem], f"meta/runtime.yml lacks {path.stem}"
