# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Every host's definition, rendered under its own variables in one process. The only place that knows the variables' names."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import hooks_of
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._definition import Host, check_script_path, check_units
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._own_files import known_variables
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rendering import Rendered, Renderer
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._schema import Problem, ScriptSpec, unknown_variables
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._secrets import Hosts

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase


@dataclasses.dataclass(frozen=True)
class Gathered:
    """All hosts, and the problems with the host that has them."""

    hosts: list[Host]
    problems: list[tuple[str, Problem]]
    specs: list[tuple[str, ScriptSpec]]
    rendered: list[tuple[str, Rendered]]


def gather(
    action: ActionBase,
    task_vars: dict[str, t.Any],
    groups: t.Mapping[str, t.Collection[str]],
    targets: t.Container[str],
) -> Gathered:
    """Render the hooks of all hosts of the groups; for those that are not targets only whether they are defined."""
    # The variables of another host as a task on that host would see them (role defaults and play variables too):
    # hostvars lacks those. Ansible has no public way for an action to ask for them.
    manager = task_vars["hostvars"]._variable_manager  # pylint: disable=protected-access
    task = action._task  # pylint: disable=protected-access
    known = known_variables()
    hosts = Hosts(task_vars["hostvars"])
    gathered = Gathered([], [], [], [])
    for name in dict.fromkeys(host for members in groups.values() for host in members):
        kinds = tuple(kind for kind, members in groups.items() if name in members)
        variables = manager.get_vars(play=task.get_play(), host=manager._inventory.get_host(name), task=task)  # pylint: disable=protected-access
        renderer = Renderer(loader=action._loader, variables=variables, hosts=hosts)  # pylint: disable=protected-access
        is_target = name in targets
        node_name = str(renderer.variable("slurm_node_name") or name.split(".")[0])
        values = {hook.name: renderer.variable(f"slurm_{hook.name}") for hook in hooks_of(kinds)}
        scripts = (
            {
                hook: renderer.scripts(hook, value, f"slurm_{hook}", node_name, renderer.source(f"slurm_{hook}"))
                for hook, value in values.items()
            }
            if is_target
            else {}
        )
        defined = frozenset(
            hook for hook, value in values.items() if value not in (None, "", []) and str(value).strip()
        )
        script_path, wrong = check_script_path(renderer.variable("slurm_script_path"))
        wrong += check_units({daemon: renderer.variable(f"slurm_{daemon}_unit") for daemon in ("slurmd", "slurmctld")})
        gathered.hosts.append(Host(name, kinds, node_name, defined, is_target, scripts, script_path))
        if is_target:
            misplaced = unknown_variables(variables, known)
            gathered.problems.extend((name, problem) for problem in [*misplaced, *renderer.problems, *wrong])
            gathered.specs.extend((name, spec) for spec in renderer.specs)
            gathered.rendered.extend((name, rendered) for rendered in renderer.rendered)
    return gathered
