# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes to which Ansible does not connect, in the plan, the undo, the rollback and the texts."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import delivery, rollback, texts, undo
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import plan as plan_

NEW, OLD, NOTHING = "n" * 64, "o" * 64, "e" * 64
IDLE: dict[str, t.Any] = {
    "state": "IDLE",
    "flags": [],
    "partitions": ["batch"],
    "reason": "",
    "reason_user": "",
    "reason_time": "",
}


def about(node: str, delivery_: str = "slurm") -> dict[str, t.Any]:
    said: dict[str, t.Any] = {"node": node, "kinds": ["worker"]}
    return {**said, "delivery": delivery_} if delivery_ == "slurm" else said


def defined(node: str, id_: str = NEW, delivery_: str = "slurm", *, is_target: bool = True) -> dict[str, t.Any]:
    nothing = NOTHING if delivery_ == "slurm" else ""
    known = {"hooks": ["worker_prolog"], "id": id_ if is_target else "", "nothing": nothing, "is_target": is_target}
    return {**known, "node": node, "kinds": ["worker"], "delivery": delivery_}


def staged(id_: str = NEW, *, active: bool = False) -> dict[str, t.Any]:
    return {
        "id": id_,
        "active": active,
        "previous": OLD[:16],
        "conf_pending": False,
        "conf_before": None,
        "init_pending": [],
        "missing_hooks": [],
        "lost_hooks": [],
        "proof": {"release": id_, "intact": True, "files": {}, "called": {"worker_prolog": True}, "conf": "x"},
    }


class World:
    """A controller, a worker p that Ansible connects to, and three that it does not."""

    def __init__(self, **committed: str) -> None:
        self.definition: dict[str, t.Any] = {
            "name": "target",
            "hooks": ["worker_prolog"],
            "hosts": {
                "c": {"hooks": [], "id": "", "node": "c", "kinds": ["controller"], "delivery": "push"},
                "p": defined("np", delivery_="push"),
                **{f"d{number}": defined(f"n{number}") for number in (1, 2, 3)},
            },
            "conf_text": "Prolog=nodecycle_bundle\n",
        }
        self.staged = {"c": {**staged(""), "active": True}, "p": staged(active=True), "d1": {}, "d2": {}, "d3": {}}
        ids = {"p": NEW, **dict.fromkeys(("d1", "d2", "d3"), OLD), **committed}
        entry = {"name": "before", "hosts": ids, "about": {"p": about("np", "push")}}
        entry["about"].update((f"d{number}", about(f"n{number}")) for number in (1, 2, 3))
        self.history: dict[str, t.Any] = {"committed": [entry], "journal": None}
        self.cluster: dict[str, t.Any] = {
            "nodes": {name: dict(IDLE) for name in ("np", "n1", "n2", "n3")},
            "partitions": ["batch"],
            "closed_partitions": [],
            "journal": None,
            "committed": entry,
            "reconfigure_due": False,
            "slurm_user": "slurm",
            "conf_path": "/etc/slurm/slurm.conf",
            "fragment": "Prolog=nodecycle_bundle\n",
        }
        self.settings: dict[str, t.Any] = {
            "controllers": ["c"],
            "adopt": [],
            "check": False,
            "canary": "",
            "batches": ["50%", "100%"],
            "watch": 10,
            "probe": True,
            "probe_timeout": 120,
            "tolerated": 0,
            "unreachable": "drain",
            "removal_allowed": False,
            "birth": False,
            "batch_probe": False,
        }

    def plan(self) -> dict[str, t.Any]:
        return plan_.plan(self.definition, self.staged, self.cluster, self.settings)

    def content(self, assignment: str, *, birth: bool = False) -> dict[str, t.Any]:
        planned = {"deliver": ["d1", "d2", "d3"], "deliver_canary": ["d2"]}
        return delivery.content(assignment, self.definition, self.history, planned, birth=birth)


def test_one_of_them_is_the_canary_and_all_follow_at_once() -> None:
    plan = World().plan()
    assert (plan["deliver"], plan["deliver_canary"], plan["probed"]) == (["d1", "d2", "d3"], ["d1"], ["n1"])
    assert plan["met"] == {"n1": NEW[:16]}
    # Ansible connects to none of them.
    assert (plan["batches"], plan["canary"], plan["prove"], plan["empty"]) == ([], [], [], [])
    assert plan["lead"] == ["c"]
    assert plan["problems"] == plan["warnings"] == []
    host = plan["rollout"]["hosts"]["d3"]
    assert host == {**about("n3"), "from": OLD[:16], "to": NEW, "conf": None}


