# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible is killed with SIGKILL, and a plain run afterwards restores the cluster."""

from __future__ import annotations

import json
import os

import pytest
from conftest import EACH_WORKER, WORKERS, Killer, Traffic, differences

#: Seconds after the start of a task: at once, before it reaches a host, and in its middle.
DELAYS = (0, 0.4)


JOURNAL = "/var/lib/nodecycle/rollout/journal.json"

#: How many points of a change, and of an undo. Each takes most of a minute; POINTS=100,30 tries nearly every task.
POINTS = [int(number) for number in os.environ.get("POINTS", "3,1").split(",")]

#: The definition of the next run, or every third time a rollback.
WANTED = ("after", "after", "rollback")


def points(name, how_many, wanted, since=""):
    """Number of the task, delay and the next run's definition, as parameters."""
    found = []
    for index, (number, task) in enumerate(Killer.points(name, how_many, since)):
        delay, then = DELAYS[index % len(DELAYS)], wanted[index % len(wanted)]
        found.append(pytest.param(number, delay, then, id=f"{number} {task}{f' + {delay} s' if delay else ''}, {then}"))
    return found


@pytest.fixture(scope="module")
def traffic(lab):
    """A user submits a job each second, from the first test of this module to the last."""
    with Traffic(lab, EACH_WORKER, end_within=90) as present:
        yield present


@pytest.fixture(scope="module")
def clusters(request):
    """The definitions, by name, and the files of the cluster under each, as the step before has left them."""
    found = {
        name: (f"--extra-vars=@{request.path.parents[2]}/vars/{name}.yml", files)
        for name, files in json.loads(Killer.SNAPSHOTS.read_text()).items()
    }
    return {**found, "now": "b"}


def recovered(lab, traffic, cluster, playbook="playbooks/site.yml"):
    """A plain run has succeeded, the cluster has its definition, and the killed run has left nothing."""
    argument, files = cluster
    done = lab.play(argument, playbook=playbook)
    assert done.returncode == 0, done.stdout
    assert lab.leftovers() == []
    assert differences(files, lab.snapshot()) == []
    assert lab.in_service() == dict.fromkeys(WORKERS, "")
    assert [job for job in lab.held_jobs() if job.split()[0] in traffic.jobs] == []
    lab.hurry()


@pytest.mark.parametrize(("number", "delay", "then"), points("change", POINTS[0], WANTED))
def test_a_change_that_was_killed(lab, traffic, clusters, number, delay, then):
    before, after = ("a", "b") if clusters["now"] == "a" else ("b", "a")
    Killer(lab).kill(number, delay, clusters[after][0])
    clusters["now"] = {"rollback": before, "after": after}[then]
    # Where the killed run has begun nothing, a rollback would be one of an earlier rollout.
    way = "rollback" if then == "rollback" and lab.read("controller", JOURNAL) else "site"
    recovered(lab, traffic, clusters[clusters["now"]], f"playbooks/{way}.yml")


@pytest.mark.parametrize(
    ("number", "delay", "then"), points("undo", POINTS[1], ["before"], "Note that the rollout is undone")
)
def test_an_undo_that_was_killed(lab, traffic, clusters, request, number, delay, then):
    assert then == "before"
    argument, _files = clusters[clusters["now"]]
    Killer(lab).kill(number, delay, argument, f"--extra-vars=@{request.path.parents[2]}/vars/bad.yml")
    recovered(lab, traffic, clusters[clusters["now"]])


def test_a_probe_that_goes_on_when_its_run_is_killed_harms_no_later_one(lab, traffic, clusters):
    """The module on the controller outlives Ansible, and has a reservation of the same name."""
    after = "b" if clusters["now"] == "a" else "a"
    Killer(lab).kill("Send a job through the hooks of each node, in each of its partitions", 1.5, clusters[after][0])
    clusters["now"] = after
    recovered(lab, traffic, clusters[after])


def test_one_more_run_changes_nothing(lab, clusters):
    done = lab.play(clusters[clusters["now"]][0])
    assert (done.returncode, "changed=1" in done.stdout) == (0, False), done.stdout


def test_no_user_has_noticed(traffic):
    traffic.stop()
    assert traffic.problems == []


def test_a_controller_that_died_with_the_run_is_started(lab, clusters, traffic):
    """As when a slurm.conf ends the controller (22.05) and Ansible is killed before it can undo that."""
    before, after = ("a", "b") if clusters["now"] == "a" else ("b", "a")
    # What is set at run time outlives all of that.
    lab.run("controller", "scontrol update PartitionName=gpu State=INACTIVE")
    Killer(lab).kill("Let Slurm read its changed slurm.conf", 0, clusters[after][0])
    lab.run("controller", "systemctl stop slurmctld")
    clusters["now"] = before
    recovered(lab, traffic, clusters[before])
    assert "State=INACTIVE" in lab.run("controller", "scontrol show partition gpu -o")
