# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""The dispatcher as it runs on a host: made by _release.build, started as Slurm would."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _release, _runs
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Script

BODY = (pathlib.Path(__file__).parents[3] / "roles/common/files/dispatcher.sh").read_text()

#: What slurmd gives a prolog: no PATH, no locale.
SLURM = {"SLURM_JOB_ID": "42", "SLURM_JOB_USER": "alice", "SLURM_JOB_PARTITION": "batch", "SLURMD_NODENAME": "worker1"}


def sh(text: str) -> bytes:
    return f"#!/bin/sh\n{text}\n".encode()


class Host:
    """A directory with one release, and places for state, logs and marks as on a host."""

    def __init__(self, directory: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.state, self.log_dir, self.run_dir = (directory / name for name in ("state", "log", "run"))
        monkeypatch.setattr(_release, "STATE_DIR", str(self.state))
        monkeypatch.setattr(_release, "LOG_DIR", str(self.log_dir))
        monkeypatch.setattr(_release, "RUN_DIR", str(self.run_dir))

    def place(self, hook: str, *scripts: Script | str) -> list[str]:
        """Put a release there; the command that starts the hook."""
        listed = [
            script if isinstance(script, Script) else Script(f"s{index}", sh(script))
            for index, script in enumerate(scripts)
        ]
        release = _release.build({hook: listed}, str(self.directory), BODY)
        assert release
        self.release = release
        for file in release.files:
            path = self.directory / "releases" / release.id[:16] / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
            path.chmod(file.mode)
        for path in (self.state / hook, self.run_dir / hook, self.log_dir):
            path.mkdir(parents=True, exist_ok=True)
        self.hook = hook
        return [str(self.directory / "releases" / release.id[:16] / hook)]

    def run(self, hook: str, *scripts: Script | str, **env: str) -> subprocess.CompletedProcess[bytes]:
        command = self.place(hook, *scripts)
        return subprocess.run(
            command,
            env={**SLURM, **env},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=20,
        )

    @property
    def log(self) -> list[dict[str, t.Any]]:
        path = self.log_dir / f"{self.hook}.log"
        return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []

    @property
    def failure(self) -> dict[str, t.Any] | None:
        path = self.state / self.hook / "failure.json"
        return t.cast("dict[str, t.Any]", json.loads(path.read_bytes())) if path.exists() else None

    @property
    def failures(self) -> list[dict[str, t.Any]]:
        """The list in memory."""
        path = self.run_dir / self.hook / "failures"
        return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []

    @property
    def left(self) -> list[str]:
        """What lies in the state directory beside the failure record."""
        return sorted(path.name for path in (self.state / self.hook).iterdir() if path.name != "failure.json")


@pytest.fixture
def host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


# --- order and exit codes


def test_scripts_run_in_their_order_and_their_output_comes_through(host: Host) -> None:
    done = host.run("worker_prolog", *[f"echo {number}" for number in range(11)])
    assert done.returncode == 0
    assert done.stdout.split() == [str(number).encode() for number in range(11)]
    assert not done.stderr
    assert [line["script"] for line in host.log] == _release.file_names(
        [Script(f"s{number}", b"") for number in range(11)]
    )
    assert host.failure is None
    assert host.left == []


def test_the_first_failure_ends_the_hook_with_its_code(host: Host) -> None:
    done = host.run("worker_prolog", "echo one", "echo bad; exit 7", "echo never")
    assert done.returncode == 7
    assert done.stdout == b"one\nbad\n"
    assert done.stderr == b"nodecycle: worker_prolog: script 20-s1 ended with exit code 7\n"
    assert [line["exit"] for line in host.log] == [0, 7]
    assert host.failure
    assert {key: host.failure[key] for key in ("hook", "script", "exit", "cause", "output", "job", "user", "node")} == {
        "hook": "worker_prolog", "script": "20-s1", "exit": 7, "cause": "exit", "output": "bad\n", "job": "42", "user": "alice", "node": "worker1",
    }  # fmt: skip
    assert host.left == []


def test_an_ignored_failure_is_logged_and_the_next_script_runs(host: Host) -> None:
    done = host.run("worker_prolog", Script("soft", sh("exit 3"), on_failure="ignore"), "echo next")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"next\n", b"")
    assert [line["exit"] for line in host.log] == [3, 0]
    # It drains no node, so it must not become the reason of one.
    assert host.failure is None
    assert host.failures == []


