# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are reached by ssh, as admin, who becomes root by sudo with a password."""

from __future__ import annotations

import pytest
from conftest import HOSTS, NAME, ROOT, differences, extra, failure_of, undone, users

INVENTORY = [ROOT / ".cache/ssh" / NAME / "inventory.yml"]


def logins(lab, host):
    """How often sshd has let admin in, and how often he became root."""
    text = lab.run(host, "journalctl --no-pager --output=cat")
    return text.count("Accepted publickey for admin "), text.count(
        "pam_unix(sudo:session): session opened for user root(uid=0)"
    )


@pytest.mark.parametrize("pipelining", ["True", "False"])
def test_a_rollout_is_committed_and_runs_and_has_no_change_left(lab, good, pipelining):
    changed = extra({"slurm_worker_epilog": f"#!/bin/sh\necho {pipelining} >>/var/log/seen\n"})
    env = {"ANSIBLE_PIPELINING": pipelining}
    before = {host: logins(lab, host) for host in HOSTS}
    with users(lab, "-w worker1"):
        done = lab.play(good, changed, inventory=INVENTORY, env=env)
    assert done.returncode == 0, done.stdout
    assert "is committed." in done.stdout
    again = lab.play(good, changed, inventory=INVENTORY, env=env)
    assert again.returncode == 0, again.stdout
    for host, (_logins, sudos) in before.items():
        now = logins(lab, host)
        # One login serves several runs (ControlPersist), and each module becomes root anew.
        assert now[0] > 0, host
        assert now[1] > sudos, host
    assert [line for line in again.stdout.splitlines() if "changed=" in line and "changed=0 " not in line] == []
    job = lab.sbatch("true", "-w worker2")
    assert lab.finish(job)["JobState"] == "COMPLETED"
    seen = lab.read("worker2", "/var/log/seen").splitlines()
    assert f"prolog of job {job} as root" in seen
    assert lab.read("worker2", "/run/ready") == "ready\n"


def test_a_bad_script_is_undone(lab, good):
    with undone(lab, "-w worker1"):
        bad = extra({"slurm_worker_prolog": "#!/bin/sh\nexit 3\n"})
        message = failure_of(lab.play(good, bad, inventory=INVENTORY))
    assert "worker_prolog: script 10-script ended with exit code 3" in message
    assert "is undone; each host has proven it by sha256" in message


def test_a_wrong_password_is_told_and_changes_nothing(lab, good):
    before = lab.snapshot()
    done = lab.play(
        good,
        extra({"slurm_worker_epilog": "#!/bin/sh\necho never\n", "ansible_become_password": "wrong"}),
        inventory=INVENTORY,
    )
    assert "password" in failure_of(done)
    assert (differences(before, lab.snapshot()), lab.leftovers()) == ([], [])
