# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Values: type, range, words, and secrets in a file that everybody reads."""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit, Severity, hit_at
from ...core.nearest import nearest
from .. import facts, lists, value_types
from ..grammar import Pair
from ..subject import Subject
from ..wording import shown

_SHELL_VARIABLE = re.compile(r"\$(\w+|\{\w+\}|\()")


def _given(subject: Subject) -> t.Iterator[tuple[str, Pair, facts.Key]]:
    """The keys whose values are known, each with its table."""
    for table, pair, key in subject.known_pairs:
        # Sockets=SOCKETS is a placeholder of somebody's own making.
        is_key_again = subject.is_whole and pair.value.isupper() and pair.value.lower() in pair.name
        if not subject.is_open(pair.value) and not is_key_again:
            yield table, pair, key


def _is_secret(table: str, pair: Pair) -> bool:
    return table == facts.MAIN and lists.is_secret(pair.name, pair.value)


def _has_variable(pair: Pair) -> bool:
    return pair.name not in lists.WITH_SHELL and bool(_SHELL_VARIABLE.search(pair.value))


def plain(subject: Subject) -> t.Iterator[tuple[str, Pair, facts.Key]]:
    """The same without those of which nothing more can be said: passwords, shell variables."""
    for table, pair, key in _given(subject):
        if not _is_secret(table, pair) and not _has_variable(pair):
            yield table, pair, key


def secret(subject: Subject) -> t.Iterator[Hit]:
    """secret-in-conf."""
    for table, pair, _key in _given(subject):
        if _is_secret(table, pair):
            yield hit_at("secret-in-conf", pair.value_place, f"{pair.key} holds a password")


def shell_variable(subject: Subject) -> t.Iterator[Hit]:
    """unexpanded-variable."""
    for table, pair, _key in _given(subject):
        if not _is_secret(table, pair) and _has_variable(pair):
            said = f"{pair.key}={shown(pair.value)} holds a shell variable"
            yield hit_at("unexpanded-variable", pair.value_place, said)


def kind(subject: Subject) -> t.Iterator[Hit]:
    """invalid-value: the type and the range of a value."""
    for table, pair, key in plain(subject):
        refused = [*_wrong_type(subject, pair, key)] or [*_refused(subject, table, pair)]
        yield from refused or _doubtful(table, pair)


def _wrong_type(subject: Subject, pair: Pair, key: facts.Key) -> t.Iterator[Hit]:
    wrong: dict[str, str] = {}
    for release in subject.targets:
        if key.span.covers(release) and not key.is_defunct_in(release):
            check = value_types.TYPES.get(key.type_in(release))
            if check and (said := check(pair.value)):
                wrong[release] = said
    if wrong:
        first = list(wrong.values())[0]  # noqa: RUF015 - pylint takes next() in a generator for one that may end it
        yield from subject.graded("invalid-value", list(wrong), pair.value_place, f"{pair.key}: {first}")


def _refused(subject: Subject, table: str, pair: Pair) -> t.Iterator[Hit]:
    check = value_types.REFUSED_ON_LINE.get((table, pair.name)) if table else value_types.REFUSED.get(pair.name)
    if check and (said := check(pair.value)):
        first, last = value_types.REFUSED_FROM_TO.get((table, pair.name), ("0.0", "99.99"))
        bad = [
            release for release in subject.targets if facts.parts(first) <= facts.parts(release) <= facts.parts(last)
        ]
        yield from subject.graded("invalid-value", bad, pair.value_place, f"{pair.key}: {said}")


def _doubtful(table: str, pair: Pair) -> t.Iterator[Hit]:
    check = value_types.DOUBTFUL_ON_LINE.get((table, pair.name)) if table else value_types.DOUBTFUL.get(pair.name)
    if check and (said := check(pair.value)):
        severity: Severity = "info" if pair.name in value_types.HARMLESS else "warning"
        said = f"{pair.key}: {said}; Slurm complains of it or replaces it"
        yield hit_at("invalid-value", pair.value_place, said, severity)


