# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sites that have built Slurm themselves: other directories, and other names of the daemons' units."""

from __future__ import annotations

import json

import pytest
from conftest import WORKERS, extra

UNITS = "/etc/systemd/system"
TO_SLURM_NODE = f"""
cp /usr/lib/systemd/system/slurmd.service {UNITS}/slurm-node.service
cp -r {UNITS}/slurmd.service.d {UNITS}/slurm-node.service.d
systemctl disable --now slurmd
systemctl daemon-reload
systemctl enable --now slurm-node
"""
BACK = f"""
systemctl disable --now slurm-node
rm -rf {UNITS}/slurm-node.service {UNITS}/slurm-node.service.d
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
    inventory.write_text(json.dumps({"all": {"hosts": {"worker2": {"slurm_slurmd_unit": "slurm-node"}}}}))
    lab.run("worker2", TO_SLURM_NODE)
    lab.wait_for_state("worker2", lambda state: state == "IDLE")
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
    finally:
        back = lab.play(good, inventory=[inventory])
        lab.run("worker2", BACK)
        lab.wait_for_state("worker2", lambda state: state == "IDLE", 60)
    assert back.returncode == 0, back.stdout
    assert lab.try_run("worker2", f"ls {UNITS}/*.service.d/nodecycle.conf").rc != 0
