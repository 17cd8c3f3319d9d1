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
import re
import shutil
import stat
import time
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _documents, _files
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import (
    ID_LENGTH,
    LOG_DIR,
    ROLLOUT_DIR,
    RUN_DIR,
    STATE_DIR,
)

MANIFEST = "manifest.json"

#: How the directories below releases/ begin that are not yet, or no longer, a release.
_HALF_DONE = ".half-"

#: A dispatcher of a release that was just replaced may still be between two of its scripts.
PRUNE_AFTER = 3600

#: The name of a release's directory.
_OURS = re.compile(f"[0-9a-f]{{{ID_LENGTH}}}")

#: How many activations are remembered.
_HISTORY = 100

Manifest = dict[str, t.Any]

_HOOK = _documents.matching("|".join(HOOKS), f"a hook ({', '.join(HOOKS)})")
_SHA256 = _documents.matching("[0-9a-f]{64}", "a sha256")
#: Nothing that leads out of the release's directory.
_PATH = _documents.matching(r"(?!\.\.?(/|$))[^/\0]+(/(?!\.\.?(/|$))[^/\0]+)*", "a path below the release")

_MANIFEST = _documents.fields(
    {
        "id": _SHA256,
        "hooks": _documents.each(_documents.many(_documents.text), _HOOK),
        "init": _documents.each(_SHA256, _HOOK),
        "scripts": _documents.each(
            _documents.many(
                _documents.fields(
                    {
                        "file": _documents.text,
                        "partitions": _documents.many(_documents.text),
                        "timeout": _documents.whole,
                        "on_failure": _documents.text,
                    }
                )
            ),
            _HOOK,
        ),
        "summary": _documents.many(_documents.text),
        "files": _documents.each(
            _documents.fields(
                {
                    "sha256": _SHA256,
                    "mode": _documents.matching("[0-7]{4}", "a mode"),
                    "group": _documents.matching("root|slurm", "root or slurm"),
                    "no_log": _documents.flag,
                }
            ),
            _PATH,
        ),
    }
)

