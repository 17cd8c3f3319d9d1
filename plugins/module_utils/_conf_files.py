# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The files of slurm.conf, changed in place."""

from __future__ import annotations

import contextlib
import os

from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _conf, _drift, _files
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import STATE_DIR


def apply(changes: list[_conf.Change], path: str, *, is_undo: bool = False) -> str:
    """Put the files in place in the safe order; where the old slurm.conf is kept.

    Several hosts may share the files and change them at the same moment: a change that another one has made already stays. Raises
    ConfError where somebody wrote something else.
    """
    backup = ""
    for change in changes:
        present = _ansible.read_text(change.path)
        if present == change.after:
            continue
        if present != change.before:
            raise _conf.ConfError(
                f"{change.path} was changed by somebody else while this module ran. Run again when nobody else changes it"
            )
        if change.after is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(change.path)
        elif change.path == path:
            try:
                backup = _keep(change)
            except _files.NoRoomError:
                if not is_undo:
                    raise
            _files.replace_atomic(path, _ansible.to_bytes(change.after))
        else:
            # Every user's Slurm commands read it.
            _files.write_atomic(change.path, _ansible.to_bytes(change.after), 0o644)
    return backup


def open_fragment(path: str) -> list[str]:
    """Our file of this slurm.conf, if another user than root can change it."""
    fragment = _conf.fragment_path(path, _ansible.read_text)
    return [fragment] if os.path.lexists(fragment) and not _drift.is_roots_alone(fragment) else []


def _keep(change: _conf.Change) -> str:
    """Keep a copy of the content that is about to be replaced, named by its digest."""
    data = _ansible.to_bytes(change.before or "")
    path = os.path.join(STATE_DIR, "backup", f"slurm.conf.{_files.sha256(data)[:16]}")
    if os.path.exists(path):
        return path
    _files.make_parents(path)
    _files.write_atomic(path, data, 0o600)
    return path
