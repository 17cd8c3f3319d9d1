# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Script
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _definition
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._definition import Host, Settings
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._schema import HookParser, Problem

SETTINGS = Settings("/etc/nodecycle", "", (), "")
MAIN = "/etc/slurm/slurm.conf"

#: The result of cluster_info for a cluster without anything of ours.
CLUSTER: dict[str, t.Any] = {
    "conf_path": MAIN,
    "controllers": ["ctl"],
    "partitions": ["batch", "gpu"],
    "nodes": {"n1": {}, "n2": {}},
    "conf": [],
    "adopted": [],
    "fragment": "",
    "included": False,
    "version": "24.11.5",
    "loose_partitions": {},
    "waits_for_database": [],
    "reconfigure_due": False,
    "committed": None,
}


def host(name: str, kind: str, *defined: str, target: bool = True, node_name: str = "") -> Host:
    return Host(name, (kind,) if kind else (), node_name or name, frozenset(defined), target)


def hosts(*worker_hooks: str, controller: tuple[str, ...] = ()) -> list[Host]:
    return [
        host("ctl", "controller", *controller),
        host("n1", "worker", *worker_hooks),
        host("n2", "worker", *worker_hooks),
    ]


def check(
    present: list[Host],
    controllers: tuple[str, ...] = ("ctl",),
    cluster: dict[str, t.Any] | None = None,
    **settings: t.Any,
) -> list[tuple[str, str, str]]:
    given = dataclasses.replace(SETTINGS, **settings)
    problems = _definition.check_keys(present, given)
    problems += _definition.check_cluster(present, controllers, given, {**CLUSTER, **(cluster or {})})
    assert all(problem.remedy for problem in problems)
    return [(problem.where, problem.message, problem.remedy) for problem in problems]


def conf(text: str, file: str = MAIN) -> list[dict[str, t.Any]]:
    return [dataclasses.asdict(entry) for entry in _conf.entries(text, file)]


# --- the user's lines


@pytest.mark.parametrize(
    ("value", "lines"),
    [(None, ""), ("", ""), ("A=1", "A=1\n"), ("A=1\n", "A=1\n"), (["A=1", "B=2"], "A=1\nB=2\n"), ([], "")],
)
def test_lines(value: object, lines: str) -> None:
    assert _definition.lines_of(value) == lines


# --- the hooks of each host

WORKERS = ["worker_init", "worker_prolog", "worker_epilog", "task_prolog", "task_epilog"]
CONTROLLERS = ["controller_init", "controller_prolog", "controller_epilog"]


def test_in_use_is_what_any_host_defines_in_the_tables_order() -> None:
    assert _definition.in_use([], SETTINGS) == []
    present = [
        host("a", "worker", "task_prolog"),
        host("b", "worker", "worker_init", target=False),
        host("c", "controller", "controller_epilog"),
    ]
    assert _definition.in_use(present, SETTINGS) == ["worker_init", "controller_epilog", "task_prolog"]


#: kinds, defined on this host, used somewhere, carried
CARRIED = [
    (("worker",), [], [], []),
    (("worker",), ["worker_prolog"], ["worker_prolog"], WORKERS),
    # Slurm's keys hold for every node, so a node without a script of its own needs the dispatchers too.
    (("worker",), [], ["worker_prolog"], WORKERS),
    (("worker",), [], ["task_epilog"], WORKERS),
    # An init hook concerns its host alone.
    (("worker",), [], ["worker_init"], []),
    (("worker",), ["worker_init"], ["worker_init"], WORKERS),
    (("worker",), [], ["controller_prolog"], []),
    (("controller",), [], ["worker_prolog"], []),
    (("controller",), [], ["controller_epilog"], CONTROLLERS),
    (("login",), ["login_init"], ["login_init"], ["login_init"]),
    (("login",), [], ["login_init"], []),
    (("worker", "controller"), [], ["controller_prolog", "worker_prolog"],
     ["worker_init", "controller_init", "worker_prolog", "worker_epilog", "controller_prolog", "controller_epilog", "task_prolog", "task_epilog"]),
    ((), [], ["worker_prolog"], []),
]  # fmt: skip


@pytest.mark.parametrize(("kinds", "defined", "used", "wanted"), CARRIED)
def test_carried(kinds: tuple[str, ...], defined: list[str], used: list[str], wanted: list[str]) -> None:
    assert _definition.carried(Host("x", kinds, "x", frozenset(defined)), used) == wanted


