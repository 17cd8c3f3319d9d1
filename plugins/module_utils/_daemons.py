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

from ansible_collections.nodecycle.slurm.plugins.module_utils import _files, _releases

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

#: The units of the daemons as Slurm ships them (etc/slurmd.service.in and its like, 22.05 to 26.05), by the name of their program.
UNITS = {"slurmd": "slurmd.service", "slurmctld": "slurmctld.service"}

#: The option of every module that needs the units (doc fragment C(_units)).
UNITS_SPEC: dict[str, t.Any] = {
    "units": {"type": "dict", "default": {}, "options": {"slurmd": {"type": "str"}, "slurmctld": {"type": "str"}}}
}
#: systemd.unit(5). The first character is no dash, which would make an option of it, and no dot.
_UNIT = re.compile(r"[A-Za-z0-9:_][A-Za-z0-9:_.\\@-]*")
_LONGEST_UNIT = 255
_OTHER_KIND = re.compile(r".*\.(?:socket|device|mount|automount|swap|target|path|timer|slice|scope)")

#: The daemons that run as SlurmUser, or as root.
_OF_SLURM_USER = ("slurmctld", "sackd")
#: C(-f) alone, with its value, or behind other options that take none (slurmd.8, slurmctld.8, 22.05 to 26.05).
_CONF_OPTION = re.compile(r"-[bcCDGhiMrRsvVZ]*f(.*)", re.DOTALL)
_NAMESPACES = ("pid", "mnt")
_DELETED = re.compile(r" \(deleted\)\Z")

#: The main process of a daemon's unit, 0 where there is none.
MainPid = t.Callable[[str], int]


def normal_unit(value: object) -> str:
    """The whole name of a unit, as systemd completes it. Raises ValueError with a sentence for one that cannot be a service's."""
    if isinstance(value, str) and _UNIT.fullmatch(value) and not _OTHER_KIND.fullmatch(value):
        unit = str(value) if value.endswith(".service") else f"{value}.service"
        if len(unit) <= _LONGEST_UNIT:
            return unit
    raise ValueError(
        f"is {value!r}: write the name of a systemd service such as slurmd.service, of letters, digits and the characters `:-_.\\@`"
    )


def units(given: t.Mapping[str, t.Any] | None) -> dict[str, str]:
    """The unit of each daemon. Raises ValueError for a wrong one."""
    found = dict(UNITS)
    for daemon, value in (given or {}).items():
        try:
            found[daemon] = found[daemon] if value is None else normal_unit(value)
        except ValueError as exc:
            raise ValueError(f"slurm_{daemon}_unit {exc}") from exc
    return found


def require_units(module: AnsibleModule) -> None:
    """Complete the option O(units). Fails for a wrong one."""
    try:
        module.params["units"] = units(module.params["units"])
    except ValueError as exc:
        module.fail_json(msg=f"{exc}.")


def unit(module: AnsibleModule, daemon: str) -> str:
    """The unit of a daemon on the host of a module."""
    return units(module.params.get("units"))[daemon]


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
    return main_pid(name) or min(leaders, default=0)


def arguments(pid: int, proc: str = "/proc") -> list[str]:
    """The command line of a process; empty where there is none."""
    line = _read(pid, "cmdline", proc) if pid else b""
    return [word.decode("utf-8", "surrogateescape") for word in line.split(b"\0") if word]


def environment(pid: int, name: str, proc: str = "/proc") -> str:
    """A variable of a process's environment; empty where there is none."""
    for word in _read(pid, "environ", proc).split(b"\0") if pid else ():
        key, _equals, value = word.decode("utf-8", "surrogateescape").partition("=")
        if key == name:
            return value
    return ""


def sockets(pid: int, proc: str = "/proc") -> set[int]:
    """The inodes of the sockets that a process has; empty where there is none."""
    place, found = os.path.join(proc, str(pid), "fd"), set()
    with contextlib.suppress(OSError):
        for name in os.listdir(place) if pid else ():
            if match := re.fullmatch(r"socket:\[(\d+)\]", _link(f"{pid}/fd", name, proc)):
                found.add(int(match.group(1)))
    return found


def told_conf(words: t.Sequence[str], slurm_conf: str) -> str:
    """The slurm.conf that a daemon was told to read, by C(-f) in each form of getopt(3), else by SLURM_CONF; empty where by neither."""
    found = ""
    for position, word in enumerate(words):
        if match := _CONF_OPTION.fullmatch(word):
            found = match.group(1) or "".join(words[position + 1 : position + 2])
    return found or slurm_conf


def find_on(module: AnsibleModule, name: str, slurm_uid: int | None = None) -> int:
    """The process of a daemon of the host on which a module runs, 0 where it does not run."""
    return find(name, lambda daemon: _main_pid(module, unit(module, daemon)), slurm_uid)


def version(module: AnsibleModule, pid: int, name: str) -> _releases.Release | None:
    """The release of a daemon, by its own word, or of its program where it does not run; None where nobody can tell."""
    # The link leads to what runs, also after an update has replaced the file; a container's root may not follow it.
    programs = [*([f"/proc/{pid}/exe"] if pid else []), module.get_bin_path(name)]
    timeout = module.get_bin_path("timeout")
    for program in programs if timeout else ():
        if program:
            code, out, _err = module.run_command([timeout, "10", program, "-V"], environ_update={"LC_ALL": "C"})
            if code == 0 and (release := _releases.parse(out)):
                return release
    return None


def _main_pid(module: AnsibleModule, name: str) -> int:
    systemctl = module.get_bin_path("systemctl")
    if not systemctl:
        return 0
    code, out, _err = module.run_command([systemctl, "show", "--property=MainPID", name])
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
    return os.path.basename(_DELETED.sub("", _link(pid, "exe", proc)))


def _parent(pid: str, proc: str) -> int:
    match = re.search(rb"^PPid:\s+(\d+)$", _read(pid, "status", proc), re.MULTILINE)
    return int(match.group(1)) if match else 0


def _is_in_our_namespaces(pid: str, proc: str) -> bool:
    return all(
        (ours := _link("self", f"ns/{kind}", proc)) and ours == _link(pid, f"ns/{kind}", proc) for kind in _NAMESPACES
    )
