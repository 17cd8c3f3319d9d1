# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf, _ownership
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import failures as failures_
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import plan as plan_
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import rollback as rollback_
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import sizes as sizes_
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import texts
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import undo as undo_

HOOKS = ["worker_prolog", "worker_epilog", "task_prolog", "task_epilog"]
NEW, OLD = "n" * 64, "o" * 64


def node(
    state: str = "IDLE", partitions: t.Sequence[str] = ("batch",), reason: str = "", user: str = "", time: str = ""
) -> dict[str, t.Any]:
    base, *flags = state.split("+")
    return {
        "state": base,
        "flags": flags,
        "partitions": list(partitions),
        "reason": reason,
        "reason_user": user,
        "reason_time": time,
    }


UNREACHABLE = {
    "reason": "nodecycle: unreachable for Ansible @2026-11-22T14:40:33",
    "user": "root",
    "time": "2026-11-22T14:40:33",
}


def proof(release: str = NEW) -> dict[str, t.Any]:
    return {
        "release": release,
        "intact": True,
        "files": {},
        "called": {"worker_prolog": True},
        "conf": "/etc/slurm/slurm.conf",
    }


class World:
    """A small cluster on which every worker and the controller have staged a new release."""

    def __init__(self, workers: int = 4) -> None:
        self.workers = [f"w{number}" for number in range(1, workers + 1)]
        hosts = {"c": ["controller"], "l": ["login"], **{name: ["worker"] for name in self.workers}}
        self.definition: dict[str, t.Any] = {
            "name": "target",
            "hooks": ["worker_prolog"],
            "hosts": {name: {"hooks": HOOKS, "id": NEW, "node": name, "kinds": kinds} for name, kinds in hosts.items()},
            "conf_text": "Prolog=x\n",
        }
        self.staged: dict[str, dict[str, t.Any]] = {
            name: {
                "id": NEW,
                "active": False,
                "previous": OLD[:16],
                "conf_pending": False,
                "conf_before": {"text": "", "adopt": []} if name == "c" else None,
                "init_pending": [],
                "missing_hooks": [],
                "lost_hooks": [],
                "proof": proof(OLD),
            }
            for name in hosts
        }
        self.cluster: dict[str, t.Any] = {
            "nodes": {name: node() for name in self.workers},
            "partitions": ["batch"],
            "closed_partitions": [],
            "journal": None,
            "committed": {"name": "before", "hosts": dict.fromkeys(hosts, OLD)},
            "reconfigure_due": False,
            "slurm_user": "slurm",
            "conf_path": "/etc/slurm/slurm.conf",
            "fragment": "Prolog=x\n",
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

    def settle(self, *hosts: str) -> None:
        for host in hosts:
            self.staged[host].update(active=True, proof=proof(NEW))

    def plan(self) -> dict[str, t.Any]:
        return plan_.plan(self.definition, self.staged, self.cluster, self.settings)


@pytest.fixture
def world() -> World:
    return World()


def test_controllers_and_logins_then_canary_then_batches(world: World) -> None:
    plan = world.plan()
    assert plan["batches"] == ["c", "l", "w1", "w2", "w3", "w4"]
    assert plan["serial"] == [2, 1, 2, 1]
    assert plan["canary"] == ["w1", "c"]
    assert plan["probed"] == ["w1"]
    assert plan["problems"] == []


def test_only_idle_workers_get_probes_in_their_batch(world: World) -> None:
    world.cluster["nodes"]["w1"] = node("ALLOCATED")
    world.cluster["nodes"]["w2"] = node("IDLE+DRAIN")
    assert world.plan()["idle"] == {"w3": "w3", "w4": "w4"}


def test_nothing_is_due_where_everything_is_as_it_should_be(world: World) -> None:
    world.settle(*world.staged)
    plan = world.plan()
    assert not plan["lead"]
    assert [key for key in ("empty", "conf", "canary", "batches", "remove", "resume", "drain") if plan[key]] == []


def test_a_host_that_runs_something_else_is_told_although_nothing_is_left_to_do(world: World) -> None:
    world.settle(*world.staged)
    assert world.plan()["warnings"] == []
    world.staged["w2"]["proof"] = {**proof(), "called": {"task_prolog": False}}
    plan = world.plan()
    assert plan["warnings"] == [
        "w2 does not run what is defined: /etc/slurm/slurm.conf does not name the dispatcher of task_prolog"
    ]
    # The run proves its own changes after the change.
    world.staged["c"]["conf_pending"] = True
    assert world.plan()["warnings"] == []


def test_a_journal_alone_makes_a_rollout_due(world: World) -> None:
    world.settle(*world.staged)
    world.cluster["journal"] = {"passed": True}
    assert world.plan()["lead"] == ["c"]


def test_a_release_that_has_passed_is_not_tried_again(world: World) -> None:
    world.cluster["journal"] = {"passed": True}
    plan = world.plan()
    assert (plan["canary"], plan["probed"]) == ([], [])
    assert plan["batches"]


def test_without_probes_a_warning_says_what_is_lost(world: World) -> None:
    world.settings["probe"] = False
    plan = world.plan()
    assert plan["canary"] == []
    assert "slurm_probe" in plan["warnings"][0]


def test_controller_hooks_are_tried_on_a_worker_that_stands_in(world: World) -> None:
    world.settle("l", *world.workers)
    plan = world.plan()
    assert (plan["canary"], plan["probed"]) == (["c"], ["w1"])


@pytest.mark.parametrize(
    ("hooks", "watched"),
    [(["controller_prolog", "controller_epilog", "controller_init"], ["c"]), (["controller_init"], []), ([], [])],
)
def test_a_controller_whose_hooks_run_for_jobs_is_watched_and_a_login_node_is_not(
    world: World, hooks: list[str], watched: list[str]
) -> None:
    world.definition["hosts"]["c"]["hooks"] = hooks
    world.definition["hosts"]["l"]["hooks"] = ["login_init"]
    world.settle("w2")
    assert world.plan()["watched"] == [*watched, "w1", "w3", "w4"]
    world.settle("c")
    assert "c" not in world.plan()["watched"]


def test_hosts_without_a_release_get_an_empty_one_first(world: World) -> None:
    world.staged["w2"].update(previous="", missing_hooks=HOOKS)
    assert world.plan()["empty"] == ["w2"]


def test_a_host_that_lacks_only_init_hooks_needs_no_empty_release(world: World) -> None:
    world.staged["w2"].update(previous="", missing_hooks=["worker_init"])
    assert world.plan()["empty"] == []


def test_slurm_conf_changes_are_reconfigured_once_and_asked_of_everybody_who_runs_hooks(world: World) -> None:
    world.settle(*world.staged)
    world.staged["c"]["conf_pending"] = True
    plan = world.plan()
    assert (plan["conf"], plan["reconfigure"], plan["prove"]) == (["c"], ["c"], ["c", *world.workers])


def test_check_mode_skips_what_has_nothing_to_look_at(world: World) -> None:
    world.settings["check"] = True
    world.staged["c"]["conf_pending"] = True
    world.staged["w2"].update(previous="", missing_hooks=HOOKS)
    plan = world.plan()
    assert (plan["empty"], plan["prove"], plan["canary"]) == ([], [], [])
    assert plan["batches"]


def canaries(spec: str, **facts: dict[str, t.Any]) -> list[str]:
    nodes = {found.name: found for found in _ownership.from_facts(facts)}
    return sizes_.choose_canaries(spec, list(nodes), {name: name for name in nodes}, nodes)


def test_canaries_hold_every_partition_and_prefer_idle_nodes() -> None:
    assert canaries(
        "",
        a=node("ALLOCATED", ["x", "y"]),
        b=node("IDLE", ["x"]),
        d=node("IDLE", ["x", "y"]),
        e=node("IDLE", ["z"]),
    ) == ["d", "e"]


@pytest.mark.parametrize(
    "state",
    [
        "IDLE+MAINTENANCE+RESERVED", "IDLE+RESERVED", "IDLE+REBOOT_REQUESTED", "IDLE+REBOOT_ISSUED", "IDLE+POWERING_UP", "IDLE+POWER_DOWN",
        "IDLE+NOT_RESPONDING", "IDLE+PLANNED", "IDLE+COMPLETING", "MIXED", "ALLOCATED",
    ],
)  # fmt: skip
def test_a_plainly_idle_node_is_the_canary(state: str) -> None:
    assert canaries("", a=node(state), b=node("IDLE"), c=node(state)) == ["b"]
    assert canaries("1", a=node(state), b=node("IDLE+CLOUD"), c=node(state)) == ["b"]


def test_the_less_a_node_does_the_better_a_canary_it_is() -> None:
    nodes = {
        "a": node("ALLOCATED"),
        "b": node("MIXED"),
        "c": node("IDLE+COMPLETING"),
        "d": node("IDLE+PLANNED"),
        "e": node(),
    }
    assert canaries("100%", **nodes) == ["e", "d", "c", "b", "a"]


@pytest.mark.parametrize("flag", ["CLOUD", "DYNAMIC_NORM", "RESUME"])
def test_what_says_nothing_of_a_node_s_work_makes_it_no_worse_a_canary(flag: str) -> None:
    assert canaries("2", a=node("IDLE+PLANNED"), b=node(f"IDLE+{flag}"), c=node()) == ["b", "c"]


@pytest.mark.parametrize(
    "flag",
    [
        "NOT_RESPONDING", "REBOOT_REQUESTED", "REBOOT_ISSUED", "POWER_UP", "POWERING_UP", "POWER_DOWN", "INVALID_REG", "BLOCKED", "EXTERNAL",
    ],
)  # fmt: skip
def test_a_node_that_may_not_start_a_job_now_is_a_canary_only_by_name(flag: str) -> None:
    assert canaries("", a=node(f"IDLE+{flag}")) == []
    assert canaries("100%", a=node(f"IDLE+{flag}"), b=node("ALLOCATED")) == ["b"]
    assert canaries("a", a=node(f"IDLE+{flag}"), b=node()) == ["a"]


def test_a_node_that_somebody_has_set_aside_is_no_canary_for_its_partition() -> None:
    nodes = {"a": node("IDLE", ["x"]), "b": node("IDLE+MAINTENANCE+RESERVED", ["gpu"])}
    assert canaries("", **nodes) == ["a"]
    assert canaries("b", **nodes) == ["b"]


def test_where_all_nodes_are_reserved_one_of_them_is_the_canary() -> None:
    assert canaries("", a=node("IDLE+MAINTENANCE"), b=node("IDLE+MAINTENANCE+NOT_RESPONDING")) == ["a"]


def test_a_node_that_only_a_closed_partition_has_is_no_canary(world: World) -> None:
    world.cluster["nodes"]["w1"] = node("IDLE", ["gpu"])
    world.cluster["closed_partitions"] = ["gpu"]
    assert world.plan()["probed"] == ["w2"]


def test_a_closed_partition_that_no_probe_reaches_is_told(world: World) -> None:
    """The module probe tells of those of its own nodes."""
    world.cluster["nodes"]["w4"] = node("IDLE", ["gpu", "batch"])
    world.cluster["closed_partitions"] = ["gpu", "elsewhere"]
    plan = world.plan()
    assert plan["probed"] == ["w1"]
    assert plan["warnings"] == [
        "the partition gpu is closed, so no probe runs there. Scripts for it alone meet a user's job first"
    ]
    world.settings["canary"] = "w4"
    assert (world.plan()["probed"], world.plan()["warnings"]) == (["w4"], [])
    world.settings["canary"] = ""
    world.settle("w4")
    assert world.plan()["warnings"] == []


def test_where_no_node_answers_there_is_no_canary_and_a_warning(world: World) -> None:
    for name in world.workers:
        world.cluster["nodes"][name] = node("IDLE+NOT_RESPONDING")
    plan = world.plan()
    assert (plan["canary"], plan["probed"]) == ([], [])
    assert "so no canary runs the release" in plan["warnings"][0]


@pytest.mark.parametrize(
    ("spec", "chosen"), [("2", ["b", "c"]), ("50%", ["b", "c"]), ("1%", ["b"]), ("[a,d]", None), ("a,d", ["a", "d"])]
)
def test_canaries_by_number_percentage_or_name(spec: str, chosen: list[str] | None) -> None:
    nodes = {"a": node("ALLOCATED"), "b": node(), "c": node(), "d": node()}
    if chosen is None:
        with pytest.raises(sizes_.RolloutError, match="slurm_canary"):
            canaries(spec, **nodes)
    else:
        assert canaries(spec, **nodes) == chosen


def test_an_unknown_canary_is_refused_by_name(world: World) -> None:
    world.settings["canary"] = "w1,w9"
    assert "w9" in world.plan()["problems"][0]


@pytest.mark.parametrize(
    ("named", "state", "warned", "canary"),
    [
        ("w1", "IDLE+DRAIN", "w1", ["w2"]),
        ("w[1,3]", "DOWN", "w1", ["w3"]),
        ("w1", "IDLE", "", ["w1"]),
    ],
)
def test_a_named_canary_that_cannot_run_a_job_is_told_and_another_one_does(
    world: World, named: str, state: str, warned: str, canary: list[str]
) -> None:
    world.settings["canary"] = named
    world.cluster["nodes"]["w1"] = node(state, reason="fan", user="root")
    plan = world.plan()
    assert plan["probed"] == canary
    assert [warning.partition(",")[0] for warning in plan["warnings"]] == (
        [f"slurm_canary names {warned}"] if warned else []
    )
    assert (f": {canary[0]} instead" in "".join(plan["warnings"])) == (canary == ["w2"])


def test_a_named_canary_without_slurmd_or_with_the_release_already_is_replaced(world: World) -> None:
    world.settings["canary"] = "w1"
    world.staged["w1"]["runs_slurmd"] = False
    assert world.plan()["probed"] == ["w2"]
    world.settle("w1")
    plan = world.plan()
    assert (plan["probed"], plan["warnings"]) == (["w2"], [])


def test_nodes_out_of_service_are_no_canaries_and_come_last(world: World) -> None:
    world.cluster["nodes"]["w1"] = node("IDLE+DRAIN", reason="fan", user="root")
    plan = world.plan()
    assert plan["probed"] == ["w2"]
    assert plan["batches"] == ["c", "l", "w2", "w3", "w4", "w1"]


def test_where_no_worker_is_in_service_a_warning_says_so(world: World) -> None:
    for name in world.workers:
        world.cluster["nodes"][name] = node("DOWN")
    plan = world.plan()
    assert plan["canary"] == []
    assert "no worker is in service" in plan["warnings"][0]


@pytest.mark.parametrize(
    ("total", "specs", "sizes"),
    [(10, ["1", "50%"], [1, 5, 4]), (3, ["20%", "100%"], [1, 2]), (5, ["2"], [2, 2, 1]), (0, ["2"], []), (2, [], [2])],
)
def test_batch_sizes(total: int, specs: list[str], sizes: list[int]) -> None:
    assert sizes_.batch_sizes(total, specs) == sizes


def test_a_wrong_batch_size_names_the_variable(world: World) -> None:
    world.settings["batches"] = ["many"]
    assert "slurm_batches is 'many'" in world.plan()["problems"][0]


class TestUnreachable:
    def test_a_node_in_service_ends_the_run(self, world: World) -> None:
        world.staged["w2"] = {"unreachable": True}
        assert "slurm_tolerated_nodes" in world.plan()["problems"][0]

    def test_tolerated_it_is_drained(self, world: World) -> None:
        world.staged["w2"] = {"unreachable": True}
        world.settings["tolerated"] = 1
        plan = world.plan()
        assert (plan["problems"], plan["drain"], plan["left"]) == ([], ["w2"], [])
        assert "w2" not in plan["batches"]

    def test_or_left(self, world: World) -> None:
        world.staged["w2"] = {"unreachable": True}
        world.settings.update(tolerated=1, unreachable="leave")
        plan = world.plan()
        assert (plan["drain"], plan["left"]) == ([], ["w2"])

    def test_a_node_that_is_down_stays_as_it_is(self, world: World) -> None:
        world.staged["w2"] = {"unreachable": True}
        world.cluster["nodes"]["w2"] = node("DOWN+NOT_RESPONDING", reason="Not responding", user="slurm")
        plan = world.plan()
        assert (plan["problems"], plan["drain"], plan["left"]) == ([], [], ["w2"])

    def test_a_node_that_an_administrator_drained_is_left(self, world: World) -> None:
        world.staged["w2"] = {"unreachable": True}
        world.cluster["nodes"]["w2"] = node("IDLE+DRAIN", reason="fan", user="root")
        plan = world.plan()
        assert (plan["problems"], plan["drain"], plan["left"]) == ([], [], ["w2"])

    def test_a_node_without_any_release_would_be_drained_by_its_first_job(self, world: World) -> None:
        world.staged["w2"] = {"unreachable": True}
        del world.cluster["committed"]["hosts"]["w2"]
        world.settings["tolerated"] = 1
        assert "slurm_unmanaged_nodes" in world.plan()["problems"][0]

    def test_the_bundle_sets_it_up(self, world: World) -> None:
        world.staged["w2"] = {"unreachable": True}
        del world.cluster["committed"]["hosts"]["w2"]
        world.settings.update(tolerated=1, birth=True)
        plan = world.plan()
        assert (plan["problems"], plan["drain"], plan["left"]) == ([], [], ["w2"])

    @pytest.mark.parametrize(("birth", "batches"), [(True, ["w2"]), (False, [])])
    def test_what_the_bundle_has_set_up_is_noted_by_the_next_run(
        self, world: World, birth: bool, batches: list[str]
    ) -> None:
        world.settings["birth"] = birth
        world.settle(*world.staged)
        world.cluster["committed"]["hosts"] = {**dict.fromkeys(world.staged, NEW), "w2": OLD}
        assert world.plan()["batches"] == batches

    def test_the_controller_is_needed(self, world: World) -> None:
        world.staged["c"] = {"unreachable": True}
        assert "controller c cannot be reached" in world.plan()["problems"][0]

    def test_reachable_again_it_is_resumed(self, world: World) -> None:
        world.cluster["nodes"]["w2"] = node("IDLE+DRAIN", **UNREACHABLE)
        assert world.plan()["resume"] == ["w2"]

    @pytest.mark.parametrize(
        "taken_over",
        [
            {"reason": f"{UNREACHABLE['reason']}: switch port, do not resume"},
            {"time": "2026-11-23T09:00:00"},
            {"user": "bob"},
        ],
    )
    def test_but_not_where_an_administrator_has_taken_it_over(self, world: World, taken_over: dict[str, str]) -> None:
        world.cluster["nodes"]["w2"] = node("IDLE+DRAIN", **{**UNREACHABLE, **taken_over})
        plan = world.plan()
        assert plan["resume"] == []
        assert "w2" in plan["out"]

    def test_the_reason_of_a_drain_that_is_over_is_none(self, world: World) -> None:
        """24.11 goes on showing it."""
        world.settle(*world.staged)
        world.cluster["nodes"]["w2"] = node("IDLE", **UNREACHABLE)
        assert (world.plan()["resume"], world.plan()["lead"]) == ([], [])
        world.staged["w2"] = {"unreachable": True}
        world.cluster["nodes"]["w2"] = node("IDLE+POWERED_DOWN", **UNREACHABLE)
        assert (world.plan()["drain"], world.plan()["left"]) == ([], ["w2"])

    def test_still_unreachable_is_no_new_work(self, world: World) -> None:
        world.settle(*world.staged)
        world.staged["w2"] = {"unreachable": True}
        world.cluster["nodes"]["w2"] = node("IDLE+DRAIN", **UNREACHABLE)
        assert not world.plan()["lead"]


def journal(**fields: t.Any) -> dict[str, t.Any]:
    hosts = {
        "c": {"node": "c", "kinds": ["controller"], "from": "old", "to": NEW, "conf": {"text": "old\n", "adopt": []}},
        "w1": {"node": "n1", "kinds": ["worker"], "from": "old", "to": NEW, "conf": None},
        "w2": {"node": "n2", "kinds": ["worker"], "from": "", "to": NEW, "conf": None},
    }
    return {
        "name": "target",
        "phase": "batches",
        "hosts": hosts,
        "activated": {"w1": 1000},
        "nodes": {"n1": node(), "n2": node()},
        "conf_changed": True,
        "controllers": ["c"],
        "slurm_user": "slurm",
        "failed": {},
        **fields,
    }


DRAINED = node("IDLE+DRAIN", reason="Prolog error", user="slurm", time="1970-01-01T00:20:00")


@pytest.mark.parametrize(
    ("found", "nodes", "first"),
    [
        (None, {}, ""),
        (journal(), {"n1": node()}, "finish"),
        (journal(name="another"), {"n1": node()}, "undo"),
        (journal(phase="undo"), {"n1": node()}, "undo"),
        (journal(failed={"w1": "why"}), {"n1": node()}, "undo"),
        (journal(), {"n1": DRAINED}, "undo"),
        # Older than the activation, so not caused by the rollout.
        (journal(activated={"w1": 2000}), {"n1": DRAINED}, "finish"),
    ],
)
def test_what_a_killed_run_left_is_finished_or_undone(found: t.Any, nodes: t.Any, first: str) -> None:
    assert plan_.what_to_do_first(found, {"name": "target"}, nodes) == first


def taking(undo: dict[str, t.Any], *steps: str) -> tuple[list[str], ...]:
    """The hosts that take each of these steps."""
    return tuple([host for host, due in undo["steps"].items() if step in due] for step in steps)


def test_undo_restores_hosts_that_were_activated_and_removes_from_those_that_had_none() -> None:
    plan = undo_.undo_plan(journal())
    assert taking(plan, "prove", "remove") == (["w1"], ["w2"])
    assert (taking(plan, "conf"), plan["reconfigure"], plan["conf_text"]) == ((["c"],), True, "old\n")
    assert plan["nodes"] == {"n1": 1000}


def test_undo_takes_nothing_away_from_a_host_that_only_has_lines_of_ours() -> None:
    hosts = journal()["hosts"]
    hosts["c"].update({"from": "", "to": ""})
    plan = undo_.undo_plan(journal(hosts=hosts))
    assert taking(plan, "remove", "conf") == (["w2"], ["c"])


def test_undo_leaves_nothing_on_a_host_that_only_got_lines_of_ours() -> None:
    """A login node with a slurm.conf of its own: its copy of the replaced file goes with the lines."""
    hosts = journal()["hosts"]
    hosts["c"].update({"from": "", "to": "", "conf": {"text": "", "adopt": []}})
    assert taking(undo_.undo_plan(journal(hosts=hosts)), "remove", "conf") == (["w2", "c"], ["c"])
    assert taking(undo_.undo_plan(journal(hosts=hosts, conf_changed=False)), "remove", "conf") == (["w2"], [])


def test_undo_leaves_a_slurm_conf_alone_that_did_not_change() -> None:
    plan = undo_.undo_plan(journal(conf_changed=False))
    assert (taking(plan, "conf"), plan["reconfigure"], plan["conf_text"]) == (([],), False, None)


def restored_answers() -> dict[str, dict[str, t.Any]]:
    """The answers of the hosts after an undo that succeeded."""
    done = {"changed": True}
    return {
        "c": {"restored_conf": done},
        "w1": {"restored": done, "proven": done},
        "w2": {"removed": done},
    }


def test_undo_names_the_jobs_that_its_scripts_made_slurm_hold() -> None:
    record = {
        "hook": "worker_prolog",
        "script": "10-x",
        "exit": 3,
        "node": "n1",
        "job": "7",
        "time": "t",
        "output": "no disk\n",
    }
    epilog = {**record, "hook": "worker_epilog", "job": "8"}
    facts = restored_answers()
    facts["w1"]["log"] = {"failures": [record, epilog]}
    undo = undo_.undo_plan(journal())
    outcome = {**undo_.undo_outcome(undo, facts, 1), "still_waiting": []}
    assert outcome["jobs"] == ["7"]
    assert outcome["not_restored"] == {}
    text = texts.undo_message(
        undo, outcome, {"n1": "Prolog error [slurm@x]"}, {"changed_nodes": "n1"}, {"released": ["7"]}, {}
    )
    assert (
        "worker_prolog: script 10-x ended with exit code 3 on n1 for job 7.\n  It printed last:\n    no disk\n" in text
    )
    assert "Prolog error" not in text


@pytest.mark.parametrize(
    "said",
    [
        {"undo_failure": {"number": 1, "msg": "disk full"}},
        {"restored": {"unreachable": True}},
        {"proven": {"failed": True, "msg": "disk full"}},
        {"proven": {"unreachable": True}},
    ],
)
def test_a_host_that_is_not_restored_is_named_and_its_node_stays_drained(said: dict[str, t.Any]) -> None:
    facts = restored_answers()
    facts["w1"].update(said)
    outcome = undo_.undo_outcome(undo_.undo_plan(journal()), facts, 1)
    assert list(outcome["not_restored"]) == ["w1"]
    assert (outcome["nodes_to_drain"], outcome["restored_nodes"]) == (["n1"], [])


def test_a_failure_of_an_earlier_undo_in_the_same_run_does_not_count() -> None:
    facts = restored_answers()
    facts["w1"]["undo_failure"] = {"number": 1, "msg": "disk full"}
    assert undo_.undo_outcome(undo_.undo_plan(journal()), facts, 2)["not_restored"] == {}


def test_a_skipped_step_restores_nothing() -> None:
    facts = restored_answers()
    facts["w1"]["proven"] = {"changed": False, "skipped": True}
    assert list(undo_.undo_outcome(undo_.undo_plan(journal()), facts, 1)["not_restored"]) == ["w1"]


def test_a_node_whose_init_scripts_fail_keeps_the_reason_that_says_so() -> None:
    facts = restored_answers()
    facts["w1"].update(undo_failure={"number": 1, "msg": "init failed"}, init={"failure": {"hook": "worker_init"}})
    outcome = undo_.undo_outcome(undo_.undo_plan(journal()), facts, 1)
    assert (list(outcome["not_restored"]), outcome["nodes_to_drain"], outcome["restored_nodes"]) == (["w1"], [], [])


def test_a_host_that_said_nothing_is_not_restored() -> None:
    facts = restored_answers()
    del facts["w1"]["proven"]
    del facts["w2"]
    outcome = undo_.undo_outcome(undo_.undo_plan(journal()), facts, 1)
    assert sorted(outcome["not_restored"]) == ["w1", "w2"]
    assert "--limit" in outcome["not_restored"]["w1"]


@pytest.mark.parametrize("job", ["unknown", "", "7\n", "--partition=batch", None])
def test_what_is_no_id_of_a_job_is_never_released(job: object) -> None:
    record = {"hook": "worker_prolog", "script": "10-x", "exit": 3, "node": "n2", "job": job, "time": "t"}
    assert undo_.undo_outcome(undo_.undo_plan(journal(failures=[record])), restored_answers(), 1)["jobs"] == []


@pytest.mark.parametrize(
    ("still_waiting", "absent", "words"),
    [
        (
            ["Nodes n1: no answer."],
            {},
            [
                "some nodes or jobs still wait",
                "- Nodes or jobs still wait: Nodes n1: no answer. Fix this, then run again",
            ],
        ),
        (
            [],
            {"failed": True, "msg": "Probe of no node: no answer"},
            ["each host has proven it", "are left: Probe of no node: no answer. They end"],
        ),
        ([], {"strangers": ["7", "8"]}, ["each host has proven it", "jobs of others use it: 7, 8."]),
    ],
)
def test_what_failed_after_the_releases_is_told(
    still_waiting: list[str], absent: dict[str, t.Any], words: list[str]
) -> None:
    undo = undo_.undo_plan(journal())
    outcome = {**undo_.undo_outcome(undo, restored_answers(), 1), "still_waiting": still_waiting}
    text = texts.undo_message(undo, outcome, {}, {"failed": True}, {"skipped": True}, absent)
    assert [word for word in words if word not in text] == [], text


def test_a_slurm_conf_that_slurm_did_not_read_again_is_told_and_nodes_are_resumed_nevertheless() -> None:
    facts = restored_answers()
    # Slurm may still name these files, so they stay.
    del facts["w2"]
    facts["c"]["reconfigured"] = {"failed": True, "msg": "parse error"}
    outcome = undo_.undo_outcome(undo_.undo_plan(journal()), facts, 1)
    assert outcome["not_restored"] == {"c": "Slurm did not read the previous slurm.conf: parse error"}
    assert (outcome["nodes_to_drain"], outcome["restored_nodes"]) == ([], ["n1"])


def test_a_killed_undo_remembers_the_jobs_that_wait() -> None:
    record = {"hook": "worker_prolog", "script": "10-x", "exit": 3, "node": "n2", "job": "7", "time": "t"}
    undo = undo_.undo_plan(journal(failures=[record]))
    assert undo_.undo_outcome(undo, restored_answers(), 1)["jobs"] == ["7"]


def test_undo_resumes_the_nodes_that_the_rollout_drained_as_unreachable() -> None:
    nodes = {"n1": node(), "n2": node("IDLE+DRAIN")}
    assert undo_.undo_plan(journal(drained=["n1", "n2"], nodes=nodes))["unreachable"] == ["n1"]


def test_where_there_was_no_release_an_undo_begins_with_an_empty_one() -> None:
    plan = undo_.undo_plan(journal(activated={"w1": 1000, "w2": 1000}))
    assert taking(plan, "activate", "prove", "remove") == (["w1", "w2"], ["w1"], ["w2"])


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, None),
        ({"step": {"active": True, "id": NEW, "proof": proof()}}, None),
        ({"failure": "no"}, "no"),
        ({"step": {"unreachable": True}}, "cannot be reached"),
        ({"step": {"active": True, "id": NEW, "proof": proof(OLD)}}, "oooo"),
        ({"step": {"active": True, "id": NEW, "proof": {**proof(), "intact": False}}}, "changed since"),
        (
            {"step": {"active": True, "id": NEW, "proof": {**proof(), "called": {"worker_prolog": False}}}},
            "does not name",
        ),
    ],
)
def test_a_step_fails_by_an_error_by_silence_or_without_proof(said: dict[str, t.Any], reason: str | None) -> None:
    found = failures_.step_failures(["w1"], {"w1": said})
    assert reason in found["w1"] if reason else found == {}


