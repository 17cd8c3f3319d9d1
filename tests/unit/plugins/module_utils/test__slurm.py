# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import pathlib
import time
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _hostlist, _slurm

RECORDED = pathlib.Path(__file__).parents[2] / "fixtures" / "slurm-24.11"


class Recording:
    """A runner with the recorded answers of a controller. It keeps the commands."""

    def __init__(self, **answers: tuple[int, str, str]) -> None:
        self.asked: list[list[str]] = []
        self._answers = {
            name: (0, (RECORDED / f"{name}s" if name != "config" else RECORDED / name).read_text(), "")
            for name in ("config", "node", "partition")
        }
        self._answers.update(answers)

    def __call__(self, command: list[str]) -> tuple[int, str, str]:
        self.asked.append(command)
        if command[0] == "sinfo":
            return 0, '{"sinfo": []}', ""
        return self._answers[command[2] if command[1] == "show" else command[1]]


def test_the_recorded_cluster() -> None:
    cluster = _slurm.Slurm(Recording()).cluster()
    assert cluster.version == "24.11.5"
    assert cluster.name == "lab"
    assert cluster.conf_path == "/etc/slurm/slurm.conf"
    assert cluster.slurm_user == "slurm"
    assert cluster.controllers == ("controller",)
    assert cluster.config["HASH_VAL"] == "Match"
    assert cluster.config["InteractiveStepOptions"] == "--interactive --preserve-env --pty $SHELL"
    assert cluster.config["PrologFlags"] == "Alloc"


def test_the_recorded_nodes() -> None:
    nodes = _slurm.Slurm(Recording()).nodes()
    assert list(nodes) == ["worker1", "worker2", "worker3"]
    assert nodes["worker3"] == _slurm.Node("worker3", "IDLE", frozenset(), ("batch", "gpu"))


def test_the_recorded_partitions() -> None:
    slurm = Recording()
    assert _slurm.Slurm(slurm).partitions() == {"batch": "UP", "gpu": "UP"}
    assert "-a" in slurm.asked[0], "hidden partitions count too"


def line(state: str, end: str = "", name: str = "n1") -> str:
    return (
        f"NodeName={name} Arch=x86_64 CPULoad=0.01 NodeAddr={name} OS=Linux 6.1 #1 SMP X  RealMemory=1 State={state} "
        f"ThreadsPerCore=1 MCS_label=N/A Partitions=batch,gpu  BootTime=2026-11-22T14:39:08 CfgTRES=cpu=2 CurrentWatts=0 AveWatts=0 {end}"
    )


#: what scontrol writes, base state, flags
STATES = [
    ("IDLE", "IDLE", set()),
    ("IDLE+DRAIN", "IDLE", {"DRAIN"}),
    ("MIXED+DRAIN+NOT_RESPONDING", "MIXED", {"DRAIN", "NOT_RESPONDING"}),
    ("DOWN*", "DOWN", {"NOT_RESPONDING"}),
    ("DOWN*+DRAIN", "DOWN", {"DRAIN", "NOT_RESPONDING"}),
    ("IDLE*+DRAIN+CLOUD", "IDLE", {"DRAIN", "NOT_RESPONDING", "CLOUD"}),
    ("IDLE+DRAIN*", "IDLE", {"DRAIN", "NOT_RESPONDING"}),
    ("IDLE~", "IDLE", set()),
    ("ALLOCATED#", "ALLOCATED", set()),
    ("IDLE$", "IDLE", set()),
    ("MIXED-", "MIXED", set()),
    ("DOWN^", "DOWN", set()),
    ("IDLE+CLOUD+POWERED_DOWN", "IDLE", {"CLOUD", "POWERED_DOWN"}),
    ("ALLOCATED+", "ALLOCATED", set()),
    ("IDLE+INVALID_REG", "IDLE", {"INVALID_REG"}),
]


@pytest.mark.parametrize(("written", "state", "flags"), STATES)
def test_states_with_flags_and_suffixes(written: str, state: str, flags: set[str]) -> None:
    node = _slurm.parse_node(line(written))
    assert (node.state, set(node.flags)) == (state, flags)
    assert node.is_drained == ("DRAIN" in flags)


