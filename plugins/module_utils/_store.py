# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The releases on a host's disk: compare, stage, activate, prune, remove.

    <root>/current -> releases/<id>     <root>/history.json     <root>/releases/<id>/manifest.json ...

A run may be killed between any two lines here. What makes that harmless: a release's directory appears by one rename,
becomes active by another, and everything before is invisible to jobs.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import stat
import time
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _files
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import ID_LENGTH, LOG_DIR, RUN_DIR, STATE_DIR

MANIFEST = "manifest.json"

#: A dispatcher of a release that was just replaced may still be between two of its scripts.
PRUNE_AFTER = 3600

Manifest = t.Dict[str, t.Any]


class StoreError(Exception):
    """Something on this host stands in the way; the message says what and what to do."""


def owners(slurm_user: str) -> dict[str, tuple[int, int]]:
    """User and group ids of V(root) and, where this host knows him, V(slurm)."""
    found = {"root": (0, 0)}
    with contextlib.suppress(KeyError):
        entry = pwd.getpwnam(slurm_user)
        found["slurm"] = (entry.pw_uid, entry.pw_gid)
    return found


class Store:
    """The releases below one root directory."""

    def __init__(self, root: str, slurm_user: str = "slurm") -> None:
        self.root = root
        self.releases = os.path.join(root, "releases")
        self.owners = owners(slurm_user)
        self._slurm_user = slurm_user

    def path(self, id_: str, *parts: str) -> str:
        """A path in a release's directory."""
        return os.path.join(self.releases, id_[:ID_LENGTH], *parts)

    def current(self) -> t.Optional[str]:
        """The directory name of the active release, or None."""
        try:
            return os.path.basename(os.readlink(os.path.join(self.root, "current")))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            raise StoreError(f"{self.root}/current exists and is no symbolic link of ours: move it away") from exc

    def manifest(self, id_: str) -> t.Optional[Manifest]:
        """The manifest of a release on disk, or None where it has none that can be read."""
        data = _files.read_bytes(self.path(id_, MANIFEST))
        try:
            return t.cast(Manifest, json.loads(data)) if data else None
        except ValueError:
            return None

    def content(self, id_: str, path: str) -> bytes:
        """A file of a release; empty where it is not there."""
        return _files.read_bytes(self.path(id_, path)) or b""

    def history(self) -> list[dict[str, t.Any]]:
        """Which release was active from when (seconds since the epoch), newest first."""
        data = _files.read_bytes(os.path.join(self.root, "history.json"))
        try:
            return t.cast("list[dict[str, t.Any]]", json.loads(data)) if data else []
        except ValueError:
            return []

    def previous(self) -> t.Optional[str]:
        """The release that was active before the current one and is still on disk."""
        current = self.current()
        for entry in self.history():
            if entry["id"] != current and os.path.isdir(self.path(entry["id"])):
                return str(entry["id"])
        return None

    def damaged(self, manifest: Manifest) -> list[str]:
        """The files of a release that are missing or differ from the manifest in content, mode or group."""
        wrong = []
        for path, wanted in manifest["files"].items():
            full = self.path(manifest["id"], path)
            try:
                present = os.lstat(full)
            except (FileNotFoundError, NotADirectoryError):
                wrong.append(path)
                continue
            if (
                not stat.S_ISREG(present.st_mode)
                or stat.S_IMODE(present.st_mode) != int(wanted["mode"], 8)
                or (present.st_uid, present.st_gid) != (0, self._group(wanted["group"]))
                or _files.sha256(_files.read_bytes(full) or b"") != wanted["sha256"]
            ):
                wrong.append(path)
        return wrong

    def _group(self, name: str) -> int:
        if name not in self.owners:
            raise StoreError(
                f"this host has no user {self._slurm_user!r}, which runs the controller's scripts: "
                "is it the controller (group slurm_controller), and is Slurm installed there?"
            )
        return self.owners[name][1]

    def stage(self, manifest: Manifest, content: t.Mapping[str, bytes]) -> None:
        """Put a release beside the active one, or mend the files of it that are damaged."""
        os.makedirs(self.root, 0o755, exist_ok=True)
        _files.make_dir(self.releases, 0o755)
        self._sweep()
        final = self.path(manifest["id"])
        if os.path.isdir(final):
            self._fill(final, manifest, {path: content[path] for path in self.damaged(manifest)})
            return
        temporary = os.path.join(self.releases, f".staging-{manifest['id'][:ID_LENGTH]}")
        os.mkdir(temporary, 0o755)
        os.chmod(temporary, 0o755)
        self._fill(temporary, manifest, content)
        os.rename(temporary, final)
        _files.sync_dir(self.releases)

    def _fill(self, directory: str, manifest: Manifest, content: t.Mapping[str, bytes]) -> None:
        for path, data in content.items():
            wanted = manifest["files"][path]
            mode, group = int(wanted["mode"], 8), self._group(wanted["group"])
            full = os.path.join(directory, path)
            if os.path.dirname(path):
                _files.make_dir(os.path.dirname(full), mode, 0, group)
            if os.path.isdir(full) and not os.path.islink(full):
                shutil.rmtree(full)
            _files.write_atomic(full, data, mode, 0, group)
        text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
        _files.write_atomic(os.path.join(directory, MANIFEST), text.encode(), 0o644)

    def _sweep(self) -> None:
        """Take away what a killed run has left half done."""
        for name in os.listdir(self.releases):
            if name.startswith(".staging-"):
                shutil.rmtree(os.path.join(self.releases, name))

    def activate(self, id_: str, now: t.Optional[float] = None) -> None:
        """Make a staged release the one that the next job runs: one rename."""
        name = id_[:ID_LENGTH]
        if not self.manifest(id_):
            raise StoreError(f"release {name} is not staged on this host: stage it first")
        if self.current() == name:
            return
        entries = [{"id": name, "activated": int(time.time() if now is None else now)}, *self.history()]
        _files.write_atomic(os.path.join(self.root, "history.json"), (json.dumps(entries[:100]) + "\n").encode(), 0o644)
        _files.link_atomic(os.path.join(self.root, "current"), os.path.join("releases", name))

    def prune(self, keep: int, now: t.Optional[float] = None) -> list[str]:
        """Remove the releases beyond the newest C(keep), but none that was active within the last hour."""
        moment = time.time() if now is None else now
        current = self.current()
        order: list[str] = [current] if current else []
        recent: set[str] = set()
        replaced_at = moment
        for entry in self.history():
            if replaced_at > moment - PRUNE_AFTER:
                recent.add(entry["id"])
            replaced_at = entry["activated"]
            if entry["id"] not in order:
                order.append(entry["id"])
        wanted = set(order[:keep]) | recent
        gone = []
        for name in sorted(os.listdir(self.releases)) if os.path.isdir(self.releases) else []:
            full = os.path.join(self.releases, name)
            # A staged release that was never active may be the one of a run that goes on right now.
            known = name in order or os.stat(full).st_mtime < moment - PRUNE_AFTER
            if known and name not in wanted and not name.startswith("."):
                shutil.rmtree(full)
                gone.append(name)
        return gone

    def make_state(self, hook: str) -> None:
        """The directory in which the dispatcher of a hook that root runs keeps its failure records."""
        os.makedirs(STATE_DIR, 0o755, exist_ok=True)
        os.makedirs(LOG_DIR, 0o755, exist_ok=True)
        _files.make_dir(os.path.join(STATE_DIR, hook), 0o700)
        # The dispatcher of a first init would make it readable by all.
        os.close(os.open(os.path.join(LOG_DIR, f"{hook}.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o640))

    def exists(self) -> bool:
        """Whether anything of ours is below the root."""
        return os.path.lexists(os.path.join(self.root, "current")) or os.path.isdir(self.releases)

    def remove(self) -> None:
        """Take everything of ours away, and the root itself when nothing else is in it. The logs stay: they are the site's."""
        for name in ("current", "current.new", "history.json"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.root, name))
        for directory in (self.releases, STATE_DIR, RUN_DIR):
            shutil.rmtree(directory, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.rmdir(self.root)


def init_pending(manifest: Manifest) -> list[str]:
    """The init hooks whose present scripts have not succeeded on this host since it booted."""
    done = {hook: (_files.read_bytes(f"{RUN_DIR}/{hook}.ok") or b"").decode().strip() for hook in manifest["init"]}
    return [hook for hook, digest in manifest["init"].items() if done[hook] != digest]


