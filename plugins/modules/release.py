#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release
short_description: Stage and activate the scripts of a host
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Puts the scripts of all hooks of a host on it as one release, named by a digest of its content, beside the release
    that is active now, and makes it the active one in one atomic step.
  - The scripts are rendered on the control node, by an action plugin of the same name, and sent in one call.
  - Slurm is told one path per hook, V(ROOT/current/HOOK). Behind it stands a dispatcher that runs the hook's scripts in
    their order, with a safe C(PATH), within their time limits, and writes one line of JSON a script to
    V(/var/log/nodecycle/HOOK.log). Because that path never changes, a changed script needs no C(scontrol reconfigure).
  - A release never changes after it was staged. A file of it that somebody edited is found and put right.
options:
  state:
    description: How far to bring the release.
    type: str
    choices:
      staged: On disk beside the active release; nothing changes for jobs.
      empty: Active, without a single script. For a host that has no release yet, so that slurm.conf may name its dispatchers.
      canary: On trial. Jobs in the reservation C(nodecycle_canary) run it, all others the active one. O(id) must be staged.
      active: What the next job runs. O(id) must be staged. A trial ends.
      absent: No release, unit or other file of this collection on the host. The logs stay.
    default: staged
  hooks:
    description:
      - For each hook that this host carries the list of its scripts, in the order in which they run. A string stands for one
        script with this content, named V(script). A hook with an empty list gets a dispatcher that runs nothing.
      - With O(state=empty) only the hooks' names count; without any they are those of the active release. Init hooks are left out.
      - The hooks are V(worker_init), V(login_init), V(controller_init), V(worker_prolog), V(worker_epilog),
        V(controller_prolog), V(controller_epilog), V(task_prolog) and V(task_epilog).
      - Each script is a dictionary with V(name) (letters, digits, dot, dash and underscore; part of the file's name), one of
        V(content) (the text itself), V(src) (a file on the control node, looked for in C(files/) as M(ansible.builtin.copy)
        does, vault-encrypted files too) and V(template) (a Jinja2 template on the control node, looked for in
        C(templates/) as M(ansible.builtin.template) does).
      - It may have V(partitions), a list of partitions for whose jobs it runs (job and task hooks only); V(nodes), a
        hostlist expression of the nodes that get it (hooks on workers only); V(timeout) in whole seconds (at most 86400, a day), after
        which it is killed with all that it has started and counts as failed; V(on_failure), V(drain) (the default, what Slurm
        does with a failure of the hook) or V(ignore) (logged only, the next script runs); V(no_log), whether its content must not be shown in a diff
        (true by itself where the script uses vaulted values).
    type: dict
    default: {}
  id:
    description:
      - The release to try or to activate, as returned by O(state=staged), or the name of its directory. Needed with O(state=canary) and
        O(state=active).
    type: str
  root:
    description: Directory of the releases. It must be on a local file system that may hold programs (no C(noexec)).
    type: path
    default: /etc/nodecycle
  keep:
    description:
      - How many releases stay on disk, the active one included. A release that was active within the last hour stays anyway.
      - At least 2, because undo needs the previous one.
    type: int
    default: 5
  node_name:
    description: The host's name in Slurm (NodeName), with which V(nodes) of a script is compared.
    type: str
  slurm_user:
    description: The SlurmUser of slurm.conf, who runs the controller's scripts and may therefore read them.
    type: str
    default: slurm
  probe_user:
    description:
      - With O(state=canary), the user whose jobs try the release; empty for O(slurm_user), or V(nobody) where that is root. A job's user may
        write anything into the environment of his task hooks, the name of the reservation too, so of these only that user's meet the trial.
    type: str
    default: ""
  gate:
    description:
      - The init hooks without whose success since the last boot a daemon does not start, V(worker_init) for slurmd and
        V(controller_init) for slurmctld.
    type: list
    elements: str
    choices: [worker_init, controller_init]
    default: [worker_init]
  init_timeouts:
    description: How long the scripts of an init hook may take at a boot, as O(nodecycle.slurm.init#module:timeouts).
    type: dict
    default: {}
  conf:
    description:
      - With O(state=staged), what slurm.conf of this host should say, to be told in RV(conf_pending) whether it does. A host
        without a slurm.conf at V(path) (a configless one) has nothing to say.
    type: dict
    suboptions:
      path:
        description: The host's slurm.conf.
        type: path
        required: true
      text:
        description: The content of the included file; empty when there should be none.
        type: str
        required: true
      adopt:
        description: Keys whose own lines are to be commented out, see M(nodecycle.slurm.conf).
        type: list
        elements: str
        default: []
  conf_path:
    description: The host's slurm.conf, from which RV(proof) is read. A host that has none there has the copy that the controller sent.
    type: path
    default: /etc/slurm/slurm.conf
  show_diff:
    description:
      - With O(state=staged), whether the diff is shown with this result. Without it is returned as RV(changes), for somebody who shows
        the same change of many hosts once.
    type: bool
    default: true
  payload:
    description: The rendered release. Set by the action plugin, never by a user.
    type: str
extends_documentation_fragment:
  - nodecycle.slurm._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Of scripts with V(no_log) only that they change is shown.
  idempotent:
    support: full
seealso:
  - module: nodecycle.slurm.init
  - module: nodecycle.slurm.conf
"""

EXAMPLES = r"""
---
- name: Stage a prolog beside the active one
  nodecycle.slurm.release:
    state: staged
    hooks:
      worker_prolog:
        - name: scratch
          content: |
            #!/bin/sh -e
            install -d -m 0700 -o "$SLURM_JOB_UID" "/scratch/job.$SLURM_JOB_ID"
          timeout: 10
      worker_epilog:
        - name: scratch
          src: scratch-epilog.sh
  register: staged

- name: Let the next job run it
  nodecycle.slurm.release:
    state: active
    id: "{{ staged.id }}"
"""

RETURN = r"""
changes:
  description: The diff, each part with C(before_header), C(after_header), C(before) and C(after).
  returned: with O(state=staged) and without O(show_diff), where there is one
  type: list
  elements: dict
id:
  description: The digest that names the release; empty where this host needs none.
  returned: O(state=staged) or O(state=active)
  type: str
  sample: 0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9
previous:
  description: The directory name of the release that was active before this call.
  returned: success
  type: str
active:
  description: Whether the release is what the next job runs, intact and with all that belongs to it.
  returned: O(state=staged) or O(state=active)
  type: bool
changed_files:
  description:
    - What was not on this host as it should be, in content, kind, owner, group or mode. Files of the release without its directory,
      everything else (directories, links, units, logs) with the whole path.
  returned: O(state=staged)
  type: list
  elements: str
init_pending:
  description: The init hooks whose scripts have not run with success since the host booted.
  returned: O(state=staged)
  type: list
  elements: str
conf_pending:
  description: Whether this host has a slurm.conf that does not say what O(conf) wants.
  returned: O(state=staged)
  type: bool
conf_before:
  description: What our lines in this host's slurm.conf are now, as C(text) and C(adopt) of O(conf). Nothing for a host without a slurm.conf.
  returned: O(state=staged) with O(conf)
  type: dict
missing_hooks:
  description: The hooks of the release for which the active one has no dispatcher.
  returned: O(state=staged)
  type: list
  elements: str
proof:
  description: What the next job on this host runs, as M(nodecycle.slurm.proof_info) returns it.
  returned: O(state=staged) or O(state=active)
  type: dict
pruned:
  description: The releases that were removed because they are too old.
  returned: O(state=active)
  type: list
  elements: str
started:
  description: The daemons that were started because only a failure of their init hook since the boot had kept them down.
  returned: O(state=active)
  type: list
  elements: str
removed:
  description: The files that were taken away.
  returned: O(state=absent)
  type: list
  elements: str
"""

import os
import pwd
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import (
    _ansible,
    _conf,
    _daemons,
    _drift,
    _files,
    _host_files,
    _interpreter,
    _proof,
    _systemd,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._diff import release_diff
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import ID_LENGTH, build, unpack
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import (
    Manifest,
    Store,
    StoreError,
    init_pending,
    state_paths,
)

#: A node has the new configuration a second or two after the controller.
FORGET_WITHIN = 60


def surroundings_of(manifest: Manifest, params: dict[str, t.Any]) -> _host_files.Surroundings:
    """What belongs around this release on this host."""
    return _host_files.surroundings(
        manifest["hooks"],
        manifest["init"],
        params["root"],
        params["gate"],
        params["slurm_user"],
        params["init_timeouts"],
    )


def conf_pending(wanted: dict[str, t.Any] | None) -> bool:
    """Whether the host's slurm.conf has to change."""
    if not wanted or _ansible.read_text(wanted["path"]) is None:
        return False
    return bool(_conf.changes(wanted["path"], wanted["text"], wanted["adopt"], _ansible.read_text))


def open_conf(wanted: dict[str, t.Any] | None) -> list[str]:
    """Our file beside this host's slurm.conf, where it says what it should and another than root can change that."""
    path = os.path.join(os.path.dirname(wanted["path"]), _conf.FRAGMENT) if wanted else ""
    return [path] if os.path.lexists(path) and not _drift.is_roots_alone(path) else []


def prove(module: AnsibleModule, store: Store) -> dict[str, t.Any]:
    """What the next job runs here."""
    reader = _proof.reader(module, store.slurm_uid)
    conf = _proof.conf_in_use(module.params["conf_path"], reader.arguments)
    return _proof.prove(
        store, conf, _ansible.read_text, reader.is_slurmd, lambda: _daemons.version(module, reader.pid, reader.name)
    )


def stage(module: AnsibleModule, store: Store) -> dict[str, t.Any]:
    """Bring the release to the disk, or find it there."""
    params = module.params
    result: dict[str, t.Any] = {
        "previous": store.current() or "",
        "conf_pending": conf_pending(params["conf"]),
        "conf_before": _conf.lines_of(params["conf"]["path"], _ansible.read_text) if params["conf"] else None,
    }
    if not params["payload"]:
        clean = not store.exists() and not _host_files.present()
        nothing: dict[str, t.Any] = {"changed_files": [], "init_pending": [], "missing_hooks": []}
        return {**result, **nothing, "changed": False, "id": "", "active": clean, "proof": prove(module, store)}
    manifest, content = unpack(params["payload"])
    pending = init_pending(manifest)
    # A script's interpreter may be just what a pending init script installs.
    hooks = [hook for hook in manifest["hooks"] if not pending or hook in manifest["init"]]
    _interpreter.require(manifest, content, hooks)
    store.require_closed_parents()
    damaged = store.damaged(manifest)
    is_current = result["previous"] == manifest["id"][:ID_LENGTH]
    present = store.manifest(result["previous"]) if result["previous"] else None
    wanted = surroundings_of(manifest, params)
    # What is around a release comes with its activation; around the active one it is put right at once.
    unplaced = _host_files.missing(wanted, store.owners) if is_current else []
    open_files = [] if result["conf_pending"] else open_conf(params["conf"])
    changed = [*damaged, *unplaced, *open_files]
    if not is_current or changed:
        result["diff"] = [*release_diff(store, manifest, content), *drift_diff(store, manifest, changed)]
    if damaged and not module.check_mode:
        store.stage(manifest, content)
    if unplaced and not module.check_mode:
        mend_surroundings(module, store, wanted)
    for path in open_files if not module.check_mode else ():
        _files.write_atomic(path, _ansible.to_bytes(params["conf"]["text"]), 0o644)
    return {
        **result,
        "changed": bool(changed),
        "id": manifest["id"],
        # One whose init scripts have not succeeded since the boot is taken over anew.
        "active": is_current and not pending and not (changed and module.check_mode),
        "changed_files": changed,
        "init_pending": pending,
        "missing_hooks": [hook for hook in manifest["hooks"] if hook not in (present or {"hooks": {}})["hooks"]],
        "proof": prove(module, store),
    }


def drift_diff(store: Store, manifest: Manifest, changed: t.Iterable[str]) -> list[dict[str, str]]:
    """What is not as it was made and is still there: kind, mode and owner of it."""
    paths = [store.path(manifest["id"], path) for path in changed]
    before = "".join(f"{path}: {_drift.describe(path)}\n" for path in paths if os.path.lexists(path))
    header = "changed by somebody else, and put right"
    return [{"before_header": header, "after_header": header, "before": before, "after": ""}] if before else []


def mend_surroundings(module: AnsibleModule, store: Store, wanted: _host_files.Surroundings) -> None:
    """Make what is around the active release as it should be."""
    _host_files.make_dirs(wanted, store.owners)
    if _host_files.place(wanted, store.owners):
        _systemd.reload(module)


def empty(module: AnsibleModule, store: Store) -> dict[str, t.Any]:
    """Stage and activate a release that runs nothing, in one call."""
    current = store.manifest(store.current() or "") or {"hooks": []}
    hooks = [hook for hook in HOOKS if hook in (module.params["hooks"] or current["hooks"]) and not HOOKS[hook].is_init]
    release = build({hook: [] for hook in hooks}, store.root, {})
    if release is None:
        # No job meets anything here, as with init scripts alone: there is nothing to put in their place.
        if not module.check_mode:
            store.end_trial()
        return {"changed": False, "id": "", "previous": store.current() or "", "active": True}
    if not module.check_mode:
        store.stage(release.manifest(), {file.path: file.content for file in release.files})
    module.params["id"] = release.id
    return activate(module, store)


def try_out(module: AnsibleModule, store: Store) -> dict[str, t.Any]:
    """Let the probe's jobs meet the staged release."""
    id_ = module.params["id"]
    if module.check_mode:
        is_new = store.canary() != id_[:ID_LENGTH]
    else:
        store.mend(id_)
        manifest = store.require(id_)
        _interpreter_of(store, manifest)
        is_new = store.try_out(id_, probe_of(module.params, manifest))
    return {"changed": is_new, "id": id_, "previous": store.current() or ""}


def probe_of(params: dict[str, t.Any], manifest: Manifest) -> int | None:
    """The uid whose task hooks meet the trial; None for a release that has no task hooks."""
    if not any(HOOKS[hook].user == "job" for hook in manifest["hooks"]):
        return None
    name = params["probe_user"] or ("nobody" if params["slurm_user"] == "root" else params["slurm_user"])
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError as exc:
        raise StoreError(
            f"this host has no user {name!r}, whose jobs try the release: make him here, or name another one (slurm_probe_user)"
        ) from exc


def _interpreter_of(store: Store, manifest: Manifest) -> None:
    content = {path: store.content(manifest["id"], path) for path in manifest["files"]}
    _interpreter.require(manifest, content, list(manifest["hooks"]))


def activate(module: AnsibleModule, store: Store) -> dict[str, t.Any]:
    """Make the staged release the active one, with its units and log files."""
    id_ = module.params["id"]
    previous = store.current() or ""
    result = {"id": id_, "previous": previous, "active": True, "pruned": [], "started": []}
    manifest = store.manifest(id_)
    if manifest is None:
        # In check mode the release was not staged, so there is nothing to look at.
        if not module.check_mode:
            raise StoreError(
                f"release {id_[:ID_LENGTH]} is not staged on this host: run site.yml without tags that leave the staging out"
            )
        return {**result, "changed": True, "diff": link_diff(previous, id_)}
    id_ = result["id"] = manifest["id"]
    _interpreter_of(store, manifest)
    wanted = surroundings_of(manifest, module.params)
    unplaced = _host_files.missing(wanted, store.owners)
    changed = previous != id_[:ID_LENGTH] or bool(unplaced) or bool(store.damaged(manifest))
    if not module.check_mode:
        store.mend(id_)
        try:
            _host_files.make_dirs(wanted, store.owners)
        except _files.NoRoomError as exc:
            # The dispatchers do without, and the way back must not end here.
            module.warn(f"The hooks keep no record of what fails: {exc}.")
        store.activate(id_)
        store.end_trial()
        if _host_files.place(wanted, store.owners):
            _systemd.reload(module)
        result["pruned"] = store.prune(module.params["keep"])
        result["started"] = _systemd.start_held_back(module, manifest["init"])
    return {**result, "changed": changed, "diff": link_diff(previous, id_), "proof": prove(module, store)}


def link_diff(previous: str, id_: str) -> dict[str, str]:
    """The one link that activation turns, as a diff."""
    before = f"current -> releases/{previous}\n" if previous else ""
    return {"before": before, "after": f"current -> releases/{id_[:ID_LENGTH]}\n" if id_ else ""}


def forget_cached_conf(module: AnsibleModule, store: Store) -> None:
    """Wait until this node's daemon has dropped the lines that name our files, and take away the copy that it leaves behind.

    While a slurmd still knows our hooks their paths must exist, or the next job drains the node. Raises StoreError.
    """
    copy = os.path.join(_conf.CACHE, _conf.FRAGMENT)
    deadline = time.monotonic() + FORGET_WITHIN
    while os.path.exists(copy):
        # The cluster may keep lines of its own there.
        if not _conf.names(_ansible.read_text(copy) or "", store.root):
            return
        if not _conf.has_include(_ansible.read_text(os.path.join(_conf.CACHE, "slurm.conf")) or ""):
            os.unlink(copy)
            return
        if not any(_daemons.find_on(module, name, store.slurm_uid) for name in ("slurmd", "sackd")):
            # Nobody runs with it, and at its start the daemon asks the controller anew.
            return
        if time.monotonic() > deadline:
            raise StoreError(
                f"after {FORGET_WITHIN} seconds the Slurm daemon of this host still has our lines ({_conf.CACHE}/slurm.conf), so the "
                "files that they name stay. Look at its log, then run again"
            )
        time.sleep(0.5)


def remove(module: AnsibleModule, store: Store) -> dict[str, t.Any]:
    """Leave the host as if the collection had never been there, but for the logs."""
    previous = store.current() or ""
    present = _host_files.present()
    state = state_paths()
    changed = store.exists() or bool(present) or bool(state)
    removed = present + [path for path in (store.root, *state) if changed and os.path.lexists(path)]
    if changed and not module.check_mode:
        forget_cached_conf(module, store)
        _systemd.stop(module, present)
        _host_files.remove()
        store.remove()
        _systemd.reload(module)
    return {"changed": changed, "previous": previous, "removed": removed, "diff": link_diff(previous, "")}


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["staged", "empty", "canary", "active", "absent"], "default": "staged"},
            "hooks": {"type": "dict", "default": {}},
            "id": {"type": "str"},
            "root": {"type": "path", "default": "/etc/nodecycle"},
            "keep": {"type": "int", "default": 5},
            "node_name": {"type": "str"},
            "slurm_user": {"type": "str", "default": "slurm"},
            "probe_user": {"type": "str", "default": ""},
            "gate": {
                "type": "list",
                "elements": "str",
                "choices": ["worker_init", "controller_init"],
                "default": ["worker_init"],
            },
            "init_timeouts": {"type": "dict", "default": {}},
            "conf": {
                "type": "dict",
                "options": {
                    "path": {"type": "path", "required": True},
                    "text": {"type": "str", "required": True},
                    "adopt": {"type": "list", "elements": "str", "default": []},
                },
            },
            "conf_path": {"type": "path", "default": "/etc/slurm/slurm.conf"},
            "show_diff": {"type": "bool", "default": True},
            "payload": {"type": "str", "no_log": True},
        },
        required_if=[("state", "active", ("id",)), ("state", "canary", ("id",))],
        supports_check_mode=True,
    )
    _ansible.require_root(module)
    if module.params["keep"] < 2:
        module.fail_json(
            msg=f"keep (slurm_release_keep) is {module.params['keep']}: undo needs the previous release, so at least 2"
        )
    store = Store(module.params["root"], module.params["slurm_user"])
    step = {"staged": stage, "empty": empty, "canary": try_out, "active": activate, "absent": remove}
    try:
        with _ansible.exclusive(module):
            result = step[module.params["state"]](module, store)
    except (StoreError, _conf.ConfError, ValueError, OSError) as exc:
        module.fail_json(msg=f"{module.params['state']} release in {store.root}: {exc}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
