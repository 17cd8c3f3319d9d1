# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import multiprocessing
import os
import pathlib
import stat
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _daemons
from ansible_collections.nodecycle.slurm.plugins.module_utils._ansible import LockError

#: A user of the cluster who takes every lock that he can; he says when he has done so, and holds them until he is ended.
_ALICE = """
import fcntl, os, sys, time
os.setgroups([]); os.setgid(65534); os.setuid(65534)
held = []
for path in sys.argv[1:]:
    for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDONLY | os.O_CREAT):
        try:
            held.append(os.open(path, flags, 0o666))
            fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pass
print(len(held), flush=True)
time.sleep(60)
"""


@pytest.fixture
def run_dir(tmp_path: pathlib.Path) -> pathlib.Path:
    """A directory as /run: everybody may read it, also on the way to it."""
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.geteuid() and parent != pathlib.Path("/"):
            parent.chmod(0o755)
    return tmp_path


def _take(path: str, ready: t.Any, done: t.Any) -> None:
    with _ansible.locked(path):
        ready.set()
        done.wait(30)


def test_a_second_module_waits_and_is_told_who_has_the_lock(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "lock")
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    holder = context.Process(target=_take, args=(path, ready, done))
    holder.start()
    try:
        assert ready.wait(30)
        with pytest.raises(LockError, match=rf"another module .* {path} locked"), _ansible.locked(path, within=0.3):
            pass
        done.set()
        with _ansible.locked(path, within=10):
            pass
    finally:
        done.set()
        holder.join()


@pytest.mark.skipif(os.geteuid() != 0, reason="a process of another user is needed")
def test_what_a_user_locks_stops_nobody(run_dir: pathlib.Path) -> None:
    path = str(run_dir / "nodecycle.lock")
    with _ansible.locked(path):
        pass
    places = [str(run_dir), path, "/run", "/var/lib", "/var/log"]
    alice = subprocess.Popen([sys.executable, "-c", _ALICE, *places], stdout=subprocess.PIPE, text=True)
    try:
        assert alice.stdout
        assert int(alice.stdout.readline()) >= 4, "she could lock nothing at all, so this shows nothing"
        with _ansible.locked(path, within=0):
            pass
    finally:
        alice.kill()
        alice.communicate()


def test_the_locks_are_files_of_roots_in_run() -> None:
    """The directories themselves can be opened, and so locked, by everybody."""
    assert [_ansible.LOCK, _ansible.PROBE_LOCK, _ansible.INIT_LOCK] == [
        "/run/nodecycle.lock",
        "/run/nodecycle-probe.lock",
        "/run/nodecycle-init.lock",
    ]


def test_a_lock_stays_and_only_its_owner_can_open_it(tmp_path: pathlib.Path) -> None:
    before = os.umask(0)
    try:
        with _ansible.locked(str(tmp_path / "lock")):
            pass
    finally:
        os.umask(before)
    found = os.lstat(tmp_path / "lock")
    assert stat.S_ISREG(found.st_mode)
    assert (stat.S_IMODE(found.st_mode), found.st_size) == (0o600, 0)


def _fifo(path: pathlib.Path) -> None:
    os.mkfifo(path, 0o600)


ODD: dict[str, t.Callable[[pathlib.Path], object]] = {
    "readable by others": lambda path: (path.touch(), path.chmod(0o644)),
    "link": lambda path: path.symlink_to(path.with_name("other")),
    "link to a file": lambda path: (path.with_name("other").touch(0o600), path.symlink_to(path.with_name("other"))),
    "directory": lambda path: path.mkdir(mode=0o700),
    "fifo": _fifo,
}


@pytest.mark.parametrize("kind", ODD)
def test_what_stands_in_the_place_of_a_lock_is_named(kind: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "lock"
    ODD[kind](path)
    with pytest.raises(LockError, match=str(path)), _ansible.locked(str(path)):
        pass
    assert kind == "link to a file" or not (tmp_path / "other").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="a file system is mounted")
@pytest.mark.parametrize("options", ["ro", "nr_inodes=1"])
def test_a_full_or_read_only_run_is_told_so(options: str, tmp_path: pathlib.Path) -> None:
    script = (
        f"mount -t tmpfs -o {options} tmpfs {tmp_path} || exit 77; "
        f'exec {sys.executable} -c \'import sys; sys.path[:0] = sys.argv[1].split(":");\n'
        "from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible\n"
        f'_ansible.open_lock("{tmp_path}/lock")\' "$1"'
    )
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", ":".join(sys.path)], capture_output=True, text=True, check=False
    )
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("nothing can be mounted here")
    assert f"LockError: the lock {tmp_path}/lock cannot be created" in done.stderr
    assert f"df -h {tmp_path}" in done.stderr


