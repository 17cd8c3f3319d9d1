# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The users of the nodes' reasons, over a reconfigure of a Slurm that forgets them."""

from __future__ import annotations

import dataclasses
import json

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _reason_users
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Node, SlurmError

SLURMS = Node("worker1", "IDLE", frozenset({"DRAIN"}), ("batch",), "Prolog error", "slurm", "2026-11-28T10:00:00")
ROOTS = dataclasses.replace(SLURMS, name="worker2", reason_user="root")
IDLE = Node("worker3", "IDLE", frozenset(), ("batch",))


@pytest.fixture(autouse=True)
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(_reason_users, "PATH", str(tmp_path / "reason-users.json"))
    monkeypatch.setattr(_reason_users._files.os, "fchown", lambda *_arguments: None)
    return tmp_path / "reason-users.json"


def forgotten(node: Node) -> Node:
    """As slurmctld 22.05 has it after a reconfigure."""
    return dataclasses.replace(node, reason_user="root")


def by_name(*nodes: Node) -> dict[str, Node]:
    return {node.name: node for node in nodes}


def test_only_what_can_be_lost_is_noted():
    assert list(_reason_users.noted([SLURMS, ROOTS, IDLE])) == ["worker1"]
    # 24.11 keeps the reason of a drain after the resume.
    assert _reason_users.noted([dataclasses.replace(SLURMS, flags=frozenset())]) == {}


def test_a_user_that_was_lost_is_known_again():
    _reason_users.write(_reason_users.noted([SLURMS, ROOTS, IDLE]))
    after = by_name(forgotten(SLURMS), ROOTS, IDLE)
    assert _reason_users.restored(after, _reason_users.read()) == by_name(SLURMS, ROOTS, IDLE)


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "Prolog error, fan broken"},
        {"reason_time": "2026-11-28T10:00:01"},
        {"reason_user": "alice"},
        {"name": "worker9"},
    ],
)
def test_a_reason_that_was_given_anew_is_not_touched(changes):
    _reason_users.write(_reason_users.noted([SLURMS]))
    node = dataclasses.replace(forgotten(SLURMS), **changes)
    assert _reason_users.restored(by_name(node), _reason_users.read()) == by_name(node)


def test_the_note_goes_where_nothing_is_lost_and_stays_where_it_is(path):
    _reason_users.write(_reason_users.noted([SLURMS]))
    _reason_users.forget(lambda: by_name(forgotten(SLURMS)))
    assert path.exists()
    _reason_users.forget(lambda: by_name(SLURMS))
    assert not path.exists()
    _reason_users.forget(lambda: by_name(SLURMS))


def test_the_note_stays_over_a_second_reconfigure():
    _reason_users.write(_reason_users.noted([SLURMS]))
    again = _reason_users.restored(by_name(forgotten(SLURMS)), _reason_users.read())
    assert _reason_users.noted(again.values()) == _reason_users.noted([SLURMS])


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b'{"nodes": {}}', json.dumps({"format": 1, "nodes": {"worker1": {"user": 7}}}).encode()],
)
def test_a_note_that_cannot_be_read_is_none(path, content):
    path.write_bytes(content)
    assert _reason_users.read() == {}


def test_nothing_is_written_where_nothing_can_be_lost(path):
    _reason_users.write({})
    assert not path.exists()


def test_without_a_note_slurm_is_not_asked():
    def look() -> dict[str, Node]:
        raise AssertionError

    _reason_users.forget(look)


def test_tidying_up_ends_nothing(path):
    _reason_users.write(_reason_users.noted([SLURMS]))

    def look() -> dict[str, Node]:
        raise SlurmError("no answer")

    _reason_users.forget(look)
    assert path.exists()


def test_a_note_that_cannot_be_written_ends_nothing(path, monkeypatch):
    monkeypatch.setattr(_reason_users, "PATH", str(path / "below" / "a-file"))
    path.write_text("a file where a directory should be")
    _reason_users.write(_reason_users.noted([SLURMS]))


def test_a_reason_that_is_no_utf_8_is_noted_as_far_as_it_goes():
    _reason_users.write(
        _reason_users.noted(
            [dataclasses.replace(SLURMS, reason="L\udcfcfter"), dataclasses.replace(SLURMS, name="worker4")]
        )
    )
    assert sorted(_reason_users.read()) == ["worker1", "worker4"]
