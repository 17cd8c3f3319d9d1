# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Init scripts at an apply and at a boot; a boot here is a restart of the container, with its systemd."""

from __future__ import annotations

import pytest
import yaml
from conftest import HOSTS, WORKERS, active, failure_of, wait

UNITS = "/etc/systemd/system"
TO_SLURM_CONTROLLER = f"""
cp /usr/lib/systemd/system/slurmctld.service {UNITS}/slurm-controller.service
cp -r {UNITS}/slurmctld.service.d {UNITS}/slurm-controller.service.d 2>/dev/null
systemctl disable --now slurmctld
systemctl daemon-reload
systemctl enable --now slurm-controller
"""
BACK = f"""
systemctl disable --now slurm-controller
rm -rf {UNITS}/slurm-controller.service {UNITS}/slurm-controller.service.d
systemctl daemon-reload
systemctl enable --now slurmctld
"""


@pytest.fixture
def definition(request):
    """The scenario's definition, as variables."""
    return yaml.safe_load((request.path.parent.parent / "vars/definition.yml").read_text())


@pytest.fixture(autouse=True)
def repaired(lab):
    """Nothing fails after a test, and all nodes are in service."""
    yield
    lab.run("controller", "rm -f /var/tmp/fail-init")
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
    # In memory, so systemd makes it anew.
    assert lab.run("worker1", "stat -c '%a %U' /run/nodecycle /run/nodecycle/worker_prolog") == "755 root\n700 root\n"
    lab.wait_for_state("worker1", lambda state: state == "IDLE", 60)
    assert lab.srun("hostname", "-w worker1").stdout == "worker1\n"


def test_at_a_boot_of_a_login_node_init_runs_before_users_may_log_in(lab):
    lab.boot("login")
    assert lab.read("login", "/var/tmp/init-log").splitlines()[-1].endswith(" sessions inactive")
    assert "the welcome is written" in lab.run("login", "journalctl -u nodecycle-login-init --no-pager")


def is_up(lab):
    """Whether the controller answers."""
    return " is UP" in lab.try_run("login", "scontrol ping").stdout


def test_at_a_boot_of_a_controller_slurmctld_starts_though_its_init_failed(lab):
    lab.run("controller", "touch /var/tmp/fail-init")
    before = len(lab.read("controller", "/var/tmp/init-log").splitlines())
    lab.boot("controller")
    assert len(lab.read("controller", "/var/tmp/init-log").splitlines()) == before + 2
    assert lab.run("controller", "systemctl show nodecycle-controller-init -p Result --value").strip() == "exit-code"
    assert "the state is mounted" in lab.run("controller", "journalctl -u nodecycle-controller-init --no-pager")
    wait(lambda: is_up(lab), 60, "the controller")
    for host in WORKERS:
        lab.wait_for_state(host, lambda state: state == "IDLE", 60)
    assert lab.srun("hostname", "-w worker1").stdout == "worker1\n"


def test_with_the_gate_a_slurmctld_of_another_name_waits_for_controller_init(lab, tmp_path, definition):
    lab.run("controller", TO_SLURM_CONTROLLER)
    gated = {**definition, "slurm_controller_init_gate": True, "slurm_slurmctld_unit": "slurm-controller"}
    by_hand = "systemctl restart nodecycle-controller-init && systemctl start slurm-controller"
    try:
        done = apply(lab, tmp_path, gated)
        assert done.returncode == 0, done.stdout
        lab.run("controller", "touch /var/tmp/fail-init")
        lab.boot("controller")
        assert lab.try_run("controller", "pgrep -x slurmctld").rc != 0
        lab.run("controller", "rm /var/tmp/fail-init")
        ran = lab.read("controller", "/var/tmp/init-log")
        # A run asks the controller first, so it runs nothing.
        assert "Asking the controller about its cluster" in failure_of(apply(lab, tmp_path, gated))
        assert lab.read("controller", "/var/tmp/init-log") == ran
        assert lab.try_run("controller", "pgrep -x slurmctld").rc != 0
        lab.run("controller", by_hand)
        lab.boot("controller")
        wait(lambda: is_up(lab), 60, "the controller")
        assert lab.read("controller", "/var/tmp/init-log").splitlines()[-1].endswith(" slurm-controller inactive")
    finally:
        lab.run("controller", f"rm -f /var/tmp/fail-init; {by_hand}")
        wait(lambda: is_up(lab), 60, "the controller")
        back = apply(lab, tmp_path, definition)
        left = lab.try_run("controller", f"ls {UNITS}/*.service.d/nodecycle.conf").stdout
        lab.run("controller", BACK)
        wait(lambda: is_up(lab), 60, "the controller")
        for host in WORKERS:
            lab.wait_for_state(host, lambda state: state == "IDLE", 60)
    assert back.returncode == 0, back.stdout
    assert left == ""


