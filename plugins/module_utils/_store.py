# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The releases on a host's disk: compare, stage, activate, prune, remove.

    <root>/current -> releases/<id>     <root>/history.json     <root>/releases/<id>/manifest.json ...

A run may be killed between any two lines here. That is harmless: a release's directory appears by one rename, becomes
active by another, and jobs see nothing of the steps before.
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

from ansible_collections.nodecycle.slurm.plugins.module_utils import _documents, _drift, _files, _selinux
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import (
    ID_LENGTH,
    LOG_DIR,
    ROLLOUT_DIR,
    RUN_DIR,
    STATE_DIR,
    canary_link,
)

MANIFEST = "manifest.json"
#: The manifest has the digest of each script, also of secret ones.
MANIFEST_MODE = 0o600
HISTORY = "history.json"
#: The bundle that the host had when its release became active: it does not replace this release, a later one may.
NEWER_THAN = "newer_than"

#: The prefixes of directories below releases/ that are not yet, or no longer, a release.
_HALF_DONE = ".half-"

#: See canary_link.
_CANARY_LINK = re.compile(r"canary(\.[0-9]+)?")

#: A dispatcher of a release that was just replaced may still be between two of its scripts.
PRUNE_AFTER = 3600

#: The name of a release's directory.
_OURS = re.compile(f"[0-9a-f]{{{ID_LENGTH}}}")

#: The number of activations in the history.
_HISTORY = 100

Manifest = t.Dict[str, t.Any]

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
    """Something on this host is wrong; the message names it and the remedy."""


