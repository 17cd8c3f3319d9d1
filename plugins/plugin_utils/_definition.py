# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The definition of a whole cluster: the hooks of each host, the lines for slurm.conf, and the problems. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import (
    _bundle,
    _conf,
    _daemons,
    _hostlist,
    _releases,
    _restart,
    _run_time,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS, hooks_of
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal_documents import SLURM
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import (
    Script,
    dispatcher_path,
    normal_root,
    normal_script_path,
)
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._schema import Problem, ScriptSpec, nearest

if t.TYPE_CHECKING:
    from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rendering import Rendered

#: The options of the action; its module documents them.
ARGUMENTS: dict[str, t.Any] = {
    "cluster": {"type": "dict"},
    "controllers": {"type": "list", "elements": "str", "required": True},
    "logins": {"type": "list", "elements": "str", "default": []},
    "workers": {"type": "list", "elements": "str", "default": []},
    "targets": {"type": "list", "elements": "str", "required": True},
    "root": {"type": "path", "default": "/etc/nodecycle"},
    "extra_conf": {"type": "raw", "default": ""},
    "adopt": {"type": "list", "elements": "str", "default": []},
    "keep": {"type": "list", "elements": "str", "default": []},
    "unmanaged_nodes": {"type": "str", "default": ""},
    "is_limited": {"type": "bool", "default": False},
    "restart_allowed": {"type": "bool", "default": False},
    "birth": {"type": "bool", "default": False},
    "probe_timeout": {"type": "int", "default": 0},
    "lint_disable": {"type": "list", "elements": "str", "default": []},
    "lint_severity": {"type": "dict", "default": {}},
    "lint_threshold": {"type": "str", "choices": ["error", "warning", "info"], "default": "error"},
    "lint_sarif": {"type": "str", "default": ""},
}

_WORKER_JOB_HOOKS = [hook.name for hook in HOOKS.values() if hook.host == "worker" and not hook.is_init]


@dataclasses.dataclass(frozen=True)
class Host:
    """A host of the inventory: its kinds, its name in Slurm, and for each of its hooks whether anything is defined."""

    name: str
    kinds: tuple[str, ...]
    node_name: str
    defined: frozenset[str]
    is_target: bool = True
    scripts: dict[str, list[Script]] = dataclasses.field(default_factory=dict)
    script_path: tuple[str, ...] = ()
    #: V(push), or V(slurm): Ansible does not connect to the host.
    delivery: str = "push"
    #: Seconds for all its init scripts together.
    init_timeout: int = 0

    @property
    def is_delivered(self) -> bool:
        """Whether the host gets its release from Slurm. Of a host that is no worker the variable says nothing."""
        return self.delivery == SLURM and "worker" in self.kinds


@dataclasses.dataclass(frozen=True)
class Settings:
    """The variables of the cluster that are not hooks."""

    root: str
    extra_conf: str
    adopt: tuple[str, ...]
    unmanaged_nodes: str
    is_limited: bool = False
    restart_allowed: bool = False
    birth: bool = False
    keep: tuple[str, ...] = ()


def lines_of(value: object) -> str:
    """Lines that a user wrote as one text or as a list of lines."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "".join(f"{line}\n" for line in value)
    text = str(value)
    return text if not text.strip() or text.endswith("\n") else text + "\n"


def entries_of(cluster: t.Mapping[str, t.Any] | None) -> list[_conf.Entry]:
    """The lines of the cluster's own slurm.conf; none where no cluster was asked."""
    return [_conf.Entry(**entry) for entry in (cluster or {}).get("conf", [])]


def bundled(hosts: t.Collection[Host], settings: Settings) -> list[str]:
    """The hooks whose keys name the bundle. It is a prolog; on a node without any release yet, it is the epilog of older jobs, too."""
    if not any(HOOKS[hook].host == "worker" for host in hosts for hook in host.defined):
        return []
    is_delivered = any(host.is_delivered for host in hosts)
    return [_bundle.HOOK] * (settings.birth or is_delivered) + [_bundle.EPILOG] * is_delivered


