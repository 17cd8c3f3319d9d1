# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The edge to Ansible that all modules share: running commands, refusing to work without root, reading text."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import stat
import time
import typing as t
import zlib

from ansible_collections.nodecycle.slurm.plugins.module_utils import _daemons, _files, _reason_users
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import normal_root
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Node, Runner, Slurm

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


class FailedError(Exception):
    """A module fails with this message, and returns these values beside it."""

    def __init__(self, message: str, **results: t.Any) -> None:
        super().__init__(message)
        self.results = results


#: Slurm's commands answer in seconds or not at all.
COMMAND_TIMEOUT = 60

#: The option of every module that calls Slurm's commands (doc fragment C(_slurm_commands)).
BIN_DIR_SPEC: dict[str, t.Any] = {"bin_dir": {"type": "path", "default": ""}}


def require_root(module: AnsibleModule) -> None:
    """Fail with a sentence instead of half way with EACCES. Normalise the option O(root), if there is one."""
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


#: An option that holds text of scripts or users. Ansible writes a module's arguments to the host's system log. C(no_log) prevents that, but
#: for a dictionary it also removes each of its strings from the whole result. So the module's action plugin makes one string of the value,
#: which occurs nowhere else.
HIDDEN_SPEC: dict[str, t.Any] = {"type": "raw", "no_log": True}


def pack(value: t.Any) -> str:
    """A value as one string that nobody can read by chance."""
    return base64.b64encode(zlib.compress(json.dumps(value).encode())).decode()


def unpack(module: AnsibleModule, *options: str) -> None:
    """Turn the options that V(pack) has packed into dictionaries again."""
    for option in options:
        value = module.params[option]
        if isinstance(value, str):
            with contextlib.suppress(ValueError, zlib.error):
                value = json.loads(zlib.decompress(base64.b64decode(value)))
        if value is not None and not isinstance(value, dict):
            module.fail_json(msg=f"{option} is not a dictionary")
        module.params[option] = value


#: So that Slurm's output does not depend on the caller.
_PLAIN = {"LC_ALL": "C", "LANGUAGE": "C", "TZ": "UTC", "SLURM_TIME_FORMAT": "standard"}
#: By which Slurm's commands find the cluster.
_OF_SLURM = ("SLURM_CONF", "SLURM_CONF_SERVER")


def _conf_of_controller(module: AnsibleModule) -> dict[str, str]:
    """SLURM_CONF for commands on a controller whose slurmctld was told of another slurm.conf than the one that they would find."""
    pid = 0 if "SLURM_CONF" in os.environ else _daemons.find_on(module, "slurmctld")
    told = _daemons.told_conf(_daemons.arguments(pid), _daemons.environment(pid, "SLURM_CONF"))
    return {"SLURM_CONF": told} if told else {}


def runner(module: AnsibleModule, bin_dir: str) -> Runner:
    """A runner of Slurm's commands, with the C locale and a limit of a minute."""
    _daemons.require_units(module)
    opt_dirs = [bin_dir] if bin_dir else []
    plain: dict[str, str] = {}

    def run(command: list[str], environment: t.Mapping[str, str] | None = None) -> tuple[int, str, str]:
        program = module.get_bin_path(command[0], opt_dirs=opt_dirs)
        if program is None:
            where = f"neither in {bin_dir} nor in PATH" if bin_dir else "not in PATH"
            module.fail_json(
                msg=f"{command[0]} is {where} on this host: Slurm is not installed here, or in another directory. "
                "Install it (on Debian and Ubuntu nodecycle.slurm.install can), set `slurm_bin_dir`, or remove the host from the group."
            )
        if not plain:
            plain.update({**_PLAIN, **_conf_of_controller(module)})
        timeout = module.get_bin_path("timeout", required=True)
        words = [timeout, "--kill-after=5", str(COMMAND_TIMEOUT), program, *command[1:]]
        if environment is not None:
            kept = {name: os.environ[name] for name in _OF_SLURM if name in os.environ}
            pairs = [f"{name}={value}" for name, value in {**kept, **plain, **environment}.items()]
            words = [module.get_bin_path("env", required=True), "-i", *pairs, *words]
        code, out, err = module.run_command(words, environ_update=plain)
        if code in (124, 137):
            err = f"no answer within {COMMAND_TIMEOUT} seconds"
        # Reasons and comments may hold any bytes, and end up in answers, journals and messages.
        return code, shown(out), shown(err)

    return run


