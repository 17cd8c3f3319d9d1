# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Which key each release of Slurm knows, and of which type. The facts are in facts.json, which tools/conf-facts writes."""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
import re
import typing as t

#: The table of the keys that stand on lines of their own.
MAIN = ""

#: Keys whose lines hold further keys, and how a person writes them.
LINE_KEYS = {
    "nodename": "NodeName",
    "partitionname": "PartitionName",
    "downnodes": "DownNodes",
    "nodeset": "NodeSet",
    "frontendname": "FrontendName",
    "poweraction": "PowerAction",
}

#: Types of which every line counts, not only the last one.
ADDING_TYPES = frozenset({"array", "line", "expline"})

_VERSION = re.compile(r"(\d+)\.(\d+)")


@functools.lru_cache(maxsize=256)
def parts(release: str) -> tuple[int, int]:
    """A release as something that can be compared."""
    match = _VERSION.search(release)
    if not match:
        raise ValueError(f"{release!r} is not a release of Slurm such as 24.11")
    return int(match.group(1)), int(match.group(2))


@functools.lru_cache(maxsize=1)
def _facts() -> dict[str, t.Any]:
    """The facts of every release, read once."""
    text = pathlib.Path(__file__).with_name("facts.json").read_text(encoding="utf-8")
    return t.cast("dict[str, t.Any]", json.loads(text))


@functools.lru_cache(maxsize=1)
def releases() -> tuple[str, ...]:
    """The releases that this collection supports, oldest first."""
    return tuple(_facts()["releases"])


def targets(version: str | None) -> tuple[str, ...]:
    """The releases that a text has to suit: the one of the cluster, or all when it is not known.

    For a release between two of the tables the older one counts, for one older than all the oldest.
    """
    if version is None:
        return releases()
    wanted = parts(version)
    suited = [release for release in releases() if parts(release) <= wanted]
    return (suited[-1] if suited else releases()[0],)


def is_newer_than_facts(version: str | None) -> bool:
    """Whether the cluster runs a release of which the tables know nothing yet."""
    return version is not None and parts(version) > parts(releases()[-1])


@dataclasses.dataclass(frozen=True)
class Span:
    """From which release to which something is known; None for since ever and still."""

    since: str | None = None
    until: str | None = None

    def covers(self, release: str) -> bool:
        """Whether a release knows it."""
        here = parts(release)
        return (self.since is None or parts(self.since) <= here) and (self.until is None or here <= parts(self.until))

    def missing_in(self, wanted: t.Iterable[str]) -> list[str]:
        """Those of the releases that do not know it."""
        return [release for release in wanted if not self.covers(release)]


@dataclasses.dataclass(frozen=True)
class Key:
    """One key of slurm.conf, or of a line such as NodeName's."""

    name: str
    span: Span
    #: From which release on Slurm takes it and does nothing.
    defunct: str | None
    types: tuple[tuple[str, str], ...]

    def type_in(self, release: str) -> str:
        """The type of its value."""
        fitting = [kind for since, kind in self.types if parts(since) <= parts(release)]
        return fitting[-1] if fitting else self.types[0][1]

    def is_defunct_in(self, release: str) -> bool:
        """Whether the release takes it and does nothing."""
        return self.defunct is not None and parts(self.defunct) <= parts(release)


@functools.cache
def table(name: str) -> dict[str, Key]:
    """Lower-case name to key, of slurm.conf itself (MAIN) or of one of LINE_KEYS."""
    found = {}
    for key, fact in _facts()["keys"].get(name, {}).items():
        types = fact["types"] if isinstance(fact["types"], dict) else {"0.0": fact["types"]}
        span = Span(fact.get("since"), fact.get("until"))
        found[key] = Key(fact["name"], span, fact.get("defunct"), tuple(types.items()))
    return found


def tables_with(key: str) -> list[str]:
    """The lines that may hold a key which is not one of slurm.conf's own."""
    return [written for line, written in LINE_KEYS.items() if key in table(line)]


@dataclasses.dataclass(frozen=True)
class Word:
    """A word of a list, or the name of a plugin."""

    name: str
    span: Span
    is_number: bool = False


def _words(found: t.Mapping[str, t.Sequence[str | None]]) -> dict[str, Word]:
    return {name.lower(): Word(name, Span(span[0], span[1]), "#" in span[2:]) for name, span in found.items()}


@functools.cache
def words(key: str) -> dict[str, Word]:
    """The words that a key's list may hold, where Slurm takes others without a complaint; empty where nobody knows them all."""
    return {
        word: item
        for name, found in _facts()["words"].items()
        if name.lower() == key
        for word, item in _words(found).items()
    }


@functools.cache
def strict_words(key: str) -> dict[str, Word]:
    """The words that a key's list may hold, where Slurm refuses others; empty for the other keys."""
    return {
        word: item
        for name, found in _facts()["strict_words"].items()
        if name.lower() == key
        for word, item in _words(found).items()
    }


@functools.cache
def plugins(kind: str) -> dict[str, Word]:
    """The plugins of a kind (a folder of src/plugins)."""
    return _words(_facts()["plugins"].get(kind, {}))


@functools.lru_cache(maxsize=1)
def plugin_kinds() -> dict[str, str]:
    """Lower-case key to the kind of plugin that it names."""
    return {key.lower(): kind for key, kind in _facts()["plugin_kinds"].items()}
