# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Calls of systemd. A host without it (a chroot, an image being built) gets none."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _daemons, _host_files

#: A unit that has not come to rest.
_ON_THE_WAY = ("activating", "deactivating", "reloading")
#: systemd's words are read.
_PLAIN = {"LC_ALL": "C", "LANGUAGE": "C"}

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


#: Is there where systemd runs (sd_booted(3)).
_BOOTED = "/run/systemd/system"


def _tool(module: AnsibleModule, name: str) -> str:
    """The path of a command of systemd; empty where systemd does not run."""
    return str(module.get_bin_path(name) or "") if os.path.isdir(_BOOTED) else ""


def reload(module: AnsibleModule) -> None:
    """Let systemd read its units again."""
    systemctl = _tool(module, "systemctl")
    if systemctl:
        module.run_command([systemctl, "daemon-reload"], check_rc=True)


def stop(module: AnsibleModule, paths: t.Iterable[str]) -> None:
    """Let systemd forget that our units among these files ran; nothing depends on them in a way that would stop with them."""
    systemctl = _tool(module, "systemctl")
    units = [os.path.basename(path) for path in paths if os.path.dirname(path) == _host_files.SYSTEMD_DIR]
    if systemctl and units:
        module.run_command([systemctl, "stop", *units], check_rc=True)
        module.run_command([systemctl, "reset-failed", *units])


def is_under_way(shown: str) -> bool:
    """Whether a unit whose properties C(systemctl show) has listed runs now, or is about to."""
    for block in re.split(r"\n\s*\n", shown):
        found = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        is_active = found.get("ActiveState") == "active" and found.get("SubState") == "running"
        if is_active or found.get("ActiveState") in _ON_THE_WAY or found.get("Job", "0") not in ("", "0"):
            return True
    return False


def running_init(module: AnsibleModule, hook: str) -> bool:
    """Whether the scripts of an init hook run on this host now: at the boot, or for a run of the playbook that was killed."""
    systemctl = _tool(module, "systemctl")
    if not systemctl:
        return False
    units = [_host_files.unit_name(hook), apply_unit(hook)]
    command = [systemctl, "show", "--property=Id,ActiveState,SubState,Job", *units]
    return is_under_way(module.run_command(command, environ_update=_PLAIN)[1])


def apply_unit(hook: str) -> str:
    """The transient unit in which a run of the playbook runs an init hook's scripts."""
    return _host_files.unit_name(hook).replace(".service", "-apply.service")


@dataclasses.dataclass(frozen=True)
class Ended:
    """The end of a command that had a limit."""

    code: int
    by_limit: bool
    said: str


def run_bounded(module: AnsibleModule, hook: str, dispatcher: str, limit: int) -> Ended:
    """Run an init hook's dispatcher outside of the connection's own session, for so many seconds at most."""
    command = _host_files.start_of(dispatcher)
    systemd_run = _tool(module, "systemd-run")
    if not systemd_run:
        timeout = module.get_bin_path("timeout", required=True)
        kill_after = f"--kill-after={_host_files.STOP_WITHIN}"
        code, _out, err = module.run_command([timeout, kill_after, str(limit), *command])
        return Ended(int(code), code in (124, 137), err.strip())
    code, _out, err = module.run_command(
        [
            systemd_run,
            "--wait",
            "--collect",
            f"--unit={apply_unit(hook)}",
            f"--description=nodecycle.slurm: {hook}",
            f"--property=RuntimeMaxSec={limit}",
            f"--property=TimeoutStopSec={_host_files.STOP_WITHIN}",
            *command,
        ],
        environ_update=_PLAIN,
    )
    return Ended(int(code), "result: timeout" in err, err.strip())


def start_held_back(module: AnsibleModule, hooks: t.Iterable[str]) -> list[str]:
    """Start the daemons that only a failure of these init hooks has kept down since the boot. Returns their units' names."""
    systemctl = _tool(module, "systemctl")
    daemons = [daemon for hook in hooks if (daemon := _host_files.held_back(hook))] if systemctl else []
    started = []
    for unit in (_daemons.unit(module, daemon) for daemon in daemons):
        _code, out, _err = module.run_command(
            [systemctl, "show", "--property=ActiveState,AssertResult,AssertTimestampMonotonic", unit]
        )
        shown = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
        # A unit that nobody has tried to start has no timestamp: then it is down for a reason of its own.
        was_tried = shown.get("AssertTimestampMonotonic", "0") != "0"
        if shown.get("ActiveState") != "active" and shown.get("AssertResult") == "no" and was_tried:
            module.run_command([systemctl, "start", unit], check_rc=True)
            started.append(unit)
    return started