ENTRY = {
    "name": "a",
    "hosts": {"w1": OLD},
    "about": {"w1": {"node": "n1", "kinds": ["worker"]}},
    "conf": {"text": "a", "adopt": []},
    "controllers": ["c"],
}
LATER = {
    **ENTRY,
    "name": "b",
    "hosts": {"w1": NEW},
    "conf": {"text": "b", "adopt": []},
    "activated": {"w1": 5},
    "nodes": {"n1": node()},
}


@pytest.mark.parametrize(
    ("committed", "name", "target"),
    [([LATER, ENTRY], "", "a"), ([LATER, ENTRY], "a", "a"), ([ENTRY, LATER, ENTRY], "", "b")],
)
def test_rollback_goes_to_the_one_before_or_the_named_one(committed: t.Any, name: str, target: str) -> None:
    assert rollback_.rollback_target(committed, name)["entry"]["name"] == target


@pytest.mark.parametrize(
    ("committed", "name", "words"),
    [
        ([], "", "no rollout was committed"),
        ([ENTRY], "", "only rollout"),
        ([LATER, ENTRY], "b", "is what the cluster runs"),
        ([LATER, ENTRY], "zzz", "it knows: a"),
    ],
)
def test_rollback_is_refused_where_there_is_no_target(committed: t.Any, name: str, words: str) -> None:
    assert words in rollback_.rollback_target(committed, name)["problem"]


