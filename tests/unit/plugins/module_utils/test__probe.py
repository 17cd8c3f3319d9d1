# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import re
import subprocess
import tempfile
import time
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _probe, _probe_run
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Node, parse_reservations

NODES = {
    "n1": Node("n1", "IDLE", frozenset({"MAINTENANCE"}), ("batch",)),
    "n2": Node("n2", "MIXED", frozenset(), ("batch", "gpu")),
}
DRAINED = Node("n1", "IDLE", frozenset({"DRAIN"}), ("batch",), "Prolog error", "slurm", "2026-11-22T14:40:33")

#: As 24.11 and 22.05 print it; the latter prints a status as wait(2) gives it.
SQUEUE = [
    ["12", "FAILED", "5:0", "0"],
    ["13", "FAILED", "768", "0"],
    ["14", "RUNNING", "0", "0"],
    ["15", "PENDING", "0:0", "2"],
]


def job(**fields: t.Any) -> _probe.Job:
    return _probe.Job("12", "n1", "batch", **fields)


def test_which_jobs() -> None:
    assert _probe.wanted(NODES, {}) == [("n1", "batch"), ("n2", "batch"), ("n2", "gpu")]
    assert _probe.wanted(NODES, {}, ["gpu"]) == [("n1", "batch"), ("n2", "batch")]
    assert _probe.left_out(NODES, {}, ["gpu", "elsewhere"]) == ["gpu"]
    assert _probe.refusal(NODES, {}, ["batch"]).startswith("n1 is in no partition that takes jobs")
    assert _probe.wanted(NODES, {"n2": ["gpu"], "n3": ["batch"]}) == [("n1", "batch"), ("n2", "gpu")]


@pytest.mark.parametrize(
    ("nodes", "partitions", "words"),
    [
        (NODES, {}, ""),
        ({"n1": DRAINED}, {}, "n1 is out of service: IDLE.DRAIN, Prolog error"),
        (NODES, {"n1": []}, "n1 is in no partition"),
        (NODES, {"n1": "batch"}, "needs a list of names, not 'batch'"),
        (NODES, {"n1": [1]}, "needs a list of names"),
    ],
)
def test_refusals(nodes: dict[str, Node], partitions: dict[str, t.Any], words: str) -> None:
    found = _probe.refusal(nodes, partitions)
    assert re.search(words, found) if words else found == ""


@pytest.mark.parametrize("timeout", [1, 60, 61, 120, 600])
def test_the_reservation_outlives_every_job(timeout: int) -> None:
    assert _probe.reserved_minutes(timeout) * 60 > timeout + _probe.minutes(timeout) * 60


def test_the_submission() -> None:
    params = {"timeout": 90, "command": "nvidia-smi -L; true", "account": "", "qos": "high", "gres": "gpu:1"}
    command = _probe.submission("n1", "gpu", "alice", 2001, params)
    assert {
        "--uid=alice",
        "--gid=2001",
        "--partition=gpu",
        "--nodelist=n1",
        "--time=2",
        "--qos=high",
        "--gres=gpu:1",
    } <= set(command)
    assert command[-1] == "--wrap=nvidia-smi -L; true"
    # Any other list makes slurmd ask a login shell of the user.
    assert "--export=ALL" in command
    assert not any(part.startswith("--account") for part in command)


def test_a_question_submits_nothing_and_needs_no_reservation() -> None:
    params = {"timeout": 90, "command": "true", "account": "", "qos": "", "gres": "", "mem": "256M"}
    command = _probe.trial(_probe.submission("n1", "gpu", "alice", 2001, params))
    assert {"--test-only", "--uid=alice", "--partition=gpu", "--mem=256M"} <= set(command)
    assert not any(part.startswith(("--reservation", "--parsable")) for part in command)


@pytest.mark.parametrize(
    ("type_parameters", "memory"), [("CR_CORE", ""), ("CR_CORE_MEMORY", "256M"), ("CR_Memory", "256M"), ("", "")]
)
def test_a_job_names_its_memory_where_slurm_gives_out_memory(type_parameters: str, memory: str) -> None:
    assert _probe.memory({"SelectTypeParameters": type_parameters}) == memory