@pytest.mark.parametrize("code", [1, 2, 100, 124, 255])
def test_exit_codes_pass_through(code: int, host: Host) -> None:
    assert host.run("worker_epilog", f"exit {code}").returncode == code
    assert host.failure
    assert host.failure["cause"] == "exit"


def test_a_script_that_is_killed_has_the_shells_code(host: Host) -> None:
    assert host.run("worker_prolog", "kill -9 $$").returncode == 137


def test_the_record_says_when_and_how_long(host: Host) -> None:
    before = int(time.time())
    host.run("worker_prolog", "sleep 0.1")
    (line,) = host.log
    assert list(line) == ["time", "hook", "script", "release", "job", "user", "node", "exit", "ms"]
    assert line["release"] == host.release.id[:16]
    assert 100 <= line["ms"] < 5000
    assert before <= time.mktime(
        time.strptime(line["time"][:19], "%Y-%m-%dT%H:%M:%S")
    ) - time.timezone <= before + 20 or os.environ.get("TZ")


@pytest.mark.parametrize(("wanted", "partition", "runs"), [
    ((), "batch", True),
    ((), "", True),
    (("batch",), "batch", True),
    (("gpu", "batch"), "batch", True),
    (("gpu",), "batch", False),
    (("bat",), "batch", False),
    (("batch2",), "batch", False),
    (("gpu",), "", False),
    (("*",), "batch", False),
])  # fmt: skip
def test_partitions(wanted: tuple[str, ...], partition: str, runs: bool, host: Host) -> None:
    done = host.run(
        "worker_prolog", Script("p", sh("echo ran"), partitions=wanted), "echo all", SLURM_JOB_PARTITION=partition
    )
    assert done.stdout == (b"ran\nall\n" if runs else b"all\n")
    assert len(host.log) == 1 + runs


def test_a_script_that_is_gone_fails_with_its_name(host: Host) -> None:
    command = host.place("worker_prolog", "echo x")
    pathlib.Path(f"{command[0]}.d/10-s0").unlink()
    done = subprocess.run(command, env=SLURM, capture_output=True, check=False)
    assert done.returncode == 127
    assert host.failure
    assert "10-s0: No such file" in host.failure["output"]


@pytest.mark.parametrize(("content", "code"), [(b"#!/no/such/program\n", 126), (b"#!/bin/sh\r\necho x\r\n", 126)])
def test_an_interpreter_that_is_not_there(content: bytes, code: int, host: Host) -> None:
    done = host.run("worker_prolog", Script("bad", content))
    assert done.returncode in (code, 127)
    assert host.failure


# --- timeouts


def test_a_script_beyond_its_time_is_stopped(host: Host) -> None:
    # host.run itself gives up after 20 seconds.
    done = host.run("worker_prolog", Script("slow", sh("echo begun; exec sleep 60"), timeout=1), "echo never")
    assert done.returncode == 124
    assert done.stdout == b"begun\n"
    assert host.failure
    assert (host.failure["cause"], host.failure["output"]) == ("timeout", "begun\n")


def test_a_script_within_its_time_is_left_alone(host: Host) -> None:
    done = host.run("worker_prolog", Script("quick", sh("echo x; exit 5"), timeout=20))
    assert (done.returncode, done.stdout) == (5, b"x\n")
    assert host.failure
    assert host.failure["cause"] == "exit"


def terminated(host: Host, hook: str, *scripts: Script | str, by: signal.Signals = signal.SIGTERM) -> tuple[int, bytes]:
    """Start a hook, wait for its first output file or line, and end its group as Slurm does at PrologEpilogTimeout."""
    begun = host.directory / "begun"
    command = host.place(hook, *scripts)
    with subprocess.Popen(command, env=SLURM, stdout=subprocess.PIPE, start_new_session=True) as process:
        deadline = time.monotonic() + 10
        while not begun.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, by)
        out, _err = process.communicate(timeout=10)
        return process.returncode, out


