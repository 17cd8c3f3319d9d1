# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The changes of a release, as Ansible shows them with C(--diff)."""

from __future__ import annotations

import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Manifest, Store

#: Not a digest: a reader who knows the text around a short secret could find the secret by it.
HIDDEN = "(content hidden)\n"
ANOTHER = "(content hidden, not the same as before)\n"


def _shown(before: bytes | None, after: bytes | None, no_log: bool) -> tuple[str, str]:
    if not no_log:
        return (before or b"").decode("utf-8", "replace"), (after or b"").decode("utf-8", "replace")
    # Line by line a diff shows nothing where the text is the same.
    new = HIDDEN if before in (None, after) else ANOTHER
    return HIDDEN if before is not None else "", new if after is not None else ""


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
        before, after = _shown(
            store.content(old["id"], path) if in_old else None, content[path] if in_new else None, no_log
        )
        if before != after:
            diffs.append({"before_header": path, "after_header": path, "before": before, "after": after})
    return diffs
