# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import time
import tracemalloc
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _hook_log

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
        # A run of the previous release proves nothing about this one.
        ("batch", [run(release="another"), GOOD[1]], ["worker_prolog: 10-a did not run"], []),
        ("batch", [run(code=124, cause="timeout"), GOOD[1]], ["worker_prolog 10-a exit 124 (its time limit)"], []),
    ],
)
def test_a_probe_has_to_meet_every_script(
    partition: str, runs: t.Any, missing: list[str], tolerated: list[str]
) -> None:
    assert _hook_log.shortfalls(SCRIPTS, RELEASE, partition, runs) == (missing, tolerated)


def test_a_line_that_a_full_disk_cut_off_is_passed_over() -> None:
    found = _hook_log.parse(b'{"job":"1"}\n{"job":"2","ex\n"text"\n{"job":"3"}')
    assert [record["job"] for record in found] == ["1", "3"]


@pytest.mark.parametrize(
    "line", [b'{"job": 1}', b'{"exit": "1"}', b'{"exit": 1e99}', b'{"ms": NaN}', b'{"time": null}', b"[" * 99999, b"[]"]
)
def test_a_line_of_another_shape_is_passed_over(line: bytes) -> None:
    assert _hook_log.parse(b'{"job":"1"}\n' + line) == _hook_log.parse(b'{"job":"1"}')
    # So that a reader may ask for all of it.
    assert {"time", "hook", "script", "release", "job", "user", "node"} <= _hook_log.parse(b"{}")[0].keys()