def test_conf_text() -> None:
    assert _definition.conf_text([], SETTINGS) == ""
    assert _definition.conf_text(hosts("worker_init"), SETTINGS) == "", "systemd starts these"
    text = _definition.conf_text(
        hosts("worker_init", "worker_prolog", controller=("controller_epilog",)),
        dataclasses.replace(SETTINGS, extra_conf="A=1\n"),
    )
    assert (
        text
        == _conf.HEADER
        + "Prolog=/etc/nodecycle/current/worker_prolog\nEpilogSlurmctld=/etc/nodecycle/current/controller_epilog\nA=1\n"
    )


# --- the problems


def test_a_definition_that_fits() -> None:
    assert check(hosts()) == []
    assert check(hosts("worker_prolog", controller=("controller_prolog",))) == []


@pytest.mark.parametrize("root", ["etc/nodecycle", "/", "/opt/my dir", ""])
def test_a_root_that_cannot_be_one_is_named(root: str) -> None:
    _root, (problem,) = _definition.check_root(root)
    assert problem.where == "slurm_release_root"
    assert repr(root) in problem.message
    assert problem.remedy.startswith("write an absolute path")


def test_a_root_has_one_form() -> None:
    assert _definition.check_root("/etc//nodecycle/") == ("/etc/nodecycle", [])


@pytest.mark.parametrize("value", [["/opt/good", "bin"], "/opt/slurm/bin"])
def test_a_search_path_that_cannot_be_one_is_named(value: object) -> None:
    path, (problem,) = _definition.check_script_path(value)
    assert path == ()
    assert problem.where == "slurm_script_path"
    assert problem.remedy.startswith("write")


def test_a_search_path() -> None:
    assert _definition.check_script_path(["/opt/slurm/bin"]) == (("/opt/slurm/bin",), [])


def test_a_unit_that_cannot_be_one_is_named() -> None:
    assert _definition.check_units({"slurmd": "slurmd@", "slurmctld": None}) == []
    (problem,) = _definition.check_units({"slurmd": "slurmd", "slurmctld": ""})
    assert (problem.where, problem.message) == ("slurm_slurmctld_unit", "is ''")
    assert problem.remedy.startswith("write the name of a systemd service")


@pytest.mark.parametrize("controllers", [("a", "b"), ()])
def test_as_many_controllers_as_slurm_has(controllers: tuple[str, ...]) -> None:
    ((where, message, _remedy),) = check(hosts(), controllers)
    assert where == "slurm_controller"
    assert f"has {len(controllers)} hosts" in message
    assert "1 SlurmctldHost (ctl)" in message


def test_a_node_outside_of_the_inventory_would_be_drained() -> None:
    cluster = {"nodes": {f"n{number}": {} for number in range(1, 6)}}
    ((where, message, remedy),) = check(hosts("worker_prolog"), cluster=cluster)
    assert where == "slurm_worker"
    assert "lacks n[3-5]" in message
    assert "slurm_node_name" in remedy
    assert check(hosts("worker_prolog"), cluster=cluster, unmanaged_nodes="n[3-5]") == []
    assert "lacks n5" in check(hosts("worker_prolog"), cluster=cluster, unmanaged_nodes="n[3-4]")[0][1]
    assert check(hosts("worker_init"), cluster=cluster) == [], "an init hook is no key of slurm.conf"
    assert check(hosts(controller=("controller_prolog",)), cluster=cluster) == []


def test_node_names_count_not_the_inventorys() -> None:
    present = [host("node-1.example.org", "worker", "task_prolog", node_name="n1"), host("n2", "worker")]
    assert check([host("ctl", "controller"), *present]) == []
    assert _definition.unknown_workers(present, CLUSTER) == []
    assert _definition.unknown_workers([*present, host("n9", "worker"), host("login", "login")], CLUSTER) == [
        "n9 (slurm_node_name n9)"
    ]


def test_unmanaged_nodes_that_are_no_expression() -> None:
    ((where, message, _remedy),) = check(hosts("worker_prolog"), unmanaged_nodes="n[1-")
    assert (where, "unbalanced" in message) == ("slurm_unmanaged_nodes", True)


# --- --limit


def limited(*hooks: str, targets: tuple[str, ...], fragment: str = "", **settings: t.Any) -> list[tuple[str, str, str]]:
    present = [dataclasses.replace(one, is_target=one.name in targets) for one in hosts(*hooks)]
    return check(present, cluster={"fragment": fragment, "included": bool(fragment)}, is_limited=True, **settings)


