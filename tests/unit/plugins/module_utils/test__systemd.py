# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of units; the answers are those of systemd 252 and 257."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _systemd

DONE = "Id=nodecycle-worker-init.service\nActiveState=active\nSubState=exited\n"
FAILED = "Id=nodecycle-worker-init.service\nActiveState=failed\nSubState=failed\n"
NONE = "Id=nodecycle-worker-init-apply.service\nActiveState=inactive\nSubState=dead\n"


@pytest.mark.parametrize(
    ("shown", "runs"),
    [
        (DONE + "\n" + NONE, False),
        (FAILED + "\n" + NONE, False),
        ("", False),
        ("Id=a\nActiveState=activating\nSubState=start\n\n" + NONE, True),
        (DONE + "\nId=nodecycle-worker-init-apply.service\nActiveState=active\nSubState=running\n", True),
        (DONE + "\nId=nodecycle-worker-init-apply.service\nActiveState=deactivating\nSubState=stop-sigterm\n", True),
        # In the queue of a boot that waits for the network.
        ("Job=123\nId=nodecycle-worker-init.service\nActiveState=inactive\nSubState=dead\n\n" + NONE, True),
    ],
)
def test_whether_init_scripts_run(shown: str, runs: bool) -> None:
    assert _systemd.is_under_way(shown) == runs


def test_the_unit_of_a_run_is_another_than_that_of_the_boot() -> None:
    assert _systemd.apply_unit("worker_init") == "nodecycle-worker-init-apply.service"


class Host:
    """Of AnsibleModule what runs a command, on a host with these programs."""

    def __init__(self, *programs: str) -> None:
        self.programs = programs
        self.words: list[str] = []

    def get_bin_path(self, name: str, **_options: t.Any) -> str | None:
        return f"/usr/bin/{name}" if name in self.programs else None

    def run_command(self, words: list[str], **_options: t.Any) -> tuple[int, str, str]:
        self.words = words
        return 0, "", ""


@pytest.fixture
def booted(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setattr(_systemd, "_BOOTED", str(tmp_path))


@pytest.mark.usefixtures("booted")
@pytest.mark.parametrize("program", ["systemd-run", "timeout"])
def test_a_dispatcher_is_started_by_its_shell_as_at_the_boot(program: str) -> None:
    """SELinux keeps a script below /etc that systemd itself starts in systemd's domain; a shell leaves it."""
    host = Host(program)
    _systemd.run_bounded(t.cast("t.Any", host), "worker_init", "/etc/nodecycle/releases/1/worker_init", 60)
    assert host.words[0] == f"/usr/bin/{program}"
    assert host.words[-3:] == ["/bin/bash", "-p", "/etc/nodecycle/releases/1/worker_init"]


CALLS: dict[str, t.Callable[[t.Any], object]] = {
    "reload": _systemd.reload,
    "stop": lambda host: _systemd.stop(host, ["/etc/systemd/system/nodecycle-worker-init.service"]),
    "running_init": lambda host: _systemd.running_init(host, "worker_init"),
    "start_held_back": lambda host: _systemd.start_held_back(host, ["worker_init"]),
}


@pytest.mark.parametrize("call", CALLS)
def test_where_systemd_does_not_run_nobody_asks_it(
    call: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """An image that is built has systemctl, which fails there."""
    monkeypatch.setattr(_systemd, "_BOOTED", str(tmp_path / "none"))
    host = Host("systemctl", "systemd-run")
    CALLS[call](host)
    assert host.words == []
