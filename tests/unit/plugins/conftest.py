# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import signal
import traceback
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _hook_log, _host_files, _release, _store

#: The user whose group may read the controller's scripts; no id of this machine.
SLURM = (64030, 64030)


@pytest.fixture
def ownership(monkeypatch: pytest.MonkeyPatch) -> None:
    """Owners of files as on a host with a slurm user. If the tests do not run as root, this only notes them."""

    class Owners(_store.Owners):
        def __init__(self, slurm_user: str) -> None:
            super().__init__(slurm_user)
            if slurm_user == "slurm":
                self["slurm"] = SLURM

    monkeypatch.setattr(_store, "Owners", Owners)
    if os.geteuid() == 0:
        return
    noted: dict[int, tuple[int, int]] = {}
    real_stat, real_lstat = os.stat, os.lstat

    def seen(result: os.stat_result) -> os.stat_result:
        uid, gid = noted.get(result.st_ino, (0, 0) if result.st_uid == os.geteuid() else (result.st_uid, result.st_gid))
        return os.stat_result((*result[:4], uid, gid, *result[6:10]))

    def chown(path: str, uid: int, gid: int) -> None:
        noted[real_stat(path).st_ino] = (uid, gid)

    monkeypatch.setattr(os, "chown", chown)
    monkeypatch.setattr(os, "fchown", chown)
    monkeypatch.setattr(os, "stat", lambda *args, **options: seen(real_stat(*args, **options)))
    monkeypatch.setattr(os, "lstat", lambda *args, **options: seen(real_lstat(*args, **options)))


@pytest.fixture
def soon() -> t.Iterator[None]:
    """A test that hangs fails."""

    def fail(*_arguments: object) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


class Disk:
    """A small file system of its own, which only the function on it sees."""

    def __init__(self, place: pathlib.Path) -> None:
        self.place = place
        place.mkdir()

    def run(self, function: t.Callable[[pathlib.Path], None], size: str = "256k", options: str = "") -> None:
        """Run a function in a process with a tmpfs of this size. Its exception fails the test."""
        receive, send = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                self._mount(f"mode=0755,size={size}{options}")
                function(self.place)
            except BaseException:
                os.write(send, traceback.format_exc().encode()[-60000:])
            finally:
                os._exit(0)
        os.close(send)
        with os.fdopen(receive, encoding="utf-8") as handle:
            said = handle.read()
        os.waitpid(child, 0)
        assert not said, said

    def _mount(self, options: str) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        new_user, new_mounts, recursive_private = 0x10000000, 0x20000, 0x44000
        uid = os.geteuid()
        steps = [libc.unshare(new_mounts | (0 if uid == 0 else new_user))]
        if uid:
            # Without root a name space of users makes us root in it.
            pathlib.Path("/proc/self/setgroups").write_text("deny")
            pathlib.Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        steps.append(libc.mount(b"none", b"/", None, recursive_private, None))
        steps.append(libc.mount(b"none", bytes(self.place), b"tmpfs", 0, options.encode()))
        assert steps == [0, 0, 0], os.strerror(ctypes.get_errno())

    @staticmethod
    def fill(place: pathlib.Path) -> None:
        """Leave no byte free, like a script that writes until the disk is full."""
        with open(place / "filled", "ab", buffering=0) as handle:
            for size in (4096, 1):
                try:
                    while True:
                        handle.write(b"x" * size)
                except OSError:
                    continue

    @staticmethod
    def fill_inodes(place: pathlib.Path) -> None:
        """Leave no room for the name of another file."""
        with contextlib.suppress(OSError):
            for number in range(1000):
                (place / str(number)).touch()


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> Disk:
    """A small file system."""
    return Disk(tmp_path / "disk")


@pytest.fixture
def host(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, ownership: None) -> pathlib.Path:  # noqa: ARG001
    """A directory that stands for / of a host: every path of ours that is a constant leads into it."""
    places = {"STATE_DIR": "var/lib/nodecycle", "LOG_DIR": "var/log/nodecycle", "RUN_DIR": "run/nodecycle"}
    for module in (_release, _store, _host_files):
        for name, place in places.items():
            monkeypatch.setattr(module, name, str(tmp_path / place))
    monkeypatch.setattr(_host_files, "SYSTEMD_DIR", str(tmp_path / "etc/systemd/system"))
    monkeypatch.setattr(_host_files, "LOGROTATE", str(tmp_path / "etc/logrotate.d/nodecycle"))
    monkeypatch.setattr(_host_files, "TMPFILES", str(tmp_path / "etc/tmpfiles.d/nodecycle.conf"))
    for place in ("etc/logrotate.d", "etc/tmpfiles.d", "etc/systemd/system", "var/lib", "var/log", "run"):
        (tmp_path / place).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def records(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """Where dispatchers leave their records."""
    for name in ("STATE_DIR", "RUN_DIR", "LOG_DIR"):
        (tmp_path / name / "worker_prolog").mkdir(parents=True)
        monkeypatch.setattr(_hook_log, name, str(tmp_path / name))
    return tmp_path


@pytest.fixture
def make_release() -> t.Callable[..., _release.Release]:
    """A release of some hooks: make_release("text of the prolog", more_hooks={...})."""

    def make(text: str = "one", root: str = "/etc/nodecycle", **more: list[_release.Script]) -> _release.Release:
        script = _release.Script("check", f"#!/bin/sh\necho {text}\n".encode())
        release = _release.build(
            {"worker_prolog": [script], "worker_epilog": [], **more},
            root,
            {"job": "exit 0\n", "init": "exit 0\n", "task": "exit 0\n"},
        )
        assert release
        return release

    return make
