# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that Slurm switches off when they are idle, and on for a wave of jobs. They keep nothing while they are off."""

from __future__ import annotations

import os

import pytest
from conftest import WORKERS, wait

ELASTIC = ("worker2", "worker3")
WAVES = 5 if os.environ.get("THOROUGH") else 1
#: What a diskless node has lost at its next boot.
FORGET = (
    "rm -rf /etc/nodecycle /var/lib/nodecycle /run/nodecycle /var/log/nodecycle /var/tmp/life /etc/logrotate.d/nodecycle"
    " /etc/tmpfiles.d/nodecycle.conf /etc/systemd/system/*nodecycle* /etc/systemd/system/*/*nodecycle*; systemctl daemon-reload"
)


@pytest.fixture(scope="module")
def elastic(lab, request):
    """The cluster with the good definition, which saves power."""
    done = lab.play(f"--extra-vars=@{request.path.parents[1]}/vars/good.yml")
    assert done.returncode == 0, done.stdout
    done = lab.play(playbook="lab/power_saving.yml")
    assert done.returncode == 0, done.stdout


@pytest.mark.usefixtures("elastic")
@pytest.mark.parametrize("_wave", range(WAVES))
def test_each_wave_of_jobs_meets_new_nodes_that_are_ready(lab, _wave):
    for host in ELASTIC:
        lab.wait_for_state(host, lambda state: "POWERED_DOWN" in state, 90)
        wait(lambda host=host: lab.try_run(host, "systemctl is-active slurmd").rc != 0, 30, f"{host} to be off")
        lab.run(host, FORGET)
    jobs = [lab.sbatch("true", f"-w {host}") for host in ELASTIC for _job in range(3)]
    assert {lab.finish(job, 120)["JobState"] for job in jobs} == {"COMPLETED"}
    for host in ELASTIC:
        noted = [line.split()[0] for line in lab.read(host, "/var/tmp/life").splitlines()]
        assert noted == ["init", "good", "good", "good"]
    assert lab.in_service() == dict.fromkeys(WORKERS, "")
