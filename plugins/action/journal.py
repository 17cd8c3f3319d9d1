# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _hidden, _process

#: A task of the killed run may still be on its way to a host.
SETTLE = 5


class ActionModule(ActionBase):
    """Adds who runs this, and takes the lock of a run that is dead. Documented in the module of this name."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """See ActionBase."""
        result = super().run(tmp, task_vars)
        args = {**_hidden.packed(self._task.args, ("rollout", "note", "failures")), "holder": _process.this_run()}

        def call() -> dict[str, t.Any]:
            return t.cast(
                "dict[str, t.Any]",
                self._execute_module(module_name="nodecycle.slurm.journal", module_args=args, task_vars=task_vars),
            )

        answer = call()
        holder = answer.get("holder") if answer.get("failed") else None
        if holder and _process.is_dead(holder):
            time.sleep(max(0, SETTLE - holder["age"]))
            args["is_dead"] = True
            answer = call()
        return {**result, **answer}