def test_a_rollback_is_the_undo_of_what_came_after_its_target() -> None:
    target = rollback_.rollback_target([LATER, ENTRY], "")
    looked = {"w1": {"proof": {"release": NEW}, "conf_lines": {"text": "b", "adopt": []}}}
    document = rollback_.rollback(target, looked, "slurm")
    assert document["problems"] == []
    plan = undo_.undo_plan(document)
    assert (taking(plan, "prove"), plan["conf_text"], plan["commit"]["name"]) == ((["w1"],), "a", "a")
    assert (plan["nodes"], plan["nodes_before"]) == ({"n1": 5}, {"n1": node()})


@pytest.mark.parametrize(
    ("looked", "words"),
    [({}, "not in the inventory"), ({"w1": {"failed": True, "msg": "release oooo is not staged"}}, "w1: release oooo")],
)
def test_a_rollback_is_refused_where_a_host_lacks_the_release(looked: t.Any, words: str) -> None:
    target = rollback_.rollback_target([LATER, ENTRY], "")
    assert words in rollback_.rollback(target, looked, "slurm")["problems"][0]


def test_the_name_of_a_rollout_changes_with_every_release_and_line() -> None:
    conf = {"text": "", "adopt": []}
    name = plan_.name_of({"w1": OLD}, conf)
    assert name == plan_.name_of({"w1": OLD, "w2": ""}, conf)
    assert len({name, plan_.name_of({"w1": NEW}, conf), plan_.name_of({"w1": OLD}, {**conf, "text": "x"})}) == 3