#: end of the line, reason, user, time
REASONS = [
    ("", "", "", ""),
    ("Reason=Prolog error [slurm@2026-11-22T14:40:33]", "Prolog error", "slurm", "2026-11-22T14:40:33"),
    ("Reason=x [root@2026-11-22T14:40:33] Comment=by hand", "x", "root", "2026-11-22T14:40:33"),
    ("Reason=fan [left] broken [root@2026-11-22T14:40:33]", "fan [left] broken", "root", "2026-11-22T14:40:33"),
    ("Reason=x [Ann Lee@corp.example@2026-11-22T14:40:33]", "x", "Ann Lee@corp.example", "2026-11-22T14:40:33"),
    ("Reason=a=b State=IDLE [root@2026-11-22T14:40:33]", "a=b State=IDLE", "root", "2026-11-22T14:40:33"),
    # Written in slurm.conf, so that nobody has set it at any time.
    ("Reason=spare part ", "spare part", "", ""),
    ("Reason=spare part Extra=x y", "spare part", "", ""),
    ("Reason=first line [root@2026-11-22T14:40:33]         second line", "first line", "root", "2026-11-22T14:40:33"),
    # An administrator's text looks like Slurm's words. Such a reason counts as nobody's.
    ("Reason=x [root@2026-11-22T14:40:33] hands off [bob@2026-11-22T15:00:00]", "x", "", ""),
    ("Reason=x Comment=y [root@2026-11-22T14:40:33]", "x", "", ""),
    ("Reason=x [root@2026-11-22T14:40:33] Comment=y [bob@2026-11-22T14:40:33]", "x", "", ""),
    ("Comment=y Reason=nodecycle: x [root@2026-11-22T14:40:33]", "", "", ""),
]


@pytest.mark.parametrize(("end", "reason", "user", "time"), REASONS)
def test_reasons(end: str, reason: str, user: str, time: str) -> None:
    node = _slurm.parse_node(line("IDLE+DRAIN", end))
    assert (node.reason, node.reason_user, node.reason_time) == (reason, user, time)
    assert node.partitions == ("batch", "gpu")
    assert node.state == "IDLE"


def test_lines_that_are_no_nodes_are_passed_over() -> None:
    assert list(_slurm.parse_nodes(f"No nodes in the system\n\n{line('IDLE')}\n")) == ["n1"]


def test_a_text_that_looks_like_another_node_is_refused() -> None:
    text = f"{line('IDLE')} Comment=a\n{line('IDLE+DRAIN', name='n2')}\n{line('IDLE', name='n2')}\n"
    with pytest.raises(_slurm.SlurmError, match="names n2 twice: a line break in some node's Reason or Comment"):
        _slurm.parse_nodes(text)


def test_bytes_that_are_no_utf8_come_out_as_text_that_a_module_can_answer_with() -> None:
    latin = line("IDLE+DRAIN", "Reason=L\udcfcfter [root@2026-11-22T14:40:33]")
    node = _slurm.Slurm(Recording(node=(0, latin, ""))).nodes()["n1"]
    assert node.reason == "L\ufffdfter"
    node.reason.encode()


def test_config_of_two_controllers_and_a_bare_uid() -> None:
    text = "SlurmctldHost[0]        = ctl1(10.0.0.1)\nSlurmctldHost[1]        = ctl2\nSlurmUser = slurm(64030)\nA =\nno key here\n"
    cluster = _slurm.Slurm(Recording(config=(0, text, ""))).cluster()
    assert cluster.controllers == ("ctl1", "ctl2")
    assert cluster.config["A"] == ""
    assert cluster.conf_path == "/etc/slurm/slurm.conf"


def test_a_failure_has_the_command_and_slurms_words() -> None:
    slurm = _slurm.Slurm(Recording(config=(1, "", "slurm_load_ctl_conf error: Unable to contact slurm controller\n")))
    with pytest.raises(
        _slurm.SlurmError, match="scontrol show config ended with exit code 1 and said: slurm_load_ctl_conf error"
    ):
        slurm.cluster()


@pytest.mark.parametrize(
    ("out", "err", "said"),
    [("on stdout", "", "on stdout"), ("", "", "nothing"), ("", "\n".join("abcdefg"), "c; d; e; f; g")],
)
def test_what_slurm_said(out: str, err: str, said: str) -> None:
    with pytest.raises(_slurm.SlurmError, match=f"said: {said}$"):
        _slurm.Slurm(Recording(partition=(1, out, err))).partitions()


def test_an_expression_without_a_node_is_an_error() -> None:
    """scontrol ends with 0 for a bad expression: draining nothing must not look like a success."""
    with pytest.raises(_slurm.SlurmError, match=r"unbalanced brackets in 'n\[1-'"):
        _slurm.Slurm(Recording(node=(0, "", ""))).nodes("n[1-")
    with pytest.raises(_slurm.SlurmError, match=r"knows no node worker\[4-5\]$"):
        _slurm.Slurm(Recording()).nodes("worker[3-5]")


