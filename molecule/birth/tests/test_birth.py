# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that are born again, at rest and in the middle of rollouts, while users submit jobs."""

from __future__ import annotations

import pytest
from conftest import ROOT, WORKERS, Killer, active, extra, failure_of, users

BUNDLE = "/etc/slurm/nodecycle_bundle"


def prolog(text):
    """A definition whose prolog and task prolog say this."""
    return {
        "slurm_worker_prolog": f'#!/bin/sh\nset -eu\necho "{text} $SLURM_JOB_ID" >>/var/tmp/life\n',
        "slurm_task_prolog": f'#!/bin/sh\necho "export LIFE={text}"\n',
    }


def life(lab, host):
    """What its hooks have noted, in order; of jobs the text of the prolog."""
    return [line.split()[0] for line in lab.read(host, "/var/tmp/life").splitlines()]


def first_job(lab, host):
    """What a task of a job on this host gets from the task prolog."""
    done = lab.srun("sh -c 'echo $LIFE'", f"-w {host}")
    assert done.rc == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def in_service(lab):
    """Each test ends with all nodes in service."""
    yield
    assert lab.in_service() == dict.fromkeys(WORKERS, "")
    assert lab.leftovers() == []


def test_a_new_node_runs_the_release_before_its_first_job(lab):
    wanted = active(lab, "worker1")
    lab.run("controller", "systemctl restart slurmctld")
    with users(lab, "-w worker2"):
        lab.replace("worker2")
        assert first_job(lab, "worker2") == "good"
    assert active(lab, "worker2") == wanted
    noted = life(lab, "worker2")
    assert noted[:2] == ["init", "good"]
    assert noted.count("init") == 1
    # What a run of the playbook places beside the release.
    assert lab.play(f"--extra-vars=@{ROOT}/molecule/birth/vars/good.yml").returncode == 0
    assert lab.run("worker2", "systemctl is-enabled nodecycle-worker-init").strip() == "enabled"


def test_a_node_that_was_off_during_rollouts_runs_the_newest(lab, good):
    lab.switch_off("worker3")
    leave = {"slurm_unreachable_nodes": "leave", "slurm_tolerated_nodes": 1}
    for text in ("second", "third"):
        done = lab.play(good, extra({**prolog(text), **leave}))
        assert done.returncode == 0, done.stdout
    lab.boot("worker3")
    lab.wait_for_state("worker3", lambda state: state == "IDLE", 60)
    assert first_job(lab, "worker3") == "third"
    again = lab.play(good, extra(prolog("third")))
    assert again.returncode == 0, again.stdout
    assert active(lab, "worker3") == active(lab, "worker1")
    # It has noted what the node got by itself.
    status = lab.play(good, playbook="playbooks/status.yml")
    assert status.returncode == 0, status.stdout


def test_a_new_node_after_a_rollback_runs_what_was_rolled_back_to(lab, good):
    for definition in ([extra(prolog("third"))], []):
        done = lab.play(good, *definition)
        assert done.returncode == 0, done.stdout
    back = lab.play(good, playbook="playbooks/rollback.yml")
    assert back.returncode == 0, back.stdout
    lab.replace("worker2")
    assert first_job(lab, "worker2") == "third"
    done = lab.play(good)
    assert done.returncode == 0, done.stdout
    assert first_job(lab, "worker2") == "good"


@pytest.mark.parametrize(
    "task",
    [
        "Send a job through the hooks of each node, in each of its partitions",
        pytest.param("Note the hosts of the batch", marks=pytest.mark.thorough),
    ],
)
def test_a_node_that_is_born_during_a_rollout_runs_what_was_committed_before(lab, good, task):
    """It has lost what the run staged, so the run is undone. The node takes no job until the next run."""
    assert lab.play(good).returncode == 0
    with users(lab, "-w worker1"):
        done = Killer(lab).interrupt(task, f"{ROOT}/lab/lab replace worker2", good, extra(prolog("new")))
        assert "worker2" in failure_of(done)
        assert "nodecycle: " in lab.in_service()["worker2"]
        lab.wait_for_state("worker2", lambda state: "NOT_RESPONDING" not in state, 60)
        again = lab.play(good)
        assert again.returncode == 0, again.stdout
        lab.wait_for_state("worker2", lambda state: state == "IDLE", 60)
        assert first_job(lab, "worker2") == "good"


