# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Counts the real work of a run on each host: modules executed there, and operations of the connection.

A result says nothing of it: copy and template execute two modules each, and an action on the control node none. So this looks
at the methods of ActionBase through which everything goes. It is loaded before the workers are forked, so they have it too.
"""

from __future__ import annotations

import functools
import os
import typing as t

from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: calls
type: aggregate
short_description: Counts module executions and connection operations per host
description:
  - Appends a line for each to the file that the environment variable C(BENCH_CALLS) names.
requirements: []
"""

COUNTED = {"_execute_module": "module", "_low_level_execute_command": "trip", "_transfer_file": "trip"}

#: The actions of both playbooks that work without the host.
ON_CONTROL_NODE = {"nodecycle.slurm.definition", "ansible.builtin.set_fact", "ansible.builtin.assert"}


def note(kind: str, host: str, detail: str) -> None:
    """One short line by one write, so that the workers' lines do not mix."""
    with open(os.environ["BENCH_CALLS"], "a", encoding="utf-8") as handle:
        handle.write(f"{kind} {host} {detail}\n")


def counted(kind: str, method: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    """The method, noted before each call under the host that the connection leads to."""

    @functools.wraps(method)
    def noting(self: ActionBase, *args: t.Any, **kwargs: t.Any) -> t.Any:
        detail = kwargs.get("module_name") or (args[0] if kind == "module" and args else self._task.action)
        note(kind, self._play_context.remote_addr, str(detail).split(" ", 1)[0])
        return method(self, *args, **kwargs)

    return noting


class CallbackModule(CallbackBase):
    """See DOCUMENTATION."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "calls"

    def __init__(self) -> None:
        """Put the counters in."""
        super().__init__()
        for name, kind in COUNTED.items():
            setattr(ActionBase, name, counted(kind, getattr(ActionBase, name)))

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """A task that ran for a host; skipped ones do not come here."""
        if result._task.action in ON_CONTROL_NODE:
            note("local", result._host.name, result._task.action)
