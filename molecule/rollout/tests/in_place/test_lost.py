# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts whose power fails in the middle of a rollout, and hosts that are switched off for a while."""

from __future__ import annotations

import pytest
from conftest import WORKERS, Killer, active, administrator, differences, extra, failure_of, summary, undone, users

#: The default canary is worker3, for it is in every partition.
MOMENTS = (
    pytest.param("worker3", "Activate the release as a canary", marks=pytest.mark.thorough),
    pytest.param("worker3", "Read which scripts each probe met", marks=pytest.mark.thorough),
    ("worker2", "Note the hosts of the batch"),
)


@pytest.fixture(autouse=True, scope="module")
def settled(lab, request):
    """The first test begins with the good definition, as each ends with it."""
    good = f"--extra-vars=@{request.path.parents[2]}/vars/good.yml"
    done = lab.play(good)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("host", "task"), MOMENTS)
def test_a_host_that_is_lost_is_drained_and_restored_by_the_next_run(lab, good, host, task):
    with undone(lab, "-w worker1"):
        message = failure_of(Killer(lab).lose(host, task, good, extra({"slurm_worker_epilog": "#!/bin/sh\necho 2\n"})))
        assert f"{host}: it cannot be reached any more" in message
        assert f"Not restored on {host}: it cannot be reached. Fix this, then run again." in message
        assert "nodecycle: unreachable" in lab.in_service()[host]
        others = [worker for worker in WORKERS if worker != host]
        assert [lab.in_service()[worker] for worker in others] == ["", ""]
        lab.boot(host)
        repaired = lab.play(good)
        assert repaired.returncode == 0, repaired.stdout
        lab.wait_for_state(host, lambda state: state == "IDLE")


def test_a_controller_that_is_lost_is_named_and_the_next_run_finishes(lab, good):
    files = lab.snapshot()
    changed = extra({"slurm_worker_epilog": "#!/bin/sh\necho 2\n"})
    message = failure_of(Killer(lab).lose("controller", "Note the hosts of the batch", good, changed))
    assert message.startswith("The controller cannot be reached any more.")
    assert "stays open" in message
    lab.boot("controller")
    for definition in ([changed], []):
        done = lab.play(good, *definition)
        assert done.returncode == 0, done.stdout
    assert lab.leftovers() == []
    assert lab.in_service() == dict.fromkeys(WORKERS, "")
    assert differences(files, lab.snapshot()) == []


#: Makes power saving possible, and lets no node fall asleep by itself.
POWER = """
PrologEpilogTimeout={limit}
SuspendProgram=/usr/bin/true
ResumeProgram=/usr/bin/true
SuspendTime=86400
SuspendTimeout=2
ResumeTimeout=90
"""


def switch_on(lab, host):
    """By hand. A container has the boot time of its machine, so slurmd has to be told that this was a boot (-b)."""
    lab.boot(host)
    drop_in = "/run/systemd/system/slurmd.service.d/zz-boot.conf"
    text = r'[Service]\nEnvironmentFile=\nEnvironment="SLURMD_OPTIONS=--conf-server=controller -b"\n'
    lab.run(host, f"mkdir -p $(dirname {drop_in}) && printf '{text}' >{drop_in}")
    lab.run(host, "systemctl daemon-reload && systemctl restart slurmd")
    lab.wait_for_state(host, lambda state: state == "IDLE", 60)


def test_a_node_that_is_switched_off_is_listed_and_completed_when_it_is_back(lab, good):
    begun = lab.play(good, extra({"slurm_extra_conf": POWER.format(limit=6)}))
    assert begun.returncode == 0, begun.stdout
    administrator(lab, "NodeName=worker2 State=POWER_DOWN")
    lab.switch_off("worker2")
    lab.wait_for_state("worker2", lambda state: "POWERED_DOWN" in state, 60)
    before = active(lab, "worker1")
    changed = extra({"slurm_extra_conf": POWER.format(limit=7), "slurm_worker_epilog": "#!/bin/sh\necho 2\n"})
    with users(lab, "-w worker1"):
        done = lab.play(good, changed)
        assert done.returncode == 0, done.stdout
        assert "Not reached, left as they are until the next run: worker2" in summary(done)
        assert "POWERED_DOWN" in lab.node("worker2")["State"]
        assert active(lab, "worker1") != before
        switch_on(lab, "worker2")
        assert active(lab, "worker2") == before
        again = lab.play(good, changed)
        assert again.returncode == 0, again.stdout
    assert active(lab, "worker2") == active(lab, "worker1")
    assert "PrologEpilogTimeout=7" in lab.read("worker2", "/run/slurm/conf/nodecycle.conf")
    back = lab.play(good)
    assert back.returncode == 0, back.stdout
