# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _hostlist

#: expression, names
EXPRESSIONS = [
    ("node", ["node"]),
    ("a,b", ["a", "b"]),
    (" a , b ", ["a", "b"]),
    ("n[1-3]", ["n1", "n2", "n3"]),
    ("n[1,3,5-6]", ["n1", "n3", "n5", "n6"]),
    ("n[08-11]", ["n08", "n09", "n10", "n11"]),
    ("n[008-010]", ["n008", "n009", "n010"]),
    ("n[8-11]", ["n8", "n9", "n10", "n11"]),
    ("n[0-1]", ["n0", "n1"]),
    ("n[98-101]", ["n98", "n99", "n100", "n101"]),
    ("n[1-2]-ib", ["n1-ib", "n2-ib"]),
    ("rack[1-2]node[01-02]", ["rack1node01", "rack1node02", "rack2node01", "rack2node02"]),
    ("n[1-2],login,n[2-3]", ["n1", "n2", "login", "n3"]),
    ("a.example.org", ["a.example.org"]),
    ("n[ 1 , 2 ]", ["n1", "n2"]),
]


@pytest.mark.parametrize(("expression", "names"), EXPRESSIONS)
def test_expand(expression: str, names: list[str]) -> None:
    assert _hostlist.expand(expression) == names


#: expression, words of the message
BAD = [
    ("", "empty name"),
    ("a,,b", "empty name"),
    ("a,", "empty name"),
    ("n[1-3", "unbalanced"),
    ("n1-3]", "unbalanced"),
    ("n]1[", "unbalanced"),
    ("n[[1-2]]", "unbalanced"),
    ("n[]", "'' is not a number"),
    ("n[1-]", "'1-' is not a number"),
    ("n[a-c]", "'a-c' is not a number"),
    ("n[-1]", "'-1' is not a number"),
    ("n[1,,2]", "'' is not a number"),
    ("n[3-1]", "'3-1' runs backwards"),
    ("n[٣]", "not a number"),
    ("a b", "not a node name"),
    ("node*", "not a node name"),
    ("a/b", "not a node name"),
    ("n$(reboot)", "not a node name"),
    ("a\nb", "not a node name"),
    # A command would take it for an option.
    ("-n1", "not a node name"),
    ("--all", "not a node name"),
    ("n[1" + "0" * 5000 + "]", "more than 30 digits"),
    ("n[1-1" + "0" * 5000 + "]", "more than 30 digits"),
    ("n[" + "0" * 100_000 + "1-1000]", "more than 30 digits"),
    ("n" * 300, "more than 256 characters"),
    ("n" * 100_000 + "[1-1000000]", "more than 256 characters"),
]


@pytest.mark.parametrize(("expression", "said"), BAD)
def test_a_bad_expression_is_named(expression: str, said: str) -> None:
    with pytest.raises(_hostlist.HostlistError) as error:
        _hostlist.expand(expression)
    assert said in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    "expression",
    [
        "n[1-1000][1-1000][1-1000][1-1000]",
        "n[1-99999999]",
        "n[1-1000001]",
        "n[1-1000][1-2000]",
        "n[1-600000,600001-1200000]",
        "n[1-99999999999999999999]",
    ],
)
def test_too_many_names_are_refused_before_they_fill_the_memory(
    expression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_hostlist, "MAX_NAMES", 10_000)
    with pytest.raises(_hostlist.HostlistError, match="more than 10000 hosts"):
        _hostlist.expand(expression)


def test_as_many_names_as_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_hostlist, "MAX_NAMES", 20)
    assert len(_hostlist.expand("n[1-20]")) == 20


#: names, expression
FOLDED = [
    ([], ""),
    (["n1"], "n1"),
    (["b", "a"], "a,b"),
    (["n3", "n1", "n2", "n2"], "n[1-3]"),
    (["n9", "n10", "n11"], "n[9-11]"),
    (["n0", "n1", "n2"], "n[0-2]"),
    (["n08", "n09", "n10", "n11"], "n[08-11]"),
    (["n01", "n1"], "n1,n01"),
    (["n1", "login", "n3"], "login,n[1,3]"),
    (["n99", "n100", "n001"], "n99,n[001,100]"),
    (["n1-ib", "n2-ib"], "n1-ib,n2-ib"),
    (["n12345678901"], "n12345678901"),
    (["1", "2"], "[1-2]"),
]


@pytest.mark.parametrize(("names", "expression"), FOLDED)
def test_fold(names: list[str], expression: str) -> None:
    assert _hostlist.fold(names) == expression


def test_whatever_is_folded_expands_to_the_same_names() -> None:
    chance = random.Random(20261122)  # noqa: S311
    for _round in range(500):
        names = {
            chance.choice(["n", "rack1-", "gpu", "a.b", "", "x0"])
            + str(chance.randrange(0, 10 ** chance.randint(1, 4))).zfill(chance.choice([1, 1, 2, 3, 4]))
            + chance.choice(["", "", "", "-ib"])
            for _name in range(chance.randrange(1, 40))
        }
        folded = _hostlist.fold(names)
        assert set(_hostlist.expand(folded)) == names, folded
        assert _hostlist.fold(_hostlist.expand(folded)) == folded


@pytest.mark.parametrize(
    "names",
    [
        [f"rack{rack:02}-node{node:03}-opa" for rack in range(20) for node in range(500)],
        [f"n{number:05}" for number in range(0, 20_000, 2)],
        ["a"],
        [],
    ],
)
def test_a_list_is_cut_into_parts_that_fit(names: list[str]) -> None:
    parts = _hostlist.parts(names, 20_000)
    assert [part for part in parts if len(part) > 20_000] == []
    assert sorted(name for part in parts for name in _hostlist.expand(part)) == sorted(names)
    assert len(parts) <= 2 * len(_hostlist.fold(names)) // 20_000 + 1
