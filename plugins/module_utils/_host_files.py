# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The files around a release that a host needs: systemd units for the init hooks, log rotation, directories for state and logs.

Each thing is described as data, so that one loop can compare, place and remove it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _daemons, _drift, _files
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import (
    LOG_DIR,
    RUN_DIR,
    STATE_DIR,
    dispatcher_path,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Manifest, Store

SYSTEMD_DIR = "/etc/systemd/system"
LOGROTATE = "/etc/logrotate.d/nodecycle"
TMPFILES = "/etc/tmpfiles.d/nodecycle.conf"

#: The daemon that an init hook holds back until it has succeeded.
_HELD_BACK = {"worker_init": "slurmd", "controller_init": "slurmctld"}
_DROP_IN = "nodecycle.conf"
_OURS = "# Managed by nodecycle.slurm"

#: For logrotate.
ROTATION = (
    f"{_OURS}.\n"
    f"{LOG_DIR}/*.log {{\n    weekly\n    maxsize 100M\n    rotate 8\n    compress\n    missingok\n    notifempty\n    copytruncate\n}}\n"
)

#: Seconds after which the scripts of an init hook are ended, all of them together. Logins wait for login_init.
INIT_TIMEOUTS = {"worker_init": 1800, "login_init": 90, "controller_init": 1800}
#: A day. A host that is longer at it is one that hangs.
_LONGEST = 86400
#: Processes that are still there so many seconds later are killed.
STOP_WITHIN = 10


@dataclasses.dataclass(frozen=True)
class HostFiles:
    """Files by path, symbolic links by path, directories and empty log files with their owner (V(root) or V(slurm))."""

    files: dict[str, str]
    links: dict[str, str]
    dirs: dict[str, str]
    logs: dict[str, str]


def unit_name(hook: str) -> str:
    """The systemd unit that runs an init hook at boot."""
    return f"nodecycle-{hook.replace('_', '-')}.service"


def held_back(hook: str) -> str:
    """The daemon that an init hook holds back; empty for a hook that holds none."""
    return _HELD_BACK.get(hook, "")


def drop_in_path(hook: str, units: t.Mapping[str, str] | None = None) -> str:
    """The drop-in by which an init hook holds its daemon back; empty for a hook that holds none."""
    return f"{SYSTEMD_DIR}/{(units or _daemons.UNITS)[_HELD_BACK[hook]]}.d/{_DROP_IN}" if hook in _HELD_BACK else ""


def init_timeouts(given: t.Mapping[str, t.Any] | None) -> dict[str, int]:
    """The limit of each init hook, in seconds. Raises ValueError for a wrong one."""
    for hook, seconds in (given or {}).items():
        variable = "slurm_login_init_timeout" if hook == "login_init" else "slurm_init_timeout"
        if hook not in INIT_TIMEOUTS or not str(seconds).isdigit() or not 1 <= int(seconds) <= _LONGEST:
            raise ValueError(f"{variable} ({hook}) is {seconds!r}: write whole seconds, from 1 to {_LONGEST}")
    return {**INIT_TIMEOUTS, **{hook: int(seconds) for hook, seconds in (given or {}).items()}}


def start_of(dispatcher: str) -> list[str]:
    """The command by which systemd starts a dispatcher.

    By its shell: SELinux keeps a script below /etc that systemd starts itself in systemd's own domain, where little is allowed.
    """
    return ["/bin/bash", "-p", dispatcher]


def _unit(hook: str, root: str, timeout: int) -> str:
    # Logins must find what login_init prepares, but a failing script must never lock the administrator out:
    # an order, no requirement.
    before = "Before=systemd-user-sessions.service\n" if hook == "login_init" else ""
    return f"""# Managed by nodecycle.slurm.
[Unit]
Description=nodecycle.slurm: {hook} scripts
Wants=network-online.target
After=network-online.target remote-fs.target
{before}
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={" ".join(start_of(dispatcher_path(root, hook)))}
TimeoutStartSec={timeout}
TimeoutStopSec={STOP_WITHIN}

[Install]
WantedBy=multi-user.target
"""


def _drop_in(hook: str) -> str:
    # An assertion, not Requires=: a later restart of our unit must not stop a daemon that has jobs.
    return f"""{_OURS}: without a success of {hook} since the boot this daemon does not start.
[Unit]
Wants={unit_name(hook)}
After={unit_name(hook)}
AssertPathExists={RUN_DIR}/{hook}.ok
"""


def needed(
    hooks: t.Collection[str],
    init: t.Iterable[str],
    root: str,
    gate: t.Container[str],
    slurm_user: str = "slurm",
    timeouts: t.Mapping[str, int] | None = None,
    units: t.Mapping[str, str] | None = None,
) -> HostFiles:
    """The files that a host with these hooks needs. init: the init hooks that have scripts; gate: those that hold a daemon back."""
    limits = init_timeouts(timeouts)
    users = {"root": "root", "slurm": slurm_user}
    # In the table's order, whatever the order of the manifest: the files must come out the same.
    hooks = [name for name in HOOKS if name in hooks]
    files: dict[str, str] = {}
    links: dict[str, str] = {}
    dirs = {STATE_DIR: "root", LOG_DIR: "root", RUN_DIR: "root"}
    logs: dict[str, str] = {}
    for name in hooks:
        if HOOKS[name].user != "job":
            owner = HOOKS[name].user
            dirs[f"{STATE_DIR}/{name}"] = owner
            dirs[f"{RUN_DIR}/{name}"] = owner
            logs[f"{LOG_DIR}/{name}.log"] = owner
    for name in init:
        files[f"{SYSTEMD_DIR}/{unit_name(name)}"] = _unit(name, root, limits[name])
        links[f"{SYSTEMD_DIR}/multi-user.target.wants/{unit_name(name)}"] = f"{SYSTEMD_DIR}/{unit_name(name)}"
        if name in gate and (drop_in := drop_in_path(name, units)):
            files[drop_in] = _drop_in(name)
    if logs:
        files[LOGROTATE] = ROTATION
        at_boot = [f"d {RUN_DIR} 0755 root root -\n"]
        # The age is for files that killed dispatchers leave.
        at_boot += [
            f"d {RUN_DIR}/{name} 0700 {users[HOOKS[name].user]} - 30d\n" for name in hooks if HOOKS[name].user != "job"
        ]
        files[TMPFILES] = "# Managed by nodecycle.slurm.\n" + "".join(at_boot)
    return HostFiles(files, links, dirs, logs)


def around(store: Store, manifest: Manifest, params: t.Mapping[str, t.Any]) -> HostFiles:
    """The files that this release needs around it on this host, by the options O(gate), O(init_timeouts) and O(units) of a module."""
    given = (params["gate"], store.slurm_user, params["init_timeouts"], params["units"])
    return needed(manifest["hooks"], manifest["init"], store.root, *given)


def all_paths() -> list[str]:
    """Every file and link that this collection may ever have placed outside of its own directories."""
    found = [LOGROTATE, TMPFILES]
    for hook in (hook.name for hook in HOOKS.values() if hook.is_init):
        found.append(f"{SYSTEMD_DIR}/multi-user.target.wants/{unit_name(hook)}")
        found.append(f"{SYSTEMD_DIR}/{unit_name(hook)}")
        if drop_in_path(hook):
            found.append(drop_in_path(hook))
    return [*found, *(path for path in _other_drop_ins() if path not in found)]


def _other_drop_ins() -> list[str]:
    """Our drop-ins of any unit: a unit may have had another name. The site may have files of this name, too."""
    found = []
    for directory in sorted(os.listdir(SYSTEMD_DIR)) if os.path.isdir(SYSTEMD_DIR) else ():
        path = os.path.join(SYSTEMD_DIR, directory, _DROP_IN)
        if directory.endswith(".service.d"):
            with contextlib.suppress(OSError):
                if (_files.read_bytes(path, follow=False) or b"").startswith(_OURS.encode()):
                    found.append(path)
    return found


def missing(wanted: HostFiles, owners: t.Mapping[str, tuple[int, int]]) -> list[str]:
    """The paths that are not as they should be, also those that should be gone."""
    wrong = [
        path
        for path, text in wanted.files.items()
        if not _drift.is_as(path, "file", 0o644) or _files.read_bytes(path) != text.encode()
    ]
    wrong += [
        path
        for path, target in wanted.links.items()
        if not _drift.is_as(path, "link", None) or os.readlink(path) != target
    ]
    wrong += [path for path in _records() if not _is_closed(path)]
    wrong += [path for path in _drop_in_dirs(wanted) if os.path.lexists(path) and not _is_closed(path)]
    wrong += [path for path, owner in wanted.dirs.items() if not _is_our_dir(path, owners[owner])]
    wrong += [path for path, owner in wanted.logs.items() if not _drift.is_log(path, owners[owner])]
    return wrong + [
        path for path in all_paths() if path not in wanted.files and path not in wanted.links and os.path.lexists(path)
    ]


def _drop_in_dirs(wanted: HostFiles) -> list[str]:
    """The directories that we share with the site and whose files systemd adds to a daemon's unit."""
    return sorted({os.path.dirname(path) for path in wanted.files if os.path.dirname(path).endswith(".service.d")})


def _records() -> list[str]:
    """The directories in which a controller keeps the state for an undo, and hosts their replaced slurm.conf. Their writers make them."""
    return [path for name in ("rollout", "backup", "bundle") if os.path.lexists(path := os.path.join(STATE_DIR, name))]


def _is_closed(path: str) -> bool:
    found = os.lstat(path)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == 0 and not found.st_mode & 0o022


def _is_our_dir(path: str, owner: _drift.Owner) -> bool:
    if path in (STATE_DIR, LOG_DIR, RUN_DIR):
        return _drift.is_top(path)
    # With this mode the group has no say, and systemd-tmpfiles gives another one.
    return _drift.is_as(path, "dir", 0o700, owner) or _drift.is_as(path, "dir", 0o700, (owner[0], 0))


def make_dirs(wanted: HostFiles, owners: t.Mapping[str, tuple[int, int]]) -> None:
    """Make the directories and log files that the dispatchers write to. Before the activation."""
    # A directory before what is in it.
    for path, owner in wanted.dirs.items():
        if _is_our_dir(path, owners[owner]):
            continue
        is_new = not os.path.lexists(path)
        place = path
        if (
            path in (STATE_DIR, LOG_DIR, RUN_DIR)
            and os.path.islink(path)
            and os.lstat(path).st_uid == 0
            and os.path.isdir(path)
        ):
            place = os.path.realpath(path)
        else:
            _drift.clear_place(path)
        _files.make_dir(place, 0o755 if path in (STATE_DIR, LOG_DIR, RUN_DIR) else 0o700, *owners[owner])
        if not is_new and path not in (STATE_DIR, LOG_DIR, RUN_DIR):
            _drift.evict(place, owners[owner][0])
    for path in _records():
        if not _is_closed(path):
            _drift.clear_place(path)
            _files.make_dir(path, 0o700)
            _drift.evict(path, 0)
    for path, owner in wanted.logs.items():
        if not _drift.is_log(path, owners[owner]):
            with _files.writing(path):
                _drift.renew_log(path, owners[owner])


def place(wanted: HostFiles, owners: t.Mapping[str, tuple[int, int]]) -> bool:
    """Place the files and links, remove those that should be gone. True if systemd must read its units again.

    After the activation: a unit must not name a dispatcher that is not there, or a boot in between keeps slurmd down.
    """
    paths = missing(wanted, owners)
    for path in _drop_in_dirs(wanted):
        if path in paths:
            _drift.clear_place(path)
            _files.make_dir(path, 0o755)
    for path in paths:
        if path in wanted.files:
            _files.make_parents(path)
            _files.write_atomic(path, wanted.files[path].encode(), 0o644)
        elif path in wanted.links:
            _files.make_parents(path)
            _files.link_atomic(path, wanted.links[path])
        elif path in all_paths():
            _remove(path)
    return any(path.startswith(SYSTEMD_DIR) for path in paths)


def present() -> list[str]:
    """Our files outside of the collection's own directories."""
    return [path for path in all_paths() if os.path.lexists(path)]


def remove() -> None:
    """Remove all our files outside of the collection's own directories."""
    for path in present():
        _remove(path)


def _remove(path: str) -> None:
    os.unlink(path)
    directory = os.path.dirname(path)
    # The drop-in directory was made for us unless somebody else put something there.
    if directory.endswith(".service.d") and not os.listdir(directory):
        os.rmdir(directory)
