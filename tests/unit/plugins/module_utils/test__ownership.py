# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import pathlib
import re

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ownership
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Node

OURS = "nodecycle: worker_init gpu exit 1 @2026-11-22T14:40:33"
OTHER = "nodecycle: rollout 7 @2026-11-22T14:40:30"
#: An administrator's versions of it: our words with his own added, or the same words without the moment.
TAKEN_OVER = f"{OURS} hands off, I am replacing the fan"
UNSTAMPED = "nodecycle: worker_init gpu exit 1"
FOREIGN = "broken fan"


def node(state: str, reason: str) -> Node:
    base, *flags = state.split("+")
    given = {"reason": reason, "reason_user": "root", "reason_time": "2026-11-22T14:40:33"} if reason else {}
    return Node("n1", base, frozenset(flags), ("batch",), **given)


#: state, reason, what draining for "worker_init gpu exit 1" and what resuming "worker_init" does: change, foreign or nothing
COMBINATIONS = [
    ("IDLE", "", "change", ""),
    ("ALLOCATED", "", "change", ""),
    ("MIXED+PLANNED", "", "change", ""),
    # 24.11 keeps the reason after a resume. It tells nothing about the present.
    ("IDLE", OURS, "change", ""),
    ("IDLE", FOREIGN, "change", ""),
    ("ALLOCATED", FOREIGN, "change", ""),
    ("IDLE+DRAIN", OURS, "", "change"),
    ("ALLOCATED+DRAIN", OURS, "", "change"),
    ("DOWN+DRAIN+NOT_RESPONDING", OURS, "", "change"),
    ("IDLE+DRAIN", OTHER, "change", ""),
    ("IDLE+DRAIN", FOREIGN, "foreign", "foreign"),
    ("MIXED+DRAIN+NOT_RESPONDING", FOREIGN, "foreign", "foreign"),
    ("IDLE+DRAIN", "", "foreign", "foreign"),
    ("IDLE+DRAIN", "Prolog error", "foreign", "foreign"),
    ("IDLE+DRAIN", f"see {OURS}", "foreign", "foreign"),
    ("IDLE+DRAIN", TAKEN_OVER, "foreign", "foreign"),
    ("IDLE+DRAIN", UNSTAMPED, "foreign", "foreign"),
    ("IDLE+DRAIN", f"{UNSTAMPED} : reboot issued", "foreign", "foreign"),
    # Down, and nobody drained it: not ours, whatever an old reason says.
    ("DOWN+NOT_RESPONDING", "Not responding", "foreign", ""),
    ("DOWN", OURS, "foreign", ""),
    ("DOWN", "", "foreign", ""),
    ("FUTURE", "", "foreign", ""),
    ("ERROR", FOREIGN, "foreign", ""),
    ("IDLE+FAIL", FOREIGN, "foreign", ""),
]


def verdict(plan: _ownership.Plan) -> str:
    assert not (plan.names and plan.foreign)
    return "change" if plan.names else "foreign" if plan.foreign else ""


@pytest.mark.parametrize(("state", "reason", "drained", "resumed"), COMBINATIONS)
def test_only_our_own_drains_are_touched(state: str, reason: str, drained: str, resumed: str) -> None:
    present = node(state, reason)
    assert verdict(_ownership.to_drain([present], "worker_init gpu exit 1")) == drained
    assert verdict(_ownership.to_resume([present], "worker_init")) == resumed


def test_no_reason_resumes_whatever_we_drained() -> None:
    assert _ownership.to_resume([node("IDLE+DRAIN", OTHER)], "").names == ["n1"]


def test_a_reason_drains_and_resumes_whatever_its_blanks() -> None:
    reason = "two  words\nand a line "
    assert _ownership.mark(reason) == "nodecycle: two words and a line"
    present = node("IDLE+DRAIN", _ownership.stamped(_ownership.mark(reason), DRAINED))
    assert _ownership.to_drain([present], reason).names == []
    assert _ownership.to_resume([present], reason).names == ["n1"]


#: reason, user and time as Slurm shows them; whether the drain is ours
GIVEN = [
    (OURS, "root", "2026-11-22T14:40:33", True),
    # The update took a moment.
    (OURS, "root", "2026-11-22T14:40:37", True),
    (OURS, "root", "2026-11-22T14:40:31", True),
    # Given again later, with our words as they were.
    (OURS, "root", "2026-11-22T14:41:33", False),
    (OURS, "root", "2026-11-22T14:40:20", False),
    (OURS, "alice", "2026-11-22T14:40:33", False),
    (OURS, "", "", False),
    (OURS, "root", "Unknown", False),
    (TAKEN_OVER, "root", "2026-11-22T14:40:33", False),
    (UNSTAMPED, "root", "2026-11-22T14:40:33", False),
    (f"{OURS}\n", "root", "2026-11-22T14:40:33", False),
    ("nodecycle: hands off @2026-99-22T14:40:33", "root", "2026-11-22T14:40:33", False),
    ("Prolog error @2026-11-22T14:40:33", "root", "2026-11-22T14:40:33", False),
]


