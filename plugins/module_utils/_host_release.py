# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The states of a release on a host, with all its files and units: staged, empty, canary, active, absent."""

from __future__ import annotations

import contextlib
import os
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
    _proof,
    _systemd,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._diff import lost_hooks, release_diff
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import ID_LENGTH, build, probe_uid, unpack
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import (
    Manifest,
    Store,
    StoreError,
    init_pending,
    state_paths,
)

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Result = t.Dict[str, t.Any]

#: A node has the new configuration a second or two after the controller.
FORGET_WITHIN = 60
#: So has a login node, where nothing depends on it.
TIDY_WITHIN = 5
#: The keys (in lower case) of the hooks that slurmd runs.
_HOOK_KEYS = frozenset(hook.conf_key.lower() for hook in HOOKS.values() if hook.host == "worker" and hook.conf_key)


def _conf_pending(wanted: dict[str, t.Any] | None) -> bool:
    """Whether the host's slurm.conf has to change."""
    if not wanted or _ansible.read_text(wanted["path"]) is None:
        return False
    return bool(_conf.changes(wanted["path"], wanted["text"], wanted["adopt"], _ansible.read_text))


def _is_read(module: AnsibleModule, reader: _proof.Reader, path: str, slurm_uid: int | None) -> bool:
    """Whether the slurm.conf at a path is one that a daemon of this host reads, as far as can be told. Raises StoreError where it is another.

    Beside a slurmd that gets its configuration from the controller, a file there is a left-over.
    """
    used = _proof.other_conf(path, reader)
    if not used or (reader.is_slurmd and _daemons.find_on(module, "slurmctld", slurm_uid)):
        return True
    if used.startswith(_conf.CACHE + "/"):
        return False
    raise StoreError(
        f"{reader.name} on this host reads {used} (its -f or SLURM_CONF), and slurm_conf_path is {path}: set `slurm_conf_path: {used}` for this "
        "host"
    )


def _prove(module: AnsibleModule, store: Store, reader: _proof.Reader | None = None) -> Result:
    """The proof of what the next job runs here."""
    reader = reader or _proof.reader(module, store.slurm_uid)
    conf = _proof.conf_in_use(module.params["conf_path"], reader)
    _proof.wait_for_copy(conf, reader)
    return _proof.prove(
        store, conf, _ansible.read_text, reader.is_slurmd, lambda: _daemons.version(module, reader.pid, reader.name)
    )


def stage(module: AnsibleModule, store: Store) -> Result:
    """Write the release to the disk, or find it there."""
    params = module.params
    reader = _proof.reader(module, store.slurm_uid)
    is_read = bool(params["conf"]) and _is_read(module, reader, params["conf"]["path"], store.slurm_uid)
    result: dict[str, t.Any] = {
        "runs_slurmd": reader.is_slurmd,
        "previous": store.current() or "",
        "conf_pending": is_read and _conf_pending(params["conf"]),
        "conf_before": _conf.lines_of(params["conf"]["path"], _ansible.read_text) if is_read else None,
    }
    present = store.manifest(result["previous"]) if result["previous"] else None
    if not params["payload"]:
        clean = not store.exists() and not _host_files.present()
        nothing: dict[str, t.Any] = {"changed_files": [], "init_pending": [], "missing_hooks": []}
        nothing["lost_hooks"] = lost_hooks(present, {})
        return {
            **result,
            **nothing,
            "changed": False,
            "id": "",
            "active": clean,
            "proof": _prove(module, store, reader),
        }
    manifest, content = unpack(params["payload"])
    result["in_memory"] = _files.is_in_memory(store.root)
    pending = init_pending(manifest)
    # A script's interpreter may be just what a pending init script installs.
    hooks = [hook for hook in manifest["hooks"] if not pending or hook in manifest["init"]]
    _interpreter.require(manifest, content, hooks)
    store.require_closed_parents()
    _interpreter.require_closed_path(manifest, content)
    damaged = store.damaged(manifest)
    is_current = result["previous"] == manifest["id"][:ID_LENGTH]
    wanted = _host_files.around(store, manifest, params)
    # The files around a release come with its activation. Those around the active one are restored at once.
    unplaced = _host_files.missing(wanted, store.owners) if is_current else []
    open_files = _conf_files.open_fragment(params["conf"]["path"]) if is_read and not result["conf_pending"] else []
    changed = [*damaged, *unplaced, *open_files]
    if not is_current or changed:
        result["diff"] = [*release_diff(store, manifest, content), *_drift_diff(store, manifest, changed)]
    if damaged and not module.check_mode:
        store.stage(manifest, content)
    if unplaced and not module.check_mode:
        _restore_around(module, store, wanted)
    for path in open_files if not module.check_mode else ():
        _files.write_atomic(path, _ansible.to_bytes(params["conf"]["text"]), 0o644)
    return {
        **result,
        "changed": bool(changed),
        "id": manifest["id"],
        # A release whose init scripts have not succeeded since the boot is activated again.
        "active": is_current and not pending and not (changed and module.check_mode),
        "changed_files": changed,
        "init_pending": pending,
        "missing_hooks": [hook for hook in manifest["hooks"] if hook not in (present or {"hooks": {}})["hooks"]],
        "lost_hooks": lost_hooks(present, manifest["hooks"]),
        "proof": _prove(module, store, reader),
    }


