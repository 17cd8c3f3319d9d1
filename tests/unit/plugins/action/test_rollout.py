# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action says that it takes and returns is what it does."""

from __future__ import annotations

import ast
import inspect
import typing as t

import pytest
import yaml
from ansible_collections.nodecycle.slurm.plugins.action import rollout as action
from ansible_collections.nodecycle.slurm.plugins.modules import rollout as module
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import state, undo

RETURN: dict[str, t.Any] = yaml.safe_load(module.RETURN)
#: What Ansible gives a meaning of its own.
ANSIBLES = {"failed", "msg", "changed"}


def keys_of(function: t.Callable[..., t.Any]) -> set[str]:
    """The keys of the dictionaries that a function returns, where it spells them out."""
    found = set()
    for node in ast.walk(ast.parse(inspect.getsource(function).lstrip())):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Dict):
            found |= {key.value for key in node.value.keys if isinstance(key, ast.Constant)}
    return found


@pytest.mark.parametrize("step", sorted(action._STEPS))
def test_what_a_step_returns_is_documented(step: str) -> None:
    function = undo.undo_outcome if step == "undo" else action._STEPS[step]
    keys = keys_of(function) - ANSIBLES
    assert keys, f"no key found in {function.__name__}: this test has to look elsewhere"
    for key in keys:
        assert f"={step})" in RETURN[key]["returned"] or f"V({step})" in RETURN[key]["returned"], key


def test_every_documented_key_is_returned() -> None:
    functions = [undo.undo_outcome, *action._STEPS.values()]
    returned = {str(key) for function in functions for key in keys_of(function)}
    # Those of the journal's answer pass through; Ansible itself shows a diff.
    assert set(RETURN) - returned == {"failed_nodes", "journal", "diff"}


def test_a_host_that_cannot_be_asked_for_its_failures_is_told() -> None:
    failure = {"hook": "worker_prolog", "node": "w1", "time": "2026-11-29T10:00:00", "release": "n"}
    hostvars = {
        "w1": {"__slurm_log": {"failures": [failure]}},
        "w2": {"__slurm_log": {"unreachable": True, "msg": "no\nroute"}},
        "w3": {"__slurm_log": {"failed": True, "msg": "no route"}},
        "w4": {},
    }
    found = action._failures({"hosts": list(hostvars)}, hostvars)
    assert (found["answered"], found["records"]) == (["w1"], {"w1": failure})
    assert found["lines"] == ["w[2-3]: no route", "w4: no answer"]


def test_the_state_of_a_run_is_documented() -> None:
    assert set(RETURN["run"]["contains"]) == set(state.Run.__annotations__)


def test_every_step_is_an_option() -> None:
    choices = yaml.safe_load(module.DOCUMENTATION)["options"]["step"]["choices"]
    assert set(choices) == {*action._STEPS, "evaluate", "variables"}
