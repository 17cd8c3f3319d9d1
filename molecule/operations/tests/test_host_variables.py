# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sites that have built Slurm themselves: other directories, and other names of the daemons' units."""

from __future__ import annotations

import json

import pytest
from conftest import WORKERS, active, extra

UNITS = "/etc/systemd/system"
#: Instead of slurmd.service: the unit's file, and the unit that is started.
OTHERS = {"worker2": ("slurm-node", "slurm-node"), "worker3": ("slurmd@", "slurmd@1")}
TO_ANOTHER = """
cp /usr/lib/systemd/system/slurmd.service {units}/{file}.service
cp -r {units}/slurmd.service.d {units}/{file}.service.d
systemctl disable --now slurmd
systemctl daemon-reload
systemctl enable --now {unit}
"""
BACK = """
systemctl disable --now {unit}
rm -rf {units}/{file}.service {units}/{file}.service.d
systemctl daemon-reload
systemctl enable --now slurmd
"""


@pytest.mark.thorough
def test_scripts_find_what_the_site_has_installed(lab, good):
    for host in WORKERS:
        lab.run(host, "mkdir -p /opt/site/bin && printf '#!/bin/sh\\necho here\\n' >/opt/site/bin/site-tool")
        lab.run(host, "chmod 755 /opt/site/bin/site-tool")
    script = "#!/bin/sh -e\nsite-tool >/tmp/site-tool.out\n"
    done = lab.play(good, extra({"slurm_worker_prolog": script, "slurm_script_path": ["/opt/site/bin"]}))
    assert done.returncode == 0, done.stdout
    assert lab.srun("true", "-w worker1").rc == 0
    assert lab.read("worker1", "/tmp/site-tool.out") == "here\n"
    back = lab.play(good)
    assert back.returncode == 0, back.stdout


def test_a_unit_of_another_name_is_held_back_and_found(lab, good, tmp_path):
    inventory = tmp_path / "inventory.yml"
    names = {host: {"slurm_slurmd_unit": file} for host, (file, _unit) in OTHERS.items()}
    inventory.write_text(json.dumps({"all": {"hosts": names}}))
    for host, (file, unit) in OTHERS.items():
        lab.run(host, TO_ANOTHER.format(units=UNITS, file=file, unit=unit))
        lab.wait_for_state(host, lambda state: state == "IDLE")
    try:
        init = extra({"slurm_worker_init": "#!/bin/sh -e\necho up\n"})
        done = lab.play(good, init, inventory=[inventory])
        assert done.returncode == 0, done.stdout
        places = f"ls {UNITS}/*.service.d/nodecycle.conf"
        assert lab.run("worker2", places).split() == [f"{UNITS}/slurm-node.service.d/nodecycle.conf"]
        assert lab.run("worker1", places).split() == [f"{UNITS}/slurmd.service.d/nodecycle.conf"]
        lab.run("worker2", "rm /run/nodecycle/worker_init.ok && systemctl stop slurm-node")
        # The unit of the init scripts comes first.
        lab.run("worker2", "systemctl restart nodecycle-worker-init && systemctl start slurm-node")
        assert lab.read("worker2", "/run/nodecycle/worker_init.ok")

        # An instance of a template is held back, too, ...
        assert lab.run("worker3", places).split() == [f"{UNITS}/slurmd@.service.d/nodecycle.conf"]
        stopped = (
            "systemctl stop slurmd@1 && systemctl restart nodecycle-worker-init && rm /run/nodecycle/worker_init.ok"
        )
        lab.run("worker3", stopped)
        assert lab.try_run("worker3", "systemctl start slurmd@1").rc != 0
        release = active(lab, "worker3").rpartition("/")[2]
        init = lab.module("init", host="worker3", id=release, units={"slurmd": "slurmd@.service"})
        # ... and nobody knows which one to start.
        assert (init["ran"], init["started"]) == (["worker_init"], [])
        assert lab.try_run("worker3", "pgrep -x slurmd").rc != 0
        lab.run("worker3", "systemctl start slurmd@1")
        lab.wait_for_state("worker3", lambda state: state == "IDLE", 60)
    finally:
        back = lab.play(good, inventory=[inventory])
        for host, (file, unit) in OTHERS.items():
            lab.run(host, BACK.format(units=UNITS, file=file, unit=unit))
            lab.wait_for_state(host, lambda state: state == "IDLE", 60)
    assert back.returncode == 0, back.stdout
    for host in OTHERS:
        assert lab.try_run(host, f"ls {UNITS}/*.service.d/nodecycle.conf").rc != 0