@pytest.mark.parametrize(("reason", "user", "time", "ours"), GIVEN)
def test_ours_is_what_reason_user_and_time_say(reason: str, user: str, time: str, ours: bool) -> None:
    present = Node("n1", "IDLE", frozenset({"DRAIN"}), ("batch",), reason, user, time)
    assert _ownership.is_ours(present) is ours
    assert not _ownership.is_ours(dataclasses.replace(present, flags=frozenset()))
    assert not _ownership.is_ours(present, "slurm")


def test_what_we_wrote_is_written_again_where_slurm_notes_another_time() -> None:
    late = Node("n1", "IDLE", frozenset({"DRAIN"}), ("batch",), OURS, "root", "2026-11-22T14:41:33")
    right = dataclasses.replace(late, name="n2", reason_time="2026-11-22T14:40:33")
    # Somebody else has changed it since.
    admins = [dataclasses.replace(late, reason=FOREIGN), dataclasses.replace(late, reason_user="bob")]
    assert _ownership.to_stamp_again([late, right, *admins], OURS) == ["n1"]


def test_foreign_nodes_come_with_their_reason() -> None:
    assert _ownership.to_drain([node("IDLE+DRAIN", FOREIGN)], "x").foreign == {
        "n1": "broken fan [root@2026-11-22T14:40:33]"
    }
    assert _ownership.to_drain([node("DOWN", "")], "x").foreign == {"n1": "(no reason given)"}


@pytest.mark.parametrize(
    ("state", "reason", "shown"),
    [
        ("IDLE", "", "IDLE"),
        ("IDLE", FOREIGN, "IDLE"),
        ("IDLE+DRAIN", FOREIGN, "IDLE+DRAIN, broken fan [root@2026-11-22T14:40:33]"),
        ("DOWN+NOT_RESPONDING+DRAIN", "", "DOWN+DRAIN+NOT_RESPONDING"),
        ("IDLE+FAIL", FOREIGN, "IDLE+FAIL, broken fan [root@2026-11-22T14:40:33]"),
    ],
)
def test_describe(state: str, reason: str, shown: str) -> None:
    assert _ownership.describe(node(state, reason)) == shown


@pytest.mark.parametrize(
    ("state", "reason", "user", "owner"),
    [
        ("IDLE", FOREIGN, "root", ""),
        ("IDLE+DRAIN", OURS, "root", "ours"),
        ("IDLE+DRAIN", "Prolog error", "slurm", "slurm"),
        ("DOWN+NOT_RESPONDING", "Not responding", "slurm", "slurm"),
        ("IDLE+DRAIN", "Prolog error", "root", "other"),
        ("IDLE+DRAIN", FOREIGN, "root", "other"),
        ("DOWN", OURS, "root", "other"),
        ("DOWN", "", "", "other"),
    ],
)
def test_owner(state: str, reason: str, user: str, owner: str) -> None:
    base, *flags = state.split("+")
    present = Node("n1", base, frozenset(flags), ("batch",), reason, user, "2026-11-22T14:40:33")
    assert _ownership.facts(present, "slurm")["owner"] == owner


#: The drain of every test below: 2026-11-22T14:40:33 UTC.
DRAINED = 1795358433
IN_SERVICE = {"state": "MIXED", "flags": []}


def drained(reason: str, user: str = "slurm", flags: str = "DRAIN", state: str = "IDLE") -> Node:
    return Node("n1", state, frozenset(flags.split("+")), ("batch",), reason, user, "2026-11-22T14:40:33")