def in_use(hosts: t.Collection[Host], settings: Settings) -> list[str]:
    """The hooks that run something somewhere, in the table's order."""
    defined = {hook for host in hosts for hook in host.defined}
    if bundled(hosts, settings):
        defined.add(_bundle.HOOK)
    return [hook for hook in HOOKS if hook in defined]


def carried(host: Host, used: t.Collection[str]) -> list[str]:
    """The hooks for which a host gets a dispatcher.

    Slurm's keys hold for the whole cluster. So as soon as one hook of a kind of host is in use, every host of that kind
    gets every dispatcher. No order of changes can then leave a key that points at nothing.
    """
    found: list[str] = []
    for kind in host.kinds:
        hooks = [hook.name for hook in hooks_of([kind])]
        job_hooks_used = any(hook in used and not HOOKS[hook].is_init for hook in hooks)
        init_defined = any(hook in host.defined and HOOKS[hook].is_init for hook in hooks)
        if job_hooks_used or init_defined:
            found.extend(hooks)
    return [hook for hook in HOOKS if hook in found]


def conf_text(hosts: t.Collection[Host], settings: Settings) -> str:
    """The content of the included file."""
    by_bundle = bundled(hosts, settings)
    keys = {
        key: _bundle.NAME if hook in by_bundle else dispatcher_path(settings.root, hook)
        for hook in in_use(hosts, settings)
        if (key := HOOKS[hook].conf_key)
    }
    return _conf.fragment(keys, settings.extra_conf)


def check_root(root: str) -> tuple[str, list[Problem]]:
    """The directory of the releases in its one form, and the problems with it."""
    try:
        return normal_root(root), []
    except ValueError as exc:
        said, _colon, remedy = str(exc).partition(": ")
        return root, [Problem("slurm_release_root", f"is wrong: {said}", remedy)]


def check_script_path(value: object, origin: str = "") -> tuple[tuple[str, ...], list[Problem]]:
    """The directories that come first in the PATH of a host's scripts, and the problems with them."""
    try:
        return normal_script_path(value), []
    except ValueError as exc:
        said, _colon, remedy = str(exc).rpartition(": ")
        return (), [Problem("slurm_script_path", said, remedy, origin)]


def check_units(units: t.Mapping[str, object]) -> list[Problem]:
    """The problems with the names of a host's units, by daemon."""
    problems = []
    for daemon, value in units.items():
        try:
            _daemons.units({daemon: value})
        except ValueError as exc:
            said, _colon, remedy = str(exc).rpartition(": ")
            where, _space, message = said.partition(" ")
            problems.append(Problem(where, message, remedy))
    return problems


def check_cluster(
    hosts: t.Sequence[Host], controllers: t.Sequence[str], settings: Settings, cluster: t.Mapping[str, t.Any]
) -> list[Problem]:
    """The problems of this definition on this cluster."""
    used = in_use(hosts, settings)
    text = conf_text(hosts, settings)
    problems = _check_controllers(controllers, cluster)
    problems += _check_nodes(hosts, used, settings, cluster)
    problems += _check_limit(hosts, text, settings, cluster) if settings.is_limited else []
    problems += _check_conflicts(used, settings, cluster)
    problems += _check_birth(hosts, settings, cluster)
    problems += _check_delivery(hosts, used, cluster)
    problems += _check_restart(used, cluster) if not settings.restart_allowed else []
    if not conf_is_settled(text, settings, cluster) or cluster["reconfigure_due"]:
        problems += _check_partitions(text, cluster)
        problems += _check_database(cluster)
    return problems


