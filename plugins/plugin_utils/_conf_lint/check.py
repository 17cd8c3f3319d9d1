# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Judge slurm.conf lines key by key. Pure: no files, no network, no Slurm."""

from __future__ import annotations

import dataclasses
import difflib
import re
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _hostlist
from ansible_collections.nodecycle.slurm.plugins.module_utils._conf import Entry

from . import combinations, grammar, keys, lists, values
from .grammar import Pair, Place, Statement
from .model import SEVERITIES, Finding, Hit, Severity
from .rules import RULES
from .template import Template

#: What stands in a finding where the script linter has the hook.
FILE = "slurm.conf"


def check(
    extra: str,
    *,
    version: str | None,
    present: t.Sequence[Entry] = (),
    placed: t.Sequence[Entry] = (),
    managed: t.Collection[str] = (),
    nodes: t.Collection[str] | None = None,
    partitions: t.Collection[str] | None = None,
    origin: str = "slurm_extra_conf",
) -> list[Finding]:
    """What is wrong with the user's lines, which will stand behind those of the cluster's slurm.conf.

    version is the cluster's release ("24.11", "slurm 24.11.5"; None: it must suit every supported one), present the
    keys of its slurm.conf without ours (module_utils/_conf.tree), placed those of our file as it stands there (what it
    says already is no change that could want a restart or lose jobs), managed the keys that this collection sets, nodes
    and partitions what the cluster has (None: not known). origin is the variable that the text comes from.
    """
    checker = _Checker(
        extra, version, present=present, placed=placed, managed=managed, nodes=nodes, partitions=partitions
    )
    return _findings(checker.run(), origin, origin)


def check_file(text: str, *, version: str | None = None, origin: str = "slurm.conf", path: str = "") -> list[Finding]:
    """What is wrong with a whole slurm.conf. A template (Jinja, ERB, Go) is judged as far as it can be without its values."""
    return _findings(_Checker(text, version, is_whole=True).run(), path or origin, origin)


def _findings(hits: t.Iterable[Hit], script: str, origin: str) -> list[Finding]:
    found = []
    for hit in hits:
        rule = RULES[hit.rule]
        severity, fix = hit.severity or rule.severity, hit.fix or rule.fix
        found.append(Finding(rule.id, severity, FILE, script, origin, hit.line, hit.column, hit.message, rule.why, fix))
    return sorted(
        found, key=lambda finding: (finding.line, finding.column, SEVERITIES.index(finding.severity), finding.rule)
    )


def nearest(word: str, known: t.Mapping[str, str] | t.Iterable[str]) -> str:
    """A hint at the known word that was probably meant, or nothing. Keys of a mapping are compared, its values shown."""
    names = known if isinstance(known, t.Mapping) else {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), list(names), n=1, cutoff=0.75)
    return f"; did you mean {names[close[0]]}?" if close else ""


