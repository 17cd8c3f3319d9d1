# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The users who gave the reasons of the nodes, kept over a reconfigure.

slurmctld before 23.02 forgets at a reconfigure who gave a reason, and names root instead; text and time stay (22.05.9, read_config.c,
_restore_node_state; fixed by the commit efae1cceb1). So we note those users before each reconfigure of ours.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _documents, _files
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import ROLLOUT_DIR
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Node, SlurmError

#: Beside the journal, which outlives the removal of everything else.
PATH = f"{ROLLOUT_DIR}/reason-users.json"
#: The user that Slurm names instead.
NOBODY_KNOWN = "root"

#: Node name to its reason, the time and the user of it.
Users = t.Dict[str, t.Dict[str, str]]

_SHAPE = _documents.fields(
    {
        "nodes": _documents.each(
            _documents.fields({"reason": _documents.text, "time": _documents.text, "user": _documents.text})
        )
    }
)


def noted(nodes: t.Iterable[Node]) -> Users:
    """The users that a reconfigure may lose."""
    return {
        node.name: {"reason": node.reason, "time": node.reason_time, "user": node.reason_user}
        for node in nodes
        if node.is_drained and node.reason_time and node.reason_user not in ("", NOBODY_KNOWN)
    }


def _is_lost(node: Node, users: Users) -> bool:
    """Whether this is still the reason that was noted, and its user is not."""
    entry = users.get(node.name)
    return (
        entry is not None
        and node.reason_user == NOBODY_KNOWN
        and (node.reason, node.reason_time) == (entry["reason"], entry["time"])
    )


def restored(nodes: t.Mapping[str, Node], users: Users) -> dict[str, Node]:
    """The nodes with the users that were noted. A reason that was given anew has another time, and keeps the user that Slurm names."""
    return {
        name: dataclasses.replace(node, reason_user=users[name]["user"]) if _is_lost(node, users) else node
        for name, node in nodes.items()
    }


def read() -> Users:
    """The note. Empty if it cannot be read: then we take nobody's drain for ours."""
    try:
        data = _files.read_bytes(PATH, follow=False)
        return _documents.load(data, _SHAPE)["nodes"] if data else {}
    except (OSError, _documents.DocumentError):
        return {}


def write(users: Users) -> None:
    """Note these users if possible. An undo calls this, too, and must not end at a full disk."""
    with contextlib.suppress(OSError):
        if users:
            _files.make_parents(PATH)
            _files.write_atomic(PATH, _documents.dump(_documents.clean({"nodes": users}), _SHAPE), 0o600)


def forget(look: t.Callable[[], t.Mapping[str, Node]]) -> None:
    """Remove the note if Slurm has lost nothing, or if no node has the reason any more that was noted.

    look: asks for the nodes with the users that Slurm names; not called without a note. A note that stays does no harm, so no error ends this.
    """
    if not os.path.lexists(PATH):
        return
    with contextlib.suppress(OSError, SlurmError):
        users = read()
        if not any(_is_lost(node, users) for node in look().values()):
            os.unlink(PATH)
