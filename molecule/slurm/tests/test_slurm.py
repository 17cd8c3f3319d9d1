# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""node, node_info, probe, held_jobs and held_jobs_info beside jobs, drains, holds and reservations that are not theirs."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import shlex

import pytest
from conftest import SLURM, users, wait

ALL = "worker[1-3]"
WORKERS = ("worker1", "worker2", "worker3")
HOSTS = ("controller", *WORKERS)


@pytest.fixture(autouse=True)
def repaired(lab):
    """Each test begins and ends with a cluster on which nothing fails and nobody has jobs."""
    yield
    for host in HOSTS:
        lab.run(host, "rm -rf /tmp/fail /tmp/slow")
    lab.run("controller", "squeue -h -a -r -o %i | xargs -r scancel")
    wait(lambda: lab.run("controller", "squeue -h -a") == "", 30, "the jobs to be gone")
    lab.run(
        "controller",
        "scontrol show reservation -o | sed -n 's/^ReservationName=\\([^ ]*\\).*/\\1/p' | xargs -r -n1 scontrol delete reservation",
    )
    lab.resume()


@contextlib.contextmanager
def failing(lab, hook, *hosts):
    """Make a hook's script end with 3 on these hosts."""
    for host in hosts:
        lab.run(host, f"mkdir -p /tmp/fail && echo 3 >/tmp/fail/{hook}")
    yield
    for host in hosts:
        lab.run(host, "rm -rf /tmp/fail")


def now(lab):
    """The controller's clock."""
    return int(lab.run("controller", "date +%s"))


def states(lab):
    """The nodes before a change."""
    return lab.module("node_info")["nodes"]


def drain(lab, name, reason):
    """An administrator's action. Returns Slurm's answer."""
    lab.run("controller", f"scontrol update NodeName={name} State=DRAIN Reason='{reason}'")
    return lab.node(name)


def launch_failures(lab, *options):
    """A job of alice that Slurm requeues because its prolog fails. The node is drained then."""
    with failing(lab, "worker_prolog", *WORKERS):
        job = lab.sbatch("true", *options)
        held = f"squeue -h -r -j {job} -o %r"
        wait(lambda: "launch failed requeued held" in lab.run("controller", held), 30, f"job {job} to be held")
        wait(lambda: "Prolog error" in lab.run("controller", "sinfo -h -R"), 30, "its node to be drained")
    return job


def nothing_of_ours(lab):
    """No reservation and no job of a probe is left."""
    return "nodecycle" not in lab.run("controller", "scontrol show reservation -o; squeue -h -a -o '%j %v'")


# -- node, node_info


def test_drains_of_others_survive(lab):
    before = drain(lab, "worker1", "broken fan")
    drained = lab.module("node", name=ALL, state="drained", reason="rollout")
    assert (drained["changed_nodes"], list(drained["foreign"])) == ("worker[2-3]", ["worker1"])
    # He drains a node that we have drained already: from now on the drain is his.
    after = drain(lab, "worker2", "dead disk")
    resumed = lab.module("node", name=ALL, state="resumed")
    assert (resumed["changed_nodes"], resumed["unfinished"]) == ("worker3", {})
    assert (lab.node("worker1"), lab.node("worker2")) == (before, after)
    assert lab.node("worker3")["State"] == "IDLE"
    refused = lab.module("node", name="worker[3-4]", state="resumed")
    assert refused["failed"]
    assert "knows no node worker4" in refused["msg"]


def test_only_what_a_change_drained_is_explained_and_resumed(lab):
    lab.module("node", name="worker3", state="drained", reason="worker_init gpu exit 1")
    earlier = lab.node("worker3")
    before = states(lab)
    activated = dict.fromkeys(WORKERS, now(lab))
    job = launch_failures(lab, "-w worker1")
    record = json.loads(lab.read("worker1", "/var/lib/nodecycle/worker_prolog/failure.json"))
    # Slurm's words, and not Slurm.
    admins = drain(lab, "worker2", "Prolog error")
    assert [states(lab)[name]["owner"] for name in WORKERS] == ["slurm", "other", "ours"]
    later = dict.fromkeys(WORKERS, now(lab) + 60)
    kept = lab.module("node", name=ALL, state="resumed", activated=later, before=before)
    assert not kept["changed"]
    assert "older than the change" in kept["foreign"]["worker1"]
    asked = {"name": ALL, "state": "explained", "failures": dict.fromkeys(WORKERS, record)}
    assert lab.module("node", **asked)["changed_nodes"] == "worker1"
    node = lab.node("worker1")
    assert "DRAIN" in node["State"]
    assert node["Reason"].startswith(
        f"nodecycle: worker_prolog 10-fail exit 3 job {job} release {record['release'][:8]} @"
    )
    assert lab.node("worker2") == admins
    assert not lab.module("node", **asked)["changed"]
    # The better reason is ours, so the module resumes the node as before.
    resume = {"name": ALL, "state": "resumed", "activated": activated, "before": before}
    assert lab.module("node", "--check", **resume)["changed_nodes"] == "worker1"
    assert lab.node("worker1") == node
    resumed = lab.module("node", **resume)
    assert resumed["changed_nodes"] == "worker1"
    assert "before the change" in resumed["foreign"]["worker3"]
    assert lab.node("worker1")["State"] == "IDLE"
    assert (lab.node("worker2"), lab.node("worker3")) == (admins, earlier)


