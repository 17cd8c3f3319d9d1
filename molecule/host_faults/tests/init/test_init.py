# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Init scripts that hang, at a boot and at a run, and those of a run that was killed: each ends, and nobody is locked out."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest
from conftest import ROOT, active, extra, failure_of, wait

#: It does not end when it is told to.
HANGS = """#!/bin/sh
trap 'date +%s >/var/tmp/told' TERM
echo "waiting for the licence server"
while :; do
    date +%s >/var/tmp/alive
    sleep 1
done
"""

#: Longer than the next definition's limit, when an undo runs it.
PREVIOUS = """#!/bin/sh
if [ -e /var/tmp/told ]; then sleep 7; fi
"""

#: Notes that it ran, and takes its time.
SLOW = """#!/bin/sh
echo began >>/var/tmp/init-runs
sleep 20
echo ended >>/var/tmp/init-runs
"""


@pytest.fixture(autouse=True)
def repaired(lab):
    """Removes the traces of the tests on the hosts."""
    for host in ("worker1", "worker2", "worker3", "login"):
        lab.run(host, "rm -f /var/tmp/init-runs /var/tmp/told /var/tmp/alive")
    yield
    lab.run("login", "rm -f /var/tmp/hang")


def test_a_login_init_that_hangs_at_boot_locks_nobody_out(lab):
    variables = {
        "slurm_login_init": "#!/bin/sh\necho waiting\nif [ -e /var/tmp/hang ]; then sleep 3000; fi\n",
        "slurm_login_init_timeout": 5,
        # What the next test finds on the workers.
        "slurm_worker_init": PREVIOUS,
        "slurm_worker_prolog": "#!/bin/sh\necho good\n",
    }
    done = lab.play(extra(variables))
    assert done.returncode == 0, done.stdout
    lab.run("login", "touch /var/tmp/hang")
    lab.boot("login")
    assert lab.run("login", "systemctl is-active systemd-user-sessions").strip() == "active"
    assert lab.try_run("login", "test -e /run/nologin").rc != 0
    assert lab.run("login", "systemctl show nodecycle-login-init -p Result --value").strip() == "timeout"
    record = lab.read("login", "/var/lib/nodecycle/login_init/failure.json")
    assert '"script":"10-script"' in record
    assert '"cause":"killed"' in record
    assert "waiting" in record
    assert lab.srun("hostname", "-w worker1").stdout == "worker1\n"


def test_a_run_ends_a_worker_init_that_hangs_and_is_undone(lab):
    before = {host: active(lab, host) for host in ("worker1", "worker2", "worker3")}
    began = time.monotonic()
    done = lab.play(extra({"slurm_worker_init": HANGS, "slurm_init_timeout": 5}))
    message = failure_of(done)
    assert time.monotonic() - began < 120
    assert "the limit of 5 seconds for all scripts of this hook, slurm_init_timeout" in message
    assert "waiting for the licence server" in message
    assert {host: active(lab, host) for host in before} == before
    # SIGTERM, and 10 seconds later SIGKILL.
    told, alive = (int(lab.read("worker3", f"/var/tmp/{name}")) for name in ("told", "alive"))
    assert 8 <= alive - told <= 12
    # An undo does not hurry.
    assert lab.read("worker3", "/run/nodecycle/worker_init.ok")
    for host in ("worker1", "worker2", "worker3"):
        lab.wait_for_state(host, lambda state: state == "IDLE", 90)


def test_init_scripts_of_a_killed_run_are_waited_for_and_not_run_twice(lab):
    arguments = extra({"slurm_worker_init": SLOW, "slurm_removal_allowed": True})
    log = ROOT / ".cache/killed-init"
    with log.open("w") as output:
        run = subprocess.Popen(
            ["ansible-playbook", f"--inventory={ROOT}/lab/inventory.yml", "playbooks/site.yml", arguments],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def begun():
        return [host for host in ("worker1", "worker2", "worker3") if lab.read(host, "/var/tmp/init-runs")]

    (first, *_more) = wait(begun, 120, "the init script to run")
    # It and all of its forks, also the connections.
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert lab.read(first, "/var/tmp/init-runs") == "began\n"
    done = lab.play(arguments)
    assert done.returncode == 0, done.stdout
    assert "is committed" in done.stdout
    runs = {host: lab.read(host, "/var/tmp/init-runs") for host in ("worker1", "worker2", "worker3")}
    assert runs == dict.fromkeys(runs, "began\nended\n")
    assert lab.play(arguments).returncode == 0
    assert {host: lab.read(host, "/var/tmp/init-runs") for host in runs} == runs


def test_two_runs_of_the_same_init_scripts_on_a_host_are_one(lab):
    """Another control node, or a person with a playbook of his own."""
    release = active(lab, "worker1").rpartition("/")[2]
    lab.run("worker1", "rm -f /run/nodecycle/worker_init.ok /var/tmp/init-runs")
    module = [
        *("ansible", "worker1", f"--inventory={ROOT}/lab/inventory.yml", "--become"),
        *("--module-name=nodecycle.slurm.init", f"--args=id={release}"),
    ]
    runs = [
        subprocess.Popen(
            module, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    for run in runs:
        said, _none = run.communicate(timeout=180)
        assert run.returncode == 0, said
    assert lab.read("worker1", "/var/tmp/init-runs") == "began\nended\n"