def task_plugin_param(subject: Subject) -> t.Iterator[Hit]:
    """invalid-value: words of TaskPluginParam that came later."""
    for table, pair, _key in plain(subject):
        if table or pair.name != "taskpluginparam":
            continue
        for item, _at in value_types.items(pair.value):
            since = value_types.TASK_PLUGIN_PARAM_SINCE.get(item.lower(), "0.0")
            early = [release for release in subject.targets if facts.parts(release) < facts.parts(since)]
            said = f"{pair.key}: {item} is known since {since} only"
            yield from subject.graded("invalid-value", early, pair.value_place, said)


def words(subject: Subject) -> t.Iterator[Hit]:
    """invalid-value: the words of a comma list."""
    for table, pair, _key in plain(subject):
        if table or pair.name in value_types.OPEN_LISTS:
            continue
        strict = facts.strict_words(pair.name)
        known = strict or facts.words(pair.name)
        more = frozenset() if strict else value_types.MORE_WORDS.get(pair.name, frozenset())
        for item, offset in value_types.items(pair.value, is_strict=bool(strict)) if known else ():
            name = item.partition("=")[0]
            # A path instead of words is the old way to name munge's socket.
            if name and not name.startswith("/") and not subject.is_open(item) and name.lower() not in more:
                yield from _word(subject, pair, item, offset)


def _word(subject: Subject, pair: Pair, item: str, offset: int) -> t.Iterator[Hit]:
    """One word; Slurm refuses the wrong ones of a strict list, and takes any in the others."""
    place = pair.within_value(offset)
    name, separator, value = item.partition("=")
    strict = facts.strict_words(pair.name)
    known = strict or facts.words(pair.name)
    word = known.get(item.lower() if strict else name.strip().lower())
    severity: Severity | None = None if strict and pair.name not in value_types.PATIENT else "warning"
    if word is None:
        names = [
            other.name for other in known.values() if any(other.span.covers(release) for release in subject.targets)
        ]
        effect = "" if strict else "; Slurm takes it without a word and does nothing"
        said = f"{pair.key}: {shown(item)} is not a word of it{nearest(name, names)}{effect}"
        yield from subject.graded("invalid-value", subject.targets, place, said, severity)
        return
    since, until = word.span.since, word.span.until
    if missing := word.span.missing_in(subject.targets):
        # A word that was known once was mostly made the rule, or moved: no harm in itself.
        if until and not strict:
            severity = "info"
        span = f"since {since}" if since and not until else f"until {until}"
        said = f"{pair.key}: {word.name} is known {span} only"
        yield from subject.graded("invalid-value", missing, place, said, severity)
    elif word.is_number and not strict and not re.match(r"\s*-?\d", value):
        what = f"{value!r} is not a number" if separator else "it wants a number"
        said = f"{pair.key}: {name}: {what}"
        yield hit_at("invalid-value", place, said, "warning", f"write {name}=number")


def path(subject: Subject) -> t.Iterator[Hit]:
    """insecure-path, relative-path."""
    for table, pair, _key in plain(subject):
        value = pair.value
        if table or pair.name not in lists.PATHS or not value or value.lower() in ("none", "(null)", "n/a"):
            continue
        is_trusted = lists.PATHS[pair.name] in ("directory", "program")
        if is_trusted and re.match(r"(/var)?/tmp(/|$)|/dev/shm(/|$)|/usr/tmp(/|$)", value):
            said = f"{pair.key}={value} is below a directory of everybody's"
            yield hit_at("insecure-path", pair.value_place, said)
        if not value.startswith("/"):
            bad = [release for release in subject.targets if not lists.may_be_relative(pair.name, value, release)]
            is_of_slurmctld = pair.name in ("prologslurmctld", "epilogslurmctld")
            severity: Severity = "error" if is_of_slurmctld and bad and facts.parts(bad[0]) >= (23, 2) else "warning"
            said = f"{pair.key}={value} does not begin with /"
            yield from subject.graded("relative-path", bad, pair.value_place, said, severity)


def insecure(subject: Subject) -> t.Iterator[Hit]:
    """insecure-setting."""
    for table, pair, _key in plain(subject):
        if not table and pair.name in lists.INSECURE:
            bad, why = lists.INSECURE[pair.name]
            if pair.value.lower() in bad:
                yield hit_at("insecure-setting", pair.value_place, f"{pair.key}={pair.value}: {why}")


CHECKS = (
    secret,
    shell_variable,
    kind,
    task_plugin_param,
    words,
    path,
    insecure,
)
