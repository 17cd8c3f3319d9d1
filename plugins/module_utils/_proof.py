# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The proof of what the next job on this host will execute: from its daemon's slurm.conf, through the links, to the bytes."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pwd
import time
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import (
    _ansible,
    _bundle,
    _conf,
    _conf_files,
    _daemons,
    _drift,
    _files,
    _host_files,
    _interpreter,
    _releases,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import dispatcher_path
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Store

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

#: A slurmd that has just started has its slurm.conf from a controller that answers within this time.
COPY_WITHIN = 30

Read = _conf.Read
#: The version of the daemon that reads slurm.conf, None if it is unknown. Called only if it makes a difference.
AskVersion = t.Callable[[], t.Optional[_releases.Release]]


@dataclasses.dataclass(frozen=True)
class Reader:
    """The daemon of a host that reads its slurm.conf and runs its hooks: slurmd, else slurmctld."""

    name: str
    #: 0 where neither runs.
    pid: int
    arguments: tuple[str, ...]
    #: SLURM_CONF in its environment.
    slurm_conf: str = ""

    @property
    def is_slurmd(self) -> bool:
        """Whether slurmd runs."""
        return bool(self.pid) and self.name == "slurmd"


NOBODY = Reader("slurmd", 0, ())


def reader(module: AnsibleModule, slurm_uid: int | None = None) -> Reader:
    """The daemon that reads slurm.conf on the host of a module."""
    for name in ("slurmd", "slurmctld"):
        if pid := _daemons.find_on(module, name, slurm_uid):
            return Reader(name, pid, tuple(_daemons.arguments(pid)), _daemons.environment(pid, "SLURM_CONF"))
    return NOBODY


def conf_in_use(conf_path: str, daemon: Reader = NOBODY, exists: t.Callable[[str], bool] = os.path.exists) -> str:
    """The slurm.conf that a daemon reads: as it was told, else the local one, else the copy that the controller sent.

    The order is that of configless_slurm.html, 22.05 to 26.05: C(--conf-server), then C(-f), SLURM_CONF, then a local file.
    """
    cached = os.path.join(_conf.CACHE, "slurm.conf")
    if any(word.startswith("--conf-server") for word in daemon.arguments):
        return cached
    told = _daemons.told_conf(daemon.arguments, daemon.slurm_conf)
    return told or (conf_path if exists(conf_path) else cached)


def other_conf(conf_path: str, daemon: Reader, exists: t.Callable[[str], bool] = os.path.exists) -> str:
    """The slurm.conf that a daemon reads in place of the one at this path; empty where it reads that one, or where nobody can tell."""
    used = conf_in_use(conf_path, daemon, exists) if daemon.pid else conf_path
    return "" if os.path.realpath(used) == os.path.realpath(conf_path) else used


def wait_for_copy(
    conf: str, daemon: Reader, seconds: float = COPY_WITHIN, exists: t.Callable[[str], bool] = os.path.exists
) -> None:
    """Wait for the slurm.conf that a slurmd which has just started gets from the controller.

    For systemd a slurmd older than 23.11 has started at once; a later one says itself when it is ready (slurmd C(--systemd)).
    """
    deadline = time.monotonic() + seconds
    while daemon.is_slurmd and os.path.dirname(conf) == _conf.CACHE and not exists(conf):
        if time.monotonic() > deadline:
            return
        time.sleep(0.2)


@dataclasses.dataclass(frozen=True)
class Called:
    """The programs that slurm.conf makes Slurm run, with their lines, by hook; in the order in which Slurm reads them."""

    lines: dict[str, list[_conf.Entry]]

    def paths(self, hook: str) -> list[str]:
        """The programs that run for a hook."""
        return [entry.value for entry in self.lines.get(hook, [])]


def called(conf: str, read: Read, version: AskVersion) -> Called:
    """The programs that slurm.conf makes Slurm run for each hook with a key. Raises ConfError if it, or a file that it includes, cannot be read."""
    hooks = {hook.conf_key.lower(): name for name, hook in HOOKS.items() if hook.conf_key}
    lines: dict[str, list[_conf.Entry]] = {}
    for entry in _conf.tree(conf, read):
        if entry.key.lower() in hooks:
            lines.setdefault(hooks[entry.key.lower()], []).append(
                _resolved(hooks[entry.key.lower()], entry, conf, read)
            )
    for hook, found in lines.items():
        key = (HOOKS[hook].conf_key or "").lower()
        if len(found) > 1 and not (key in _conf.ADDING_UP and _adds_up(version())):
            lines[hook] = found[-1:]
    return Called(lines)


def _resolved(hook: str, entry: _conf.Entry, conf: str, read: Read) -> _conf.Entry:
    """The line with the dispatcher to which the bundle goes on in the bundle's place."""
    if entry.value != _bundle.NAME:
        return entry
    return dataclasses.replace(entry, value=_bundle.called(read(_bundle.path(conf)) or "", hook) or entry.value)


def bundle_of(module: AnsibleModule, store: Store) -> str:
    """The id of the bundle that slurmd of this host runs; empty where it runs none."""
    conf = conf_in_use(module.params["conf_path"], reader(module, store.slurm_uid))
    with contextlib.suppress(OSError):
        return _bundle.id_of(_ansible.read_text(_bundle.path(conf)) or "")
    return ""


def _adds_up(release: _releases.Release | None) -> bool:
    return release is not None and _releases.HOOKS_ADD_UP.holds(release)


def stolen(conf: str, text: str, root: str, read: Read, version: AskVersion) -> list[str]:
    """The hooks for which text names our dispatcher but the whole slurm.conf makes Slurm run something else, each with its line.

    Raises ConfError.
    """
    keys = {hook.conf_key: name for name, hook in HOOKS.items() if hook.conf_key}
    ours = {
        name: entry.key
        for entry in _conf.entries(text)
        if (name := keys.get(entry.key)) and entry.value in (dispatcher_path(root, name), _bundle.NAME)
    }
    found = called(conf, read, version)
    problems = []
    for name, key in ours.items():
        if dispatcher_path(root, name) not in found.paths(name):
            last = found.lines.get(name, [])[-1:]
            where = f"{last[0].file}:{last[0].line} sets {key}={last[0].value}" if last else f"no line sets {key}"
            problems.append(f"{name} would not run: {where}")
    return problems


def has_text(conf: str, wanted: str, wait: float, read: Read) -> bool:
    """Whether the file beside slurm.conf has the wanted text within some seconds."""
    deadline = time.monotonic() + wait
    while True:
        # A configless node keeps a file that slurm.conf no longer includes.
        is_included = _conf.has_include(read(conf) or "")
        beside = read(_conf.fragment_path(conf, read))
        if ((beside or "") if is_included else "") == wanted:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)


