# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The options of the action rollout."""

from __future__ import annotations

import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _daemons
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout import delivery

STEPS = [
    "variables",
    "check",
    "plan",
    "failed",
    "evaluate",
    "missed",
    "failures",
    "undo",
    "undone",
    "finish",
    "rollback_target",
    "rollback",
    "rollback_begin",
    "status",
    "carry",
]

SETTINGS: dict[str, t.Any] = {
    "controllers": {"type": "list", "elements": "str", "required": True},
    "adopt": {"type": "list", "elements": "str", "required": True},
    "check": {"type": "bool", "required": True},
    "canary": {"type": "str", "required": True},
    "batches": {"type": "list", "elements": "str", "required": True},
    "watch": {"type": "int", "required": True},
    "probe": {"type": "bool", "required": True},
    "probe_timeout": {"type": "int", "required": True},
    "tolerated": {"type": "int", "required": True},
    "unreachable": {"type": "str", "required": True},
    "removal_allowed": {"type": "bool", "required": True},
    "birth": {"type": "bool", "default": False},
    "batch_probe": {"type": "bool", "default": False},
}

ARGUMENTS: dict[str, t.Any] = {
    "step": {"type": "str", "choices": STEPS, "required": True},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "controllers": {"type": "list", "elements": "str", "default": []},
    "cluster": {"type": "dict"},
    "definition": {"type": "dict"},
    "settings": {"type": "dict", "options": SETTINGS},
    "failures": {"type": "dict", "default": {}},
    "seconds": {"type": "int", "default": 0},
    "tolerated": {"type": "int", "default": 0},
    "note": {"type": "dict", "default": {}},
    "assignment": {"type": "str", "choices": list(delivery.ASSIGNMENTS)},
    "birth": {"type": "bool", "default": False},
    "compared": {"type": "dict", "default": {}},
    "outcome": {"type": "dict"},
    "resumed": {"type": "dict", "default": {}},
    "released": {"type": "dict", "default": {}},
    "absent": {"type": "dict", "default": {}},
    "history": {"type": "dict"},
    "name": {"type": "str", "default": ""},
    "target": {"type": "dict"},
    "foreign": {"type": "list", "elements": "str", "default": []},
    "install": {"type": "bool", "default": False},
    **_ansible.BIN_DIR_SPEC,
    **_daemons.UNITS_SPEC,
}

REQUIRED_IF = [
    ("step", "variables", ("hosts",)),
    ("step", "check", ("cluster", "hosts", "controllers")),
    ("step", "plan", ("cluster", "definition", "settings", "hosts")),
    ("step", "failed", ("hosts",)),
    ("step", "evaluate", ("hosts",)),
    ("step", "missed", ("hosts", "controllers")),
    ("step", "undone", ("outcome",)),
    ("step", "rollback_target", ("history", "hosts", "controllers")),
    ("step", "rollback", ("cluster", "target", "hosts")),
    ("step", "rollback_begin", ("history",)),
    ("step", "status", ("history",)),
    ("step", "carry", ("history", "assignment")),
]