IN_USE = _conf.HEADER + "Prolog=/etc/nodecycle/current/worker_prolog\n"
#: hooks, targets, what our file says now, the keys that would change
LIMITS = [
    (["worker_prolog"], ("n1",), "", "Prolog"),
    (["worker_prolog"], ("n1", "n2"), "", "Prolog"),
    (["worker_prolog"], ("ctl", "n1", "n2"), "", ""),
    (["worker_prolog"], ("n1",), IN_USE, ""),
    (["worker_prolog", "worker_epilog"], ("n1",), IN_USE, "Epilog"),
    (["worker_prolog", "worker_epilog"], ("n1",), IN_USE + "Epilog=/etc/nodecycle/current/worker_epilog\n", ""),
    (["worker_prolog"], ("n1",), IN_USE + "PrologEpilogTimeout=60\n", "PrologEpilogTimeout"),
    ([], ("n1",), IN_USE, "Prolog"),
    ([], ("n1",), "", ""),
    (["worker_init"], ("n1",), "", ""),
    ([], ("n1",), _conf.HEADER + "Prolog=/site/prolog\n", "Prolog"),
    (["worker_prolog"], ("n1",), _conf.HEADER + "#Prolog=/etc/nodecycle/current/worker_prolog\n", "Prolog"),
]


@pytest.mark.parametrize(("hooks", "targets", "fragment", "keys"), LIMITS)
def test_a_limited_run_makes_no_node_point_at_nothing(
    hooks: list[str], targets: tuple[str, ...], fragment: str, keys: str
) -> None:
    problems = limited(*hooks, targets=targets, fragment=fragment)
    if not keys:
        assert problems == []
        return
    ((where, message, remedy),) = problems
    assert (where, remedy) == ("--limit", "run without --limit")
    assert f"would change slurm.conf ({keys})" in message
    assert "ctl" in message


def test_without_limit_the_same_is_fine() -> None:
    present = [dataclasses.replace(one, is_target=one.name == "n1") for one in hosts("worker_prolog")]
    assert check(present) == []


# --- keys that slurm.conf sets


def test_a_key_of_a_hook_in_extra_conf() -> None:
    ((where, message, remedy),) = check(hosts("worker_prolog"), extra_conf="prolog=/x\n")
    assert (where, message) == ("slurm_extra_conf", "sets prolog, which slurm_worker_prolog sets")
    assert "empty slurm_worker_prolog" in remedy
    assert check(hosts("worker_epilog"), extra_conf="Prolog=/x\n") == []


def test_a_key_that_slurm_conf_sets_already() -> None:
    ((where, message, remedy),) = check(hosts("worker_prolog"), cluster={"conf": conf("A=1\nprolog=/site.sh\n")})
    assert where == f"{MAIN}:2"
    assert message == "already sets prolog=/site.sh, which slurm_worker_prolog would set"
    assert remedy == (
        "move its value into slurm_worker_prolog and add prolog to slurm_adopt_conf_keys: the run comments the line out, and restores it "
        "when the definition is empty; or remove the line yourself"
    )


def test_an_extra_key_that_slurm_conf_sets_already() -> None:
    ((_where, message, _remedy),) = check(
        hosts(), cluster={"conf": conf("PrologFlags=Alloc\n")}, extra_conf="prologflags=x\n"
    )
    assert message == "already sets PrologFlags=Alloc, which slurm_extra_conf would set"


@pytest.mark.parametrize("adopt", [("Prolog",), ("PROLOG",)])
def test_an_adopted_key_is_no_problem_in_the_main_file(adopt: tuple[str, ...]) -> None:
    assert check(hosts("worker_prolog"), cluster={"conf": conf("Prolog=/site.sh\n")}, adopt=adopt) == []


def test_a_key_that_nothing_sets_is_not_adopted() -> None:
    ((where, message, _remedy),) = check(
        hosts("worker_prolog"), cluster={"conf": conf("Epilog=/e\n")}, adopt=("Epilog",)
    )
    assert where == "slurm_adopt_conf_keys"
    assert message.startswith("names Epilog, which nothing here sets")


def test_an_empty_definition_may_keep_its_adopted_keys() -> None:
    assert check(hosts(), cluster={"conf": conf("Epilog=/e\n")}, adopt=("Epilog",)) == []


def test_only_the_main_file_can_be_adopted() -> None:
    cluster = {"conf": conf("Prolog=/site.sh\n", "/etc/slurm/hooks.conf")}
    ((where, _message, remedy),) = check(hosts("worker_prolog"), cluster=cluster, adopt=("Prolog",))
    assert where == "/etc/slurm/hooks.conf:1"
    assert remedy.startswith("remove the line from that file")


