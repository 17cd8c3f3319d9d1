# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _runs

RELEASE = "0123456789abcdef" + "0" * 48


def run(
    hook: str = "worker_prolog", script: str = "10-a", code: int = 0, job: str = "7", **fields: t.Any
) -> dict[str, t.Any]:
    return {"time": "t", "hook": hook, "script": script, "release": RELEASE[:16], "job": job, "exit": code, **fields}


def script(file: str, partitions: t.Sequence[str] = (), on_failure: str = "drain") -> dict[str, t.Any]:
    return {"file": file, "partitions": list(partitions), "timeout": 0, "on_failure": on_failure}


SCRIPTS = {
    "worker_prolog": [script("10-a"), script("20-b", ["gpu"])],
    "worker_epilog": [script("10-c", on_failure="ignore")],
}
GOOD = [run(), run("worker_epilog", "10-c")]


@pytest.mark.parametrize(
    ("partition", "runs", "missing", "tolerated"),
    [
        ("batch", GOOD, [], []),
        ("gpu", [*GOOD, run(script="20-b")], [], []),
        ("gpu", GOOD, ["worker_prolog: 20-b did not run"], []),
        ("batch", [], ["worker_prolog: 10-a did not run", "worker_epilog: 10-c did not run"], []),
        ("batch", [run(code=3), GOOD[1]], ["worker_prolog 10-a exit 3"], []),
        ("batch", [run(), run("worker_epilog", "10-c", 1)], [], ["worker_epilog 10-c exit 1"]),
        # What the release of before ran is no proof of this one.
        ("batch", [run(release="another"), GOOD[1]], ["worker_prolog: 10-a did not run"], []),
        ("batch", [run(code=124, cause="timeout"), GOOD[1]], ["worker_prolog 10-a exit 124 (its time limit)"], []),
    ],
)
def test_a_probe_has_to_meet_every_script(
    partition: str, runs: t.Any, missing: list[str], tolerated: list[str]
) -> None:
    assert _runs.shortfalls(SCRIPTS, RELEASE, partition, runs) == (missing, tolerated)


def test_a_line_that_a_full_disk_cut_off_is_passed_over() -> None:
    assert _runs.parse(b'{"job":"1"}\n{"job":"2","ex\n"text"\n{"job":"3"}') == [{"job": "1"}, {"job": "3"}]


@pytest.fixture
def places(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    for name in ("STATE_DIR", "RUN_DIR", "LOG_DIR"):
        directory = tmp_path / name
        (directory / "worker_prolog").mkdir(parents=True)
        monkeypatch.setattr(_runs, name, str(directory))
    return tmp_path


def test_runs_are_found_by_job(places: pathlib.Path) -> None:
    lines = [run(job="7"), run(job="8")]
    (places / "LOG_DIR/worker_prolog.log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [found["job"] for found in _runs.runs_of(["8"], ["worker_prolog", "worker_epilog"])] == ["8"]


def test_failures_come_from_memory_and_the_last_one_with_its_output(places: pathlib.Path) -> None:
    first, last = run(code=1, job="7", time="1"), run(code=1, job="8", time="2")
    foreign = run(code=1, job="9", release="another")
    listed = [{**line, "cause": "exit"} for line in (first, foreign, last)]
    (places / "RUN_DIR/worker_prolog/failures").write_text("".join(json.dumps(line) + "\n" for line in listed))
    (places / "STATE_DIR/worker_prolog/failure.json").write_text(
        json.dumps({**last, "cause": "exit", "output": "why\n"})
    )
    found = _runs.failures_of(RELEASE, ["worker_prolog"])
    assert [(record["job"], record.get("output")) for record in found] == [("7", None), ("8", "why\n")]


def test_a_failure_is_known_without_any_disk(places: pathlib.Path) -> None:
    (places / "RUN_DIR/worker_prolog/failure.json").write_text(
        json.dumps({**run(code=1), "cause": "exit", "output": "why\n"})
    )
    assert [record["output"] for record in _runs.failures_of("", ["worker_prolog"])] == ["why\n"]


@pytest.mark.parametrize(
    ("record", "moment"),
    [
        ({"time": "1970-01-01T00:00:10+0000", "ms": 1500}, 11.5),
        ({"time": "1970-01-01T01:00:10+0100", "ms": 0}, 10),
        ({"time": "1970-01-01T00:00:10-0130"}, 5410),
        ({"time": "yesterday"}, None),
        ({}, None),
    ],
)
def test_a_record_says_when_its_script_ended(record: dict[str, t.Any], moment: float | None) -> None:
    assert _runs.ended(record) == moment


def test_a_failure_counts_against_a_rollout_only_since_its_host_met_the_release() -> None:
    late, early = ({**run(code=1), "time": f"1970-01-01T00:{minute}:00+0000"} for minute in ("20", "10"))
    other = {**late, "release": "another"}
    releases = {"c": RELEASE}
    assert _runs.failures_since({"c": 1000}, releases, [late, early, other]) == [late]
    assert _runs.failures_since({}, releases, [late]) == []
