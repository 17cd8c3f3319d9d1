# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the trial's isolation without system calls (molecule/isolation has the rest)."""

from __future__ import annotations

import inspect
import pathlib
import re
import socket
import subprocess
import sys

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf, _trial, _trial_controller

MOUNTINFO = """\
21 1 0:20 / / rw,relatime shared:1 - overlay overlay rw,lowerdir=/x
22 21 0:21 / /run rw,nosuid,nodev,noexec,relatime shared:2 - tmpfs tmpfs rw
23 21 8:1 / /mnt/two\\040words\\134x ro,noatime - ext4 /dev/sda1 rw
"""


def test_the_lines_of_mountinfo() -> None:
    assert [(mount.number, mount.path) for mount in _trial.mounts(MOUNTINFO)] == [
        (21, "/"),
        (22, "/run"),
        (23, "/mnt/two words\\x"),
    ]


def test_a_remount_takes_nothing_but_writing_away() -> None:
    options = [_trial.read_only(mount) for mount in _trial.mounts(MOUNTINFO)]
    assert options == [
        "remount,bind,relatime,ro",
        "remount,bind,nosuid,nodev,noexec,relatime,ro",
        "remount,bind,noatime,ro",
    ]


def test_this_machine_s_shared_directories_are_covered_outer_ones_first() -> None:
    found = _trial.covered()
    assert {"/dev", "/run", "/tmp"} <= {*found}
    assert len(found) == len(set(found))
    assert all(not inner.startswith(outer + "/") for at, inner in enumerate(found) for outer in found[at + 1 :])


@pytest.mark.parametrize(
    ("path", "is_below"), [("/run", True), ("/run/x", True), ("/runner", False), ("/", False), ("/var/run/x", False)]
)
def test_is_below(path: str, is_below: bool) -> None:
    assert _trial.is_below(path, ["/tmp", "/run"]) is is_below


def test_root_keeps_no_right_to_change_the_system() -> None:
    plan = {"uid": 0, "gid": 0, "slurmctld": "/usr/sbin/slurmctld", "conf": "/x/slurm.conf"}
    command = _trial.controller(plan)
    assert "--no-new-privs" in command
    kept = command[command.index("--bounding-set") + 1].split(",")
    assert kept[0] == "-all"
    assert not {"+sys_admin", "+sys_ptrace", "+mknod", "+sys_module", "+sys_rawio", "+kill"} & {*kept}
    assert "--bounding-set" not in _trial.controller({**plan, "uid": 64030})


def test_its_source_runs_by_itself() -> None:
    """It is copied to a host where nothing of the collection can be imported."""
    source = inspect.getsource(_trial)
    assert not re.search(r"(?m)^(?:from|import) ansible", source)
    # Without a plan it does nothing.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-", "/nonexistent"], input=source.encode(), capture_output=True, check=False
    )
    assert b"FileNotFoundError" in done.stderr


# --- its input from the module


def entries(text: str) -> list[_conf.Entry]:
    return _conf.entries(text)


@pytest.fixture
def munge(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Munge's socket at its default place, and another one."""
    for name in ("default", "other"):
        socket.socket(socket.AF_UNIX).bind(str(tmp_path / name))
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("default")
    monkeypatch.setattr(_trial_controller, "_MUNGE_SOCKETS", (str(tmp_path / "default"), str(tmp_path / "link")))
    return str(tmp_path)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["default"]),
        ("AuthType=auth/munge", ["default"]),
        ("authtype=MUNGE", ["default"]),
        ("AuthInfo=ttl=60,cred_expire=120", ["default"]),
        ("AuthInfo=socket=@/other", ["other"]),
        ("AuthInfo=ttl=60,Socket=@/other,cred_expire=3", ["other"]),
        ('AuthInfo="ttl=60;socket=@/other"', ["other"]),
        ("AuthInfo=socket=@/default\nAuthInfo=socket=@/other", ["other"]),
        ("AuthInfo=socket=@/link", ["default"]),
        ("AuthInfo=socket=@/file", []),
        ("AuthInfo=socket=@/nothing", []),
        ("AuthInfo=socket=@", []),
        ("AuthType=auth/slurm", []),
        ("AuthType=auth/slurm\nAuthInfo=socket=@/other", []),
        ("AuthType=auth/none", []),
    ],
)
def test_munge_s_socket_alone_is_in_reach(munge: str, text: str, names: list[str]) -> None:
    assert _trial_controller.sockets(entries(text.replace("@", munge))) == [f"{munge}/{name}" for name in names]


def test_the_environment_is_the_trial_s_own() -> None:
    present = {"SLURM_SACK_KEY": "/x", "RUNTIME_DIRECTORY": "/run/slurmctld", "NOTIFY_SOCKET": "/run/n", "HOME": "/x"}
    done = subprocess.run(
        [*_trial_controller.environment(present), "env"], capture_output=True, check=True, text=True, env=present
    )
    assert {line.split("=")[0] for line in done.stdout.splitlines()} == {"LC_ALL", "LANGUAGE", "TZ", "PATH"}
    assert "LD_LIBRARY_PATH=/opt/slurm/lib" in _trial_controller.environment(
        {**present, "LD_LIBRARY_PATH": "/opt/slurm/lib"}
    )
