# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._host_python import OnHost


class ActionModule(OnHost, NormalAction):
    """Calls the module of the task as Ansible does. Also for the other modules without an action of their own (meta/runtime.yml)."""