def test_one_update_for_all_nodes() -> None:
    run = Recording(update=(0, "", ""))
    _slurm.Slurm(run).update_nodes(["n2", "n1"], State="DRAIN", Reason="nodecycle: x y")
    assert run.asked == [["scontrol", "update", "NodeName=n[1-2]", "State=DRAIN", "Reason=nodecycle: x y"]]


def test_the_recorded_json() -> None:
    nodes = _slurm.parse_nodes_json((RECORDED / "nodes.json").read_text())
    assert nodes["worker2"] == _slurm.Node(
        "worker2", "IDLE", frozenset({"DRAIN"}), ("batch",), "fan [left] broken", "root", "2026-11-22T18:14:20"
    )
    assert nodes["worker3"].partitions == ("batch", "gpu")


#: state, state_flags, reason, reason_changed_at; the result
JSON_SHAPES = [
    (["IDLE", "DRAIN"], None, "x", {"set": True, "infinite": False, "number": 1795358433}),
    ("idle", ["DRAIN"], "x\nmore", 1795358433),
    ("IDLE+DRAIN", [], "x", {"number": 1795358433}),
]


@pytest.mark.parametrize(("state", "flags", "reason", "changed"), JSON_SHAPES)
def test_shapes_of_json(state: object, flags: object, reason: str, changed: object) -> None:
    item = {"name": "n1", "state": state, "state_flags": flags, "reason": reason, "reason_changed_at": changed}
    item.update(reason_set_by_user="slurm", partitions=["batch"])
    assert _slurm.parse_nodes_json(json.dumps({"nodes": [item]}))["n1"] == _slurm.Node(
        "n1", "IDLE", frozenset({"DRAIN"}), ("batch",), "x", "slurm", "2026-11-22T14:40:33"
    )


def test_a_reason_of_slurm_conf_has_no_user_in_json() -> None:
    item = {
        "name": "n1",
        "state": ["DOWN"],
        "reason": "spare",
        "reason_set_by_user": "root",
        "reason_changed_at": {"set": False},
    }
    node = _slurm.parse_nodes_json(json.dumps({"nodes": [item]}))["n1"]
    assert (node.reason, node.reason_user, node.reason_time) == ("spare", "", "")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"nodes": [1]}', '{"nodes": [{}]}', '{"nodes": null}'])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a list of nodes|Expecting"):
        _slurm.parse_nodes_json(text)


def test_nodes_by_json_and_by_text() -> None:
    """22.05 has no scontrol --json and says so with an exit code, but a list of all nodes by sinfo; text that is no JSON counts as none."""
    by_json, asked = (RECORDED / "nodes.json").read_text(), []

    def run(command: list[str]) -> tuple[int, str, str]:
        asked.append(command)
        return answers[command[0] if command[-1] == "--json" else "text"]

    none = [(1, "", "unrecognized option"), (0, "Slurm 22.05", ""), (0, '{"sinfo": []}', "")]
    answers = {"scontrol": (0, by_json, ""), "sinfo": none[0], "text": (0, line("IDLE"), "")}
    assert list(_slurm.Slurm(run).nodes()) == ["worker1", "worker2", "worker3"]
    assert len(asked) == 1
    answers = {"scontrol": none[0], "sinfo": (0, by_json, ""), "text": (1, "", "")}
    assert list(_slurm.Slurm(run).nodes("worker[2-3]")) == ["worker2", "worker3"]
    for answer in none:
        answers = {"scontrol": answer, "sinfo": answer, "text": (0, line("IDLE"), "")}
        assert list(_slurm.Slurm(run).nodes()) == ["n1"]


def test_a_controller_that_does_not_answer_is_no_empty_cluster() -> None:
    """22.05.8: with --json its commands end with 0 all the same."""
    failed = '{"errors": [{"error": "Unspecified error", "error_number": -1}], "%s": []}'

    def run(command: list[str]) -> tuple[int, str, str]:
        if command[0] == "scontrol":
            said = "unrecognized option" if command[-1] == "--json" else "Unable to contact slurm controller"
            return 1, "", said
        return 0, failed % ("nodes" if command[0] == "sinfo" else "jobs"), ""

    with pytest.raises(_slurm.SlurmError, match="Unable to contact"):
        _slurm.Slurm(run).nodes()
    assert _slurm.Slurm(run).jobs_json(["7"]) is None