class Owners(t.Dict[str, t.Tuple[int, int]]):
    """User and group ids of V(root) and V(slurm). Raises StoreError for V(slurm) if this host does not know the user."""

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
        self.slurm_user = slurm_user
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
        """The directory name of the canary's release, or None."""
        return self._linked("canary")

    def _linked(self, name: str) -> str | None:
        try:
            return os.path.basename(os.readlink(os.path.join(self.root, name)))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            raise StoreError(f"{self.root}/{name} exists and is not a symbolic link of ours: move it away") from exc

    def manifest(self, id_: str) -> Manifest | None:
        """The manifest of a release on disk, or None if it has none of ours: then the release is damaged, and staging it repairs it."""
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
        """The releases and the times since which they were active (seconds since the epoch), newest first."""
        try:
            data = _files.read_bytes(os.path.join(self.root, HISTORY), follow=False)
            return t.cast("list[dict[str, t.Any]]", _documents.load(data, _ENTRIES)["entries"]) if data else []
        except (_documents.DocumentError, _files.UnsuitableFileError):
            return self._guessed()

    def _guessed(self) -> list[dict[str, t.Any]]:
        """A history from the releases on disk, for one that cannot be read. Without any, pruning would remove releases that a rollback needs."""
        current = self.current()
        times = {name: int(os.lstat(self.path(name)).st_mtime) for name in self._own()}
        names = sorted(times, key=lambda name: (name == current, times[name]), reverse=True)
        return [{"id": name, "activated": times[name]} for name in names[:_HISTORY]]

    def _own(self) -> list[str]:
        """The directories below releases/ that are releases of ours. Everything else belongs to somebody else."""
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
        """The damage: files of the release that are missing or differ from the manifest in content, mode or owner, foreign files, and from the
        root down each directory, link and list that another user could change. The latter with the whole path.
        """
        id_ = manifest["id"]
        wrong = [path for path, wanted in manifest["files"].items() if not self._is_intact(id_, path, wanted)]
        if self._manifest_drifted(manifest):
            wrong.append(MANIFEST)
        return [*wrong, *self._foreign(manifest), *self._above(id_)]

    def _on_disk(self) -> list[str]:
        """The directories of all releases: a rollback may return to any of them."""
        names = sorted(os.listdir(self.releases)) if os.path.isdir(self.releases) else []
        paths = [os.path.join(self.releases, name) for name in names if _OURS.fullmatch(name)]
        return [path for path in paths if os.path.isdir(path) and not os.path.islink(path)]

    def _above(self, id_: str) -> list[str]:
        """The directories, links and lists above the releases' files that another user could change or has changed."""
        root = os.path.realpath(self.root)
        dirs = dict.fromkeys([root, self.releases, self.path(id_), *self._on_disk()])
        wrong = [path for path in dirs if os.path.lexists(path) and not _drift.is_as(path, "dir", 0o755)]
        for path in (os.path.join(self.root, "current"), *self._canary_links()):
            if os.path.lexists(path) and not self._is_our_link(os.path.basename(path)):
                wrong.append(path)
        history = os.path.join(self.root, HISTORY)
        if os.path.lexists(history) and not _drift.is_as(history, "file", 0o644):
            wrong.append(history)
        return wrong

    def _is_our_link(self, name: str) -> bool:
        path = os.path.join(self.root, name)
        target = self._linked(name)
        return (
            bool(target)
            and _drift.is_as(path, "link", None)
            and os.readlink(path) == os.path.join("releases", str(target))
        )

    def _manifest_drifted(self, manifest: Manifest) -> bool:
        place = self.path(manifest["id"], MANIFEST)
        return not _drift.is_as(place, "file", MANIFEST_MODE) or self.manifest(manifest["id"]) != manifest

    def _foreign(self, manifest: Manifest) -> list[str]:
        """The foreign files in the release's directories. Nobody runs them, but somebody has put them there."""
        found = _drift.foreign(
            self.path(manifest["id"]), {MANIFEST, *(path.partition("/")[0] for path in manifest["files"])}
        )
        for directory in _directories(manifest):
            ours = {os.path.basename(path) for path in manifest["files"] if os.path.dirname(path) == directory}
            found += [f"{directory}/{name}" for name in _drift.foreign(self.path(manifest["id"], directory), ours)]
        return found

    def _access(self, wanted: t.Mapping[str, t.Any]) -> tuple[int, tuple[int, int]]:
        return int(wanted["mode"], 8), (0, self.owners[wanted["group"]][1])

    def _is_intact(self, id_: str, path: str, wanted: t.Mapping[str, t.Any]) -> bool:
        full = self.path(id_, path)
        mode, owner = self._access(wanted)
        if os.path.dirname(path) and not _drift.is_as(os.path.dirname(full), "dir", mode, owner):
            return False
        return _drift.is_as(full, "file", mode, owner) and bool(
            _files.sha256(_files.read_bytes(full) or b"") == wanted["sha256"]
        )

    def require_closed_parents(self) -> None:
        """Raises StoreError if another user than root can replace the directory of the releases."""
        if problems := _drift.open_parents(self.root):
            raise StoreError(
                f"{'; '.join(problems)}: a user who can write there decides what root runs for each job. Give it to root and remove the write "
                "permission of others, or set slurm_release_root to a directory that only root can reach"
            )

    def stage(self, manifest: Manifest, content: t.Mapping[str, bytes]) -> None:
        """Stage a release beside the active one, or repair its damaged files and the directories above."""
        self.require_closed_parents()
        was_open = self._close(but=self.path(manifest["id"]))
        self._sweep()
        final = self.path(manifest["id"])
        if os.path.lexists(final):
            self._repair(manifest, content, was_open)
        else:
            temporary = os.path.join(self.releases, f"{_HALF_DONE}{manifest['id'][:ID_LENGTH]}")
            try:
                with _files.writing(temporary):
                    os.mkdir(temporary, 0o755)
                    os.chmod(temporary, 0o755)
                self._fill(temporary, manifest, content)
                with _files.writing(final):
                    _selinux.give_below(temporary, final)
                    os.rename(temporary, final)
                    _files.sync_dir(self.releases)
            except OSError:
                # On a full disk half a release takes the last room of others.
                shutil.rmtree(temporary, ignore_errors=True)
                raise
        self._repair_links()

    def restore(self, id_: str) -> bool:
        """Restore the surroundings of a release on disk whose files still have root's content. Returns whether anything had changed.

        For an undo, which activates a release that an earlier run has staged.
        """
        manifest = self.manifest(id_)
        if not manifest or not self.damaged(manifest):
            return False
        content = self._own_content(manifest)
        if content is None:
            return False
        try:
            self.stage(manifest, content)
        except _files.NoRoomError:
            # An undo after a script that filled the disk. The activation decides whether the release is good enough.
            return False
        return True

    def _own_content(self, manifest: Manifest) -> dict[str, bytes] | None:
        """The files of a release on disk, whatever their modes and owners. None if root did not write their content."""
        id_ = manifest["id"]
        content = {path: self.content(id_, path) for path in manifest["files"] if os.path.isfile(self.path(id_, path))}
        wanted = {path: entry["sha256"] for path, entry in manifest["files"].items()}
        is_whole = {path: _files.sha256(data) for path, data in content.items()} == wanted
        return content if is_whole and _drift.is_roots_alone(self.path(id_, MANIFEST)) else None

    def require_way_back(self, id_: str) -> None:
        """Raises StoreError if a release on disk could not be activated, not even after a repair."""
        if self._own_content(self.require_manifest(id_)) is None:
            self.require(id_)

    def _close(self, but: str) -> bool:
        """Give the root and the directories of the releases to root alone, from the top down. Returns whether those above a release were open.

        but: a release whose files the caller checks afterwards.
        """
        _files.make_parents(self.releases)
        was_open = False
        for path in (os.path.realpath(self.root), self.releases):
            is_new = not os.path.lexists(path)
            was_open = (_files.make_dir(path, 0o755) and not is_new) or was_open
        for path in self._on_disk():
            if path != but:
                _files.make_dir(path, 0o755)
        return was_open

    def _repair(self, manifest: Manifest, content: t.Mapping[str, bytes], was_open: bool) -> None:
        final = self.path(manifest["id"])
        # Each directory before its files. Files in an open directory are written again, whatever they look like.
        _drift.clear_place(final)
        was_open = _files.make_dir(final, 0o755) or was_open
        suspect = set(manifest["files"]) if was_open else set()
        for directory in _directories(manifest):
            wanted = next(entry for path, entry in manifest["files"].items() if os.path.dirname(path) == directory)
            mode, owner = self._access(wanted)
            place = os.path.join(final, directory)
            _drift.clear_place(place)
            if _files.make_dir(place, mode, *owner):
                suspect |= {path for path in manifest["files"] if os.path.dirname(path) == directory}
        for path in self._foreign(manifest):
            _drift.remove(os.path.join(final, path))
        suspect |= {
            path for path, wanted in manifest["files"].items() if not self._is_intact(manifest["id"], path, wanted)
        }
        if suspect or self._manifest_drifted(manifest):
            self._fill(final, manifest, {path: data for path, data in content.items() if path in suspect})

    def _repair_links(self) -> None:
        """Give the links and the history to root, and let the links lead to a release."""
        history = os.path.join(self.root, HISTORY)
        if os.path.lexists(history) and not _drift.is_as(history, "file", 0o644):
            entries = self.history()
            _drift.remove(history)
            _files.write_atomic(history, _documents.dump({"entries": entries}, _ENTRIES), 0o644)
        if not all(self._is_our_link(os.path.basename(path)) for path in self._canary_links()):
            self.end_canary()
        if self.current() and not self._is_our_link("current"):
            # A link of another user may lead anywhere, under the name of a release.
            known = [str(self.current()), *(str(entry["id"]) for entry in self.history())]
            name = next((name for name in known if self.manifest(name)), None)
            if name:
                _files.link_atomic(os.path.join(self.root, "current"), os.path.join("releases", name))

    def _fill(self, directory: str, manifest: Manifest, content: t.Mapping[str, bytes]) -> None:
        for path, data in content.items():
            mode, owner = self._access(manifest["files"][path])
            full = os.path.join(directory, path)
            if os.path.dirname(path):
                _files.make_dir(os.path.dirname(full), mode, *owner)
            if os.path.isdir(full) and not os.path.islink(full):
                _drift.remove(full)
            _files.write_atomic(full, data, mode, *owner)
        place = os.path.join(directory, MANIFEST)
        if os.path.isdir(place) and not os.path.islink(place):
            _drift.remove(place)
        # It has the sha256 of scripts with secrets. A reader who knows the text around a short secret could find it by that.
        _files.write_atomic(place, manifest_text(manifest), MANIFEST_MODE)

    def _sweep(self) -> None:
        """Remove unfinished files of a killed run. A file that only looks like one belongs to somebody else and stays."""
        places = [self.root, self.releases]
        for name in os.listdir(self.releases):
            full = os.path.join(self.releases, name)
            is_half = name.startswith(_HALF_DONE) and _OURS.fullmatch(name[len(_HALF_DONE) :])
            if not (is_half or _OURS.fullmatch(name)):
                continue
            if is_half:
                _drift.remove(full)
            elif stat.S_ISDIR(os.lstat(full).st_mode):
                places += [place for place, _directories, _files_there in os.walk(full)]
        for directory in places:
            _files.sweep(directory)

    def require_manifest(self, id_: str) -> Manifest:
        """The manifest of a release that is on disk. Raises StoreError where it has none."""
        manifest = self.manifest(id_)
        if not manifest:
            raise StoreError(f"release {id_[:ID_LENGTH]} is not staged on this host: stage it first")
        return manifest

    def require(self, id_: str) -> Manifest:
        """The manifest of a release that is on disk and intact. Raises StoreError where it is not."""
        name = id_[:ID_LENGTH]
        manifest = self.require_manifest(id_)
        if damaged := self.damaged(manifest):
            raise StoreError(
                f"release {name} is not complete on this host ({', '.join(damaged)}): stage it again first"
            )
        return manifest

    def begin_canary(self, id_: str, probe: int | None = None) -> bool:
        """Make a staged release the canary's: from now on only the probe's jobs run it. Returns whether that is new.

        probe: the uid of the probe's user, whose task hooks run it, too.
        """
        self.require(id_)
        target = os.path.join("releases", id_[:ID_LENGTH])
        wanted = [canary_link(self.root, uid) for uid in dict.fromkeys([probe, None])]
        if {path: os.readlink(path) for path in self._canary_links() if os.path.islink(path)} == dict.fromkeys(
            wanted, target
        ):
            return False
        self.end_canary()
        for path in wanted:
            _files.link_atomic(path, target)
        return True

    def end_canary(self) -> None:
        """Remove the canary's links. The releases stay."""
        for path in self._canary_links():
            _drift.clear_place(path)

    def _canary_links(self) -> list[str]:
        """The paths that decide who runs a canary's release, whatever is there."""
        names = os.listdir(self.root) if os.path.isdir(self.root) else []
        return [os.path.join(self.root, name) for name in sorted(names) if _CANARY_LINK.fullmatch(name)]

    def activate(self, id_: str, now: float | None = None) -> None:
        """Make a staged release the one that the next job runs: one rename."""
        name = id_[:ID_LENGTH]
        self.require(id_)
        if self.current() == name:
            return
        entries = [{"id": name, "activated": int(time.time() if now is None else now)}, *self.history()]
        history = os.path.join(self.root, HISTORY)
        # An undo after a script that filled the disk. A link needs no room.
        with contextlib.suppress(_files.NoRoomError):
            _files.write_atomic(history, _documents.dump({"entries": entries[:_HISTORY]}, _ENTRIES), 0o644)
        target = os.path.join("releases", name)
        try:
            _files.link_atomic(os.path.join(self.root, "current"), target)
        except _files.NoRoomError:
            # A link needs an inode: remove the oldest releases for it.
            if not self.prune(2, keep_also={name}):
                raise
            _files.link_atomic(os.path.join(self.root, "current"), target)

    def note_bundle(self, bundle: str) -> None:
        """Note which bundle (its id; empty where the host has none) must not replace what a rollout activates now."""
        path = os.path.join(self.root, NEWER_THAN)
        if not bundle:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        elif _files.read_bytes(path) != f"{bundle}\n".encode():
            # Without it the worst is that the node runs the committed release until the rollout is committed.
            with contextlib.suppress(_files.NoRoomError):
                _files.write_atomic(path, f"{bundle}\n".encode(), 0o644)

    def prune(self, keep: int, now: float | None = None, keep_also: t.Container[str] = ()) -> list[str]:
        """Remove our releases beyond the newest C(keep), but none that was active within the last hour."""
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
                # Renamed as a whole first: a killed run must not leave half a release under its name.
                half = os.path.join(self.releases, f"{_HALF_DONE}{name}")
                _drift.remove(half)
                os.rename(full, half)
                _drift.remove(half)
                gone.append(name)
        return sorted(gone)

    def make_state(self, hook: str) -> None:
        """The places in which the dispatcher of a hook that root runs keeps output and failure records."""
        for path in (STATE_DIR, LOG_DIR, RUN_DIR):
            _files.make_parents(os.path.join(path, hook))
        for path in (os.path.join(STATE_DIR, hook), os.path.join(RUN_DIR, hook)):
            _drift.clear_place(path)
            _files.make_dir(path, 0o700)
        # The dispatcher of a first init would make it readable by all.
        log = os.path.join(LOG_DIR, f"{hook}.log")
        if not _drift.is_log(log, _drift.ROOT):
            with _files.writing(log):
                _drift.renew_log(log, _drift.ROOT)

    def exists(self) -> bool:
        """Whether any of our files is below the root."""
        return os.path.lexists(os.path.join(self.root, "current")) or os.path.isdir(self.releases)

    def remove(self) -> None:
        """Remove all our files, and the root itself if nothing else is in it.

        The logs stay: they belong to the site. The journal stays, too: this may be a step of its undo.
        """
        self.end_canary()
        for name in ("current", HISTORY, NEWER_THAN):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.root, name))
        _files.sweep(self.root)
        for name in os.listdir(self.releases) if os.path.isdir(self.releases) else []:
            if _OURS.fullmatch(name[len(_HALF_DONE) :] if name.startswith(_HALF_DONE) else name):
                _drift.remove(os.path.join(self.releases, name))
        for directory in (*state_paths(), RUN_DIR):
            shutil.rmtree(directory, ignore_errors=True)
        for directory in (self.releases, self.root, STATE_DIR):
            with contextlib.suppress(OSError):
                os.rmdir(directory)


