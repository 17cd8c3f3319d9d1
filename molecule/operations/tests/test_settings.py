# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run means the same whatever the user's ansible.cfg says."""

from __future__ import annotations

import json

import pytest
from conftest import extra, undone, users

SETTINGS = {
    "cautious": {
        "ANSIBLE_ANY_ERRORS_FATAL": "True",
        "ANSIBLE_STRATEGY": "free",
        "ANSIBLE_TASK_TIMEOUT": "1",
        "ANSIBLE_FORKS": "1",
        "ANSIBLE_GATHERING": "smart",
        "ANSIBLE_HASH_BEHAVIOUR": "merge",
        "ANSIBLE_PRIVATE_ROLE_VARS": "True",
        "ANSIBLE_INJECT_FACT_VARS": "False",
        "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
        "ANSIBLE_BECOME_FLAGS": "-H -S",
        "ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.profile_tasks,ansible.posix.timer",
    },
    "hasty": {
        "ANSIBLE_STRATEGY": "host_pinned",
        "ANSIBLE_FORKS": "100",
        "ANSIBLE_JINJA2_NATIVE": "True",
        "ANSIBLE_GATHERING": "explicit",
        "ANSIBLE_PIPELINING": "False",
        "ANSIBLE_KEEP_REMOTE_FILES": "True",
        "ANSIBLE_ERROR_ON_UNDEFINED_VARS": "False",
        "ANSIBLE_ERROR_ON_MISSING_HANDLER": "False",
        "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "False",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
        "ANSIBLE_DIFF_ALWAYS": "True",
        "ANSIBLE_FORCE_HANDLERS": "True",
        "ANSIBLE_PRECEDENCE": "all_inventory,groups_inventory,all_plugins_inventory,all_plugins_play,"
        "groups_plugins_inventory,groups_plugins_play",
    },
}


@pytest.fixture(params=SETTINGS)
def settings(request, tmp_path):
    return {**SETTINGS[request.param], "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path / "facts")}


def test_a_change_is_committed_although_a_tolerated_node_is_away_and_a_bad_one_is_undone(lab, good, settings, tmp_path):
    away = tmp_path / "away.yml"
    away.write_text(json.dumps({"all": {"hosts": {"worker2": {"ansible_host": "nowhere"}}}}))
    change = {"slurm_worker_epilog": "#!/bin/sh\necho changed\n", "slurm_extra_conf": "PrologEpilogTimeout=61"}
    with users(lab, "-w worker1"):
        done = lab.play(good, extra({**change, "slurm_tolerated_nodes": 1}), inventory=[away], env=settings)
    assert "is committed." in done.stdout, done.stdout
    with users(lab, "-w worker1"):
        done = lab.play(good, env=settings)
    assert done.returncode == 0, done.stdout
    assert "is committed." in done.stdout
    with undone(lab, "-w worker1"):
        done = lab.play(good, extra({"slurm_worker_prolog": "#!/bin/sh\nexit 3\n"}), env=settings)
    assert done.returncode == 2
    assert "worker_prolog: script 10-script ended with exit code 3" in done.stdout


@pytest.mark.parametrize("settings", ["hasty"], indirect=True)
def test_a_rollback_restores_the_release_before(lab, good, settings):
    before = lab.snapshot()
    done = lab.play(good, extra({"slurm_worker_epilog": "#!/bin/sh\necho later\n"}))
    assert done.returncode == 0, done.stdout
    for playbook in ("rollback", "status"):
        done = lab.play(playbook=f"playbooks/{playbook}.yml", env=settings)
        assert done.returncode == 0, done.stdout
    assert lab.snapshot() == before
