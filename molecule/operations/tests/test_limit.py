# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run with --limit changes these hosts alone, with journal, proof and undo like any other."""

from __future__ import annotations

import json
import re

import pytest
from conftest import ROOT, WORKERS, active, administrator, differences, extra, failure_of, undone, users

EPILOG = extra({"slurm_worker_epilog": "#!/bin/sh\necho changed\n"})
#: All that a new image lacks.
OURS = "/etc/nodecycle /var/lib/nodecycle /var/log/nodecycle /run/nodecycle /etc/tmpfiles.d/nodecycle.conf /etc/logrotate.d/nodecycle"


def releases(lab):
    """The active release of each host."""
    return {host: active(lab, host) for host in lab.hosts}


def changed(before, after):
    """The hosts whose release changed."""
    return sorted(host for host in before if before[host] != after[host])


@pytest.fixture(autouse=True)
def settled(lab, good):
    """Each test begins and ends with the good definition."""
    before = releases(lab)
    yield
    if releases(lab) != before:
        done = lab.play(good)
        assert done.returncode == 0, done.stdout
    assert releases(lab) == before
    assert lab.leftovers() == []


def test_nothing_to_do(lab, good):
    with undone(lab):
        done = lab.play(good, "--limit", "worker2")
    assert done.returncode == 0, done.stdout
    assert "Nothing to do: every host runs what is defined." in done.stdout


def test_the_last_hook_of_the_workers_is_not_removed_from_one_of_them(lab, good):
    files = lab.snapshot()
    message = failure_of(
        lab.play(good, extra({"slurm_worker_prolog": [], "slurm_worker_epilog": []}), "--limit", "worker2,controller")
    )
    assert message.startswith("No host was touched.")
    assert "run without --limit" in message
    assert differences(files, lab.snapshot()) == []


@pytest.mark.parametrize(
    ("limit", "definition"),
    [
        ("worker1,worker3", EPILOG),
        pytest.param("login", extra({"slurm_login_init": "#!/bin/sh -e\necho changed\n"}), marks=pytest.mark.thorough),
        ("controller", extra({"slurm_controller_epilog": "#!/bin/sh\necho changed\n"})),
    ],
)
def test_only_these_hosts_change_and_prove_it(lab, good, limit, definition):
    before = releases(lab)
    with users(lab):
        done = lab.play(good, definition, "--limit", limit)
    assert done.returncode == 0, done.stdout
    assert "is committed." in done.stdout
    assert changed(before, releases(lab)) == limit.split(",")
    status = lab.play(playbook="playbooks/status.yml")
    assert status.returncode == 0, status.stdout


#: The lab's workers under other names of the inventory.
OTHER_NAMES = {
    "worker1": "worker1.example.org:",
    "worker2": "node-2.example.org:\n          slurm_node_name: worker2",
    "worker3": "worker3.example.org:",
}


def test_a_bad_script_is_undone(lab, good, tmp_path):
    """Slurm's names of the nodes count, not those of the inventory."""
    inventory = tmp_path / "inventory.yml"
    text = (ROOT / "lab/inventory.yml").read_text()
    inventory.write_text(re.sub(r"(?m)^( +)(worker\d):$", lambda m: m[1] + OTHER_NAMES[m[2]], text))
    bad = extra({"slurm_worker_prolog": "#!/bin/sh\nexit 3\n"})
    with undone(lab, "-w worker1"):
        done = lab.play(good, bad, "--limit", "node-2.example.org", only_inventory=inventory)
    message = failure_of(done)
    assert "worker_prolog: script 10-script ended with exit code 3 on worker2" in message
    assert "The probe of worker2 did not pass. " in done.stdout
    assert "Resumed: worker2" in message


def lose_files(lab, host):
    """As a new image leaves the host; slurmd runs."""
    lab.run(host, f"rm -rf {OURS} /etc/systemd/system/nodecycle* && systemctl daemon-reload")


@pytest.mark.parametrize("limit", [pytest.param((), marks=pytest.mark.thorough), ("--limit", "worker2")])
def test_a_reimaged_node_gets_its_files_back_and_is_resumed(lab, good, limit):
    before = releases(lab)
    lose_files(lab, "worker2")
    job = lab.sbatch("true", "-w worker2")
    lab.wait_for_state("worker2", lambda state: "DRAIN" in state, 60)
    assert lab.node("worker2")["Reason"].startswith("Prolog error")
    done = lab.play(good, *limit)
    assert done.returncode == 0, done.stdout
    assert releases(lab) == before
    assert lab.in_service() == dict.fromkeys(WORKERS, "")
    lab.run("controller", f"scancel {job}")


@pytest.mark.thorough
def test_a_reimaged_node_that_somebody_has_drained_stays_drained(lab, good):
    lose_files(lab, "worker2")
    administrator(lab, "NodeName=worker2 State=DRAIN Reason=fan")
    try:
        done = lab.play(good, "--limit", "worker2")
        assert done.returncode == 0, done.stdout
        assert lab.in_service()["worker2"]
        assert lab.node("worker2")["Reason"].startswith("fan")
    finally:
        administrator(lab, "NodeName=worker2 State=RESUME")


def test_a_new_node_is_set_up_alone(lab, good, tmp_path):
    inventory = (ROOT / "lab/inventory.yml").read_text()
    without = tmp_path / "inventory.yml"
    without.write_text(inventory.replace('        worker2:\n          ansible_host: "{{ lab_name }}-worker2"\n', ""))
    lose_files(lab, "worker2")
    administrator(lab, "NodeName=worker2 State=DRAIN Reason=new")
    try:
        alone = lab.play(good, extra({"slurm_unmanaged_nodes": "worker2"}), only_inventory=without)
        assert alone.returncode == 0, alone.stdout
        # As an image with the files of another node does.
        files = lab.run("worker1", "tar -C /etc -cz nodecycle | base64 -w0")
        # The directory of the logs is for this test: without it the scripts run and nobody writes it down.
        lab.run("worker2", f"echo {files} | base64 -d | tar -C /etc -xz && mkdir -p /var/log/nodecycle")
        administrator(lab, "NodeName=worker2 State=RESUME")
        job = lab.sbatch("true", "-w worker2")
        assert lab.finish(job)["JobState"] == "COMPLETED"
        log = lab.run("worker2", "cat /var/log/nodecycle/*.log").splitlines()
        ran = [line["hook"] for line in map(json.loads, log) if line["job"] == job]
        assert sorted(ran) == ["worker_epilog", "worker_prolog"]
        lose_files(lab, "worker2")
        administrator(lab, "NodeName=worker2 State=DRAIN Reason=new")
        done = lab.play(good, "--limit", "worker2")
        assert done.returncode == 0, done.stdout
        assert active(lab, "worker2") == active(lab, "worker1")
        assert lab.in_service()["worker2"]
    finally:
        administrator(lab, "NodeName=worker2 State=RESUME")


def test_status_of_one_host(lab):
    done = lab.play("--limit", "worker2", playbook="playbooks/status.yml")
    assert done.returncode == 0, done.stdout
    assert re.search(r"worker2: release \w+, proven", done.stdout)
    assert "worker1" not in done.stdout


def test_a_rollback_is_for_the_whole_cluster(lab, good):
    assert lab.play(good, EPILOG).returncode == 0
    with undone(lab):
        message = failure_of(lab.play("--limit", "worker2", playbook="playbooks/rollback.yml"))
    assert message.startswith("Nothing was changed.")
    assert "worker1 is not in the inventory or was left out by --limit" in message