@pytest.mark.parametrize(
    ("keep", "version", "refused"),
    [
        (("Prolog",), "24.11.5", ""),
        (("PROLOG",), "24.05.0", ""),
        (("Prolog",), "23.11.10", "needs Slurm 24.05 or newer, and the cluster has 23.11.10"),
        (("TaskProlog",), "24.11.5", "names TaskProlog, of which only one line counts"),
        ((), "24.11.5", "already sets Prolog=/vendor.sh"),
    ],
)
def test_the_line_of_a_vendor_may_stay(keep: tuple[str, ...], version: str, refused: str) -> None:
    cluster = {"conf": conf("Prolog=/vendor.sh\n", "/etc/slurm/vendor.conf"), "version": version}
    problems = check(hosts("worker_prolog"), cluster=cluster, keep=keep)
    assert bool(problems) is bool(refused)
    assert not refused or any(refused in message for _where, message, _remedy in problems)
    assert all("slurm_keep_conf_keys" in f"{where} {remedy}" for where, _message, remedy in problems)


def test_lines_that_add_up_are_no_conflict() -> None:
    assert check(hosts(), cluster={"conf": conf("NodeName=n1 CPUs=1\n")}, extra_conf="NodeName=n9 CPUs=1\n") == []


# --- partitions that slurm.conf does not have

NIGHT = "PartitionName=night Nodes=ALL\n"


@pytest.mark.parametrize(
    ("jobs", "extra", "differs", "is_refused"),
    [
        (2, "A=1\n", {}, True),
        (0, "A=1\n", {}, False),
        (2, "A=1\n" + NIGHT, {}, False),
        # No reconfigure, so nobody's job ends.
        (2, "", {}, False),
        (2, "", {"reconfigure_due": True}, True),
        # Our own line goes.
        (2, "A=1\n", {"fragment": _conf.HEADER + NIGHT, "included": True}, True),
    ],
)
def test_a_reconfigure_that_would_end_jobs_is_refused(
    jobs: int, extra: str, differs: dict[str, t.Any], is_refused: bool
) -> None:
    problems = check(hosts(), cluster={"loose_partitions": {"night": jobs}, **differs}, extra_conf=extra)
    assert [where for where, message, _remedy in problems if "would end the 2 jobs" in message] == (
        ["slurm_extra_conf"] if is_refused else []
    )


@pytest.mark.parametrize(
    ("waiting", "extra", "differs", "is_refused"),
    [
        ([], "A=1\n", {}, False),
        (["gpu"], "A=1\n", {}, True),
        (["gpu"], "", {}, False),
        (["gpu"], "", {"reconfigure_due": True}, True),
    ],
)
def test_a_reconfigure_that_would_end_the_controller_later_is_refused(
    waiting: list[str], extra: str, differs: dict[str, t.Any], is_refused: bool
) -> None:
    problems = check(hosts(), cluster={"waits_for_database": waiting, **differs}, extra_conf=extra)
    assert any("slurmdbd does not answer" in message for _where, message, _remedy in problems) is is_refused


# --- settled

TEXT = _conf.HEADER + "Prolog=/p\n"
#: text, adopt, what differs at the cluster, settled
SETTLED: list[tuple[str, tuple[str, ...], dict[str, t.Any], bool]] = [
    ("", (), {}, True),
    (TEXT, (), {"fragment": TEXT, "included": True}, True),
    (TEXT, (), {}, False),
    (TEXT, (), {"fragment": TEXT}, False),
    (TEXT, (), {"included": True}, False),
    (TEXT, (), {"fragment": TEXT + "#\n", "included": True}, False),
    ("", (), {"included": True}, False),
    ("", (), {"fragment": TEXT}, False),
    (TEXT, ("prolog",), {"fragment": TEXT, "included": True, "conf": conf("Prolog=/x\n")}, False),
    (TEXT, ("Prolog",), {"fragment": TEXT, "included": True, "adopted": ["Prolog"]}, True),
    ("", ("Prolog",), {"adopted": ["Prolog"]}, False),
    ("", ("Prolog",), {"conf": conf("Prolog=/x\n")}, True),
]


@pytest.mark.parametrize(("text", "adopt", "differs", "settled"), SETTLED)
def test_conf_is_settled(text: str, adopt: tuple[str, ...], differs: dict[str, t.Any], settled: bool) -> None:
    assert (
        _definition.conf_is_settled(text, dataclasses.replace(SETTINGS, adopt=adopt), {**CLUSTER, **differs}) is settled
    )


