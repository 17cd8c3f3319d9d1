# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The labels of SELinux, by Ansible's own binding of its library.

A file of ours is written under another name and renamed, so it gets its label here: the one that the policy, with the site's own rules
(C(semanage fcontext)), has for its path. Where SELinux is off nothing here does anything.
"""

from __future__ import annotations

import errno
import os
import typing as t

_library: t.Any
try:
    from ansible.module_utils.compat import selinux

    _library = selinux
except ImportError:
    # A host without libselinux.
    _library = None


def _is_on() -> bool:
    return _library is not None and bool(_library.is_selinux_enabled() == 1)


def label_of(path: str) -> str:
    """The label of a path, not of what a link leads to; empty where it has none."""
    try:
        return str(_library.lgetfilecon_raw(path)[1]) if _is_on() else ""
    except OSError as exc:
        if exc.errno in (errno.ENODATA, errno.ENOTSUP):
            return ""
        raise


def _default(path: str, mode: int) -> str:
    try:
        return str(_library.matchpathcon(path, mode)[1])
    except OSError as exc:
        # The policy has no rule for it, or one that says <<none>>.
        if exc.errno == errno.ENOENT:
            return ""
        raise


def give(place: str, path: str, label: str = "") -> None:
    """Give what is at a place this label, or the policy's for the path that it has or will have."""
    if not _is_on():
        return
    wanted = label or _default(path, os.lstat(place).st_mode)
    if wanted and wanted != label_of(place):
        try:
            _library.lsetfilecon(place, wanted)
        except OSError as exc:
            # A file system that keeps no labels, such as NFS, has one for all that is on it.
            if exc.errno != errno.ENOTSUP:
                raise


def give_below(place: str, path: str) -> None:
    """Give a directory, and all that is in it, the policy's labels for the path that it will have."""
    if not _is_on():
        return
    for directory, _below, files in os.walk(place):
        for each in (directory, *(os.path.join(directory, name) for name in files)):
            give(each, path + each[len(place) :])
