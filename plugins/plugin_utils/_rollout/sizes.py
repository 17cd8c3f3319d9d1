# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The sizes of the batches, and the choice of the canary. Pure."""

from __future__ import annotations

import math
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _hostlist, _ownership
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Node


class RolloutError(ValueError):
    """A variable has a wrong value; the message names it and the remedy."""


def count_of(spec: t.Any, total: int, variable: str) -> int:
    """A number of nodes, given as such or in percent (rounded up, because a canary needs a node)."""
    text = str(spec).strip()
    try:
        if text.endswith("%"):
            return min(total, math.ceil(total * float(text[:-1]) / 100))
        return min(total, int(text))
    except (ValueError, OverflowError) as exc:
        raise RolloutError(f"{variable} is {spec!r}: write a number of nodes or a percentage like 10%") from exc


def batch_sizes(total: int, specs: t.Sequence[t.Any]) -> list[int]:
    """The number of hosts of each batch. The last size repeats until all hosts have their turn."""
    sizes: list[int] = []
    left = total
    specs = list(specs) or ["100%"]
    position = 0
    while left > 0:
        size = max(1, count_of(specs[min(position, len(specs) - 1)], total, "slurm_batches"))
        sizes.append(min(size, left))
        left -= sizes[-1]
        position += 1
    return sizes


def named_canaries(spec: t.Any, host_nodes: t.Mapping[str, str]) -> list[str]:
    """The hosts that slurm_canary names; none where it is a number or empty."""
    text = str(spec).strip()
    if text in ("", "None") or text.rstrip("%").isdigit():
        return []
    try:
        wanted = _hostlist.expand(text)
    except _hostlist.HostlistError as exc:
        raise RolloutError(
            f"slurm_canary is {text!r}, which is neither a number, nor a percentage, nor a hostlist: {exc}"
        ) from exc
    by_node = {node: host for host, node in host_nodes.items()}
    unknown = [node for node in wanted if node not in by_node]
    if unknown:
        raise RolloutError(
            f"slurm_canary names {_hostlist.fold(unknown)}, which is not a worker of this run: name nodes that are"
        )
    return [by_node[node] for node in wanted]


def choose_canaries(
    spec: t.Any,
    candidates: t.Sequence[str],
    host_nodes: t.Mapping[str, str],
    nodes: t.Mapping[str, Node],
    closed: t.Collection[str] = (),
) -> list[str]:
    """The hosts that run a release first: those that are named and can, else as few as hold a node of each partition, idle ones if possible.

    closed: partitions whose jobs do not start; a node that is in no other is no canary. Nodes in a reservation, which may be a broken one's,
    only if there is no other. But a maintenance of all nodes is a good time for a change.
    """

    def busyness(host: str) -> int:
        return _ownership.busyness(nodes[host_nodes[host]])

    def partitions(host: str) -> set[str]:
        return set(nodes[host_nodes[host]].partitions).difference(closed)

    def without(flags: frozenset[str]) -> list[str]:
        return [host for host in candidates if partitions(host) and flags.isdisjoint(nodes[host_nodes[host]].flags)]

    free = without(_ownership.SET_ASIDE) or without(_ownership.SET_ASIDE - _ownership.OF_RESERVATIONS)
    ordered = sorted(free, key=lambda host: (busyness(host), free.index(host)))
    text = str(spec).strip()
    if named := [host for host in named_canaries(spec, host_nodes) if host in candidates]:
        return named
    if text.rstrip("%").isdigit():
        return ordered[: max(1, count_of(text, len(ordered), "slurm_canary"))]
    chosen: list[str] = []
    open_partitions = {part for host in free for part in partitions(host)}
    while open_partitions:
        best = max(
            ordered,
            key=lambda host: (len(open_partitions & partitions(host)), -busyness(host)),
        )
        chosen.append(best)
        open_partitions -= partitions(best)
    return chosen or ordered[:1]