#: the node now, activated, before; empty where it may be resumed, else why not
THROUGH_A_CHANGE = [
    (drained("Prolog error"), DRAINED - 1, IN_SERVICE, ""),
    (drained("Prolog error"), str(DRAINED), IN_SERVICE, ""),
    (drained("Prolog error"), DRAINED + 0.9, IN_SERVICE, ""),
    (drained("Epilog error"), DRAINED, {"state": "IDLE", "flags": ["MAINTENANCE"]}, ""),
    (drained("Prolog/Epilog failure"), DRAINED, IN_SERVICE, ""),
    (drained("batch job complete failure"), DRAINED, IN_SERVICE, ""),
    (drained(OURS, "root"), DRAINED + 5, IN_SERVICE, ""),
    (drained(OURS, "root", state="DOWN"), DRAINED, IN_SERVICE, ""),
    (drained("Prolog error"), DRAINED + 1, IN_SERVICE, "older than the change"),
    (drained("Prolog error"), None, IN_SERVICE, "did not reach it"),
    (drained("Prolog error"), DRAINED, None, "not known"),
    (drained(OURS, "root"), DRAINED, None, "not known"),
    (drained("Prolog error"), DRAINED, {"state": "IDLE", "flags": ["DRAIN"]}, "before the change"),
    (drained(OURS, "root"), DRAINED, {"state": "DOWN", "flags": []}, "before the change"),
    (drained(OURS, "root"), DRAINED, {"state": "IDLE", "flags": ["FAIL"]}, "before the change"),
    (drained("Prolog error", "root"), DRAINED, IN_SERVICE, "[root@2026-11-22T14:40:33]"),
    (drained("Prolog error "), DRAINED, IN_SERVICE, "[slurm@2026-11-22T14:40:33]"),
    (drained("Prolog error: see ticket", "slurm"), DRAINED, IN_SERVICE, "see ticket [slurm@"),
    (drained("Kill task failed", "root"), DRAINED, IN_SERVICE, "Kill task failed [root@"),
    (drained("Not responding"), DRAINED, IN_SERVICE, "Not responding [slurm@"),
    (drained("Prolog error", flags="DRAIN+INVALID_REG"), DRAINED, IN_SERVICE, "other hardware"),
    (drained(OURS, "root", flags="DRAIN+REBOOT_REQUESTED"), DRAINED, IN_SERVICE, "a reboot was asked for"),
    (drained("Prolog error", flags="DRAIN+REBOOT_ISSUED"), DRAINED, IN_SERVICE, "rebooted"),
]


@pytest.mark.parametrize(("now", "activated", "before", "why"), THROUGH_A_CHANGE)
def test_resume_what_a_change_drained(now: Node, activated: object, before: object, why: str) -> None:
    seen = _ownership.change({} if activated is None else {"n1": activated}, {} if before is None else {"n1": before})
    plan = _ownership.to_resume([now], "", "slurm", seen)
    assert plan.names == ([] if why else ["n1"])
    assert why in plan.foreign.get("n1", "")


def test_resume_after_a_change_leaves_alone_what_takes_jobs() -> None:
    """24.11 keeps the old reason. It tells nothing about the present."""
    seen = _ownership.change({"n1": DRAINED}, {"n1": IN_SERVICE})
    plan = _ownership.to_resume([drained("Prolog error", flags="MAINTENANCE")], "", "slurm", seen)
    assert (plan.names, plan.foreign) == ([], {})


def test_resume_refuses_a_blocked_node_without_a_change_too() -> None:
    assert (
        "a reboot was asked for"
        in _ownership.to_resume([drained(OURS, "root", "DRAIN+REBOOT_REQUESTED")], "").foreign["n1"]
    )


@pytest.mark.parametrize(
    ("activated", "before", "words"),
    [
        ({"n1": "soon"}, {}, "activated: n1: 'soon'"),
        ({"n1": None}, {}, "activated: n1: None"),
        ({}, {"n1": None}, "before: n1"),
        ({}, {"n1": {"state": "IDLE"}}, "before: n1"),
        ({}, {"n1": {"state": "", "flags": []}}, "before: n1"),
        ({}, {"n1": {"state": "IDLE", "flags": "DRAIN"}}, "before: n1"),
    ],
)
def test_what_cannot_be_read_is_refused(activated: dict[str, object], before: dict[str, object], words: str) -> None:
    with pytest.raises(_ownership.BeforeError, match=words):
        _ownership.change(activated, before)


def test_unfinished() -> None:
    nodes = [node("IDLE", ""), dataclasses.replace(node("IDLE+NOT_RESPONDING", ""), name="n2")]
    assert _ownership.unfinished([*nodes, dataclasses.replace(node("DOWN", ""), name="n3")]) == {
        "n2": "IDLE+NOT_RESPONDING",
        "n3": "DOWN",
    }


FAILURE = {
    "time": "2026-11-22T15:40:31+0100",
    "hook": "worker_prolog",
    "script": "10-scratch",
    "release": "4f4efd75945da640",
    "job": "4711",
    "user": "alice",
    "node": "n1",
    "exit": 3,
    "ms": 6,
    "cause": "exit",
    "output": "no space\n",
}


def test_explanation() -> None:
    reasons, foreign = _ownership.to_explain([drained("Prolog error")], {"n1": FAILURE}, "slurm")
    assert reasons == {"n1": "nodecycle: worker_prolog 10-scratch exit 3 job 4711 release 4f4efd75"}
    assert foreign == {}
    timeout = {**FAILURE, "cause": "timeout", "exit": 124, "job": ""}
    assert _ownership.explanation(timeout) == "worker_prolog 10-scratch timeout job unknown release 4f4efd75"