# --- scripts that name what the cluster lacks


def script_problems(**options: t.Any) -> list[Problem]:
    parser = HookParser("worker_prolog", "slurm_worker_prolog", lambda _value: "f:1:1")
    specs = parser.parse([{"name": "x", "content": "#!/bin/sh\n", **options}])
    assert not parser.problems
    return _definition.check_scripts(specs, CLUSTER)


@pytest.mark.parametrize(
    ("options", "message", "remedy"),
    [
        (
            {"partitions": ["gpus"]},
            "names the partition gpus, which the cluster does not have (did you mean 'gpu'?)",
            "it has batch, gpu",
        ),
        (
            {"partitions": ["a", "batch", "b"]},
            "names the partition a, b, which the cluster does not have",
            "it has batch, gpu",
        ),
        ({"partitions": ["GPU"]}, "names the partition GPU, which", "it has batch, gpu"),
        ({"nodes": "n[1-4]"}, "names the node n[3-4], which the cluster does not have", "it has n[1-2]"),
    ],
)
def test_partitions_and_nodes_that_the_cluster_does_not_have(
    options: dict[str, t.Any], message: str, remedy: str
) -> None:
    (problem,) = script_problems(**options)
    assert problem.where == "slurm_worker_prolog[0] (x)"
    assert message in problem.message
    assert (problem.remedy, problem.origin) == (remedy, "f:1:1")


@pytest.mark.parametrize("options", [{}, {"partitions": ["batch", "gpu"]}, {"nodes": "n[1-2]"}])
def test_partitions_and_nodes_that_it_has(options: dict[str, t.Any]) -> None:
    assert script_problems(**options) == []


# --- for a person


def test_equal_problems_of_many_hosts_are_one_line() -> None:
    same = Problem("slurm_x[0]", "is wrong", "fix it", "f.yml:3:5")
    other = Problem("slurm_y", "is odd")
    lines = _definition.as_text(
        [("n1", same), ("n2", same), ("", other), ("n1", same), ("n3", same), ("n4", same), ("n5", same)]
    )
    assert lines == ["slurm_x[0] is wrong [f.yml:3:5; host n1, n2, n3 and 2 more]. Remedy: fix it.", "slurm_y is odd."]


def test_problems_that_differ_stay_apart() -> None:
    assert len(_definition.as_text([("n1", Problem("a", "b")), ("n1", Problem("a", "b", origin="f"))])) == 2
    assert _definition.as_text([]) == []


# --- nodes that are born between two runs

CONFIGLESS = {"key": "SlurmctldParameters", "value": "enable_configless", "file": "/etc/slurm/slurm.conf", "line": 3}


@pytest.mark.parametrize(
    ("version", "conf", "said"),
    [
        ("23.11.0", [CONFIGLESS], []),
        ("26.05.5", [CONFIGLESS], []),
        ("23.02.7", [CONFIGLESS], ["needs Slurm 23.11 or newer, and the cluster has 23.02.7"]),
        ("24.11.5", [], ["needs a configless cluster: there the controller sends the releases"]),
    ],
)
def test_the_bundle_needs_a_slurm_that_sends_it(version: str, conf: list[dict[str, t.Any]], said: list[str]) -> None:
    found = check(hosts("worker_prolog"), cluster={"version": version, "conf": conf}, birth=True)
    assert [(where, message) for where, message, _remedy in found] == [("slurm_birth", message) for message in said]


def test_the_bundle_refuses_secrets_of_workers_alone() -> None:
    found = hosts("worker_epilog", controller=("controller_prolog",))
    secret = [Script("token", b"", no_log=True)]
    for host in found:
        host.scripts.update(dict.fromkeys(host.defined, secret))
    said = check(found, cluster={"version": "24.11.5", "conf": [CONFIGLESS]}, birth=True)
    assert [message for _where, message, _remedy in said] == [
        "would send a secret to a file of each node that everybody can read: slurm_worker_epilog, script token"
    ]


def test_the_bundle_is_the_prolog_as_soon_as_a_worker_runs_anything() -> None:
    settings = dataclasses.replace(SETTINGS, birth=True)
    for hook in ("worker_init", "task_epilog"):
        assert "Prolog=nodecycle_bundle\n" in _definition.conf_text(hosts(hook), settings)
    assert _definition.in_use(hosts(controller=("controller_prolog",)), settings) == ["controller_prolog"]
    assert _definition.in_use([], settings) == []


