# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slurm delivers to worker1 and worker2, to which no task can connect. worker3 is reached as usual."""

from __future__ import annotations

import contextlib
import functools

import pytest
from conftest import ROOT, WORKERS, Killer, active, administrator, extra, failure_of, summary, users, wait

BUNDLE = "/etc/slurm/nodecycle_bundle"
DELIVERED = ("worker1", "worker2")
INVENTORY = f"--inventory={ROOT / 'molecule/delivery/inventory/hosts.yml'}"


@pytest.fixture
def play(lab, good):
    """A run with the good definition and what follows."""
    return functools.partial(lab.play, INVENTORY, good)


@pytest.fixture(autouse=True)
def in_service(lab):
    """Each test ends with all nodes in service, and with no trace of a rollout; on the node of a canary as soon as it has a job."""
    yield
    assert lab.in_service() == dict.fromkeys(WORKERS, "")
    for host in DELIVERED:
        says(lab, host)
    assert lab.leftovers() == []


def prolog(text, before="", **more):
    """A definition whose prolog and task prolog say this."""
    return extra(
        {
            "slurm_worker_prolog": f'#!/bin/sh\nset -eu\n{before}\necho "{text} $SLURM_JOB_ID" >>/var/tmp/life\n',
            "slurm_task_prolog": f'#!/bin/sh\necho "export LIFE={text}"\n',
            **more,
        }
    )


def says(lab, host):
    """What a task of a job on this host gets from the task prolog."""
    done = lab.srun("sh -c 'echo $LIFE'", f"-w {host}")
    assert done.rc == 0, done.stdout + done.stderr
    return done.stdout.strip()


def everywhere(lab):
    """The same on each node."""
    return {says(lab, host) for host in WORKERS}


@contextlib.contextmanager
def working(lab, *options):
    """Users submit jobs meanwhile. The node of a canary forgets it with its next job."""
    with users(lab, *options) as traffic:
        yield traffic
        for host in DELIVERED:
            says(lab, host)


def life(lab, host):
    """What its hooks have noted, in order."""
    return [line.split()[0] for line in lab.read(host, "/var/tmp/life").splitlines()]