@pytest.mark.parametrize(
    ("said", "is_busy"),
    [
        ("allocation failure: Requested nodes are busy", True),
        ("allocation failure: Required node not available (down, drained or reserved)", True),
        ("allocation failure: Invalid account or account/partition combination specified", False),
        ("allocation failure: User's group not permitted to use this partition", False),
    ],
)
def test_a_node_without_room_is_no_refusal(said: str, is_busy: bool) -> None:
    assert _probe.is_busy(said) is is_busy


def test_what_squeue_says() -> None:
    seen = _probe.parse_jobs(SQUEUE)
    assert [line.exit_code for line in seen.values()][:3] == ["5:0", "3:0", "0:0"]
    assert seen["15"].restarts == 2


@pytest.mark.parametrize(("timeout", "option"), [(1, "now+13minutes"), (120, "now+15minutes")])
def test_slurm_gives_a_forgotten_job_up_long_after_its_reservation(timeout: int, option: str) -> None:
    params = {"timeout": timeout, "command": "true", "account": "", "qos": "", "gres": ""}
    assert f"--deadline={option}" in _probe.submission("n1", "gpu", "alice", 2001, params)


def test_for_whom_a_reservation_was_made() -> None:
    assert _probe.users_of({"Users": "root,slurm"}) == ["root", "slurm"]
    assert _probe.users_of({"Users": "(null)"}) == _probe.users_of({}) == []


def test_jobs_as_they_are_now() -> None:
    jobs = [
        job(),
        _probe.Job("99", "n2", "gpu"),
        _probe.Job("", "n2", "batch", "REFUSED", "no account"),
        _probe.Job("14", "n2", "batch"),
    ]
    now = _probe.looked_at(jobs, _probe.parse_jobs(SQUEUE))
    assert [one.state for one in now] == ["FAILED", "GONE", "REFUSED", "RUNNING"]
    assert now[0].exit_code == "5:0"


@pytest.mark.parametrize(
    ("fields", "node", "over"),
    [
        ({"state": "COMPLETED"}, "n1", True),
        ({"state": "CANCELLED"}, "n1", True),
        ({"state": "REFUSED"}, "n1", True),
        ({"state": "GONE"}, "n1", True),
        ({"state": "COMPLETING"}, "n1", False),
        ({"state": "RUNNING"}, "n1", False),
        ({"state": "PENDING"}, "n1", False),
        # Where nothing starts any more it waits in vain; but what runs there goes on to its epilog.
        ({"state": "PENDING"}, "drained", True),
        ({"state": "RUNNING"}, "drained", False),
        ({"state": "COMPLETING"}, "drained", False),
        ({"state": "PENDING", "restarts": 1}, "n1", True),
        ({"state": "REQUEUE_HOLD", "restarts": 1}, "n1", True),
    ],
)
def test_over(fields: dict[str, t.Any], node: str, over: bool) -> None:
    assert _probe.is_over(job(**fields), DRAINED if node == "drained" else NODES[node]) is over


def test_no_problem() -> None:
    assert _probe.problems([job(state="COMPLETED", exit_code="0:0")], NODES, 60, "slurm") == []


