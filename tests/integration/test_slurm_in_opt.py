# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Slurm as sites build it: below /opt, with units of other names, and with a SlurmUser who is not called slurm."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from lab_calls import Lab

WORKERS = ("worker1", "worker2", "worker3")
HOSTS = ("controller", "login", *WORKERS)
#: What the guide says for such a cluster.
SITE = {
    "slurm_bin_dir": "/opt/slurm/bin",
    "slurm_script_path": ["/opt/slurm/bin"],
    "slurm_slurmctld_unit": "site-slurmctld",
    "slurm_slurmd_unit": "site-slurmd",
}
LAB = Lab("opt", SITE)
lab, inside, play = LAB.call, LAB.inside, LAB.play
#: Nothing is left at the places of Debian's packages. slurmd looks for slurmstepd where it was built to be, so it is told.
MOVE = r"""
set -eu
systemctl stop slurmctld slurmd sackd 2>/dev/null || true
mkdir -p /opt/slurm/bin /opt/slurm/sbin
for package in slurm-client slurmctld slurmd sackd; do
    for file in $(dpkg -L $package 2>/dev/null | grep -E '^/usr/(bin|sbin)/.'); do
        # Debian's alternatives lead from slurmd to slurmd-wlm.
        place=${file#/usr} plain=${file%-wlm}
        [ ! -e "$file" ] || mv "$file" "/opt/slurm${place%-wlm}"
        [ "$plain" = "$file" ] || rm -f "$plain"
    done
done
usermod -l hpc slurm
groupmod -n hpc slurm
sed -i 's/^SlurmUser=.*/SlurmUser=hpc/' /etc/slurm/slurm.conf 2>/dev/null || true
for daemon in slurmctld slurmd sackd; do
    unit=/usr/lib/systemd/system/$daemon.service
    own=/etc/systemd/system/site-$daemon.service
    [ -e $unit ] || continue
    sed -E 's,/usr/sbin/,/opt/slurm/sbin/,; s/^(User|Group)=slurm/\1=hpc/' $unit >$own
    [ ! -d /etc/systemd/system/$daemon.service.d ] || cp -r /etc/systemd/system/$daemon.service.d $own.d
    rm -f $unit
done
sed -i '/^ExecStart=/s,$, -d /opt/slurm/sbin/slurmstepd,' /etc/systemd/system/site-slurmd.service 2>/dev/null || true
systemctl daemon-reload
"""


@pytest.fixture(scope="module")
def cluster() -> t.Iterator[None]:
    done = lab("up")
    assert done.returncode == 0, done.stderr
    try:
        for host in HOSTS:
            inside(host, MOVE)
        inside("controller", "systemctl start site-slurmctld")
        inside("login", "systemctl start site-sackd")
        for host in WORKERS:
            inside(host, "systemctl start site-slurmd")
        inside(
            "controller",
            "timeout 60 sh -c 'until [ \"$(/opt/slurm/bin/sinfo -h -t idle -o %D)\" = 3 ]; do sleep 0.5; done'",
        )
        yield
    finally:
        lab("down")


def ran(hook: str, host: str, job: str) -> bool:
    """Whether the log of a hook names a job."""
    return f'"job":"{job}"' in re.sub(
        r'"job": "?(\d+)"?', r'"job":"\1"', inside(host, f"cat /var/log/nodecycle/{hook}.log")
    )


@pytest.mark.usefixtures("cluster")
def test_every_kind_of_script_runs_and_is_proven() -> None:
    scripts = {
        "slurm_worker_init": "#!/bin/sh\ntouch /run/site-init\n",
        "slurm_worker_prolog": "#!/bin/sh\nsinfo --version\n",
        "slurm_worker_epilog": "#!/bin/sh\necho\n",
        "slurm_controller_prolog": "#!/bin/sh\nid -un\n",
        "slurm_controller_epilog": "#!/bin/sh\necho\n",
        "slurm_task_prolog": "#!/bin/sh\necho export SITE=opt\n",
        "slurm_extra_conf": "PrologEpilogTimeout=77\n",
    }
    done = play(scripts)
    assert done.returncode == 0, done.stdout + done.stderr
    job = inside(
        "login", "cd && /opt/slurm/bin/sbatch --parsable --wait -w worker1 --wrap 'echo $SITE'", "-u", "alice"
    ).strip()
    assert inside("login", f"cat ~alice/slurm-{job}.out", "-u", "alice").strip() == "opt"
    for hook, host in (
        ("worker_prolog", "worker1"),
        ("controller_prolog", "controller"),
        ("controller_epilog", "controller"),
    ):
        assert ran(hook, host, job), hook
    status = play(scripts, "status.yml")
    assert status.returncode == 0, status.stdout + status.stderr
    again = play(scripts)
    assert again.returncode == 0, again.stdout + again.stderr
    assert not re.search(r"changed=[1-9]", again.stdout), again.stdout
    # The gate is before the site's own slurmd.
    inside(
        "worker2", "rm -f /run/site-init; systemctl restart site-slurmd; systemctl cat site-slurmd | grep -q nodecycle"
    )


@pytest.mark.usefixtures("cluster")
def test_a_bad_prolog_is_undone() -> None:
    before = inside("worker1", "readlink -f /etc/nodecycle/current")
    done = play({"slurm_worker_prolog": "#!/bin/sh\nexit 1\n", "slurm_removal_allowed": True})
    assert done.returncode != 0
    assert "is undone" in done.stdout, done.stdout
    assert inside("worker1", "readlink -f /etc/nodecycle/current") == before
    assert inside("controller", "/opt/slurm/bin/sinfo -h -t idle -o %D").strip() == "3"


@pytest.mark.usefixtures("cluster")
def test_without_the_variables_the_run_says_which_is_missing() -> None:
    done = lab("play", "site.yml", "-e", json.dumps({"slurm_worker_prolog": "#!/bin/sh\necho\n"}))
    assert done.returncode != 0
    assert "set `slurm_bin_dir`" in done.stdout
