# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Whose drain is it? Only what this collection drained may it resume or give another reason. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Node

#: Every reason of ours begins with it.
MARK = "nodecycle: "

#: States and flags of a node that takes no jobs although nobody drained it. Slurm sets them, or an administrator.
_OUT_OF_SERVICE = frozenset({"DOWN", "ERROR", "FAIL", "FUTURE"})


@dataclasses.dataclass(frozen=True)
class Plan:
    """The nodes to change, and those left alone with the reason that somebody else gave."""

    names: list[str]
    foreign: dict[str, str]


def mark(reason: str) -> str:
    """A reason with our mark, on one line as Slurm keeps it."""
    return MARK + " ".join(reason.split())


def _is_out(node: Node) -> bool:
    return node.is_drained or not _OUT_OF_SERVICE.isdisjoint({node.state, *node.flags})


def _words(node: Node) -> str:
    return f"{node.reason} [{node.reason_user}@{node.reason_time}]" if node.reason else "(no reason given)"


def describe(node: Node) -> str:
    """State, flags and reason of a node for a person."""
    state = "+".join([node.state, *sorted(node.flags)])
    # 24.11 keeps the reason of a drain after the resume; then it says nothing about the present.
    return f"{state}, {_words(node)}" if _is_out(node) and node.reason else state


def is_ours(node: Node) -> bool:
    """Whether the node is drained, and by us."""
    return node.is_drained and node.reason.startswith(MARK)


def to_drain(nodes: t.Iterable[Node], reason: str) -> Plan:
    """Which nodes have to be drained: not those that are so for this reason, nor what somebody else took out of service."""
    names, foreign = [], {}
    for node in nodes:
        if is_ours(node):
            if node.reason != mark(reason):
                names.append(node.name)
        elif _is_out(node):
            foreign[node.name] = _words(node)
        else:
            names.append(node.name)
    return Plan(names, foreign)


def to_resume(nodes: t.Iterable[Node], reason: str) -> Plan:
    """Which nodes may be resumed: those that we drained, for a reason that begins like this one."""
    names, foreign = [], {}
    for node in nodes:
        if is_ours(node) and node.reason.startswith(mark(reason)):
            names.append(node.name)
        elif node.is_drained and not is_ours(node):
            foreign[node.name] = _words(node)
    return Plan(names, foreign)
