# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What a release changes, as Ansible shows it with C(--diff)."""

from __future__ import annotations

import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _files
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Manifest, Store


def _shown(data: bytes, no_log: bool) -> str:
    if no_log:
        return f"(content hidden, sha256 {_files.sha256(data)})\n"
    return data.decode("utf-8", "replace")


def release_diff(store: Store, manifest: Manifest, content: t.Mapping[str, bytes]) -> list[dict[str, str]]:
    """Scripts that come, go or change against the active release, and what each hook runs in which way.

    The dispatchers are left out: they carry the release's name and would differ always; the summary says the same
    for people.
    """
    current = store.current()
    old: Manifest = (store.manifest(current) if current else None) or {
        "id": "",
        "files": {},
        "hooks": {},
        "summary": [],
    }
    diffs = []
    if old["summary"] != manifest["summary"]:
        before, after = ("".join(f"{line}\n" for line in side["summary"]) for side in (old, manifest))
        diffs.append(
            {
                "before_header": "scripts in their order",
                "after_header": "scripts in their order",
                "before": before,
                "after": after,
            }
        )
    damaged = store.damaged(manifest)
    scripts = {path for side in (old, manifest) for path in side["files"] if path not in side["hooks"]}
    for path in sorted(scripts):
        in_old, in_new = old["files"].get(path), manifest["files"].get(path)
        if in_old == in_new and path not in damaged:
            continue
        no_log = any(entry and entry["no_log"] for entry in (in_old, in_new))
        before = _shown(store.content(old["id"], path), no_log) if in_old else ""
        after = _shown(content[path], no_log) if in_new else ""
        if before != after:
            diffs.append({"before_header": path, "after_header": path, "before": before, "after": after})
    return diffs