@pytest.mark.parametrize(
    ("fields", "words", "variables"),
    [
        (
            {"state": "REFUSED", "reason": "Requested partition is down"},
            "n1, partition batch: sbatch refuses the job: Requested partition is down",
            True,
        ),
        ({"state": "GONE"}, "job 12: the controller no longer knows the job", True),
        ({"state": "RUNNING"}, "job 12: still running after 60 seconds", True),
        ({"state": "COMPLETING"}, "job 12: still completing after 60 seconds", False),
        ({"state": "CANCELLED", "exit_code": "0:0"}, "job 12: CANCELLED (so does Slurm", False),
        ({"state": "FAILED", "exit_code": "3:0"}, "job 12: FAILED with exit code 3:0", False),
        ({"state": "COMPLETED", "exit_code": "1:0"}, "job 12: COMPLETED with exit code 1:0", False),
        ({"restarts": 1, "reason": "launch failed requeued held"}, "Slurm says launch failed requeued held", False),
        ({"reason": "Resources"}, "Slurm says Resources: the node is busy, choose another one with slurm_canary", True),
        ({"reason": "PartitionDown"}, "did not start within 60 seconds; Slurm says PartitionDown", True),
    ],
)
def test_problems(fields: dict[str, t.Any], words: str, variables: bool) -> None:
    found = _probe.problems([job(**fields)], NODES, 60, "slurm")
    assert words in found[0]
    assert any("slurm_probe_command" in line for line in found) is variables
    assert "sacctmgr" not in " ".join(found)


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "REFUSED", "reason": "Invalid account or account/partition combination specified"},
        {"state": "REFUSED", "reason": "Invalid qos specification"},
        {"reason": "AssocGrpJobsLimit"},
        {"reason": "QOSMaxJobsPerUserLimit"},
    ],
)
def test_the_remedy_for_a_user_without_an_account(fields: dict[str, t.Any]) -> None:
    jobs = [job(**fields), job(**fields)]
    found = _probe.problems(jobs, NODES, 60, "slurm")
    assert len(found) == len(jobs) + 2
    assert "sacctmgr -i add user slurm account=" in found[-2]
    for name in ("user", "account", "qos"):
        assert all(f"slurm_probe_{name}" in line for line in found[-2:])


def test_a_drain_is_a_problem_though_the_job_went_well() -> None:
    found = _probe.problems([job(state="COMPLETED", exit_code="0:0")], {"n1": DRAINED}, 60, "slurm")
    assert found == ["n1: out of service now: IDLE+DRAIN, Prolog error [slurm@2026-11-22T14:40:33]"]


def test_reservations_of_others() -> None:
    text = "\n".join(
        f"ReservationName={name} StartTime=x EndTime=y Nodes={nodes} NodeCnt=1 Users=root State={state} Comment=two words"
        for name, nodes, state in [
            ("a", "n[1-3]", "ACTIVE"),
            ("b", "n[3-4]", "ACTIVE"),
            ("c", "n1", "INACTIVE"),
            ("d", "(null)", "ACTIVE"),
            ("nodecycle_canary", "n1", "ACTIVE"),
        ]
    )
    assert _probe.others(parse_reservations(f"{text}\n"), NODES) == ["a"]
    assert parse_reservations("No reservations in the system\n") == {}


def test_no_comment_of_a_reservation_overwrites_what_slurm_says() -> None:
    text = (
        "ReservationName=nodecycle_canary StartTime=x Nodes=n1 Users=root,slurm State=ACTIVE Comment=Users=alice State=INACTIVE\n"
        "ReservationName=nodecycle_canary Users=bob\n"
    )
    fields = parse_reservations(text)["nodecycle_canary"]
    assert (fields["Users"], fields["State"], fields["Nodes"]) == ("root,slurm", "ACTIVE", "n1")


def test_nodes_of_reservations_are_not_asked_about() -> None:
    text = "".join(
        f"ReservationName={name} StartTime=x EndTime=y Nodes={nodes} NodeCnt=1 Users=root State={state}\n"
        for name, nodes, state in [("a", "n[1-2]", "ACTIVE"), ("b", "n4", "INACTIVE"), ("c", "(null)", "ACTIVE")]
    )
    assert _probe.reserved(parse_reservations(text).values()) == {"n1", "n2", "n4"}