def check_scripts(specs: t.Iterable[ScriptSpec], cluster: t.Mapping[str, t.Any]) -> list[Problem]:
    """Partitions and nodes that scripts name and the cluster does not have."""
    problems = []
    for spec in specs:
        for kind, named, known in (
            ("partition", spec.partitions, cluster["partitions"]),
            ("node", spec.nodes or (), cluster["nodes"]),
        ):
            unknown = [name for name in named if name not in known]
            if unknown:
                hint = nearest(unknown[0], known) if len(unknown) == 1 else ""
                shown = _hostlist.fold(unknown) if kind == "node" else ", ".join(unknown)
                have = _hostlist.fold(known) if kind == "node" else ", ".join(known)
                problems.append(
                    Problem(
                        spec.where,
                        f"names the {kind} {shown}, which the cluster does not have{hint}",
                        f"it has {have}",
                        spec.origin,
                    )
                )
    return problems


def _check_controllers(controllers: t.Sequence[str], cluster: t.Mapping[str, t.Any]) -> list[Problem]:
    expected = cluster["controllers"]
    if len(controllers) == len(expected):
        return []
    return [
        Problem(
            "slurm_controller",
            f"has {len(controllers)} hosts ({', '.join(controllers)}), and slurm.conf has {len(expected)} SlurmctldHost ({', '.join(expected)})",
            "the group of controllers must hold exactly the hosts of the SlurmctldHost lines",
        )
    ]


def _check_nodes(
    hosts: t.Sequence[Host], used: t.Collection[str], settings: Settings, cluster: t.Mapping[str, t.Any]
) -> list[Problem]:
    try:
        unmanaged = set(_hostlist.expand(settings.unmanaged_nodes)) if settings.unmanaged_nodes.strip() else set()
    except _hostlist.HostlistError as exc:
        return [
            Problem("slurm_unmanaged_nodes", f"is not a hostlist expression: {exc}", "write names like node[1-8,12]")
        ]
    if not any(hook in used for hook in _WORKER_JOB_HOOKS):
        return []
    managed = {host.node_name for host in hosts if "worker" in host.kinds}
    left_out = [name for name in cluster["nodes"] if name not in managed | unmanaged]
    if not left_out:
        return []
    return [
        Problem(
            "slurm_worker",
            f"lacks {_hostlist.fold(left_out)}, which the cluster has: slurm.conf's hooks hold for all nodes, and a node "
            "without the dispatcher is drained by its first job",
            "add the nodes to the group; set slurm_node_name where the inventory has another name for a node; or name in "
            "slurm_unmanaged_nodes those for which you place the dispatchers yourself",
        )
    ]


def _check_limit(
    hosts: t.Sequence[Host], text: str, settings: Settings, cluster: t.Mapping[str, t.Any]
) -> list[Problem]:
    """A run on a part of the hosts must not change slurm.conf: it would name dispatchers that the others lack, or differ from theirs."""
    left_out = [host.name for host in hosts if not host.is_target and set(host.kinds) & {"controller", "worker"}]
    if not left_out or conf_is_settled(text, settings, cluster):
        return []
    before, after = (
        {(entry.key, entry.value) for entry in _conf.entries(each)} for each in (cluster["fragment"], text)
    )
    keys = sorted({key for key, _value in before ^ after})
    named = f" ({', '.join(keys)})" if keys else ""
    return [
        Problem(
            "--limit",
            f"leaves out {_hostlist.fold(left_out)}, and this run would change slurm.conf{named}: slurm.conf and "
            "every host have to change together",
            "run without --limit",
        )
    ]


def _check_restart(used: t.Iterable[str], cluster: t.Mapping[str, t.Any]) -> list[Problem]:
    """Hooks that this Slurm would not run before a restart: the canary would miss them."""
    present = {entry.key.lower(): entry.value for entry in [*entries_of(cluster), *_conf.entries(cluster["fragment"])]}
    keys = {str(key): hook for hook in used if (key := HOOKS[hook].conf_key)}
    return [
        Problem(
            f"slurm_{hook}",
            f"is the first to set {key}, and slurmctld {cluster['version']} runs it only after a restart",
            "set slurm_restart_allowed: true, and the run restarts slurmctld; jobs go on meanwhile",
        )
        for key, hook in keys.items()
        if _restart.needs_restart(key.lower(), present.get(key.lower(), ""), "ours", cluster["version"])
    ]


