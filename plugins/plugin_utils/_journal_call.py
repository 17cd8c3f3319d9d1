# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""A call of the module journal from the control node, which alone knows whether the run that holds the lock still lives."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils._journal import LOCK_STALE
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _hidden, _lock_holder

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

#: A task of the killed run may still be on its way to a host.
SETTLE = 5

#: A longer watch consists of several calls, each of which is a sign of life. So the module of a killed run soon gives none.
WATCH_AT_ONCE = 45

Answer = dict[str, t.Any]


def call(action: ActionBase, args: t.Mapping[str, t.Any], task_vars: dict[str, t.Any] | None) -> Answer:
    """Call the module on the host of this task: in several steps where it watches for long, again where the lock may be taken."""
    args = _hidden.packed(args, ("rollout", "note", "failures"))
    seconds = args.get("seconds")
    if not (args.get("state") == "evaluated" and str(seconds).isdigit() and not action._task.check_mode):  # pylint: disable=protected-access
        return _hold(action, args, task_vars)
    deadline = time.monotonic() + int(str(seconds))
    while True:
        left = max(0, round(deadline - time.monotonic()))
        is_last = left <= WATCH_AT_ONCE
        step = {**args, "seconds": left} if is_last else {**args, "seconds": WATCH_AT_ONCE, "note": {}}
        answer = _hold(action, step, task_vars)
        if is_last or not answer.get("go"):
            return answer


def _hold(action: ActionBase, args: t.Mapping[str, t.Any], task_vars: dict[str, t.Any] | None) -> Answer:
    """Call the module, and once more where the lock may be taken from another run."""
    answer = _execute(action, args, {}, task_vars)
    if not answer.get("failed"):
        return answer
    is_forced = str(args.get("is_dead", False)).lower() in ("true", "yes", "on", "1")
    if answer.get("lock_unreadable") and is_forced:
        return _execute(action, args, {"instead_of": "*", "is_known": True}, task_vars)
    holder = answer.get("holder")
    if not holder:
        return answer
    lives = _lock_holder.lives(holder)
    if lives:
        answer["msg"] += " Its process lives on this machine: no run takes the lock before it ends."
        return answer
    if lives is None and not is_forced and holder["age"] < LOCK_STALE:
        return answer
    is_known = is_forced or lives is False
    if lives is False:
        time.sleep(max(0, SETTLE - holder["age"]))
    return _execute(action, args, {"instead_of": holder["run"], "is_known": is_known}, task_vars)


def _execute(
    action: ActionBase,
    args: t.Mapping[str, t.Any],
    claim: t.Mapping[str, t.Any],
    task_vars: dict[str, t.Any] | None,
) -> Answer:
    try:
        holder = {**_lock_holder.this_run(), **claim}
    except _lock_holder.EndedRunError:
        return {"failed": True, "msg": "This run was killed, and its last task takes no step."}
    return t.cast(
        "Answer",
        action._execute_module(  # pylint: disable=protected-access
            module_name="nodecycle.slurm.journal",
            module_args={**args, "holder": holder},
            task_vars=task_vars,
        ),
    )