def test_a_batch_says_where_it_stands(world: World) -> None:
    plan = world.plan()
    assert texts.batch_lines(plan)["w3"] == "Batch 3 of 4: 2 hosts (w[2-3]); 3 of 6 done before"


def test_only_the_jobs_that_the_prolog_of_this_release_failed_are_released() -> None:
    def record(hook: str, release: str, job: str) -> dict[str, t.Any]:
        return {"hook": hook, "release": release, "job": job}

    release = "0123456789abcdef"
    failures = [
        record("worker_prolog", "older-release---", "1"),
        record("worker_prolog", release, "2"),
        record("worker_prolog", release, "2"),
        record("worker_epilog", release, "3"),
        record("worker_prolog", release, ""),
        record("worker_prolog", release, "4"),
    ]
    facts = {
        "w1": {"staged": {"id": f"{release}and more"}, "log": {"failures": failures}},
        "w2": {"staged": {"id": "another"}, "log": {"unreachable": True}},
        "w3": {},
    }
    assert failures_.failed_jobs(facts, facts) == ["2", "4"]


def test_a_node_that_somebody_else_took_out_of_service_is_listed_at_the_end(world: World) -> None:
    world.cluster["nodes"]["w1"] = node("DOWN", reason="power supply", user="root", time="2026-11-22T12:00:00")
    world.cluster["nodes"]["w2"] = node("IDLE+DRAIN", **UNREACHABLE)
    planned = world.plan()
    assert planned["out"] == {"w1": "DOWN, power supply [root@2026-11-22T12:00:00]"}
    told = texts.summary(planned, {"w2": "no space left"})
    assert "5 hosts run the new release, proven by sha256 on each." in told
    assert "Failed and left drained: w2: no space left" in told
    assert "Out of service before, and left so: w1: DOWN, power supply [root@2026-11-22T12:00:00]" in told