def _check_birth(hosts: t.Iterable[Host], settings: Settings, cluster: t.Mapping[str, t.Any]) -> list[Problem]:
    """What keeps this cluster from sending the bundle to its nodes."""
    users = [host for host in hosts if "worker" in host.kinds and (settings.birth or host.is_delivered)]
    if not users and not settings.birth:
        return []
    where = "slurm_birth" if settings.birth else "slurm_delivery"
    otherwise = (
        "set slurm_birth to false: a node that is born between two runs then waits for the next run"
        if settings.birth
        else "set slurm_delivery to push, and Ansible connects to the nodes"
    )
    problems = []
    release = _releases.parse(cluster["version"])
    if release is not None and not _releases.SENDS_PROLOG.holds(release):
        problems.append(
            Problem(where, f"needs Slurm 23.11 or newer, and the cluster has {cluster['version']}", otherwise)
        )
    entries = [*entries_of(cluster), *_conf.entries(settings.extra_conf)]
    if not _conf.is_configless(entries):
        remedy = f"add enable_configless to SlurmctldParameters, or {otherwise}"
        problems.append(Problem(where, "needs a configless cluster: there the controller sends the releases", remedy))
    secret = {
        f"{hook}, script {script.name}"
        for host in users
        for hook, scripts in host.scripts.items()
        if HOOKS[hook].host == "worker"
        for script in scripts
        if script.no_log
    }
    problems += [
        Problem(
            where,
            f"would send a secret to a file of each node that everybody can read: slurm_{named}",
            f"let the script read the secret at run time, from a file that only root can read; or {otherwise}",
        )
        for named in sorted(secret)
    ]
    return problems


def check_delivery(hosts: t.Iterable[Host]) -> list[Problem]:
    """Hosts to which Slurm delivers nothing, on any cluster."""
    wrong = [host.name for host in hosts if host.is_delivered and set(host.kinds) != {"worker"}]
    if not wrong:
        return []
    return [
        Problem(
            "slurm_delivery",
            f"is {SLURM} on {_hostlist.fold(wrong)}, which is not a worker alone: Slurm delivers the hooks of slurmd, and no others",
            "set it to push there",
        )
    ]


def _check_delivery(hosts: t.Iterable[Host], used: t.Collection[str], cluster: t.Mapping[str, t.Any]) -> list[Problem]:
    """Running jobs whose next tasks would fail: their nodes have no release yet, and slurm.conf would name its task hooks."""
    named = {entry.key.lower() for entry in _conf.entries(cluster["fragment"])}
    new = [hook for hook in used if HOOKS[hook].user == "job" and str(HOOKS[hook].conf_key).lower() not in named]
    committed = (cluster["committed"] or {}).get("hosts", {})
    busy = [
        host.node_name
        for host in hosts
        if host.is_delivered
        and not committed.get(host.name)
        and cluster["nodes"].get(host.node_name, {}).get("state") in ("ALLOCATED", "MIXED")
    ]
    if not new or not busy:
        return []
    return [
        Problem(
            f"slurm_{new[0]}",
            f"cannot begin now on {_hostlist.fold(busy)}, where jobs run: Slurm delivers with the next job, so the tasks that these jobs "
            "start later would find no file and fail",
            "leave the task hooks out of the first run, and add them when these jobs have ended; or leave these nodes out with --limit",
        )
    ]


def _check_partitions(text: str, cluster: t.Mapping[str, t.Any]) -> list[Problem]:
    """Partitions whose jobs the reconfigure would end, because slurm.conf does not have them."""
    lines = [entry.value for entry in _conf.entries(text) if entry.key.lower() == "partitionname"]
    kept = _run_time.definitions({"partitionname": lines}, "partitionname")
    return [
        Problem(
            "slurm_extra_conf",
            f"would end the {jobs} jobs of the partition {name}: slurm.conf does not have it, and Slurm ends the jobs of such "
            "a partition when it reads a changed slurm.conf",
            f"write {name} into slurm.conf or slurm_extra_conf, or delete it when its jobs have ended",
        )
        for name, jobs in cluster["loose_partitions"].items()
        if jobs and name not in kept
    ]


