# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values, names and groups that a run must not begin with."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _own_files, _variables
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._schema import Problem

KNOWN = _own_files.known_variables()

WRONG: dict[str, list[t.Any]] = {
    "slurm_adopt_conf_keys": [{"Prolog": 1}],
    "slurm_batch_pause": ["5s", -1, None, [1], 86401],
    "slurm_batch_probe": ["yess", None],
    "slurm_batch_watch": ["ten", -1, 1.5, True, "", None],
    "slurm_batches": ["0", 0, "-1", "101%", "0%", "50 %", ["20%", "all"], "", []],
    "slurm_bin_dir": ["opt/slurm/bin", "/opt\n"],
    "slurm_birth": ["perhaps"],
    "slurm_delivery": ["pull", "", True],
    "slurm_canary": ["150%", "0", "0%", "-3", "1.5", "node[1-", "a b"],
    "slurm_conf_path": ["", "slurm.conf", None],
    "slurm_controller_init_gate": ["always"],
    "slurm_extra_conf": [{"a": 1}, 5, [{"a": 1}]],
    "slurm_init_timeout": [0, "30m", 86401],
    "slurm_keep_conf_keys": [{"Prolog": 1}],
    "slurm_lint_sarif": [["found.sarif"], {"a": 1}],
    "slurm_lint_severity": ["error", ["a"]],
    "slurm_lint_threshold": ["fatal", None, ["error"]],
    "slurm_login_init_timeout": [0, "1h"],
    "slurm_node_name": ["node[1-2]", "a b", "-n1", "a,b"],
    "slurm_probe": ["maybe"],
    "slurm_probe_account": ["two words", "-A x"],
    "slurm_probe_command": ["", " "],
    "slurm_probe_gres": ["gpu 1"],
    "slurm_probe_qos": ["a b"],
    "slurm_probe_timeout": ["2m", 0, 86401],
    "slurm_probe_user": ["root", "a b", "a:b"],
    "slurm_release_keep": [0, 1, "five"],
    "slurm_release_root": ["", "relative", "/", "/etc", "/a/../b", "/a b"],
    "slurm_restart_allowed": ["yess", 2],
    "slurm_removal_allowed": ["sure"],
    "slurm_script_path": [["bin"], ["/a:/b"], "bin", ["/a/../b"], [""], {"a": 1}],
    "slurm_slurmctld_unit": ["", "a b", "x.socket", "-x", None],
    "slurm_slurmd_unit": ["", "../x", "slurmd.timer"],
    "slurm_take_lock": ["please"],
    "slurm_tolerated_nodes": ["two", -1, False],
    "slurm_try_controller": ["perhaps"],
    "slurm_unmanaged_nodes": ["cloud[1-", "a b"],
    "slurm_unreachable_nodes": ["ignore", "", True],
}
RIGHT: dict[str, list[t.Any]] = {
    "slurm_adopt_conf_keys": [[], "Prolog", ["Prolog", "Epilog"], None],
    "slurm_batch_watch": [0, "10", 86400],
    "slurm_batches": [1, "1", "50%", ["20%", "100%"], "1,50%", [1, 5]],
    "slurm_canary": ["", 1, "3", "10%", "0.5%", "node[1-3],login1", "100%", None],
    "slurm_extra_conf": ["", None, "A=1\n", ["A=1"], []],
    "slurm_node_name": ["node1", "a-b.c_d"],
    "slurm_probe_user": ["", "alice", "_svc", "a.b", "host$"],
    "slurm_release_root": ["/etc/nodecycle", "/etc//nodecycle", "/opt/x/"],
    "slurm_restart_allowed": [True, False, "yes", "no", "true", 1, 0],
    "slurm_script_path": [[], ["/opt/slurm/bin"], None],
    "slurm_slurmd_unit": ["slurmd", "slurmd@main.service"],
    "slurm_unmanaged_nodes": ["", "cloud[1-5]", None],
}


def pairs(table: dict[str, list[t.Any]]) -> list[tuple[str, t.Any]]:
    return [(name, value) for name, values in table.items() for value in values]


@pytest.mark.parametrize(("name", "value"), pairs(WRONG))
def test_a_wrong_value_is_told_with_its_variable_and_a_remedy(name: str, value: t.Any) -> None:
    problem = _variables.wrong(name, value, KNOWN[name])
    assert problem
    assert problem.where == name
    assert problem.remedy


@pytest.mark.parametrize(("name", "value"), pairs(RIGHT))
def test_a_right_value_passes(name: str, value: t.Any) -> None:
    assert _variables.wrong(name, value, KNOWN[name]) is None


def test_every_default_passes() -> None:
    for name, spec in KNOWN.items():
        if not str(spec["default"]).startswith("{{"):
            assert _variables.wrong(name, spec["default"], spec) is None, name


def test_every_variable_has_a_wrong_value_here() -> None:
    """So that a new variable gets a check, or a reason to have none."""
    free = {"slurm_rollback_to", "slurm_foreign_variables", "slurm_lint_disable", *_variables.GROUPS}
    hooks = {f"slurm_{hook}" for hook in HOOKS}
    assert {name for name in KNOWN if name.startswith("slurm_")} - free - hooks == set(WRONG)


