# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""alice makes all her attacks at once, on every host, during rollouts, undos and rollbacks: no run touches another's job, every run ends."""

from __future__ import annotations

import contextlib
import re
import shlex

import pytest
from conftest import HOSTS, WORKERS, active, extra, failure_of, wait

#: alice's programs on each host. Any user may run them.
ATTACK = r"""
cd "$(mktemp -d ~/attack.XXXXXX)" || exit
mkdir -p ~/opened

# A lock on all that she can open, taken again as soon as something new appears.
lock_all() {
    for place in / /run /run/nodecycle* /var /var/lib /var/lib/nodecycle* /var/log /var/log/nodecycle* /etc /etc/slurm /etc/slurm/* /etc/nodecycle \
        /etc/nodecycle/* /etc/nodecycle/releases/* /etc/nodecycle/current/* /etc/systemd/system /tmp /var/tmp; do
        [ -r "$place" ] && flock --nonblock --exclusive "$place" sleep 2
    done 2>/dev/null
}
while :; do lock_all & sleep 1; wait; done &

# A process that opens this to read it leaves a trace.
trap_at() {
    mkfifo "$1" 2>/dev/null && (echo 'Prolog=/bin/false' >"$1" && echo "$1" >>~/opened/"$(hostname)") 2>/dev/null &
}
trap_at "$PWD/evil.conf"

# Programs with the names of daemons, and one that looks like a script of the active release.
cp /usr/bin/python3 slurmd && cp slurmd slurmctld && cp slurmd sackd
for daemon in slurmd slurmctld sackd; do
    "./$daemon" -c 'import time; time.sleep(3000)' -f "$PWD/evil.conf" --conf-server nowhere &
done
release=$(readlink -f /etc/nodecycle/current)
bash -c "exec -a $release/worker_prolog.d/10-good sleep 3000" &
bash -c "exec -a $release/worker_prolog sleep 3000" &

# Files where everybody may make some.
for place in /tmp /var/tmp /dev/shm; do
    for name in nodecycle nodecycle.lock .nodecycle-current slurm.conf ansible-tmp ansible_nodecycle.slurm.release_payload; do
        trap_at "$place/$name"
        ln -s /etc/shadow "$place/$name.link" 2>/dev/null
    done
    head -c 30000000 /dev/zero >"$place/alice.full" 2>/dev/null
done

wait
"""

#: Names of jobs; each was an exploit, or is its sibling.
NAMES = [
    "nodecycle_probe",
    "x|nodecycle_canary",
    "y\n{job}|RUNNING|None|0:0|0|nodecycle_probe|nodecycle_canary|",
    "y\n--partition=batch|RUNNING|None|0:0|0|nodecycle_probe|nodecycle_canary|",
    "y\n{job}|{job}|PENDING|N/A|launch failed requeued held",
    "y\nNodeName=worker1 State=DOWN Reason=x",
    "y\nReservationName=nodecycle_canary State=ACTIVE Nodes=worker[1-3]",
    "$(touch /tmp/executed)",
    "; touch /tmp/executed;",
    "{{ 1/0 }}",
    "\x1b[2J\u2028\u202e",
]

#: Her settings in her tasks' environment.
ENVIRONMENT = (
    "ALL,FUNCNEST=1,POSIXLY_CORRECT=1,SLURM_JOB_RESERVATION=nodecycle_canary,BASH_ENV=/tmp/alice-env,ENV=/tmp/alice-env,"
    "SHELLOPTS=noexec,IFS=/,root=/tmp,run=/tmp,state=/tmp,log=/tmp/log,hook=x,LD_PRELOAD=/tmp/alice-env"
)


@pytest.fixture(scope="module")
def others(lab):
    """bob's jobs: one that runs, one that waits, one that he holds himself; and a node that an administrator has drained."""
    script = "printf '#!/bin/sh\\nsleep 3000\\n' | sbatch --parsable -o /dev/null"
    running = lab.run("login", f"cd && {script} -w worker1", "bob").strip()
    held = lab.run("login", f"cd && {script} -H", "bob").strip()
    waiting = lab.run("login", f"cd && {script} --begin=now+1hour", "bob").strip()
    wait(lambda: lab.job(running)["JobState"] == "RUNNING", 60, "bob's job to run")
    return {running: "RUNNING", held: "PENDING", waiting: "PENDING"}