def manifest_text(manifest: t.Mapping[str, t.Any]) -> bytes:
    """A manifest as it lies beside the files of its release."""
    return (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()


def state_paths() -> list[str]:
    """The paths in the directory for state, but for the journal."""
    names = os.listdir(STATE_DIR) if os.path.isdir(STATE_DIR) else []
    return [path for name in sorted(names) if (path := os.path.join(STATE_DIR, name)) != ROLLOUT_DIR]


def _directories(manifest: Manifest) -> list[str]:
    """The directories of a release that have files, by their path below its own."""
    return sorted({os.path.dirname(path) for path in manifest["files"]} - {""})


def init_pending(manifest: Manifest) -> list[str]:
    """The init hooks whose present scripts have not succeeded on this host since it booted."""
    return [hook for hook, digest in manifest["init"].items() if _mark(hook) != digest.encode()]


def _mark(hook: str) -> bytes:
    """The digest of the scripts with which an init hook has succeeded since the boot. Empty if it has not, or if others can write the file."""
    path = f"{RUN_DIR}/{hook}.ok"
    if not _drift.is_roots_alone(path):
        return b""
    try:
        return (_files.read_bytes(path, 4096, follow=False, cut=True) or b"").strip()
    except _files.UnsuitableFileError:
        return b""
