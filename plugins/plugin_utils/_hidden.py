# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Options that a module gets without Ansible writing them to the host's system log."""

from __future__ import annotations

import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible


def packed(args: t.Mapping[str, t.Any], options: t.Iterable[str]) -> dict[str, t.Any]:
    """A task's arguments, with some options as one string each (V(_ansible.HIDDEN_SPEC))."""
    result = dict(args)
    for option in options:
        if result.get(option) is not None:
            result[option] = _ansible.pack(result[option])
    return result