def test_many_nodes_are_asked_for_and_changed_in_calls_that_fit() -> None:
    names = [f"rack{rack:02}-node{node:03}-opa" for rack in range(20) for node in range(500)]
    asked: list[list[str]] = []

    def run(command: list[str]) -> tuple[int, str, str]:
        asked.append(command)
        listed = _hostlist.expand(command[3]) if command[1] == "show" else []
        return 0, json.dumps({"nodes": [{"name": name, "state": ["IDLE"]} for name in listed]}), ""

    slurm = _slurm.Slurm(run)
    assert list(slurm.nodes(",".join(names))) == names
    slurm.update_nodes(names, State="DRAIN", Reason="x")
    slurm.cancel(str(number) for number in range(1_000_000, 1_020_000))
    slurm.release(str(number) for number in range(1_000_000, 1_020_000))
    assert max(len(word) for command in asked for word in command) <= _slurm.MAX_ARGUMENT
    updated = [name for command in asked if command[1] == "update" for name in _hostlist.expand(command[2][9:])]
    assert sorted(updated) == sorted(names)
    cancelled = [id_ for command in asked if command[0] == "scancel" for id_ in command[2:]]
    released = [id_ for command in asked if command[1] == "release" for id_ in command[2].split(",")]
    assert cancelled == released == [str(number) for number in range(1_000_000, 1_020_000)]
    with pytest.raises(_slurm.SlurmError, match="choose fewer nodes"):
        slurm.reserve("r", _hostlist.fold(names), ["root"], 5)


#: What squeue may print where a column holds a user's text; never an id of a job.
FORGED = "12|RUNNING\n|PENDING\n--all|RUNNING\n13|RUNNING|x\n14\n 15 |COMPLETING\n16_3|PENDING\n17,18|PENDING\n"


def test_rows_are_those_with_an_id_and_all_columns() -> None:
    slurm = _slurm.Slurm(lambda command: (0, FORGED, ""))
    assert slurm.queue("%A|%T") == [["12", "RUNNING"], ["15", "COMPLETING"], ["16_3", "PENDING"]]
    wide = _slurm.Slurm(lambda command: (0, "1   |RUNNING   |0:0   |0   |\n", ""))
    assert wide.queue("JobID:24|,State:32|,exit_code:16|,RestartCnt:12|") == [["1", "RUNNING", "0:0", "0"]]


@pytest.mark.parametrize(
    "columns", ["%A|%j", "%k", "%A|%r", "%A %T", "JobID:24|,Name:160|", "%i|%P", "", "%A|%T\n", "%Z", "%.18A"]
)
def test_columns_with_texts_of_users_are_refused(columns: str) -> None:
    with pytest.raises(ValueError, match="squeue: columns"):
        _slurm.Slurm(Recording()).queue(columns)


def test_jobs_by_id() -> None:
    unknown = (1, "", "slurm_load_jobs error: Invalid job id specified")
    assert _slurm.Slurm(lambda command: unknown).jobs(["7"], "%A|%T") == []
    assert _slurm.Slurm(lambda command: unknown).jobs_json(["7"]) == []
    with pytest.raises(_slurm.SlurmError, match="no answer"):
        _slurm.Slurm(lambda command: (1, "", "no answer")).jobs(["7"], "%A|%T")
    # A user of 22.05 has control characters in his job's name.
    assert _slurm.Slurm(lambda command: (0, '{"jobs": [{"name": "a\n\x01\udcff"}]}', "")).jobs_json(["7"])
    for answer in [(1, "", "unrecognized option"), (0, "[]", ""), (0, "{}", ""), (0, "x", ""), (0, "[" * 100_000, "")]:
        assert _slurm.Slurm(lambda command, answer=answer: answer).jobs_json(["7"]) is None
    assert (
        _slurm.Slurm(lambda command: (0, "Reservation x was\n deleted\n", "")).job_reason("7")
        == "Reservation x was deleted"
    )


@pytest.mark.parametrize("id_", ["--partition=batch", "", "1\n", "1 2", "1,2", "-1", "1_", "\u0661"])
def test_nothing_but_ids_gets_into_a_command(id_: str) -> None:
    run = Recording()
    slurm = _slurm.Slurm(run)
    for call in (
        slurm.cancel,
        slurm.release,
        slurm.jobs_json,
        lambda ids: slurm.jobs(ids, "%A"),
        lambda ids: slurm.job_reason(ids[-1]),
    ):
        with pytest.raises(_slurm.SlurmError, match="an id of a job is a number"):
            call(["1", id_])
    assert run.asked == []


def test_the_clock_is_the_controllers() -> None:
    text = "Configuration data as of 2026-11-22T14:40:33\nAccountingStorageHost = x\n"
    assert _slurm.Slurm(Recording(config=(0, text, ""))).clock() == 1795358433
    assert abs(_slurm.Slurm(Recording(config=(0, "", ""))).clock() - time.time()) < 5


