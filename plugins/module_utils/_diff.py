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

#: The release of a host that has none.
NOTHING: Manifest = {"id": "", "files": {}, "hooks": {}, "summary": []}


def _shown(before: bytes | None, after: bytes | None, no_log: bool) -> tuple[str, str]:
    if not no_log:
        return (before or b"").decode("utf-8", "replace"), (after or b"").decode("utf-8", "replace")
    # Line by line a diff shows nothing where the text is the same.
    new = HIDDEN if before in (None, after) else ANOTHER
    return HIDDEN if before is not None else "", new if after is not None else ""


def release_diff(store: Store, manifest: Manifest, content: t.Mapping[str, bytes]) -> list[dict[str, str]]:
    """The differences from the active release of a host, also where a file of the new one is there and damaged."""
    current = store.current()
    old: Manifest = (store.manifest(current) if current else None) or NOTHING

    def present(path: str) -> bytes | None:
        return store.content(old["id"], path)

    return differences(old, present, manifest, content, store.damaged(manifest))


def differences(
    old: Manifest,
    present: t.Callable[[str], bytes | None],
    manifest: Manifest,
    content: t.Mapping[str, bytes],
    damaged: t.Container[str] = (),
) -> list[dict[str, str]]:
    """Scripts that come, go or change from one release to another, and what each hook runs in which way. present: the content of the old one.

    The dispatchers are left out: they carry the release's name and would differ always; the summary says the same
    for people.
    """
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
    scripts = {path for side in (old, manifest) for path in side["files"] if path not in side["hooks"]}
    for path in sorted(scripts):
        in_old, in_new = old["files"].get(path), manifest["files"].get(path)
        if in_old == in_new and path not in damaged:
            continue
        no_log = any(entry and entry["no_log"] for entry in (in_old, in_new))
        before, after = _shown(present(path) if in_old else None, content[path] if in_new else None, no_log)
        if before != after:
            diffs.append({"before_header": path, "after_header": path, "before": before, "after": after})
    return diffs


def lost_hooks(present: Manifest | None, hooks: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    """The hooks that have scripts in a release, and none in the new one."""
    return [hook for hook, scripts in (present["hooks"] if present else {}).items() if scripts and not hooks.get(hook)]
