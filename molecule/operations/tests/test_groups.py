# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories of other shapes: a group that is empty, one of another name, and a host in two of them."""

from __future__ import annotations

import json
import re

import pytest
from conftest import ROOT, active, extra

INVENTORY = (ROOT / "lab/inventory.yml").read_text()
NOTHING = "Nothing to do: every host runs what is defined."


def test_without_login_nodes_they_stay_as_they_are(lab, good, tmp_path):
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(INVENTORY.replace("slurm_login:", "others:"))
    before = active(lab, "login")
    done = lab.play(good, only_inventory=inventory)
    assert done.returncode == 0, done.stdout
    assert NOTHING in done.stdout
    assert active(lab, "login") == before


GROUPS = {f"slurm_{kind}_group": f"blue_{kind}" for kind in ("controller", "login", "worker")}


@pytest.mark.parametrize("way", ["-e", "import_playbook"])
def test_groups_of_other_names(lab, good, tmp_path, way):
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(INVENTORY.replace(" slurm_", " blue_"))
    playbook, named = "playbooks/site.yml", [extra(GROUPS)]
    if way == "import_playbook":
        playbook, named = str(tmp_path / "own.yml"), []
        (tmp_path / "own.yml").write_text(
            json.dumps([{"ansible.builtin.import_playbook": "nodecycle.slurm.site", "vars": GROUPS}])
        )
    done = lab.play(good, *named, playbook=playbook, only_inventory=inventory)
    assert done.returncode == 0, done.stdout
    assert NOTHING in done.stdout
    # All of them were asked.
    assert set(re.findall(r"(?m)^(\w+) +: ok=[1-9]", done.stdout)) == set(lab.hosts)
    if way == "-e":
        status = lab.play(*named, playbook="playbooks/status.yml", only_inventory=inventory)
        assert status.returncode == 0, status.stdout


@pytest.mark.thorough
def test_a_worker_that_is_a_login_node_too_has_the_scripts_of_both(lab, good, tmp_path):
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(json.dumps({"slurm_login": {"hosts": {"worker1": {}}}}))
    done = lab.play(good, inventory=[inventory])
    assert done.returncode == 0, done.stdout
    assert active(lab, "worker1") != active(lab, "worker2")
    hooks = set(lab.run("worker1", "ls /etc/nodecycle/current").split())
    assert {"login_init", "worker_prolog", "worker_epilog"} <= hooks
    assert lab.srun("true", "-w worker1").rc == 0
    back = lab.play(good)
    assert back.returncode == 0, back.stdout
    assert active(lab, "worker1") == active(lab, "worker2")
