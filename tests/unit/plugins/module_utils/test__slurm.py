# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import pathlib

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _slurm

RECORDED = pathlib.Path(__file__).parents[2] / "fixtures" / "slurm-24.11"


class Recording:
    """A runner that answers as the recorded controller did and remembers what it was asked."""

    def __init__(self, **answers: tuple[int, str, str]) -> None:
        self.asked: list[list[str]] = []
        self._answers = {
            name: (0, (RECORDED / f"{name}s" if name != "config" else RECORDED / name).read_text(), "")
            for name in ("config", "node", "partition")
        }
        self._answers.update(answers)

    def __call__(self, command: list[str]) -> tuple[int, str, str]:
        self.asked.append(command)
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
    assert _slurm.Slurm(slurm).partitions() == ["batch", "gpu"]
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
]


@pytest.mark.parametrize(("end", "reason", "user", "time"), REASONS)
def test_reasons(end: str, reason: str, user: str, time: str) -> None:
    node = _slurm.parse_node(line("IDLE+DRAIN", end))
    assert (node.reason, node.reason_user, node.reason_time) == (reason, user, time)
    assert node.partitions == ("batch", "gpu")
    assert node.state == "IDLE"


def test_lines_that_are_no_nodes_are_passed_over() -> None:
    assert list(_slurm.parse_nodes(f"No nodes in the system\n\n{line('IDLE')}\n")) == ["n1"]


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


#: state, state_flags, reason, reason_changed_at; what is read of them
JSON_SHAPES = [
    (["IDLE", "DRAIN"], None, "x", {"set": True, "infinite": False, "number": 1795358433}),
    ("idle", ["DRAIN"], "x\nmore", 1795358433),
    ("IDLE+DRAIN", [], "x", {"number": 1795358433}),
]


@pytest.mark.parametrize(("state", "flags", "reason", "changed"), JSON_SHAPES)
def test_shapes_of_json(state: object, flags: object, reason: str, changed: object) -> None:
    item = {"name": "n1", "state": state, "state_flags": flags, "reason": reason, "reason_changed_at": changed}
    item |= {"reason_set_by_user": "slurm", "partitions": ["batch"]}
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
    with pytest.raises(ValueError, match=r"no list of nodes|Expecting"):
        _slurm.parse_nodes_json(text)


def test_nodes_by_json_and_by_text() -> None:
    """22.05 knows no --json and says so with an exit code; text that is no JSON counts as none, too."""
    by_json, asked = (RECORDED / "nodes.json").read_text(), []

    def run(command: list[str]) -> tuple[int, str, str]:
        asked.append(command[-1])
        return answers[command[-1]]

    answers = {"--json": (0, by_json, ""), "-o": (0, line("IDLE"), "")}
    assert list(_slurm.Slurm(run).nodes()) == ["worker1", "worker2", "worker3"]
    assert asked == ["--json"]
    for answer in ((1, "", "unrecognized option"), (0, "Slurm 22.05", "")):
        answers["--json"] = answer
        assert list(_slurm.Slurm(run).nodes()) == ["n1"]


def test_times() -> None:
    assert _slurm.epoch("2026-11-22T14:40:33") == 1795358433
    assert _slurm.utc(1795358433.9) == "2026-11-22T14:40:33"
    assert _slurm.epoch("Unknown") is None


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