def slurm(module: AnsibleModule) -> Slurm:
    """Slurm's commands for a module with the option O(bin_dir)."""

    def corrected(nodes: dict[str, Node]) -> dict[str, Node]:
        return _reason_users.restored(nodes, _reason_users.read())

    return Slurm(runner(module, module.params["bin_dir"]), corrected)


def read_text(path: str) -> str | None:
    """A file as text in which every byte survives, or None where there is no file."""
    data = _files.read_bytes(path)
    return None if data is None else data.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """The bytes of a text that read_text made."""
    return text.encode("utf-8", "surrogateescape")


T = t.TypeVar("T")


def shown(value: T) -> T:
    """A value with bytes that are not UTF-8 replaced. Ansible refuses a whole answer with such bytes."""
    if isinstance(value, str):
        return t.cast(T, to_bytes(value).decode("utf-8", "replace"))
    if isinstance(value, dict):
        return t.cast(T, {shown(key): shown(inner) for key, inner in value.items()})
    if isinstance(value, (list, tuple)):
        return t.cast(T, [shown(inner) for inner in value])
    return value


#: Locked while a module changes this host: the module of a killed run may still run when the next run begins. Only root may open the file,
#: because a user who can open it can lock it. The file stays until the next boot, because a lock on a removed file excludes nobody.
LOCK = "/run/nodecycle.lock"
#: Held by a probe while it runs, which may be minutes. Other modules need not wait for it.
PROBE_LOCK = "/run/nodecycle-probe.lock"
#: Held while init scripts run, which may be half an hour.
INIT_LOCK = "/run/nodecycle-init.lock"
LOCK_WITHIN = 60


class LockError(Exception):
    """A lock is not available; the message says which, why and what to do."""


def open_lock(path: str) -> int:
    """A descriptor of a lock's file that nobody else on this host can open. Raises LockError."""
    try:
        # O_NONBLOCK: what stands there may be anything.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
    except OSError as exc:
        directory = os.path.dirname(path)
        raise LockError(
            f"the lock {path} cannot be created ({exc.strerror}), so nothing was changed: {directory} is full or read-only, or something else "
            f"has this name. Check `df -h {directory}; df -i {directory}; ls -ld {path}`, fix it, then run again"
        ) from exc
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        os.close(descriptor)
        raise LockError(
            f"{path} is not the file that this collection creates (regular, root's, mode 0600), so another user may hold the lock: remove the "
            "file, then run again"
        )
    return descriptor


@contextlib.contextmanager
def locked(path: str = LOCK, within: float = LOCK_WITHIN) -> t.Iterator[None]:
    """Hold a lock. Raises LockError where another process has it for so many seconds."""
    descriptor = open_lock(path)
    deadline = time.monotonic() + within
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as exc:
                if time.monotonic() > deadline:
                    raise LockError(
                        f"another module of this collection has been changing this host for {within:g} seconds (it has {path} locked): "
                        "wait for it, or find out why it hangs (`lslocks` names the process), then run again"
                    ) from exc
                time.sleep(0.2)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def exclusive(module: AnsibleModule, lock: str = LOCK) -> t.Iterator[None]:
    """Be the only module of this collection that changes this host, or that holds another lock. Check mode takes no lock."""
    if module.check_mode:
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(lock))
        except LockError as exc:
            module.fail_json(msg=str(exc))
        yield
