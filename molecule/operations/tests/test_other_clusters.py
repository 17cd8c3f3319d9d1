# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters that were not made by us: another SlurmUser, a controller that is a worker, too."""

from __future__ import annotations

import contextlib
import json

import pytest
from conftest import HOSTS, SLURM, WORKERS, extra, failure_of, undone, wait

CONF = "/etc/slurm/slurm.conf"
DROP_IN = "/etc/systemd/system/{0}.service.d/other-user.conf"
#: The daemons that run as SlurmUser, with their hosts. Before 23.11 a login node has none, but a slurm.conf of its own.
AS_SLURM = (("controller", "slurmctld"), *((("login", "sackd"),) if SLURM >= "23.11" else ()))
#: What makes the controller know a new node.
READ = "scontrol reconfigure" if SLURM >= "23.11" else "systemctl restart slurmctld"


def restart(lab):
    """Restart all daemons, the controller first, and wait for the nodes."""
    for host, daemon in (*AS_SLURM, *((host, "slurmd") for host in WORKERS)):
        lab.run(host, f"systemctl restart {daemon}")
    wait(lambda: not any(lab.in_service().values()), 60, "the nodes")


def change_user(lab, user):
    """Give the cluster another SlurmUser."""
    for host in HOSTS:
        lab.run(host, f"id {user} >/dev/null 2>&1 || useradd --system --uid 2900 {user}")
    lab.run("controller", "systemctl stop slurmctld")
    for host in HOSTS:
        lab.run(host, f"if [ -e {CONF} ]; then sed -i 's/^SlurmUser=.*/SlurmUser={user}/' {CONF}; fi")
    lab.run("controller", f"chown -R {user}: /var/lib/slurm/slurmctld /var/log/slurm")
    for host, daemon in AS_SLURM:
        path = DROP_IN.format(daemon)
        lab.run(host, f"mkdir -p $(dirname {path}); printf '[Service]\\nUser={user}\\nGroup={user}\\n' >{path}")
        lab.run(host, "systemctl daemon-reload")
    restart(lab)


@contextlib.contextmanager
def run_by(lab, user):
    """A cluster with this SlurmUser for a while."""
    change_user(lab, user)
    try:
        yield
    finally:
        change_user(lab, "slurm")
        for host, daemon in AS_SLURM:
            lab.run(host, f"rm {DROP_IN.format(daemon)}; systemctl daemon-reload")


@pytest.mark.parametrize("user", [pytest.param("root", marks=pytest.mark.thorough), "ops"])
def test_another_slurm_user(lab, good, user):
    changed = {"slurm_controller_epilog": f"#!/bin/sh\nid -un; echo {user}\n", "slurm_task_prolog": "#!/bin/sh\necho\n"}
    with run_by(lab, user):
        done = lab.play(good, extra(changed))
        assert done.returncode == 0, done.stdout
        assert "is committed." in done.stdout
        status = lab.play(playbook="playbooks/status.yml")
        assert status.returncode == 0, status.stdout
        with undone(lab, "-w worker1"):
            bad = {**changed, "slurm_controller_prolog": "#!/bin/sh\necho no licence; exit 1\n"}
            message = failure_of(lab.play(good, extra(bad)))
        assert "no licence" in message
        back = lab.play(good)
        assert back.returncode == 0, back.stdout


@pytest.fixture
def small(lab, tmp_path):
    """The controller runs jobs, too; the inventory that says so."""
    lines = r"NodeName=controller CPUs=2 RealMemory=1000\nPartitionName=small Nodes=controller\n"
    lab.run("controller", f"cp -p {CONF} /etc/slurm/slurm.conf.before; printf '{lines}' >>{CONF}")
    lab.run("controller", f"{READ}; mkdir -p /var/lib/slurm/slurmd; systemctl start slurmd")
    wait(lambda: lab.node("controller")["State"] == "IDLE", 60, "the controller's slurmd")
    inventory = tmp_path / "small.yml"
    inventory.write_text(json.dumps({"slurm_worker": {"hosts": {"controller": None}}}))
    yield inventory
    lab.run("controller", f"systemctl stop slurmd; cp -p /etc/slurm/slurm.conf.before {CONF}; {READ}")


def test_a_controller_that_is_a_worker_has_the_scripts_of_both(lab, good, small):
    done = lab.play(good, extra({"slurm_extra_conf": "PrologEpilogTimeout=64"}), inventory=[small])
    assert done.returncode == 0, done.stdout
    job = lab.sbatch("true", "-p small")
    assert lab.finish(job)["JobState"] == "COMPLETED"
    logs = lab.run("controller", f"grep -l {job} /var/log/nodecycle/*.log")
    assert all(hook in logs for hook in ("worker_prolog", "worker_epilog", "controller_epilog")), logs
    with undone(lab, "-w worker1"):
        bad = {"slurm_worker_prolog": "#!/bin/sh\nexit 3\n", "slurm_extra_conf": "PrologEpilogTimeout=64"}
        message = failure_of(lab.play(good, extra(bad), inventory=[small]))
    assert "worker_prolog: script 10-script ended with exit code 3" in message
    back = lab.play(good, inventory=[small])
    assert back.returncode == 0, back.stdout