# --- nodes that Slurm delivers to


def delivered(*hooks: str) -> list[Host]:
    return [dataclasses.replace(host, delivery="slurm") if host.name != "n2" else host for host in hosts(*hooks)]


def test_the_bundle_is_prolog_and_epilog_where_slurm_delivers() -> None:
    text = _definition.conf_text(delivered("worker_init", "worker_epilog", "task_epilog"), SETTINGS)
    assert text == (
        f"{_conf.HEADER}Prolog=nodecycle_bundle\nEpilog=nodecycle_bundle\nTaskEpilog=/etc/nodecycle/current/task_epilog\n"
    )
    assert _definition.in_use(delivered(), SETTINGS) == []


@pytest.mark.parametrize(
    ("version", "conf", "said"),
    [
        ("23.11.0", [CONFIGLESS], []),
        ("23.02.7", [CONFIGLESS], ["needs Slurm 23.11 or newer, and the cluster has 23.02.7"]),
        ("24.11.5", [], ["needs a configless cluster: there the controller sends the releases"]),
    ],
)
def test_slurm_delivers_only_where_it_can(version: str, conf: list[dict[str, t.Any]], said: list[str]) -> None:
    found = check(delivered("worker_prolog"), cluster={"version": version, "conf": conf})
    assert [(where, message) for where, message, _remedy in found] == [("slurm_delivery", message) for message in said]


def test_slurm_delivers_no_secret_and_the_other_workers_may_have_them() -> None:
    found = delivered("worker_epilog")
    for number, host in enumerate(found):
        host.scripts.update((hook, [Script(f"token{number}", b"", no_log=True)]) for hook in host.defined)
    said = check(found, cluster={"version": "24.11.5", "conf": [CONFIGLESS]})
    assert [message for _where, message, _remedy in said] == [
        "would send a secret to a file of each node that everybody can read: slurm_worker_epilog, script token1"
    ]


@pytest.mark.parametrize(
    ("kinds", "is_wrong"), [(("worker",), False), (("login",), False), (("login", "worker"), True)]
)
def test_slurm_delivers_to_workers_alone(kinds: tuple[str, ...], is_wrong: bool) -> None:
    found = _definition.check_delivery([Host("x", kinds, "x", frozenset(), delivery="slurm")])
    assert [problem.where for problem in found] == ["slurm_delivery"] * is_wrong


@pytest.mark.parametrize(
    ("hook", "cluster", "is_wrong"),
    [
        ("task_prolog", {}, True),
        ("worker_prolog", {}, False),
        ("task_prolog", {"nodes": {"n1": {"state": "IDLE"}, "n2": {"state": "MIXED"}}}, False),
        # The prolog has unpacked it, or the tasks run already without it.
        ("task_prolog", {"committed": {"hosts": {"n1": "a" * 64}}}, False),
        ("task_prolog", {"fragment": "TaskProlog=/etc/nodecycle/current/task_prolog\n"}, False),
    ],
)
def test_tasks_of_running_jobs_find_their_hook(hook: str, cluster: dict[str, t.Any], is_wrong: bool) -> None:
    busy = {"version": "24.11.5", "conf": [CONFIGLESS], "nodes": {"n1": {"state": "MIXED"}, "n2": {"state": "MIXED"}}}
    said = check(delivered(hook), cluster={**busy, **cluster})
    assert [where for where, message, _remedy in said if "cannot begin now on n1" in message] == (
        [f"slurm_{hook}"] * is_wrong
    )


# --- keys that wait for a restart


@pytest.mark.parametrize(
    ("version", "cluster", "allowed", "is_told"),
    [
        ("22.05.8", {}, False, True),
        ("22.05.8", {}, True, False),
        ("22.05.8", {"fragment": "PrologSlurmctld=/etc/nodecycle/current/controller_prolog\n"}, False, False),
        ("24.11.5", {}, False, False),
    ],
)
def test_a_hook_that_needs_a_restart_is_told_beforehand(
    version: str, cluster: dict[str, t.Any], allowed: bool, is_told: bool
) -> None:
    said = check(
        hosts("worker_prolog", controller=("controller_prolog",)),
        cluster={"version": version, **cluster},
        restart_allowed=allowed,
    )
    assert [where for where, _message, _remedy in said] == (["slurm_controller_prolog"] if is_told else [])
    assert not is_told or "slurm_restart_allowed" in said[0][2]