def _drift_diff(store: Store, manifest: Manifest, changed: t.Iterable[str]) -> list[dict[str, str]]:
    """Kind, mode and owner of each path that is there but differs."""
    paths = [store.path(manifest["id"], path) for path in changed]
    before = "".join(f"{path}: {_drift.describe(path)}\n" for path in paths if os.path.lexists(path))
    header = "changed by somebody else, now restored"
    return [{"before_header": header, "after_header": header, "before": before, "after": ""}] if before else []


def _restore_around(module: AnsibleModule, store: Store, wanted: _host_files.HostFiles) -> None:
    """Restore the files around the active release."""
    _host_files.make_dirs(wanted, store.owners)
    if _host_files.place(wanted, store.owners):
        _systemd.reload(module)


def empty(module: AnsibleModule, store: Store) -> Result:
    """Stage and activate a release that runs nothing, in one call."""
    current = store.manifest(store.current() or "") or {"hooks": []}
    hooks = [hook for hook in HOOKS if hook in (module.params["hooks"] or current["hooks"]) and not HOOKS[hook].is_init]
    release = build({hook: [] for hook in hooks}, store.root, {})
    if release is None:
        # No job runs anything here, as with init scripts alone: there is nothing to replace.
        if not module.check_mode:
            store.end_canary()
        return {"changed": False, "id": "", "previous": store.current() or "", "active": True}
    if not module.check_mode:
        store.stage(release.manifest(), {file.path: file.content for file in release.files})
    return _make_active(module, store, release.id)


def begin_canary(module: AnsibleModule, store: Store) -> Result:
    """Let the probe's jobs run the staged release."""
    id_ = module.params["id"]
    if module.check_mode:
        is_new = store.canary() != id_[:ID_LENGTH]
    else:
        store.restore(id_)
        manifest = store.require(id_)
        _interpreter_of(store, manifest)
        # Where its scripts write. SlurmUser may be another one than when the active release was placed.
        _host_files.make_dirs(_host_files.around(store, manifest, module.params), store.owners)
        is_new = store.begin_canary(id_, _probe_of(module.params, manifest))
    return {"changed": is_new, "id": id_, "previous": store.current() or ""}


def _probe_of(params: dict[str, t.Any], manifest: Manifest) -> int | None:
    """The uid whose task hooks run the canary; None for a release without task hooks."""
    if not any(HOOKS[hook].user == "job" for hook in manifest["hooks"]):
        return None
    try:
        return probe_uid(params["probe_user"], params["slurm_user"])
    except ValueError as exc:
        raise StoreError(str(exc)) from exc


def _interpreter_of(store: Store, manifest: Manifest) -> None:
    content = {path: store.content(manifest["id"], path) for path in manifest["files"]}
    _interpreter.require(manifest, content, list(manifest["hooks"]))


def activate(module: AnsibleModule, store: Store) -> Result:
    """Make the staged release the active one, with its units and log files."""
    return _make_active(module, store, module.params["id"])


