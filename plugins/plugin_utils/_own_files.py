# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Files of the collection itself, which the control node reads once each."""

from __future__ import annotations

import functools
import os
import typing as t

import yaml

_ROLES = os.path.join(os.path.dirname(__file__), "..", "..", "roles")


@functools.cache
def dispatcher_bodies() -> dict[str, str]:
    """The shell text that the dispatchers of each kind consist of, but for its head."""
    texts = []
    for name in ("dispatcher.sh", "task_dispatcher.sh"):
        with open(os.path.join(_ROLES, "rollout", "files", name), encoding="utf-8") as handle:
            texts.append(handle.read())
    return {"job": texts[0], "init": texts[0], "task": texts[1]}


@functools.cache
def known_variables() -> dict[str, dict[str, t.Any]]:
    """All role variables with their options, from the roles' argument_specs."""
    found: dict[str, dict[str, t.Any]] = {}
    for role in sorted(os.listdir(_ROLES)):
        path = os.path.join(_ROLES, role, "meta", "argument_specs.yml")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as handle:
                specs = yaml.safe_load(handle)["argument_specs"]
            for entry in specs.values():
                found.update(entry.get("options", {}))
    return found