def test_what_slurm_drained_because_of_a_script_is_resumed(lab):
    before = states(lab)
    activated = dict.fromkeys(WORKERS, now(lab))
    with failing(lab, "worker_epilog", "worker1"), failing(lab, "worker_prolog", "worker2"):
        lab.sbatch("true", "-w worker1")
        lab.sbatch("true", "-w worker2", "--no-requeue")
        for name in ("worker1", "worker2"):
            lab.wait_for_state(name, lambda state: "DRAIN" in state)
    known = {name: node for name, node in before.items() if name != "worker2"}
    resumed = lab.module("node", name=ALL, state="resumed", activated=activated, before=known)
    assert resumed["changed_nodes"] == "worker1"
    assert "not known" in resumed["foreign"]["worker2"]
    assert lab.node("worker1")["State"] == "IDLE"
    assert lab.node("worker2")["Reason"].startswith("Prolog error [slurm@")


# -- held_jobs


def test_only_jobs_of_a_failed_launch_are_released(lab):
    users = lab.sbatch("true", "-H")
    array = launch_failures(lab, "-w worker1", "--array=1-3%1")
    admins = launch_failures(lab, "-w worker2")
    own = json.loads(lab.read("worker1", "/var/lib/nodecycle/worker_prolog/failure.json"))["job"]
    lab.run("controller", f"scontrol hold {admins} {array}_3")
    asked = {"jobs": [own, admins, users, f"{array}_3", "999999"]}
    assert lab.module("held_jobs_info")["held"] == [f"{array}_1"]
    assert lab.module("held_jobs", "--check", **asked)["released"] == [f"{array}_1"]
    assert lab.job(own)["Priority"] == "0"
    lab.resume()
    done = lab.module("held_jobs", **asked)
    assert done["released"] == [f"{array}_1"]
    assert {job: why.split()[-1] for job, why in done["foreign"].items()} == {
        admins: "then",
        users: "JobHeldUser",
        f"{array}_3": "JobHeldAdmin",
        "999999": "queue",
    }
    assert done["starts"][f"{array}_1"] == lab.run("controller", f"TZ=UTC squeue -h -r -j {array}_1 -o %S").strip()
    assert [lab.job(job)["Priority"] for job in (admins, users, f"{array}_3")] == ["0", "0", "0"]
    lab.run("controller", f"scontrol update JobId={own} StartTime=now")
    assert lab.finish(own)["JobState"] == "COMPLETED"


# -- probe


@pytest.mark.by_release
def test_a_probe_goes_through_and_leaves_nothing(lab):
    running = lab.sbatch("sleep 300", "-w worker3", "-n1")
    waiting = lab.sbatch("true", "-H")
    lab.run(
        "controller",
        "scontrol create reservation ReservationName=admins StartTime=now Duration=60 Users=root Flags=MAINT Nodes=worker2",
    )
    admins = lab.run("controller", "scontrol show reservation -o admins")
    wait(lambda: lab.job(running)["JobState"] == "RUNNING", 20, "alice's job to run")
    planned = lab.module("probe", "--check", name=ALL)
    assert len(planned["jobs"]) == 4
    assert nothing_of_ours(lab)
    # Slurm only logs that a task epilog fails.
    with failing(lab, "task_epilog", "worker1"):
        done = lab.module("probe", name=ALL)
    assert done["passed"], done
    assert "--task-epilog failed status=" in lab.read("worker1", "/var/log/slurm/slurmd.log")
    assert [(job["node"], job["partition"], job["state"]) for job in done["jobs"]] == [
        ("worker1", "batch", "COMPLETED"),
        ("worker2", "batch", "COMPLETED"),
        ("worker3", "batch", "COMPLETED"),
        ("worker3", "gpu", "COMPLETED"),
    ]
    assert done["reservations"] == ["admins"]
    assert nothing_of_ours(lab)
    assert lab.run("controller", "scontrol show reservation -o admins") == admins
    assert (lab.job(running)["JobState"], lab.job(waiting)["Priority"]) == ("RUNNING", "0")
    # What Slurm ran them as, which the hooks saw.
    log = lab.read("worker1", "/var/log/nodecycle/worker_epilog.log").splitlines()
    assert [(line["job"], line["user"], line["exit"]) for line in map(json.loads, log)][-1] == (
        done["jobs"][0]["id"],
        "slurm",
        0,
    )