def succeed(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_their_first_job_brings_the_release_and_the_init_scripts_come_before_it(lab, play):
    assert everywhere(lab) == {"good"}
    for host in DELIVERED:
        wait(lambda host=host: life(lab, host)[-1] == "after", 30, "the epilog")
        noted = life(lab, host)
        assert noted[:3] == ["init", "good", "after"]
        assert noted.count("init") == 1
        assert lab.run(host, "stat -c %a /var/lib/nodecycle/worker_prolog").strip() == "700"
    assert active(lab, "worker1") == active(lab, "worker3")
    status = succeed(play(playbook="playbooks/status.yml"))
    id_ = active(lab, "worker1").rpartition("/")[2]
    assert f"worker[1-2]: release {id_}, from Slurm with its next job; not asked" in status.stdout
    assert f"worker3: release {id_}, proven" in status.stdout


def test_a_changed_prolog_reaches_each_node_with_its_next_job_and_back(lab, play):
    with working(lab):
        done = succeed(play(prolog("second")))
    assert "Slurm delivers the new release to 2 hosts, with the next job there; proven by a probe on 1." in summary(
        done
    )
    assert everywhere(lab) == {"second"}
    again = succeed(play(prolog("second")))
    assert "Nothing to do" in summary(again)
    assert "changed=0 " in again.stdout
    # The controller still has the release of the first commit.
    succeed(play(playbook="playbooks/rollback.yml"))
    assert everywhere(lab) == {"good"}


@pytest.mark.thorough
def test_a_probe_on_each_idle_node_proves_it_where_it_is_wanted(lab, play):
    done = succeed(play(prolog("second", slurm_batch_probe=True)))
    assert "with the next job there; proven by a probe on 2." in summary(done)
    assert everywhere(lab) == {"second"}
    succeed(play())


def test_a_bad_script_meets_the_probe_alone(lab, play):
    before = lab.run("controller", f"sha256sum {BUNDLE}")
    administrator(lab, "NodeName=worker3 State=DRAIN Reason='broken fan'")
    with working(lab, "-w worker1"):
        message = failure_of(play(prolog("bad", "exit 3")))
    assert "so does Slurm to a job whose prolog fails" in message
    assert "Slurm delivers the previous release to 2 hosts, with the next job there." in message
    assert lab.run("controller", f"sha256sum {BUNDLE}") == before
    assert "bad" not in life(lab, "worker1") + life(lab, "worker2")
    assert "broken fan [root@" in lab.in_service()["worker3"]
    administrator(lab, "NodeName=worker3 State=RESUME")
    assert everywhere(lab) == {"good"}


def test_a_script_that_fails_users_jobs_is_undone_and_their_jobs_are_released(lab, play):
    # A job that somebody holds, and that Slurm holds for a reason of another day.
    held = lab.sbatch("true", "--hold")
    # Else worker3, which is first, would tell.
    with working(lab, "-w worker1"):
        message = failure_of(play(prolog("bad", '[ "${SLURM_JOB_RESERVATION-}" ] || exit 3', slurm_batch_watch=30)))
    assert "Resumed: worker1." in message
    assert "Released the held jobs " in message
    assert "worker_prolog failed on worker1 for job " in message
    assert lab.job(held)["JobState"] == "PENDING"
    lab.run("login", f"scancel {held}", "alice")
    assert everywhere(lab) == {"good"}


def test_a_new_node_runs_the_release_before_its_first_job(lab):
    lab.replace("worker2")
    assert says(lab, "worker2") == "good"
    assert life(lab, "worker2")[:2] == ["init", "good"]


def test_a_job_that_runs_while_slurm_begins_to_deliver_keeps_its_end(lab, play):
    """Its node has nothing of ours, so its epilog has nothing to run."""
    hooks = ("worker_init", "worker_prolog", "worker_epilog", "task_prolog", "controller_prolog")
    nothing: dict[str, list[str]] = {f"slurm_{hook}": [] for hook in hooks}
    succeed(play(extra(nothing)))
    assert lab.run("controller", f"ls {BUNDLE} /var/lib/nodecycle/bundle 2>/dev/null; true") == ""
    assert says(lab, "worker1") == ""
    lab.run("worker1", "rm -rf /etc/nodecycle /run/nodecycle")
    job = lab.sbatch("sleep 45; srun true", "-w worker1")
    wait(lambda: lab.job(job)["JobState"] == "RUNNING", 30, "the job to run")
    message = failure_of(play())
    assert "slurm_task_prolog cannot begin now on worker1, where jobs run" in message
    succeed(play(extra({"slurm_task_prolog": []})))
    assert lab.finish(job, 90)["JobState"] == "COMPLETED"
    assert lab.in_service()["worker1"] == ""
    succeed(play())
    assert everywhere(lab) == {"good"}


@pytest.mark.thorough
@pytest.mark.parametrize("task", ["Let the controller send it", "Note that it was told", "Watch and evaluate"])
@pytest.mark.parametrize("wanted", ["late", "good"])
def test_a_run_that_is_killed_is_finished_or_undone_by_the_next_one(lab, play, good, task, wanted):
    with working(lab):
        Killer(lab).kill("Evaluate the step" if task.startswith("Watch") else task, 0, INVENTORY, good, prolog("late"))
        succeed(play(prolog(wanted) if wanted == "late" else "-v"))
        assert everywhere(lab) == {wanted}
        succeed(play())
    assert everywhere(lab) == {"good"}


@pytest.mark.thorough
def test_a_changed_init_script_that_fails_on_the_canary_is_undone_and_the_old_one_runs_again(lab, play):
    before = life(lab, "worker1").count("init") + life(lab, "worker2").count("init")
    # Not on worker3, which would fail first.
    bad = {"name": "bad", "nodes": "worker[1-2]", "content": "#!/bin/sh\nexit 4\n"}
    message = failure_of(play(extra({"slurm_worker_init": [bad], "slurm_canary": "worker1"})))
    assert "worker1: out of service now: IDLE+DRAIN, Prolog error" in message
    assert everywhere(lab) == {"good"}
    assert life(lab, "worker1").count("init") + life(lab, "worker2").count("init") == before + 1


@pytest.mark.thorough
def test_a_node_that_limit_leaves_out_keeps_its_release(lab, play):
    succeed(play(prolog("second"), "--limit=!worker2"))
    assert [says(lab, host) for host in WORKERS] == ["second", "good", "second"]
    succeed(play(prolog("second")))
    assert everywhere(lab) == {"second"}
    succeed(play())


@pytest.mark.thorough
def test_a_node_changes_its_way_of_delivery_and_back(lab, play, good):
    # With -e it holds for all hosts; the others are no workers.
    succeed(play(extra({"slurm_delivery": "slurm"}), prolog("second")))
    assert everywhere(lab) == {"second"}
    succeed(play(prolog("third")))
    assert everywhere(lab) == {"third"}
    assert "Nothing to do" in summary(succeed(play(prolog("third"))))
    # Ansible reaches all.
    succeed(lab.play(good))
    assert everywhere(lab) == {"good"}
    assert "worker[1-3]: release" in succeed(lab.play(good, playbook="playbooks/status.yml")).stdout
    succeed(play())


def test_check_mode_shows_what_changes_and_changes_nothing(lab, play):
    before = lab.run("controller", f"sha256sum {BUNDLE} /etc/slurm/*.conf")
    done = succeed(play(prolog("second"), "--check", "--diff"))
    assert "Slurm delivers it to 2 hosts" in done.stdout
    assert '+echo "second $SLURM_JOB_ID" >>/var/tmp/life' in done.stdout
    assert "worker_prolog.d/10-script (worker[1-3])" in done.stdout
    refused = play(extra({"slurm_worker_epilog": []}), removal_allowed=False)
    assert "is in use now: slurm_worker_epilog on worker[1-3]" in failure_of(refused)
    assert lab.run("controller", f"sha256sum {BUNDLE} /etc/slurm/*.conf") == before
    assert everywhere(lab) == {"good"}


@pytest.mark.thorough
def test_a_tolerated_failure_stays_drained_and_its_jobs_run_elsewhere(lab, play):
    with working(lab, "-w worker1"):
        bad = '[ "${SLURM_JOB_RESERVATION-}" ] || [ "$SLURMD_NODENAME" != worker1 ] || exit 3'
        done = succeed(play(prolog("odd", bad, slurm_batch_watch=30, slurm_tolerated_nodes=1)))
        assert "Failed and left drained: worker1: Prolog error [slurm@" in summary(done)
        assert lab.held_jobs() == []
        # Before that its next job would fail, too.
        succeed(play())
        administrator(lab, "NodeName=worker1 State=RESUME")
    assert everywhere(lab) == {"good"}