def _and(names: t.Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


@dataclasses.dataclass
class _Names:
    """Node names: where each is defined, and whether that is all of them."""

    defined: dict[str, Place] = dataclasses.field(default_factory=dict)
    sets: set[str] = dataclasses.field(default_factory=set)
    is_complete: bool = True


class _Checker:
    def __init__(
        self,
        text: str,
        version: str | None,
        *,
        present: t.Sequence[Entry] = (),
        placed: t.Sequence[Entry] = (),
        managed: t.Collection[str] = (),
        nodes: t.Collection[str] | None = None,
        partitions: t.Collection[str] | None = None,
        is_whole: bool = False,
    ) -> None:
        self._text = text
        self._targets = keys.targets(version)
        self._is_newer = keys.is_newer_than_facts(version)
        self._is_whole = is_whole
        self._template = Template(text) if is_whole else None
        self._nodes = nodes
        self._partitions = partitions
        self._managed = {key.lower() for key in managed}
        self._present = list(present)
        self._placed = list(placed)
        self._hits: list[Hit] = []
        self._first: dict[str, Pair] = {}
        self._effective: dict[str, combinations.Setting] = {}
        self._statements: list[Statement] = []

    def run(self) -> list[Hit]:
        """All hits."""
        text = self._template.text if self._template else self._text
        self._check_text(text)
        for entry in self._present:
            if entry.key.lower() not in keys.LINE_KEYS:
                self._effective[entry.key.lower()] = combinations.Setting(
                    entry.key, entry.value, None, f"{entry.file}:{entry.line}"
                )
        self._statements = list(grammar.statements(text, keys.LINE_KEYS))
        for statement in self._statements:
            self._check_statement(statement)
        self._check_combinations()
        self._check_nodes()
        self._check_partitions()
        return self._hits

    # What every check needs

    def _hit(
        self, rule: str, place: Place, message: str, key: str, severity: Severity | None = None, fix: str = ""
    ) -> None:
        self._hits.append(Hit(rule, place.line, place.column, message, severity, fix, key))

    def _graded(
        self,
        rule: str,
        bad: t.Sequence[str],
        place: Place,
        message: str,
        key: str,
        fix: str = "",
        severity: Severity | None = None,
    ) -> None:
        """A hit that holds for some of the releases in question: the less of them, the milder."""
        if not bad:
            return
        worst = severity or RULES[rule].severity
        if len(bad) < len(self._targets):
            message += f" (Slurm {_and(list(bad))})"
            mild: Severity = "warning" if self._targets[-1] in bad else "info"
            worst = max(worst, mild, key=SEVERITIES.index)
        if self._is_newer and worst == "error" and rule in ("unknown-key", "invalid-value", "removed-plugin"):
            worst = "warning"
            message += f" as far as is known up to Slurm {self._targets[-1]}"
        self._hit(rule, place, message, key, worst, fix)

    def _is_open(self, value: str) -> bool:
        """Whether a value is still to be filled in."""
        return values.is_placeholder(value) or (self._template is not None and self._template.is_filled_in(value))

    def _is_key_again(self, pair: Pair) -> bool:
        """Sockets=SOCKETS: a placeholder of somebody's own making, in a whole file."""
        return self._is_whole and pair.value.isupper() and pair.value.lower() in pair.name

    # The text and its lines

    def _check_text(self, text: str) -> None:
        if text.startswith("\ufeff"):
            self._hit(
                "syntax-error",
                Place(1, 1),
                "a byte order mark stands before the first key, which so becomes no key",
                "",
            )
        if "\0" in text:
            line = text[: text.index("\0")].count("\n") + 1
            self._hit("syntax-error", Place(line, 1), "a NUL byte ends the line for Slurm", "", "warning")

    def _check_statement(self, statement: Statement) -> None:
        if statement.include is not None:
            self._check_include(statement)
            return
        head = statement.head
        if head is None:
            self._check_no_key(statement)
            return
        known = self._check_key(keys.MAIN, head, statement)
        if statement.cut_quote:
            self._hit(
                "syntax-error",
                statement.cut_quote,
                f"the # ends the value of {head.key} in the middle of its quotes",
                head.key,
                None if statement.rest else "warning",
                r"write \# for a # that belongs to the value",
            )
        elif not self._is_open(head.value) and head.value.startswith('"') and not head.is_quoted and not statement.rest:
            self._hit(
                "syntax-error",
                head.value_place,
                f"the quotes of {head.key}'s value do not match; Slurm takes them into the value",
                head.key,
                "warning",
            )
        if known is None:
            return
        self._check_rest(statement, head)
        self._note(head, known)
        self._check_value(keys.MAIN, known, head)
        if head.name in keys.LINE_KEYS:
            self._check_line(statement, head)
        elif not self._is_whole:
            self._check_change(head)

    def _check_include(self, statement: Statement) -> None:
        name = statement.include or ""
        place = statement.place
        if self._template and self._template.is_touched(place.line):
            return
        if not name:
            self._hit("syntax-error", place, "Include names no file", "Include")
        elif statement.rest.strip(grammar.BLANK):
            self._hit(
                "syntax-error",
                statement.rest_place,
                f"Include takes one name, and {statement.rest.strip()!r} is left over",
                "Include",
            )
        elif '"' in name or "'" in name:
            self._hit(
                "syntax-error",
                place,
                "Include takes the quotes for a part of the name",
                "Include",
                fix="write the name without quotes",
            )
        elif "*" in name:
            self._hit("syntax-error", place, "Include knows no wildcards", "Include", fix="name each file")
        elif statement.beyond:
            said = f"no blank and no newline ends the name {name}: Slurm reads on, into {_shown(statement.beyond)}"
            self._hit(
                "syntax-error",
                place,
                said,
                "Include",
                fix="end the line with a newline, and put a blank before a comment",
            )
        if not self._is_whole:
            self._hit(
                "include-line", place, f"Include {name}: this file is neither checked nor placed nor undone", "Include"
            )

    def _check_no_key(self, statement: Statement) -> None:
        text = statement.text.strip(grammar.BLANK)
        if self._template and self._template.is_touched(statement.place.line):
            return
        if re.match(r"include\s", text, re.IGNORECASE):
            self._hit(
                "syntax-error",
                statement.place,
                "Include stands behind blanks, where Slurm does not see it as one",
                "Include",
                fix="begin the line with Include",
            )
        elif match := re.match(r"([\w.]+)[ \t]*[-*+/]?=[ \t]*$", text):
            known = keys.table(keys.MAIN).get(match.group(1).lower())
            if known is None or known.span.missing_in(self._targets):
                # The unknown key says more than the value that is missing.
                self._check_key(keys.MAIN, Pair(match.group(1), "", statement.place, statement.place), statement)
                if known is None:
                    return
            self._hit(
                "syntax-error",
                statement.place,
                f"{match.group(1)}= has no value",
                match.group(1),
                fix='write "" for an empty one, or take the line out',
            )
        else:
            severity: Severity | None = "info" if self._is_whole and self._is_open(text) else None
            self._hit("syntax-error", statement.place, f"{_shown(text)} is no Key=value", "", severity)

    def _check_rest(self, statement: Statement, head: Pair) -> None:
        if not statement.rest or statement.cut_quote:
            if statement.rest and statement.cut_quote:
                return
            return
        if self._template and self._template.is_touched(statement.place.line):
            return
        last = statement.pairs[-1]
        rest = _shown(statement.rest)
        fix = ""
        if last.value.startswith("'"):
            said, fix = f"{rest} is left over: single quotes mean nothing to Slurm", "use double quotes"
        elif last.value.startswith('"') and not last.is_quoted:
            said = f"the quotes of {last.key}'s value do not match, and {rest} is left over"
        elif last.value.endswith(",") and not last.is_quoted:
            said, fix = (
                f"{rest} is left over: a blank ends the value",
                "write the list without blanks, or in double quotes",
            )
        elif statement.is_continued and statement.rest_place.line != last.place.line:
            said = f"{rest} is left over: the blanks at the beginning of a continued line end the value"
            fix = "begin the continued line in the first column"
        elif re.match(r"[\w.]+\s*[-*+/]?=\s*[^\s]", statement.rest) and head.name not in keys.LINE_KEYS:
            said, fix = (
                f"{rest} stands on the line of {head.key}: Slurm takes one key a line",
                "put it on a line of its own",
            )
        elif re.fullmatch(r"[\w.]+\s*[-*+/]?=", statement.rest):
            said, fix = f"{rest} has no value", 'write "" for an empty one, or take it out'
        else:
            said = f"{rest} is left over after the value of {last.key}"
        self._hit("syntax-error", statement.rest_place, said, last.key, fix=fix)

    # Keys

    def _check_key(self, table: str, pair: Pair, statement: Statement) -> keys.Key | None:
        """Judge the key; return what is known of it unless no release in question knows it."""
        known = keys.table(table).get(pair.name)
        line = keys.LINE_KEYS.get(table, "")
        on_line = f" on a {line} line" if line else ""
        if known is None:
            self._hit_unknown(table, pair, on_line)
            return None
        missing = known.span.missing_in(self._targets)
        until, since = known.span.until, known.span.since
        removed = [release for release in missing if until and keys.parts(release) > keys.parts(until)]
        early = [release for release in missing if since and keys.parts(release) < keys.parts(since)]
        if removed:
            self._graded(
                "removed-key", removed, pair.place, f"{pair.key} was last known{on_line} in Slurm {until}", pair.key
            )
        if early:
            self._graded(
                "not-yet-key", early, pair.place, f"{pair.key} is known{on_line} from Slurm {since} on", pair.key
            )
        if table == keys.MAIN and not self._is_open(pair.value):
            self._check_obsolete(pair, [release for release in self._targets if release not in removed])
        defunct = [release for release in self._targets if known.is_defunct_in(release) and release not in removed]
        self._graded(
            "defunct-key",
            defunct,
            pair.place,
            f"{pair.key} does nothing any more since Slurm {known.defunct}",
            pair.key,
        )
        if name := lists.RENAMED.get((table, pair.name)):
            since = lists.RENAMED_SINCE.get((table, pair.name), self._targets[0])
            renamed = [release for release in self._targets if keys.parts(release) >= keys.parts(since)]
            self._graded("deprecated-key", renamed, pair.place, f"{pair.key} is called {name} today", pair.key)
        self._check_duplicate(table, known, pair, statement)
        return None if len(missing) == len(self._targets) else known

    def _hit_unknown(self, table: str, pair: Pair, on_line: str) -> None:
        everywhere = keys.table(table)
        names = {
            key: item.name
            for key, item in everywhere.items()
            if any(item.span.covers(release) for release in self._targets)
        }
        lines = [line for line in keys.tables_with(pair.name) if line.lower() != table]
        if pair.name in keys.table(keys.MAIN) and table:
            said = f"{pair.key} is no key{on_line}: it stands on a line of its own"
        elif lines and not table and self._template and self._template.is_one:
            # A line that the template puts together from several.
            return
        elif lines:
            said = (
                f"{pair.key} is no key of its own: it belongs on a {_and(lines)} line"
                if not table
                else f"{pair.key} is no key{on_line}"
            )
        else:
            said = f"{pair.key} is no key that Slurm knows{on_line}{nearest(pair.key, names)}"
        self._graded("unknown-key", self._targets, pair.place, said, pair.key)

    def _check_obsolete(self, pair: Pair, releases: t.Sequence[str]) -> None:
        """Keys that Slurm's table still has and its validation does not want."""
        if pair.name == "fastschedule" and values.as_number(pair.value) is not None:
            if values.as_number(pair.value) == 1:
                self._hit("obsolete-key", pair.place, "FastSchedule=1 is what Slurm always does since 20.02", pair.key)
            else:
                fix = "take it out; instead of 2 write SlurmdParameters=config_overrides"
                self._hit(
                    "removed-key",
                    pair.place,
                    f"FastSchedule={pair.value} ends slurmctld since Slurm 20.02",
                    pair.key,
                    fix=fix,
                )
        elif (said := lists.FATAL_KEYS.get(pair.name)) and releases:
            self._hit("removed-key", pair.place, f"{pair.key} ends every command and daemon: {said}", pair.key)

    def _check_duplicate(self, table: str, known: keys.Key, pair: Pair, statement: Statement) -> None:
        if table:
            if self._template and self._template.is_touched(pair.place.line):
                return
            earlier = next(
                (other for other in statement.pairs[1:] if other is not pair and other.name == pair.name), None
            )
            if earlier and (earlier.place.line, earlier.place.column) < (pair.place.line, pair.place.column):
                self._hit(
                    "duplicate-key",
                    pair.place,
                    f"{pair.key} stands twice on the line: {_value(earlier)} is lost",
                    pair.key,
                )
            return
        single = [
            release
            for release in self._targets
            if known.type_in(release) not in keys.ADDING_TYPES and known.span.covers(release)
        ]
        first = self._first.setdefault(pair.name, pair)
        if first is not pair and single:
            if self._template and (
                self._template.is_conditional(pair.place.line) or self._template.is_conditional(first.place.line)
            ):
                return
            said = f"{pair.key} stands in line {first.place.line} already, with {_value(first)}; this line wins"
            self._graded("duplicate-key", single, pair.place, said, pair.key)
            self._first[pair.name] = pair
        for entry in self._present:
            if entry.key.lower() == pair.name and single and first is pair:
                self._check_present(entry, pair)
        if pair.name in self._managed:
            self._hit("managed-key", pair.place, f"{pair.key} is set by this collection", pair.key)

    def _check_present(self, entry: Entry, pair: Pair) -> None:
        if entry.value == pair.value:
            self._hit(
                "duplicate-key",
                pair.place,
                f"{pair.key} says the same in {entry.file}:{entry.line}",
                pair.key,
                "info",
                "leave one of the two",
            )
            return
        said = f"{pair.key} is {_value(Pair(entry.key, entry.value, pair.place, pair.place))} in {entry.file}:{entry.line}; this line stands later and wins"
        fix = "take one of the two out"
        severity: Severity = "warning"
        if keys.words(pair.name) or keys.strict_words(pair.name):
            lost = [
                word
                for word, _at in values.items(entry.value)
                if word.lower() not in {item.lower() for item, _at in values.items(pair.value)}
            ]
            said += f", and its words do not add up: {', '.join(lost)} will be lost" if lost else ""
            fix = "write all words here"
            severity = "warning" if lost else "info"
        self._hit("duplicate-key", pair.place, said, pair.key, severity, fix)

    def _check_change(self, pair: Pair) -> None:
        """What a change on a running cluster means."""
        settled = [*self._present, *self._placed]
        if any(entry.key.lower() == pair.name and entry.value == pair.value for entry in settled):
            return
        if said := lists.DANGEROUS.get(pair.name):
            severity: Severity = "error" if pair.name in lists.FORBIDDEN else "warning"
            self._hit("dangerous-key", pair.place, f"{pair.key}: {said}", pair.key, severity)
            return
        bad = [release for release in self._targets if lists.needs_restart(pair.name, pair.value, release)]
        self._graded("restart-key", bad, pair.place, f"{pair.key} is applied by a restart only", pair.key)
        if lists.is_lua(pair.name, pair.value):
            self._hit(
                "fatal-combination",
                pair.place,
                f"{pair.key}=lua wants its script beside slurm.conf; without it the daemon ends",
                pair.key,
                "info",
                "place it on every host that needs it first",
            )

    def _note(self, pair: Pair, known: keys.Key) -> None:
        if self._is_conditional(pair):
            self._effective[pair.name] = combinations.Setting(pair.key, None, pair.value_place, "")
        elif not self._is_open(pair.value) and known.type_in(self._targets[-1]) not in keys.ADDING_TYPES:
            self._effective[pair.name] = combinations.Setting(pair.key, pair.value, pair.value_place, "")
        elif self._is_open(pair.value):
            self._effective[pair.name] = combinations.Setting(pair.key, None, pair.value_place, "")

    # Values

    def _check_value(self, table: str, known: keys.Key, pair: Pair) -> None:
        if self._is_open(pair.value) or self._is_key_again(pair):
            return
        is_secret = table == keys.MAIN and lists.is_secret(pair.name, pair.value)
        if is_secret:
            self._hit("secret-in-conf", pair.value_place, f"{pair.key} holds a password", pair.key)
            return
        if "$" in pair.value and re.search(r"\$(\w+|\{\w+\}|\()", pair.value) and pair.name not in lists.WITH_SHELL:
            self._hit(
                "unexpanded-variable",
                pair.value_place,
                f"{pair.key}={_shown(pair.value)} holds a shell variable",
                pair.key,
            )
            return
        self._check_type(table, known, pair)
        if table == keys.MAIN:
            self._check_words(pair)
            if not known.is_defunct_in(self._targets[-1]):
                self._check_plugin(pair)
            self._check_path(pair)
            if pair.name in lists.INSECURE and pair.value.lower() in lists.INSECURE[pair.name][0]:
                self._hit(
                    "insecure-setting",
                    pair.value_place,
                    f"{pair.key}={pair.value}: {lists.INSECURE[pair.name][1]}",
                    pair.key,
                )

    def _check_type(self, table: str, known: keys.Key, pair: Pair) -> None:
        wrong: dict[str, str] = {}
        for release in self._targets:
            if known.span.covers(release) and not known.is_defunct_in(release):
                type_check = values.TYPES.get(known.type_in(release))
                wrong[release] = type_check(pair.value) if type_check else ""
        said = next(filter(None, wrong.values()), "")
        if said:
            self._graded(
                "invalid-value",
                [release for release, text in wrong.items() if text],
                pair.value_place,
                f"{pair.key}: {said}",
                pair.key,
            )
            return
        further = values.REFUSED_ON_LINE.get((table, pair.name)) if table else values.REFUSED.get(pair.name)
        if further and (said := further(pair.value)):
            first, last = values.REFUSED_FROM_TO.get((table, pair.name), ("0.0", "99.99"))
            bad = [release for release in self._targets if keys.parts(first) <= keys.parts(release) <= keys.parts(last)]
            self._graded("invalid-value", bad, pair.value_place, f"{pair.key}: {said}", pair.key)
            if bad:
                return
        doubtful = values.DOUBTFUL_ON_LINE.get((table, pair.name)) if table else values.DOUBTFUL.get(pair.name)
        if doubtful and (said := doubtful(pair.value)):
            self._hit(
                "invalid-value",
                pair.value_place,
                f"{pair.key}: {said}; Slurm complains of it or replaces it",
                pair.key,
                "info" if pair.name in values.HARMLESS else "warning",
            )

    def _check_words(self, pair: Pair) -> None:
        if pair.name == "taskpluginparam":
            for item, _at in values.items(pair.value):
                since = values.TASK_PLUGIN_PARAM_SINCE.get(item.lower(), "0.0")
                early = [release for release in self._targets if keys.parts(release) < keys.parts(since)]
                said = f"{pair.key}: {item} is known since {since} only"
                self._graded("invalid-value", early, pair.value_place, said, pair.key)
        strict = keys.strict_words(pair.name)
        known = strict or keys.words(pair.name)
        if not known or pair.name in values.OPEN_LISTS:
            return
        more = values.MORE_WORDS.get(pair.name, frozenset())
        for item, offset in values.items(pair.value, is_strict=bool(strict)):
            name, separator, value = item.partition("=")
            # A path instead of words is the old way to name munge's socket.
            if not name or name.startswith("/") or self._is_open(item) or (not strict and name.lower() in more):
                continue
            place = Place(pair.value_place.line, pair.value_place.column + offset)
            word = known.get(item.lower() if strict else name.strip().lower())
            severity: Severity | None = None if strict and pair.name not in values.PATIENT else "warning"
            if word is None:
                hint = nearest(
                    name,
                    [
                        other.name
                        for other in known.values()
                        if any(other.span.covers(release) for release in self._targets)
                    ],
                )
                effect = "" if strict else "; Slurm takes it without a word and does nothing"
                self._graded(
                    "invalid-value",
                    self._targets,
                    place,
                    f"{pair.key}: {_shown(item)} is no word of it{hint}{effect}",
                    pair.key,
                    severity=severity,
                )
                continue
            missing = word.span.missing_in(self._targets)
            if missing:
                # A word that was known once was mostly made the rule, or moved: no harm in itself.
                if word.span.until and not strict:
                    severity = "info"
                span = (
                    f"since {word.span.since}"
                    if word.span.since and not word.span.until
                    else f"until {word.span.until}"
                )
                self._graded(
                    "invalid-value",
                    missing,
                    place,
                    f"{pair.key}: {word.name} is known {span} only",
                    pair.key,
                    severity=severity,
                )
            elif word.is_number and not strict and not re.match(r"\s*-?\d", value):
                what = f"{value!r} is no number" if separator else "it wants a number"
                self._hit(
                    "invalid-value", place, f"{pair.key}: {name}: {what}", pair.key, "warning", f"write {name}=number"
                )

    def _check_plugin(self, pair: Pair) -> None:
        kind = keys.plugin_kinds().get(pair.name)
        if not kind:
            return
        for item, offset in values.items(pair.value):
            place = Place(pair.value_place.line, pair.value_place.column + offset)
            prefix, slash, name = item.rpartition("/")
            lower = name.lower()
            if lists.is_no_plugin(pair.name, lower) or (slash and prefix.lower() not in (kind, "cred", "crypto")):
                if slash and prefix.lower() not in (kind, "cred", "crypto") and not prefix.startswith("/"):
                    self._hit("unknown-plugin", place, f"{pair.key}: {item} is no {kind} plugin", pair.key)
                continue
            lower = lists.PLUGIN_ALIASES.get((kind, lower), lower)
            known = keys.plugins("cred" if kind == "crypto" else kind)
            if kind in ("cred", "crypto") and lower == "slurm":
                # Slurm loads auth/slurm for it (src/interfaces/cred.c).
                known = keys.plugins("auth")
            if (
                kind == "job_container"
                and keys.parts(self._targets[-1]) >= (25, 11)
                and lower in keys.plugins("namespace")
            ):
                # 25.11 looks for namespace/tmpfs when it is told job_container/tmpfs.
                continue
            word = known.get(lower) or keys.plugins(kind).get(lower)
            if word is None:
                if (kind, lower) in lists.FORGOTTEN_PLUGINS:
                    self._graded(
                        "removed-plugin", self._targets, place, f"{pair.key}: {item} is no plugin any more", pair.key
                    )
                elif kind not in lists.OPEN_KINDS:
                    hint = nearest(name, [other.name for other in known.values()])
                    self._graded(
                        "unknown-plugin",
                        self._targets,
                        place,
                        f"{pair.key}: Slurm has no plugin {item}{hint}",
                        pair.key,
                    )
                continue
            gone = self._targets if lower not in known else word.span.missing_in(self._targets)
            until, since = word.span.until, word.span.since
            removed = [
                release for release in gone if lower not in known or (until and keys.parts(release) > keys.parts(until))
            ]
            early = [release for release in gone if release not in removed]
            self._graded(
                "removed-plugin", removed, place, f"{pair.key}: {item} was last a plugin in Slurm {until}", pair.key
            )
            self._graded(
                "unknown-plugin",
                early,
                place,
                f"{pair.key}: {item} is a plugin from Slurm {since} on",
                pair.key,
                severity="error",
            )

    def _check_path(self, pair: Pair) -> None:
        path = pair.value
        if pair.name not in lists.PATHS or not path or path.lower() in ("none", "(null)", "n/a"):
            return
        kind = lists.PATHS[pair.name]
        if kind in ("directory", "program") and re.match(r"(/var)?/tmp(/|$)|/dev/shm(/|$)|/usr/tmp(/|$)", path):
            self._hit(
                "insecure-path", pair.value_place, f"{pair.key}={path} is below a directory of everybody's", pair.key
            )
        if path.startswith("/"):
            return
        bad = [release for release in self._targets if not lists.may_be_relative(pair.name, path, release)]
        severity: Severity = (
            "error"
            if pair.name in ("prologslurmctld", "epilogslurmctld") and bad and keys.parts(bad[0]) >= (23, 2)
            else "warning"
        )
        self._graded(
            "relative-path",
            bad,
            pair.value_place,
            f"{pair.key}={path} does not begin with /",
            pair.key,
            severity=severity,
        )

    # Lines with keys of their own

    def _check_line(self, statement: Statement, head: Pair) -> None:
        table = head.name
        for pair in statement.pairs[1:]:
            known = self._check_key(table, pair, statement)
            if known is not None:
                self._check_value(table, known, pair)
        given = {pair.name: pair for pair in statement.pairs[1:]}
        if self._is_open(head.value):
            return
        if table == "nodename":
            self._check_node_line(head, given)
        elif table == "partitionname":
            for allowed, denied in (("allowaccounts", "denyaccounts"), ("allowqos", "denyqos")):
                if allowed in given and denied in given:
                    said = f"{given[denied].key} is ignored beside {given[allowed].key}"
                    self._hit("fatal-combination", given[denied].place, said, given[denied].key, "warning")

    def _check_node_line(self, head: Pair, given: t.Mapping[str, Pair]) -> None:
        if head.value.lower() == "all":
            self._hit("invalid-value", head.value_place, "NodeName=ALL: the name is Slurm's own", head.key)
        if head.value.lower() == "default":
            for name in ("nodehostname", "nodeaddr", "bcastaddr"):
                if name in given:
                    self._hit(
                        "fatal-combination",
                        given[name].place,
                        f"{given[name].key} does not go with NodeName=DEFAULT",
                        given[name].key,
                    )
            return
        state = given.get("state")
        if state and not self._is_open(state.value) and state.value.upper() not in values.NODE_STATES:
            meant = nearest(state.value, values.NODE_STATES)
            said = f"State of a node: {state.value!r} is none of {', '.join(values.NODE_STATES)}; slurmctld ends at it{meant}"
            self._hit("invalid-value", state.value_place, said, state.key)
        self._check_topology(given)

    def _check_topology(self, given: t.Mapping[str, Pair]) -> None:
        """CPUs against the product of the rest (read_config.c, _parse_nodename)."""
        numbers: dict[str, int] = {}
        for name in ("cpus", "procs", "boards", "sockets", "socketsperboard", "corespersocket", "threadspercore"):
            if name in given:
                number = values.as_number(given[name].value)
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
        else:
            sockets = (
                cpus // (cores * threads)
                if cpus % (cores * threads) == 0 and cpus >= cores * threads
                else numbers.get("boards", 1)
            )
        if cpus not in (sockets, sockets * cores, sockets * cores * threads):
            pair = given.get("cpus") or given["procs"]
            said = f"{pair.key}={cpus}, and Sockets*CoresPerSocket*ThreadsPerCore is {sockets * cores * threads}; slurmctld takes that instead"
            self._hit("node-topology", pair.place, said, pair.key)

    # What needs more than one line

    def _check_combinations(self) -> None:
        has_include = any(statement.include is not None for statement in self._statements)
        is_complete = (self._is_whole and not has_include and not (self._template and self._template.is_one)) or bool(
            self._present
        )
        for found in combinations.problems(self._effective, self._targets, is_complete):
            setting = next(
                (
                    self._effective[name]
                    for name in found.keys
                    if name in self._effective and self._effective[name].place
                ),
                None,
            )
            if setting and setting.place:
                self._graded(
                    "fatal-combination",
                    found.releases,
                    setting.place,
                    found.message,
                    setting.key,
                    severity=found.severity,
                )

    def _lines(self, key: str) -> t.Iterator[Statement]:
        for statement in self._statements:
            if statement.head and statement.head.name == key:
                yield statement

    def _present_lines(self, key: str) -> t.Iterator[Statement]:
        for entry in self._present:
            if entry.key.lower() == key:
                yield from grammar.statements(entry.value, keys.LINE_KEYS)

    def _known_nodes(self) -> _Names:
        """The nodes that there will be."""
        names = _Names()
        if self._nodes is not None:
            names.defined.update({name: Place(0, 0) for name in self._nodes})
        elif not self._is_whole and not any(entry.key.lower() == "nodename" for entry in self._present):
            names.is_complete = False
        if any(statement.include is not None for statement in self._statements) and self._is_whole:
            names.is_complete = False
        own: dict[str, Place] = {}
        for statement, is_present in [
            *((line, True) for line in self._present_lines("nodename")),
            *((line, False) for line in self._lines("nodename")),
        ]:
            head = statement.pairs[0]
            if head.value.upper() == "DEFAULT":
                continue
            try:
                expanded = _hostlist.expand(head.value)
            except _hostlist.HostlistError:
                names.is_complete = False
                continue
            place = Place(0, 0) if is_present else head.value_place
            if not is_present and not self._is_conditional(head):
                twice = [name for name in expanded if name in own]
                if twice:
                    where = f"line {own[twice[0]].line}" if own[twice[0]].line else "the cluster's slurm.conf"
                    self._hit(
                        "duplicate-node",
                        head.value_place,
                        f"{_hostlist.fold(twice)} is defined in {where} already",
                        head.key,
                    )
            for name in expanded:
                own.setdefault(name, place)
        names.defined.update(own)
        for statement in [*self._present_lines("nodeset"), *self._lines("nodeset")]:
            names.sets.add(statement.pairs[0].value.lower())
        if self._is_whole and not own:
            names.is_complete = False
        return names

    def _is_conditional(self, pair: Pair) -> bool:
        return self._template is not None and self._template.is_conditional(pair.place.line)

    def _check_nodes(self) -> None:
        names = self._known_nodes()
        users: list[tuple[Pair, Severity, str]] = []
        for statement in [*self._lines("partitionname"), *self._lines("nodeset")]:
            head = statement.pairs[0]
            users.extend(
                (pair, "error", f"{head.key} {head.value}") for pair in statement.pairs[1:] if pair.name == "nodes"
            )
        users.extend((statement.pairs[0], "warning", "DownNodes") for statement in self._lines("downnodes"))
        for pair, severity, what in users:
            if self._is_open(pair.value) or pair.value.upper() in ("ALL", "(NULL)", ""):
                continue
            wanted = [item for item, _at in values.items(pair.value)] if "[" not in pair.value else [pair.value]
            text = ",".join(item for item in wanted if item.lower() not in names.sets and item.upper() != "ALL")
            if not text:
                continue
            try:
                expanded = _hostlist.expand(text)
            except _hostlist.HostlistError as exc:
                if not re.search(r"\][^,\[]*\[|[${}<>%]|\]\w", text):
                    self._hit(
                        "undefined-node",
                        pair.value_place,
                        f"{what} names nodes by what is no hostlist expression: {exc}",
                        pair.key,
                        severity,
                    )
                continue
            unknown = [name for name in expanded if name not in names.defined and name.lower() not in names.sets]
            if unknown and names.is_complete and not (self._template and self._template.is_one):
                hint = nearest(unknown[0], list(names.defined)) if len(unknown) == 1 else ""
                self._hit(
                    "undefined-node",
                    pair.value_place,
                    f"{what} names {_hostlist.fold(unknown)}, which no NodeName line defines{hint}",
                    pair.key,
                    severity,
                )

    def _check_partitions(self) -> None:
        seen: dict[str, Place] = {}
        for statement in self._present_lines("partitionname"):
            seen.setdefault(statement.pairs[0].value, Place(0, 0))
        for statement in self._lines("partitionname"):
            head = statement.pairs[0]
            if head.value.upper() == "DEFAULT" or self._is_open(head.value) or self._is_conditional(head):
                continue
            if head.value in seen:
                where = f"line {seen[head.value].line}" if seen[head.value].line else "the cluster's slurm.conf"
                self._hit(
                    "duplicate-node",
                    head.value_place,
                    f"partition {head.value} is defined in {where} already",
                    head.key,
                )
            seen.setdefault(head.value, head.value_place)
        known = set(seen) | set(self._partitions or ())
        if self._is_whole or (self._partitions is None and not self._present):
            return
        for statement in self._statements:
            pair = statement.head
            if pair and pair.name == "suspendexcparts":
                unknown = [item for item, _at in values.items(pair.value) if item not in known]
                if unknown:
                    self._hit(
                        "undefined-partition",
                        pair.value_place,
                        f"{pair.key} names {', '.join(unknown)}{nearest(unknown[0], known)}",
                        pair.key,
                    )


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _value(pair: Pair) -> str:
    return "a value that is not shown" if lists.is_secret(pair.name, pair.value) else _shown(pair.value)
