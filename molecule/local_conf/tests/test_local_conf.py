# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our lines on every host of a cluster that is not configless."""

from __future__ import annotations

import json
import re

import pytest
from conftest import SLURM, Killer, extra, failure_of

HOSTS = ("controller", "login", "worker1", "worker2", "worker3")
INCLUDE = "Include nodecycle.conf # (the line before had no newline)"
EMPTY = {"slurm_worker_prolog": [], "slurm_extra_conf": ""}


def test_the_cluster_is_not_configless(lab):
    assert "enable_configless" not in lab.run("controller", "scontrol show config")
    assert lab.try_run("worker1", "test -e /run/slurm/conf").rc != 0


@pytest.mark.parametrize("host", HOSTS)
def test_every_host_includes_the_same_lines(lab, host):
    assert lab.read(host, "/etc/slurm/slurm.conf").splitlines()[-1] == "Include nodecycle.conf"
    assert lab.read(host, "/etc/slurm/nodecycle.conf") == lab.read("controller", "/etc/slurm/nodecycle.conf")
    assert "PrologEpilogTimeout=77" in lab.read(host, "/etc/slurm/nodecycle.conf")


@pytest.mark.parametrize("host", HOSTS)
def test_every_host_agrees_with_the_controller(lab, host):
    assert "HASH_VAL                = Match" in lab.run(host, "scontrol show config")


def test_a_link_to_slurm_conf_needs_a_file_of_ours_beside_it(lab):
    """As of a host that is not in the inventory and has the shared slurm.conf through a link."""
    ask = "SLURM_CONF=/tmp/link/slurm.conf timeout 3 scontrol ping"
    lab.run("login", "mkdir /tmp/link && ln -s /etc/slurm/slurm.conf /tmp/link/slurm.conf")
    asked = lab.try_run("login", ask)
    assert (asked.rc, asked.stdout) == (124, "")
    assert "cannot stat file /tmp/link/nodecycle.conf" in asked.stderr
    assert "is UP" in lab.run("login", f"cp /etc/slurm/nodecycle.conf /tmp/link/ && {ask}; rm -r /tmp/link")


def test_the_workers_run_the_prolog(lab):
    job = lab.sbatch("true", "-w worker2")
    assert lab.finish(job)["JobState"] == "COMPLETED"
    assert f"prolog {job}" in lab.read("worker2", "/var/log/hooks")


DROP_IN = "/etc/systemd/system/{0}.service.d/elsewhere.conf"


def move_conf(lab, host, daemon):
    """Let a daemon read its slurm.conf at a place of which only its unit knows. The file in /etc stays, as a left-over."""
    unit = r"[Service]\nEnvironment=SLURM_CONF=/opt/site/slurm.conf\n"
    lab.run(host, f"mkdir -p /opt/site $(dirname {DROP_IN.format(daemon)}) && cp -p /etc/slurm/*.conf /opt/site/")
    lab.run(host, f"printf '{unit}' >{DROP_IN.format(daemon)} && systemctl daemon-reload && systemctl restart {daemon}")


def restore_conf(lab, host, daemon):
    """As before."""
    lab.run(host, f"rm -r /opt/site {DROP_IN.format(daemon)}; systemctl daemon-reload; systemctl restart {daemon}")


def test_another_slurm_conf_of_slurmd_is_told_before_anything_changes(lab, request, tmp_path):
    definition = f"--extra-vars=@{request.path.parent.parent}/vars/definition.yml"
    changed = extra({"slurm_extra_conf": "PrologEpilogTimeout=76\n"})
    move_conf(lab, "worker2", "slurmd")
    try:
        before = {host: lab.read(host, "/etc/slurm/nodecycle.conf") for host in HOSTS}
        message = failure_of(lab.play(definition, changed))
        assert "slurmd on this host reads /opt/site/slurm.conf" in message
        assert "set `slurm_conf_path: /opt/site/slurm.conf` for this host" in message
        assert {host: lab.read(host, "/etc/slurm/nodecycle.conf") for host in HOSTS} == before
        told = tmp_path / "told.yml"
        told.write_text(json.dumps({"all": {"hosts": {"worker2": {"slurm_conf_path": "/opt/site/slurm.conf"}}}}))
        done = lab.play(definition, changed, inventory=[told])
        assert done.returncode == 0, done.stdout
        assert "PrologEpilogTimeout=76" in lab.read("worker2", "/opt/site/nodecycle.conf")
        back = lab.play(definition, inventory=[told])
        assert back.returncode == 0, back.stdout
    finally:
        restore_conf(lab, "worker2", "slurmd")
    lab.wait_for_state("worker2", lambda state: state == "IDLE")