@pytest.fixture(scope="module", autouse=True)
def attack(lab, others):
    """alice's attacks. Her programs and jobs go at the end."""
    for host in HOSTS:
        text = shlex.quote(ATTACK)
        lab.run(host, f"printf %s {text} >attack.sh", "alice")
        lab.run(
            host,
            "systemd-run --quiet --unit=alice --uid=alice --gid=alice --property=Environment=HOME=/home/alice "
            "--working-directory=/home/alice bash /home/alice/attack.sh",
        )
    victim = next(iter(others))
    for name in NAMES:
        quoted = shlex.quote(name.replace("{job}", victim))
        for options in ("-H", "-H -p gpu", "--begin=now+1hour --comment='|nodecycle_canary|'"):
            lab.run("login", f"sbatch {options} -o /dev/null -J {quoted} --wrap true", "alice")
    loop = (
        "cd && while :; do timeout 20 sbatch -o /dev/null --reservation=nodecycle_canary -J nodecycle_probe --wrap 'sleep 30'; "
        f"timeout 60 srun --export={ENVIRONMENT} -p batch true; sleep 1; done"
    )
    lab.run("login", f"systemd-run --quiet --unit=alice-jobs --uid=alice --gid=alice bash -c {shlex.quote(loop)}")
    yield
    for host in HOSTS:
        lab.try_run(host, "systemctl stop alice alice-jobs")
    lab.run("controller", "scancel --user=alice")
    lab.run("controller", f"scancel {' '.join(others)}")


def nobody_was_touched(lab, others):
    """The conditions after each run."""
    assert {job: lab.job(job)["JobState"] for job in others} == others
    assert {job: lab.job(job)["Restarts"] for job in others} == dict.fromkeys(others, "0")
    assert {host: lab.read(host, "/home/alice/opened/" + host) for host in HOSTS} == dict.fromkeys(HOSTS, "")
    assert [host for host in HOSTS if lab.try_run(host, "test -e /tmp/executed").rc == 0] == []


def resumed(lab, message):
    """The nodes are in service again after an undo."""
    with contextlib.suppress(AssertionError):
        wait(lambda: not any(lab.in_service().values()), 60, "the nodes to be back")
    assert lab.in_service() == dict.fromkeys(WORKERS, ""), message


def test_a_rollout_succeeds(lab, good, others):
    done = lab.play(
        good, extra({"slurm_worker_epilog": "#!/bin/sh\necho second\n", "slurm_extra_conf": "PrologEpilogTimeout=30"})
    )
    assert done.returncode == 0, done.stdout
    assert "is committed" in done.stdout
    nobody_was_touched(lab, others)


def test_a_rollout_that_fails_is_undone(lab, good, others):
    before = {host: active(lab, host) for host in WORKERS}
    message = failure_of(lab.play(good, extra({"slurm_worker_prolog": "#!/bin/sh\necho no scratch here; exit 1\n"})))
    assert "is undone; each host has proven it by sha256" in message
    assert "no scratch here" in message
    assert {host: active(lab, host) for host in WORKERS} == before
    resumed(lab, message)
    nobody_was_touched(lab, others)


@pytest.mark.thorough
def test_a_rollout_that_fails_in_a_batch_is_undone(lab, good, others):
    """A user's job drains the node. Slurm holds the job, and the undo releases it."""
    variables = {
        "slurm_worker_prolog": [{"name": "bad", "content": "#!/bin/sh\nexit 7\n", "nodes": "worker2"}],
        "slurm_canary": "worker3",
        "slurm_batches": ["100%"],
        "slurm_batch_watch": 60,
    }
    # bob submits, too, so that some job meets the batch.
    submit = "while :; do sleep 3; timeout 20 sbatch -o /dev/null -w worker2 --wrap true; done"
    lab.run(
        "login",
        f"systemd-run --quiet --unit=bob-jobs --uid=bob --gid=bob --working-directory=/home/bob sh -c {shlex.quote(submit)}",
    )
    done = lab.play(good, extra(variables))
    lab.run("login", "systemctl stop bob-jobs")
    message = failure_of(done)
    assert "is undone; each host has proven it by sha256" in message
    resumed(lab, message)
    nobody_was_touched(lab, others)


def test_a_rollback_restores_the_previous_rollout(lab, others):
    done = lab.play(playbook="playbooks/rollback.yml")
    assert done.returncode == 0, done.stdout
    assert "each host has proven it by sha256" in done.stdout
    nobody_was_touched(lab, others)


def test_status_says_what_runs(lab, others):
    done = lab.play(playbook="playbooks/status.yml")
    assert done.returncode == 0, done.stdout
    assert re.search(r"worker\[1-3\]: release \w+, proven", done.stdout), done.stdout
    nobody_was_touched(lab, others)


@pytest.mark.thorough
def test_everything_can_be_removed(lab, others):
    empty = {
        "slurm_worker_prolog": [],
        "slurm_worker_epilog": [],
        "slurm_controller_prolog": [],
        "slurm_task_prolog": [],
        "slurm_extra_conf": "",
    }
    done = lab.play(extra(empty))
    assert done.returncode == 0, done.stdout
    # Her own jobs have the name of ours.
    assert [what for what in lab.leftovers() if " alice " not in what] == []
    nobody_was_touched(lab, others)
