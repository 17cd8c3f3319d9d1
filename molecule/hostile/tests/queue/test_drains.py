# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drain is ours only if reason, user and time all say so. And no text of an administrator in a reason stops a run."""

from __future__ import annotations

import json
import re
import time

import pytest
from conftest import HOSTS, WORKERS, administrator, extra, wait

ALL = "worker[1-3]"


@pytest.fixture(autouse=True)
def in_service(lab):
    """Each test begins and ends with all nodes in service."""
    yield
    for name in WORKERS:
        lab.run("controller", f"scontrol update NodeName={name} Comment=")
        if lab.in_service()[name]:
            administrator(lab, f"NodeName={name} State=RESUME")
    for name in WORKERS:
        wait(lambda name=name: not lab.in_service()[name], 30, f"{name} to be in service")


def reason_of(lab, name):
    """A node's reason, without user and time."""
    return re.sub(r" \[[^\]]*\]$", "", lab.node(name)["Reason"])


def answering(lab, name):
    """A node while it answers. That an answer is late is Slurm's own note, and nobody's order."""
    return lab.wait_for_state(name, lambda state: "NOT_RESPONDING" not in state, 60)


def owners(lab):
    return [lab.module("node_info", name=ALL)["nodes"][name]["owner"] for name in WORKERS]


@pytest.fixture
def tokyo(lab):
    """The hosts have the time of Tokyo, nine hours before UTC."""
    for host in HOSTS:
        lab.run(host, "ln -sfn /usr/share/zoneinfo/Asia/Tokyo /etc/localtime")
    yield
    for host in HOSTS:
        lab.run(host, "ln -sfn /usr/share/zoneinfo/Etc/UTC /etc/localtime")


@pytest.mark.usefixtures("tokyo")
def test_who_keeps_our_words_and_adds_his_own_has_taken_the_drain_over(lab):
    assert lab.run("controller", "date +%z").strip() == "+0900"
    drained = lab.module("node", name=ALL, state="drained", reason="rollout")
    assert drained["changed_nodes"] == ALL
    assert owners(lab) == ["ours"] * 3
    assert not lab.module("node", name=ALL, state="drained", reason="rollout")["changed"]
    ours = reason_of(lab, "worker1")
    written = re.fullmatch(r"nodecycle: rollout @(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)", ours)
    assert written, ours
    assert int(lab.run("controller", f"echo $(($(date +%s) - $(date -u -d {written[1]} +%s)))")) in range(60)
    kept = answering(lab, "worker3")
    administrator(lab, f"NodeName=worker1 Reason='{ours}: hands off, I replace the fan'")
    time.sleep(7)
    # Our words again, after other ones: for the very same text Slurm records neither time nor user.
    administrator(lab, "NodeName=worker2 Reason='mine'")
    administrator(lab, f"NodeName=worker2 Reason='{ours}'")
    administrator(lab, f"NodeName=worker3 Reason='{reason_of(lab, 'worker3')}'")
    assert answering(lab, "worker3") == kept
    assert owners(lab) == ["other", "other", "ours"]
    before = answering(lab, "worker1"), answering(lab, "worker2")
    resumed = lab.module("node", name=ALL, state="resumed", reason="rollout")
    assert (resumed["changed_nodes"], sorted(resumed["foreign"])) == ("worker3", ["worker1", "worker2"])
    again = lab.module("node", name="worker[1-2]", state="drained", reason="another")
    assert (again["changed"], sorted(again["foreign"])) == (False, ["worker1", "worker2"])
    assert (answering(lab, "worker1"), answering(lab, "worker2")) == before


@pytest.mark.parametrize(
    "words", ["nodecycle: hands off, I am replacing the fan", "nodecycle: unreachable switch port"]
)
def test_words_alone_make_no_drain_ours(lab, words):
    administrator(lab, f"NodeName=worker1 State=DRAIN Reason='{words}'")
    before = answering(lab, "worker1")
    assert not lab.module("node", name=ALL, state="resumed")["changed"]
    assert answering(lab, "worker1") == before


def test_a_drain_of_ours_stays_ours_while_slurm_is_restarted(lab):
    lab.module("node", name="worker2", state="drained", reason="rollout")
    lab.run("controller", "scontrol reconfigure && systemctl restart slurmctld")
    wait(lambda: "UP" in lab.try_run("controller", "scontrol ping").stdout, 60, "the controller")
    assert owners(lab)[1] == "ours"
    assert lab.module("node", name=ALL, state="resumed")["changed_nodes"] == "worker2"


def test_a_reason_that_looks_like_ours_with_user_and_time_is_not(lab):
    """A text that somebody copies from `scontrol show node`, also into a comment."""
    lab.module("node", name="worker1", state="drained", reason="rollout")
    copied = answering(lab, "worker1")["Reason"]
    administrator(lab, f"NodeName=worker1 Reason='{copied} hands off'")
    administrator(lab, f"NodeName=worker2 State=DRAIN Reason='fan Comment={copied}' Comment='x Reason={copied}'")
    before = answering(lab, "worker1"), answering(lab, "worker2")
    assert owners(lab)[:2] == ["other", "other"]
    assert not lab.module("node", name=ALL, state="resumed")["changed"]
    assert (answering(lab, "worker1"), answering(lab, "worker2")) == before


@pytest.mark.thorough
def test_a_drain_of_an_unreachable_node_that_somebody_took_over_stays(lab, good, tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({"all": {"hosts": {"worker2": {"ansible_host": "nowhere"}}}}))
    changed = extra({"slurm_worker_epilog": "#!/bin/sh\necho 2\n", "slurm_tolerated_nodes": 1, "slurm_batch_watch": 2})
    done = lab.play(good, changed, inventory=[broken])
    assert done.returncode == 0, done.stdout
    assert owners(lab) == ["", "ours", ""]
    administrator(
        lab, f"NodeName=worker2 Reason='{reason_of(lab, 'worker2')}: and its switch port is broken, do not resume'"
    )
    before = answering(lab, "worker2")
    again = lab.play(good, changed)
    assert again.returncode == 0, again.stdout
    assert answering(lab, "worker2") == before
    back = lab.play(good)
    assert back.returncode == 0, back.stdout
    assert answering(lab, "worker2") == before


def test_a_reason_that_is_no_utf8_stops_no_run(lab, good):
    lab.run("controller", "scontrol update NodeName=worker2 State=DRAIN Reason=\"$(printf 'L\\374fter')\"")
    found = lab.module("node_info", name="worker2")
    assert found["nodes"]["worker2"]["reason"] == "L\ufffdfter"
    done = lab.play(good)
    # 24.11 goes on showing the reason of a drain that is over.
    administrator(lab, "NodeName=worker2 Reason=readable")
    assert done.returncode == 0, done.stdout
