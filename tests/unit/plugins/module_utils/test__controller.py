# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import types
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _controller
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Node, Slurm


def node(name: str, state: str = "IDLE", *flags: str, reason: str = "") -> Node:
    return Node(name, state, frozenset(flags), ("batch",), reason)


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("Slurmctld(primary) at controller is UP\n", {"controller": True}),
        (
            "Slurmctld(primary) at c1 is DOWN\nSlurmctld(backup) at c2 is UP\n*** RESTORE SLURMCTLD\n",
            {"c1": False, "c2": True},
        ),
        ("slurm_load_conf error\n", {}),
    ],
)
def test_parse_ping(text: str, answers: dict[str, bool]) -> None:
    assert _controller.parse_ping(text) == answers


def test_a_node_has_left_if_it_answered_before_and_was_not_switched_off() -> None:
    now = [
        node("good"),
        node("drained", "IDLE", "DRAIN"),
        node("silent", "IDLE", "NOT_RESPONDING"),
        node("down", "DOWN", reason="Not responding"),
        node("odd", "IDLE", "INVALID_REG", reason="Low RealMemory"),
        node("saved", "IDLE", "POWERED_DOWN"),
        node("boots", "DOWN", "REBOOT_ISSUED"),
    ]
    by_name = {item.name: item for item in now}
    assert _controller.not_back([*by_name, "removed"], by_name) == {
        "silent": "IDLE+NOT_RESPONDING",
        "down": "DOWN (Not responding)",
        "odd": "IDLE+INVALID_REG (Low RealMemory)",
    }
    assert [item.name for item in now if _controller.is_serving(item)] == ["good", "drained"]


def test_the_daemon_s_words_end_with_what_was_fatal() -> None:
    log = (
        "[2026-11-22T18:00:00.000] error: a\n"
        "[2026-11-22T18:00:00.001] slurmctld version 24.11.5 started\n"
        "[2026-11-22T18:00:00.002] error: a\n"
        "slurmctld: fatal: b\n"
        "[2026-11-22T18:00:00.003] error: c\n"
    )
    assert _controller.severe_lines(log) == ["error: a", "fatal: b"]
    assert _controller.severe_lines(log.replace("fatal: b", "b")) == ["error: a", "error: c"]


@pytest.mark.parametrize(("prepared_for", "waited"), [(0, 0), (12, 12), (3600, 30)])
def test_a_reconfigure_waits_thirty_seconds_at_most_for_jobs_that_are_being_prepared(
    monkeypatch: pytest.MonkeyPatch, prepared_for: int, waited: int
) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def run(command: list[str], *_environment: t.Any) -> tuple[int, str, str]:
        return 0, "7\n" if command[0] == "squeue" and now[0] < prepared_for else "", ""

    monkeypatch.setattr(_controller, "time", types.SimpleNamespace(sleep=sleep, monotonic=lambda: now[0], time=float))
    controller = _controller.Controller(
        t.cast("t.Any", types.SimpleNamespace(params={"bin_dir": "", "units": {}})), "/x"
    )
    controller.slurm = Slurm(run)
    with controller.no_job_starts():
        assert now[0] - _controller.LAUNCH_WITHIN == pytest.approx(waited, abs=0.3)


class Host:
    """Of AnsibleModule what a controller needs, on a host without ss."""

    def __init__(self) -> None:
        self.params = {"bin_dir": "", "units": {}}

    def get_bin_path(self, _name: str, **_options: t.Any) -> None:
        return None


@pytest.mark.parametrize(
    ("version", "keys", "ports"),
    [
        ("24.11.5", {"slurmctldport": ["6000", "7000-7001"]}, [7000, 7001]),
        ("26.05.3", {}, [6817]),
        ("24.05.8", {"slurmctldport": ["7000"]}, []),
        ("", {}, []),
    ],
)
def test_which_ports_are_guarded(version: str, keys: dict[str, list[str]], ports: list[int]) -> None:
    """Slurm before 24.11 waits for no connection."""
    controller = _controller.Controller(t.cast("t.Any", Host()), "/etc/slurm/slurm.conf")
    controller.slurm = Slurm(lambda *_call: (0, f"SLURM_VERSION           = {version}\n", ""))
    controller.listen(keys)
    assert controller._new_guard()._ports == ports
