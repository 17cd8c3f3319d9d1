# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Init scripts at an apply and at a boot; a boot here is a restart of the container, with its systemd."""

from __future__ import annotations

import pytest
import yaml


@pytest.fixture
def definition(request):
    """The scenario's definition, as variables."""
    return yaml.safe_load((request.path.parent.parent / "vars/definition.yml").read_text())


@pytest.fixture(autouse=True)
def repaired(lab):
    """Nothing fails after a test, and all nodes are in service."""
    yield
    for host in ("worker1", "worker2"):
        lab.run(host, "rm -f /var/tmp/fail-init")
        lab.run(host, "systemctl start slurmd")
    lab.resume()


def apply(lab, tmp_path, definition):
    """Apply a definition."""
    path = tmp_path / "definition.yml"
    path.write_text(yaml.safe_dump(definition))
    return lab.play(f"--extra-vars=@{path}")


def test_at_each_boot_init_runs_before_slurmd(lab):
    before = len(lab.read("worker1", "/var/tmp/init-log").splitlines())
    lab.boot("worker1")
    lines = lab.read("worker1", "/var/tmp/init-log").splitlines()
    assert len(lines) == before + 1
    assert lines[-1].endswith("slurmd inactive")
    lab.wait_for_state("worker1", lambda state: state == "IDLE", 60)
    assert lab.srun("hostname", "-w worker1").stdout == "worker1\n"


def test_at_a_boot_of_a_login_node_init_runs_before_users_may_log_in(lab):
    lab.boot("login")
    assert lab.read("login", "/var/tmp/init-log").splitlines()[-1] == "sessions inactive"


def test_while_init_fails_at_boot_slurmd_does_not_start(lab):
    lab.run("worker1", "touch /var/tmp/fail-init")
    lab.boot("worker1")
    assert lab.run("worker1", "systemctl show nodecycle-worker-init -p Result --value").strip() == "exit-code"
    assert lab.try_run("worker1", "pgrep -x slurmd").rc != 0
    assert "the disk is not there" in lab.run("worker1", "journalctl -u nodecycle-worker-init --no-pager")
    lab.run("worker1", "rm /var/tmp/fail-init && systemctl restart nodecycle-worker-init && systemctl start slurmd")
    lab.wait_for_state("worker1", lambda state: state == "IDLE", 60)


def test_a_fixed_script_resumes_a_node_that_it_kept_down(lab, tmp_path, definition):
    lab.run("worker1", "touch /var/tmp/fail-init")
    lab.boot("worker1")
    assert lab.try_run("worker1", "pgrep -x slurmd").rc != 0
    definition["slurm_worker_init"].pop()
    done = apply(lab, tmp_path, definition)
    assert done.returncode == 0, done.stdout
    lab.wait_for_state("worker1", lambda state: state == "IDLE", 60)
    assert lab.srun("hostname", "-w worker1").stdout == "worker1\n"


def test_a_fixed_host_is_resumed_by_the_same_definition(lab, tmp_path, definition):
    assert apply(lab, tmp_path, definition).returncode == 0
    lab.run("worker1", "touch /var/tmp/fail-init")
    lab.boot("worker1")
    lab.run("worker1", "rm /var/tmp/fail-init")
    assert apply(lab, tmp_path, definition).returncode == 0
    lab.wait_for_state("worker1", lambda state: state == "IDLE", 60)


def test_a_restart_of_our_unit_leaves_a_running_slurmd_alone(lab):
    before = lab.run("worker1", "pgrep -x slurmd")
    lab.run("worker1", "systemctl restart nodecycle-worker-init")
    assert lab.run("worker1", "pgrep -x slurmd") == before


def test_a_failing_new_init_script_fails_the_play_and_drains_its_node_only(lab, tmp_path, definition):
    active = lab.run("worker2", "readlink /etc/nodecycle/current")
    lab.run("worker2", "touch /var/tmp/fail-init")
    # An administrator's drain must survive all of it.
    lab.run("controller", "scontrol update NodeName=worker3 State=DRAIN Reason='fan broken'")
    theirs = lab.node("worker3")
    definition["slurm_worker_init"][0]["content"] += "# changed\n"
    failed = apply(lab, tmp_path, definition)
    assert failed.returncode != 0
    assert "worker_init: script 20-checks ended with exit code 4" in failed.stdout
    assert "the disk is not there" in failed.stdout
    node = lab.node("worker2")
    assert "DRAIN" in node["State"]
    assert node["Reason"].startswith("nodecycle: worker_init 20-checks exit 4 @")
    assert lab.node("worker1")["State"] == "IDLE"
    assert lab.run("worker2", "readlink /etc/nodecycle/current") == active

    # After the repair the next run completes it and resumes the node. The administrator's drain stays, to the letter.
    lab.run("worker2", "rm /var/tmp/fail-init")
    assert apply(lab, tmp_path, definition).returncode == 0
    lab.wait_for_state("worker2", lambda state: state == "IDLE")
    assert lab.node("worker3") == theirs
    assert lab.run("worker2", "readlink /etc/nodecycle/current") != active


def test_unchanged_init_scripts_do_not_run_again(lab, tmp_path, definition):
    apply(lab, tmp_path, definition)
    before = lab.read("worker1", "/var/tmp/init-log")
    definition["slurm_worker_prolog"] += "# changed\n"
    assert apply(lab, tmp_path, definition).returncode == 0
    assert lab.read("worker1", "/var/tmp/init-log") == before