def test_a_host_on_which_the_staging_failed_keeps_the_rollout_from_beginning(world: World) -> None:
    world.staged["w2"] = {"failed": True, "msg": "no space left."}
    assert world.plan()["problems"] == ["w2: no space left"]


RAN = [{"hook": "controller_prolog", "exit": 0}]


@pytest.mark.parametrize(
    ("met", "missed"),
    [
        ({"c1": {"runs": RAN, "missing": []}, "c2": {"runs": [], "missing": ["x did not run"]}}, []),
        ({"c1": {"runs": [], "missing": ["x did not run"]}, "c2": {"runs": RAN, "missing": ["x exit 1"]}}, ["c2"]),
        # No controller ran the hooks, so none of them was just standing by.
        (
            {"c1": {"runs": [], "missing": ["x did not run"]}, "c2": {"runs": [], "missing": ["x did not run"]}},
            ["c1", "c2"],
        ),
        ({"c1": {"runs": [], "missing": []}, "c2": {"runs": [], "missing": []}}, []),
        # Only controllers stand by.
        ({"c1": {"runs": RAN, "missing": []}, "w1": {"runs": [], "missing": ["x did not run"]}}, ["w1"]),
        ({"c1": {"runs": RAN, "missing": []}, "w1": {"unreachable": True}}, ["w1"]),
        ({"c1": {"runs": RAN, "missing": []}, "w1": {}}, []),
    ],
)
def test_of_several_controllers_one_runs_the_hooks(met: dict[str, t.Any], missed: list[str]) -> None:
    facts = {host: {"met": said, "staged": {"id": "0" * 64}} for host, said in met.items()}
    found = failures_.missed_scripts(list(met), facts, ["c1", "c2"])
    assert list(found) == missed


