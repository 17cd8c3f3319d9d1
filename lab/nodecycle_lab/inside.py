# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a command gets into a container of the lab.

With C(nsenter), which costs 5 ms of CPU where C(podman exec) costs 150 (measured, docs/lab.md). The lab's connection plugin and the
tests go the same way.
"""

from __future__ import annotations

import os
import pathlib
import subprocess

from .settings import CACHE, ENGINE

#: The process that is number 1 in each container: process id and start, so that another process with that id is not taken for it.
INITS = CACHE / "init" / ENGINE

#: As the engine's own `exec` sets it. Nothing of the caller's environment gets in, as over ssh.
ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    f"container={ENGINE}",
)


class NotThereError(Exception):
    """There is no such container, or it does not run."""


def _start(pid: str) -> str:
    """When a process began, in ticks since the machine booted (proc(5), stat, field 22); empty for none."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _init(container: str) -> str:
    """The process id, on this machine, of a container's first process."""
    note = INITS / container
    try:
        pid, start = note.read_text().split()
    except (OSError, ValueError):
        pid = start = ""
    if pid and start and _start(pid) == start:
        return pid
    asked = subprocess.run(
        [ENGINE, "container", "inspect", "--format", "{{.State.Pid}}", container],
        check=False,
        capture_output=True,
        text=True,
    )
    pid = asked.stdout.strip()
    if asked.returncode or not pid.isdigit() or pid == "0" or not (start := _start(pid)):
        raise NotThereError(asked.stderr.strip() or f"the container {container} does not run")
    INITS.mkdir(parents=True, exist_ok=True)
    half = note.with_name(f".{container}.{os.getpid()}")
    half.write_text(f"{pid} {start}\n")
    half.replace(note)
    return pid


def _entrance(container: str) -> tuple[str, ...]:
    if ENGINE == "docker" and os.geteuid() != 0:
        # Only Docker's service may enter: the container's root is the machine's.
        return "docker", "exec", "--interactive", container
    return "nsenter", "--target", _init(container), "--all"


def inside(container: str, command: str, user: str = "root") -> list[str]:
    """The command line that runs a shell command in a container.

    In a session of its own: what ends the caller does not end it, as over ssh.
    """
    become = () if user == "root" else ("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups")
    return [
        *_entrance(container),
        *("env", "-i", *ENVIRONMENT, *become),
        *("setsid", "--wait", "/bin/sh", "-c", f"HOME=~{user}; export HOME; {command}"),
    ]
