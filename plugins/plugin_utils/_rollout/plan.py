# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The order of a rollout: which host takes which step. Pure: the answers of the hosts go in, lists of hosts come out."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf, _hostlist, _ownership
from ansible_collections.nodecycle.slurm.plugins.module_utils._files import sha256
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal import activated_nodes
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal_documents import UNDO, recovery_of
from ansible_collections.nodecycle.slurm.plugins.module_utils._proof import shortfalls
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import ID_LENGTH
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Node
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout.delivery import change, is_delivered, present
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout.sizes import (
    RolloutError,
    batch_sizes,
    choose_canaries,
    named_canaries,
)
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout.undo import by_name

Document = dict[str, t.Any]

#: The beginning of the reason of a drain because a node could not be reached. The next run resumes the node by it.
UNREACHABLE = "unreachable"


def name_of(hosts: t.Mapping[str, str], conf: t.Mapping[str, t.Any]) -> str:
    """The name of a rollout: a digest over each host's release and our lines in slurm.conf."""
    named = {host: id_ for host, id_ in hosts.items() if id_}
    text = json.dumps([named, conf["text"], sorted(conf["adopt"])], sort_keys=True)
    return sha256(text.encode())[:ID_LENGTH]


def was_unreachable(node: Node | None) -> bool:
    """Whether we drained a node because it could not be reached, and it still is drained. 24.11 keeps the reason after a resume."""
    return node is not None and _ownership.is_ours(node) and node.reason.startswith(_ownership.mark(UNREACHABLE))


def lost_our_files(node: Node | None, previous: str, slurm_user: str, *, had_release: bool) -> bool:
    """Whether Slurm has drained a node because a host that had a release has nothing of ours any more: it was reimaged, say.

    slurm.conf goes on naming the dispatchers, so the first job meets none (24.11.5: Prolog error).
    """
    return (
        node is not None
        and had_release
        and not previous
        and node.is_drained
        and node.reason in _ownership.SCRIPT_REASONS
        and node.reason_user == slurm_user
    )


def what_to_do_first(
    journal: t.Mapping[str, t.Any] | None, definition: t.Mapping[str, t.Any], nodes: t.Mapping[str, t.Any]
) -> str:
    """The decision about the rollout of a killed run: none (empty), V(finish), or V(undo) before anything else.

    This run finishes it if it wants the same and nothing has failed since.
    """
    if not journal:
        return ""
    seen = _ownership.change(activated_nodes(journal), journal["nodes"])
    failed = _ownership.failed_through(_ownership.from_facts(nodes), seen, journal["slurm_user"])
    is_same = journal["name"] == definition["name"]
    return recovery_of(journal) if is_same and not failed and not journal.get("failed") else UNDO


