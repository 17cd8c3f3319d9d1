# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The edge to Ansible that all modules share: running commands, refusing to work without root, reading text."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _files
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import STATE_DIR, normal_root
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Runner

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

#: Slurm's commands answer in seconds or not at all.
COMMAND_TIMEOUT = 60

#: The option of every module that calls Slurm's commands (doc fragment C(_slurm_commands)).
BIN_DIR_SPEC: dict[str, t.Any] = {"bin_dir": {"type": "path", "default": ""}}

#: The note on the controller that its slurm.conf was changed and not yet read.
RECONFIGURE_DUE = f"{STATE_DIR}/reconfigure.due"


def require_root(module: AnsibleModule) -> None:
    """Fail with a sentence instead of half way with EACCES; and bring the option O(root), where there is one, into its one form."""
    if "root" in module.params:
        try:
            module.params["root"] = normal_root(module.params["root"])
        except ValueError as exc:
            module.fail_json(msg=f"`slurm_release_root`: {exc}.")
    if os.geteuid() != 0:
        module.fail_json(
            msg=f"This needs root, and the connection gave uid {os.geteuid()}: set `become: true` for this host (site.yml does; "
            "look for `ansible_become: false` in its variables), or connect as root."
        )


def runner(module: AnsibleModule, bin_dir: str) -> Runner:
    """A runner of Slurm's commands, with the C locale and a bound of a minute."""
    opt_dirs = [bin_dir] if bin_dir else []

    def run(command: list[str]) -> tuple[int, str, str]:
        program = module.get_bin_path(command[0], opt_dirs=opt_dirs)
        if program is None:
            where = f"neither in {bin_dir} nor in PATH" if bin_dir else "not in PATH"
            module.fail_json(
                msg=f"{command[0]} is {where} on this host: Slurm is not installed here, or not where it was looked for. "
                "Install it (playbooks/install.yml can), set `slurm_bin_dir`, or take the host out of the group."
            )
        timeout = module.get_bin_path("timeout", required=True)
        code, out, err = module.run_command(
            [timeout, "--kill-after=5", str(COMMAND_TIMEOUT), program, *command[1:]],
            environ_update={"LC_ALL": "C", "LANGUAGE": "C", "TZ": "UTC", "SLURM_TIME_FORMAT": "standard"},
        )
        if code in (124, 137):
            err = f"no answer within {COMMAND_TIMEOUT} seconds"
        # Reasons and comments may hold any bytes, and end up in answers, journals and messages.
        return code, shown(out), shown(err)

    return run


def read_text(path: str) -> str | None:
    """A file as text in which every byte survives, or None where there is no file."""
    data = _files.read_bytes(path)
    return None if data is None else data.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """The bytes of a text that read_text made."""
    return text.encode("utf-8", "surrogateescape")


T = t.TypeVar("T")


def shown(value: T) -> T:
    """A value as an answer may hold it: what was no UTF-8 is replaced, for Ansible refuses an answer with such bytes as a whole."""
    if isinstance(value, str):
        return t.cast(T, to_bytes(value).decode("utf-8", "replace"))
    if isinstance(value, dict):
        return t.cast(T, {shown(key): shown(inner) for key, inner in value.items()})
    if isinstance(value, (list, tuple)):
        return t.cast(T, [shown(inner) for inner in value])
    return value


#: Locked while a module changes this host: the module of a killed run may still be at work when the next run begins. A directory that
#: every host has, so that nothing is left behind.
LOCK = "/run"
#: Held by a probe as long as it runs, which may be minutes; other modules need not wait for it.
PROBE_LOCK = "/var/lib"
LOCK_WITHIN = 60


@contextlib.contextmanager
def exclusive(module: AnsibleModule, lock: str = LOCK) -> t.Iterator[None]:
    """Be the only module of this collection that changes this host, or that holds another lock; in check mode nothing is taken."""
    if module.check_mode:
        yield
        return
    descriptor = os.open(lock, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    deadline = time.monotonic() + LOCK_WITHIN
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    module.fail_json(
                        msg=f"another module of this collection has been changing this host for {LOCK_WITHIN} seconds (it has {lock} locked): "
                        "wait for it, or see what it hangs on (`lslocks` names it), then run again"
                    )
                time.sleep(0.2)
        yield
    finally:
        os.close(descriptor)