@pytest.fixture(params=["UTC0", "JST-9"])
def _zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[None]:
    """The time zone of this machine."""
    with monkeypatch.context() as context:
        context.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_zone")
def test_times() -> None:
    assert _slurm.epoch("2026-11-22T14:40:33") == 1795358433
    assert _slurm.utc(1795358433.9) == "2026-11-22T14:40:33"
    assert _slurm.epoch("Unknown") is None
    assert [_slurm.utc(value) for value in (1e30, -1e30, float("inf"), float("nan"))] == ["Unknown"] * 4


@pytest.mark.parametrize(
    "changed", ["1e30", "Infinity", "NaN", '{"set": true, "number": 1e400}', '"soon"', "-1e30", "9" * 40]
)
def test_a_time_out_of_every_range_is_none(changed: str) -> None:
    text = '{"nodes": [{"name": "n1", "state": ["IDLE", "DRAIN"], "reason": "x", "reason_set_by_user": "root", "reason_changed_at": CHANGED}]}'
    node = _slurm.parse_nodes_json(text.replace("CHANGED", changed))["n1"]
    assert (node.reason, _slurm.epoch(node.reason_time)) == ("x", None)


@pytest.mark.parametrize(
    ("command", "times"), [(("squeue",), 4), (("scontrol", "show", "config"), 4), (("scontrol", "reconfigure"), 1)]
)
def test_a_question_is_asked_again_where_a_busy_controller_did_not_answer(command: tuple[str, ...], times: int) -> None:
    asked = []

    def run(words: list[str]) -> tuple[int, str, str]:
        asked.append(words)
        return 1, "", "slurm_load_jobs error: Socket timed out on send/recv operation"

    with pytest.raises(_slurm.SlurmError, match="timed out"):
        _slurm.Slurm(run).call(*command)
    assert len(asked) == times


def test_an_answer_after_a_silence_is_an_answer() -> None:
    answers = iter([(1, "", "Socket timed out on send/recv operation"), (0, "said", "")])
    assert _slurm.Slurm(lambda words: next(answers)).call("squeue") == "said"


def test_a_reservation_lies_over_those_of_others_and_over_running_jobs() -> None:
    asked: list[list[str]] = []

    def run(command: list[str]) -> tuple[int, str, str]:
        asked.append(command)
        return 0, "", ""

    _slurm.Slurm(run).reserve("r", "n[1-2]", ["root", "alice"], 5)
    _slurm.Slurm(run).unreserve("r")
    create, delete = asked
    assert create[:3] == ["scontrol", "create", "reservation"]
    assert {
        "ReservationName=r",
        "StartTime=now",
        "Duration=5",
        "Users=root,alice",
        "Flags=MAINT,IGNORE_JOBS",
        "Nodes=n[1-2]",
    } == set(create[3:])
    assert delete == ["scontrol", "delete", "reservation=r"]


@pytest.mark.parametrize(
    ("version", "storage", "qos", "answers", "found"),
    [
        ("24.11.5", "accounting_storage/slurmdbd", "AllowQos=debug", False, ["gpu"]),
        ("23.11.0", "accounting_storage/slurmdbd", "DenyQos=debug", False, ["gpu"]),
        ("24.11.5", "accounting_storage/slurmdbd", "AllowQos=debug", True, []),
        ("24.11.5", "accounting_storage/slurmdbd", "AllowQos=ALL", False, []),
        ("24.11.5", "(null)", "AllowQos=debug", False, []),
        ("24.11.6", "accounting_storage/slurmdbd", "AllowQos=debug", False, []),
        ("23.02.7", "accounting_storage/slurmdbd", "AllowQos=debug", False, []),
    ],
)
def test_a_controller_that_would_end_when_its_database_is_back(
    version: str, storage: str, qos: str, answers: bool, found: list[str]
) -> None:
    def run(command: list[str]) -> tuple[int, str, str]:
        if command[0] == "sacctmgr":
            return (0, "lab\n", "") if answers else (1, "", "sacctmgr: error: Problem talking to the database")
        parts = {"batch": "AllowQos=ALL", "gpu": qos}
        lines = (
            f"PartitionName={name} AllowGroups=ALL {words} AllocNodes=ALL State=UP\n" for name, words in parts.items()
        )
        return 0, "".join(lines), ""

    cluster = _slurm.Cluster(version, "lab", "/c", "slurm", ("c",), {"AccountingStorageType": storage})
    assert _slurm.Slurm(run).waits_for_database(cluster) == found