def _check_database(cluster: t.Mapping[str, t.Any]) -> list[Problem]:
    """A controller that would end later, because it reads slurm.conf while its database is away."""
    waiting = cluster["waits_for_database"]
    if not waiting:
        return []
    return [
        Problem(
            "slurm.conf",
            f"has to change, and slurmdbd does not answer: slurmctld {cluster['version']} would end when slurmdbd is back, because "
            f"{', '.join(waiting)} has AllowQos or DenyQos",
            "start slurmdbd first, or update Slurm (24.11.6 has the fix)",
        )
    ]


def check_keys(hosts: t.Collection[Host], settings: Settings) -> list[Problem]:
    """The problems of the keys that this definition sets, on any cluster."""
    problems = []
    hook_keys, extra_keys = _keys(in_use(hosts, settings), settings)
    for key in extra_keys:
        if key.lower() in hook_keys:
            variable = f"slurm_{hook_keys[key.lower()]}"
            problems.append(
                Problem(
                    "slurm_extra_conf", f"sets {key}, which {variable} sets", f"remove the line, or empty {variable}"
                )
            )
    wanted = {*hook_keys, *(key.lower() for key in extra_keys)}
    orphans = [key for key in settings.adopt if wanted and key.lower() not in wanted]
    if orphans:
        problems.append(
            Problem(
                "slurm_adopt_conf_keys",
                f"names {', '.join(orphans)}, which nothing here sets: the run would comment out the cluster's own line without a new one",
                "set it by a hook or in slurm_extra_conf, or remove it from the list",
            )
        )
    return problems


def _keys(used: t.Iterable[str], settings: Settings) -> tuple[dict[str, str], list[str]]:
    """The hooks in use by their keys of slurm.conf in small letters, and the keys of the user's own lines."""
    hook_keys = {str(key).lower(): hook for hook in used if (key := HOOKS[hook].conf_key)}
    return hook_keys, _conf.scalar_keys(settings.extra_conf)


def _check_kept(keys: t.Sequence[str], version: str) -> list[Problem]:
    """Whether the lines of others can run beside ours."""
    wrong = [key for key in keys if key.lower() not in _conf.ADDING_UP]
    if wrong:
        return [
            Problem(
                "slurm_keep_conf_keys",
                f"names {wrong[0]}, of which only one line counts",
                "name Prolog, Epilog, PrologSlurmctld or EpilogSlurmctld",
            )
        ]
    release = _releases.parse(version)
    if keys and release is not None and not _releases.HOOKS_ADD_UP.holds(release):
        return [
            Problem(
                "slurm_keep_conf_keys",
                f"needs Slurm 24.05 or newer, and the cluster has {version}: before, the last line of a key wins",
                "use slurm_adopt_conf_keys, or remove the other line",
            )
        ]
    return []


def _check_conflicts(used: t.Iterable[str], settings: Settings, cluster: t.Mapping[str, t.Any]) -> list[Problem]:
    problems = []
    hook_keys, extra_keys = _keys(used, settings)
    keys = [str(HOOKS[hook].conf_key) for hook in hook_keys.values()] + extra_keys
    adopt = {key.lower() for key in settings.adopt}
    keep = {key.lower() for key in settings.keep}
    problems += _check_kept(settings.keep, cluster["version"])
    for entry in _conf.conflicts(entries_of(cluster), keys):
        if entry.key.lower() in adopt and entry.file == cluster["conf_path"]:
            continue
        if entry.key.lower() in keep:
            continue
        wanted_by = f"slurm_{hook_keys[entry.key.lower()]}" if entry.key.lower() in hook_keys else "slurm_extra_conf"
        remedy = (
            f"move its value into {wanted_by} and add {entry.key} to slurm_adopt_conf_keys: the run comments the line out, and restores "
            "it when the definition is empty; or remove the line yourself"
        )
        if entry.file != cluster["conf_path"]:
            remedy = "remove the line from that file; only lines of the main slurm.conf can be adopted"
            if entry.key.lower() in _conf.ADDING_UP:
                remedy += ". From Slurm 24.05 on it may stay, and run beside ours: add the key to slurm_keep_conf_keys"
        problems.append(
            Problem(
                f"{entry.file}:{entry.line}",
                f"already sets {entry.key}={entry.value}, which {wanted_by} would set",
                remedy,
            )
        )
    return problems


