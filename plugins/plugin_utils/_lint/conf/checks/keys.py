# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Keys: does the cluster's Slurm know them, and do they stand where they count?"""

from __future__ import annotations

import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils._conf import Entry

from ...core.model import Hit, Severity, hit_at
from ...core.nearest import nearest
from .. import facts, lists, value_types
from ..grammar import Pair, Statement
from ..subject import Subject
from ..wording import joined, shown_value


class _Use(t.NamedTuple):
    """A key that the text names, known or not."""

    table: str
    pair: Pair
    statement: Statement


def _uses(subject: Subject) -> t.Iterator[_Use]:
    for statement in subject.statements:
        if statement.head:
            yield _Use(facts.MAIN, statement.head, statement)
        elif (pair := subject.empty_pair(statement)) and not subject.is_touched(statement.place):
            key = facts.table(facts.MAIN).get(pair.name)
            if key is None or key.span.missing_in(subject.targets):
                yield _Use(facts.MAIN, pair, statement)
    for statement, table, pair in subject.further_pairs:
        yield _Use(table, pair, statement)


def _known_uses(subject: Subject) -> t.Iterator[tuple[_Use, facts.Key]]:
    """The keys that some release has known."""
    for use in _uses(subject):
        if key := facts.table(use.table).get(use.pair.name):
            yield use, key


def _removed_in(key: facts.Key, subject: Subject) -> list[str]:
    """The releases in question that know the key no more."""
    until = key.span.until
    return [release for release in subject.targets if until and facts.parts(release) > facts.parts(until)]


def _on_line(table: str) -> str:
    line = facts.LINE_KEYS.get(table, "")
    return f" on a {line} line" if line else ""


#: Lines of gres.conf may begin with NodeName, too.
_LIKE_OTHERS = (facts.MAIN, "nodename")


def _file_of(key: str) -> str:
    """The file of Slurm's that a key (in lower case) belongs in; empty for a key of none."""
    starting = (file for file, starts in lists.OTHER_FILES.items() if key.startswith(starts))
    return next(starting, "") or next((file for file, whole in lists.OTHER_KEYS.items() if key in whole), "")


def unknown(subject: Subject) -> t.Iterator[Hit]:
    """unknown-key."""
    for table, pair, _statement in _uses(subject):
        if pair.name in facts.table(table):
            continue
        lines = [line for line in facts.tables_with(pair.name) if line.lower() != table]
        if pair.name in facts.table(facts.MAIN) and table:
            said = f"{pair.key} is not a key{_on_line(table)}: it stands on a line of its own"
        elif lines and not table and subject.is_template:
            # A line that the template puts together from several.
            continue
        elif lines and not table:
            said = f"{pair.key} is not a key of its own: it belongs on a {joined(lines)} line"
        elif lines:
            said = f"{pair.key} is not a key{_on_line(table)}"
        elif table in _LIKE_OTHERS and (file := _file_of(pair.name)):
            said = f"{pair.key} is not a key{_on_line(table) or ' of slurm.conf'}: it belongs in {file}"
        else:
            names = {
                key: item.name
                for key, item in facts.table(table).items()
                if any(item.span.covers(release) for release in subject.targets)
            }
            said = f"{pair.key} is not a key that Slurm knows{_on_line(table)}{nearest(pair.key, names)}"
        yield from subject.graded("unknown-key", subject.targets, pair.place, said)


def of_another_release(subject: Subject) -> t.Iterator[Hit]:
    """removed-key, not-yet-key: the release of the cluster does not know it."""
    for (table, pair, _statement), key in _known_uses(subject):
        said = f"{pair.key} was last known{_on_line(table)} in Slurm {key.span.until}"
        yield from subject.graded("removed-key", _removed_in(key, subject), pair.place, said)
        since = key.span.since
        early = [release for release in subject.targets if since and facts.parts(release) < facts.parts(since)]
        said = f"{pair.key} is known{_on_line(table)} from Slurm {since} on"
        yield from subject.graded("not-yet-key", early, pair.place, said)