def test_a_probe_on_each_idle_one_where_it_is_wanted() -> None:
    world = World()
    assert world.plan()["proving"] == {}
    world.settings["batch_probe"] = True
    world.cluster["nodes"]["n3"]["state"] = "MIXED"
    assert world.plan()["proving"] == {"n2": NEW[:16]}
    world.settings["check"] = True
    assert world.plan()["proving"] == {}


def test_without_a_change_nothing_is_due() -> None:
    world = World(d1=NEW, d2=NEW, d3=NEW)
    assert (world.plan()["deliver"], world.plan()["lead"]) == ([], [])
    # A limited run leaves the others as they are.
    world = World()
    for host in ("d1", "d2", "d3"):
        world.definition["hosts"][host] = defined(f"n{host[1]}", is_target=False)
    assert world.plan()["deliver"] == []


def test_the_first_time_they_come_from_a_release_that_runs_nothing() -> None:
    world = World(d1="", d2="", d3="")
    assert {host["from"] for host in world.plan()["rollout"]["hosts"].values()} == {NOTHING[:16]}


def test_a_node_out_of_service_is_no_canary_and_gets_the_release_nevertheless() -> None:
    world = World()
    for name in ("n1", "n2"):
        world.cluster["nodes"][name]["state"] = "DOWN"
    assert (world.plan()["deliver_canary"], world.plan()["deliver"]) == (["d3"], ["d1", "d2", "d3"])
    world.settings["canary"] = "n2"
    assert "slurm_canary names d2, which cannot run a job now" in world.plan()["warnings"][0]
    world.settings["canary"] = "n3"
    assert world.plan()["warnings"] == []


def test_all_that_they_have_goes_only_with_a_yes() -> None:
    world = World()
    for host in ("d1", "d2"):
        world.definition["hosts"][host]["id"] = ""
    (said,) = world.plan()["problems"]
    assert said.startswith("This would be removed, and is in use now: all that Slurm delivers to d[1-2]. ")
    world.settings["removal_allowed"] = True
    assert world.plan()["problems"] == []


def test_the_last_script_of_a_hook_that_slurm_delivers_goes_only_with_a_yes() -> None:
    world = World(d3="")
    pairs = {f"{OLD} {NEW}": {"lost_hooks": ["worker_epilog"]}, f"{NOTHING} {NEW}": {"lost_hooks": []}}
    plan = plan_.plan(world.definition, world.staged, world.cluster, world.settings, pairs)
    assert plan["pairs"] == {"d1": f"{OLD} {NEW}", "d2": f"{OLD} {NEW}", "d3": f"{NOTHING} {NEW}"}
    (said,) = plan["problems"]
    assert said.startswith("This would be removed, and is in use now: slurm_worker_epilog on d[1-2]. ")


def test_new_hooks_of_the_controller_are_tried_on_one_of_them() -> None:
    world = World(d1=NEW, d2=NEW, d3=NEW)
    world.staged = {"c": staged(), "d1": {}, "d2": {}, "d3": {}}
    world.definition["hosts"]["c"]["id"] = NEW
    plan = world.plan()
    assert (plan["canary"], plan["probed"], plan["deliver_canary"], plan["met"]) == (["c"], ["n1"], [], {})


def test_each_node_has_what_its_step_says() -> None:
    world = World()
    old = dict.fromkeys(("n1", "n2", "n3"), OLD)
    assert world.content("before") == {"nodes": None, "delivered": old, "canaries": {}, "keep": [NEW, OLD]}
    assert (world.content("canary")["delivered"], world.content("canary")["canaries"]) == (old, {"n2": NEW})
    assert world.content("all")["delivered"] == dict.fromkeys(old, NEW)
    assert world.content("settled")["delivered"] == old
    assert (world.content("settled")["nodes"], world.content("settled", birth=True)["nodes"]) == ({}, {"np": NEW})
    world = World(d1="", d2="")
    assert world.content("before")["delivered"] == {"n1": NOTHING, "n2": NOTHING, "n3": OLD}


