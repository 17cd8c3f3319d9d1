# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""The oldest Python of a host runs every module, and what a user reads of an older one."""

from __future__ import annotations

import importlib
import pathlib
import re
import typing as t

import pytest
import yaml
from ansible.release import __version__ as CORE  # noqa: N812
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _host_python
from ansible_test._util.target.common import constants

#: The oldest Python of a host that this ansible-core itself takes.
CORE_NEEDS = (3, 9) if tuple(map(int, CORE.split(".")[:2])) >= (2, 20) else (3, 8)
#: Each module that runs on a host, with what it cannot do without.
CALLS: dict[str, dict[str, t.Any]] = {
    "bundle": {},
    "cluster_info": {},
    "conf": {"text": ""},
    "conf_trial": {"text": ""},
    "held_jobs": {"jobs": []},
    "held_jobs_info": {},
    "hook_log_info": {},
    "init": {"id": "0" * 16},
    "journal": {"state": "closed"},
    "journal_info": {},
    "node": {"name": "w1", "state": "resumed", "reason": "x"},
    "node_info": {},
    "probe": {"name": "w1"},
    "proof_info": {},
    "reconfigure": {},
    "release": {"state": "absent"},
}
#: An action of its own, and one for several modules.
SOME = ("cluster_info", "journal", "release")
#: What Python or Ansible's wrapper says of itself.
TRACES = "Traceback|MODULE FAILURE|Module result deserialization|No start of json|not subscriptable|has no attribute|SyntaxError"


