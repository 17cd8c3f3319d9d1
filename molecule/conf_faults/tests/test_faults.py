# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault of faults.yml on the real cluster: where it ends, the message, and that no user notices anything."""

from __future__ import annotations

import base64
import contextlib
import json
import pathlib
import shlex
import typing as t

import pytest
import yaml
from conftest import HOSTS, SLURM, WORKERS, Lab, Traffic, wait

FAULTS = yaml.safe_load((pathlib.Path(__file__).parent / "faults.yml").read_text())
FRAGMENT = "/etc/slurm/nodecycle.conf"
BEFORE = "PrologEpilogTimeout=77\n"
HEADER = "# Managed by nodecycle.slurm: change the variables, not this file; the next run replaces it.\n"
LONG = ",".join(["bf_continue"] * 420)
#: What each step alone says: else the step after it might have refused the lines. Where they end later, "is undone" is read, too.
REFUSALS = {
    "control node": "No host was touched.",
    "reader": "cannot be assembled, so nothing was changed: ",
    "parser": "Slurm refuses the new configuration, so nothing was changed. ",
    "trial": "slurmctld ends on the new configuration, so nothing was changed. ",
}


def cases(kind: str) -> list[t.Any]:
    """The faults of a kind that are one in this release."""
    return [
        pytest.param(fault, id=fault["fault"], marks=[pytest.mark.thorough] if fault.get("is_thorough") else [])
        for fault in FAULTS[kind]
        if fault.get("since", "") <= SLURM
    ]


def variables(fault: dict[str, t.Any]) -> dict[str, t.Any]:
    """The user's variables of a fault."""
    silent = {"slurm_lint_disable": FAULTS["silent"]} if fault.get("is_silent") else {}
    return {"slurm_extra_conf": lines(fault), **silent, **fault.get("variables", {})}


def lines(fault: dict[str, t.Any]) -> str:
    """The lines of a fault."""
    text: str = fault["extra_conf"].replace("@long@", LONG)
    return text


def files(lab: Lab) -> dict[str, str]:
    """The bytes of every file that Slurm reads on any host, and what the release's directory has."""
    look = (
        "for f in /etc/slurm/* /run/slurm/conf/* /var/lib/slurm/slurmd/conf-cache/* /etc/nodecycle/*; do"
        " [ -f $f ] && sha256sum $f; done; ls -d /etc/slurm/.nodecycle-* 2>/dev/null; true"
    )
    return {host: lab.run(host, look) for host in HOSTS}


def play(lab: Lab, wanted: dict[str, t.Any]) -> t.Any:
    return lab.play("--extra-vars", json.dumps(wanted))


@pytest.fixture(scope="module")
def jobs(lab: Lab) -> t.Iterator[tuple[str, str]]:
    """One job that runs and one that waits for its CPUs, from the first fault to the last."""
    running = lab.sbatch("sleep 3000", "-w worker1 -n2")
    waiting = lab.sbatch("sleep 3000", "-w worker1 -n2")
    wait(lambda: lab.job(running)["JobState"] == "RUNNING", 30, "the job to run")
    yield running, waiting
    lab.run("controller", f"scancel {running} {waiting}")


@pytest.fixture(autouse=True)
def unharmed(lab: Lab, jobs: tuple[str, str]) -> t.Iterator[None]:
    """After each fault the two jobs are unchanged, and every node serves."""
    kept = ("JobState", "Restarts", "StartTime", "BatchHost")
    before = {key: lab.job(jobs[0]).get(key) for key in kept}
    # A new one with each start; a reconfigure, in which slurmd replaces itself, leaves it.
    started = "systemctl show slurmd --property=InvocationID"
    slurmd = lab.run("worker1", started)
    yield
    assert lab.run("worker1", started) == slurmd
    assert {key: lab.job(jobs[0]).get(key) for key in kept} == before
    assert lab.job(jobs[1])["JobState"] == "PENDING"
    assert "HASH_VAL                = Match" in lab.run("controller", "scontrol show config")
    assert (
        lab.try_run("controller", "ls -d /var/lib/nodecycle/rollout/journal.json /run/nodecycle-trial-*").stdout == ""
    )
    for name in ("worker2", "worker3"):
        lab.wait_for_state(name, lambda state: state in ("IDLE", "MIXED", "ALLOCATED"))


def said(done: t.Any, fault: dict[str, t.Any]) -> None:
    """Whether the administrator reads the right words, and nothing that only a developer understands."""
    text = done.stdout + done.stderr
    assert (done.returncode == 0) == (fault["ends"] == "applied"), text
    assert [part for part in fault["says"] if part not in text] == [], text
    by = [step for step, words in REFUSALS.items() if words in text]
    assert by == ([fault["ends"]] if fault["ends"] in REFUSALS else []), text
    assert ("is undone" in text) == (fault["ends"] == "undone"), text
    if by and by != ["control node"]:
        assert "Correct `slurm_extra_conf`." in text
    assert "Traceback" not in text


def applied(lab: Lab, fault: dict[str, t.Any]) -> None:
    """The file is the user's lines, byte for byte, and the controller has their values."""
    data = lab.run("controller", f"base64 -w0 {FRAGMENT}")
    assert base64.b64decode(data).decode() == HEADER + lines(fault)
    for host in ("login", *WORKERS):
        assert lab.read(host, "/run/slurm/conf/nodecycle.conf") == lab.read("controller", FRAGMENT)
    for line in lines(fault).split():
        key, value = line.split("=", 1)
        assert value in lab.run("controller", f"scontrol show config | grep -i '^{key} '")


