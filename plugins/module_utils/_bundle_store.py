# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The bundle on a controller, and the releases that it may have to carry.

<directory of slurm.conf>/nodecycle_bundle     /var/lib/nodecycle/bundle/<id>
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _bundle, _conf, _diff, _drift, _files
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import ID_LENGTH, STATE_DIR, probe_uid

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

STORE = os.path.join(STATE_DIR, "bundle")
#: In it, the id of the bundle of which Slurm knows. After a run that was killed before, the next one tells it again.
_SENT = "sent"

Result = t.Dict[str, t.Any]


def _remembered() -> dict[str, _bundle.Carried]:
    """The releases that this host has; one that is damaged is none."""
    found = {}
    for name in sorted(os.listdir(STORE)) if os.path.isdir(STORE) else []:
        with contextlib.suppress(ValueError):
            data = _files.read_bytes(os.path.join(STORE, name), follow=False) or b""
            found[name] = _bundle.parse(data.decode("ascii"))
    return found


def _remember(releases: t.Mapping[str, _bundle.Carried], wanted: t.Collection[str]) -> None:
    _files.make_parents(STORE)
    _files.make_dir(STORE, 0o700)
    for name, carried in releases.items():
        path = os.path.join(STORE, name)
        data = carried.as_line().encode()
        if name in wanted and _files.read_bytes(path, follow=False) != data:
            _files.write_atomic(path, data, 0o600)
    for name in os.listdir(STORE):
        if name not in wanted and name != _SENT:
            _drift.remove(os.path.join(STORE, name))


def _meant(params: Result, present: t.Mapping[str, _bundle.Meant]) -> dict[str, _bundle.Meant]:
    """What each node is to run: as the options say, and of what they leave out as in the bundle that is there."""
    nodes = {node: meant for node, meant in present.items() if not meant.is_delivered}
    delivered = {node: meant for node, meant in present.items() if meant.is_delivered}
    if params["nodes"] is not None:
        nodes = {str(node): _bundle.Meant(str(id_)) for node, id_ in params["nodes"].items() if id_}
    if params["delivered"] is not None:
        delivered = {
            str(node): _bundle.Meant(str(id_), str(params["canaries"].get(node, "")), True)
            for node, id_ in params["delivered"].items()
        }
    return {**nodes, **delivered}


def compared(params: Result) -> dict[str, Result]:
    """What changes between releases, by V(OLD NEW): the differences, and the hooks that lose their last script. Raises ValueError.

    Of an old release that this host does not have, nothing is known, as of a host without one.
    """
    remembered = _remembered()
    given = {str(id_)[:ID_LENGTH]: _bundle.parse(str(line)) for id_, line in params["releases"].items()}
    found = {}
    for pair in params["compared"]:
        old, new = str(pair).split(" ")
        before = remembered.get(old[:ID_LENGTH])
        manifest, content = _bundle.unpacked(before) if before else (_diff.NOTHING, {})
        wanted, files = _bundle.unpacked(given[new[:ID_LENGTH]])
        found[str(pair)] = {
            "differences": _diff.differences(manifest, content.get, wanted, files),
            "lost_hooks": _diff.lost_hooks(manifest, wanted["hooks"]),
        }
    return found


def bring(module: AnsibleModule) -> Result:
    """Write the bundle that is due, or remove it. Raises ConfError, ValueError and OSError."""
    params = module.params
    if params["compared"]:
        return {"changed": False, "missing": [], "is_unsent": False, "changes": compared(params)}
    path = _bundle.path(params["path"])
    present = _files.read_bytes(path)
    sent = os.path.join(STORE, _SENT)
    if params["is_sent"]:
        if present is not None and not module.check_mode:
            _files.write_atomic(sent, _bundle.id_of(present.decode("utf-8", "replace")).encode(), 0o600)
        return {"changed": False, "missing": [], "is_unsent": False}
    lines = _ansible.read_text(_conf.fragment_path(params["path"], _ansible.read_text)) or ""
    if not (_conf.names_bundle(lines) or params["is_due"]):
        is_ours = present is not None and bool(_bundle.called(present.decode("utf-8", "surrogateescape"), _bundle.HOOK))
        if is_ours and not module.check_mode:
            os.unlink(path)
        if not module.check_mode and os.path.isdir(STORE):
            _drift.remove(STORE)
        return {"changed": is_ours, "missing": [], "is_unsent": False}
    if params["nodes"] is None and params["delivered"] is None and present is not None:
        return {"changed": False, "missing": [], "is_unsent": False}
    given = {str(id_)[:ID_LENGTH]: _bundle.parse(str(line)) for id_, line in params["releases"].items()}
    releases = {**_remembered(), **given}
    nodes = _meant(params, _bundle.given((present or b"").decode("utf-8", "surrogateescape")))
    uid = probe_uid(params["probe_user"], params["slurm_user"]) if params["canaries"] else 0
    rendered = _bundle.render(params["root"], nodes, releases, params["init_timeout"], probe_uid=uid)
    text = rendered.encode()
    changed = present != text or not _drift.is_as(path, "file", 0o755)
    if not module.check_mode:
        used = [id_ for meant in nodes.values() for id_ in (meant.release, meant.canary)]
        _remember(releases, {id_[:ID_LENGTH] for id_ in [*used, *params["keep"]] if id_})
        if changed:
            # Before: a run that is killed after the reconfigure cannot note what Slurm knows.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(sent)
            _files.write_atomic(path, text, 0o755)
    is_unsent = changed or _files.read_bytes(sent, follow=False) != _bundle.id_of(rendered).encode()
    missing = sorted(
        node
        for node, meant in nodes.items()
        if any(id_[:ID_LENGTH] not in releases for id_ in (meant.release, meant.canary) if id_)
    )
    return {"changed": changed, "missing": missing, "is_unsent": is_unsent}