def test_each_hook_that_fails_is_noticed(lab):
    with (
        failing(lab, "worker_prolog", "worker1"),
        failing(lab, "worker_epilog", "worker2"),
        failing(lab, "task_prolog", "worker3"),
    ):
        done = lab.module("probe", name=ALL, partitions={"worker3": ["gpu"]})
    assert done["failed"]
    assert not done["passed"]
    assert [(job["state"], job["exit_code"]) for job in done["jobs"]] == [
        ("CANCELLED", "0:0"),
        ("COMPLETED", "0:0"),
        ("FAILED", "3:0"),
    ]
    assert {name: node["reason"] for name, node in done["nodes"].items() if "DRAIN" in node["flags"]} == {
        "worker1": "Prolog error",
        "worker2": "Epilog error",
    }
    assert "Prolog error" in done["msg"]
    assert "worker3, partition gpu, job" in done["msg"]
    assert nothing_of_ours(lab)


def test_a_failing_controller_prolog_is_noticed(lab):
    with failing(lab, "controller_prolog", "controller"):
        done = lab.module("probe", name="worker1")
    assert done["failed"]
    assert done["jobs"][0]["state"] == "CANCELLED"
    assert lab.node("worker1")["State"] == "IDLE"
    assert nothing_of_ours(lab)


def test_what_does_not_end_in_time_is_noticed(lab):
    running = lab.sbatch("sleep 300", "-w worker1", "-n2")
    wait(lambda: lab.job(running)["JobState"] == "RUNNING", 20, "alice's job to run")
    for host, hook in (("worker2", "worker_epilog"), ("worker3", "worker_prolog")):
        lab.run(host, f"mkdir -p /tmp/slow && echo 12 >/tmp/slow/{hook}")
    with failing(lab, "worker_prolog", "worker3"), concurrent.futures.ThreadPoolExecutor() as pool:
        run = pool.submit(lab.module, "probe", name=ALL, partitions={"worker3": ["gpu"]}, timeout=6)
        wait(lambda: "nodecycle_canary" in lab.run("controller", "scontrol show reservation -o"), 30, "the reservation")
        # No other job starts there meanwhile.
        later = lab.sbatch("true", "-w worker2", "-n1")
        reason = f"squeue -h -j {later} -o %r"
        wait(lambda: "Reserved for maintenance" in lab.run("controller", reason), 10, "Slurm's word for it")
        done = run.result()
    assert done["failed"]
    assert "Slurm says Resources: the node is busy, choose another one with slurm_canary" in done["msg"]
    assert "still completing after 6 seconds" in done["msg"]
    assert "still running after 6 seconds" in done["msg"]
    # It failed after the probe had given up, but before the result.
    assert done["nodes"]["worker3"]["reason"] == "Prolog error"
    assert done["completing"] == []
    assert nothing_of_ours(lab)
    assert lab.job(running)["JobState"] == "RUNNING"


def test_what_cannot_be_probed_is_said_before_anything_is_done(lab):
    assert "slurm_probe_user" in lab.module("probe", name="worker1", user="nosuch")["msg"]
    assert "slurm_probe_gres" in lab.module("probe", name="worker1", gres="nosuch:1")["msg"]
    admins = drain(lab, "worker1", "broken fan")
    assert "broken fan" in lab.module("probe", name="worker1")["msg"]
    assert lab.node("worker1") == admins
    assert nothing_of_ours(lab)


def test_what_a_killed_probe_leaves(lab):
    lab.run(
        "controller",
        "scontrol create reservation ReservationName=nodecycle_canary StartTime=now Duration=5 Users=root,slurm Flags=MAINT,IGNORE_JOBS Nodes=worker1",
    )
    lab.run(
        "controller",
        "cd / && sbatch --uid=slurm --gid=slurm --reservation=nodecycle_canary --job-name=nodecycle_probe -w worker1 -o /dev/null --wrap 'sleep 300'",
    )
    users = lab.sbatch("true", "-H", "--job-name=nodecycle_probe")
    assert lab.module("probe", state="absent")["changed"]
    assert lab.run("controller", "squeue -h -a -o '%A %j'").split() == [users, "nodecycle_probe"]
    assert "nodecycle" not in lab.run("controller", "scontrol show reservation -o")
    assert not lab.module("probe", state="absent")["changed"]


# -- reconfigure


