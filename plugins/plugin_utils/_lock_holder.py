# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The identity of this run of Ansible, and whether another run with such an identity still lives."""

from __future__ import annotations

import getpass
import multiprocessing
import os
import pathlib
import socket
import typing as t


class EndedRunError(Exception):
    """The run of this task has ended: it was killed, and the task has outlived it."""


def started(pid: int, proc: pathlib.Path = pathlib.Path("/proc")) -> str:
    """When a process began, in ticks since the boot; empty where there is none. With its number it names a process for good."""
    try:
        # The name in parentheses may hold anything; behind it the fields are counted from 3 (proc(5)), and a zombie is gone.
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return ""
    return "" if fields[0] == "Z" else fields[19]


def machine() -> str:
    """This boot of this machine, and which process numbers are seen here."""
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {os.readlink('/proc/self/ns/pid')}"


def this_run() -> dict[str, t.Any]:
    """The identity of this run; C(run) is the same in all tasks of one ansible-playbook. Raises EndedRunError."""
    # An action runs in a child of ansible-playbook. After that was killed, the child's parent by os.getppid is process 1, which never ends.
    parent = multiprocessing.parent_process()
    pid = parent.pid if parent and parent.pid else os.getppid()
    begun = started(pid)
    if not begun:
        raise EndedRunError
    return {
        "run": f"{machine()} {pid} {begun}",
        "machine": machine(),
        "pid": pid,
        "started": begun,
        "user": getpass.getuser(),
        "host": socket.gethostname(),
    }


def lives(holder: t.Mapping[str, t.Any]) -> bool | None:
    """Whether a run still lives. None if it cannot be known: it is on another machine, or was on another boot of this one."""
    if holder["machine"] != machine():
        return None
    return bool(holder["started"]) and bool(started(holder["pid"]) == holder["started"])
