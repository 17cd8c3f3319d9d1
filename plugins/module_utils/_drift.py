# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Whether a path is unchanged, and only we can change it: kind, owner, group and mode, never through a link.

Paths that were open to others are closed from the top down, and only then compared: a check of something that another user may still
change proves nothing. A file that was open is never repaired in place, because a process that has opened it can still write: a fresh
file takes its name.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import shutil
import stat
import tempfile
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _selinux

Owner = t.Tuple[int, int]
ROOT: Owner = (0, 0)

_KINDS: dict[str, t.Callable[[int], bool]] = {"file": stat.S_ISREG, "dir": stat.S_ISDIR, "link": stat.S_ISLNK}
_WRITABLE_BY_OTHERS = 0o022
_MAX_LINKS = 40


def is_as(path: str, kind: str, mode: int | None, owner: Owner = ROOT) -> bool:
    """Whether there is something of this kind, mode (None: whichever) and owner at a path."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return (
        _KINDS[kind](found.st_mode)
        and (found.st_uid, found.st_gid) == owner
        and (mode is None or stat.S_IMODE(found.st_mode) == mode)
    )


def is_roots_alone(path: str) -> bool:
    """Whether a path is a regular file that only root can have written."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_uid == 0 and not found.st_mode & _WRITABLE_BY_OTHERS


def is_log(path: str, owner: Owner) -> bool:
    """Whether a log is a file that its owner alone can write. Its group is the site's, which decides who reads logs."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_uid == owner[0] and not stat.S_IMODE(found.st_mode) & ~0o640


def is_top(path: str) -> bool:
    """Whether a directory of ours in /var or /run is root's with mode 0755; a site may have put it elsewhere by a link of root's."""
    try:
        link = os.lstat(path)
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    is_dir = stat.S_ISDIR(found.st_mode) and (found.st_uid, found.st_gid) == ROOT
    return is_dir and stat.S_IMODE(found.st_mode) == 0o755 and link.st_uid == 0


def foreign(directory: str, ours: t.Container[str]) -> list[str]:
    """The names in a directory that are not ours."""
    try:
        return sorted(name for name in os.listdir(directory) if name not in ours)
    except (FileNotFoundError, NotADirectoryError):
        return []


def describe(path: str) -> str:
    """Kind, mode and owner of a path, for a person."""
    try:
        found = os.lstat(path)
    except OSError:
        return "not there"
    kind = next((name for name, is_kind in _KINDS.items() if is_kind(found.st_mode)), "special file")
    return f"{kind} {stat.S_IMODE(found.st_mode):04o} {_user(found.st_uid)}:{_group(found.st_gid)}"


def open_parents(path: str) -> list[str]:
    """The places on the way to a path where another user than root can replace it; empty if there is none.

    A link on the way counts with its target. A sticky directory is safe as soon as the next step is there and root's.
    """
    problems: list[str] = []
    place, left, links = "/", [name for name in path.split("/") if name], 0
    while left:
        name = left.pop(0)
        following = os.path.normpath(os.path.join(place, name))
        try:
            below: os.stat_result | None = os.lstat(following)
        except (FileNotFoundError, NotADirectoryError):
            below = None
        problem = _opened(place, os.stat(place), below)
        if problem and problem not in problems:
            problems.append(problem)
        if below is None:
            break
        if stat.S_ISLNK(below.st_mode):
            links += 1
            if links > _MAX_LINKS:
                return [*problems, f"{following} is one of too many links"]
            target = os.readlink(following)
            left = [part for part in target.split("/") if part] + left
            place = "/" if target.startswith("/") else place
            continue
        place = following
    return problems


def _opened(place: str, found: os.stat_result, below: os.stat_result | None) -> str:
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid != 0:
        return f"{place} belongs to {_user(found.st_uid)}"
    # What the group root may write nobody else may.
    writable = mode & (0o002 if found.st_gid == 0 else _WRITABLE_BY_OTHERS)
    is_held = mode & stat.S_ISVTX and below is not None and below.st_uid == 0
    return (
        f"{place} can be written by others (mode {mode:04o}, group {_group(found.st_gid)})"
        if writable and not is_held
        else ""
    )


def clear_place(path: str) -> None:
    """Remove anything but a directory at the place of a directory or a file of ours."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)


def remove(path: str) -> None:
    """Remove a path, whatever it is."""
    try:
        is_dir = stat.S_ISDIR(os.lstat(path).st_mode)
    except FileNotFoundError:
        return
    if is_dir:
        shutil.rmtree(path)
    else:
        os.unlink(path)


def evict(directory: str, uid: int) -> None:
    """Remove the files that others have put into a directory while it was open. It must be closed by now."""
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        with contextlib.suppress(FileNotFoundError):
            if os.lstat(path).st_uid not in (0, uid):
                remove(path)


def renew_log(path: str, owner: Owner) -> None:
    """Give a log to its owner alone and keep its content, in a fresh file. A process that has opened the old one no longer writes to it."""
    if not os.path.lexists(path) or not stat.S_ISREG(os.lstat(path).st_mode):
        # Not through a link, and without waiting for a partner of a FIFO.
        remove(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_EXCL, 0o640)
        try:
            os.fchown(descriptor, *owner)
            os.fchmod(descriptor, 0o640)
        finally:
            os.close(descriptor)
        _selinux.give(path, path)
        return
    source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    descriptor, temporary = tempfile.mkstemp(prefix=".nodecycle-", dir=os.path.dirname(path))
    try:
        with os.fdopen(source, "rb") as reader, os.fdopen(descriptor, "wb") as writer:
            shutil.copyfileobj(reader, writer)
            os.fchown(writer.fileno(), *owner)
            os.fchmod(writer.fileno(), 0o640)
        _selinux.give(temporary, path)
        os.replace(temporary, path)
    except OSError as exc:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        if exc.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        # The loss of a log is better than a run that cannot go on.
        os.chown(path, *owner)
        os.chmod(path, 0o640)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
