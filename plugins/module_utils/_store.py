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
import errno
import json
import os
import pwd
import re
import shutil
import stat
import time
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _files
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import (
    ID_LENGTH,
    LOG_DIR,
    ROLLOUT_DIR,
    RUN_DIR,
    STATE_DIR,
    trial_link,
)

MANIFEST = "manifest.json"

#: How the directories below releases/ begin that are not yet, or no longer, a release.
_HALF_DONE = ".half-"

#: See trial_link.
_TRIAL_LINK = re.compile(r"canary(\.[0-9]+)?")

#: A dispatcher of a release that was just replaced may still be between two of its scripts.
PRUNE_AFTER = 3600

Manifest = dict[str, t.Any]


class StoreError(Exception):
    """Something on this host stands in the way; the message says what and what to do."""


class Owners(dict[str, tuple[int, int]]):
    """User and group ids of V(root) and, where this host knows him, V(slurm). Asking for him where it does not is a StoreError."""

    def __init__(self, slurm_user: str) -> None:
        super().__init__(root=(0, 0))
        self._slurm_user = slurm_user
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(slurm_user)
            self["slurm"] = (entry.pw_uid, entry.pw_gid)

    def __missing__(self, name: str) -> tuple[int, int]:
        raise StoreError(
            f"this host has no user {self._slurm_user!r}, which runs the controller's scripts: "
            "is it the controller (group slurm_controller), and is Slurm installed there?"
        )


