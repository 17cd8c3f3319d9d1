# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What systemd is asked for. A host without it (a chroot, an image being built) is asked nothing."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _surroundings

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def reload(module: AnsibleModule) -> None:
    """Let systemd read its units again."""
    systemctl = module.get_bin_path("systemctl")
    if systemctl:
        module.run_command([systemctl, "daemon-reload"], check_rc=True)


def stop(module: AnsibleModule, paths: t.Iterable[str]) -> None:
    """Let systemd forget that our units among these files ran; nothing depends on them in a way that would stop with them."""
    systemctl = module.get_bin_path("systemctl")
    units = [os.path.basename(path) for path in paths if os.path.dirname(path) == _surroundings.SYSTEMD_DIR]
    if systemctl and units:
        module.run_command([systemctl, "stop", *units], check_rc=True)
        module.run_command([systemctl, "reset-failed", *units])


def start_held_back(module: AnsibleModule, hooks: t.Iterable[str]) -> list[str]:
    """Start the daemons that only a failure of these init hooks has kept down since the boot; their units' names."""
    systemctl = module.get_bin_path("systemctl")
    daemons = [daemon for hook in hooks if (daemon := _surroundings.held_back(hook))] if systemctl else []
    started = []
    for daemon in daemons:
        _code, out, _err = module.run_command(
            [systemctl, "show", "--property=ActiveState,AssertResult,AssertTimestampMonotonic", daemon]
        )
        shown = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
        # A unit that nobody has tried to start has no timestamp: then it is down for a reason of its own.
        was_tried = shown.get("AssertTimestampMonotonic", "0") != "0"
        if shown.get("ActiveState") != "active" and shown.get("AssertResult") == "no" and was_tried:
            module.run_command([systemctl, "start", daemon], check_rc=True)
            started.append(daemon)
    return started