@pytest.mark.parametrize("fault", cases("lines"))
def test_lines(lab: Lab, fault: dict[str, t.Any]) -> None:
    before = files(lab)
    # Where no host is touched, users have nothing to notice.
    users = contextlib.nullcontext() if fault["ends"] == "control node" else Traffic(lab, end_within=120)
    with users as traffic:
        done = play(lab, variables(fault))
    said(done, fault)
    assert traffic is None or traffic.problems == []
    if fault["ends"] == "applied":
        applied(lab, fault)
        assert play(lab, {"slurm_extra_conf": BEFORE}).returncode == 0
    assert files(lab) == before


# --- faults from outside


def in_background(lab: Lab, host: str, script: str) -> None:
    """Run a script on a host until it has done its work, or two minutes have passed."""
    lab.run(host, f"systemd-run --quiet --property=RuntimeMaxSec=120 /bin/sh -c {shlex.quote(script)}")


def when_placed(fault: dict[str, t.Any]) -> str:
    """Wait until the new lines are on the controller's disk."""
    return f"until grep -qx {shlex.quote(lines(fault).strip())} /etc/slurm/nodecycle.conf; do sleep 0.05; done; "


@contextlib.contextmanager
def disk_full(lab: Lab, _fault: dict[str, t.Any]) -> t.Iterator[None]:
    """The controller's /etc/slurm is a tiny file system without a free block."""
    lab.run(
        "controller",
        "cp -a /etc/slurm /tmp/slurm && mount -t tmpfs -o size=64k,mode=755 tmpfs /etc/slurm && cp -a /tmp/slurm/. /etc/slurm/",
    )
    lab.try_run("controller", "cat /dev/zero >/etc/slurm/zero; true")
    try:
        yield
    finally:
        lab.run("controller", "umount /etc/slurm && rm -r /tmp/slurm")


@contextlib.contextmanager
def scontrol_killed(lab: Lab, _fault: dict[str, t.Any]) -> t.Iterator[None]:
    """The first `scontrol reconfigure` is killed as soon as it is there: that of 22.05 is too quick to be caught from outside."""
    kill = """#!/bin/sh
[ "$1" = reconfigure ] && mkdir /tmp/killed 2>/dev/null || exec /tmp/scontrol "$@"
/tmp/scontrol "$@" & kill -KILL $!
kill -KILL $$
"""
    lab.run(
        "controller",
        f"cp /usr/bin/scontrol /tmp/scontrol; printf %s {shlex.quote(kill)} >/tmp/kill; chmod 755 /tmp/kill;"
        " mount --bind /tmp/kill /usr/bin/scontrol",
    )
    try:
        yield
    finally:
        lab.run("controller", "umount /usr/bin/scontrol; rm /tmp/kill /tmp/scontrol")
    lab.run("controller", "rmdir /tmp/killed")


@contextlib.contextmanager
def worker_stopped(lab: Lab, fault: dict[str, t.Any]) -> t.Iterator[None]:
    """A worker's slurmd stops when the lines are placed."""
    lab.run("login", "rm -f /home/placed")
    in_background(lab, "controller", when_placed(fault) + "touch /home/placed; sleep 60; rm /home/placed")
    in_background(
        lab, "worker3", "until [ -e /home/placed ]; do sleep 0.05; done; systemctl stop slurmd; touch /tmp/stopped"
    )
    yield
    lab.run("worker3", "rm /tmp/stopped; systemctl start slurmd")


@contextlib.contextmanager
def controller_killed(lab: Lab, fault: dict[str, t.Any]) -> t.Iterator[None]:
    """slurmctld is killed as soon as the lines are placed."""
    in_background(lab, "controller", when_placed(fault) + "systemctl kill --signal=KILL slurmctld; touch /tmp/killed")
    yield
    lab.run("controller", "rm /tmp/killed")


@contextlib.contextmanager
def job_lost(lab: Lab, fault: dict[str, t.Any]) -> t.Iterator[None]:
    """When the lines are placed, a worker fails for a moment: it answers again at once, and its job is gone."""
    job = lab.sbatch("sleep 3000", "-w worker3 --no-requeue")
    wait(lambda: lab.job(job)["JobState"] == "RUNNING", 30, "the job to run")
    state = "scontrol update NodeName=worker3 State="
    in_background(lab, "controller", when_placed(fault) + f"{state}DOWN Reason=fails; {state}RESUME")
    yield
    assert lab.job(job)["JobState"] == "NODE_FAIL"


EVENTS = {event.__name__: event for event in (disk_full, scontrol_killed, worker_stopped, controller_killed, job_lost)}


@pytest.mark.parametrize("fault", cases("events"))
def test_events(lab: Lab, fault: dict[str, t.Any]) -> None:
    before = files(lab)
    event = fault.get("event")
    breaks = EVENTS[event](lab, fault) if event else contextlib.nullcontext()
    with breaks, Traffic(lab, "-x worker3", end_within=120) as traffic:
        done = play(lab, variables(fault))
    said(done, fault)
    if event == "controller_killed":
        # Nobody answers while it is dead, and a job that it accepted last may be lost with it.
        answered = [" is UP" in ping.said for ping in traffic.pings]
        assert (answered[0], False in answered, answered[-1]) == (True, True, True)
    else:
        assert traffic.problems == []
    assert files(lab) == before
