# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A script fills the disk of the journal of its own undo: the rollout is undone, and a rollback works."""

from __future__ import annotations

import concurrent.futures
import json
import re

import pytest
from conftest import NAME, WORKERS, Killer, active, differences, extra, failure_of, summary, wait

STATE = "/var/lib/nodecycle"

FILL = f"""#!/bin/sh
[ "$SLURM_JOB_USER" = {{user}} ] || exit 0
dd if=/dev/zero of={STATE}/controller_prolog/filled bs=4k 2>/dev/null
dd if=/dev/zero of={STATE}/controller_prolog/filled.1 bs=1 2>/dev/null
exit 4
"""


@pytest.fixture
def definition(request):
    """The definition of the cluster."""
    return f"--extra-vars=@{request.path.parents[2]}/vars/disk.yml"


@pytest.fixture
def small(lab, definition):
    """The state directory is a file system of 256 kB, with everything that was in it."""
    done = lab.play(definition)
    assert done.returncode == 0, done.stdout
    move = (
        f"cp -a {STATE} /tmp/state && mount -t tmpfs -o size=256k,mode=755 tmpfs {STATE} && cp -a /tmp/state/. {STATE}"
    )
    lab.run("controller", move)
    yield
    # The test's own changes.
    lab.run(
        "controller", f"rm -rf /tmp/state {STATE}/controller_prolog/filled*; cp -a {STATE} /tmp/state; umount {STATE}"
    )
    lab.run("controller", f"rm -rf {STATE} && mv /tmp/state {STATE}")


def is_full(lab):
    """Whether the script has filled it. An undo frees the room that it no longer needs."""
    return int(lab.run("controller", f"df --output=avail {STATE} | tail -1")) < 50


def committed(lab):
    """The name of the rollout that is committed."""
    return json.loads(lab.read("controller", f"{STATE}/rollout/committed.json"))["rollouts"][0]["name"]


@pytest.mark.usefixtures("small")
def test_a_prolog_that_fills_the_disk_fails_on_the_canary_and_is_undone(lab, definition):
    files, name = lab.snapshot(), committed(lab)
    done = lab.play(definition, extra({"slurm_controller_prolog": FILL.format(user="slurm"), "slurm_batch_watch": 10}))
    assert is_full(lab)
    assert re.search(r"The rollout \w+ is undone; each host has proven it by sha256", failure_of(done)), done.stdout
    assert "controller_prolog: script 10-script ended with exit code 4" in failure_of(done)
    assert (lab.leftovers(), differences(files, lab.snapshot()), committed(lab)) == ([], [], name)
    # The disk is still full, and the cluster works.
    assert lab.srun("hostname").rc == 0


@pytest.mark.usefixtures("small")
def test_what_the_probe_does_not_meet_is_undone_in_the_watch(lab, definition):
    """Only alice's jobs fill the disk; the one that she submits in the watch gives it away."""
    files = lab.snapshot()
    change = {"slurm_controller_prolog": FILL.format(user="alice"), "slurm_batch_watch": 60}
    before = active(lab, "controller")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        run = pool.submit(lab.play, definition, extra(change))
        wait(lambda: active(lab, "controller") != before, 90, "the activation")
        assert lab.srun("hostname").rc != 0
        done = run.result()
    assert is_full(lab)
    assert "is undone; each host has proven it by sha256" in failure_of(done), done.stdout
    assert (lab.leftovers(), differences(files, lab.snapshot())) == ([], [])
    assert lab.srun("hostname").rc == 0


@pytest.mark.usefixtures("small")
def test_a_rollback_works_on_a_full_disk(lab, definition):
    """The script was committed before it filled the disk."""
    files, name = lab.snapshot(), committed(lab)
    done = lab.play(definition, extra({"slurm_controller_prolog": FILL.format(user="alice")}))
    assert done.returncode == 0, done.stdout
    assert "is committed" in summary(done)
    assert lab.srun("hostname").rc != 0
    wait(lambda: is_full(lab), 30, "the disk to be full")
    # Enough for the notes of a rollback, and less than a new rollout wants, whose journal comes on top.
    lab.try_run(
        "controller", f"truncate -s 131072 {STATE}/rollout/reserve; cat /dev/zero >{STATE}/controller_prolog/filled.2"
    )
    refused = failure_of(lab.play(definition, extra({"slurm_controller_prolog": "#!/bin/sh\necho repaired\n"})))
    assert "Nothing was changed for any job" in refused
    assert f"{STATE}/rollout/reserve cannot be written: the file system {STATE} is full. Remove files there" in refused
    back = lab.play(playbook="playbooks/rollback.yml")
    assert back.returncode == 0, back.stdout
    assert is_full(lab)
    assert (lab.leftovers(), differences(files, lab.snapshot()), committed(lab)) == ([], [], name)
    assert lab.srun("hostname").rc == 0


