# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The grammar with its places, and that nothing can make the checker fall over."""

from __future__ import annotations

import random

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.conf import facts, grammar
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.conf.engine import check, check_file
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.conf.subject import Cluster

PIECES = (
    "KillWait=30", "KillWait", "=", " ", "\t", "\n", "\n", "\r", "\\", "\\\n", "#", '"', "'", "Include", "Include x", "\0", "\ufeff", "\u2028",
    "NodeName=n[1-3]", "NodeName=n[3-1", "CPUs=4", "Sockets=0", "PartitionName=p", "Nodes=n1", "Nodes=ALL", "PrologFlags=", "Contain,NoHold", ",",
    "SchedulerParameters=bf_interval=", "MaxTime=1-", "DownNodes=", "{{ x }}", "{% if x %}", "{% endif %}", "<%= y %>", "<% end %>", "#PORT", "$X", "ä",
    "PreemptMode=", "SUSPEND", "99999999999999999999999", "0x", "-1",
    "UNLIMITED", "accounting_storage/", "AccountingStoragePass=x", "/tmp/x", "SlurmctldHost=a(",
)  # fmt: skip


def places(text: str) -> list[tuple[str, str, int, int]]:
    """Key, value, line and column of each pair."""
    return [
        (pair.key, pair.value, pair.place.line, pair.value_place.column)
        for statement in grammar.statements(text, facts.LINE_KEYS)
        for pair in statement.pairs
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1\n", [("A", "1", 1, 3)]),
        ("\n  A = 1 # x\n", [("A", "1", 2, 7)]),
        ('A="x y" \n', [("A", "x y", 1, 4)]),
        ('A="x\\#y"\n', [("A", "x#y", 1, 4)]),
        ('A="a\\"b"', [("A", '"a"b"', 1, 3)]),
        ("A=a\\\\b", [("A", "a\\b", 1, 3)]),
        ("A=1,\\\n2\nB=3", [("A", "1,2", 1, 3), ("B", "3", 3, 3)]),
        ("NodeName=n1 \\\n  CPUs=2", [("NodeName", "n1", 1, 10), ("CPUs", "2", 2, 8)]),
        ("A=1 B=2", [("A", "1", 1, 3)]),
        ('A=""', [("A", "", 1, 4)]),
        ("A=", []),
        ("A==1", [("A", "=1", 1, 3)]),
        ("A+=1", [("A", "1", 1, 4)]),
        ("A=1\\", [("A", "1", 1, 3)]),
        ("A=1\\ # x\n,2", [("A", "1,2", 1, 3)]),
    ],
)
def test_pairs_and_their_places(text: str, expected: list[tuple[str, str, int, int]]) -> None:
    assert places(text) == expected


def test_columns_behind_escapes() -> None:
    pair = next(iter(grammar.statements(r"MailDomain=a\\b\#c X=1", facts.LINE_KEYS)))
    assert pair.rest == "X=1"
    assert pair.rest_place == grammar.Position(1, 20)


def test_the_reader_on_the_hosts_reads_the_same() -> None:
    """module_utils/_conf.py and this grammar on lines that Slurm takes."""
    chance = random.Random(11)  # noqa: S311
    values = ["1", '"a b"', '""', "x\\#y", "a,\\\nb", 'q"q', "a\\\\b", "'s'"]
    for _round in range(500):
        lines = []
        for _line in range(chance.randrange(1, 6)):
            ending = chance.choice(["\n", " \n", "\t# c\n", "\r\n", ' # "x\n'])
            lines.append(
                chance.choice(["", " ", chr(9)])
                + chance.choice(["KillWait", "mailDomain", "X.y_z"])
                + chance.choice(["=", " = "])
                + chance.choice(values)
                + ending
            )
        text = "".join(lines)
        here = [(key, value, line) for key, value, line, _column in places(text)]
        assert [(entry.key, entry.value, entry.line) for entry in _conf.entries(text)] == here, repr(text)


def test_nothing_makes_the_checker_fall_over() -> None:
    chance = random.Random(20261122)  # noqa: S311
    for _round in range(3000):
        text = "".join(
            chance.choice(PIECES) + chance.choice(["", "", " ", "\n"]) for _piece in range(chance.randrange(14))
        )
        version = chance.choice([None, "22.05", "24.11", "26.05", "99.01"])
        present = _conf.entries("".join(chance.choice(PIECES) + "\n" for _piece in range(chance.randrange(6))))
        lines = text.count("\n") + 1
        for found in (
            check_file(text, version=version),
            check(
                text,
                Cluster(
                    version=version,
                    present=present,
                    nodes=chance.choice([None, [], ["n1"]]),
                    partitions=chance.choice([None, ["p"]]),
                ),
            ),
        ):
            assert all(1 <= finding.line <= lines and finding.column >= 1 for finding in found), repr(text)
            assert [finding.line for finding in found] == sorted(finding.line for finding in found)


def test_random_bytes_do_no_harm() -> None:
    chance = random.Random(7)  # noqa: S311
    for _round in range(300):
        text = chance.randbytes(chance.randrange(400)).decode("utf-8", errors="surrogateescape")
        check_file(text)
        check(text, Cluster())


def test_findings_do_not_depend_on_what_surrounds_a_line() -> None:
    """A comment or an empty line more moves the findings and changes nothing else."""
    text = "KilWait=3\nKillWait=x\nPrologFlags=Foo,Alloc\n"
    plain = check(text, Cluster(version="24.11"))
    moved = check("# a comment\n\n" + text, Cluster(version="24.11"))
    assert [(finding.rule, finding.line + 2, finding.column, finding.message) for finding in plain] == [
        (finding.rule, finding.line, finding.column, finding.message) for finding in moved
    ]


def test_each_known_key_is_known_where_it_is() -> None:
    for release in facts.releases():
        for key in facts.table(facts.MAIN).values():
            found = {finding.rule for finding in check(f'{key.name}=""\n', Cluster(version=release))}
            is_refused = bool({"unknown-key", "removed-key", "not-yet-key"} & found)
            if key.name.lower() not in (
                "accountingstorageloc",
                "accountingstorejobcomment",
                "sallocdefaultcommand",
                "fastschedule",
            ):
                assert is_refused != key.span.covers(release), (key.name, release)
            assert "unknown-key" not in found


def test_long_lines_and_large_clusters_are_read() -> None:
    text = "SchedulerParameters=" + ",".join(["bf_continue"] * 20000) + "\n"
    text += "".join(f"NodeName=n{number} CPUs=8 Sockets=1 CoresPerSocket=8\n" for number in range(3000))
    text += "PartitionName=all Nodes=" + ",".join(f"n{number}" for number in range(3000)) + "\n"
    assert check_file(text, version="24.11") == []
