# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of the wrong shape: every reader names the fault, or does without. None ends in an error of Python's own."""

from __future__ import annotations

import copy
import json
import pathlib
import random
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _diff, _documents, _hook_log, _proof, _store
from ansible_collections.nodecycle.slurm.plugins.module_utils._documents import DocumentError
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal import Journal, JournalError, activated_nodes
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal_documents import (
    SHAPES,
    Committed,
    Holder,
    Rollout,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Release, Script
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Store, StoreError
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import plan as plan_
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import rollback as rollback_
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import texts
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import undo as undo_

pytestmark = pytest.mark.usefixtures("host")

Make = t.Callable[..., Release]

#: Rounds of each reader; more were run by hand.
ROUNDS = 150

VALUES: list[t.Any] = [
    *(None, True, False, 0, -1, 1, 2**70, 1.5, 1e300, "", "x", "../../etc", "\0", "\ud800", "0" * 16, "f" * 64, "0755"),
    *([], {}, [[]], ["x"], [None], {"x": 1}, {"id": "x"}, {"": {}}, [{"id": 1}], {"format": 1}),
]

TEXTS = [
    *(b"", b"{", b"null", b"[]", b"{}", b"5", b'"x"', b"\0", b"\xff\xfe", b'{"format": 1}', b'{"format": 2}'),
    *(b"[" * 100_000, b'{"a":' * 100_000, b"NaN", b'{"format": 1, "x": 1e999}', b"1" * 5000),
    b'{"format": 1, "x": ' + b"[" * 900 + b"]" * 900 + b"}",
]


def places(document: t.Any) -> t.Iterator[tuple[t.Any, t.Any]]:
    """Every place in a document: what holds it, and by which key."""
    entries = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in list(entries):
        yield document, key
        if isinstance(value, (dict, list)):
            yield from places(value)


def spoilt(dice: random.Random, document: t.Any) -> bytes:
    """A document of which something is missing, cut off, replaced, renamed or put somewhere else."""
    if dice.random() < 0.05:
        return dice.choice(TEXTS)
    document = copy.deepcopy(document)
    for _round in range(dice.randint(1, 3)):
        holder, key = dice.choice(list(places(document)) or [({"x": 1}, "x")])
        what = dice.randrange(4)
        if what == 0:
            del holder[key]
        elif what == 1 and isinstance(holder, dict):
            holder[dice.choice(["x", "", "../x", "format", "\ud800", "worker_prolog", "current"])] = holder.pop(key)
        elif what == 2:
            holder[key] = [holder[key]] if dice.random() < 0.5 else {"x": holder[key]}
        else:
            holder[key] = dice.choice(VALUES)
    data = json.dumps(document).encode()
    return data[: dice.randrange(len(data))] if dice.random() < 0.05 else data


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
        use_store(store, dice.choice([first, second]), contents[first.id] | contents[second.id])


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


def documents() -> dict[str, t.Any]:
    """The content of a journal's files in the middle of a rollout, and of a rollback."""
    node = {
        **dict.fromkeys(("reason", "reason_user", "reason_time", "owner"), "x"),
        "state": "IDLE",
        "flags": ["DRAIN"],
        "partitions": ["batch"],
    }
    conf = {"text": "x", "adopt": ["Prolog"]}
    about = {"w1": {"node": "n1", "kinds": ["worker"]}, "c": {"node": "c", "kinds": ["controller"]}}
    hosts = {host: {**said, "from": "a" * 16, "to": "b" * 64, "conf": conf} for host, said in about.items()}
    record = {**dict.fromkeys(("time", "hook", "script", "release", "job", "user", "node"), "x"), "exit": 1, "ms": 5}
    commit = {"name": "a", "hosts": {"w1": "a" * 64}, "about": about, "conf": conf, "controllers": ["c"]}
    before = {"activated": {"w1": 5}, "nodes": {"n1": node}}
    return {
        "journal": {
            "format": 1,
            "name": "b",
            "phase": "batches",
            "opened": 1,
            "passed": True,
            "conf_changed": True,
            "failed": {"w1": "why"},
            "hosts": hosts,
            "controllers": ["c"],
            "slurm_user": "slurm",
            "conf": conf,
            "conf_path": "/etc/slurm/slurm.conf",
            "drained": ["n1"],
            "failures": [record],
            "commit": commit,
            **before,
        },
        "committed": {
            "format": 1,
            "rollouts": [{**commit, **before, "name": "b", "committed": 5}, {**commit, "committed": 4}],
        },
        "lock": {
            "format": 1,
            "run": "r",
            "machine": "m",
            "pid": 7,
            "started": "1",
            "user": "ada",
            "host": "h",
            "since": 5,
            "boot": "b",
            "seen": 5,
        },
    }


HOLDER = {"run": "own", "user": "ada", "host": "control", "pid": 7, "machine": "m", "started": "1"}


def steps(journal: Journal) -> dict[str, t.Callable[[], object]]:
    """The use of a journal by the module journal, and by the decisions on the control node."""

    def undo() -> None:
        rollout = journal.require_rollout()
        activated_nodes(rollout)
        plan = undo_.undo_plan(rollout)
        outcome = {**undo_.undo_outcome(plan, {}, 1), "still_waiting": []}
        texts.undo_message(plan, outcome, rollout["failed"], {}, {}, {})
        plan_.what_to_do_first(rollout, {"name": "b"}, rollout["nodes"])
        _hook_log.failures_since(rollout["activated"], {"c": "b" * 64}, rollout.get("failures", []))

    def roll_back() -> None:
        target = rollback_.rollback_target(journal.committed(), "")
        if not target["problem"]:
            rollback_.rollback(target, {}, "slurm")

    def show() -> None:
        texts.status([], {}, {"journal": journal.current(), "committed": journal.committed()})

    return {
        "undo": undo,
        "roll back": roll_back,
        "show": show,
        "holder": journal.holder,
        "lock": lambda: journal.lock(HOLDER, "r", is_known=True),
        "note": lambda: journal.note(activating=["w1"], phase="undo"),
        "open": lambda: journal.open({**journal.require_rollout()}),
        "close": lambda: journal.close(is_committed=True),
        "end": lambda: journal.close(is_committed=False),
    }


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("step", steps(Journal()))
@pytest.mark.parametrize("name", documents())
def test_a_journal_that_does_not_fit_is_said_to_be_one(name: str, step: str, tmp_path: pathlib.Path) -> None:
    dice = random.Random(f"{name} {step}")  # noqa: S311 - the same in each run
    journal = Journal(str(tmp_path / "rollout"))
    good = documents()
    refused = 0
    for _round in range(ROUNDS):
        (tmp_path / "rollout").mkdir(exist_ok=True)
        for each, document in good.items():
            (tmp_path / f"rollout/{each}.json").write_text(json.dumps(document))
        (tmp_path / f"rollout/{name}.json").write_bytes(spoilt(dice, good[name]))
        try:
            steps(journal)[step]()
        except JournalError as exc:
            refused += str(tmp_path) in str(exc)
    uses = {
        "journal": {"undo", "show", "note", "open", "close", "end"},
        "committed": {"roll back", "show", "close", "end"},
        "lock": {"holder", "lock"},
    }
    assert (refused > ROUNDS / 4) == (step in uses[name])


def test_the_documents_of_this_test_are_good_ones(tmp_path: pathlib.Path) -> None:
    journal = Journal(str(tmp_path / "rollout"))
    for step in steps(journal):
        (tmp_path / "rollout").mkdir(exist_ok=True)
        for name, document in documents().items():
            (tmp_path / f"rollout/{name}.json").write_text(json.dumps(document))
        steps(journal)[step]()


@pytest.mark.parametrize(("name", "fields"), [("journal", Rollout), ("lock", Holder), ("committed", Committed)])
def test_the_shapes_of_the_documents_are_their_types(name: str, fields: t.Any) -> None:
    """The types that a reader checks are those that the other code expects."""
    good = documents()[name]
    document = good["rollouts"][0] if name == "committed" else good
    assert (
        fields.__required_keys__ <= document.keys() - {"format"} <= fields.__required_keys__ | fields.__optional_keys__
    )
    for key in fields.__required_keys__ | fields.__optional_keys__:
        less = {field: value for field, value in document.items() if field != key}
        try:
            _documents.require(SHAPES[name], {"rollouts": [less]} if name == "committed" else less)
            is_required = False
        except DocumentError:
            is_required = True
        assert is_required == (key in fields.__required_keys__), key


def test_a_record_of_any_shape_is_read_or_passed_over(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(5)  # noqa: S311 - the same in each run
    good = documents()["journal"]["failures"][0]
    for name in ("STATE_DIR", "RUN_DIR", "LOG_DIR"):
        (tmp_path / name / "worker_prolog").mkdir(parents=True)
        monkeypatch.setattr(_hook_log, name, str(tmp_path / name))
    for _round in range(ROUNDS):
        for place in ("RUN_DIR/worker_prolog/failures", "STATE_DIR/worker_prolog/failure.json"):
            (tmp_path / place).write_bytes(b"\n".join(spoilt(dice, good) for _round in range(5)))
        for place in ("LOG_DIR/worker_prolog.log", "RUN_DIR/worker_prolog/running.4194305"):
            (tmp_path / place).write_bytes(b"\n".join(spoilt(dice, {**good, "job": "7"}) for _round in range(5)))
        found = _hook_log.failures_of("", ["worker_prolog"])
        undo_.undo_outcome(
            {**undo_.undo_plan(documents()["journal"]), "failures": found},
            {"w1": {"log": {"failures": found}}},
            1,
        )
        for record in [*found, *_hook_log.runs_of(["7"], ["worker_prolog"])]:
            _hook_log.describe(record)
            _hook_log.ended(record)


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_no_document_is_refused(text: bytes) -> None:
    with pytest.raises(DocumentError):
        _documents.load(text, _documents.fields({"x": _documents.number}))