@pytest.mark.parametrize(("host", "code"), [("login", 3), ("controller", 5)])
def test_a_failing_new_init_script_of_another_host_ends_the_run(lab, tmp_path, definition, host, code):
    before = {each: active(lab, each) for each in HOSTS}
    ran = len(lab.read(host, "/var/tmp/init-log").splitlines())
    definition[f"slurm_{host}_init"] += f"exit {code}\n"
    message = failure_of(apply(lab, tmp_path, definition))
    said = {"login": "the welcome is written", "controller": "the state is mounted"}[host]
    assert (
        f"{host}_init: script 10-script ended with exit code {code} (exit). The release is not activated on this host. "
        f"Its last lines:\n{said}"
    ) in message
    # It ran, and then the undo ran the previous one; the previous release was active all the time.
    lines = lab.read(host, "/var/tmp/init-log").splitlines()[ran:]
    assert len(lines) == {"login": 2, "controller": 4}[host]
    assert {line.split()[0] for line in lines} == {before[host]}
    assert {each: active(lab, each) for each in HOSTS} == before
    assert lab.in_service() == dict.fromkeys(WORKERS, "")


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
    before = active(lab, "worker2")
    lab.run("worker2", "touch /var/tmp/fail-init")
    job = lab.sbatch("until [ -e go-on ]; do sleep 0.3; done", "-w worker2")
    wait(lambda: lab.job(job)["JobState"] == "RUNNING", 30, "the job")
    # An administrator's drain must survive all of it.
    lab.run("controller", "scontrol update NodeName=worker3 State=DRAIN Reason='fan broken'")
    theirs = lab.node("worker3")
    definition["slurm_worker_init"][0]["content"] += "echo changed >>/var/tmp/init-log\n"
    log = lab.read("worker1", "/var/tmp/init-log")
    failed = apply(lab, tmp_path, definition)
    assert failed.returncode != 0
    assert (
        "worker_init: script 20-checks ended with exit code 4 (exit). The release is not activated on this host. "
        "Its last lines:\nthe disk is not there"
    ) in failure_of(failed)
    node = lab.node("worker2")
    assert "DRAIN" in node["State"]
    assert node["Reason"].startswith("nodecycle: worker_init 20-checks exit 4 @")
    assert lab.node("worker1")["State"] == "IDLE"
    assert active(lab, "worker2") == before
    assert lab.job(job)["JobState"] == "RUNNING"
    lab.run("login", "touch go-on", "alice")
    assert lab.finish(job)["JobState"] == "COMPLETED"
    # On the canary the new ones ran, and then the previous ones again.
    runs = lab.read("worker1", "/var/tmp/init-log").removeprefix(log).splitlines()
    assert [line.split()[-1] for line in runs] == ["active", "changed", "active"]

    # After the repair the next run completes it and resumes the node. The administrator's drain stays, to the letter.
    lab.run("worker2", "rm /var/tmp/fail-init")
    assert apply(lab, tmp_path, definition).returncode == 0
    lab.wait_for_state("worker2", lambda state: state == "IDLE")
    assert lab.node("worker3") == theirs
    assert active(lab, "worker2") != before
    # The new scripts ran while the previous release was active.
    *_earlier, release, last = lab.read("worker2", "/var/tmp/init-log").splitlines()
    assert (release.split()[0], last) == (before, "changed")


def test_unchanged_init_scripts_do_not_run_again(lab, tmp_path, definition):
    apply(lab, tmp_path, definition)
    before = lab.read("worker1", "/var/tmp/init-log")
    definition["slurm_worker_prolog"] += "# changed\n"
    assert apply(lab, tmp_path, definition).returncode == 0
    assert lab.read("worker1", "/var/tmp/init-log") == before


def test_a_script_that_is_done_for_a_host_and_one_that_is_tried_again(lab, tmp_path, definition):
    count = "/var/tmp/init-count"
    said = f"#!/bin/sh\necho {{}} >>{count}\n"
    again = f"test $(grep -c mount {count}) -ge 3 || exit 7\n"
    definition["slurm_worker_init"] += [
        {"name": "format", "run": "once", "content": said.format("format")},
        {"name": "packages", "run": "change", "content": said.format("packages")},
        {"name": "mount", "retries": 3, "delay": 1, "content": said.format("mount") + again},
    ]
    try:
        done = apply(lab, tmp_path, definition)
        assert done.returncode == 0, done.stdout
        first = lab.read("worker1", count).split()
        assert first == ["format", "packages", "mount", "mount", "mount"]
        assert "it is tried again in 1 seconds" in lab.run(
            "worker1", "journalctl -u 'nodecycle-worker-init*' --no-pager"
        )
        lab.boot("worker1")
        assert lab.read("worker1", count).split() == [*first, "mount"]
        lab.wait_for_state("worker1", lambda state: state == "IDLE", 60)
        for script in definition["slurm_worker_init"][-3:-1]:
            script["content"] += "# changed\n"
        done = apply(lab, tmp_path, definition)
        assert done.returncode == 0, done.stdout
        assert lab.read("worker1", count).split() == [*first, "mount", "packages", "mount"]
    finally:
        for host in WORKERS:
            lab.run(host, f"rm -rf {count} /var/lib/nodecycle/worker_init/succeeded")