@pytest.mark.parametrize("spec", ["inf%", "-inf%", "nan%", "1e400%", "9" * 5000, "many"])
def test_a_size_that_is_none(spec: str) -> None:
    with pytest.raises(sizes_.RolloutError, match="write a number of nodes or a percentage"):
        sizes_.batch_sizes(10, [spec])


def test_the_status_names_an_open_rollout() -> None:
    lines, _unproven = texts.status([], {}, {"committed": [], "journal": journal()})
    assert lines == [
        "Nothing was committed yet.",
        "A rollout is under way or was cut off: target, in the phase batches",
    ]
    assert texts.status([], {}, {"committed": [], "journal": None})[0] == lines[:1]


def test_a_change_is_shown_once_with_its_hosts() -> None:
    prolog = {"before_header": "10-x", "after_header": "10-x", "before": "a\n", "after": "b\n"}
    other = {**prolog, "after": "c\n"}
    shown = texts.distinct_changes({"w1": [prolog], "w2": [prolog, other], "w3": []})
    assert [(part["before_header"], part["after"]) for part in shown] == [
        ("10-x (w[1-2])", "b\n"),
        ("10-x (w2)", "c\n"),
    ]


def test_what_is_staged_must_be_what_was_checked(world: World) -> None:
    world.definition["hosts"]["w2"]["id"] = OLD
    (problem,) = world.plan()["problems"]
    assert problem.startswith(
        "w2: the scripts were rendered again to be staged, and differ from those that were checked."
    )


