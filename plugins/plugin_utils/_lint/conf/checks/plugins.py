# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Plugins: does the cluster's Slurm come with the one that is named?"""

from __future__ import annotations

import typing as t

from ...core.model import Hit, hit_at
from ...core.nearest import nearest
from .. import facts, lists, value_types
from ..grammar import Pair
from ..subject import Subject
from .values import plain


def plugin(subject: Subject) -> t.Iterator[Hit]:
    """removed-plugin, unknown-plugin."""
    for table, pair, key in plain(subject):
        kind = facts.plugin_kinds().get(pair.name)
        if kind and not table and not key.is_defunct_in(subject.targets[-1]):
            for item, offset in value_types.items(pair.value):
                yield from _plugin(subject, kind, pair, item, offset)


def _plugin(subject: Subject, kind: str, pair: Pair, item: str, offset: int) -> t.Iterator[Hit]:
    place = pair.within_value(offset)
    prefix, slash, name = item.rpartition("/")
    if slash and prefix.lower() not in (kind, "cred", "crypto"):
        if not prefix.startswith("/"):
            yield hit_at("unknown-plugin", place, f"{pair.key}: {item} is not a {kind} plugin")
        return
    if lists.is_no_plugin(pair.name, name.lower()):
        return
    lower = lists.PLUGIN_ALIASES.get((kind, name.lower()), name.lower())
    newest = facts.parts(subject.targets[-1])
    if kind == "job_container" and newest >= (25, 11) and lower in facts.plugins("namespace"):
        # 25.11 looks for namespace/tmpfs when it is told job_container/tmpfs.
        return
    known = _known(kind, lower)
    word = known.get(lower) or facts.plugins(kind).get(lower)
    if word is None and (kind, lower) in lists.FORGOTTEN_PLUGINS:
        said = f"{pair.key}: {item} is no longer a plugin"
        yield from subject.graded("removed-plugin", subject.targets, place, said)
    elif word is None and kind not in lists.OPEN_KINDS:
        hint = nearest(name, [other.name for other in known.values()])
        said = f"{pair.key}: Slurm has no plugin {item}{hint}"
        yield from subject.graded("unknown-plugin", subject.targets, place, said)
    elif word is not None:
        removed, early = _without(word, subject.targets, is_known=lower in known)
        said = f"{pair.key}: {item} was last a plugin in Slurm {word.span.until}"
        yield from subject.graded("removed-plugin", removed, place, said)
        said = f"{pair.key}: {item} is a plugin from Slurm {word.span.since} on"
        yield from subject.graded("unknown-plugin", early, place, said, "error")


def _without(word: facts.Word, targets: t.Sequence[str], is_known: bool) -> tuple[list[str], list[str]]:
    """The releases that have the plugin no more, and those that do not have it yet."""
    if not is_known:
        return list(targets), []
    missing = word.span.missing_in(targets)
    until = word.span.until
    removed = [release for release in missing if until and facts.parts(release) > facts.parts(until)]
    return removed, [release for release in missing if release not in removed]


def _known(kind: str, name: str) -> dict[str, facts.Word]:
    """The plugins among which Slurm looks for the name."""
    if kind in ("cred", "crypto"):
        # Slurm loads auth/slurm for it (src/interfaces/cred.c).
        return facts.plugins("auth" if name == "slurm" else "cred")
    return facts.plugins(kind)


CHECKS = (plugin,)