def refused_or_ignored(subject: Subject) -> t.Iterator[Hit]:
    """removed-key, obsolete-key: keys that Slurm's table still has and its validation does not want."""
    for (table, pair, _statement), key in _known_uses(subject):
        if table or subject.is_open(pair.value):
            continue
        number = value_types.as_number(pair.value)
        if pair.name == "fastschedule" and number == 1:
            said = "FastSchedule=1 is what Slurm always does since 20.02"
            yield hit_at("obsolete-key", pair.place, said)
        elif pair.name == "fastschedule" and number is not None:
            said = f"FastSchedule={pair.value} ends slurmctld since Slurm 20.02"
            fix = "take it out; instead of 2 write SlurmdParameters=config_overrides"
            yield hit_at("removed-key", pair.place, said, fix=fix)
        elif (why := lists.FATAL_KEYS.get(pair.name)) and len(_removed_in(key, subject)) < len(subject.targets):
            yield hit_at("removed-key", pair.place, f"{pair.key} ends every command and daemon: {why}")


def defunct(subject: Subject) -> t.Iterator[Hit]:
    """defunct-key."""
    for (_table, pair, _statement), key in _known_uses(subject):
        removed = _removed_in(key, subject)
        bad = [release for release in subject.targets if key.is_defunct_in(release) and release not in removed]
        said = f"{pair.key} does nothing any more since Slurm {key.defunct}"
        yield from subject.graded("defunct-key", bad, pair.place, said)


def renamed(subject: Subject) -> t.Iterator[Hit]:
    """deprecated-key."""
    for (table, pair, _statement), _key in _known_uses(subject):
        if name := lists.RENAMED.get((table, pair.name)):
            since = lists.RENAMED_SINCE.get((table, pair.name), subject.targets[0])
            bad = [release for release in subject.targets if facts.parts(release) >= facts.parts(since)]
            yield from subject.graded("deprecated-key", bad, pair.place, f"{pair.key} is called {name} today")


def twice_on_a_line(subject: Subject) -> t.Iterator[Hit]:
    """duplicate-key: on a line such as NodeName's."""
    for (table, pair, statement), _key in _known_uses(subject):
        if not table or subject.is_touched(pair.place):
            continue
        earlier = next((other for other in statement.pairs[1:] if other is not pair and other.name == pair.name), None)
        if earlier and (earlier.place.line, earlier.place.column) < (pair.place.line, pair.place.column):
            said = f"{pair.key} stands twice on the line: {shown_value(earlier)} is lost"
            yield hit_at("duplicate-key", pair.place, said)


def twice(subject: Subject) -> t.Iterator[Hit]:
    """duplicate-key: a key of slurm.conf of which Slurm takes one line only."""
    winner: dict[str, Pair] = {}
    for (table, pair, _statement), key in _known_uses(subject):
        single = [
            release
            for release in subject.targets
            if key.type_in(release) not in facts.ADDING_TYPES and key.span.covers(release)
        ]
        if table or not single:
            continue
        first = winner.setdefault(pair.name, pair)
        if first is pair:
            for entry in subject.cluster.present:
                if entry.key.lower() == pair.name:
                    yield _beside(entry, pair)
        elif not (subject.is_conditional(pair) or subject.is_conditional(first)):
            said = f"{pair.key} stands in line {first.place.line} already, with {shown_value(first)}; this line wins"
            yield from subject.graded("duplicate-key", single, pair.place, said)
            winner[pair.name] = pair


def _beside(entry: Entry, pair: Pair) -> Hit:
    """A key that the cluster's slurm.conf sets, too."""
    where = f"{entry.file}:{entry.line}"
    if entry.value == pair.value:
        said = f"{pair.key} says the same in {where}"
        return hit_at("duplicate-key", pair.place, said, "info", "leave one of the two")
    present = Pair(entry.key, entry.value, pair.place, pair.place)
    said = f"{pair.key} is {shown_value(present)} in {where}; this line stands later and wins"
    if not facts.words(pair.name) and not facts.strict_words(pair.name):
        return hit_at("duplicate-key", pair.place, said, "warning", "take one of the two out")
    kept = {item.lower() for item, _at in value_types.items(pair.value)}
    lost = [word for word, _at in value_types.items(entry.value) if word.lower() not in kept]
    said += f", and its words do not add up: {', '.join(lost)} will be lost" if lost else ""
    severity: Severity = "warning" if lost else "info"
    return hit_at("duplicate-key", pair.place, said, severity, "write all words here")


CHECKS = (
    unknown,
    of_another_release,
    refused_or_ignored,
    defunct,
    renamed,
    twice_on_a_line,
    twice,
)