def plan(
    definition: t.Mapping[str, t.Any],
    staged: t.Mapping[str, t.Mapping[str, t.Any]],
    cluster: t.Mapping[str, t.Any],
    settings: t.Mapping[str, t.Any],
    compared: t.Mapping[str, t.Mapping[str, t.Any]] | None = None,
) -> Document:
    """The hosts of each step of a rollout, in the order of the keys. C(problems) are the reasons against it.

    compared: the changes of those that Slurm delivers to, by C(pairs).
    """
    known, nodes = definition["hosts"], by_name(cluster["nodes"])
    staged = {host: said for host, said in staged.items() if not is_delivered(known[host])}
    results = {host: result for host, result in staged.items() if "id" in result}
    kinds = {host: known[host]["kinds"] for host in staged}
    node_of = {host: known[host]["node"] for host in staged if "worker" in kinds[host]}
    problems: list[str] = []
    unreachable = _unreachable(staged, kinds, node_of, nodes, definition, cluster, settings)
    problems += unreachable.pop("problems")
    problems += [
        f"{host}: {str(result.get('msg') or 'unknown error').rstrip('.')}"
        for host, result in staged.items()
        if result.get("failed") and not result.get("unreachable")
    ]
    problems += _rendered_differently(known, results)
    forgotten = [host for host, result in staged.items() if not result]
    if forgotten:
        problems.append(
            f"{_hostlist.fold(forgotten)}: nothing was staged in this run. Apply the role controller, login or worker to each host of these groups "
            "between the playbooks check and rollout"
        )

    committed = _committed(cluster)
    delivered = {
        host: said["node"]
        for host, said in known.items()
        if is_delivered(said) and said["is_target"] and said["id"][:ID_LENGTH] != committed.get(host, "")[:ID_LENGTH]
    }
    pairs = {host: pair for host in delivered if (pair := change(host, known[host], committed)) in (compared or {})}
    if not settings["removal_allowed"]:
        lost = {host: result.get("lost_hooks", []) for host, result in results.items()}
        lost.update((host, (compared or {})[pair]["lost_hooks"]) for host, pair in pairs.items())
        problems += _removed(
            definition, lost, cluster["fragment"], [host for host in delivered if not known[host]["id"]]
        )
    pending = [
        host
        for host, result in results.items()
        if result["id"]
        # A node that has got its release by the bundle is part of a rollout for the record.
        and (not result["active"] or (settings["birth"] and committed.get(host, result["id"]) != result["id"]))
    ]
    first = [host for host in pending if "worker" not in kinds[host] or "controller" in kinds[host]]
    workers = [host for host in pending if host not in first]
    conf = [host for host, result in results.items() if result["conf_pending"]]
    has_job_hooks = any(HOOKS[hook].conf_key for hook in definition["hooks"])
    empty = [
        host
        for host in pending
        if has_job_hooks and any(HOOKS[hook].conf_key for hook in results[host].get("missing_hooks", []))
    ]
    removed = [
        host
        for host, result in results.items()
        # After the last hook such a host has nothing but the backup of its slurm.conf.
        if not result["id"] and (not result["active"] or (result["conf_pending"] and not definition["conf_text"]))
    ]
    in_service = [host for host in workers if _ownership.is_in_service(nodes.get(node_of[host]))]
    closed = cluster["closed_partitions"]
    # Slurm takes minutes to notice that a slurmd is down, as one whose init scripts have failed. If none is found, it is called otherwise.
    running = [host for host in results if host in node_of and results[host].get("runs_slurmd", True)] or list(node_of)
    answering = [host for host in in_service if host in running]

    def is_idle(node: Node) -> bool:
        is_free = node.state == "IDLE" and _ownership.SET_ASIDE.isdisjoint(node.flags)
        return is_free and not set(node.partitions).issubset(closed)

    # Of those that Slurm delivers to, only Slurm can tell.
    reachable = [host for host, node in delivered.items() if _ownership.is_in_service(nodes.get(node))]
    canary: list[str] = []
    deliver_canary: list[str] = []
    warnings = []
    try:
        all_nodes = {**node_of, **{host: said["node"] for host, said in known.items() if is_delivered(said)}}
        named = named_canaries(settings["canary"], all_nodes)
        canary = choose_canaries(settings["canary"], answering, all_nodes, nodes, closed) if answering else []
        deliver_canary = choose_canaries(settings["canary"], reachable, all_nodes, nodes, closed) if reachable else []
        chosen = [*canary, *deliver_canary]
        if unfit := [host for host in named if host in (*pending, *delivered) and host not in chosen]:
            warnings.append(
                f"slurm_canary names {_hostlist.fold(unfit)}, which cannot run a job now (see what `sinfo` says, and whether slurmd runs there)"
                + (f": {_hostlist.fold(chosen)} instead" if chosen and not set(chosen) & set(named) else "")
            )
        sizes = batch_sizes(len(workers) - len(canary), settings["batches"])
    except RolloutError as exc:
        problems.append(str(exc))
        sizes = []
    # Nodes that take no jobs come last: nothing can be learnt there.
    rest = sorted((host for host in workers if host not in canary), key=lambda host: host not in in_service)

    journal = cluster["journal"] or {}
    new_controllers = [host for host in first if "controller" in kinds[host]]
    is_canary_due = (
        settings["probe"]
        and has_job_hooks
        and not journal.get("passed")
        and (bool(in_service) or bool(reachable) or bool(new_controllers))
    )
    # The controller's hooks need a canary, too: any node.
    stand_ins = [host for host in running if host in results and _ownership.is_in_service(nodes.get(node_of[host]))]
    stand_ins = stand_ins or [
        host
        for host, said in known.items()
        if is_delivered(said) and host not in delivered and _ownership.is_in_service(nodes.get(said["node"]))
    ]
    probed = [*canary, *deliver_canary]
    probed = probed or (
        choose_canaries(1, stand_ins, all_nodes, nodes, closed) if stand_ins and new_controllers else []
    )
    probed = probed if is_canary_due else []
    if is_canary_due and not probed:
        warnings.append(
            "no worker is in service and in an open partition, answers, and waits for no reboot, so no canary runs the release before it is active everywhere"
        )
    # The module probe tells of those of its own nodes.
    told = {part for host in probed for part in nodes[all_nodes[host]].partitions}
    reached = {
        part
        for host in (*workers, *delivered)
        if all_nodes[host] in nodes
        for part in nodes[all_nodes[host]].partitions
    }
    if unseen := [part for part in closed if probed and part in reached - told]:
        warnings.append(
            f"the partition {', '.join(unseen)} is closed, so no probe runs there. Scripts for it alone meet a user's job first"
        )
    if (canary or deliver_canary or new_controllers) and has_job_hooks and not settings["probe"]:
        warnings.append(
            "slurm_probe is false: no probe runs the hooks first, so a bad script shows only when it fails a user's job"
        )
    if not conf and not cluster["reconfigure_due"]:
        warnings += [
            f"{host} does not run what is defined: {'; '.join(lacks)}"
            for host, result in results.items()
            if host not in pending and result["id"] and (lacks := shortfalls(result["proof"], result["id"]))
        ]
    if in_memory := [host for host, result in results.items() if result.get("in_memory")]:
        warnings.append(
            f"{_hostlist.fold(in_memory)}: slurm_release_root is in memory, so after the next boot the files are gone, and the first job "
            "drains the node. Put them into the image, choose a directory on a disk, or run this playbook before slurmd starts"
        )
    todo: Document = {
        "empty": empty,
        "conf": conf,
        "reconfigure": settings["controllers"][:1] if conf or cluster["reconfigure_due"] else [],
        # Login nodes run no hooks of slurm.conf.
        "prove": [host for host in results if {"worker", "controller"} & set(kinds[host])]
        if conf or cluster["reconfigure_due"]
        else [],
        "canary": [*canary, *new_controllers] if probed else [],
        "probed": [all_nodes[host] for host in probed],
        "deliver": list(delivered),
        "pairs": pairs,
        "deliver_canary": [host for host in probed if host in delivered],
        # What the probes must meet there; Ansible cannot look.
        "met": {delivered[host]: known[host]["id"][:ID_LENGTH] for host in probed if host in delivered},
        # The other idle ones, where a probe is wanted on each.
        "proving": {
            delivered[host]: known[host]["id"][:ID_LENGTH]
            for host in reachable
            if settings["batch_probe"] and known[host]["id"] and host not in probed and is_idle(nodes[delivered[host]])
        },
        "batches": [*first, *canary, *rest],
        # The run watches a batch with one of these: their hooks run for jobs, so they can fail.
        "watched": [
            host
            for host in (*first, *canary, *rest)
            if "worker" in kinds[host] or any(HOOKS[hook].user == "slurm" for hook in known[host]["hooks"])
        ],
        "serial": [size for size in (len(first), len(canary), *sizes) if size] or [1],
        "resume": [node for host, node in node_of.items() if host in results and was_unreachable(nodes.get(node))],
        "healed": _healed(workers, probed, results, node_of, nodes, cluster),
        "drain": unreachable["drain"],
        "remove": removed,
    }
    if settings["check"]:
        # If nothing is staged, placed or activated, the steps below have no work.
        todo.update(empty=[], prove=[], canary=[], deliver_canary=[], proving={})
    # A node that is drained for it already is no work.
    drained = [node for node in todo["drain"] if not was_unreachable(nodes.get(node))]
    is_due = bool(
        pending
        or delivered
        or conf
        or cluster["reconfigure_due"]
        or todo["resume"]
        or drained
        or journal
        or (removed and not definition["name"])
    )
    touched = list(dict.fromkeys([*pending, *conf, *removed, *empty]))
    return {
        **todo,
        "left": unreachable["left"],
        "idle": {host: node_of[host] for host in answering if is_idle(nodes[node_of[host]])},
        "out": {
            node.name: _ownership.describe(node)
            for node in (nodes[name] for name in (*node_of.values(), *delivered.values()) if name in nodes)
            if _ownership.is_out(node) and node.name not in (*todo["resume"], *todo["healed"], *todo["drain"])
        },
        "lead": settings["controllers"][:1] if is_due else [],
        "problems": problems,
        "warnings": warnings,
        "rollout": {
            "name": definition["name"],
            "phase": "opened",
            "controllers": settings["controllers"],
            "slurm_user": cluster["slurm_user"],
            "conf_path": cluster["conf_path"],
            "drained": todo["drain"],
            "conf": {"text": definition["conf_text"], "adopt": settings["adopt"]},
            "hosts": {
                host: {
                    "node": known[host]["node"],
                    "kinds": kinds[host],
                    "from": results[host]["previous"],
                    "to": results[host]["id"],
                    "conf": results[host]["conf_before"],
                }
                for host in touched
            }
            | {
                host: {
                    "node": known[host]["node"],
                    "kinds": known[host]["kinds"],
                    "from": present(host, known[host], committed)[:ID_LENGTH],
                    "to": known[host]["id"],
                    "conf": None,
                    "delivery": known[host]["delivery"],
                }
                for host in delivered
            },
        },
    }


