# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Journals of the wrong shape: every reader and every decision names the fault, or does without."""

from __future__ import annotations

import json
import pathlib
import random
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _documents, _hook_log
from ansible_collections.nodecycle.slurm.plugins.module_utils._documents import DocumentError
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal import Journal, JournalError, activated_nodes
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal_documents import (
    SHAPES,
    Committed,
    Holder,
    Rollout,
)
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import plan as plan_
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import rollback as rollback_
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import texts
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import undo as undo_
from odd_documents import RECORD, ROUNDS, spoil_records, spoilt

pytestmark = pytest.mark.usefixtures("host")


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
            "failures": [RECORD],
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


def test_an_undo_takes_a_record_of_any_shape(records: pathlib.Path) -> None:
    dice = random.Random(5)  # noqa: S311 - the same in each run
    for _round in range(ROUNDS):
        spoil_records(dice, records)
        found = _hook_log.failures_of("", ["worker_prolog"])
        undo_.undo_outcome(
            {**undo_.undo_plan(documents()["journal"]), "failures": found},
            {"w1": {"log": {"failures": found}}},
            1,
        )