def conf_is_settled(text: str, settings: Settings, cluster: t.Mapping[str, t.Any]) -> bool:
    """Whether the controller's slurm.conf says already what it should."""
    adopt = {key.lower() for key in settings.adopt}
    to_adopt = [entry for entry in cluster["conf"] if text and entry["key"].lower() in adopt]
    to_restore = [key for key in cluster["adopted"] if not text or key.lower() not in adopt]
    return cluster["fragment"] == text and cluster["included"] == bool(text) and not to_adopt and not to_restore


def unknown_workers(hosts: t.Iterable[Host], cluster: t.Mapping[str, t.Any]) -> list[str]:
    """Workers of the inventory whose node name Slurm does not know: a warning, because a node may be added to Slurm later."""
    return [
        f"{host.name} (slurm_node_name {host.node_name})"
        for host in hosts
        if "worker" in host.kinds and host.node_name not in cluster["nodes"]
    ]


def outlasting(rendered: t.Iterable[tuple[str, Rendered]], limits: t.Mapping[str, int]) -> list[str]:
    """The scripts whose own time limit is not shorter than that of their hook, and the hooks whose scripts' limits add up to more."""
    found: dict[str, None] = {}
    sums: dict[tuple[str, str], int] = {}
    for host, item in rendered:
        limit = limits.get(item.hook, 0)
        if limit and item.spec.timeout >= limit:
            found[f"{item.spec.where} may take {item.spec.timeout} seconds"] = None
        elif limit:
            sums[host, item.hook] = sums.get((host, item.hook), 0) + item.spec.timeout
    for (_host, hook), seconds in sums.items():
        if seconds > limits[hook]:
            found[f"the scripts of slurm_{hook} may take {seconds} seconds together"] = None
    return list(found)


def limits_of_slurm(entries: t.Iterable[_conf.Entry]) -> dict[str, int]:
    """The seconds after which Slurm ends a hook, for hooks with such a limit (slurm.conf.5; PrologTimeout and EpilogTimeout since 25.05)."""
    values = {entry.key.lower(): int(entry.value) for entry in entries if entry.value.isdecimal()}
    both = values.get("prologepilogtimeout", 0)
    return {
        "worker_prolog": values.get("prologtimeout", both),
        "worker_epilog": values.get("epilogtimeout", both),
        "controller_prolog": both,
        "controller_epilog": both,
    }


def as_text(problems: t.Iterable[tuple[str, Problem]]) -> list[str]:
    """Problems for a person: equal ones of several hosts once."""
    grouped: dict[Problem, list[str]] = {}
    for host, problem in problems:
        hosts = grouped.setdefault(problem, [])
        if host and host not in hosts:
            hosts.append(host)
    lines = []
    for problem, hosts in grouped.items():
        shown = ", ".join(hosts[:3]) + (f" and {len(hosts) - 3} more" if len(hosts) > 3 else "")
        place = "; ".join(part for part in (problem.origin, f"host {shown}" if hosts else "") if part)
        lines.append(
            f"{problem.where} {problem.message}"
            + (f" [{place}]" if place else "")
            + (f". Remedy: {problem.remedy}." if problem.remedy else ".")
        )
    return lines
