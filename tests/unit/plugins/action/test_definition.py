# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action definition: all messages about a definition, once and together."""

from __future__ import annotations

import pathlib
import typing as t
from unittest import mock

import pytest
from ansible_collections.nodecycle.slurm.plugins.action import definition
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Script
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._gather import Gathered, Host
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rendering import Rendered
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._schema import Problem, ScriptSpec

GOOD = "#!/bin/bash\nlogger start\n"
WARNING = "#!/bin/bash\nchmod 777 /scratch/x\n"
ERROR = "#!/bin/bash\nsqueue -h >/dev/null\nexit 0\n"
NOTE = "#!/bin/bash\nlogger start\necho done\n"
PAGES = "https://github.com/nodecycle/slurm/tree/main/docs/rules"

CLUSTER = {
    "version": "24.11.5",
    "fragment": "",
    "nodes": ["w1"],
    "partitions": ["batch"],
}


class Run:
    """One run of the action: its result, and what it displays beside it."""

    def __init__(self, *scripts: str, problems: t.Sequence[Problem] = (), **arguments: t.Any) -> None:
        rendered = []
        for index, text in enumerate(scripts):
            where = f"slurm_worker_prolog[{index}]"
            spec = ScriptSpec(where, "s", "content", text, (), None, 0, "drain", no_log=False)
            rendered.append(("w1", Rendered("worker_prolog", spec, Script("s", text.encode()))))
        host = Host("w1", ("worker",), "w1", frozenset({"worker_prolog"}), is_target=True, scripts={})
        gathered = Gathered([host], [("w1", problem) for problem in problems], [], rendered)
        args = {"controllers": ["c"], "workers": ["w1"], "targets": ["c", "w1"], **arguments}
        task = mock.Mock(args=args, async_val=0, check_mode=True)
        action = definition.ActionModule(task, mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock())
        with (
            mock.patch.object(definition, "gather", return_value=gathered),
            mock.patch.object(action, "_source", return_value=(False, "")),
            mock.patch.object(action, "_outcome", return_value={}),
            mock.patch.object(definition._definition, "check_cluster", return_value=[]),
            mock.patch.object(definition._definition, "entries_of", return_value=[]),
            mock.patch.object(action._display, "display") as display,
        ):
            self.result = action.run(task_vars={})
        self.displayed = "".join(call.args[0] for call in display.call_args_list)

    @property
    def said(self) -> str:
        """All that the user sees."""
        return self.result.get("msg", "") + self.displayed


@pytest.fixture(autouse=True)
def _own_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path / "home"))


def test_a_good_definition_says_nothing() -> None:
    run = Run(GOOD)
    assert run.said == ""
    assert "failed" not in run.result


def test_a_refusal_shows_the_warnings_too() -> None:
    run = Run(ERROR, WARNING, extra_conf="KilWait=3\nSchedulerParameters=bf_foo\n")
    assert run.result["failed"] is True
    assert run.result["msg"].startswith("No host was touched.\n")
    assert not run.displayed
    for rule in ("slurm-command", "world-writable", "unknown-key", "invalid-value"):
        assert run.said.count(f"[{rule}]") == 1
    marked = [line for line in run.said.splitlines() if "(stops the run)" in line]
    assert [line.rpartition("[")[2] for line in marked] == ["slurm-command]", "unknown-key]"]


def test_each_rule_comes_with_its_page() -> None:
    run = Run(ERROR, WARNING, extra_conf="KilWait=3\n")
    for page in ("slurm-command.md", "world-writable.md", "conf.md#unknown-key"):
        assert run.said.count(f"see: {PAGES}/{page}\n") == 1


def test_warnings_alone_are_displayed_and_stop_nothing() -> None:
    run = Run(WARNING)
    assert "failed" not in run.result
    assert run.displayed.count("[world-writable]") == 1
    assert "stops the run" not in run.displayed


def test_a_problem_of_the_definition_comes_with_the_warnings() -> None:
    run = Run(WARNING, problems=[Problem("slurm_worker_epilog", "is wrong", "write it")])
    assert run.result["failed"] is True
    assert "The definition has a problem:\n- slurm_worker_epilog" in run.said
    assert run.said.count("[world-writable]") == 1
    assert not run.displayed


@pytest.mark.parametrize("script", [GOOD, ERROR])
def test_a_worker_that_slurm_does_not_know_is_warned_of_in_any_case(script: str) -> None:
    (warning,) = Run(script, cluster={**CLUSTER, "nodes": ["w2"]}).result["warnings"]
    assert "Slurm does not know these workers: w1" in warning


def test_the_threshold_decides_what_stops() -> None:
    run = Run(WARNING, lint_threshold="warning")
    assert run.result["failed"] is True
    assert "warning (stops the run): chmod 777" in run.said


@pytest.mark.parametrize(("cluster", "is_shown"), [(None, True), (CLUSTER, False)])
def test_notes_are_for_the_check_without_a_cluster(cluster: dict[str, t.Any] | None, is_shown: bool) -> None:
    assert ("info: " in Run(NOTE, cluster=cluster).said) is is_shown
    assert ("info: " in Run(NOTE, ERROR, cluster=cluster).said) is is_shown


@pytest.mark.parametrize("cluster", [None, CLUSTER])
def test_a_key_that_a_hook_sets_is_refused_without_a_cluster_too(cluster: dict[str, t.Any] | None) -> None:
    run = Run(GOOD, extra_conf="Prolog=/x\n", cluster=cluster)
    assert run.result["failed"] is True
    assert run.said.count("slurm_extra_conf sets Prolog, which slurm_worker_prolog sets") == 1


def test_an_adopted_key_that_nothing_sets_is_refused_without_a_cluster_too() -> None:
    assert "slurm_adopt_conf_keys names Epilog, which nothing here sets" in Run(GOOD, adopt=["Epilog"]).said


def test_a_rule_is_switched_off_as_yaml_reads_it() -> None:
    assert Run(ERROR, lint_severity={"slurm-command": False}, cluster=CLUSTER).said == ""


def test_a_rule_that_there_is_not_is_named() -> None:
    run = Run(GOOD, lint_disable=["slurm-comand"])
    assert run.result["failed"] is True
    assert "slurm_lint_disable or slurm_lint_severity" in run.said
    assert "did you mean 'slurm-command'?" in run.said