def around(store: Store, release: str, params: t.Mapping[str, t.Any]) -> list[str]:
    """The units, logs and directories around a release that differ, and the places that let others replace it."""
    manifest = store.require_manifest(release)
    wanted = _host_files.around(store, manifest, params)
    found = [*_host_files.missing(wanted, store.owners), *_drift.open_parents(store.root)]
    return [*found, *_interpreter.open_places_of(store, manifest), *_conf_files.open_fragment(params["conf_path"])]


def prove(
    store: Store, conf: str, read: Read, is_running: bool = True, version: AskVersion = lambda: None
) -> dict[str, t.Any]:
    """The proof of what the next job will run here, by sha256.

    C(called): whether slurm.conf names our dispatcher for each hook of the active release that has scripts and a key. Nothing where slurmd
    does not run and takes its slurm.conf from the controller: the copy is old, or went with the daemon, and the next start brings a new one.
    C(also): what Slurm runs for such a hook beside our dispatcher.
    C(files): the sha256 of each file as it is on disk; C(intact): whether those are the release's, and nothing around them is another's
    or open to others; C(drift): which of them are not.
    """
    current = store.current()
    manifest = store.manifest(current) if current else None
    if not manifest:
        nothing: dict[str, t.Any] = {"files": {}, "called": {}, "also": {}, "drift": []}
        return {"release": "", "intact": False, **nothing, "conf": conf}
    is_copy = os.path.dirname(conf) == _conf.CACHE
    try:
        named = called(conf, read, version)
    except _conf.ConfError:
        named = Called({})
    hooks = [
        hook
        for hook, scripts in manifest["hooks"].items()
        if scripts and HOOKS[hook].conf_key and (is_running or not is_copy)
    ]
    drift = store.damaged(manifest)
    others = {hook: [path for path in named.paths(hook) if path != dispatcher_path(store.root, hook)] for hook in hooks}
    return {
        "release": manifest["id"],
        "intact": not drift,
        "drift": drift,
        "files": {path: _files.sha256(store.content(manifest["id"], path)) for path in manifest["files"]},
        "called": {hook: dispatcher_path(store.root, hook) in named.paths(hook) for hook in hooks},
        "also": {hook: paths for hook, paths in others.items() if paths},
        "conf": conf,
    }


def slurm_user(conf: str, read: Read) -> str:
    """The SlurmUser of a slurm.conf, or what Slurm takes where it names none; of one that cannot be read the usual one."""
    try:
        found = [entry.value for entry in _conf.tree(conf, read) if entry.key.lower() == "slurmuser"]
    except _conf.ConfError:
        return "slurm"
    if found and found[-1].isdigit():
        with contextlib.suppress(KeyError):
            return pwd.getpwuid(int(found[-1])).pw_name
    return found[-1] if found else "root"


def shortfalls(proof: t.Mapping[str, t.Any], wanted: str) -> list[str]:
    """The reasons why this proof does not show that the next job runs the wanted release; empty if it does."""
    if proof["release"] != wanted:
        return [f"release {proof['release'][:16] or 'none'} is active instead of {wanted[:16]}"]
    found = [] if proof["intact"] else [f"changed since it was staged: {_some(proof.get('drift', []))}"]
    return found + [
        f"{proof['conf']} does not name the dispatcher of {hook}"
        for hook, called in proof["called"].items()
        if not called
    ]


def _some(paths: t.Sequence[str], limit: int = 5) -> str:
    shown = ", ".join(paths[:limit]) or "files of the release"
    return shown if len(paths) <= limit else f"{shown} and {len(paths) - limit} more"


def additions(proof: t.Mapping[str, t.Any]) -> list[str]:
    """The programs that Slurm runs beside our dispatchers, as sentences."""
    return [f"for {hook} Slurm runs {', '.join(paths)} as well" for hook, paths in proof.get("also", {}).items()]
