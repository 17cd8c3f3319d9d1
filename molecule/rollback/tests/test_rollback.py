# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""rollback.yml restores the cluster, proven file by file, and no user notices."""

from __future__ import annotations

import contextlib
import json
import re
import shlex

import pytest
from conftest import WORKERS, active, differences, extra, failure_of, summary, undone, users, wait


@pytest.fixture(scope="module")
def rollouts(lab, request):
    """Three rollouts, the oldest first, the present one last: each with its name and the files that it made of the cluster."""
    good = f"--extra-vars=@{request.path.parent.parent}/vars/good.yml"
    changes = [
        # With another key in slurm.conf.
        {"slurm_worker_epilog": "#!/bin/sh\necho second\n", "slurm_extra_conf": "PrologEpilogTimeout=62"},
        {"slurm_worker_epilog": "#!/bin/sh\necho third\n", "slurm_extra_conf": "PrologEpilogTimeout=62"},
    ]
    found = [(re.findall(r'"name": "(\w{16})"', lab.read("controller", HISTORY))[0], lab.snapshot())]
    for change in changes:
        done = lab.play(good, extra(change))
        name = re.search(r"Rollout (\w+) is committed", done.stdout)
        assert name, done.stdout
        found.append((name.group(1), lab.snapshot()))
    return found


HISTORY = "/var/lib/nodecycle/rollout/committed.json"


def roll_back(lab, to=""):
    """Run the playbook."""
    return lab.play(*([extra({"slurm_rollback_to": to})] if to else []), playbook="playbooks/rollback.yml")


@pytest.mark.parametrize(
    ("named", "present", "wanted"),
    [
        (False, 2, 1),
        (False, 1, 2),
        pytest.param(True, 2, 0, marks=pytest.mark.thorough),
        pytest.param(True, 0, 2, marks=pytest.mark.thorough),
    ],
)
def test_it_is_again_what_it_was(lab, rollouts, named, present, wanted):
    """To the previous rollout, to the newer one by another rollback, to a named one and to the newest again."""
    name, files = rollouts[wanted]
    with users(lab):
        done = roll_back(lab, name if named else "")
        assert done.returncode == 0, done.stdout
    assert f"Rolled back from {rollouts[present][0]} to {name}; each host has proven it by sha256" in done.stdout
    assert differences(files, lab.snapshot()) == []


def test_an_unknown_name_is_refused(lab, rollouts):
    with undone(lab):
        message = failure_of(roll_back(lab, "0123456789abcdef"))
    assert message.startswith("Nothing was changed: slurm_rollback_to names '0123456789abcdef'")
    assert rollouts[0][0] in message


def test_a_release_that_is_gone_from_one_host_is_refused_on_all(lab, rollouts):
    link = rollouts[1][1]["worker2"]["etc/nodecycle/current"]
    release = f"/etc/nodecycle/{link.removeprefix('->')}"
    lab.run("worker2", f"mv {release} /tmp/gone")
    with undone(lab):
        message = failure_of(roll_back(lab, rollouts[1][0]))
    lab.run("worker2", f"mv /tmp/gone {release}")
    assert message.startswith("Nothing was changed.")
    assert "worker2: " in message
    assert "is not staged on this host" in message


BIN = "/tmp/bin"
#: Slurm's commands, of which one resumes no node and releases no job.
SCONTROL = """#!/bin/sh
case "$*" in
    *State=RESUME* | *State=UNDRAIN* | release*) echo refused >&2; exit 1 ;;
esac
exec /usr/bin/scontrol "$@"
"""


@contextlib.contextmanager
def refusing(lab):
    """These commands are there."""
    others = " ".join(f"/usr/bin/{command}" for command in ("squeue", "sinfo", "sbatch", "scancel"))
    script = f"printf %s {shlex.quote(SCONTROL)} >{BIN}/scontrol && chmod 755 {BIN}/scontrol"
    lab.run("controller", f"mkdir {BIN} && ln -s {others} {BIN} && {script}")
    yield
    lab.run("controller", f"rm -r {BIN}")


