# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The input of a check of slurm.conf lines."""

from __future__ import annotations

import dataclasses
import functools
import re
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils._conf import Entry

from ..core.model import SEVERITIES, Hit, Place, Severity, hit_at
from . import facts, grammar, value_types
from .catalogue import RULES
from .grammar import Pair, Statement
from .template import Template
from .wording import joined

#: Rules about which a release that is newer than the tables may differ.
_MAY_BE_NEW = ("unknown-key", "invalid-value", "removed-plugin")


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The known facts of the cluster that the lines are for."""

    #: Its release ("24.11", "slurm 24.11.5"); None: the lines must suit every supported one.
    version: str | None = None
    #: The keys of its slurm.conf without ours (module_utils/_conf.tree).
    present: t.Sequence[Entry] = ()
    #: The keys of our present file. A key that it has already is not a change, so it can neither need a restart nor lose jobs.
    placed: t.Sequence[Entry] = ()
    #: The cluster's nodes, partitions and so on; None: not known.
    nodes: t.Collection[str] | None = None
    partitions: t.Collection[str] | None = None


@dataclasses.dataclass(frozen=True)
class Subject:
    """The lines of a user, or a whole slurm.conf, and the cluster that they are for."""

    text: str
    statements: tuple[Statement, ...]
    cluster: Cluster
    #: The releases that the text has to suit.
    targets: tuple[str, ...]
    #: A whole file may still be a template; None for lines of a variable, which Ansible has rendered.
    template: Template | None = None

    @classmethod
    def of_lines(cls, text: str, cluster: Cluster) -> Subject:
        """Lines that will stand behind those of the cluster's slurm.conf."""
        return cls(text, _statements(text), cluster, facts.targets(cluster.version))

    @classmethod
    def of_file(cls, text: str, version: str | None) -> Subject:
        """A whole slurm.conf."""
        template = Template(text)
        return cls(
            template.text, _statements(template.text), Cluster(version=version), facts.targets(version), template
        )

    @property
    def is_whole(self) -> bool:
        """Whether this is a slurm.conf of its own, not lines for one."""
        return self.template is not None

    @property
    def is_template(self) -> bool:
        """Whether parts of the text will be filled in or left out."""
        return self.template is not None and self.template.is_one

    def is_touched(self, place: Place) -> bool:
        """Whether the line holds something of the template's language."""
        return self.template is not None and self.template.is_touched(place.line)

    def is_conditional(self, pair: Pair) -> bool:
        """Whether the template may leave the line out, or repeat it."""
        return self.template is not None and self.template.is_conditional(pair.place.line)

    def is_open(self, value: str) -> bool:
        """Whether a value is still to be filled in."""
        return value_types.is_placeholder(value) or (self.template is not None and self.template.is_filled_in(value))

    @property
    def has_include(self) -> bool:
        """Whether other files belong to the text."""
        return any(statement.include is not None for statement in self.statements)

    def lines(self, key: str) -> t.Iterator[Statement]:
        """The lines that begin with a key (lower case)."""
        for statement in self.statements:
            if statement.head and statement.head.name == key:
                yield statement

    def present_lines(self, key: str) -> t.Iterator[Statement]:
        """The same of the cluster's slurm.conf."""
        for entry in self.cluster.present:
            if entry.key.lower() == key:
                yield from _statements(entry.value)

    def known(self, table: str, pair: Pair) -> facts.Key | None:
        """What is known of a key, unless no release in question knows it."""
        key = facts.table(table).get(pair.name)
        return key if key and any(key.span.covers(release) for release in self.targets) else None

    @functools.cached_property
    def known_heads(self) -> list[tuple[Statement, Pair, facts.Key]]:
        """The lines whose first key Slurm knows."""
        return [
            (statement, statement.head, key)
            for statement in self.statements
            if statement.head and (key := self.known(facts.MAIN, statement.head))
        ]

    @functools.cached_property
    def further_pairs(self) -> list[tuple[Statement, str, Pair]]:
        """The further keys on lines such as NodeName's, with the table of the line."""
        return [
            (statement, head.name, pair)
            for statement, head, _key in self.known_heads
            if head.name in facts.LINE_KEYS
            for pair in statement.pairs[1:]
        ]

    @functools.cached_property
    def known_pairs(self) -> list[tuple[str, Pair, facts.Key]]:
        """All keys that Slurm knows, each with its table."""
        further = [
            (table, pair, known) for _statement, table, pair in self.further_pairs if (known := self.known(table, pair))
        ]
        return [*((facts.MAIN, head, key) for _statement, head, key in self.known_heads), *further]

    def empty_pair(self, statement: Statement) -> Pair | None:
        """The key of a line such as `KillWait=`, which gives it no value."""
        text = statement.text.strip(grammar.BLANK)
        if statement.head or statement.include is not None or re.match(r"include\s", text, re.IGNORECASE):
            return None
        match = re.match(r"([\w.]+)[ \t]*[-*+/]?=[ \t]*$", text)
        return Pair(match.group(1), "", statement.place, statement.place) if match else None

    def graded(
        self,
        rule: str,
        bad: t.Sequence[str],
        place: Place,
        message: str,
        severity: Severity | None = None,
    ) -> t.Iterator[Hit]:
        """A hit that holds for some of the releases in question: the less of them, the milder."""
        if not bad:
            return
        worst = severity or RULES[rule].severity
        newest = self.targets[-1]
        if len(bad) < len(self.targets):
            message += f" (Slurm {joined(bad)})"
            mild: Severity = "warning" if newest in bad else "info"
            worst = max(worst, mild, key=SEVERITIES.index)
        if worst == "error" and rule in _MAY_BE_NEW and facts.is_newer_than_facts(self.cluster.version):
            worst = "warning"
            message += f" as far as is known up to Slurm {newest}"
        yield hit_at(rule, place, message, worst)


def _statements(text: str) -> tuple[Statement, ...]:
    return tuple(grammar.statements(text, facts.LINE_KEYS))
