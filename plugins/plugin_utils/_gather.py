# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Every host's definition, rendered under its own variables in one process. The only place that knows the variables' names."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import hooks_of
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._definition import Host, check_script_path, check_units
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rendering import Rendered, Renderer
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._schema import Problem, ScriptSpec
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._secrets import Hosts

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase


#: The role's default of slurm_node_name.
_SHORT_NAME = "{{ inventory_hostname_short }}"


@dataclasses.dataclass(frozen=True)
class Gathered:
    """All hosts, and the problems with the host that has them."""

    hosts: list[Host]
    problems: list[tuple[str, Problem]]
    specs: list[tuple[str, ScriptSpec]]
    rendered: list[tuple[str, Rendered]]


@dataclasses.dataclass(frozen=True)
class Variables:
    """What some hosts have set."""

    #: The values of the variables that were asked for, by host.
    values: dict[str, dict[str, t.Any]]
    #: Those that cannot be rendered.
    problems: list[tuple[str, Problem]]
    #: The names of all variables.
    names: set[str]


def variables_of(
    action: ActionBase, task_vars: dict[str, t.Any], hosts: t.Iterable[str], defaults: t.Mapping[str, t.Any]
) -> Variables:
    """The values of the variables V(defaults) on each host. A default that is a template is left out: it needs no look."""
    found = Variables({}, [], set())
    for host in hosts:
        known = _known_to(action, task_vars, host)
        found.names.update(known)
        raw = {name: known[name] for name in defaults if name in known}
        values = {name: value for name, value in raw.items() if not _is_template(value)}
        if templates := [name for name in raw if name not in values and raw[name] != defaults[name]]:
            renderer = Renderer(loader=action._loader, variables=known)  # pylint: disable=protected-access
            values.update((name, renderer.variable(name)) for name in templates)
            for problem in renderer.problems:
                values.pop(problem.where, None)
                found.problems.append((host, problem))
        found.values[host] = values
    return found


def known_to_plays(action: ActionBase, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
    """The variables by which this play has chosen its hosts: those of the command line and of the play itself."""
    manager = task_vars["hostvars"]._variable_manager  # pylint: disable=protected-access
    return t.cast("dict[str, t.Any]", manager.get_vars(play=action._task.get_play()))  # pylint: disable=protected-access


def _known_to(action: ActionBase, task_vars: dict[str, t.Any], host: str) -> dict[str, t.Any]:
    """The variables of another host as a task on that host would see them (role defaults and play variables too): hostvars lacks those."""
    # Ansible has no public way for an action to ask for them.
    manager = task_vars["hostvars"]._variable_manager  # pylint: disable=protected-access
    task = action._task  # pylint: disable=protected-access
    variables = manager.get_vars(play=task.get_play(), host=manager._inventory.get_host(host), task=task)  # pylint: disable=protected-access
    return t.cast("dict[str, t.Any]", variables)


def _is_template(value: t.Any) -> bool:
    if isinstance(value, dict):
        return any(_is_template(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return any(_is_template(part) for part in value)
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def _setting(renderer: Renderer, variables: t.Mapping[str, t.Any], option: str) -> t.Any:
    """A variable that is no hook. Most are no templates, and on thousands of hosts each rendering counts."""
    raw = variables.get(option)
    if raw == _SHORT_NAME:
        return variables["inventory_hostname_short"]
    return renderer.variable(option) if _is_template(raw) else raw


def gather(
    action: ActionBase,
    task_vars: dict[str, t.Any],
    groups: t.Mapping[str, t.Collection[str]],
    targets: t.Container[str],
) -> Gathered:
    """Render the hooks of all hosts of the groups; for those that are not targets only whether they are defined."""
    hosts = Hosts(action._loader, task_vars["hostvars"])  # pylint: disable=protected-access
    gathered = Gathered([], [], [], [])
    for name in dict.fromkeys(host for members in groups.values() for host in members):
        kinds = tuple(kind for kind, members in groups.items() if name in members)
        variables = _known_to(action, task_vars, name)
        renderer = Renderer(loader=action._loader, variables=variables, hosts=hosts)  # pylint: disable=protected-access
        setting = functools.partial(_setting, renderer, variables)
        is_target = name in targets
        node_name = str(setting("slurm_node_name") or name.split(".")[0])
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
        script_path, wrong = check_script_path(setting("slurm_script_path"))
        wrong += check_units({daemon: setting(f"slurm_{daemon}_unit") for daemon in ("slurmd", "slurmctld")})
        delivery = str(setting("slurm_delivery") or "push")
        limit = str(setting("slurm_init_timeout"))
        gathered.hosts.append(
            Host(
                name,
                kinds,
                node_name,
                defined,
                is_target,
                scripts,
                script_path,
                delivery,
                int(limit) if limit.isdecimal() else 0,
            )
        )
        if is_target:
            gathered.problems.extend((name, problem) for problem in [*renderer.problems, *wrong])
            gathered.specs.extend((name, spec) for spec in renderer.specs)
            gathered.rendered.extend((name, rendered) for rendered in renderer.rendered)
    return gathered