def test_a_controller_whose_unit_alone_knows_its_slurm_conf_answers(lab, request):
    """Also where the unit is the site's: slurmctld runs as SlurmUser, and who that is stands in the file looked for."""
    definition = f"--extra-vars=@{request.path.parent.parent}/vars/definition.yml"
    site = ["--extra-vars=slurm_slurmctld_unit=slurm-controller"]
    unit = "/etc/systemd/system/slurm-controller.service"
    lab.run("controller", f"cp $(systemctl show --property=FragmentPath --value slurmctld) {unit}")
    move_conf(lab, "controller", "slurmctld")
    lab.run("controller", f"cp -r {DROP_IN.format('slurmctld')} /tmp/elsewhere.conf && systemctl stop slurmctld")
    lab.run("controller", f"mkdir {unit}.d && mv /tmp/elsewhere.conf {unit}.d/ && systemctl daemon-reload")
    lab.run("controller", "systemctl start slurm-controller && mv /etc/slurm/slurm.conf /etc/slurm/away")
    try:
        found = lab.module("cluster_info", units={"slurmctld": "slurm-controller"})
        assert found.get("conf_path") == "/opt/site/slurm.conf", found
        done = lab.play(definition, extra({"slurm_extra_conf": "PrologEpilogTimeout=75\n"}), *site)
        assert done.returncode == 0, done.stdout
        assert "PrologEpilogTimeout=75" in lab.read("controller", "/opt/site/nodecycle.conf")
        back = lab.play(definition, *site)
        assert back.returncode == 0, back.stdout
    finally:
        lab.run(
            "controller",
            f"systemctl stop slurm-controller; rm -r {unit} {unit}.d; mv /etc/slurm/away /etc/slurm/slurm.conf",
        )
        restore_conf(lab, "controller", "slurmctld")
    lab.wait_for_state("worker1", lambda state: state == "IDLE")


def test_a_node_that_is_lost_while_slurm_conf_changes_keeps_the_controllers_from_changing(lab, request):
    definition = f"--extra-vars=@{request.path.parent.parent}/vars/definition.yml"
    others = [host for host in HOSTS if host != "worker2"]
    before = {host: lab.read(host, "/etc/slurm/nodecycle.conf") for host in HOSTS}
    since = lab.run("controller", "stat -c %i /etc/slurm/nodecycle.conf")
    done = Killer(lab).lose("worker2", "Change it", definition, extra({"slurm_extra_conf": "PrologEpilogTimeout=78\n"}))
    message = failure_of(done)
    assert "worker2: it cannot be reached any more" in message
    assert "Not restored on worker2" in message
    assert {host: lab.read(host, "/etc/slurm/nodecycle.conf") for host in others} == {
        host: before[host] for host in others
    }
    # It was never another file, not even for a moment: each change is a step of its own.
    assert lab.run("controller", "stat -c %i /etc/slurm/nodecycle.conf") == since
    lab.boot("worker2")
    again = lab.play(definition)
    assert again.returncode == 0, again.stdout
    assert {host: lab.read(host, "/etc/slurm/nodecycle.conf") for host in HOSTS} == before
    lab.wait_for_state("worker2", lambda state: state == "IDLE")
    assert "HASH_VAL                = Match" in lab.run("worker2", "scontrol show config")


def test_a_node_whose_own_file_takes_a_hook_away_undoes_the_run(lab, request):
    """The controller cannot know a node's own files; the node can."""
    definition = f"--extra-vars=@{request.path.parent.parent}/vars/definition.yml"
    for host in HOSTS:
        text = "TaskProlog=/bin/false" if host == "worker2" else "# nothing"
        lab.run(host, f"echo '{text}' >/etc/slurm/site.conf")
    before = {host: lab.read(host, "/etc/slurm/nodecycle.conf") for host in HOSTS}
    wanted = {
        "slurm_extra_conf": "PrologEpilogTimeout=77\nInclude site.conf\n",
        "slurm_task_prolog": "#!/bin/sh\necho 'export X=1'\n",
    }
    message = failure_of(lab.play(definition, extra(wanted)))
    assert "is undone; each host has proven it by sha256" in message
    assert (
        "worker2: With the new slurm.conf Slurm would not run our dispatchers on this host. task_prolog would not run: "
        in message
    )
    assert "/etc/slurm/site.conf:1 sets TaskProlog=/bin/false" in message
    assert {host: lab.read(host, "/etc/slurm/nodecycle.conf") for host in HOSTS} == before
    assert lab.srun("hostname", "-w worker2").stdout == "worker2\n"