def test_no_message_quotes_the_lines_of_slurm_conf() -> None:
    problem = _variables.wrong("slurm_extra_conf", {"Key": "s3cret"}, KNOWN["slurm_extra_conf"])
    assert problem
    assert "s3cret" not in str(problem)


def test_a_value_of_all_hosts_names_none_and_that_of_some_names_them() -> None:
    values = {f"w{number}": {"slurm_batch_watch": "x", "slurm_release_keep": number} for number in range(1, 4)}
    found = _variables.problems(values, KNOWN)
    assert [(host, problem.where) for host, problem in found] == [
        ("w1", "slurm_release_keep"),
        ("", "slurm_batch_watch"),
    ]


def test_what_holds_for_the_cluster_has_one_value() -> None:
    (found,) = _variables.problems({"w1": {"slurm_tolerated_nodes": 2}, "c": {"slurm_tolerated_nodes": 0}}, KNOWN)
    assert "2 on w1; 0 on c" in found[1].message
    assert _variables.problems({"w1": {"slurm_init_timeout": 2}, "c": {"slurm_init_timeout": 9}}, KNOWN) == []


def test_a_group_name_that_no_play_sees_is_told() -> None:
    values = {"w1": {"slurm_worker_group": "compute"}}
    assert [host for host, _problem in _variables.unseen(values, KNOWN, {})] == ["w1"]
    assert _variables.unseen(values, KNOWN, {"slurm_worker_group": "compute"}) == []
    assert _variables.unseen({"w1": {"slurm_worker_group": "slurm_worker"}}, KNOWN, {}) == []


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        ({"slurm_controller": ["c"], "slurm_workers": ["w"]}, ["slurm_worker"]),
        ({"slurm_controler": ["c"], "slurm_worker": ["w"]}, ["slurm_controller"]),
        ({"slurm_controller": ["c"], "slurm_worker": ["w"], "slurm_workers": ["w"]}, []),
        ({"slurm_controller": ["c"], "slurm_workers": []}, []),
        ({"slurm_controller": ["c"], "compute": ["w"]}, []),
    ],
)
def test_a_misspelt_group_is_told(groups: dict[str, list[str]], told: list[str]) -> None:
    assert [problem.where for problem in _variables.misspelt_groups(groups, KNOWN, {})] == told


# --- names


def unknown(*names: str, foreign: t.Sequence[str] = ()) -> list[Problem]:
    return _variables.misspelt(names, KNOWN, foreign)


#: Variables of widespread roles (galaxyproject.slurm, stackhpc.openhpc) and of the site.
OTHERS = [
    "slurm_nodes", "slurm_config", "slurm_partitions", "slurm_config_dir", "slurm_configless", "slurm_cgroup_config", "slurm_gres_config",
    "slurm_roles", "slurm_munge_key", "slurm_version", "slurm_user", "slurm_conf", "slurm_login_nodes", "slurm_worker_nodes", "slurm_controller_host",
    "slurmdbd_config", "openhpc_slurm_partitions", "slurm_prolog_dir", "slurm_epilog", "slurm_task_plugin", "worker_prolog", "slurm_extra_packages",
    "install_wiat",
]  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_variables_of_others_are_none_of_our_business(name: str) -> None:
    assert unknown(name) == []


def test_the_inner_variables_of_the_role_install_are_known() -> None:
    assert _variables.misspelt(["install__partitions"], KNOWN, [], install=True) == []


def test_our_own_variables_are_known() -> None:
    ours = [f"slurm_{hook}" for hook in HOOKS]
    assert unknown(*ours, "slurm_extra_conf", "slurm_node_name", "slurm_release_keep", "slurm_conf_path") == []


MISSPELT = [
    ("slurm_worker_prologue", "slurm_worker_prolog"),
    ("slurm_worker_prolg", "slurm_worker_prolog"),
    ("slurm_wroker_prolog", "slurm_worker_prolog"),
    ("slurm_workers_epilog", "slurm_worker_epilog"),
    ("slurm_task_prologs", "slurm_task_prolog"),
    ("slurm_controler_init", "slurm_controller_init"),
    ("slurm_login_prolog", None),
    ("slurm_controller_slurmctld_prolog", None),
    ("slurm_extra_config", "slurm_extra_conf"),
    ("slurm_extra_confs", "slurm_extra_conf"),
    ("slurm_canery", "slurm_canary"),
    ("slurm_tolerated_node", "slurm_tolerated_nodes"),
    ("slurm_restart_allow", "slurm_restart_allowed"),
    ("slurm_batch_wacth", "slurm_batch_watch"),
    ("slurm_realease_root", "slurm_release_root"),
]


@pytest.mark.parametrize(("name", "meant"), MISSPELT)
def test_misspelt_variables_are_told(name: str, meant: str | None) -> None:
    (problem,) = unknown(name)
    assert problem.where == name
    assert "slurm_foreign_variables" in problem.remedy
    assert unknown(name, foreign=[name]) == []
    if meant:
        assert f"did you mean {meant!r}?" in problem.message