@pytest.mark.parametrize(
    ("now", "failure"),
    [
        (drained("Prolog error", "root"), {}),
        (drained(FOREIGN, "root"), {}),
        (drained("Prolog/Epilog failure"), {}),
        (drained("Epilog error"), {}),
        (drained("Prolog error"), {"hook": "worker_epilog"}),
        (drained("Prolog error"), {"script": ""}),
        (drained("Prolog error"), {"time": "2026-11-22T15:40:31+0000"}),
        (drained("Prolog error"), {"time": "2026-11-22T15:30:31+0100"}),
        (drained("Prolog error"), {"time": "yesterday"}),
        (drained("Prolog error"), {"time": "2026-11-22T15:40:31+0100", "ms": 400_000}),
        (drained("Prolog error"), None),
    ],
)
def test_nothing_is_explained_by_what_does_not_fit(now: Node, failure: dict[str, object] | None) -> None:
    failures = {"n1": {**FAILURE, **failure}} if failure is not None else {"n2": FAILURE}
    reasons, foreign = _ownership.to_explain([now], failures, "slurm")
    assert reasons == {}
    assert now.reason in foreign["n1"]


def test_a_long_script_is_known_by_its_end() -> None:
    long = {**FAILURE, "time": "2026-11-22T15:30:31+0100", "ms": 600_000}
    assert _ownership.to_explain([drained("Prolog error")], {"n1": long}, "slurm")[0]


def test_what_takes_jobs_or_is_ours_needs_no_explanation() -> None:
    present = [drained("Prolog error", flags="MAINTENANCE"), drained(OURS, "root")]
    assert _ownership.to_explain(present, {"n1": FAILURE}, "slurm") == ({}, {})


@pytest.mark.parametrize(
    ("state", "is_in"),
    [
        ("IDLE", True),
        ("ALLOCATED", True),
        ("MIXED+PLANNED", True),
        *((f"IDLE+{flag}", True) for flag in ("CLOUD", "DYNAMIC_NORM", "RESUME", "COMPLETING", "RESERVED")),
        ("ALLOCATED+MAINTENANCE", True),
        # It may answer in a moment, and gets jobs until then.
        ("IDLE+NOT_RESPONDING", True),
        *(
            (f"IDLE+{flag}", True)
            for flag in ("REBOOT_REQUESTED", "REBOOT_ISSUED", "POWER_UP", "POWERING_UP", "POWER_DOWN")
        ),
        *((f"IDLE+{flag}", True) for flag in ("INVALID_REG", "BLOCKED", "EXTERNAL")),
        ("IDLE+DRAIN", False),
        ("DOWN", False),
        ("ERROR", False),
        ("UNKNOWN", False),
        ("FUTURE", False),
        ("IDLE+DYNAMIC_FUTURE", False),
        ("IDLE+FAIL", False),
        ("IDLE+POWERED_DOWN", False),
        ("IDLE+POWERING_DOWN", False),
    ],
)
def test_who_may_get_jobs_now(state: str, is_in: bool) -> None:
    assert _ownership.is_in_service(node(state, "")) == is_in
    assert not _ownership.is_in_service(None)


#: node_states and node_state_flags of slurm_protocol_defs.c, 26.05.
STATES = [
    "DOWN", "IDLE", "ALLOCATED", "ERROR", "MIXED", "FUTURE", "UNKNOWN", "BLOCKED", "CLOUD", "COMPLETING", "DRAIN", "DYNAMIC_FUTURE",
    "DYNAMIC_NORM", "EXTERNAL", "INVALID_REG", "FAIL", "MAINTENANCE", "POWER_DOWN", "POWER_UP", "POWERED_DOWN", "REBOOT_REQUESTED",
    "REBOOT_ISSUED", "RESERVED", "RESUME", "NOT_RESPONDING", "PLANNED", "POWERING_UP", "POWERING_DOWN",
]  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_each_state_of_slurm_has_one_meaning_and_is_documented(state: str, root: pathlib.Path) -> None:
    meanings = [_ownership._OUT_OF_SERVICE, _ownership._SWITCHED_OFF, _ownership.SET_ASIDE, set(_ownership.RANKS)]
    assert sum(state in meaning for meaning in meanings) == 1
    page = (root / "docs/guide/rollout.md").read_text()
    table = page[page.index("## States of nodes") : page.index("## The state of the cluster")]
    assert len(re.findall(rf"\b{state}\b", table)) == 1