@pytest.fixture
def find_python(root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[[str], pathlib.Path]:
    """A Python of this machine; without it the test is skipped."""
    monkeypatch.syspath_prepend(root / "tools")

    def find(version: str) -> pathlib.Path:
        found = importlib.import_module("pythons").find([version])
        if not found:
            pytest.skip(f"this machine has no Python {version}")
        return pathlib.Path(found[version])

    return find


@pytest.fixture
def call(ansible: t.Any, inventory: pathlib.Path) -> t.Callable[..., str]:
    """Call modules on a host in check mode, with variables of the host; what Ansible says."""

    def run(modules: t.Iterable[str], **variables: object) -> str:
        tasks = [{f"nodecycle.slurm.{module}": CALLS[module]} for module in modules]
        play = {"hosts": "w1", "gather_facts": False, "ignore_errors": True, "tasks": tasks}
        playbook = inventory.with_name("playbook.yml")
        playbook.write_text(yaml.safe_dump([{**play, "vars": variables}]))
        done = ansible(
            "ansible-playbook", f"--inventory={inventory}", "--check", playbook, timeout=600, ANSIBLE_PIPELINING="1"
        )
        said: str = done.stdout + done.stderr
        assert f"ok={len(tasks)} " in said, said
        return said

    return run


@pytest.mark.parametrize(
    ("output", "is_refused"),
    [
        ("3.6.8\n", True),
        ("2.7.18\n", True),
        ("3.7.16\n", True),
        ("Welcome to node7, which has 3 users.\n3.7.0rc1\n", True),
        ("3.8.0\n", False),
        ("3.14.0a1\n", False),
        ("3.10.0\n", False),
        ("", False),
        ("sh: 1: python3: not found\n", False),
        ("3\n", False),
    ],
)
def test_only_a_version_that_is_too_old_is_refused(output: str, is_refused: bool) -> None:
    said = _host_python.refusal("/usr/bin/python3", output)
    assert bool(said) is is_refused
    if is_refused:
        assert said.startswith(f"/usr/bin/python3 of this host is Python {output.split()[-1]}, and nodecycle.slurm ")
        assert "3.8 or newer" in said
        assert "ansible_python_interpreter" in said


def refusals(said: str, python: pathlib.Path, version: str) -> int:
    """How many tasks ended with the sentence about this Python, and nothing else."""
    fatal = [line for line in said.splitlines() if line.startswith("fatal:")]
    for line in fatal:
        assert f"{python} of this host is Python {version}." in line
        assert "set `ansible_python_interpreter` for this host to its path." in line
    assert not re.search(TRACES, said), said
    return len(fatal)


@pytest.mark.parametrize("version", ["3.6", "3.7"])
def test_an_old_python_of_a_host_is_named(
    call: t.Callable[..., str], find_python: t.Callable[[str], pathlib.Path], version: str
) -> None:
    python = find_python(version)
    said = call(SOME, ansible_python_interpreter=str(python))
    assert refusals(said, python, version) == len(SOME)


def test_the_python_that_ansible_finds_on_el_8_is_named(
    call: t.Callable[..., str], find_python: t.Callable[[str], pathlib.Path], tmp_path: pathlib.Path
) -> None:
    """Its system's own is no C(python3) in PATH; ansible-core 2.16 knows the place, and a user may have named it."""
    python = tmp_path / "platform-python"
    python.symlink_to(find_python("3.6"))
    said = call(SOME, ansible_interpreter_python_fallback=[str(python)])
    assert refusals(said, python, "3.6") == len(SOME)


def test_a_run_ends_with_it_before_anything_else(
    ansible: t.Any, inventory: pathlib.Path, find_python: t.Callable[[str], pathlib.Path]
) -> None:
    python = find_python("3.6")
    (inventory.parent / "group_vars").mkdir()
    (inventory.parent / "group_vars/all.yml").write_text(
        yaml.safe_dump({"ansible_python_interpreter": str(python), "slurm_worker_prolog": "#!/bin/sh\ntrue\n"})
    )
    done = ansible("ansible-playbook", f"--inventory={inventory}", "--check", "nodecycle.slurm.site", timeout=600)
    assert done.returncode
    assert refusals(done.stdout + done.stderr, python, "3.6") == 1


def test_every_module_runs_with_the_oldest_python(
    call: t.Callable[..., str], find_python: t.Callable[[str], pathlib.Path]
) -> None:
    """Here is no Slurm, so that many fail; each by itself, with a sentence."""
    oldest = max(_host_python.OLDEST, CORE_NEEDS)
    said = call(CALLS, ansible_python_interpreter=str(find_python("{}.{}".format(*oldest))))
    assert "of this host is Python" not in said
    assert not re.search(TRACES, said), said


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


def test_the_oldest_python_is_the_same_everywhere(root: pathlib.Path) -> None:
    oldest = _host_python.OLDEST
    targets = re.findall(r'^"plugins/module\w+/\*\*" = "(\w+)"$', (root / "ruff.toml").read_text(), re.MULTILINE)
    assert targets == ["py{}{}".format(*oldest)] * 2
    assert "OLDEST_PYTHON = ({}, {})\n".format(*oldest) in (root / "tools/sanity.py").read_text()
    assert 'python_requires: ">={}.{}"\n'.format(*oldest) in (root / "tests/config.yml").read_text()
    assert "Python {}.{} or newer, root".format(*oldest) in (root / "README.md").read_text()
    assert "need Python {}.{} or newer".format(*oldest) in (root / "docs/guide/getting-started.md").read_text()
    assert "Python {}.{} or newer".format(*oldest) in (root / "docs/guide/systems.md").read_text()


def test_the_guide_has_the_pythons_of_this_ansible_core(root: pathlib.Path) -> None:
    page = (root / "docs/guide/systems.md").read_text()
    known = [*constants.REMOTE_ONLY_PYTHON_VERSIONS, *constants.CONTROLLER_PYTHON_VERSIONS]
    served = sorted(version for name in known if (version := tuple(map(int, name.split(".")))) >= _host_python.OLDEST)
    (row,) = re.findall(rf"^\| .*\b{re.escape('.'.join(CORE.split('.')[:2]))}\b.* \| (.*) \|$", page, re.MULTILINE)
    assert row == " to ".join("{}.{}".format(*version) for version in (served[0], served[-1]))
    assert served[0] == max(_host_python.OLDEST, CORE_NEEDS)


def test_the_guide_has_the_message_of_el_8(root: pathlib.Path) -> None:
    page = (root / "docs/guide/systems.md").read_text()
    said = _host_python.refusal("/usr/libexec/platform-python", "3.6.8\n")
    assert f"\n    {said.partition(' Install')[0]}\n" in page


def test_every_module_that_goes_to_a_host_has_an_action_that_names_its_python(root: pathlib.Path) -> None:
    routed = yaml.safe_load((root / "meta/runtime.yml").read_text())["plugin_routing"]["modules"]
    assert set(map(str, routed.values())) == {str({"action_plugin": "nodecycle.slurm.cluster_info"})}
    actions = {path.stem: path.read_text() for path in root.glob("plugins/action/[!_]*.py")}
    assert not set(routed) & set(actions)
    on_hosts = {path.stem for path in root.glob("plugins/modules/*.py") if "AnsibleModule" in path.read_text()}
    assert on_hosts == set(CALLS)
    for name in on_hosts - set(routed):
        assert "class ActionModule(OnHost" in actions[name], f"meta/runtime.yml lacks {name}"
