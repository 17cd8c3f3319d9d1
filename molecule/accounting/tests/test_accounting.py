# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that runs no job without an account: what the probe lacks is said before anything changes, and what the guide advises works."""

from __future__ import annotations

import re

import pytest
import yaml
from conftest import (
    HOSTS,
    NAME,
    ROOT,
    SLURM,
    WORKERS,
    Killer,
    Traffic,
    administrator,
    extra,
    failure_of,
    undone,
    users,
    wait,
)

GUIDE = (ROOT / "docs/guide/rollout.md").read_text()
ADVICE = GUIDE.partition("### If jobs need an account\n")[2].partition("\nWithout probes")[0]
COMMANDS = re.findall(r"(?m)^    (sacctmgr .*)$", ADVICE)
VARIABLES = yaml.safe_load(re.findall(r"(?s)```yaml\n(.*?)```", ADVICE)[0])

CONF = {"slurm_extra_conf": "PrologEpilogTimeout=65"}
BAD = {"slurm_worker_prolog": "#!/bin/sh\necho no scratch here; exit 3\n"}
NO_ACCOUNT = "Invalid account or account/partition combination specified"
REMEDY = ("sacctmgr -i add user slurm account=", "slurm_probe_user", "slurm_probe_account", "slurm_probe_qos")


def test_without_an_account_nothing_changes(lab, good):
    with undone(lab):
        done = lab.play(good, extra(CONF))
    message = failure_of(done)
    start = f"The probe of worker3 cannot run. worker3, partition batch: sbatch refuses the job: allocation failure: {NO_ACCOUNT}"
    assert message.startswith(start), message
    assert [words for words in REMEDY if words not in message] == []
    assert "Open the journal" not in done.stdout
    assert "PLAY [Undo]" not in done.stdout


def test_an_account_alone_is_not_enough_and_check_says_so(lab, good):
    message = failure_of(lab.play(good, extra({"slurm_probe_account": "physics"}), "--check"))
    assert NO_ACCOUNT in message
    assert [words for words in REMEDY if words not in message] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"user": "alice", "account": "chemistry"}, NO_ACCOUNT),
        ({"user": "alice", "qos": "debug"}, "Invalid qos specification"),
    ],
)
def test_slurm_s_words_come_with_the_remedy(lab, arguments, words):
    found = lab.module("probe", name="worker3", state="accepted", **arguments)
    assert found["failed"]
    assert words in found["msg"]
    assert "sacctmgr -i add user alice account=" in found["msg"]


def test_a_reservation_of_others_hides_no_refusal(lab):
    lab.run(
        "controller",
        "scontrol create reservation ReservationName=theirs StartTime=now Duration=60 Users=alice Nodes=worker3",
    )
    try:
        refused = lab.module("probe", name="worker3", state="accepted")
        accepted = lab.module("probe", name="worker3", state="accepted", user="bob")
    finally:
        lab.run("controller", "scontrol delete ReservationName=theirs")
    assert NO_ACCOUNT in refused["msg"]
    assert not accepted["failed"], accepted


def test_slurm_user_with_the_account_of_the_guide(lab, good):
    """Also where root has no association. Nobody else gets into the reservation."""
    for command in COMMANDS:
        lab.run("controller", command)
    look = {"slurm_probe_command": "scontrol show reservation -o nodecycle_canary >/tmp/seen && sleep 3"}
    lab.run("controller", "sacctmgr -i delete user root")
    try:
        with Traffic(lab, "--reservation=nodecycle_canary") as intruder:
            done = lab.play(good, extra(look))
    finally:
        lab.run("controller", "sacctmgr -i add user root account=root")
    assert done.returncode == 0, done.stdout
    assert "is committed." in done.stdout
    assert " Users=slurm Groups=(null) Accounts=(null) " in lab.read("worker3", "/tmp/seen")
    assert intruder.jobs == []
    assert any("Access denied to requested reservation" in answer.said for answer in intruder.submissions)
    assert lab.leftovers() == []


@pytest.fixture(scope="module")
def monitor(lab):
    """The user of the guide's example, with its QOS."""
    for host in HOSTS:
        lab.run(host, f"useradd --system --uid 2901 {VARIABLES['slurm_probe_user']}")
    add_user = "add user {slurm_probe_user} account=probes,{slurm_probe_account} qos+={slurm_probe_qos}"
    for command in ("add qos {slurm_probe_qos}", add_user):
        lab.run("controller", f"sacctmgr -i {command.format(**VARIABLES)}")


@pytest.mark.usefixtures("monitor")
def test_a_database_that_ends_meanwhile_hinders_neither_an_undo_nor_the_next_run(lab, good):
    stop = f"podman exec {NAME}-controller systemctl stop slurmdbd mariadb"
    try:
        with undone(lab):
            done = Killer(lab).interrupt("Open the journal", stop, good, extra({**CONF, **BAD}))
        message = failure_of(done)
        assert "worker_prolog: script 10-script ended with exit code 3 on worker3" in message
        assert "is undone; each host has proven it by sha256" in message
        administrator(lab, f"PartitionName=gpu AllowQos={VARIABLES['slurm_probe_qos']}")
        checked = lab.play(good, extra(CONF), "--check")
        administrator(lab, "PartitionName=gpu AllowQos=ALL")
        if SLURM == "24.11":
            ends = "slurmdbd does not answer: slurmctld 24.11.5 would end when slurmdbd is back, because gpu has"
            assert ends in failure_of(checked)
        else:
            assert checked.returncode == 0, checked.stdout
        with users(lab):
            done = lab.play(good, extra(CONF))
        assert done.returncode == 0, done.stdout
        assert "is committed." in done.stdout
    finally:
        lab.run("controller", "systemctl start mariadb slurmdbd")
        wait(lambda: lab.try_run("controller", "sacctmgr -n show cluster").rc == 0, 60, "the database")
        # Else it ends at the AllowQos of the next test, while it renews its copy of the database (24.11.5).
        lab.run("controller", "systemctl restart slurmctld")
        wait(lambda: lab.try_run("controller", "scontrol ping").rc == 0, 60, "the controller")
        # Until a node has registered its state is UNKNOWN.
        for host in WORKERS:
            lab.wait_for_state(host, lambda state: state == "IDLE", 60)


@pytest.mark.usefixtures("monitor")
def test_another_user_with_the_account_and_the_qos_of_the_guide(lab, good):
    """The partition's rule is one that Slurm itself does not ask about when it is asked (EnforcePartLimits=NO)."""
    administrator(lab, f"PartitionName=gpu AllowQos={VARIABLES['slurm_probe_qos']}")
    doubt = lab.module("probe", name="worker3", state="accepted", user="monitor")
    assert not doubt["failed"], doubt
    assert "The partition gpu allows the QOS debug only, and slurm_probe_qos names none" in doubt["shown"]
    refused = lab.module("probe", name="worker3", state="accepted", user="monitor", qos="normal")
    assert (
        "worker3, partition gpu: the job would wait for ever: the QOS normal is not allowed (AllowQos=debug)"
        in refused["msg"]
    )
    assert "partition batch" not in refused["msg"]
    with users(lab, "-w worker1"):
        done = lab.play(good, extra({**VARIABLES, "slurm_worker_prolog": "#!/bin/sh\necho new\n"}))
    assert done.returncode == 0, done.stdout
    assert "is committed." in done.stdout
    jobs = lab.run(
        "controller", "sacct -n -X -a --name=nodecycle_probe --user=monitor -P -o account,qos,partition,state"
    )
    assert sorted(jobs.split()) == ["physics|debug|batch|COMPLETED", "physics|debug|gpu|COMPLETED"]
