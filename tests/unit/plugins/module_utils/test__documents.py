# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of the wrong shape: every reader names the fault, or does without. None ends in an error of Python's own.

test__rollout_documents.py has those of the journal.
"""

from __future__ import annotations

import json
import pathlib
import random
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _diff, _documents, _hook_log, _proof, _store
from ansible_collections.nodecycle.slurm.plugins.module_utils._documents import DocumentError
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Release, Script
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Store, StoreError
from odd_documents import ROUNDS, TEXTS, spoil_records, spoilt

pytestmark = pytest.mark.usefixtures("host")

Make = t.Callable[..., Release]


@pytest.fixture
def store(host: pathlib.Path) -> Store:
    return Store(str(host / "etc/nodecycle"))


def releases(make_release: Make) -> list[Release]:
    scripts = [Script("a", b"#!/bin/sh\n", ("gpu",), 5, "ignore", no_log=True)]
    return [make_release("one"), make_release("two", worker_init=scripts, controller_prolog=scripts)]


def use_store(store: Store, wanted: Release, content: dict[str, bytes]) -> None:
    """The modules' use of a store."""
    manifest, previous = wanted.manifest(), store.current()
    found = store.manifest(wanted.id)
    if found:
        store.damaged(found)
        _store.init_pending(found)
    _proof.prove(store, "/none", lambda _path: None)
    _diff.release_diff(store, manifest, content)
    store.previous()
    # The store repairs what it cannot read before it activates anything.
    store.stage(manifest, content)
    assert store.damaged(manifest) == []
    store.activate(wanted.id)
    store.prune(2)
    assert store.current() == wanted.id[:16]
    assert previous == wanted.id[:16] or store.history()[0]["id"] == wanted.id[:16]


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("name", ["manifest.json", "history.json", "worker_init.ok"])
def test_a_store_is_repaired_whatever_its_documents_say(
    name: str, store: Store, make_release: Make, host: pathlib.Path
) -> None:
    dice = random.Random(name)  # noqa: S311 - the same in each run
    first, second = releases(make_release)
    contents = {release.id: {file.path: file.content for file in release.files} for release in (first, second)}
    for release in (first, second):
        store.stage(release.manifest(), contents[release.id])
        store.activate(release.id)
    (host / "run/nodecycle").mkdir()
    for _round in range(ROUNDS // 3):
        release = dice.choice([first, second])
        place = {
            "manifest.json": store.path(release.id, "manifest.json"),
            "history.json": f"{store.root}/history.json",
            "worker_init.ok": str(host / "run/nodecycle/worker_init.ok"),
        }[name]
        good = {
            "manifest.json": release.manifest(),
            "history.json": {
                "format": 1,
                "entries": [{"id": each.id[:16], "activated": 5} for each in (second, first)],
            },
            "worker_init.ok": {"x": "f" * 64},
        }[name]
        pathlib.Path(place).write_bytes(spoilt(dice, good))
        use_store(store, dice.choice([first, second]), {**contents[first.id], **contents[second.id]})


def test_a_manifest_of_another_shape_is_never_activated(store: Store, make_release: Make) -> None:
    first, second = releases(make_release)
    for release in (first, second):
        store.stage(release.manifest(), {file.path: file.content for file in release.files})
    store.activate(first.id)
    path = pathlib.Path(store.path(second.id, "manifest.json"))
    for lacking in second.manifest():
        path.write_text(json.dumps({key: value for key, value in second.manifest().items() if key != lacking}))
        with pytest.raises(StoreError, match="is not staged on this host: stage it first"):
            store.activate(second.id)
    assert store.current() == first.id[:16]
    assert len(store.history()) == 1


def test_a_record_of_any_shape_is_read_or_passed_over(records: pathlib.Path) -> None:
    dice = random.Random(5)  # noqa: S311 - the same in each run
    for _round in range(ROUNDS):
        spoil_records(dice, records)
        for record in [*_hook_log.failures_of("", ["worker_prolog"]), *_hook_log.runs_of(["7"], ["worker_prolog"])]:
            _hook_log.describe(record)
            _hook_log.ended(record)


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_no_document_is_refused(text: bytes) -> None:
    with pytest.raises(DocumentError):
        _documents.load(text, _documents.fields({"x": _documents.number}))
