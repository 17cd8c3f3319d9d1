# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real processes of this machine, of root and of another user."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import time
import typing as t
import uuid

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _daemons, _hook_log

NOBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="processes of root and of others are needed")


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a daemon with a unit, which no other process of this machine has, nor one of a test beside this one."""
    name = f"slurmd-{uuid.uuid4().hex}"
    monkeypatch.setitem(_daemons.UNITS, name, f"{name}.service")
    return name


@pytest.fixture
def program(tmp_path: pathlib.Path, name: str) -> str:
    """An executable of the daemon's name."""
    place = tmp_path / "sbin"
    place.mkdir()
    shutil.copy(shutil.which("sleep") or "", place / name)
    for parent in (place, *place.parents):
        if parent != pathlib.Path("/") and parent.name != "tmp":
            parent.chmod(0o755)
    return str(place / name)


@contextlib.contextmanager
def running(*command: str, uid: int = 0) -> t.Iterator[int]:
    """A process, as a user; its number."""
    process = subprocess.Popen(command, user=uid, group=uid, extra_groups=[] if uid else None)
    try:
        # It may have to become what it is to be, as after C(exec -a).
        time.sleep(0.2)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def no_unit(_unit: str) -> int:
    return 0


def test_a_daemon_of_roots_is_found_with_its_arguments(program: str, name: str) -> None:
    with running(program, "60", "61") as pid:
        assert _daemons.find(name, no_unit) == pid
        assert _daemons.arguments(pid) == [program, "60", "61"]
    assert _daemons.find(name, no_unit) == 0
    assert _daemons.arguments(0) == []


def test_a_daemon_is_found_after_an_update_of_its_program(program: str, name: str) -> None:
    with running(program, "60") as pid:
        os.unlink(program)
        assert _daemons.find(name, no_unit) == pid


def test_a_users_program_of_that_name_is_no_daemon(program: str, name: str) -> None:
    with running(program, "60", uid=NOBODY) as pid:
        assert os.stat(f"/proc/{pid}").st_uid == NOBODY, "the process is his"
        assert _daemons.find(name, no_unit) == 0
        assert _daemons.find(name, no_unit, slurm_uid=NOBODY) == 0, "slurmd never runs as SlurmUser"


def test_a_process_that_only_calls_itself_so_is_no_daemon(name: str) -> None:
    with running("bash", "-c", f"exec -a {name} sleep 60"):
        assert _daemons.find(name, no_unit) == 0


@pytest.mark.parametrize("namespace", ["--mount", "--pid --fork --kill-child"])
def test_the_daemon_of_a_container_is_not_this_hosts(namespace: str, program: str, name: str) -> None:
    if subprocess.run(["unshare", *namespace.split(), "true"], check=False, capture_output=True).returncode:
        pytest.skip("no namespaces here")
    with running("unshare", *namespace.split(), program, "60"):
        assert _daemons.find(name, no_unit) == 0


def test_of_two_the_units_is_the_daemon(program: str, name: str) -> None:
    asked = []
    with running(program, "60") as first, running(program, "61") as second:

        def main_pid(unit: str) -> int:
            asked.append(unit)
            return second

        assert _daemons.find(name, main_pid) == second != first
        # Without such a unit each of them is as good as the other, and all are root's.
        assert _daemons.find(name, no_unit) == min(first, second)
    assert asked == [f"{name}.service"]


def test_a_daemon_that_forks_is_one(name: str, program: str) -> None:
    shutil.copy(shutil.which("bash") or "", program)
    with running(program, "-c", "(read -t 60 <> <(:)) & read -t 60 <> <(:); :") as pid:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
        while not children.read_text():
            time.sleep(0.01)
        assert _daemons.find(name, no_unit) == pid


def test_slurm_users_own_daemons_count(name: str, program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_daemons, "_OF_SLURM_USER", (name,))
    with running(program, "60", uid=NOBODY) as pid:
        assert _daemons.find(name, no_unit, slurm_uid=NOBODY) == pid
        assert _daemons.find(name, no_unit, slurm_uid=NOBODY - 1) == 0


@pytest.mark.parametrize(
    ("text", "release"), [("slurm 24.11.5\n", (24, 11)), ("slurm-wlm 22.05.8", (22, 5)), ("", None), ("slurm x", None)]
)
def test_the_version_in_slurms_words(text: str, release: tuple[int, int] | None) -> None:
    assert _daemons.release_of(text) == release


def test_only_a_script_of_roots_or_slurm_users_is_waited_for() -> None:
    """Anybody can give his process such a command line, and each undo would wait a minute longer."""
    release = "0123456789abcdef" * 4
    path = f"/etc/nodecycle/releases/{release[:16]}/worker_prolog.d/10-a"
    command = ("bash", "-c", f"exec -a {path} sleep 60")
    with running(*command, uid=NOBODY):
        assert not _hook_log.still_running("/etc/nodecycle", release)
        assert not _hook_log.still_running("/etc/nodecycle", release, {0, 64030})
        assert _hook_log.still_running("/etc/nodecycle", release, {0, NOBODY})
    with running(*command):
        assert _hook_log.still_running("/etc/nodecycle", release)
        assert not _hook_log.still_running("/etc/nodecycle", "f" * 64)
