# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What the next job on this host will execute: read from the slurm.conf that its daemon uses, through the links, to the bytes."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf, _files
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import dispatcher_path
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Store

Read = t.Callable[[str], t.Optional[str]]


def daemon_arguments(name: str, proc: str = "/proc") -> list[str]:
    """The command line of a running daemon; empty where it does not run."""
    for entry in os.listdir(proc):
        try:
            if (
                entry.isdigit()
                and (_files.read_bytes(os.path.join(proc, entry, "comm")) or b"").strip() == name.encode()
            ):
                line = _files.read_bytes(os.path.join(proc, entry, "cmdline")) or b""
                return [word.decode("utf-8", "surrogateescape") for word in line.split(b"\0") if word]
        except OSError:
            # It has just ended.
            continue
    return []


def conf_in_use(conf_path: str, arguments: t.Sequence[str], exists: t.Callable[[str], bool] = os.path.exists) -> str:
    """The slurm.conf that slurmd reads: told by its arguments, else the local one, else the copy that the controller sent.

    The order is that of configless_slurm.html, 22.05 to 26.05: C(--conf-server), then C(-f), then a local file.
    """
    cached = os.path.join(_conf.CACHE, "slurm.conf")
    for position, word in enumerate(arguments):
        if word.startswith("--conf-server"):
            return cached
        if word == "-f" and position + 1 < len(arguments):
            return arguments[position + 1]
    return conf_path if exists(conf_path) else cached


def called_paths(conf: str, read: Read) -> dict[str, str]:
    """For each hook with a key in slurm.conf the path that the configuration names; the last line of a key is the one that counts.

    Raises ConfError where the file, or one that it includes, cannot be read.
    """
    values = {entry.key.lower(): entry.value for entry in _conf.tree(conf, read)}
    return {
        name: values[key.lower()] for name, hook in HOOKS.items() if (key := hook.conf_key) and key.lower() in values
    }


def prove(store: Store, conf: str, read: Read, is_running: bool = True) -> dict[str, t.Any]:
    """What the next job will run here, by sha256.

    C(called): whether slurm.conf names our dispatcher for each hook of the active release that has scripts and a key. Nothing where slurmd
    does not run and takes its slurm.conf from the controller: the copy is old, or went with the daemon, and the next start brings a new one.
    C(files): the sha256 of each file as it is on disk; C(intact): whether those are the release's.
    """
    current = store.current()
    manifest = store.manifest(current) if current else None
    if not manifest:
        return {"release": "", "intact": False, "files": {}, "called": {}, "conf": conf}
    is_copy = os.path.dirname(conf) == _conf.CACHE
    try:
        named = called_paths(conf, read)
    except _conf.ConfError:
        named = {}
    return {
        "release": manifest["id"],
        "intact": not store.damaged(manifest),
        "files": {path: _files.sha256(store.content(manifest["id"], path)) for path in manifest["files"]},
        "called": {
            hook: named.get(hook) == dispatcher_path(store.root, hook)
            for hook, scripts in manifest["hooks"].items()
            if scripts and HOOKS[hook].conf_key and (is_running or not is_copy)
        },
        "conf": conf,
    }


def shortfalls(proof: t.Mapping[str, t.Any], wanted: str) -> list[str]:
    """What keeps this proof from showing that the next job runs the wanted release; empty where it does."""
    if proof["release"] != wanted:
        return [f"release {proof['release'][:16] or 'none'} is active instead of {wanted[:16]}"]
    found = [] if proof["intact"] else ["files of the release were changed after it was staged"]
    return found + [
        f"{proof['conf']} does not name the dispatcher of {hook}"
        for hook, called in proof["called"].items()
        if not called
    ]
