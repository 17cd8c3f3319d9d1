# SPDX-License-Identifier: GPL-3.0-or-later
"""A cgroup v2 for a container whose systemd refuses v1 (258 and later), on a machine that has v1.

The container mounts it by itself, so nothing of the machine or of another container changes. It has no controllers, for v1 has them; systemd
and Slurm without cgroups need none.
"""

from __future__ import annotations

import contextlib
import os
import pathlib

from .settings import SUITES, TESTING, VERSION

#: There where the machine has cgroup v2 alone.
CONTROLLERS = pathlib.Path("/sys/fs/cgroup/cgroup.controllers")
#: Where systemd mounts v2 beside v1. On a machine that mounts it nowhere, what is left of a container cannot be seen.
UNIFIED = pathlib.Path("/sys/fs/cgroup/unified")

#: Every container has the machine's cgroup namespace under v1: it takes a group of its own, and makes this the top of what it sees.
OWN_GROUP = """\
umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && mkdir -p /sys/fs/cgroup/{name} &&
echo $$ >/sys/fs/cgroup/{name}/cgroup.procs &&
exec unshare --cgroup /bin/sh -c '
umount /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec /sbin/init'"""


def has_v1() -> bool:
    """Whether this machine has cgroup v1, alone or beside v2."""
    return not CONTROLLERS.exists()


def is_needed() -> bool:
    return SUITES.get(VERSION) == TESTING and has_v1()


def init(name: str) -> tuple[str, ...]:
    """The first process of a container of that name, which becomes systemd."""
    return ("/bin/sh", "-c", OWN_GROUP.format(name=name))


def remove(name: str) -> None:
    """Removes the groups that a container has left."""
    for folder, _folders, _files in os.walk(UNIFIED / name, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