def _make_active(module: AnsibleModule, store: Store, id_: str) -> Result:
    previous = store.current() or ""
    result = {"id": id_, "previous": previous, "active": True, "pruned": [], "started": []}
    manifest = store.manifest(id_)
    if manifest is None:
        # In check mode the release was not staged, so there is nothing to look at.
        if not module.check_mode:
            raise StoreError(
                f"release {id_[:ID_LENGTH]} is not staged on this host: run site.yml without tags that leave the staging out"
            )
        return {**result, "changed": True, "diff": _link_diff(previous, id_)}
    id_ = result["id"] = manifest["id"]
    _interpreter_of(store, manifest)
    wanted = _host_files.around(store, manifest, module.params)
    unplaced = _host_files.missing(wanted, store.owners)
    changed = previous != id_[:ID_LENGTH] or bool(unplaced) or bool(store.damaged(manifest))
    if not module.check_mode:
        store.restore(id_)
        try:
            _host_files.make_dirs(wanted, store.owners)
        except _files.NoRoomError as exc:
            # The dispatchers do without, and an undo must not end here.
            module.warn(f"The hooks cannot record failures: {exc}.")
        # First: a node that runs the bundle between these lines runs the committed release, which is right until the commit.
        store.note_bundle(_proof.bundle_of(module, store))
        store.activate(id_)
        store.end_canary()
        if _host_files.place(wanted, store.owners):
            _systemd.reload(module)
        result["pruned"] = store.prune(module.params["keep"])
        result["started"] = _systemd.start_held_back(module, manifest["init"])
    return {**result, "changed": changed, "diff": _link_diff(previous, id_), "proof": _prove(module, store)}


def _link_diff(previous: str, id_: str) -> dict[str, str]:
    """The one link that an activation changes, as a diff."""
    before = f"current -> releases/{previous}\n" if previous else ""
    return {"before": before, "after": f"current -> releases/{id_[:ID_LENGTH]}\n" if id_ else ""}


def _forget_cached_conf(module: AnsibleModule, store: Store) -> None:
    """Wait until slurmd has dropped the lines that name our files, and remove the copy that a daemon leaves behind.

    While a slurmd still knows our hooks their paths must exist, or the next job drains the node. Raises StoreError.
    """
    copy = os.path.join(_conf.CACHE, _conf.FRAGMENT)
    # Other hosts may keep their hooks. The daemon of a login node runs none of them.
    runs_hooks = bool(_daemons.find_on(module, "slurmd", store.slurm_uid))
    deadline = time.monotonic() + (FORGET_WITHIN if runs_hooks else TIDY_WITHIN)
    while os.path.exists(copy):
        if not _conf.has_include(_ansible.read_text(os.path.join(_conf.CACHE, "slurm.conf")) or ""):
            os.unlink(copy)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(_conf.CACHE, _bundle.NAME))
            return
        # The cluster may keep lines of its own there.
        named = _ansible.read_text(copy) or ""
        if not (_conf.names(named, store.root, _HOOK_KEYS) or _conf.names_bundle(named)):
            return
        if time.monotonic() > deadline:
            if not runs_hooks:
                return
            raise StoreError(
                f"after {FORGET_WITHIN} seconds slurmd of this host still has our lines ({_conf.CACHE}/slurm.conf), so the "
                "files that they name stay. Check its log, then run again"
            )
        time.sleep(0.5)


def remove(module: AnsibleModule, store: Store) -> Result:
    """Leave the host as if the collection had never been there, but for the logs."""
    previous = store.current() or ""
    present = _host_files.present()
    state = state_paths()
    changed = store.exists() or bool(present) or bool(state)
    removed = present + [path for path in (store.root, *state) if changed and os.path.lexists(path)]
    if changed and not module.check_mode:
        _forget_cached_conf(module, store)
        _systemd.stop(module, present)
        _host_files.remove()
        store.remove()
        _systemd.reload(module)
    return {"changed": changed, "previous": previous, "removed": removed, "diff": _link_diff(previous, "")}


_STEPS: dict[str, t.Callable[[AnsibleModule, Store], Result]] = {
    "staged": stage,
    "empty": empty,
    "canary": begin_canary,
    "active": activate,
    "absent": remove,
}


def bring(module: AnsibleModule) -> Result:
    """Bring this host's release into the wanted state. Raises StoreError, ConfError, ValueError and OSError."""
    store = Store(module.params["root"], module.params["slurm_user"])
    with _ansible.exclusive(module):
        return _STEPS[module.params["state"]](module, store)