def test_an_undo_restores_what_the_journal_says_also_without_a_definition() -> None:
    world = World()
    entries = {"d1": {**about("n1"), "from": "f" * 16, "to": NEW}, "p": {**about("np", "push"), "from": OLD, "to": NEW}}
    world.history["journal"] = {"hosts": entries}
    for definition in (world.definition, {}):
        found = delivery.content("undo", definition, world.history, {"deliver": [], "deliver_canary": []}, birth=False)
        assert found["delivered"] == {"n1": "f" * 16, "n2": OLD, "n3": OLD}
        assert found["nodes"] is None
        assert "f" * 16 in found["keep"]
    # A host whose delivery has changed is in the bundle as it is now.
    world.definition["hosts"]["d3"] = defined("n3", delivery_="push")
    world.history["journal"] = None
    assert "n3" not in world.content("before")["delivered"]


def journal(**hosts: dict[str, t.Any]) -> dict[str, t.Any]:
    return {
        "name": "target",
        "controllers": ["c"],
        "hosts": hosts,
        "conf_changed": False,
        "activated": dict.fromkeys(hosts, 100),
        "nodes": {},
        "slurm_user": "slurm",
    }


DELIVERED = {**about("n1"), "from": OLD, "to": NEW, "conf": None}
PUSHED = {**about("np", "push"), "from": OLD, "to": NEW, "conf": None}


def test_an_undo_connects_to_none_and_resumes_all() -> None:
    due = undo.undo_plan(journal(d1=DELIVERED, p=PUSHED))
    assert (list(due["steps"]), due["delivered"], due["nodes"]) == (["p"], ["d1"], {"n1": 100, "np": 100})
    answers: dict[str, t.Any] = {
        "p": {"restored": {"changed": True}, "proven": {"changed": False}},
        "c": {"carry_failure": ""},
    }
    assert undo.undo_outcome(due, answers, 1)["restored_nodes"] == ["n1", "np"]
    answers["c"]["carry_failure"] = "no room"
    outcome = undo.undo_outcome(due, answers, 1)
    assert outcome["not_restored"] == {"d1": "Slurm does not deliver it: no room"}
    assert (outcome["restored_nodes"], outcome["nodes_to_drain"]) == (["np"], ["n1"])


def test_an_undo_knows_the_jobs_that_wait_from_slurm() -> None:
    due = undo.undo_plan(journal(d1=DELIVERED))
    record = {
        "hook": "worker_prolog",
        "script": "",
        "job": "7",
        "node": "n1",
        "exit": 0,
        "cause": "unasked",
        "time": "",
    }
    outcome = undo.undo_outcome(due, {"c": t.cast("t.Any", {"held": {"failures": [record]}})}, 1)
    assert outcome["jobs"] == ["7"]
    message = texts.undo_message(
        {**due, "commit": None}, {**outcome, "still_waiting": []}, {"d1": "Prolog error [slurm@x]"}, {}, {}, {}
    )
    assert message.splitlines() == [
        "The rollout target is undone.",
        "Slurm delivers the previous release to 1 host, with the next job there.",
        "- d1: Prolog error [slurm@x]",
        "- worker_prolog failed on n1 for job 7. Ansible does not connect to this node: see /var/log/nodecycle/worker_prolog.log there.",
    ]


def test_a_rollback_asks_none_of_them() -> None:
    entry = {"name": "old", "hosts": {"d1": OLD, "p": OLD}, "about": {}, "conf": {}}
    present = {"name": "new", "hosts": {"d1": NEW, "p": NEW}, "conf": {}, "controllers": ["c"]}
    present["about"] = {"d1": about("n1"), "p": about("np", "push")}
    found = rollback.rollback({"entry": entry, "present": present}, {"d1": {"skipped": True}, "p": {}}, "slurm")
    assert found["problems"] == []
    assert found["hosts"]["d1"] == {**about("n1"), "from": OLD[:16], "to": NEW, "conf": None}


def test_the_status_does_not_call_them_proven() -> None:
    history = {"committed": [{"name": "x", "hosts": {"d1": OLD}, "about": {"d1": about("n1")}}], "journal": None}
    answers: dict[str, t.Any] = {"d1": {"proven": {"skipped": True}}, "d2": {"proven": {"skipped": True}}}
    lines, unproven = texts.status(["d1", "d2"], answers, history)
    assert lines[1:] == [
        f"d1: release {OLD[:16]}, from Slurm with its next job; not asked",
        "d2: no release; Slurm delivers it",
    ]
    assert unproven == []


@pytest.mark.parametrize("assignment", delivery.ASSIGNMENTS)
def test_before_the_first_commit_there_is_nothing_to_remember(assignment: str) -> None:
    world = World()
    world.history["committed"] = []
    assert world.content(assignment)["keep"] == []