@pytest.mark.by_release
def test_a_reconfigure_waits_for_the_job_that_is_being_prepared_and_starts_no_other(lab):
    """Otherwise 24.11 kills its PrologSlurmctld and starts it again, or forgets its launch: it would be RUNNING for ever and run nowhere."""
    lab.run("controller", "mkdir -p /tmp/slow && echo 4 >/tmp/slow/controller_prolog")
    prepared = lab.sbatch("true", "-w worker1")
    wait(lambda: lab.job(prepared)["JobState"] == "CONFIGURING", 10, "the job to be prepared")
    lab.run("controller", "rm /tmp/slow/controller_prolog")
    done = lab.module("reconfigure")
    assert done["needs"] == "reconfigure"
    assert "nodecycle" not in lab.run("controller", "scontrol show reservation -o")
    later = lab.sbatch("true", "-w worker2")
    for job in (prepared, later):
        assert (lab.finish(job)["JobState"], lab.job(job)["Restarts"]) == ("COMPLETED", "0")
    log = [json.loads(line) for line in lab.read("controller", "/var/log/nodecycle/controller_prolog.log").splitlines()]
    assert [line["exit"] for line in log if line["job"] == prepared] == [0]
    # Nothing was killed.
    assert lab.run("controller", "find /run/nodecycle/controller_prolog -name 'running.*'").split() == []


@contextlib.contextmanager
def scontrol(lab, script):
    """A directory with a scontrol of ours: this is what it does for a reconfigure."""
    text = f"""#!/bin/sh
        if [ "$1" = reconfigure ]; then
            {script}
        else
            exec /usr/bin/scontrol "$@"
        fi
    """
    lab.run("controller", f"mkdir -p /tmp/bin && printf %s {shlex.quote(text)} >/tmp/bin/scontrol")
    lab.run("controller", "chmod 755 /tmp/bin/scontrol && ln -sf /usr/bin/squeue /tmp/bin/squeue")
    yield "/tmp/bin"
    lab.run("controller", "rm -r /tmp/bin")


def test_a_reconfigure_that_a_busy_controller_answers_too_late_is_looked_at(lab):
    """It hangs for longer than MessageTimeout before it reconfigures."""
    hangs = """
        /usr/bin/scontrol show reservation -o >/tmp/bin/reservation
        pkill -STOP -x slurmctld
        (sleep 12; pkill -CONT -x slurmctld) >/dev/null 2>&1 &
        /usr/bin/scontrol "$@" || { echo "$?" >/tmp/bin/late; exit 1; }
    """
    with scontrol(lab, hangs) as bin_dir:
        done = lab.module("reconfigure", bin_dir=bin_dir)
        assert lab.read("controller", "/tmp/bin/late").strip() == "1", "its answer came in time, so this proves nothing"
        reservation = lab.read("controller", "/tmp/bin/reservation")
    assert "ReservationName=nodecycle_reconfigure " in reservation
    assert f" Nodes={ALL} " in reservation
    assert "MAINT" in reservation
    assert "IGNORE_JOBS" in reservation
    assert done.get("needs") == "reconfigure", done
    assert done["active_controller"] == "controller"
    assert "nodecycle" not in lab.run("controller", "scontrol show reservation -o")
    assert lab.finish(lab.sbatch("true"))["JobState"] == "COMPLETED"


@pytest.mark.by_release
def test_a_silent_connection_of_a_user_holds_up_no_reconfigure(lab):
    """Slurm 24.11 waits for it as long as he likes, and answers nobody; 26.05 for MessageTimeout."""
    hold = "exec 3<>/dev/tcp/controller/6817; sleep 60"
    lab.run("login", f"systemd-run --quiet --unit=silent --uid=alice bash -c {shlex.quote(hold)}")
    try:
        wait(lambda: lab.try_run("login", "ss -Htn state established 'dport = :6817'").stdout, 10, "the connection")
        with users(lab):
            done = lab.module("reconfigure")
    finally:
        lab.run("login", "systemctl stop silent")
    assert done.get("needs") == "reconfigure", done
    if SLURM >= "24.11":
        assert "The run closed connections to it that sent no request: " in done["shown"]


def test_a_controller_that_answers_and_runs_another_file_is_no_success(lab):
    """It was told to read the file, so scontrol says, and has not."""
    lab.run("controller", "cp -p /etc/slurm/slurm.conf /tmp/kept && echo KillWait=31 >>/etc/slurm/slurm.conf")
    with scontrol(lab, "exit 0") as bin_dir:
        done = lab.module("reconfigure", bin_dir=bin_dir)
    lab.run("controller", "cp -p /tmp/kept /etc/slurm/slurm.conf && rm /tmp/kept")
    assert done["failed"], done
    assert "the controller still runs another slurm.conf than the one on disk (HASH_VAL = Different" in done["msg"]
    assert "nodecycle" not in lab.run("controller", "scontrol show reservation -o")