def met(lab, release):
    """Whose jobs have met a release."""
    text = "".join(lab.read(host, "/var/log/nodecycle/worker_prolog.log") for host in WORKERS)
    return {line["user"] for line in map(json.loads, text.splitlines()) if line["release"] == release}


def test_a_script_that_goes_bad_later_is_rolled_back_with_all_that_it_did(lab, good):
    """No probe ran. Days later it drains node after node, and Slurm holds their jobs. A rollback that Slurm refuses is tried again."""
    assert lab.play(good).returncode == 0
    before = lab.snapshot()
    script = "#!/bin/sh\necho no scratch here\ntest ! -e /tmp/fail\n"
    with users(lab):
        done = lab.play(good, extra({"slurm_worker_prolog": script, "slurm_probe": False}))
        assert done.returncode == 0, done.stdout
        assert "slurm_probe is false: no probe runs the hooks first" in done.stdout
        assert "Canary: " not in summary(done)
        release = active(lab, "worker1").rpartition("/")[2]
        assert wait(lambda: met(lab, release), 30, "the first job") == {"alice"}
        for host in WORKERS:
            lab.run(host, "touch /tmp/fail")
        wait(lambda: all(lab.in_service().values()), 60, "every worker to be drained")
        held = wait(lambda: [job.split()[0] for job in lab.held_jobs()], 30, "a job to be held")
        with refusing(lab):
            message = failure_of(lab.play(extra({"slurm_bin_dir": BIN}), playbook="playbooks/rollback.yml"))
        assert "each host has proven it by sha256; but some nodes or jobs still wait" in message
        assert [name for name in (*WORKERS, *held) if name not in message] == [], message
        assert all(lab.in_service().values())
        assert set(held) <= {job.split()[0] for job in lab.held_jobs()}
        back = roll_back(lab)
        assert back.returncode == 0, back.stdout
        assert lab.in_service() == dict.fromkeys(WORKERS, "")
    for host in WORKERS:
        lab.run(host, "rm /tmp/fail")
    assert "worker_prolog: script 10-script ended with exit code 1 on worker" in back.stdout
    assert differences(before, lab.snapshot()) == []


def test_a_definition_that_ansible_does_not_find_removes_nothing(lab, good):
    assert lab.play(good).returncode == 0
    with undone(lab):
        message = failure_of(lab.play(removal_allowed=False))
    assert "This would be removed, and is in use now: " in message
    assert "slurm_worker_prolog on worker[1-3]" in message
    assert "-e slurm_removal_allowed=true" in message


def status(lab, **options):
    """Run the playbook."""
    return lab.play(playbook="playbooks/status.yml", **options)


def test_status_fails_where_a_host_has_not_proven_what_was_committed(lab, good):
    assert lab.play(good).returncode == 0
    assert status(lab).returncode == 0
    lab.run("worker2", "echo 'echo more' >>/etc/nodecycle/current/worker_prolog.d/*")
    done = status(lab)
    assert done.returncode == 2, done.stdout
    assert "Not proven: worker2. The lines above say why." in done.stdout
    assert lab.play(good).returncode == 0
    assert status(lab).returncode == 0


def test_status_without_the_controller_shows_the_hosts_all_the_same(lab, good, tmp_path):
    assert lab.play(good).returncode == 0
    inventory = tmp_path / "inventory.yml"
    inventory.write_text("{slurm_controller: {hosts: {controller: {ansible_host: nobody}}}}")
    done = status(lab, inventory=[inventory])
    assert done.returncode == 2, done.stdout
    assert "What was committed is not known: " in done.stdout
    assert re.search(r"worker\[1-3\]: release \w+, proven", done.stdout)
    assert "Not proven: controller. " in done.stdout