def _committed(cluster: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The release of each host that was committed last."""
    return dict((cluster["committed"] or {}).get("hosts", {}))


def _unreachable(
    staged: t.Mapping[str, t.Mapping[str, t.Any]],
    kinds: t.Mapping[str, t.Sequence[str]],
    node_of: t.Mapping[str, str],
    nodes: t.Mapping[str, Node],
    definition: t.Mapping[str, t.Any],
    cluster: t.Mapping[str, t.Any],
    settings: t.Mapping[str, t.Any],
) -> Document:
    """The hosts that did not answer: the nodes to drain, the nodes to leave, and the problems."""
    gone = [host for host, result in staged.items() if result.get("unreachable")]
    if not gone:
        return {"drain": [], "left": [], "problems": []}
    problems = []
    controllers = [host for host in gone if "controller" in kinds[host]]
    if controllers:
        problems.append(f"the controller {', '.join(controllers)} cannot be reached")
    had_release = {host for host, id_ in _committed(cluster).items() if id_}
    # The bundle sets up a node that Ansible has never reached, and brings a change to the others.
    bare = [host for host in gone if host in node_of and host not in had_release and not settings["birth"]]
    if bare and any(HOOKS[hook].conf_key and HOOKS[hook].host == "worker" for hook in definition["hooks"]):
        problems.append(
            f"{_hostlist.fold(bare)} cannot be reached and was never set up: worker hooks in slurm.conf would drain it at its first job. "
            "Fix the connection, or remove it from the inventory and list it in slurm_unmanaged_nodes"
        )
    in_service = [host for host in gone if host not in node_of or _ownership.is_in_service(nodes.get(node_of[host]))]
    in_service = [host for host in in_service if host not in controllers]
    ours = [host for host in gone if host in node_of and was_unreachable(nodes.get(node_of[host]))]
    if len(in_service) > settings["tolerated"]:
        problems.append(
            f"{_hostlist.fold(in_service)} cannot be reached, and Slurm has it in service. Fix the connection, leave it out with --limit, "
            f"or set slurm_tolerated_nodes (now {settings['tolerated']}) to at least {len(in_service)}: then slurm_unreachable_nodes decides "
            "whether such nodes are drained or left as they are"
        )
    drain = (
        [node_of[host] for host in [*in_service, *ours] if host in node_of]
        if settings["unreachable"] == "drain" and not settings["birth"]
        else []
    )
    left = [host for host in gone if node_of.get(host) not in drain]
    return {"drain": list(dict.fromkeys(drain)), "left": left, "problems": problems}


def _healed(
    workers: t.Sequence[str],
    probed: t.Sequence[str],
    results: t.Mapping[str, t.Mapping[str, t.Any]],
    node_of: t.Mapping[str, str],
    nodes: t.Mapping[str, Node],
    cluster: t.Mapping[str, t.Any],
) -> list[str]:
    """The nodes that Slurm drained because their host had lost our files, and whose scripts are known to work.

    A drained node runs no probe. So its release is the committed one, or a canary's of this run.
    """
    committed = _committed(cluster)
    proven = {results[host]["id"] for host in probed if host in results}
    return [
        node_of[host]
        for host in workers
        if lost_our_files(
            nodes.get(node_of[host]),
            results[host]["previous"],
            cluster["slurm_user"],
            had_release=bool(committed.get(host)),
        )
        and (results[host]["id"] == committed[host] or results[host]["id"] in proven)
    ]


def _removed(
    definition: t.Mapping[str, t.Any],
    lost: t.Mapping[str, t.Sequence[str]],
    fragment: str,
    emptied: t.Sequence[str],
) -> list[str]:
    """The hooks whose last script this run would remove, and the user's lines: meant, or what Ansible has not found."""
    hosts_of: dict[str, list[str]] = {}
    for host, lost_hooks in lost.items():
        for hook in lost_hooks:
            if hook not in definition["hooks"]:
                hosts_of.setdefault(hook, []).append(host)
    said = [f"slurm_{hook} on {_hostlist.fold(hosts)}" for hook, hosts in hosts_of.items()]
    hooks, lines = _conf.hooks_and_lines(fragment)
    hooks_left, lines_left = _conf.hooks_and_lines(definition["conf_text"])
    # Of hosts that the inventory has no more, or in another group.
    said += [
        f"slurm_{hook} (no host of the inventory has it)" for hook in hooks if hook not in [*hooks_left, *hosts_of]
    ]
    said += ["all lines of slurm_extra_conf"] if lines and not lines_left else []
    of_workers = [hook for hook in (*hosts_of, *hooks, *hooks_left) if HOOKS[hook].host == "worker"]
    if emptied:
        said.append(f"all that Slurm delivers to {_hostlist.fold(emptied)}")
    elif not of_workers and _conf.names_bundle(fragment) and not _conf.names_bundle(definition["conf_text"]):
        said.append("all that Slurm delivers (no host of the inventory has it)")
    if not said:
        return []
    message = (
        f"This would be removed, and is in use now: {'; '.join(said)}. If that is meant, run with `-e slurm_removal_allowed=true`. If not, see "
        "whether Ansible finds your group_vars and host_vars (it looks beside the inventory and beside the playbook only), and whether the "
        "groups of the inventory have the names that slurm_controller_group, slurm_login_group and slurm_worker_group give"
    )
    return [message]


def _rendered_differently(known: t.Mapping[str, t.Any], results: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[str]:
    """The hosts whose scripts were rendered differently when they were staged than when they were linted."""
    hosts = [
        host
        for host, result in results.items()
        if known[host].get("id") is not None and result["id"] != known[host]["id"]
    ]
    if not hosts:
        return []
    message = (
        f"{_hostlist.fold(hosts)}: the scripts were rendered again to be staged, and differ from those that were checked. A template or "
        "variable gives another value each time (now(), a random or password lookup, a file that changed meanwhile): make it give the "
        "same value twice"
    )
    return [message]