class Store:
    """The releases below one root directory."""

    def __init__(self, root: str, slurm_user: str = "slurm") -> None:
        self.root = root
        self.releases = os.path.join(root, "releases")
        self.owners = Owners(slurm_user)

    def path(self, id_: str, *parts: str) -> str:
        """A path in a release's directory."""
        return os.path.join(self.releases, id_[:ID_LENGTH], *parts)

    def current(self) -> str | None:
        """The directory name of the active release, or None."""
        return self._linked("current")

    def canary(self) -> str | None:
        """The directory name of the release on trial, or None."""
        return self._linked("canary")

    def _linked(self, name: str) -> str | None:
        try:
            return os.path.basename(os.readlink(os.path.join(self.root, name)))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            raise StoreError(f"{self.root}/{name} exists and is no symbolic link of ours: move it away") from exc

    def manifest(self, id_: str) -> Manifest | None:
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

    def previous(self) -> str | None:
        """The release that was active before the current one and is still on disk."""
        current = self.current()
        was_current = False
        for entry in self.history():
            # A killed activation has noted a release that never became the current one.
            was_current = was_current or entry["id"] == current
            if was_current and entry["id"] != current and os.path.isdir(self.path(entry["id"])):
                return str(entry["id"])
        return None

    def damaged(self, manifest: Manifest) -> list[str]:
        """The files of a release that are missing or differ from the manifest in content, mode or owner, their directory too."""
        wrong = [
            path for path, wanted in manifest["files"].items() if not self._is_intact(manifest["id"], path, wanted)
        ]
        return wrong if self.manifest(manifest["id"]) == manifest else [*wrong, MANIFEST]

    def _is_intact(self, id_: str, path: str, wanted: t.Mapping[str, t.Any]) -> bool:
        full = self.path(id_, path)
        is_kind = {full: stat.S_ISREG, **({os.path.dirname(full): stat.S_ISDIR} if os.path.dirname(path) else {})}
        access = (int(wanted["mode"], 8), 0, self.owners[wanted["group"]][1])
        try:
            for place, is_right in is_kind.items():
                present = os.lstat(place)
                if (
                    not is_right(present.st_mode)
                    or (stat.S_IMODE(present.st_mode), present.st_uid, present.st_gid) != access
                ):
                    return False
        except (FileNotFoundError, NotADirectoryError):
            return False
        return bool(_files.sha256(_files.read_bytes(full) or b"") == wanted["sha256"])

    def stage(self, manifest: Manifest, content: t.Mapping[str, bytes]) -> None:
        """Put a release beside the active one, or mend the files of it that are damaged."""
        _files.make_parents(self.releases)
        _files.make_dir(self.releases, 0o755)
        self._sweep()
        final = self.path(manifest["id"])
        if os.path.isdir(final):
            self._fill(final, manifest, {path: content[path] for path in self.damaged(manifest) if path != MANIFEST})
            return
        temporary = os.path.join(self.releases, f"{_HALF_DONE}{manifest['id'][:ID_LENGTH]}")
        os.mkdir(temporary, 0o755)
        os.chmod(temporary, 0o755)
        self._fill(temporary, manifest, content)
        os.rename(temporary, final)
        _files.sync_dir(self.releases)

    def _fill(self, directory: str, manifest: Manifest, content: t.Mapping[str, bytes]) -> None:
        for path, data in content.items():
            wanted = manifest["files"][path]
            mode, group = int(wanted["mode"], 8), self.owners[wanted["group"]][1]
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
            if name.startswith(_HALF_DONE):
                shutil.rmtree(os.path.join(self.releases, name))
        for directory in [self.root, *(place for place, _directories, _files_there in os.walk(self.releases))]:
            _files.sweep(directory)

    def require(self, id_: str) -> Manifest:
        """The manifest of a release that is on disk and intact. Raises StoreError where it is not."""
        name = id_[:ID_LENGTH]
        manifest = self.manifest(id_)
        if not manifest:
            raise StoreError(f"release {name} is not staged on this host: stage it first")
        if damaged := self.damaged(manifest):
            raise StoreError(
                f"release {name} is not complete on this host ({', '.join(damaged)}): stage it again first"
            )
        return manifest

    def try_out(self, id_: str, probe: int | None = None) -> bool:
        """Put a staged release on trial: from now on the probe's jobs meet it, and nobody else's. False where it was already.

        probe: the uid of the probe's user, whose task hooks meet it, too.
        """
        self.require(id_)
        target = os.path.join("releases", id_[:ID_LENGTH])
        wanted = [trial_link(self.root, uid) for uid in {probe, None}]
        if {path: os.readlink(path) for path in self._trial_links()} == dict.fromkeys(wanted, target):
            return False
        self.end_trial()
        for path in wanted:
            _files.link_atomic(path, target)
        return True

    def end_trial(self) -> None:
        """No release is on trial any more."""
        for path in self._trial_links():
            os.unlink(path)

    def _trial_links(self) -> list[str]:
        names = os.listdir(self.root) if os.path.isdir(self.root) else []
        paths = [os.path.join(self.root, name) for name in names if _TRIAL_LINK.fullmatch(name)]
        return [path for path in paths if os.path.islink(path)]

    def activate(self, id_: str, now: float | None = None) -> None:
        """Make a staged release the one that the next job runs: one rename."""
        name = id_[:ID_LENGTH]
        self.require(id_)
        if self.current() == name:
            return
        entries = [{"id": name, "activated": int(time.time() if now is None else now)}, *self.history()]
        try:
            data = (json.dumps(entries[:100]) + "\n").encode()
            _files.write_atomic(os.path.join(self.root, "history.json"), data, 0o644)
        except OSError as exc:
            # The way back from a script that filled the disk; a link needs no room.
            if exc.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
        _files.link_atomic(os.path.join(self.root, "current"), os.path.join("releases", name))

    def prune(self, keep: int, now: float | None = None) -> list[str]:
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
        wanted = set(order[:keep]) | recent | {self.canary()}
        gone = []
        for name in sorted(os.listdir(self.releases)) if os.path.isdir(self.releases) else []:
            full = os.path.join(self.releases, name)
            # A staged release that was never active may be the one of a run that goes on right now.
            known = name in order or os.stat(full).st_mtime < moment - PRUNE_AFTER
            if known and name not in wanted and not name.startswith(".") and os.path.isdir(full):
                # Gone as a whole first: a killed run must not leave the half of a release under its name.
                half = os.path.join(self.releases, f"{_HALF_DONE}{name}")
                os.rename(full, half)
                shutil.rmtree(half)
                gone.append(name)
        return gone

    def make_state(self, hook: str) -> None:
        """The places in which the dispatcher of a hook that root runs keeps output and failure records."""
        _files.make_parents(os.path.join(LOG_DIR, f"{hook}.log"))
        for path in (os.path.join(STATE_DIR, hook), os.path.join(RUN_DIR, hook)):
            _files.make_parents(path)
            _files.make_dir(path, 0o700)
        # The dispatcher of a first init would make it readable by all.
        os.close(
            os.open(os.path.join(LOG_DIR, f"{hook}.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o640)
        )

    def exists(self) -> bool:
        """Whether anything of ours is below the root."""
        return os.path.lexists(os.path.join(self.root, "current")) or os.path.isdir(self.releases)

    def remove(self) -> None:
        """Take everything of ours away, and the root itself when nothing else is in it.

        The logs stay: they are the site's. The journal stays, too: this may be a step of its undo.
        """
        self.end_trial()
        for name in ("current", "history.json"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.root, name))
        _files.sweep(self.root)
        for directory in (self.releases, *state_paths(), RUN_DIR):
            shutil.rmtree(directory, ignore_errors=True)
        for directory in (self.root, STATE_DIR):
            with contextlib.suppress(OSError):
                os.rmdir(directory)


def state_paths() -> list[str]:
    """What there is in the directory for state, but for the journal."""
    names = os.listdir(STATE_DIR) if os.path.isdir(STATE_DIR) else []
    return [path for name in sorted(names) if (path := os.path.join(STATE_DIR, name)) != ROLLOUT_DIR]


def init_pending(manifest: Manifest) -> list[str]:
    """The init hooks whose present scripts have not succeeded on this host since it booted."""
    done = {hook: (_files.read_bytes(f"{RUN_DIR}/{hook}.ok") or b"").decode().strip() for hook in manifest["init"]}
    return [hook for hook, digest in manifest["init"].items() if done[hook] != digest]
