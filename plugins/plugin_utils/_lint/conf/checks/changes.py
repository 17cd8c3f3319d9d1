# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Changes: the effect of a line on a running cluster."""

from __future__ import annotations

import typing as t

from ...core.model import Hit, Severity, hit_at
from .. import facts, lists
from ..grammar import Pair
from ..subject import Subject


def _changes(subject: Subject) -> t.Iterator[Pair]:
    """The keys that the cluster will have otherwise than now."""
    if subject.is_whole:
        return
    settled = {(entry.key.lower(), entry.value) for entry in (*subject.cluster.present, *subject.cluster.placed)}
    for _statement, head, _key in subject.known_heads:
        if head.name not in facts.LINE_KEYS and (head.name, head.value) not in settled:
            yield head


def dangerous(subject: Subject) -> t.Iterator[Hit]:
    """dangerous-key."""
    for pair in _changes(subject):
        if said := lists.DANGEROUS.get(pair.name):
            severity: Severity = "error" if pair.name in lists.FORBIDDEN else "warning"
            yield hit_at("dangerous-key", pair.place, f"{pair.key}: {said}", severity)


def restart(subject: Subject) -> t.Iterator[Hit]:
    """restart-key."""
    for pair in _changes(subject):
        bad = [release for release in subject.targets if lists.needs_restart(pair.name, pair.value, release)]
        yield from subject.graded("restart-key", bad, pair.place, f"{pair.key} is applied by a restart only")


def lua_script(subject: Subject) -> t.Iterator[Hit]:
    """fatal-combination: a plugin that wants a file which cannot be seen from here."""
    for pair in _changes(subject):
        if lists.is_lua(pair.name, pair.value):
            said = f"{pair.key}=lua wants its script beside slurm.conf; without it the daemon ends"
            fix = "place it on every host that needs it first"
            yield hit_at("fatal-combination", pair.place, said, "info", fix)


CHECKS = (
    dangerous,
    restart,
    lua_script,
)