@pytest.mark.skipif(SLURM < "24.05", reason="slurm_keep_conf_keys needs 24.05, since which the lines of a key add up")
def test_a_key_is_adopted_and_restored_to_the_byte_on_every_host(lab, request):
    """Also from behind a symbolic link, with its owner and mode."""
    definition = request.path.parent.parent / "vars/definition.yml"
    lab.run(
        "worker1",
        "mkdir /opt/conf && mv /etc/slurm/slurm.conf /opt/conf/ && ln -s /opt/conf/slurm.conf /etc/slurm/slurm.conf",
    )
    lab.run("worker1", "chmod 640 /opt/conf/slurm.conf && chgrp slurm /opt/conf/slurm.conf")
    assert lab.play("--extra-vars", json.dumps(EMPTY)).returncode == 0
    assert [host for host in HOSTS if "Include" in lab.read(host, "/etc/slurm/slurm.conf")] == []
    vendor = r"#!/bin/sh\necho vendor $SLURM_JOB_ID >>/var/log/hooks\n"
    for host in HOSTS:
        lab.run(host, f"printf '{vendor}' >/usr/local/sbin/vendor && chmod 755 /usr/local/sbin/vendor")
        # The site's own keys, and no newline at the end of the file.
        lab.run(host, r"printf 'Prolog=/usr/local/sbin/vendor\nPrologEpilogTimeout=55' >>/etc/slurm/slurm.conf")
    lab.run("controller", "scontrol reconfigure")
    before = {host: lab.read(host, "/etc/slurm/slurm.conf") for host in HOSTS}

    kept = extra({"slurm_keep_conf_keys": ["Prolog"]})
    refused = lab.play(f"--extra-vars=@{definition}", kept)
    assert refused.returncode != 0
    assert "already sets PrologEpilogTimeout=55, which slurm_extra_conf would set" in refused.stdout

    adopted = lab.play(f"--extra-vars=@{definition}", kept, extra({"slurm_adopt_conf_keys": ["PrologEpilogTimeout"]}))
    assert adopted.returncode == 0, adopted.stdout
    for host in HOSTS:
        last = before[host].splitlines()[-1]
        assert last == "PrologEpilogTimeout=55"
        # Only our Include follows; where slurm.conf is a link, by its whole path.
        now = re.sub(r"(?m)^Include \S*/", "Include ", lab.read(host, "/etc/slurm/slurm.conf"))
        assert now == f"{before[host].removesuffix(last)}#nodecycle.slurm adopted# {last}\n{INCLUDE}\n"
        assert lab.run(host, "cat $(ls -t /var/lib/nodecycle/backup/* | head -n 1)") == before[host]
    assert "PrologEpilogTimeout     = 77" in lab.run("controller", "scontrol show config")
    assert lab.run("worker1", "readlink /etc/slurm/slurm.conf").strip() == "/opt/conf/slurm.conf"
    assert lab.run("worker1", "stat -c '%a %G' /opt/conf/slurm.conf").strip() == "640 slurm"
    # A job meets both programs.
    job = lab.sbatch("true", "-w worker2")
    assert lab.finish(job)["JobState"] == "COMPLETED"
    assert {f"vendor {job}", f"prolog {job}"} <= set(lab.read("worker2", "/var/log/hooks").splitlines())

    assert lab.play("--extra-vars", json.dumps(EMPTY)).returncode == 0
    assert {host: lab.read(host, "/etc/slurm/slurm.conf") for host in HOSTS} == before
    for host in HOSTS:
        lab.run(host, "sed -i --follow-symlinks '/^Prolog=/d' /etc/slurm/slurm.conf")
    lab.run("controller", "scontrol reconfigure")


def test_a_host_outside_of_the_inventory_that_shares_the_file_goes_on(lab, request):
    """Each host has a link to one file. Nobody places anything on the login node here."""
    definition = f"--extra-vars=@{request.path.parent.parent}/vars/definition.yml"
    outside = "--extra-vars=slurm_login_group=outside"
    site_own = "'/^PrologEpilogTimeout/d; /nodecycle.conf/d'"
    lab.run("controller", f"mkdir /home/sw && sed {site_own} /etc/slurm/slurm.conf >/home/sw/slurm.conf")
    for host in HOSTS:
        lab.run(host, "ln -sfn /home/sw/slurm.conf /etc/slurm/slurm.conf; rm -f /etc/slurm/nodecycle.conf")
    lab.run("controller", "scontrol reconfigure")
    before = lab.read("login", "/home/sw/slurm.conf")

    bad = extra({"slurm_extra_conf": "PrologEpilogTimeout=77\nSchedulerType=sched/nothing\n"})
    refused = lab.play(definition, outside, bad)
    assert "slurm_extra_conf line 2 (SchedulerType)" in failure_of(refused)
    assert lab.read("login", "/home/sw/slurm.conf") == before

    done = lab.play(definition, outside)
    assert done.returncode == 0, done.stdout
    assert lab.read("login", "/home/sw/slurm.conf").splitlines()[-1] == "Include /home/sw/nodecycle.conf"
    assert lab.try_run("login", "test -e /etc/slurm/nodecycle.conf").rc != 0
    assert lab.run("login", "sinfo --noheader --format=%T") == "idle\n"
    for host in HOSTS:
        assert "HASH_VAL                = Match" in lab.run(host, "scontrol show config")
    job = lab.sbatch("true", "-w worker2")
    assert lab.finish(job)["JobState"] == "COMPLETED"
    assert f"prolog {job}" in lab.read("worker2", "/var/log/hooks")
    again = lab.play(definition, outside)
    assert not re.search(r"changed=[1-9]", again.stdout), again.stdout

    assert lab.play(outside, "--extra-vars", json.dumps(EMPTY)).returncode == 0
    assert lab.read("login", "/home/sw/slurm.conf") == before
    assert lab.try_run("login", "test -e /home/sw/nodecycle.conf").rc != 0