def test_a_host_that_no_role_has_staged_is_named(world: World) -> None:
    world.staged["w3"] = {}
    # If nothing is left to do, the run does not ask the first controller twice.
    world.staged["c"] = {"skipped": True}
    (problem,) = world.plan()["problems"]
    assert problem.startswith("w3: nothing was staged in this run.")


def test_the_last_script_of_a_hook_is_not_removed_without_a_yes(world: World) -> None:
    world.definition["hooks"] = ["worker_prolog"]
    world.staged["w1"]["lost_hooks"] = ["worker_epilog", "worker_prolog"]
    world.staged["w2"]["lost_hooks"] = ["worker_epilog"]
    (said,) = world.plan()["problems"]
    assert said.startswith("This would be removed, and is in use now: slurm_worker_epilog on w[1-2]. ")
    assert "-e slurm_removal_allowed=true" in said
    world.settings["removal_allowed"] = True
    assert world.plan()["problems"] == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        # The group of the workers has another name now, so no worker is in this run.
        (
            "Prolog=/r/current/worker_prolog\nEpilogSlurmctld=/r/current/controller_epilog\n",
            "EpilogSlurmctld=/r/current/controller_epilog\n",
            "slurm_worker_prolog (no host of the inventory has it)",
        ),
        ("PrologEpilogTimeout=60\n", "", "all lines of slurm_extra_conf"),
        ("Include site.conf\n", "Prolog=/r/current/worker_prolog\n", "all lines of slurm_extra_conf"),
        ("Prolog=/site\n", "", "all lines of slurm_extra_conf"),
        ("Prolog=nodecycle_bundle\n", "", "all that Slurm delivers (no host of the inventory has it)"),
        ("Prolog=nodecycle_bundle\n", "Prolog=/r/current/worker_prolog\n", ""),
        (
            "Prolog=nodecycle_bundle\nTaskProlog=/r/current/task_prolog\n",
            "",
            "slurm_task_prolog (no host of the inventory has it)",
        ),
        ("Prolog=/r/current/worker_prolog\nA=1\n", "Prolog=/other/current/worker_prolog\nB=1\n", ""),
        ("", "Prolog=/r/current/worker_prolog\n", ""),
    ],
)
def test_what_no_host_defines_any_more_is_not_removed_without_a_yes(
    world: World, before: str, after: str, said: str
) -> None:
    world.cluster["fragment"], world.definition["conf_text"] = _conf.HEADER + before, after and _conf.HEADER + after
    problems = world.plan()["problems"]
    assert [problem.partition(". ")[0] for problem in problems] == (
        [f"This would be removed, and is in use now: {said}"] if said else []
    )
    world.settings["removal_allowed"] = True
    assert world.plan()["problems"] == []


