# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the playbooks refuse before they connect to a host, or where none answers: whole runs of ansible-playbook, without any host."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import typing as t

import pytest

GROUPS = "[slurm_controller]\nc1\n[slurm_login]\nl1\n[slurm_worker]\nw[1:3]\n"
SCRIPT = "slurm_worker_prolog: |\n  #!/bin/bash\n  logger start\n"
PLAYBOOKS = ["site", "validate", "status", "rollback", "explain", "install"]


class Site:
    """An inventory whose hosts nobody can reach."""

    def __init__(self, directory: pathlib.Path, ansible: t.Callable[..., subprocess.CompletedProcess[str]]) -> None:
        self.directory, self.ansible = directory, ansible
        self.write("inventory", GROUPS)
        self.write("group_vars/all.yml", SCRIPT)

    def write(self, name: str, text: str) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def play(self, playbook: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        environment = {"ANSIBLE_INVENTORY": str(self.directory / "inventory"), "COLUMNS": "10000", **environment}
        return self.ansible("ansible-playbook", f"playbooks/{playbook}.yml", *arguments, timeout=120, **environment)


def is_told(done: subprocess.CompletedProcess[str], text: str) -> bool:
    """Whether a run gave a warning. Before ansible-core 2.19 its lines end wherever they reach the 79th column."""
    return "".join(text.split()) in "".join((done.stdout + done.stderr).split())


@pytest.fixture
def site(tmp_path: pathlib.Path, ansible: t.Any) -> Site:
    return Site(tmp_path, ansible)


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_every_playbook_refuses_wrong_variables(site: Site, playbook: str) -> None:
    site.write("group_vars/slurm_worker.yml", "slurm_canery: 1\nslurm_batch_pause: 5s\n")
    done = site.play(playbook, "-e", "slurm_tolerated_nodes=two")
    assert done.returncode == 2, done.stdout
    for told in (
        "No host was touched. These variables are wrong:",
        "slurm_canery is not a variable of this collection (did you mean 'slurm_canary'?)",
        "slurm_batch_pause is '5s', which is not a whole number [host w1, w2, w3]",
        "slurm_tolerated_nodes is 'two', which is not a whole number. Remedy",
    ):
        assert told in done.stdout + done.stderr


NO_HOST = "no host of this run is in the group slurm_controller, slurm_login or slurm_worker. The inventory has {}."
INVENTORIES = {
    "other groups": ("[compute]\nw1\n", NO_HOST.format("compute")),
    "no host": ("", NO_HOST.format("no group")),
    "no controller": ("[slurm_worker]\nw1\n", "The inventory has no host in the group slurm_controller: put the host"),
}


@pytest.mark.parametrize("playbook", PLAYBOOKS)
@pytest.mark.parametrize(("inventory", "told"), INVENTORIES.values(), ids=INVENTORIES)
def test_every_playbook_refuses_an_inventory_that_lacks_hosts(
    site: Site, playbook: str, inventory: str, told: str
) -> None:
    site.write("inventory", inventory)
    done = site.play(playbook)
    assert done.returncode == 2, done.stdout
    assert told in done.stdout


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_every_playbook_refuses_to_skip_its_tasks(site: Site, playbook: str) -> None:
    done = site.play(playbook, "--skip-tags", "any,always")
    assert done.returncode != 0, done.stdout
    assert "Nothing was done: --skip-tags (or ANSIBLE_SKIP_TAGS) leaves out tasks that must run" in done.stderr


def test_install_refuses_a_misspelt_variable_of_its_own(site: Site) -> None:
    site.write("group_vars/all.yml", "install_node_nam: n1\n")
    done = site.play("install", "-e", "install_wiat=3")
    assert done.returncode == 2, done.stdout
    for name, meant in (("install_wiat", "install_wait"), ("install_node_nam", "install_node_name")):
        assert f"{name} is not a variable of this collection (did you mean '{meant}'?)" in done.stdout + done.stderr


def test_the_environment_cannot_skip_the_tasks_either(site: Site) -> None:
    """All of them have tags."""
    assert site.play("validate", ANSIBLE_SKIP_TAGS="tagged").returncode != 0


def test_a_limit_to_hosts_that_are_none_of_slurms_is_refused(site: Site) -> None:
    site.write("inventory", f"{GROUPS}[other]\ndb1\n")
    assert site.play("validate", "--limit", "db1").returncode == 2


def test_a_misspelt_group_is_refused(site: Site) -> None:
    site.write("inventory", GROUPS.replace("slurm_worker", "slurm_workers"))
    done = site.play("validate")
    assert done.returncode == 2
    assert "slurm_worker is a group without hosts (did you mean 'slurm_workers'?)" in done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [(), ("--tags", "any")], ids=["plain", "tags"])