@pytest.mark.parametrize("timeout", [0, 60])
def test_word_is_left_when_slurm_ends_the_hook(timeout: int, host: Host) -> None:
    script = Script("slow", sh(f"echo hello; touch {host.directory}/begun; exec sleep 30"), timeout=timeout)
    code, _out = terminated(host, "worker_prolog", script, "echo never")
    assert code == 143
    assert [line["exit"] for line in host.log] == [143]
    assert host.failure
    assert (host.failure["script"], host.failure["cause"], host.failure["output"]) == ("10-slow", "killed", "hello\n")
    assert host.left == []


def test_a_dispatcher_that_gets_no_time_to_speak_leaves_who_was_killed(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm's SIGKILL comes 10 ms after its SIGTERM; a busy machine, or 22.05, gives no time at all."""
    monkeypatch.setattr(_runs, "RUN_DIR", str(host.run_dir))
    monkeypatch.setattr(_runs, "STATE_DIR", str(host.state))
    script = f"echo hello; touch {host.directory}/begun; exec sleep 30"
    assert _runs.failures_of("", ["worker_prolog"]) == []
    code, _out = terminated(host, "worker_prolog", "echo first", script, by=signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert host.failure is None
    [record] = _runs.failures_of(host.release.id, ["worker_prolog"])
    assert {**record, "time": "", "ms": 0, "release": ""} == {
        "time": "",
        "hook": "worker_prolog",
        "script": "20-s1",
        "release": "",
        "job": "42",
        "user": "alice",
        "node": "worker1",
        "exit": 137,
        "ms": 0,
        "cause": "killed",
        "output": "hello",
    }
    assert _runs.failures_of("another release", ["worker_prolog"]) == []


def test_a_script_that_still_runs_was_not_killed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_runs, "RUN_DIR", str(host.run_dir))
    monkeypatch.setattr(_runs, "STATE_DIR", str(host.state))
    command = host.place("worker_prolog", f"touch {host.directory}/begun; exec sleep 30")
    with subprocess.Popen(command, env=SLURM, start_new_session=True) as process:
        while not (host.directory / "begun").exists():
            time.sleep(0.02)
        assert _runs.failures_of("", ["worker_prolog"]) == []
        os.killpg(process.pid, signal.SIGKILL)


# --- what a script finds


def test_job_hooks_get_a_path_and_no_input(host: Host) -> None:
    done = host.run("worker_prolog", 'echo "$PATH"; cat; env | cut -d= -f1 | grep -v SLURM | sort | tr "\\n" " "')
    assert done.stdout.splitlines()[0] == b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert set(done.stdout.splitlines()[1].split()) <= {b"PATH", b"PWD", b"OLDPWD", b"SHLVL", b"_"}, (
        "nothing of the dispatcher's leaks"
    )


def test_the_path_of_a_job_hook_is_not_the_callers(host: Host) -> None:
    assert host.run("controller_prolog", 'echo "$PATH"', PATH="/evil").stdout.startswith(b"/usr/local/sbin:")


def test_task_hooks_keep_the_users_environment(host: Host) -> None:
    done = host.run("task_prolog", 'echo "$PATH $LANG $MINE"', PATH="/mine:/usr/bin:/bin", LANG="xx", MINE="1")
    assert done.stdout == b"/mine:/usr/bin:/bin xx 1\n"


def test_task_hooks_ignore_what_bash_would_run_first(host: Host) -> None:
    evil = host.directory / "evil"
    evil.write_text(f"touch {host.directory}/reached\n")
    done = host.run(
        "task_prolog",
        "echo ok",
        BASH_ENV=str(evil),
        ENV=str(evil),
        **{"BASH_FUNC_printf%%": f"() {{ touch {host.directory}/reached; }}"},
    )
    assert done.stdout == b"ok\n"
    assert not (host.directory / "reached").exists()


# --- output

ODD = b"a\\b \"q\" 'q' \t\x01\x7f\xff\xc3\xbc \xe2\x82\n%s %d $HOME `id`\nno newline"


@pytest.mark.parametrize("hook", ["worker_prolog", "task_prolog"])
def test_output_comes_through_to_the_byte(hook: str, host: Host) -> None:
    data = host.directory / "data"
    data.write_bytes(ODD + bytes(range(256)) * 1000)
    assert host.run(hook, f"cat {data}").stdout == data.read_bytes()


def test_a_task_hook_streams(host: Host) -> None:
    command = host.place("task_prolog", "echo print hello; exec sleep 30")
    with subprocess.Popen(command, env=SLURM, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout
        assert process.stdout.readline() == b"print hello\n"
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)


def test_a_job_hook_does_not_wait_for_what_a_script_leaves_running(host: Host) -> None:
    # host.run itself gives up after 20 seconds.
    assert host.run("worker_prolog", "sleep 60 &\necho started").stdout == b"started\n"


@pytest.mark.parametrize("locale", ["", "C", "C.UTF-8"])
def test_hostile_output_leaves_json(locale: str, host: Host) -> None:
    data = host.directory / "data"
    data.write_bytes(ODD + b"\0\x1b[31m\n")
    done = host.run("worker_prolog", f"cat {data}; exit 1", LC_ALL=locale)
    assert done.returncode == 1
    assert host.failure
    output = host.failure["output"]
    assert output.startswith("a\\b \"q\" 'q' \t??ü ")
    assert "%s %d $HOME `id`\n" in output
    assert "\x1b" not in output


def test_only_the_last_lines_are_kept_and_no_character_is_cut(host: Host) -> None:
    host.run("worker_prolog", "i=0; while [ $i -lt 50 ]; do echo line $i; i=$((i+1)); done; exit 1")
    assert host.failure
    assert host.failure["output"].splitlines() == [f"line {number}" for number in range(30, 50)]
    # 4000 bytes end within a character of three.
    data = host.directory / "data"
    data.write_text("€" * 3000 + "\n")
    host.run("worker_prolog", f"cat {data}; exit 1")
    assert set(host.failure["output"]) == {"€", "\n"}
    assert 1000 < len(host.failure["output"]) < 1400


HOSTILE = [
    'a"b',
    "a\\b",
    "a\nb",
    "a\tb",
    "\x01\x1b[2J",
    "ü",
    "x\udcffy",
    '","exit":0,"x":"',
    "%s%n",
    "$(id)",
    "a" * 5000,
]


@pytest.mark.parametrize("locale", ["", "C.UTF-8"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_leave_json(name: str, locale: str, host: Host) -> None:
    host.run("worker_prolog", "exit 9", SLURM_JOB_USER=name, SLURM_JOB_ID=name, SLURMD_NODENAME=name, LC_ALL=locale)
    (line,) = host.log
    assert (line["exit"], line["script"]) == (9, "10-s0")
    assert line["user"] == line["job"] == line["node"]
    if name.isascii() and name.isprintable():
        assert line["user"] == name
    assert host.failure
    assert host.failure["exit"] == 9


# --- a fault of the bookkeeping is no failure of the hook


@pytest.mark.parametrize("hook", ["worker_prolog", "task_prolog"])
@pytest.mark.parametrize("code", [0, 4])
@pytest.mark.parametrize("fault", ["gone", "no directory", "read-only"])
def test_without_its_directories_a_hook_still_runs(fault: str, code: int, hook: str, host: Host) -> None:
    command = host.place(hook, f"echo out; echo err >&2; exit {code}")
    for path in (host.log_dir, host.state):
        shutil.rmtree(path)
        if fault == "no directory":
            path.write_text("")
        elif fault == "read-only":
            path.mkdir(mode=0o500)
    done = subprocess.run(command, env=SLURM, capture_output=True, check=False)
    assert done.returncode == code
    assert b"out\n" in done.stdout
    noise = [
        line
        for line in done.stderr.splitlines()
        if line not in (b"err", f"nodecycle: {hook}: script 10-s0 ended with exit code {code}".encode())
    ]
    assert noise == []


def test_a_log_that_is_a_directory(host: Host) -> None:
    command = host.place("worker_prolog", "echo out")
    (host.log_dir / "worker_prolog.log").mkdir()
    done = subprocess.run(command, env=SLURM, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"out\n", b"")


# --- init hooks


def mark(host: Host) -> pathlib.Path:
    return host.run_dir / "worker_init.ok"


def test_a_success_of_init_leaves_its_mark(host: Host) -> None:
    done = host.run("worker_init", "echo one")
    assert (done.returncode, done.stdout) == (0, b"one\n")
    assert mark(host).read_text() == host.release.init["worker_init"] + "\n"


def test_a_failure_of_init_takes_the_mark_away(host: Host) -> None:
    host.run("worker_init", "exit 0")
    assert mark(host).exists()
    assert host.run("worker_init", "exit 1").returncode == 1
    assert not mark(host).exists()


def test_while_init_runs_there_is_no_mark(host: Host) -> None:
    host.run("worker_init", "exit 0")
    code, _out = terminated(
        host, "worker_init", f"test ! -e {mark(host)} || exit 9; touch {host.directory}/begun; exec sleep 30"
    )
    assert code == 143
    assert not mark(host).exists()


def test_an_ignored_failure_of_init_leaves_the_mark(host: Host) -> None:
    assert host.run("worker_init", Script("soft", sh("exit 1"), on_failure="ignore")).returncode == 0
    assert mark(host).exists()


def test_a_mark_that_cannot_be_made_is_a_failure(host: Host) -> None:
    (host.run_dir / "worker_init.ok").mkdir(parents=True)
    assert host.run("worker_init", "exit 0").returncode != 0


@pytest.mark.parametrize("hook", ["worker_prolog", "task_prolog"])
def test_other_hooks_leave_no_mark(hook: str, host: Host) -> None:
    host.run(hook, "exit 0")
    assert not list(host.run_dir.glob("*.ok"))


# --- failures, for undo and explain


def test_every_failure_is_listed_in_memory_also_when_the_disk_takes_nothing(host: Host) -> None:
    command = host.place("worker_prolog", "echo why; exit 3")
    shutil.rmtree(host.state / "worker_prolog")
    shutil.rmtree(host.log_dir)
    for job in ("42", "43"):
        assert (
            subprocess.run(command, env={**SLURM, "SLURM_JOB_ID": job}, capture_output=True, check=False).returncode
            == 3
        )
    assert [(record["job"], record["exit"], record["cause"]) for record in host.failures] == [
        ("42", 3, "exit"),
        ("43", 3, "exit"),
    ]
    instead = json.loads((host.run_dir / "worker_prolog/failure.json").read_bytes())
    assert (instead["job"], instead["output"]) == ("43", "why\n")


# --- a release on trial


def run_hook(command: list[str], **env: str) -> bytes:
    return subprocess.run(command, env={**SLURM, **env}, capture_output=True, check=True, timeout=20).stdout


@pytest.mark.parametrize("hook", ["worker_prolog", "worker_epilog", "controller_prolog", "task_prolog"])
@pytest.mark.parametrize("present", [["echo present"], []])
def test_only_the_probe_meets_the_release_on_trial(hook: str, present: list[str], host: Host) -> None:
    trial = host.place(hook, "echo trial")[0]
    active = host.place(hook, *present)
    said = b"present\n" if present else b""
    probe = {"SLURM_JOB_RESERVATION": _release.RESERVATION}
    assert run_hook(active, **probe) == said
    (host.directory / "canary").symlink_to(os.path.dirname(trial))
    assert run_hook(active, **probe) == b"trial\n"
    assert run_hook(active) == said
    assert run_hook(active, SLURM_JOB_RESERVATION="another") == said


@pytest.mark.parametrize("scripts", [["echo same"], []])
def test_a_release_that_is_active_and_on_trial_runs_once(scripts: list[str], host: Host) -> None:
    command = host.place("worker_prolog", *scripts)
    release = os.path.dirname(command[0])
    for name in ("canary", "current"):
        (host.directory / name).symlink_to(release)
    path = str(host.directory / "current/worker_prolog")
    said = run_hook([path], SLURM_JOB_RESERVATION=_release.RESERVATION)
    assert said == b"".join(b"same\n" for _script in scripts)


def test_a_trial_that_points_at_nothing_is_no_trial(host: Host) -> None:
    active = host.place("worker_prolog", "echo present")
    (host.directory / "canary").symlink_to(host.directory / "gone")
    assert run_hook(active, SLURM_JOB_RESERVATION=_release.RESERVATION) == b"present\n"
