# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The Slurm daemons of this host. A process's name proves nothing: any user may give his own the name of a daemon.

What counts is who runs a process (its user ids), what it executes (C(/proc/PID/exe)) and that it lives in our own namespaces: a
container has daemons of its own. Where that leaves none, or more than one, systemd knows which is the unit's.
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _files

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

#: The units of the daemons, by the name of their program.
UNITS = {"slurmd": "slurmd.service", "slurmctld": "slurmctld.service", "sackd": "sackd.service"}

#: The daemons that run as SlurmUser, or as root.
_OF_SLURM_USER = ("slurmctld", "sackd")
_NAMESPACES = ("pid", "mnt")
_DELETED = " (deleted)"

#: The main process of a unit, 0 where there is none.
MainPid = t.Callable[[str], int]


def uids(pid: int | str, proc: str = "/proc") -> set[int] | None:
    """The real, effective, saved and file system user of a process; None where it has ended.

    Not the owner of its directory: that is root's for each process that may not be traced.
    """
    match = re.search(rb"^Uid:((?:\s+\d+)+)$", _read(pid, "status", proc), re.MULTILINE)
    return {int(uid) for uid in match.group(1).split()} if match else None


def find(name: str, main_pid: MainPid, slurm_uid: int | None = None, proc: str = "/proc") -> int:
    """The process of a daemon of this host, 0 where it does not run.

    slurm_uid: SlurmUser, whose processes count for the daemons that he runs.
    """
    allowed = {0} | ({slurm_uid} if name in _OF_SLURM_USER and slurm_uid is not None else set())
    found = {
        int(entry): _parent(entry, proc)
        for entry in os.listdir(proc)
        if entry.isdigit()
        and _program(entry, proc) == name
        and (uids(entry, proc) or {-1}) <= allowed
        and _is_in_our_namespaces(entry, proc)
    }
    # A daemon forks for the moment in which it starts something.
    leaders = [pid for pid, parent in found.items() if parent not in found]
    if len(leaders) == 1:
        return leaders[0]
    # None: its program may have another name, or its unit namespaces of its own. Several: one of them may be the unit's; a host may also run
    # many (slurmd -N), of which each tells the same.
    return main_pid(UNITS[name]) or min(leaders, default=0)


def arguments(pid: int, proc: str = "/proc") -> list[str]:
    """The command line of a process; empty where there is none."""
    line = _read(pid, "cmdline", proc) if pid else b""
    return [word.decode("utf-8", "surrogateescape") for word in line.split(b"\0") if word]


def find_on(module: AnsibleModule, name: str, slurm_uid: int | None = None) -> int:
    """The process of a daemon of the host on which a module runs, 0 where it does not run."""
    return find(name, lambda unit: _main_pid(module, unit), slurm_uid)


def version(module: AnsibleModule, pid: int, name: str) -> tuple[int, int] | None:
    """The release of a daemon, by its own word, or of its program where it does not run; None where nobody can tell."""
    # The link leads to what runs, also after an update has replaced the file; a container's root may not follow it.
    programs = [*([f"/proc/{pid}/exe"] if pid else []), module.get_bin_path(name)]
    timeout = module.get_bin_path("timeout")
    for program in programs if timeout else ():
        if program:
            code, out, _err = module.run_command([timeout, "10", program, "-V"], environ_update={"LC_ALL": "C"})
            if code == 0 and release_of(out):
                return release_of(out)
    return None


def release_of(text: str) -> tuple[int, int] | None:
    """Year and month in a version as Slurm writes it (C(slurm 24.11.5), C(24.11.5))."""
    match = re.search(r"\b(\d{2})\.(\d{2})\b", text)
    return (int(match.group(1)), int(match.group(2))) if match else None


def _main_pid(module: AnsibleModule, unit: str) -> int:
    systemctl = module.get_bin_path("systemctl")
    if not systemctl:
        return 0
    code, out, _err = module.run_command([systemctl, "show", "--property=MainPID", unit])
    match = re.search(r"^MainPID=(\d+)$", out, re.MULTILINE)
    return int(match.group(1)) if code == 0 and match else 0


def _read(pid: int | str, name: str, proc: str) -> bytes:
    try:
        return _files.read_bytes(os.path.join(proc, str(pid), name)) or b""
    except OSError:
        # It has just ended.
        return b""


def _link(pid: int | str, name: str, proc: str) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(os.path.join(proc, str(pid), name))
    return ""


def _program(pid: str, proc: str) -> str:
    return os.path.basename(_link(pid, "exe", proc).removesuffix(_DELETED))


def _parent(pid: str, proc: str) -> int:
    match = re.search(rb"^PPid:\s+(\d+)$", _read(pid, "status", proc), re.MULTILINE)
    return int(match.group(1)) if match else 0


def _is_in_our_namespaces(pid: str, proc: str) -> bool:
    return all(
        (ours := _link("self", f"ns/{kind}", proc)) and ours == _link(pid, f"ns/{kind}", proc) for kind in _NAMESPACES
    )
