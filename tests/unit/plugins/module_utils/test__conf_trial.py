# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf, _conf_trial
from ansible_collections.nodecycle.slurm.plugins.module_utils._trial_controller import NotTriedError

ROOT = "/etc/nodecycle"
HOOKS = {
    "Prolog": "/etc/nodecycle/current/worker_prolog",
    "PrologSlurmctld": "/etc/nodecycle/current/controller_prolog",
}


@pytest.mark.parametrize(
    ("extra", "message", "place"),
    [
        ("# x\nA=1\n", '"A=1" in file /etc/slurm/nodecycle.conf line 5: odd', (2, "A")),
        ("# x\nA=a,\\\nb\n", "Parse error in file /etc/slurm/nodecycle.conf line 6: odd", (2, "A")),
        ("A=1\n", '"Include" failed in file /etc/slurm/slurm.conf line 4', (0, "")),
        ("# x\nSchedulerType=sched/nothing\n", "cannot find sched plugin for sched/nothing", (2, "SchedulerType")),
        ("MaxJobCount=1\nMaxJobCount=2\n", "MaxJobCount 1 specified more than once", (2, "MaxJobCount")),
        ("A=other\nB=other\n", "other is odd", (0, "")),
        ("PartitionName=x Nodes=nope\n", 'lookup failure for node "nope"', (1, "PartitionName")),
        ("", "odd", (0, "")),
    ],
)
def test_the_line_is_the_user_s(extra: str, message: str, place: tuple[int, str]) -> None:
    text = _conf.fragment(HOOKS, extra)
    found = _conf_trial.finding("error", message, text, ROOT)
    assert (found.line, found.key) == place
    assert found.as_dict()["variable"] == ("slurm_extra_conf" if place[0] else "")


@pytest.mark.parametrize("prolog", ["/etc/nodecycle/current/worker_prolog", "nodecycle_bundle"])
def test_a_controller_s_hook_need_not_be_there_yet_but_the_user_s_has_to(prolog: str) -> None:
    text = _conf.fragment({**HOOKS, "Prolog": prolog}, "EpilogSlurmctld=/mine\n")
    lines = _conf_trial.without_hooks(text, ROOT).splitlines()[1:]
    assert lines == [
        f"Prolog={prolog}",
        "PrologSlurmctld=/bin/true",
        "EpilogSlurmctld=/mine",
    ]


def test_a_host_that_lacks_a_tool_is_told_its_package() -> None:
    class Module:
        params: t.ClassVar[dict[str, t.Any]] = {"path": "/etc/slurm/slurm.conf", "bin_dir": ""}

        def get_bin_path(self, name: str) -> str | None:
            return None if name in ("setpriv", "ip") else f"/usr/bin/{name}"

    with pytest.raises(NotTriedError) as caught:
        _conf_trial.Steps(t.cast("t.Any", Module())).trial(lambda _path: None)
    assert str(caught.value) == "this host lacks setpriv (package util-linux), ip (package iproute2, on EL iproute)"
