# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Files that are either the old ones or the new ones, never half of something."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import tempfile
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _selinux

#: How the names of files begin that are not yet in place.
_TEMPORARY = ".nodecycle-"

#: The largest file that is read whole where the caller says nothing else. Scripts and configuration are far below it.
LIMIT = 64 * 1024 * 1024

_CHUNK = 1024 * 1024


class UnsuitableFileError(OSError):
    """Root should not read this path: it is not a regular file, belongs to somebody else, or is too large."""


class WriteError(OSError):
    """A file system cannot be written; the message names the file, the file system and the remedy."""

    def __str__(self) -> str:
        return str(self.strerror)


class NoRoomError(WriteError):
    """It is full, or a quota is."""


def sha256(data: bytes) -> str:
    """The hex digest that names content everywhere in this collection."""
    return hashlib.sha256(data).hexdigest()


def is_in_memory(path: str, mountinfo: str = "/proc/self/mountinfo") -> bool:
    """Whether a path, or the nearest directory above it that is there, is on a file system that a reboot empties."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    device = os.stat(path).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    with open(mountinfo, encoding="utf-8", errors="surrogateescape") as handle:
        # proc_pid_mountinfo(5): the third field is the device, the type comes first behind the dash.
        kinds = [line.partition(" - ")[2].split()[0] for line in handle if line.split()[2] == number]
    return any(kind in ("tmpfs", "ramfs") for kind in kinds)


def _require_suitable(path: str, present: os.stat_result, owner: int | None) -> None:
    """Raise UnsuitableFileError where reading could hang, have an effect, or show a file to somebody who may not read it."""
    kinds = {
        stat.S_ISFIFO: "a FIFO",
        stat.S_ISCHR: "a device",
        stat.S_ISBLK: "a device",
        stat.S_ISDIR: "a directory",
        stat.S_ISSOCK: "a socket",
        stat.S_ISLNK: "a symbolic link",
    }
    what = next((word for is_kind, word in kinds.items() if is_kind(present.st_mode)), "")
    if what:
        raise UnsuitableFileError(f"{path} is {what}, not a regular file: move it away")
    if owner is not None and (present.st_uid != owner or present.st_nlink != 1):
        raise UnsuitableFileError(
            f"{path} belongs to the user with the id {present.st_uid} and has {present.st_nlink} names, where one name and the user {owner} "
            "are expected: move it away"
        )


def open_regular(path: str, *, follow: bool = True, owner: int | None = None) -> int | None:
    """A descriptor for reading a regular file, or None where there is no file.

    owner: the file lies where this user may write. Then no link is followed, and the file must be his and have no second name.
    Raises UnsuitableFileError instead of waiting for a FIFO or waking a device.
    """
    follow = follow and owner is None
    try:
        # Before opening it, because opening a device may have an effect. After it, because it may be another file by then.
        _require_suitable(path, os.stat(path, follow_symlinks=follow), owner)
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
        descriptor = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        if exc.errno == errno.ELOOP and not follow:
            raise UnsuitableFileError(f"{path} is a symbolic link, not a regular file: move it away") from exc
        raise
    try:
        _require_suitable(path, os.fstat(descriptor), owner)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_bytes(
    path: str, limit: int = LIMIT, *, follow: bool = True, owner: int | None = None, cut: bool = False
) -> bytes | None:
    """The content of a regular file, or None where there is no file.

    limit: bytes beyond which a file is refused, or with cut the rest of it is left. follow, owner: as in open_regular.
    """
    descriptor = open_regular(path, follow=follow, owner=owner)
    if descriptor is None:
        return None
    with os.fdopen(descriptor, "rb", buffering=0) as handle:
        parts: list[bytes] = []
        size = 0
        # Not by st_size: files in /proc say 0, and a file may grow while it is read.
        while size <= limit and (data := handle.read(min(_CHUNK, limit + 1 - size))):
            parts.append(data)
            size += len(data)
    if size > limit and not cut:
        raise UnsuitableFileError(
            f"{path} is larger than {limit} bytes, the limit for such a file: move it away or make it smaller"
        )
    return b"".join(parts)[:limit]


def mount_point(path: str) -> str:
    """Where the file system is mounted on which a path lies, or would lie."""
    place = os.path.realpath(path)
    while not os.path.ismount(place):
        place = os.path.dirname(place)
    return place


@contextlib.contextmanager
def writing(path: str) -> t.Iterator[None]:
    """Name the file and the file system if there is no room. All our code that writes uses this."""
    try:
        yield
    except WriteError:
        raise
    except OSError as exc:
        if exc.errno == errno.EROFS:
            message = f"{path} cannot be written: the file system {mount_point(path)} is read-only. Mount it writable, then run again"
            raise WriteError(exc.errno, message) from exc
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoRoomError(exc.errno, _no_room(path, exc.errno)) from exc
        raise


def _no_room(path: str, number: int) -> str:
    place = mount_point(path)
    if number == errno.EDQUOT:
        return f"{path} cannot be written: the quota of the file system {place} is used up. Raise it, or remove files there, then run again"
    what = "is full"
    with contextlib.suppress(OSError):
        room = os.statvfs(place)
        what = "has no free inode" if room.f_files and not room.f_favail else what
    return f"{path} cannot be written: the file system {place} {what}. Remove files there (`df -h {place}`, `df -i {place}`), then run again"


def sync_dir(path: str) -> None:
    """Make a rename in this directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: str, data: bytes, mode: int, uid: int = 0, gid: int = 0, label: str = "") -> None:
    """Put data at path in one step: a reader sees the whole old file or the whole new one. Raises NoRoomError where it has no room.

    label: of SELinux, where the file shall not have the policy's.
    """
    directory = os.path.dirname(path)
    with writing(path):
        descriptor, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=directory)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                handle.write(data)
                handle.flush()
                os.fchown(handle.fileno(), uid, gid)
                os.fchmod(handle.fileno(), mode)
                os.fsync(handle.fileno())
            _selinux.give(temporary, path, label)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        sync_dir(directory)


