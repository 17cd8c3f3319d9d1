# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables of a host that are no scripts: each host may have its own, and a wrong one stops the run before any host is touched."""

from __future__ import annotations

import json
import pathlib
import typing as t
from unittest import mock

import pytest
from ansible_collections.nodecycle.slurm.plugins.action import release
from ansible_collections.nodecycle.slurm.plugins.module_utils import _release
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Script
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _own_files

TEXT = "#!/bin/sh\n"
ROOT = "/etc/nodecycle"
DIRECTORIES = ["/opt/slurm/bin", "/opt/it's/bin"]
HOSTS: dict[str, dict[str, t.Any]] = {
    "c": {},
    "w1": {"slurm_script_path": []},
    "w2": {"slurm_script_path": DIRECTORIES},
}

CLUSTER = {
    "version": "24.11.5",
    "conf_path": "/etc/slurm/slurm.conf",
    "controllers": ["c"],
    "partitions": ["batch"],
    "nodes": {"w1": {}, "w2": {}},
    "conf": [],
    "adopted": [],
    "loose_partitions": {},
    "waits_for_database": [],
    "reconfigure_due": False,
    "fragment": "",
    "included": False,
    "intact": "",
    "is_clean": True,
    "committed": None,
}


def expected(script_path: t.Sequence[str]) -> str:
    """The name of a worker's release."""
    hooks = [name for name, hook in HOOKS.items() if hook.host == "worker"]
    scripts = {hook: [Script("script", TEXT.encode())] if hook == "worker_prolog" else [] for hook in hooks}
    built = _release.build(scripts, ROOT, _own_files.dispatcher_bodies(), script_path)
    assert built
    return built.id


def play(directory: pathlib.Path, ansible: t.Any, playbook: str, hosts: dict[str, dict[str, t.Any]]) -> str:
    groups = {
        "slurm_controller": {"hosts": {"c": hosts["c"]}},
        "slurm_worker": {"hosts": {name: hosts[name] for name in ("w1", "w2")}},
    }
    inventory = directory / "inventory.yml"
    inventory.write_text(json.dumps({"all": {"children": groups, "vars": {"slurm_worker_prolog": TEXT}}}))
    done = ansible("ansible-playbook", f"--inventory={inventory}", playbook, timeout=120, COLUMNS="10000")
    return done.stdout + done.stderr


def test_the_check_knows_each_hosts_own(tmp_path: pathlib.Path, ansible: t.Any) -> None:
    task = {"cluster": CLUSTER, "controllers": ["c"], "workers": ["w1", "w2"], "targets": ["c", "w1", "w2"]}
    show = {"ansible.builtin.debug": {"msg": "{{ done.hosts.w1.id }} {{ done.hosts.w2.id }}"}, "run_once": True}
    tasks = [{"nodecycle.slurm.definition": task, "register": "done", "run_once": True}, show]
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    assert f'"{expected([])} {expected(DIRECTORIES)}"' in play(tmp_path, ansible, str(playbook), HOSTS)


def test_wrong_ones_are_refused_before_any_host_is_touched(tmp_path: pathlib.Path, ansible: t.Any) -> None:
    wrong = {"slurm_script_path": ["bin"], "slurm_slurmd_unit": "a b", "slurm_slurmctld_unit": "slurmctld.socket"}
    said = play(tmp_path, ansible, "playbooks/validate.yml", {**HOSTS, "w2": wrong})
    assert "No host was touched" in said
    for problem in ("script_path is ['bin']", "slurmd_unit is 'a b'", "slurmctld_unit is 'slurmctld.socket'"):
        assert f"slurm_{problem}, which is no " in said
    assert " [host w2]. Remedy: write " in said


@pytest.mark.parametrize("script_path", [[], DIRECTORIES, None])
def test_the_release_is_the_one_that_the_check_named(script_path: list[str] | None) -> None:
    done, sent = staged(script_path=script_path)
    assert "failed" not in done
    manifest, _content = _release.unpack(sent["payload"])
    assert manifest["id"] == expected(script_path or [])
    assert "script_path" not in sent, "nothing on the host needs it"


def test_a_relative_one_is_not_staged() -> None:
    done, sent = staged(script_path=["bin"])
    assert done["failed"] is True
    assert "slurm_script_path has 'bin'" in done["msg"]
    assert sent == {}


def staged(**arguments: t.Any) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """The result of the action, and the arguments that it sends to the module; without a host for it to run on."""
    hooks = {name: TEXT if name == "worker_prolog" else [] for name, hook in HOOKS.items() if hook.host == "worker"}
    task = mock.Mock(args={"hooks": hooks, "root": ROOT, **arguments}, async_val=0, check_mode=True)
    task.get_ds.return_value = {}
    loader = mock.Mock(_FILE_CACHE={}, get_basedir=lambda: ROOT)
    action = release.ActionModule(task, mock.Mock(), mock.Mock(), loader, mock.Mock(), mock.Mock())
    with mock.patch.object(action, "_execute_module", return_value={}) as execute:
        done = action.run(task_vars={})
    return done, execute.call_args.kwargs["module_args"] if execute.called else {}