@pytest.mark.parametrize(
    ("reason", "user", "previous", "had_release", "is_healed"),
    [
        ("Prolog error", "slurm", "", True, True),
        ("Epilog error", "slurm", "", True, True),
        ("Prolog error", "root", "", True, False),
        ("Prolog error", "slurm", "0123456789abcdef", True, False),
        ("Prolog error", "slurm", "", False, False),
        ("fan broken", "slurm", "", True, False),
    ],
)
def test_a_node_that_had_lost_our_files_is_resumed_at_the_commit(
    world: World, reason: str, user: str, previous: str, had_release: bool, is_healed: bool
) -> None:
    world.cluster["nodes"]["w1"].update(flags=["DRAIN"], reason=reason, reason_user=user)
    world.cluster["committed"]["hosts"]["w1"] = OLD if had_release else ""
    world.staged["w1"].update(previous=previous, missing_hooks=HOOKS)
    planned = world.plan()
    assert planned["healed"] == (["w1"] if is_healed else [])
    assert ("w1" in planned["out"]) != is_healed


def test_a_node_that_had_lost_our_files_stays_drained_while_nobody_has_tried_its_scripts(world: World) -> None:
    """It runs no probe itself: it is drained."""
    world.cluster["nodes"]["w1"].update(flags=["DRAIN"], reason="Prolog error", reason_user="slurm")
    world.staged["w1"].update(previous="", missing_hooks=HOOKS, id="p" * 64)
    world.definition["hosts"]["w1"]["id"] = "p" * 64
    planned = world.plan()
    assert (planned["probed"], planned["healed"]) == (["w2"], [])
    assert "w1" in planned["out"]
    # The release that it had runs elsewhere, or ran here.
    world.cluster["committed"]["hosts"]["w1"] = "p" * 64
    assert world.plan()["healed"] == ["w1"]


def test_releases_in_memory_are_told_once(world: World) -> None:
    for host in world.workers:
        world.staged[host]["in_memory"] = True
    (said,) = world.plan()["warnings"]
    assert said.startswith("w[1-4]: slurm_release_root is in memory")


def test_a_node_without_slurmd_is_no_canary_although_slurm_calls_it_idle(world: World) -> None:
    world.staged["w1"]["runs_slurmd"] = False
    assert world.plan()["probed"] == ["w2"]
    assert "w1" not in world.plan()["idle"]
    # One that is called otherwise is not found anywhere, and Slurm knows better.
    for host in world.workers:
        world.staged[host]["runs_slurmd"] = False
    assert world.plan()["probed"] == ["w1"]
