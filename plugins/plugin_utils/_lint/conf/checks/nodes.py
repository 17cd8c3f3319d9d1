# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Nodes: lines that define them, and lines that name them."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _hostlist

from ...core.model import Hit, Severity, hit_at
from ...core.nearest import nearest
from .. import value_types
from ..grammar import Pair
from ..subject import Subject


def _node_lines(subject: Subject) -> t.Iterator[tuple[Pair, dict[str, Pair]]]:
    """The lines of nodes in the text: NodeName, and the other keys."""
    for statement, head, _key in subject.known_heads:
        if head.name == "nodename" and not subject.is_open(head.value):
            yield head, {pair.name: pair for pair in statement.pairs[1:]}


def reserved_name(subject: Subject) -> t.Iterator[Hit]:
    """invalid-value, fatal-combination: the names ALL and DEFAULT."""
    for head, given in _node_lines(subject):
        if head.value.lower() == "all":
            yield hit_at("invalid-value", head.value_place, "NodeName=ALL: the name is Slurm's own")
        if head.value.lower() == "default":
            for name in ("nodehostname", "nodeaddr", "bcastaddr"):
                if name in given:
                    said = f"{given[name].key} does not go with NodeName=DEFAULT"
                    yield hit_at("fatal-combination", given[name].place, said)


def state(subject: Subject) -> t.Iterator[Hit]:
    """invalid-value: State of a node."""
    for head, given in _node_lines(subject):
        pair = given.get("state")
        if pair is None or head.value.lower() == "default" or subject.is_open(pair.value):
            continue
        if pair.value.upper() not in value_types.NODE_STATES:
            known = ", ".join(value_types.NODE_STATES)
            meant = nearest(pair.value, value_types.NODE_STATES)
            said = f"State of a node: {pair.value!r} is not one of {known}; slurmctld ends at it{meant}"
            yield hit_at("invalid-value", pair.value_place, said)


def topology(subject: Subject) -> t.Iterator[Hit]:
    """node-topology: CPUs against the product of the rest (read_config.c, _parse_nodename)."""
    for head, given in _node_lines(subject):
        if head.value.lower() != "default":
            yield from _topology(given)


def _topology(given: t.Mapping[str, Pair]) -> t.Iterator[Hit]:
    numbers: dict[str, int] = {}
    for name in ("cpus", "procs", "boards", "sockets", "socketsperboard", "corespersocket", "threadspercore"):
        if name in given:
            number = value_types.as_number(given[name].value)
            if number is None or number <= 0:
                return
            numbers[name] = number
    cpus = numbers.get("cpus", numbers.get("procs"))
    if cpus is None or not {"sockets", "socketsperboard", "corespersocket"} & set(numbers):
        return
    cores, threads = numbers.get("corespersocket", 1), numbers.get("threadspercore", 1)
    if "socketsperboard" in numbers:
        sockets = numbers.get("boards", 1) * numbers["socketsperboard"]
    elif "sockets" in numbers:
        sockets = numbers["sockets"]
    elif cpus % (cores * threads) == 0:
        sockets = cpus // (cores * threads)
    else:
        sockets = numbers.get("boards", 1)
    if cpus not in (sockets, sockets * cores, sockets * cores * threads):
        pair = given.get("cpus") or given["procs"]
        product = sockets * cores * threads
        said = (
            f"{pair.key}={cpus}, and Sockets*CoresPerSocket*ThreadsPerCore is {product}; slurmctld takes that instead"
        )
        yield hit_at("node-topology", pair.place, said)


class _Definition(t.NamedTuple):
    """A line that defines nodes."""

    head: Pair
    is_present: bool
    #: None if the value is not a hostlist expression.
    names: list[str] | None


def _definitions(subject: Subject) -> t.Iterator[_Definition]:
    """All lines that define nodes, those of the cluster's slurm.conf first."""
    for lines, is_present in ((subject.present_lines("nodename"), True), (subject.lines("nodename"), False)):
        for statement in lines:
            head = statement.pairs[0]
            if head.value.upper() != "DEFAULT":
                try:
                    yield _Definition(head, is_present, _hostlist.expand(head.value))
                except _hostlist.HostlistError:
                    yield _Definition(head, is_present, None)


def defined_twice(subject: Subject) -> t.Iterator[Hit]:
    """duplicate-node: a node."""
    where: dict[str, str] = {}
    for head, is_present, names in _definitions(subject):
        twice = [name for name in names or () if name in where]
        if twice and not is_present and not subject.is_conditional(head):
            said = f"{_hostlist.fold(twice)} is defined in {where[twice[0]]} already"
            yield hit_at("duplicate-node", head.value_place, said)
        for name in names or ():
            where.setdefault(name, "the cluster's slurm.conf" if is_present else f"line {head.value_place.line}")


def _defined(subject: Subject) -> tuple[dict[str, None], bool]:
    """The nodes that there will be, and whether that is certainly all of them."""
    definitions = list(_definitions(subject))
    own = dict.fromkeys(name for definition in definitions for name in definition.names or ())
    is_complete = all(definition.names is not None for definition in definitions)
    if subject.is_whole:
        return own, is_complete and bool(own) and not subject.has_include
    if subject.cluster.nodes is not None:
        return dict.fromkeys([*subject.cluster.nodes, *own]), is_complete
    return own, is_complete and any(entry.key.lower() == "nodename" for entry in subject.cluster.present)


def _uses(subject: Subject) -> t.Iterator[tuple[Pair, Severity, str]]:
    """The values that name nodes, and what they belong to."""
    for key in ("partitionname", "nodeset"):
        for statement in subject.lines(key):
            head = statement.pairs[0]
            for pair in statement.pairs[1:]:
                if pair.name == "nodes":
                    yield pair, "error", f"{head.key} {head.value}"
    for statement in subject.lines("downnodes"):
        yield statement.pairs[0], "warning", "DownNodes"


def undefined(subject: Subject) -> t.Iterator[Hit]:
    """undefined-node."""
    defined, is_complete = _defined(subject)
    sets = {
        statement.pairs[0].value.lower()
        for lines in (subject.present_lines("nodeset"), subject.lines("nodeset"))
        for statement in lines
    }
    for pair, severity, what in _uses(subject):
        if subject.is_open(pair.value) or pair.value.upper() in ("ALL", "(NULL)", ""):
            continue
        wanted = [pair.value] if "[" in pair.value else [item for item, _at in value_types.items(pair.value)]
        text = ",".join(item for item in wanted if item.lower() not in sets and item.upper() != "ALL")
        try:
            names = _hostlist.expand(text) if text else []
        except _hostlist.HostlistError as exc:
            if not re.search(r"\][^,\[]*\[|[${}<>%]|\]\w", text):
                said = f"{what} has a wrong hostlist expression: {exc}"
                yield hit_at("undefined-node", pair.value_place, said, severity)
            continue
        unknown = [name for name in names if name not in defined and name.lower() not in sets]
        if unknown and is_complete and not subject.is_template:
            hint = nearest(unknown[0], list(defined)) if len(unknown) == 1 else ""
            said = f"{what} names {_hostlist.fold(unknown)}, which no NodeName line defines{hint}"
            yield hit_at("undefined-node", pair.value_place, said, severity)


CHECKS = (
    reserved_name,
    state,
    topology,
    defined_twice,
    undefined,
)