GRUESSE = b"# gr\xfc\xdfe \xe2\x82\xac\n"


def test_bytes_survive_and_are_shown_without_what_ansible_refuses(tmp_path: pathlib.Path) -> None:
    (tmp_path / "slurm.conf").write_bytes(GRUESSE)
    text = _ansible.read_text(str(tmp_path / "slurm.conf"))
    assert text is not None
    assert _ansible.to_bytes(text) == GRUESSE
    with pytest.raises(UnicodeEncodeError):
        text.encode()
    assert _ansible.shown(text) == "# gr\ufffd\ufffde €\n"


def test_the_whole_of_an_answer_is_shown() -> None:
    answer = {"a\udcfc": ["L\udcfcfter", {"b": ("x", 1, None, True)}], "c": 2.5}
    assert _ansible.shown(answer) == {"a\ufffd": ["L\ufffdfter", {"b": ["x", 1, None, True]}], "c": 2.5}


class Module:
    """Of AnsibleModule what a runner uses, with real programs."""

    def __init__(self) -> None:
        self.params: dict[str, t.Any] = {"units": {}}

    def get_bin_path(self, name: str, **_options: t.Any) -> str:
        return f"/usr/bin/{name}"

    def run_command(self, command: list[str], **_options: t.Any) -> tuple[int, str, str]:
        done = subprocess.run(command, capture_output=True, check=False, encoding="utf-8", errors="surrogateescape")
        return done.returncode, done.stdout, done.stderr


def test_what_slurm_s_commands_say_can_be_answered() -> None:
    run = _ansible.runner(t.cast(t.Any, Module()), "")
    assert run(["printf", r"Reason=L\374fter"]) == (0, "Reason=L\ufffdfter", "")


def test_a_command_may_get_nothing_of_the_caller_s_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """sbatch hands its environment on to the job."""
    monkeypatch.setenv("TOKEN", "of the caller")
    monkeypatch.setenv("SBATCH_ACCOUNT", "of the caller")
    monkeypatch.setenv("SLURM_CONF", "/opt/slurm.conf")
    run = _ansible.runner(t.cast(t.Any, Module()), "")
    _code, out, _err = run(["env"], {"HOME": "/nowhere"})
    found = dict(line.split("=", 1) for line in out.splitlines())
    assert found.pop("HOME") == "/nowhere"
    assert found.pop("SLURM_CONF") == "/opt/slurm.conf"
    assert set(found) == {"LC_ALL", "LANGUAGE", "TZ", "SLURM_TIME_FORMAT"}


@pytest.mark.parametrize(
    ("words", "inherited", "told"),
    [
        (["-D"], "", ""),
        (["-f", "/opt/slurm.conf"], "", "/opt/slurm.conf"),
        ([], "/srv/slurm.conf", "/srv/slurm.conf"),
    ],
)
def test_the_commands_on_a_controller_read_what_its_slurmctld_reads(
    words: list[str], inherited: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_CONF", raising=False)
    monkeypatch.setattr(_daemons, "find_on", lambda *_args: 7)
    monkeypatch.setattr(_daemons, "arguments", lambda _pid: ["slurmctld", *words])
    monkeypatch.setattr(_daemons, "environment", lambda _pid, _name: inherited)
    seen: list[dict[str, str]] = []
    module = Module()
    monkeypatch.setattr(
        module, "run_command", lambda _command, environ_update: seen.append(environ_update) or (0, "", "")
    )
    _ansible.runner(t.cast(t.Any, module), "")(["scontrol", "ping"])
    assert seen[0].get("SLURM_CONF", "") == told


def test_a_slurmctld_that_runs_as_slurm_user_is_found_by_the_site_s_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is SlurmUser stands in the slurm.conf that is looked for."""
    monkeypatch.delenv("SLURM_CONF", raising=False)
    monkeypatch.setattr(_daemons, "_program", lambda _pid, _proc: "")
    monkeypatch.setattr(_daemons, "arguments", lambda pid: {77: ["slurmctld", "-f", "/opt/slurm.conf"]}.get(pid, []))
    monkeypatch.setattr(_daemons, "environment", lambda _pid, _name: "")
    seen: list[dict[str, str]] = []

    def run_command(command: list[str], environ_update: dict[str, str] | None = None) -> tuple[int, str, str]:
        if command[1] == "show":
            return 0, f"MainPID={77 if command[-1] == 'slurm-controller.service' else 0}", ""
        seen.append(environ_update or {})
        return 0, "", ""

    module = Module()
    module.params["units"] = {"slurmctld": "slurm-controller"}
    monkeypatch.setattr(module, "run_command", run_command)
    _ansible.runner(t.cast(t.Any, module), "")(["scontrol", "ping"])
    assert seen[0]["SLURM_CONF"] == "/opt/slurm.conf"
