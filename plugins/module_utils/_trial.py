# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The first process of a trial's namespaces (C(_trial_controller)): it shuts the trial off, then starts the controller.

Its source is copied into the trial's private directory and run there by C(unshare), so it imports the standard library alone. When it
ends, the kernel ends all that is left in the namespaces. The order matters:

1. Every mount becomes read-only. A file that nobody thought of cannot be written.
2. /dev, /run, /tmp and their like become empty file systems of the trial's own, with nothing in them but a few harmless devices,
   the private directory and the named sockets. Read-only alone is not enough: a process can connect to a socket on such a file
   system, or remove it through its directory if another file system is mounted on it.
3. The process lists the paths that the trial can still write. If any but its own is among them, it starts no controller.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import typing as t

#: Where running programs meet: sockets, pid files, shared memory, devices.
SHARED = ("/dev", "/run", "/var/run", "/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 (they are what is covered)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
#: The capabilities of a controller that runs as root: read every file, and become SlurmUser. Not mount, load modules, use devices or signal.
_CAPABILITIES = "-all,+chown,+dac_override,+dac_read_search,+fowner,+setgid,+setuid"
#: The flags of a mount that a remount would drop if it did not repeat them.
_KEPT = frozenset({"nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime"})

RAN, NOT_ISOLATED, ENDED = 0, 2, 3
_RUNS = "Running as primary controller"


class Mount(t.NamedTuple):
    """A line of mountinfo."""

    number: int
    path: str
    options: tuple[str, ...]


class NotIsolatedError(Exception):
    """A part of the isolation is not possible."""


def mounts(text: str) -> list[Mount]:
    """The lines of /proc/self/mountinfo."""
    found = []
    for line in text.splitlines():
        fields = line.split(" ")
        path = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), fields[4])
        found.append(Mount(int(fields[0]), path, tuple(fields[5].split(","))))
    return found


def read_only(mount: Mount) -> str:
    """The options that make a mount read-only and nothing else of it different."""
    return ",".join(["remount", "bind", *(word for word in mount.options if word in _KEPT), "ro"])


def covered() -> list[str]:
    """The shared directories of this host, each once, outer ones first."""
    found: list[str] = []
    for path in (os.path.realpath(path) for path in SHARED):
        if os.path.isdir(path) and path not in found:
            found.append(path)
    return sorted(found)


def is_below(path: str, directories: t.Iterable[str]) -> bool:
    """Whether a path is one of the directories or in one of them."""
    return any(path == directory or path.startswith(directory.rstrip("/") + "/") for directory in directories)


def _call(*command: str) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        said = " ".join(done.stdout.decode("utf-8", "replace").split())
        raise NotIsolatedError(f"`{' '.join(command)}` failed: {said or done.returncode}")


def _mounts_in_reach() -> list[Mount]:
    """The mounts that a path leads to, and not to another one on top of them."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as handle:
        text = handle.read()
    found = []
    for mount in mounts(text):
        try:
            descriptor = os.open(mount.path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as handle:
                here = re.search(r"(?m)^mnt_id:\s*(\d+)", handle.read())
        finally:
            os.close(descriptor)
        if here and int(here.group(1)) == mount.number:
            found.append(mount)
    return found


def _mount(*arguments: str) -> None:
    # The list that mount keeps below /run cannot be written here, which util-linux 2.38 takes for a failure.
    _call("mount", "--no-mtab", *arguments)


def _bind(source: str, target: str, options: str) -> None:
    """Show a file or directory at another place."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "ab"):
            pass
    _mount("--bind", source, target)
    _mount("-o", f"remount,bind,{options}", target)


def isolate(plan: dict[str, t.Any]) -> None:
    """Make everything read-only for this process. Raises NotIsolatedError and OSError."""
    directory: str = plan["directory"]
    places = covered()
    for mount in _mounts_in_reach():
        if "ro" not in mount.options:
            _mount("-o", read_only(mount), mount.path)
    own = set()
    if not is_below(directory, places):
        # Of a mount of its own, because only mounts are read-only or not.
        _bind(directory, directory, "rw")
        own.add(directory)
    for place in places:
        # Built where it can be reached, and moved when it is whole: what it takes from the place would be hidden behind it.
        new = plan["new"]
        _mount("-t", "tmpfs", "-o", "mode=0755,size=64m,nosuid", "tmpfs", new)
        inner = [other for other in places if other != place and is_below(other, [place])]
        for other in inner:
            os.makedirs(new + other[len(place) :])
        for source in (*_DEVICES, *plan["sockets"]):
            if is_below(source, [place]) and not is_below(source, inner) and os.path.exists(source):
                _bind(source, new + source[len(place) :], "ro")
        if is_below(directory, [place]) and not is_below(directory, inner):
            _bind(directory, new + directory[len(place) :], "rw")
            own.add(directory)
        if place.endswith("/run"):
            # systemd makes these two for the daemons (RuntimeDirectory).
            for name in ("slurm", "slurmctld"):
                os.makedirs(os.path.join(new, name), exist_ok=True)
                os.chown(os.path.join(new, name), plan["uid"], plan["gid"])
        elif place != os.path.realpath("/dev"):
            os.chmod(new, 0o1777)
        _mount("--move", new, place)
        own.add(place)
    for name in ("hosts", "nsswitch.conf"):
        if os.path.exists(f"/etc/{name}"):
            _mount("--bind", os.path.join(directory, name), f"/etc/{name}")
            _mount("-o", "remount,bind,ro", f"/etc/{name}")
    writable = [mount.path for mount in _mounts_in_reach() if "ro" not in mount.options and mount.path not in own]
    if writable:
        raise NotIsolatedError(f"it could write below {', '.join(writable)}")
    _call("ip", "link", "set", "lo", "up")
    for address in plan["addresses"]:
        # One of the host's own that lo has already.
        subprocess.run(["ip", "addr", "add", address, "dev", "lo"], stderr=subprocess.DEVNULL, check=False)


def controller(plan: dict[str, t.Any]) -> list[str]:
    """The command that starts the controller."""
    identity = ["--reuid", str(plan["uid"]), "--regid", str(plan["gid"]), "--init-groups", "--no-new-privs"]
    bounds = [] if plan["uid"] else ["--bounding-set", _CAPABILITIES]
    return ["setpriv", *identity, *bounds, plan["slurmctld"], "-D", "-c", "-f", plan["conf"]]


def _said(path: str) -> bool:
    with open(path, "rb") as handle:
        return _RUNS.encode() in handle.read()


def main() -> int:
    """The trial: how it ended."""
    with open(sys.argv[1], encoding="utf-8") as handle:
        plan = json.load(handle)
    os.chdir("/")
    # SlurmUser goes through the directories that are made here.
    os.umask(0o022)
    try:
        isolate(plan)
    except (NotIsolatedError, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return NOT_ISOLATED
    directory = plan["directory"]
    with open(os.path.join(directory, "isolated"), "wb"):
        pass
    said = os.path.join(directory, "said")
    with open(said, "wb") as output:
        process = subprocess.Popen(
            controller(plan),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=os.path.join(directory, "state"),
        )
    while process.poll() is None:
        if _said(said):
            return RAN
        time.sleep(0.1)
    return RAN if _said(said) else ENDED


if __name__ == "__main__":
    raise SystemExit(main())
