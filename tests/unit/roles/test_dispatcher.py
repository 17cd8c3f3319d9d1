# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""The dispatcher as it runs on a host: made by _release.build, started as Slurm would."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _hook_log, _host_files, _release
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Script
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _own_files

BODIES = _own_files.dispatcher_bodies()

#: Another bash for the dispatchers, such as that of an old distribution.
BASH = os.environ.get("NODECYCLE_BASH", "/bin/bash")

#: The environment that slurmd gives a prolog: no PATH, no locale.
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

    def place(self, hook: str, *scripts: Script | str, script_path: t.Sequence[str] = ()) -> list[str]:
        """Put a release there; the command that starts the hook."""
        listed = [
            script if isinstance(script, Script) else Script(f"s{index}", sh(script))
            for index, script in enumerate(scripts)
        ]
        release = _release.build({hook: listed}, str(self.directory), BODIES, script_path)
        assert release
        self.release = release
        for file in release.files:
            path = self.directory / "releases" / release.id[:16] / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            content = (
                re.sub(rb"^#!/bin/bash", b"#!" + BASH.encode(), file.content) if file.path == hook else file.content
            )
            path.write_bytes(content)
            path.chmod(file.mode)
        for path in (self.state / hook, self.run_dir / hook, self.log_dir):
            path.mkdir(parents=True, exist_ok=True)
        self.hook = hook
        dispatcher = str(self.directory / "releases" / release.id[:16] / hook)
        return [BASH, *_host_files.start_of(dispatcher)[1:]] if HOOKS[hook].is_init else [dispatcher]

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
        """The files in the state directory beside the failure record."""
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
    # 22.05 names all that a job was sent to.
    (("gpu",), "gpu,batch", True),
    (("batch",), "gpu,batch", True),
    (("x", "batch", "y"), "gpu,batch", True),
    (("gpu,batch",), "gpu", True),
    (("x", "y"), "gpu,batch", False),
    (("bat", "gp"), "gpu,batch", False),
])  # fmt: skip
@pytest.mark.parametrize("hook", ["worker_prolog", "task_prolog"])
def test_partitions(wanted: tuple[str, ...], partition: str, runs: bool, hook: str, host: Host) -> None:
    done = host.run(hook, Script("p", sh("echo ran"), partitions=wanted), "echo all", SLURM_JOB_PARTITION=partition)
    assert done.stdout == (b"ran\nall\n" if runs else b"all\n")
    if hook != "task_prolog":
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


def until(seen: t.Callable[[], object], what: str = "it", seconds: float = 10) -> None:
    """Wait for something, or fail."""
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, f"waited {seconds} seconds for {what}"
        time.sleep(0.02)


def terminated(
    host: Host, hook: str, *scripts: Script | str, by: t.Sequence[signal.Signals] = (signal.SIGTERM,)
) -> tuple[int, bytes]:
    """Start a hook, wait until its script has begun and is slow, and end its group as Slurm does at PrologEpilogTimeout."""
    begun = host.directory / "begun"
    command = host.place(hook, *scripts)
    with subprocess.Popen(command, env=SLURM, stdout=subprocess.PIPE, start_new_session=True) as process:
        until(begun.exists, "the script")
        until(lambda: list((host.run_dir / hook).glob("output.*")), "the note of a slow script")
        # The dispatcher repeats the note of its last output.
        time.sleep(0.5)
        for number in by:
            os.killpg(process.pid, number)
            # As Slurm does.
            time.sleep(0.01)
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
    monkeypatch.setattr(_hook_log, "RUN_DIR", str(host.run_dir))
    monkeypatch.setattr(_hook_log, "STATE_DIR", str(host.state))
    script = f"echo hello; touch {host.directory}/begun; exec sleep 30"
    assert _hook_log.failures_of("", ["worker_prolog"]) == []
    code, _out = terminated(host, "worker_prolog", "echo first", script, by=[signal.SIGKILL])
    assert code == -signal.SIGKILL
    assert host.failure is None
    [record] = _hook_log.failures_of(host.release.id, ["worker_prolog"])
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
    assert _hook_log.failures_of("another release", ["worker_prolog"]) == []


def test_a_script_that_still_runs_was_not_killed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_hook_log, "RUN_DIR", str(host.run_dir))
    monkeypatch.setattr(_hook_log, "STATE_DIR", str(host.state))
    command = host.place("worker_prolog", f"touch {host.directory}/begun; exec sleep 30")
    with subprocess.Popen(command, env=SLURM, start_new_session=True) as process:
        while not (host.directory / "begun").exists():
            time.sleep(0.02)
        assert _hook_log.failures_of("", ["worker_prolog"]) == []
        os.killpg(process.pid, signal.SIGKILL)


