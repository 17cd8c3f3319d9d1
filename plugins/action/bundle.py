# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _hidden
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._host_python import OnHost


class ActionModule(OnHost):
    """Keeps the releases, which are long, out of the controller's system log. Documented in the module of this name."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """See ActionBase."""
        result = super().run(tmp, task_vars)
        args = _hidden.packed(self._task.args, ("releases",))
        result.update(self._execute_module(module_name="nodecycle.slurm.bundle", module_args=args, task_vars=task_vars))
        return result