@pytest.mark.usefixtures("small")
def test_a_step_that_cannot_be_written_down_is_not_taken(lab, definition):
    """Before the first batch everything is full, also the room that is kept for an undo. The undo goes on without notes."""
    files = lab.snapshot()
    active_when = {host: lab.read(host, "/etc/nodecycle/history.json") for host in WORKERS}
    fill = f"rm {STATE}/rollout/reserve; cat /dev/zero >{STATE}/controller_prolog/filled; true"
    command = f"podman exec {NAME}-controller sh -c '{fill}'"
    changed = extra({"slurm_worker_prolog": "#!/bin/sh\necho new\n"})
    done = Killer(lab).interrupt("Note the hosts of the batch", command, definition, changed)
    assert is_full(lab)
    message = failure_of(done)
    assert "is undone; each host has proven it by sha256" in message
    assert f"the file system {STATE} is full" in message
    assert "The undo goes on without this note in the journal" in done.stdout + done.stderr
    assert {host: lab.read(host, "/etc/nodecycle/history.json") for host in WORKERS} == active_when
    assert (lab.leftovers(), differences(files, lab.snapshot())) == ([], [])


#: Everything of ours on a node, each place a file system of its own.
PLACES = ("/etc/nodecycle", STATE, "/var/log/nodecycle", "/run/nodecycle")


@pytest.fixture
def small_node(lab, definition):
    """On worker1 all places of the collection are file systems of 1 MB, which hold the releases that a host keeps."""
    done = lab.play(definition)
    assert done.returncode == 0, done.stdout
    for number, place in enumerate(PLACES):
        lab.run(
            "worker1",
            f"cp -a {place} /tmp/place{number} && mount -t tmpfs -o size=1m,mode=755 tmpfs {place} "
            f"&& cp -a /tmp/place{number}/. {place}",
        )
    yield
    for number, place in enumerate(PLACES):
        lab.run(
            "worker1",
            f"rm -f {place}/filled*; rm -rf /tmp/place{number}; cp -a {place} /tmp/place{number}; umount {place}",
        )
        lab.run("worker1", f"cp -a /tmp/place{number}/. {place}; rm -rf /tmp/place{number}")
    lab.resume()


@pytest.mark.usefixtures("small_node")
def test_a_node_whose_disks_are_all_full_is_restored(lab, definition):
    files, service = lab.snapshot(), lab.in_service()
    fill = "".join(f"dd if=/dev/zero of={place}/filled bs=1k 2>/dev/null\n" for place in PLACES)
    script = f'#!/bin/sh\n[ "$SLURM_JOB_USER" = alice ] || exit 0\n{fill}exit 5\n'
    before = active(lab, "worker1")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        run = pool.submit(lab.play, definition, extra({"slurm_worker_prolog": script, "slurm_batch_watch": 60}))
        wait(lambda: active(lab, "worker1") != before, 120, "the activation")
        lab.srun("hostname", "-w", "worker1")
        done = run.result()
    for place in PLACES:
        assert int(lab.run("worker1", f"df --output=avail {place} | tail -1")) < 50
    said = failure_of(done)
    assert "is undone; each host has proven it by sha256" in said, done.stdout
    # The script is not known: there was no room for a record anywhere.
    assert re.search(r"- worker1: .*Prolog error", said)
    assert (lab.leftovers(), lab.in_service()) == ([], service)
    assert [line for line in differences(files, lab.snapshot()) if "filled" not in line] == []
    # Other tests cover a dispatcher with a full /run.
    lab.run("worker1", "rm /run/nodecycle/filled")
    assert lab.srun("hostname", "-w", "worker1").rc == 0
    # And the next rollout is refused before anything changes.
    big = "#!/bin/sh\n" + "# a line of a large script\n" * 3_500
    refused = failure_of(lab.play(definition, extra({"slurm_worker_prolog": big})))
    assert "Nothing was changed for any job" in refused
    assert "worker1: " in refused
    assert "the file system /etc/nodecycle is full. Remove files there" in refused
    assert [line for line in differences(files, lab.snapshot()) if "filled" not in line] == []