def test_validate_says_what_it_checked(site: Site, arguments: tuple[str, ...]) -> None:
    site.write("group_vars/slurm_controller.yml", "slurm_extra_conf: |\n  PrologEpilogTimeout=60\n  # none\n")
    done = site.play("validate", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Checked: hosts 5, scripts 1, lines of slurm.conf 1, each by the rules" in done.stdout


def test_validate_refuses_to_have_checked_nothing(site: Site) -> None:
    site.write("group_vars/all.yml", "")
    done = site.play("validate")
    assert done.returncode == 2
    assert "Nothing was checked: no script and no line of slurm.conf is defined" in done.stdout


def test_a_script_that_may_outlast_the_probe_is_told(site: Site) -> None:
    site.write(
        "group_vars/all.yml",
        'slurm_worker_epilog: [{name: long, timeout: 300, content: "#!/bin/sh\\nlogger end\\n"}]\n',
    )
    told = "slurm_worker_epilog[0] (long) may take 300 seconds: the probe is given up after 120 seconds"
    done = site.play("validate")
    assert (done.returncode, is_told(done, told)) == (0, True), done.stdout
    done = site.play("validate", "-e", "slurm_probe_timeout=301")
    assert (done.returncode, told in done.stdout + done.stderr) == (0, False), done.stdout


def test_scripts_that_slurm_would_end_before_their_own_limit_are_told(site: Site) -> None:
    one = '{{name: {0}, timeout: {1}, content: "#!/bin/sh\\nlogger {0}\\n"}}'
    site.write(
        "group_vars/all.yml",
        f"slurm_worker_prolog: [{one.format('a', 40)}, {one.format('b', 40)}]\nslurm_worker_epilog: [{one.format('c', 60)}]\n",
    )
    told = (
        "slurm_worker_epilog[0] (c) may take 60 seconds; the scripts of slurm_worker_prolog may take 80 seconds together: Slurm ends the hook "
        "before (PrologEpilogTimeout"
    )
    for limit, expected in ((60, True), (81, False)):
        done = site.play("validate", "-e", json.dumps({"slurm_extra_conf": f"PrologEpilogTimeout={limit}"}))
        assert (done.returncode, is_told(done, told)) == (0, expected), done.stdout


@pytest.mark.parametrize("playbook", ["site", "rollback"])
def test_a_controller_that_cannot_be_reached_is_the_last_word(site: Site, playbook: str) -> None:
    site.write("inventory", GROUPS.replace("c1", "c1 ansible_host=127.0.0.1 ansible_port=1"))
    done = site.play(playbook)
    assert done.returncode == 2
    said = done.stdout[done.stdout.rindex("TASK [") :]
    assert '"msg": "The controller cannot be asked. ' in said
    assert "PLAY [" not in said.partition("PLAY RECAP")[0]


def test_explain_fails_where_it_could_ask_nobody(site: Site) -> None:
    """One host cannot be reached; on the other two no module runs."""
    silent = "ansible_connection=local ansible_become=false ansible_python_interpreter=/bin/false"
    hosts = f"w1 ansible_host=127.0.0.1 ansible_port=1\nw2 {silent}\nw3 {silent}\n"
    site.write("inventory", GROUPS.replace("w[1:3]\n", hosts))
    done = site.play("explain")
    assert done.returncode == 2, done.stdout
    shown = done.stdout.partition("TASK [nodecycle.slurm.rollout : Show the hosts that could not be asked]")[2]
    assert re.search(r'"w1: .*Connection refused', shown), done.stdout
    assert re.search(r'"w\[2-3\]: .*', shown), done.stdout
    assert "No host could be asked which scripts failed, so no reason was changed." in shown
