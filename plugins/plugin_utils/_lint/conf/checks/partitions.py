# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Partitions: lines that define them, and lines that name them."""

from __future__ import annotations

import typing as t

from ...core.model import Hit, hit_at
from ...core.nearest import nearest
from .. import value_types
from ..grammar import Pair
from ..subject import Subject


def allowed_and_denied(subject: Subject) -> t.Iterator[Hit]:
    """fatal-combination: two lists of which Slurm takes one."""
    for statement, head, _key in subject.known_heads:
        if head.name != "partitionname" or subject.is_open(head.value):
            continue
        given = {pair.name: pair for pair in statement.pairs[1:]}
        for allowed, denied in (("allowaccounts", "denyaccounts"), ("allowqos", "denyqos")):
            if allowed in given and denied in given:
                said = f"{given[denied].key} is ignored beside {given[allowed].key}"
                yield hit_at("fatal-combination", given[denied].place, said, "warning")


def _definitions(subject: Subject) -> t.Iterator[Pair]:
    """The partitions that the text certainly defines."""
    for statement in subject.lines("partitionname"):
        head = statement.pairs[0]
        if head.value.upper() != "DEFAULT" and not subject.is_open(head.value) and not subject.is_conditional(head):
            yield head


def _present(subject: Subject) -> list[str]:
    """The partitions of the cluster's slurm.conf."""
    return [statement.pairs[0].value for statement in subject.present_lines("partitionname")]


def defined_twice(subject: Subject) -> t.Iterator[Hit]:
    """duplicate-node: a partition."""
    where = dict.fromkeys(_present(subject), "the cluster's slurm.conf")
    for head in _definitions(subject):
        if head.value in where:
            said = f"partition {head.value} is defined in {where[head.value]} already"
            yield hit_at("duplicate-node", head.value_place, said)
        where.setdefault(head.value, f"line {head.value_place.line}")


def undefined(subject: Subject) -> t.Iterator[Hit]:
    """undefined-partition."""
    cluster = subject.cluster
    if subject.is_whole or (cluster.partitions is None and not cluster.present):
        return
    known = {*_present(subject), *(head.value for head in _definitions(subject)), *(cluster.partitions or ())}
    for statement in subject.lines("suspendexcparts"):
        pair = statement.pairs[0]
        unknown = [item for item, _at in value_types.items(pair.value) if item not in known]
        if unknown:
            said = f"{pair.key} names {', '.join(unknown)}{nearest(unknown[0], known)}"
            yield hit_at("undefined-partition", pair.value_place, said)


CHECKS = (
    allowed_and_denied,
    defined_twice,
    undefined,
)
