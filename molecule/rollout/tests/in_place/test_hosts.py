# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that differs from the others: it lacks an interpreter, or its disk fills up."""

from __future__ import annotations

import contextlib
import subprocess
import typing as t

import pytest
from conftest import NAME, extra, failure_of, undone

#: All that we write on a worker, but for files in memory (/run).
PLACES = ("/etc/nodecycle", "/var/lib/nodecycle", "/var/log/nodecycle")


def privileged(host: str, script: str) -> None:
    """Run a script on a host that mounts."""
    subprocess.run(["podman", "exec", "--privileged", f"{NAME}-{host}", "sh", "-euc", script], check=True)


@contextlib.contextmanager
def small_disk(host: str) -> t.Iterator[None]:
    """All that we write on a host is on one disk of four megabytes."""
    privileged(
        host,
        f"""
        mkdir /srv/small
        mount -t tmpfs -o size=4m,mode=755 small /srv/small
        for place in {" ".join(PLACES)}; do
            mkdir -p "/srv/small$place"
            cp -a "$place/." "/srv/small$place"
            mount --bind "/srv/small$place" "$place"
        done
        """,
    )
    try:
        yield
    finally:
        privileged(
            host,
            f"""
            for place in {" ".join(PLACES)}; do
                umount "$place"
                find "$place" -mindepth 1 -delete
                cp -a "/srv/small$place/." "$place"
            done
            umount /srv/small
            rmdir /srv/small
            """,
        )


@pytest.mark.thorough
def test_a_disk_that_a_script_fills_is_no_obstacle_to_the_undo(lab, good):
    """On a node of a batch, where the bad release is the active one."""
    fill = "dd if=/dev/zero of=/var/lib/nodecycle/full.$$ bs=4k count=2000 2>&1 && rm /var/lib/nodecycle/full.$$"
    variables = {
        "slurm_worker_prolog": [{"name": "fill", "content": f"#!/bin/sh\n{fill}\n"}],
        "slurm_batches": ["100%"],
        "slurm_batch_watch": 10,
    }
    with small_disk("worker2"):
        with undone(lab):
            message = failure_of(lab.play(good, extra(variables)))
            # Nobody has cleaned up, and jobs run nevertheless.
            assert lab.run("worker2", "df --output=avail /var/lib/nodecycle").split()[-1] == "0", message
        lab.run("worker2", "rm /var/lib/nodecycle/full.*")
    assert "worker_prolog: script 10-fill ended with exit code 1 on worker2" in message
    assert "No space left on device" in message
    assert "is undone; each host has proven it by sha256" in message


def test_an_interpreter_that_one_node_lacks_is_seen_before_anything_changes(lab, good):
    for host in ("worker1", "worker3"):
        lab.run(host, "ln -s /bin/sh /usr/local/bin/site-sh")
    variables = {"slurm_worker_prolog": [{"name": "bad", "content": "#!/usr/local/bin/site-sh\necho site\n"}]}
    with undone(lab):
        message = failure_of(lab.play(good, extra(variables)))
    assert "10-bad" in message
    assert "/usr/local/bin/site-sh" in message