_ENTRIES = _documents.fields(
    {
        "entries": _documents.many(
            _documents.fields(
                {
                    "id": _documents.matching(_OURS.pattern, "the name of a release's directory"),
                    "activated": _documents.number,
                }
            )
        )
    }
)


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

    @property
    def slurm_uid(self) -> int | None:
        """The user id of SlurmUser, None where this host does not know him."""
        return self.owners["slurm"][0] if "slurm" in self.owners else None

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
        """The manifest of a release on disk, or None where it has none of ours: then the release is damaged, and staging it mends it."""
        try:
            data = _files.read_bytes(self.path(id_, MANIFEST), follow=False)
            found = _documents.load(data, _MANIFEST) if data else None
        except (_documents.DocumentError, _files.UnsuitableFileError):
            return None
        return t.cast(Manifest, found) if id_ and found and found["id"].startswith(id_[:ID_LENGTH]) else None

    def content(self, id_: str, path: str) -> bytes:
        """A file of a release; empty where it is not there."""
        try:
            return _files.read_bytes(self.path(id_, path), follow=False) or b""
        except _files.UnsuitableFileError:
            return b""

    def history(self) -> list[dict[str, t.Any]]:
        """Which release was active from when (seconds since the epoch), newest first."""
        try:
            data = _files.read_bytes(os.path.join(self.root, "history.json"), follow=False)
            return t.cast("list[dict[str, t.Any]]", _documents.load(data, _ENTRIES)["entries"]) if data else []
        except (_documents.DocumentError, _files.UnsuitableFileError):
            return self._guessed()

    def _guessed(self) -> list[dict[str, t.Any]]:
        """A history made of what is on disk, in place of one that cannot be read: without any, pruning would take what a rollback needs."""
        current = self.current()
        times = {name: int(os.lstat(self.path(name)).st_mtime) for name in self._own()}
        names = sorted(times, key=lambda name: (name == current, times[name]), reverse=True)
        return [{"id": name, "activated": times[name]} for name in names[:_HISTORY]]

    def _own(self) -> list[str]:
        """The directories below releases/ that are releases of ours. Whatever else is there belongs to somebody else."""
        names = os.listdir(self.releases) if os.path.isdir(self.releases) else []
        return sorted(
            name
            for name in names
            if _OURS.fullmatch(name) and stat.S_ISDIR(os.lstat(self.path(name)).st_mode) and self.manifest(name)
        )

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
        if os.path.isdir(final) and not os.path.islink(final):
            self._fill(final, manifest, {path: content[path] for path in self.damaged(manifest) if path != MANIFEST})
            return
        if os.path.lexists(final):
            raise StoreError(f"{final} exists and is no directory of ours: move it away")
        temporary = os.path.join(self.releases, f"{_HALF_DONE}{manifest['id'][:ID_LENGTH]}")
        try:
            with _files.writing(temporary):
                os.mkdir(temporary, 0o755)
                os.chmod(temporary, 0o755)
            self._fill(temporary, manifest, content)
            with _files.writing(final):
                os.rename(temporary, final)
                _files.sync_dir(self.releases)
        except OSError:
            # On a full disk the half of a release takes the last room of others.
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    def _fill(self, directory: str, manifest: Manifest, content: t.Mapping[str, bytes]) -> None:
        for path, data in content.items():
            wanted = manifest["files"][path]
            mode, group = int(wanted["mode"], 8), self.owners[wanted["group"]][1]
            full = os.path.join(directory, path)
            if os.path.dirname(path):
                _files.make_dir(os.path.dirname(full), mode, 0, group)
            if os.path.isdir(full) and not os.path.islink(full):
                _remove(full)
            _files.write_atomic(full, data, mode, 0, group)
        text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
        # It has the sha256 of scripts with secrets: who knows the text around a short one could find it by that.
        _files.write_atomic(os.path.join(directory, MANIFEST), text.encode(), 0o600)

    def _sweep(self) -> None:
        """Take away what a killed run has left half done. What only looks like it is somebody else's and stays."""
        places = [self.root, self.releases]
        for name in os.listdir(self.releases):
            full = os.path.join(self.releases, name)
            is_half = name.startswith(_HALF_DONE) and _OURS.fullmatch(name[len(_HALF_DONE) :])
            if not (is_half or _OURS.fullmatch(name)):
                continue
            if is_half:
                _remove(full)
            elif stat.S_ISDIR(os.lstat(full).st_mode):
                places += [place for place, _directories, _files_there in os.walk(full)]
        for directory in places:
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

    def try_out(self, id_: str) -> None:
        """Put a staged release on trial: from now on the probe's jobs meet it, and nobody else's."""
        self.require(id_)
        _files.link_atomic(os.path.join(self.root, "canary"), os.path.join("releases", id_[:ID_LENGTH]))

    def end_trial(self) -> None:
        """No release is on trial any more."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.root, "canary"))

    def activate(self, id_: str, now: float | None = None) -> None:
        """Make a staged release the one that the next job runs: one rename."""
        name = id_[:ID_LENGTH]
        self.require(id_)
        if self.current() == name:
            return
        entries = [{"id": name, "activated": int(time.time() if now is None else now)}, *self.history()]
        history = os.path.join(self.root, "history.json")
        # The way back from a script that filled the disk; a link needs no room.
        with contextlib.suppress(_files.NoRoomError):
            _files.write_atomic(history, _documents.dump({"entries": entries[:_HISTORY]}, _ENTRIES), 0o644)
        target = os.path.join("releases", name)
        try:
            _files.link_atomic(os.path.join(self.root, "current"), target)
        except _files.NoRoomError:
            # A link needs an inode: those of the oldest releases are given for it.
            if not self.prune(2, keep_also={name}):
                raise
            _files.link_atomic(os.path.join(self.root, "current"), target)

    def prune(self, keep: int, now: float | None = None, keep_also: t.Container[str] = ()) -> list[str]:
        """Remove the releases beyond the newest C(keep), but none that was active within the last hour, and nothing that is not ours."""
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
        for name in os.listdir(self.releases) if os.path.isdir(self.releases) else []:
            full = os.path.join(self.releases, name)
            present = os.lstat(full)
            if not _OURS.fullmatch(name) or not stat.S_ISDIR(present.st_mode) or name in wanted or name in keep_also:
                continue
            # A staged release that was never active may be the one of a run that goes on right now.
            if name in order or (present.st_mtime < moment - PRUNE_AFTER and self.manifest(name)):
                # Gone as a whole first: a killed run must not leave the half of a release under its name.
                half = os.path.join(self.releases, f"{_HALF_DONE}{name}")
                _remove(half)
                os.rename(full, half)
                _remove(half)
                gone.append(name)
        return sorted(gone)

    def make_state(self, hook: str) -> None:
        """The places in which the dispatcher of a hook that root runs keeps output and failure records."""
        _files.make_parents(os.path.join(LOG_DIR, f"{hook}.log"))
        for path in (os.path.join(STATE_DIR, hook), os.path.join(RUN_DIR, hook)):
            _files.make_parents(path)
            _files.make_dir(path, 0o700)
        # The dispatcher of a first init would make it readable by all.
        log = os.path.join(LOG_DIR, f"{hook}.log")
        with _files.writing(log):
            os.close(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK, 0o640))

    def exists(self) -> bool:
        """Whether anything of ours is below the root."""
        return os.path.lexists(os.path.join(self.root, "current")) or os.path.isdir(self.releases)

    def remove(self) -> None:
        """Take everything of ours away, and the root itself when nothing else is in it.

        The logs stay: they are the site's. The journal stays, too: this may be a step of its undo.
        """
        for name in ("canary", "current", "history.json"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.root, name))
        _files.sweep(self.root)
        for name in os.listdir(self.releases) if os.path.isdir(self.releases) else []:
            if _OURS.fullmatch(name[len(_HALF_DONE) :] if name.startswith(_HALF_DONE) else name):
                _remove(os.path.join(self.releases, name))
        for directory in (*state_paths(), RUN_DIR):
            shutil.rmtree(directory, ignore_errors=True)
        for directory in (self.releases, self.root, STATE_DIR):
            with contextlib.suppress(OSError):
                os.rmdir(directory)


def _remove(path: str) -> None:
    """Take away whatever is at a path, if anything is."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            shutil.rmtree(path)
        else:
            os.unlink(path)


def state_paths() -> list[str]:
    """What there is in the directory for state, but for the journal."""
    names = os.listdir(STATE_DIR) if os.path.isdir(STATE_DIR) else []
    return [path for name in sorted(names) if (path := os.path.join(STATE_DIR, name)) != ROLLOUT_DIR]


def init_pending(manifest: Manifest) -> list[str]:
    """The init hooks whose present scripts have not succeeded on this host since it booted."""
    return [hook for hook, digest in manifest["init"].items() if _mark(hook) != digest.encode()]


def _mark(hook: str) -> bytes:
    """With which scripts an init hook has succeeded since the boot; empty where it has not, or where that cannot be read."""
    try:
        return (_files.read_bytes(f"{RUN_DIR}/{hook}.ok", 4096, follow=False, cut=True) or b"").strip()
    except _files.UnsuitableFileError:
        return b""
