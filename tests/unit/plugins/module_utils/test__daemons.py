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
from ansible_collections.nodecycle.slurm.plugins.module_utils import _controller, _daemons, _hook_log, _systemd

NOBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="processes of root and of others are needed")


@pytest.fixture
def name() -> str:
    """The name of a daemon which no other process of this machine has, nor one of a test beside this one."""
    return f"slurmd-{uuid.uuid4().hex}"


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

    def become() -> None:
        if uid:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)

    process = subprocess.Popen(command, preexec_fn=become)
    try:
        # It may have to become what it is to be, as after C(exec -a).
        time.sleep(0.2)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def no_unit(_daemon: str) -> int:
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

        def main_pid(daemon: str) -> int:
            asked.append(daemon)
            return second

        assert _daemons.find(name, main_pid) == second != first
        # Without such a unit each of them is as good as the other, and all are root's.
        assert _daemons.find(name, no_unit) == min(first, second)
    assert asked == [name]


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


# --- the names of the units


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ("slurmd", "slurmd.service"),
        ("slurmd.service", "slurmd.service"),
        ("slurm-24.11", "slurm-24.11.service"),
        ("slurmd@.service", "slurmd@.service"),
        (r"slurmd@a\x2db:1_2", r"slurmd@a\x2db:1_2.service"),
        ("a" * 247, "a" * 247 + ".service"),
    ],
)
def test_the_name_of_a_unit(value: str, unit: str) -> None:
    assert _daemons.normal_unit(value) == unit


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a b",
        "../x",
        "/etc/x",
        "-H",
        ".service",
        "a\n",
        "a.service\n",
        "a;b",
        "a*",
        "%n",
        "ü",
        "slurmd.socket",
        "slurm.target",
    ],
)
def test_what_is_no_name_of_a_service_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="write the name of a systemd service") as error:
        _daemons.normal_unit(value)
    assert repr(value) in str(error.value)


@pytest.mark.parametrize("value", [None, 1, True, ["slurmd"], "a" * 248])
def test_what_is_no_name_at_all_neither(value: object) -> None:
    with pytest.raises(ValueError, match="write the name of a systemd service"):
        _daemons.normal_unit(value)


class Module:
    """The parts of a module that these functions need, with a systemctl that notes its arguments."""

    def __init__(self, directory: pathlib.Path, **params: t.Any) -> None:
        self.params = params
        self.calls = directory / "calls"
        self.systemctl = directory / "systemctl"
        said = "MainPID=77\nActiveState=failed\nAssertResult=no\nAssertTimestampMonotonic=5\n"
        self.systemctl.write_text(f"#!/bin/sh\necho \"$*\" >>'{self.calls}'\nprintf '{said}'\n")
        self.systemctl.chmod(0o755)

    def get_bin_path(self, name: str, **_options: object) -> str | None:
        return str(self.systemctl) if name == "systemctl" else shutil.which(name)

    def run_command(self, command: list[str], **_options: object) -> tuple[int, str, str]:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    def fail_json(self, msg: str) -> t.NoReturn:
        raise SystemExit(msg)

    @property
    def units(self) -> list[str]:
        """The units that systemctl was called with."""
        return [line.split()[-1] for line in self.calls.read_text().splitlines()]


UNITS = {"slurmd": "my-slurmd@1.service", "slurmctld": "my-slurmctld.service"}


@pytest.mark.parametrize("daemon", UNITS)
@pytest.mark.parametrize("units", [UNITS, {}])
def test_systemd_is_asked_for_the_sites_unit(daemon: str, units: dict[str, str], tmp_path: pathlib.Path) -> None:
    module = t.cast("t.Any", Module(tmp_path, units=units, bin_dir=""))
    with pytest.MonkeyPatch.context() as patch:
        # No process of this machine counts.
        patch.setattr(_daemons, "_program", lambda _pid, _proc: "")
        assert _daemons.find_on(module, daemon) == 77
    hook = {"slurmd": "worker_init", "slurmctld": "controller_init"}[daemon]
    wanted = units.get(daemon, f"{daemon}.service")
    with pytest.MonkeyPatch.context() as patch:
        # Where the tests run, systemd need not.
        patch.setattr(_systemd, "_BOOTED", str(tmp_path))
        assert _systemd.start_held_back(module, [hook]) == [wanted]
    assert module.units == [wanted] * 3
    if daemon == "slurmctld":
        _controller.Controller(module, "/etc/slurm/slurm.conf").systemctl("restart")
        assert module.units[3:] == [wanted]


def test_a_module_takes_a_name_as_systemd_does(tmp_path: pathlib.Path) -> None:
    module = t.cast("t.Any", Module(tmp_path, units={"slurmd": "mine", "slurmctld": None}))
    _daemons.require_units(module)
    assert module.params["units"] == {"slurmd": "mine.service", "slurmctld": "slurmctld.service"}
    module.params["units"] = {"slurmctld": "a b"}
    with pytest.raises(SystemExit, match="slurm_slurmctld_unit is 'a b': write"):
        _daemons.require_units(module)