@pytest.fixture
def places(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    for name in ("STATE_DIR", "RUN_DIR", "LOG_DIR"):
        directory = tmp_path / name
        (directory / "worker_prolog").mkdir(parents=True)
        monkeypatch.setattr(_hook_log, name, str(directory))
    return tmp_path


def test_runs_are_found_by_job(places: pathlib.Path) -> None:
    lines = [run(job="7"), run(job="8")]
    (places / "LOG_DIR/worker_prolog.log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [found["job"] for found in _hook_log.runs_of(["8"], ["worker_prolog", "worker_epilog"])] == ["8"]


def test_failures_come_from_memory_and_the_last_one_with_its_output(places: pathlib.Path) -> None:
    first, last = run(code=1, job="7", time="1"), run(code=1, job="8", time="2")
    foreign = run(code=1, job="9", release="another")
    listed = [{**line, "cause": "exit"} for line in (first, foreign, last)]
    (places / "RUN_DIR/worker_prolog/failures").write_text("".join(json.dumps(line) + "\n" for line in listed))
    (places / "STATE_DIR/worker_prolog/failure.json").write_text(
        json.dumps({**last, "cause": "exit", "output": "why\n"})
    )
    found = _hook_log.failures_of(RELEASE, ["worker_prolog"])
    assert [(record["job"], record.get("output")) for record in found] == [("7", None), ("8", "why\n")]


def test_a_failure_is_known_without_any_disk(places: pathlib.Path) -> None:
    (places / "RUN_DIR/worker_prolog/failure.json").write_text(
        json.dumps({**run(code=1), "cause": "exit", "output": "why\n"})
    )
    assert [record["output"] for record in _hook_log.failures_of("", ["worker_prolog"])] == ["why\n"]


def lines(records: t.Iterable[dict[str, t.Any]]) -> str:
    """As a dispatcher writes them."""
    return "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The lines that were parsed."""
    seen: list[bytes] = []
    parse = _hook_log._parsed

    def count(line: bytes) -> list[_hook_log.Record]:
        seen.append(line)
        return parse(line)

    monkeypatch.setattr(_hook_log, "_parsed", count)
    return seen


def test_old_failures_cost_nothing(places: pathlib.Path, parsed: list[bytes]) -> None:
    """A night with 100,000 failed jobs, of which this release is innocent, and then two of its own."""
    old = [
        {**run(code=1, job=str(number), time=f"{number}", release="f" * 16), "cause": "exit"} for number in range(100)
    ]
    own = [{**run(code=1, job=job, time=job), "cause": "exit"} for job in ("7", "8")]
    path = places / "RUN_DIR/worker_prolog/failures"
    path.write_text(lines(old) * 1000 + lines(own))
    assert [record["job"] for record in _hook_log.failures_of(RELEASE, ["worker_prolog"])] == ["7", "8"]
    assert len(parsed) == 2


def test_of_a_storm_of_failures_the_newest_are_looked_at(places: pathlib.Path, parsed: list[bytes]) -> None:
    path = places / "RUN_DIR/worker_prolog/failures"
    path.write_text(lines({**run(code=1, job=str(number), time=f"{number:06}")} for number in range(100_000)))
    for release in (RELEASE, ""):
        parsed.clear()
        found = _hook_log.failures_of(release, ["worker_prolog"])
        assert [found[0]["job"], found[-1]["job"], len(found)] == ["99000", "99999", 1000]
        assert len(parsed) == 1000


def test_a_run_is_found_in_a_large_log_with_little_memory_and_work(places: pathlib.Path, parsed: list[bytes]) -> None:
    others = lines(run(job=str(number)) for number in range(1000, 11_000))
    log = places / "LOG_DIR/worker_prolog.log"
    with open(log, "w", encoding="utf-8") as handle:
        handle.write(lines([run(job="7", script="first")]))
        for _round in range(20):
            handle.write(others)
        handle.write(lines([run(job="7", script="last")]))
    assert log.stat().st_size > 20_000_000
    tracemalloc.start()
    found = _hook_log.runs_of(["7"], ["worker_prolog"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [record["script"] for record in found] == ["first", "last"]
    assert len(parsed) == 2
    assert peak < 4_000_000
    # A second call costs less, and finds the new lines.
    with open(log, "a", encoding="utf-8") as handle:
        handle.write(lines([run(job="7", script="new")]))
    again = _hook_log.runs_of(["7"], ["worker_prolog"], found)
    assert [record["script"] for record in again] == ["first", "last", "new"]
    assert len(parsed) == 4


@pytest.mark.parametrize("size", [_hook_log._CHUNK - 1, _hook_log._CHUNK, _hook_log._CHUNK + 1, 3 * _hook_log._CHUNK])
def test_no_line_is_lost_between_two_chunks(places: pathlib.Path, size: int) -> None:
    wanted = lines(run(job=str(job), script=str(job)) for job in range(6000))
    path = places / "LOG_DIR/worker_prolog.log"
    path.write_bytes(b"x" * size + b"\n" + wanted.encode())
    assert len(_hook_log.runs_of([str(job) for job in range(6000)], ["worker_prolog"])) == 6000


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("name", ["failures", "failure.json", "running.4194305", "output.4194305"])
def test_what_the_controllers_user_plants_is_not_read(places: pathlib.Path, tmp_path: pathlib.Path, name: str) -> None:
    """Root reads in his directory; a link to a file of root's, or a FIFO, gets him nothing."""
    directory = places / "RUN_DIR/worker_prolog"
    secret = tmp_path / "shadow"
    secret.write_text(json.dumps(run(code=1, script="secret", output="secret")) + "\nsecret\n")
    (directory / "running.4194305").write_text(lines([run(script="hung")]))
    (directory / name).unlink(missing_ok=True)
    for plant in (lambda path: path.symlink_to(secret), os.mkfifo, lambda path: os.link(secret, path)):
        plant(directory / name)
        found = _hook_log.failures_of("", ["worker_prolog"])
        assert "secret" not in str(found)
        # The paths that are not read are named.
        told = [what for what in _hook_log.planted(["worker_prolog"]) if str(directory / name) in what]
        assert bool(told) == name.startswith("failure")
        (directory / name).unlink()


def test_a_killed_dispatcher_is_not_hidden_by_a_process_of_the_same_number(
    places: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel uses numbers again, and anybody may give his process any name."""
    directory = places / "RUN_DIR/worker_prolog"
    with subprocess.Popen(["/bin/bash", "-c", "exec -a /etc/nodecycle/current/worker_prolog sleep 60"]) as process:
        (directory / f"running.{process.pid}").write_text(lines([run(time="1970-01-01T00:00:10+0000")]))
        time.sleep(0.2)
        assert _hook_log.failures_of("", ["worker_prolog"]) == []
        uid = os.stat(f"/proc/{process.pid}").st_uid
        monkeypatch.setattr(_hook_log, "_uid_of", lambda _pid: uid + 1)
        found = _hook_log.failures_of("", ["worker_prolog"])
        assert [(record["exit"], record["cause"]) for record in found] == [(137, "killed")]
        assert not _hook_log.still_running("/etc/nodecycle", RELEASE)
        process.kill()


def test_what_killed_dispatchers_leave_is_bounded(places: pathlib.Path) -> None:
    directory = places / "RUN_DIR/worker_prolog"
    for number in range(1500):
        note = directory / f"running.{5_000_000 + number}"
        note.write_text(lines([run(job=str(number), time=f"{number}")]))
        os.utime(note, (number, number))
    found = _hook_log.failures_of("", ["worker_prolog"])
    assert {int(record["job"]) for record in found} == set(range(500, 1500))


def test_a_script_of_a_release_is_seen_while_it_runs(tmp_path: pathlib.Path) -> None:
    (tmp_path / "17").mkdir()
    (tmp_path / "17/cmdline").write_bytes(
        f"/bin/sh\0/etc/nodecycle/releases/{RELEASE[:16]}/worker_prolog.d/10-a\0".encode()
    )
    (tmp_path / "17/status").write_text("Uid:\t0\t0\t0\t0\n")
    assert _hook_log.still_running("/etc/nodecycle", RELEASE, proc=str(tmp_path))
    assert not _hook_log.still_running("/etc/nodecycle", "f" * 64, proc=str(tmp_path))


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
    assert _hook_log.ended(record) == moment


def test_a_failure_counts_against_a_rollout_only_since_its_host_met_the_release() -> None:
    late, early = ({**run(code=1), "time": f"1970-01-01T00:{minute}:00+0000"} for minute in ("20", "10"))
    other = {**late, "release": "another"}
    releases = {"c": RELEASE}
    assert _hook_log.failures_since({"c": 1000}, releases, [late, early, other]) == [late]
    assert _hook_log.failures_since({}, releases, [late]) == []


def test_on_a_controller_that_is_a_worker_a_job_elsewhere_meets_the_controllers_hooks_only() -> None:
    scripts = {hook: [{"file": "10-a", "partitions": []}] for hook in ("worker_prolog", "controller_prolog")}
    jobs = [{"id": "1", "partition": "batch", "node": "ctl"}, {"id": "2", "partition": "batch", "node": "n1"}]
    missing, _tolerated = _hook_log.evaluate(scripts, "r", jobs, [], "ctl")
    assert [(line.split()[1], line.split()[5]) for line in missing] == [
        ("1", "worker_prolog:"),
        ("1", "controller_prolog:"),
        ("2", "controller_prolog:"),
    ]
    # A worker alone is only asked about its own.
    assert len(_hook_log.evaluate(scripts, "r", jobs, [], "")[0]) == 4
