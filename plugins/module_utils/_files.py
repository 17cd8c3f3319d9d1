# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Files that are either the old ones or the new ones, never half of something."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile

#: How the names of files begin that are not yet in place.
_TEMPORARY = ".nodecycle-"


def sha256(data: bytes) -> str:
    """The hex digest that names content everywhere in this collection."""
    return hashlib.sha256(data).hexdigest()


def read_bytes(path: str) -> bytes | None:
    """The content of a file, or None where there is no file."""
    try:
        with open(path, "rb") as handle:
            return handle.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def sync_dir(path: str) -> None:
    """Make a rename in this directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: str, data: bytes, mode: int, uid: int = 0, gid: int = 0) -> None:
    """Put data at path in one step: a reader sees the whole old file or the whole new one."""
    directory = os.path.dirname(path)
    descriptor, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=directory)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fchown(handle.fileno(), uid, gid)
            os.fchmod(handle.fileno(), mode)
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    sync_dir(directory)


def replace_atomic(path: str, data: bytes) -> None:
    """Give an existing file new content; owner, mode and symbolic links stay as they are."""
    target = os.path.realpath(path)
    present = os.stat(target)
    write_atomic(target, data, stat.S_IMODE(present.st_mode), present.st_uid, present.st_gid)


def link_atomic(path: str, target: str) -> None:
    """Make path a symbolic link to target in one step."""
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f"{_TEMPORARY}{name}")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    os.symlink(target, temporary)
    os.replace(temporary, path)
    sync_dir(directory)


def make_parents(path: str) -> None:
    """Make the directories above path that are missing, open to everybody whatever the umask of this connection."""
    parent = os.path.dirname(path)
    if parent and not os.path.isdir(parent):
        make_parents(parent)
        make_dir(parent, 0o755)


def sweep(directory: str) -> None:
    """Take away the temporary files that a killed write_atomic or link_atomic left in a directory of ours."""
    for name in os.listdir(directory) if os.path.isdir(directory) else []:
        if name.startswith(_TEMPORARY):
            os.unlink(os.path.join(directory, name))


def make_dir(path: str, mode: int, uid: int = 0, gid: int = 0) -> bool:
    """Make a directory with this owner and mode; True when anything was changed."""
    changed = False
    try:
        os.mkdir(path, mode)
        changed = True
    except FileExistsError:
        pass
    present = os.lstat(path)
    if not stat.S_ISDIR(present.st_mode):
        raise NotADirectoryError(f"{path} exists and is no directory: move it away")
    if (present.st_uid, present.st_gid) != (uid, gid):
        os.chown(path, uid, gid)
        changed = True
    if stat.S_IMODE(present.st_mode) != mode:
        os.chmod(path, mode)
        changed = True
    return changed