@pytest.mark.parametrize(
    ("rule", "params", "words", "doubts"),
    [
        ({"AllowQos": "ALL", "AllowAccounts": "ALL"}, {"qos": "x", "account": "y"}, [], 0),
        ({"AllowQos": "debug,Long"}, {"qos": "long"}, [], 0),
        ({"AllowQos": "debug,long"}, {"qos": "lon"}, ["the QOS lon is not allowed (AllowQos=debug,long)"], 0),
        # A list to choose from.
        ({"AllowQos": "debug"}, {"qos": "lon,debug"}, [], 0),
        ({"AllowQos": "debug"}, {"qos": ""}, [], 1),
        ({"DenyQos": "debug"}, {"qos": "debug"}, ["the QOS debug is not allowed (DenyQos=debug)"], 0),
        ({"DenyQos": "debug"}, {"qos": "debug,long"}, [], 0),
        ({"DenyQos": "debug"}, {}, [], 0),
        # It may be a child of the other.
        ({"AllowAccounts": "physics"}, {"account": "physics_theory"}, [], 1),
        ({"AllowAccounts": "physics"}, {"account": "physics"}, [], 0),
        ({"AllowAccounts": "physics"}, {}, [], 1),
        ({"AllowQos": "a", "AllowAccounts": "b"}, {"qos": "b"}, ["the QOS b is not allowed (AllowQos=a)"], 1),
    ],
)
def test_a_partition_that_would_let_the_job_wait(
    rule: dict[str, str], params: dict[str, str], words: list[str], doubts: int
) -> None:
    """Slurm itself refuses such a job with EnforcePartLimits only."""
    wanted = [("n1", "gpu"), ("n1", "other")]
    jobs, unsure = _probe.barred(wanted, {"gpu": rule}, params, are_accounts_enforced=True)
    assert ([job.reason for job in jobs], len(unsure)) == (words, doubts)
    found = _probe.problems(jobs, {"n1": NODES["n1"]}, 60, "monitor")
    assert [f"n1, partition gpu: the job would wait for ever: {each}" for each in words] == found[: len(words)]
    assert bool(words) == any("slurm_probe_qos" in each for each in found)
    # Without associations Slurm does not look at accounts.
    _jobs, unsure = _probe.barred(wanted, {"gpu": rule}, params, are_accounts_enforced=False)
    assert [each for each in unsure if "account" in each] == []


# --- on nodes to which Slurm delivers


def test_a_job_compares_the_release_that_it_has_met_before_its_own_command() -> None:
    params = {"command": "nvidia-smi -L", "met": {"n1": "0123456789abcdef"}}
    assert _probe.command_of("n2", params) == "nvidia-smi -L"
    command = _probe.command_of("n1", params)
    assert command.endswith("nvidia-smi -L")
    for present, code in (("0123456789abcdef", 0), ("fedcba9876543210", 97), (None, 97)):
        with tempfile.TemporaryDirectory() as place:
            if present:
                pathlib.Path(place, "7").write_text(f"{present}\n")
            line = command.replace(_probe.MET, place).replace("nvidia-smi -L", "true")
            environment = {"SLURM_JOB_ID": "7", "PATH": "/usr/bin:/bin"}
            assert subprocess.run(["sh", "-c", line], env=environment, check=False).returncode == code


def test_a_node_is_late_if_nothing_else_is_wrong() -> None:
    passed = _probe.Job("1", "n1", "batch", "COMPLETED", exit_code="0:0")
    late = _probe.Job("2", "n2", "batch", "FAILED", exit_code="97:0")
    failed = _probe.Job("3", "n3", "batch", "FAILED", exit_code="1:0")
    assert _probe.late([passed, late], ["n2"]) == ["n2"]
    # A command of the site's own may end with this code.
    assert _probe.late([passed, late], []) == []
    assert _probe.late([late, failed], ["n2", "n3"]) == []
    assert _probe.late([passed], ["n1"]) == []
    said = _probe.problems([late], {"n2": NODES["n2"]}, 60, "slurm", ["n2"])
    assert said == ["n2, job 2: it met another release than the new one, or none (see slurmd's log there)"]


@pytest.mark.parametrize(("timeout", "looks", "state"), [(60, 3, "IDLE"), (0, 1, "UNKNOWN")])
def test_a_node_that_has_not_registered_yet_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, timeout: int, looks: int, state: str
) -> None:
    """After a reconfigure; each node has to register first."""
    answers = [Node("n1", each, frozenset(), ("batch",)) for each in ("UNKNOWN", "UNKNOWN", "IDLE")]
    asked: list[str] = []

    class Slurm:
        def nodes(self, name: str) -> dict[str, Node]:
            asked.append(name)
            return {"n1": answers[len(asked) - 1]}

    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    found = _probe_run.registered(t.cast("t.Any", Slurm()), "n1", timeout)
    assert (found["n1"].state, len(asked)) == (state, looks)