def test_a_bad_release_that_is_undone_reaches_no_new_node(lab, good):
    assert lab.play(good).returncode == 0
    before = lab.run("controller", f"sha256sum {BUNDLE}")
    failure_of(lab.play(good, extra({"slurm_worker_prolog": "#!/bin/sh\nexit 3\n"})))
    assert lab.run("controller", f"sha256sum {BUNDLE}") == before
    lab.replace("worker3")
    assert first_job(lab, "worker3") == "good"


@pytest.mark.thorough
def test_a_run_that_is_killed_before_the_bundle_is_made_up_for_by_the_next_one(lab, good):
    before = lab.run("controller", f"sha256sum {BUNDLE}")
    Killer(lab).kill("Carry it to nodes that are born from now on", 0, good, extra(prolog("late")))
    assert lab.run("controller", f"sha256sum {BUNDLE}") == before
    done = lab.play(good, extra(prolog("late")))
    assert done.returncode == 0, done.stdout
    lab.replace("worker2")
    assert first_job(lab, "worker2") == "late"
    done = lab.play(good)
    assert done.returncode == 0, done.stdout


def test_a_new_node_whose_init_scripts_fail_takes_no_job(lab, good):
    lab.run("login", "echo worker2 >/home/broken")
    lab.replace("worker2")
    job = lab.sbatch("true", "-w worker2")
    lab.wait_for_state("worker2", lambda state: "DRAIN" in state, 60)
    assert "Prolog error" in lab.node("worker2")["Reason"]
    assert life(lab, "worker2") == ["init"]
    assert lab.job(job)["JobState"] == "PENDING"
    lab.run("login", "rm /home/broken")
    lab.run("controller", f"scontrol update NodeName=worker2 State=RESUME; scontrol release {job}")
    lab.hurry()
    assert lab.finish(job)["JobState"] == "COMPLETED"
    assert life(lab, "worker2") == ["init", "init", "good"]
    done = lab.play(good)
    assert done.returncode == 0, done.stdout


def test_the_proof_sees_a_bundle_that_somebody_changed(lab):
    copy = "/run/slurm/conf/nodecycle_bundle"
    lab.run("worker1", f"cp -p {copy} /run/kept && sed -i '2i exit 0' {copy}")
    shown = lab.module("proof_info", host="worker1")
    assert shown["proof"]["called"]["worker_prolog"] is False
    lab.run("worker1", f"cp -p /run/kept {copy}")
    assert lab.module("proof_info", host="worker1")["proof"]["called"]["worker_prolog"] is True


def test_secrets_are_refused_before_any_host_is_touched(lab, good):
    secret = [{"name": "token", "no_log": True, "content": "#!/bin/sh\ntrue\n"}]
    message = failure_of(lab.play(good, extra({"slurm_worker_epilog": secret})))
    assert "No host was touched." in message
    assert (
        "slurm_birth would send a secret to a file of each node that everybody can read: slurm_worker_epilog, script token"
        in message
    )


def test_without_it_nothing_is_left(lab, good):
    done = lab.play(good, extra({"slurm_birth": False}))
    assert done.returncode == 0, done.stdout
    assert lab.run("controller", f"ls {BUNDLE} /var/lib/nodecycle/bundle 2>/dev/null; true") == ""
    assert "Prolog=/etc/nodecycle/current/worker_prolog" in lab.read("controller", "/etc/slurm/nodecycle.conf")
    assert first_job(lab, "worker1") == "good"