# --- the environment of a script


def test_job_hooks_get_a_path_and_no_input(host: Host) -> None:
    done = host.run("worker_prolog", 'echo "$PATH"; cat; env | cut -d= -f1 | grep -v SLURM | sort | tr "\\n" " "')
    assert done.stdout.splitlines()[0] == b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert set(done.stdout.splitlines()[1].split()) <= {b"PATH", b"PWD", b"OLDPWD", b"SHLVL", b"_"}, (
        "nothing of the dispatcher's leaks"
    )


def test_the_path_of_a_job_hook_is_not_the_callers(host: Host) -> None:
    assert host.run("controller_prolog", 'echo "$PATH"', PATH="/evil").stdout.startswith(b"/usr/local/sbin:")


@pytest.mark.parametrize("hook", ["worker_init", "worker_prolog", "controller_epilog"])
def test_the_users_directories_come_first(host: Host, hook: str) -> None:
    directories = [str(host.directory / name) for name in ("it's", "$(id) b")]
    command = host.place(hook, 'echo "$PATH"; ours', "ours; exit 3", script_path=directories)
    for directory, code in zip(directories, (0, 1), strict=True):
        tool = pathlib.Path(directory, "ours")
        tool.parent.mkdir()
        tool.write_bytes(sh(f"echo it is ours; exit {code}"))
        tool.chmod(0o755)
    done = subprocess.run(command, env=SLURM, cwd="/", capture_output=True, check=False, timeout=20)
    path = ":".join([*directories, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"])
    assert done.stdout.decode().splitlines() == [path, "it is ours", "it is ours"]
    assert done.returncode == 3


def test_the_dispatchers_own_tools_are_not_from_the_users_directories(host: Host) -> None:
    (command,) = host.place("worker_prolog", "echo said; exit 3", script_path=[str(host.directory / "bin")])
    (host.directory / "bin").mkdir()
    for name in os.listdir("/bin"):
        (host.directory / "bin" / name).symlink_to("/bin/false")
    (host.directory / "bin" / "echo").unlink()
    done = subprocess.run([command], env=SLURM, cwd="/", capture_output=True, check=False, timeout=20)
    assert done.returncode == 3
    assert host.failure is not None
    assert host.failure["output"] == "said\n"


def test_without_directories_of_the_user_the_dispatcher_does_not_mention_them(host: Host) -> None:
    """A host without the variable keeps its release."""
    assert BODIES["job"].count("script_path") == 2
    (command,) = host.place("worker_prolog", "true")
    assert "script_path" not in pathlib.Path(command).read_text()


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


# --- a fault of the bookkeeping is not a failure of the hook


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


# --- init scripts that are done for a host, and further attempts


def counting(host: Host, then: str = "true") -> bytes:
    """A script that counts its starts."""
    return sh(f"echo x >>{host.directory}/count; {then}")


def starts(host: Host) -> int:
    path = host.directory / "count"
    return len(path.read_text().split()) if path.exists() else 0


@pytest.mark.parametrize(("run", "same", "other"), [("boot", 2, 3), ("change", 1, 2), ("once", 1, 1)])
def test_how_often_an_init_script_runs(run: str, same: int, other: int, host: Host) -> None:
    for _boot in range(2):
        assert host.run("worker_init", "exit 0", Script("setup", counting(host), run=run)).returncode == 0
    assert starts(host) == same
    # Another place in the list is no change of it.
    assert host.run("worker_init", Script("setup", counting(host, ": other"), run=run)).returncode == 0
    assert starts(host) == other
    assert mark(host).exists()


@pytest.mark.parametrize("run", ["change", "once"])
@pytest.mark.parametrize("on_failure", ["drain", "ignore"])
def test_an_init_script_that_failed_is_not_done(on_failure: str, run: str, host: Host) -> None:
    for _boot in range(2):
        host.run("worker_init", Script("setup", counting(host, "exit 3"), run=run, on_failure=on_failure))
    assert starts(host) == 2


@pytest.mark.parametrize("run", ["change", "once"])
@pytest.mark.parametrize("left", ["", "\n", "half"])
def test_a_mark_that_is_cut_off(left: str, run: str, host: Host) -> None:
    host.place("worker_init", Script("setup", counting(host), run=run))
    (host.state / "worker_init/succeeded").mkdir()
    (host.state / "worker_init/succeeded/setup").write_text(left)
    assert host.run("worker_init", Script("setup", counting(host), run=run)).returncode == 0
    assert starts(host) == (0 if (run, left) == ("once", "half") else 1)


def test_a_mark_that_cannot_be_written_is_told_and_fails_nothing(host: Host) -> None:
    host.place("worker_init", Script("setup", counting(host), run="once"))
    (host.state / "worker_init/succeeded").write_text("in the way")
    done = host.run("worker_init", Script("setup", counting(host), run="once"))
    assert done.returncode == 0
    assert b"so script 10-setup will run again" in done.stderr
    assert mark(host).exists()


@pytest.mark.parametrize("on_failure", ["drain", "ignore"])
def test_a_script_that_succeeds_at_a_further_attempt(on_failure: str, host: Host) -> None:
    script = counting(host, f"test $(wc -l <{host.directory}/count) -ge 3 || exit 4")
    begin = time.monotonic()
    done = host.run("worker_init", Script("mount", script, retries=3, delay=1, on_failure=on_failure), "echo next")
    assert (done.returncode, done.stdout) == (0, b"next\n")
    assert time.monotonic() - begin >= 2
    again = b"nodecycle: worker_init: script 10-mount ended with exit code 4; it is tried again in 1 seconds\n"
    assert done.stderr == again * 2
    assert [line["exit"] for line in host.log] == [4, 4, 0, 0]
    assert host.failure is None
    assert host.failures == []


def test_after_the_last_attempt_the_script_has_failed(host: Host) -> None:
    done = host.run(
        "worker_init", Script("mount", counting(host, "echo why; exit 4"), retries=1, delay=1), "echo never"
    )
    assert (done.returncode, done.stdout) == (4, b"why\nwhy\n")
    assert starts(host) == 2
    assert host.failure
    assert (host.failure["exit"], host.failure["cause"], host.failure["output"]) == (4, "exit", "why\n")
    assert [record["exit"] for record in host.failures] == [4]
    assert not mark(host).exists()


def test_a_script_beyond_its_time_is_tried_again(host: Host) -> None:
    script = counting(host, f"test $(wc -l <{host.directory}/count) -ge 2 || sleep 60")
    assert host.run("worker_init", Script("slow", script, timeout=1, retries=1, delay=1)).returncode == 0
    assert [line["exit"] for line in host.log] == [124, 0]


def test_the_limit_of_all_scripts_ends_the_wait_for_a_further_attempt(host: Host) -> None:
    command = host.place("worker_init", Script("mount", counting(host, "echo why; exit 4"), retries=9, delay=3600))
    with subprocess.Popen(command, env=SLURM, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        until(lambda: host.log, "the first attempt")
        time.sleep(0.3)
        process.terminate()
        # Nothing keeps its output open, either.
        process.communicate(timeout=20)
        assert process.returncode == 143
    assert starts(host) == 1
    assert host.failure
    assert (host.failure["exit"], host.failure["output"]) == (4, "why\n")
    assert not mark(host).exists()


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


# --- the canary


def run_hook(command: list[str], **env: str) -> bytes:
    return subprocess.run(command, env={**SLURM, **env}, capture_output=True, check=True, timeout=20).stdout


@pytest.mark.parametrize("hook", ["worker_prolog", "worker_epilog", "controller_prolog", "task_prolog"])
@pytest.mark.parametrize("present", [["echo present"], []])
def test_only_the_probe_meets_the_canary(hook: str, present: list[str], host: Host) -> None:
    canary = host.place(hook, "echo canary")[0]
    active = host.place(hook, *present)
    said = b"present\n" if present else b""
    probe = {"SLURM_JOB_RESERVATION": _release.RESERVATION}
    assert run_hook(active, **probe) == said
    (host.directory / "canary").symlink_to(os.path.dirname(canary))
    if hook == "task_prolog":
        # The reservation is the user's to name; another user's canary is not his.
        (host.directory / f"canary.{os.geteuid() + 1}").symlink_to(os.path.dirname(canary))
        assert run_hook(active, **probe, EUID=str(os.geteuid() + 1), UID=str(os.geteuid() + 1)) == said
        (host.directory / f"canary.{os.geteuid()}").symlink_to(os.path.dirname(canary))
    assert run_hook(active, **probe) == b"canary\n"
    assert run_hook(active) == said
    assert run_hook(active, SLURM_JOB_RESERVATION="another") == said


@pytest.mark.parametrize("hook", ["worker_prolog", "task_prolog"])
@pytest.mark.parametrize("scripts", [["echo same"], []])
def test_a_release_that_is_active_and_canary_runs_once(scripts: list[str], hook: str, host: Host) -> None:
    command = host.place(hook, *scripts)
    release = os.path.dirname(command[0])
    for name in ("canary", f"canary.{os.geteuid()}", "current"):
        (host.directory / name).symlink_to(release)
    path = str(host.directory / "current" / hook)
    said = run_hook([path], SLURM_JOB_RESERVATION=_release.RESERVATION)
    assert said == b"".join(b"same\n" for _script in scripts)


def test_a_canary_that_points_at_nothing_is_none(host: Host) -> None:
    active = host.place("worker_prolog", "echo present")
    (host.directory / "canary").symlink_to(host.directory / "gone")
    assert run_hook(active, SLURM_JOB_RESERVATION=_release.RESERVATION) == b"present\n"


# --- nothing of the bookkeeping reaches the script

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system of a known size")

#: Faults of a directory of ours, as commands on $1.
FAULTS = {
    "full": "mount -t tmpfs -o size=64k none $1; mkdir -p $1/worker_prolog $1/worker_epilog; cat /dev/zero >$1/fill",
    "no inodes": "mount -t tmpfs -o nr_inodes=1 none $1",
    "read-only": "mkdir -p $1/worker_prolog; mount -t tmpfs -o ro none $1",
    "missing": "mount -t tmpfs none $1; rm -rf $1/*",
    "a file": "mount --bind /etc/hostname /mnt; rm -rf $1; : >$1",
}


def in_namespace(*setup: str) -> list[str]:
    """The prefix of a command that runs it with these mounts, which nobody else sees."""
    # The setup must not print anything, and a full disk is not a failure of it.
    lines = "".join(f"{{ {line}; }} >/dev/null 2>&1\n" for line in setup)
    return ["unshare", "-m", "sh", "-c", f'{lines}exec "$@"', "sh"]


@as_root
@pytest.mark.parametrize(
    "script", ["set -e; echo prepared", "set -e; echo prepared; sleep 0.3; echo again", "set -e; echo no; exit 3"]
)
@pytest.mark.parametrize("place", ["run", "state and log", "all"])
@pytest.mark.parametrize("fault", ["full", "no inodes", "read-only", "missing"])
def test_no_fault_of_our_directories_changes_what_a_script_does(
    fault: str, place: str, script: str, host: Host
) -> None:
    command = host.place("worker_prolog", script)
    places = {"run": [host.run_dir], "state and log": [host.state, host.log_dir]}
    setup = [
        FAULTS[fault].replace("$1", str(path)) for path in places.get(place, [host.run_dir, host.state, host.log_dir])
    ]
    plain = subprocess.run(
        [f"{command[0]}.d/10-s0"], env=SLURM, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    done = subprocess.run(
        in_namespace(*setup) + command,
        env=SLURM,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert (done.returncode, done.stdout) == (plain.returncode, plain.stdout)
    said = f"nodecycle: worker_prolog: script 10-s0 ended with exit code {plain.returncode}\n".encode()
    assert done.stderr == (said if plain.returncode else b"")


@as_root
def test_much_output_takes_no_memory_from_others(host: Host) -> None:
    command = host.place("worker_prolog", "head -c 16000000 /dev/zero | tr '\\0' x; sleep 0.4; echo end")
    at_the_end = f'"$@"; du -sk {host.run_dir} | cut -f1 >&2'
    mount = f"mount -t tmpfs -o size=256k none {host.run_dir}; mkdir {host.run_dir}/worker_prolog"
    during = f"( while sleep 0.05; do du -sk {host.run_dir} | cut -f1; done ) >{host.directory}/used 2>&1 & watcher=$!"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"{mount}; {during}; {at_the_end}; kill $watcher", "sh", *command],
        env=SLURM,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == b"x" * 16000000 + b"end\n"
    used = [int(line) for line in (host.directory / "used").read_text().split()]
    assert used
    assert max(used) < 64
    assert int(done.stderr) < 64


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1024, 4096, 65535, 65536, 65537, 300000])
@pytest.mark.parametrize("end", [b"\n\n", b"\0", b"\0\0x"])
def test_output_of_any_size_comes_through_to_the_byte(size: int, end: bytes, host: Host) -> None:
    data = host.directory / "data"
    data.write_bytes(os.urandom(size) + end)
    done = host.run("worker_prolog", f"cat {data}; echo between >&2; exit 5", f"cat {data}")
    assert (done.returncode, done.stdout) == (5, data.read_bytes() + b"between\n")
    assert host.failure
    assert host.failure["output"].endswith("between\n")


def test_the_last_words_of_a_long_output_are_kept(host: Host) -> None:
    done = host.run("worker_prolog", "seq 300000; printf 'the %s' reason; exit 1")
    assert done.stdout == b"".join(b"%d\n" % number for number in range(1, 300001)) + b"the reason"
    assert host.failure
    assert host.failure["output"].splitlines()[-3:] == ["299999", "300000", "the reason"]


def test_nobody_listens(host: Host) -> None:
    command = host.place("worker_prolog", f"set -e; seq 100000; sleep 0.2; echo x; touch {host.directory}/done; exit 3")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command, env=SLURM, stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=20
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (3, b"nodecycle: worker_prolog: script 10-s0 ended with exit code 3\n")
    assert (host.directory / "done").exists()
    assert [line["exit"] for line in host.log] == [3]


def test_output_that_nobody_can_take_reaches_no_other_file(host: Host) -> None:
    command = host.place("worker_prolog", "echo secret; echo more", "echo x")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command, env=SLURM, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, check=False, timeout=20
        )
    assert (done.returncode, done.stderr) == (0, b"")
    assert [line["exit"] for line in host.log] == [0, 0]


def test_a_script_inherits_nothing_of_the_dispatchers(host: Host) -> None:
    done = host.run("worker_prolog", *["ls /proc/self/fd; readlink /proc/$$/fd/0; grep SigIgn /proc/$$/status"] * 2)
    # 3 is ls's own.
    plain = b"0\n1\n2\n3\n/dev/null\n"
    first, second = re.findall(rb"(?s)(.*?)SigIgn:\t(\w+)\n", done.stdout)
    assert first == second
    assert first[0] == plain
    mine = subprocess.run(["grep", "SigIgn", "/proc/self/status"], capture_output=True, check=True).stdout
    assert first[1] == mine.split()[1]


@as_root
@pytest.mark.parametrize("hook", ["worker_prolog", "task_prolog"])
def test_a_success_starts_no_process_but_the_scripts(hook: str, host: Host) -> None:
    """In a namespace of process numbers of its own they are counted."""
    if (
        BASH != "/bin/bash"
        and "4.4" in subprocess.run([BASH, "--version"], capture_output=True, check=True).stdout.decode()
    ):
        pytest.skip("bash 4.4 has no clock of its own and asks date")
    limit = 30 if hook == "worker_prolog" else 0
    command = host.place(hook, *["echo $$"] * 3, Script("limited", sh("echo $$"), timeout=limit))

    def pids() -> list[int]:
        done = subprocess.run(
            ["unshare", "-p", "-f", "--mount-proc", "sh", "-c", '"$@"; sh -c "echo \\$\\$"', "sh", *command],
            env={**SLURM, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            check=True,
            timeout=20,
        )
        return [int(line) for line in done.stdout.split()]

    # On a busy machine a script may end so late after its last output that it counts as slow.
    assert any((seen := pids()) == list(range(seen[0], seen[0] + 5)) for _time in range(20))


# --- processes that a script leaves running


@pytest.fixture
def survivors(host: Host) -> t.Iterator[t.Callable[[], list[int]]]:
    """The processes whose numbers scripts have written into C(pids) and which live."""

    def alive() -> list[int]:
        path = host.directory / "pids"
        found = []
        for pid in map(int, path.read_text().split() if path.exists() else []):
            state = pathlib.Path(f"/proc/{pid}/stat")
            if state.exists() and state.read_text().rpartition(")")[2].split()[0] not in "ZX":
                found.append(pid)
        return found

    yield alive
    for pid in alive():
        os.kill(pid, signal.SIGKILL)


#: A background process that notes its number; $1 is its work.
LEFT = "( echo $(exec sh -c 'echo $PPID') >>DIR/pids; {} ) &\nwhile ! test -s DIR/pids; do sleep 0.01; done\n"


@pytest.mark.parametrize("hook", ["worker_prolog", "worker_init"])
@pytest.mark.parametrize(
    "daemon", ["exec sleep 60", "while :; do echo x; sleep 0.02; done", "exec yes", "while :; do echo x; done"]
)
@pytest.mark.parametrize("size", [0, 100000])
def test_a_hook_neither_waits_for_a_daemon_nor_ends_it(
    size: int, daemon: str, hook: str, host: Host, survivors: t.Callable[[], list[int]]
) -> None:
    script = (
        f"head -c {size} /dev/zero | tr '\\0' o\n"
        + LEFT.format(daemon).replace("DIR", str(host.directory))
        + "echo started"
    )
    command = host.place(hook, script, "echo next")
    with subprocess.Popen(
        command, env=SLURM, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        out, _err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out.startswith(b"o" * size)
    assert b"started\n" in out
    assert out.endswith(b"next\n")
    time.sleep(0.3)
    assert len(survivors()) == 1


@pytest.mark.parametrize(
    ("start", "survives"),
    [
        ("sh -c '{}' &", False),
        ("sh -c '{}' >/dev/null 2>&1 &", False),
        ("nohup sh -c '{}' >/dev/null 2>&1 &", False),
        ("setsid --fork sh -c '{}' </dev/null >/dev/null 2>&1", True),
    ],
)
def test_slurm_kills_what_a_script_leaves_in_the_group_of_its_hook(
    start: str, survives: bool, host: Host, survivors: t.Callable[[], list[int]]
) -> None:
    """As the page of the linter's rule background-process says: Slurm ends the group of the hook (run_command.c)."""
    work = f"echo $$ >>{host.directory}/pids; exec sleep 60"
    begun = f"while ! test -s {host.directory}/pids; do sleep 0.01; done"
    command = host.place("worker_prolog", f"{start.format(work)}\n{begun}")
    with subprocess.Popen(
        command, env=SLURM, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        process.communicate(timeout=20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
            time.sleep(0.01)
            os.killpg(process.pid, signal.SIGKILL)
    time.sleep(0.3)
    assert len(survivors()) == (1 if survives else 0)


def test_who_holds_the_pipe_of_a_daemon_ends_with_it(host: Host, survivors: t.Callable[[], list[int]]) -> None:
    host.run("worker_prolog", LEFT.format("exec sleep 60").replace("DIR", str(host.directory)))
    (daemon,) = survivors()
    pipe = os.readlink(f"/proc/{daemon}/fd/1")

    def holders() -> list[str]:
        found = []
        for link in pathlib.Path("/proc").glob("[0-9]*/fd/0"):
            try:
                if os.readlink(link) == pipe:
                    found.append(link.parts[2])
            except OSError:
                continue
        return found

    until(lambda: len(holders()) == 1, "the one that drains the pipe")
    os.kill(daemon, signal.SIGKILL)
    until(lambda: not holders(), "its end")


@pytest.mark.parametrize("hook", ["worker_prolog", "worker_init"])
def test_one_process_prints_a_line_that_was_read_in_two_pieces(hook: str, host: Host) -> None:
    """journald shows what two processes print as two lines."""
    begun, go = (host.directory / name for name in ("begun", "go"))
    command = host.place(
        hook, f"sleep 0.2; printf abc; touch {begun}; until test -e {go}; do sleep 0.01; done; echo def"
    )
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    with ours, subprocess.Popen(command, env=SLURM, stdin=subprocess.DEVNULL, stdout=theirs) as process:
        theirs.close()
        until(begun.exists, "the first piece")
        # As on a busy machine: the dispatcher comes to it only after the script's end.
        process.send_signal(signal.SIGSTOP)
        go.touch()
        time.sleep(1.5)
        process.send_signal(signal.SIGCONT)
        printed: list[tuple[bytes, int]] = []
        while (piece := ours.recvmsg(4096, socket.CMSG_SPACE(12)))[0]:
            printed.append((piece[0], struct.unpack("3i", piece[1][0][2])[0]))
        assert process.wait(timeout=20) == 0
    assert b"".join(text for text, _pid in printed) == b"abcdef\n"
    assert len({pid for _text, pid in printed}) == 1, printed


def test_a_script_that_closes_its_output_is_waited_for(host: Host) -> None:
    done = host.run("worker_prolog", "echo x; exec >/dev/null 2>&1; sleep 0.4; exit 7")
    assert (done.returncode, done.stdout) == (7, b"x\n")
    assert [line["exit"] for line in host.log] == [7]


# --- a time limit ends all of a script

#: Processes that a script may start. Each notes its number in C(pids), and none ends by itself.
BROOD = {
    "itself": "echo $$ >>DIR/pids; exec sleep 60",
    "a child": "sh -c 'echo $$ >>DIR/pids; exec sleep 60'; true",
    "a background process": LEFT.format("exec sleep 60") + "sleep 60",
    "a background process with its own output": LEFT.format("exec sleep 60 >/dev/null 2>&1") + "sleep 60",
    "a grandchild in another group": "setsid sh -c 'echo $$ >>DIR/pids; sleep 60; true'; true",
    "a deaf background process": LEFT.format("trap '' TERM; while :; do sleep 0.1; done") + "sleep 60",
    "all of it deaf": "trap '' TERM\n" + LEFT.format("while :; do sleep 0.1; done") + "while :; do sleep 1; done",
    "a deaf one that is chatty": "trap '' TERM\n"
    + LEFT.format("while :; do echo y; done")
    + "while :; do echo x; done",
    "no output": LEFT.format("exec sleep 60") + "exec >/dev/null 2>&1; sleep 60",
}


@pytest.mark.parametrize("hook", ["worker_prolog", "worker_init", "task_prolog"])
@pytest.mark.parametrize("brood", BROOD)
def test_a_time_limit_ends_all_that_a_script_has_started(
    brood: str, hook: str, host: Host, survivors: t.Callable[[], list[int]]
) -> None:
    if (hook, brood) == ("task_prolog", "a grandchild in another group"):
        pytest.skip("timeout(1), which the task hooks have, ends a process group")
    script = Script("slow", sh(BROOD[brood].replace("DIR", str(host.directory))), timeout=1, on_failure="ignore")
    command = host.place(hook, script, f"echo next; cat {host.directory}/pids >{host.directory}/before")
    with subprocess.Popen(
        command, env=SLURM, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        begin = time.monotonic()
        out, _err = process.communicate(timeout=30)
        assert process.returncode == 0
        assert out.endswith(b"next\n")
        # SIGKILL comes five seconds after SIGTERM, and on a busy host later.
        assert time.monotonic() - begin >= (5.9 if brood == "all of it deaf" else 0.9)
    assert (host.directory / "before").read_text().split()
    if hook == "task_prolog":
        # SIGKILL is sent to all of the group at once. On a busy host one of it may still wait for its last turn on a core.
        until(lambda: survivors() == [], "the end of all")
    else:
        assert survivors() == []
        assert [line["exit"] for line in host.log] == [124, 0]


def test_a_host_that_is_too_busy_to_look_in_time_kills_all_the_same(
    host: Host, survivors: t.Callable[[], list[int]]
) -> None:
    """One look at all processes may take seconds, so the time for KILL may come and go within it."""
    deaf = f"trap '' TERM; echo $$ >{host.directory}/pids; while :; do sleep 0.1; done"
    command = host.place("worker_prolog", Script("slow", sh(deaf), timeout=1, on_failure="ignore"), "echo next")
    with subprocess.Popen(command, env=SLURM, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        # TERM was sent, KILL is not due yet.
        time.sleep(3)
        process.send_signal(signal.SIGSTOP)
        time.sleep(8)
        process.send_signal(signal.SIGCONT)
        try:
            out, _err = process.communicate(timeout=20)
        finally:
            for left in survivors():
                os.kill(left, signal.SIGKILL)
    assert out == b"next\n"


def test_a_time_limit_spares_who_shares_the_group_of_a_hook_that_leads_none(
    host: Host, survivors: t.Callable[[], list[int]]
) -> None:
    script = Script("slow", sh(BROOD["a background process"].replace("DIR", str(host.directory))), timeout=1)
    with subprocess.Popen(["sleep", "60"]) as bystander:
        assert host.run("worker_prolog", script).returncode == 124
        assert bystander.poll() is None
        bystander.kill()
    assert survivors() == []


def test_a_daemon_of_an_earlier_init_script_outlives_a_time_limit(
    host: Host, survivors: t.Callable[[], list[int]]
) -> None:
    daemon = LEFT.format("exec sleep 60").replace("DIR", str(host.directory))
    command = host.place("worker_init", daemon, Script("slow", sh("sleep 60"), timeout=1))
    with subprocess.Popen(command, env=SLURM, stdin=subprocess.DEVNULL, start_new_session=True) as process:
        assert process.wait(timeout=20) == 124
    assert len(survivors()) == 1


@pytest.mark.parametrize("timeout", [0, 60])
@pytest.mark.parametrize("by", [[signal.SIGTERM, signal.SIGKILL], [signal.SIGKILL]])
@pytest.mark.parametrize("brood", ["itself", "a child", "a deaf background process", "all of it deaf"])
def test_slurms_own_limit_reaches_all_of_a_script(
    brood: str, by: list[signal.Signals], timeout: int, host: Host, survivors: t.Callable[[], list[int]]
) -> None:
    text = f"echo hello; touch {host.directory}/begun\n" + BROOD[brood].replace("DIR", str(host.directory))
    terminated(host, "worker_prolog", Script("slow", sh(text), timeout=timeout), by=by)
    until(lambda: survivors() == [], "the end of all")


def test_a_script_that_ends_like_a_time_limit_met_none(host: Host) -> None:
    assert host.run("worker_prolog", Script("x", sh("exit 124"), timeout=20)).returncode == 124
    assert host.failure
    assert host.failure["cause"] == "exit"


# --- the environment of a job's user

#: Whatever the dispatchers call their own variables, and what bash itself heeds.
NAMES = [
    "hook",
    "kind",
    "release",
    "digest",
    "root",
    "canary",
    "reservation",
    "state",
    "run",
    "log",
    "names",
    "partitions",
    "timeouts",
    "ignores",
    "index",
    "name",
    "code",
    "limit",
    "command",
    "line",
    "us",
    "begin",
    "wanted",
    "one",
    "capture",
    "running",
    "output",
    "place",
    "text",
    "status",
    "chunk",
    "last",
    "script",
    "pipe",
    "canary",
]
HEEDED = {
    "FUNCNEST": "1",
    "POSIXLY_CORRECT": "1",
    "BASH_COMPAT": "3.2",
    "TMOUT": "1",
    "IGNOREEOF": "3",
    "GLOBIGNORE": "*",
    "EXECIGNORE": "*",
    "LC_ALL": "C",
    "TZ": ":/no/such",
    "OPTIND": "7",
    "PS4": "$(touch DIR/reached)",
    "EPOCHREALTIME": "a[$(touch DIR/reached)]",
    "CHILD_MAX": "1",
    "SHELLOPTS": "posix:noexec:nounset:errexit:noglob",
    "BASHOPTS": "extdebug:failglob",
}


@pytest.mark.parametrize("name", HEEDED)
@pytest.mark.parametrize("code", [0, 4])
def test_no_variable_of_the_users_keeps_a_task_hook_from_its_list(name: str, code: int, host: Host) -> None:
    value = HEEDED[name].replace("DIR", str(host.directory))
    done = host.run("task_prolog", f"echo one; exit {code}", Script("l", sh("echo two"), timeout=9), **{name: value})
    assert (done.returncode, done.stdout) == (code, b"one\ntwo\n" if code == 0 else b"one\n")
    assert done.stderr == (b"nodecycle: task_prolog: script 10-s0 ended with exit code 4\n" if code else b"")
    assert not (host.directory / "reached").exists()


def test_the_users_variables_reach_a_task_script_as_they_are(host: Host) -> None:
    """But for those that any shell sets for itself."""
    given = {
        **SLURM,
        **dict.fromkeys(NAMES, "mine"),
        "PATH": "/usr/bin:/bin",
        "FUNCNEST": "1",
        "POSIXLY_CORRECT": "",
        "TMOUT": "1",
        "LC_ALL": "C",
        "a.b": "1",
        "BASH_FUNC_mine%%": "() {  echo mine\n}",
        "EMPTY": "",
        "LINES_": "a\nb",
    }
    # A shell would drop those that it cannot name.
    command = host.place("task_prolog", Script("show", b"#!/bin/cat /proc/self/environ\n"))
    done = subprocess.run(command, env=given, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=20)
    seen = dict(entry.split("=", 1) for entry in done.stdout.decode().split("\0")[:-1])
    for name in ("_", "SHLVL", "PWD", "OLDPWD"):
        seen.pop(name, None)
    assert seen == given


@pytest.mark.parametrize("hook", ["worker_prolog", "task_prolog"])
def test_where_bash_gives_up_the_hook_fails(hook: str, host: Host) -> None:
    """For any reason: here a variable that cannot be set, in the middle of the list."""
    command = host.place(hook, "echo one", "echo two")
    path = pathlib.Path(command[0])
    name = "__nodecycle_name" if hook == "task_prolog" else "name"
    text = path.read_text()
    assert f"\nfor {name}" not in text
    path.write_text(text.replace("\n{\n", f"\nreadonly {name}=x\n{{\n"))
    done = subprocess.run(command, env=SLURM, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20)
    assert done.returncode != 0
    assert b"readonly" in done.stderr


# --- lists in memory


def test_the_list_of_failures_does_not_grow_for_ever(host: Host) -> None:
    command = host.place("worker_prolog", "exit 3")
    path = host.run_dir / "worker_prolog/failures"
    filler = b'{"filler":"%s"}\n' % (b"x" * 300)
    path.write_bytes(filler * (2 * 1024 * 1024 // len(filler) - 1))
    # Each of them is listed, also while another one shortens the list.
    env = [{**SLURM, "SLURM_JOB_ID": str(job)} for job in range(40)]
    running = [subprocess.Popen(command, env=one, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for one in env]
    assert {process.wait(timeout=60) for process in running} == {3}
    assert 1024 * 1024 - 400 < path.stat().st_size < 1200 * 1024
    assert {record["job"] for record in host.failures if "job" in record} == {one["SLURM_JOB_ID"] for one in env}
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["failures", "lock"]


def test_a_run_is_known_also_where_its_log_cannot_be_written(host: Host) -> None:
    command = host.place("controller_prolog", "echo x", "exit 4")
    shutil.rmtree(host.log_dir)
    assert (
        subprocess.run(command, env=SLURM, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 4
    )
    lines = (host.run_dir / "controller_prolog/log").read_text().splitlines()
    assert [json.loads(line)["exit"] for line in lines] == [0, 4]