def replace_atomic(path: str, data: bytes) -> None:
    """Give an existing file new content; owner, mode, label and symbolic links stay as they are."""
    target = os.path.realpath(path)
    present = os.stat(target)
    label = _selinux.label_of(target)
    write_atomic(target, data, stat.S_IMODE(present.st_mode), present.st_uid, present.st_gid, label)


def link_atomic(path: str, target: str) -> None:
    """Make path a symbolic link to target in one step."""
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f"{_TEMPORARY}{name}")
    # A killed run has left it. A directory of this name belongs to somebody else.
    with contextlib.suppress(FileNotFoundError, IsADirectoryError, PermissionError):
        os.unlink(temporary)
    with writing(path):
        try:
            os.symlink(target, temporary)
        except FileExistsError:
            temporary = f"{temporary}-{os.getpid()}"
            os.symlink(target, temporary)
        try:
            _selinux.give(temporary, path)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        sync_dir(directory)


def make_parents(path: str) -> None:
    """Make the directories above path that are missing, open to everybody whatever the umask of this connection."""
    parent = os.path.dirname(path)
    if parent and not os.path.isdir(parent):
        make_parents(parent)
        make_dir(parent, 0o755)


def sweep(directory: str) -> None:
    """Remove the temporary files that a killed write_atomic or link_atomic left in a directory of ours."""
    for name in os.listdir(directory) if os.path.isdir(directory) else []:
        path = os.path.join(directory, name)
        # We never make directories of this name.
        if name.startswith(_TEMPORARY) and not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)


def make_dir(path: str, mode: int, uid: int = 0, gid: int = 0) -> bool:
    """Make a directory with this owner and mode; True when anything was changed."""
    changed = False
    try:
        with writing(path):
            os.mkdir(path, mode)
            _selinux.give(path, path)
        changed = True
    except FileExistsError:
        pass
    present = os.lstat(path)
    if not stat.S_ISDIR(present.st_mode):
        raise NotADirectoryError(f"{path} exists and is not a directory: move it away")
    if (present.st_uid, present.st_gid) != (uid, gid):
        os.chown(path, uid, gid)
        changed = True
    if stat.S_IMODE(present.st_mode) != mode:
        os.chmod(path, mode)
        changed = True
    return changed
