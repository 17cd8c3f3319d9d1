# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The order of a rollout and of its undo: which host takes which step. Pure: what the hosts said goes in, lists of hosts come out.

What is said of it to a person is in _rollout_texts.
"""

from __future__ import annotations

import json
import math
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _hook_log, _hostlist, _ownership
from ansible_collections.nodecycle.slurm.plugins.module_utils._files import sha256
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal import activated_nodes
from ansible_collections.nodecycle.slurm.plugins.module_utils._proof import shortfalls
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import ID_LENGTH
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import JOB_ID, Node

Document = dict[str, t.Any]

#: The beginning of the reason with which a node is drained that could not be reached; the next run resumes it by that.
UNREACHABLE = "unreachable"


class RolloutError(ValueError):
    """A variable cannot be followed; the message names it and the remedy."""


def name_of(hosts: t.Mapping[str, str], conf: t.Mapping[str, t.Any]) -> str:
    """The name of what a whole cluster runs: a digest over each host's release and our lines in slurm.conf."""
    named = {host: id_ for host, id_ in hosts.items() if id_}
    text = json.dumps([named, conf["text"], sorted(conf["adopt"])], sort_keys=True)
    return sha256(text.encode())[:ID_LENGTH]


def count_of(spec: t.Any, total: int, variable: str) -> int:
    """A number of nodes, given as such or in percent (rounded up, for a canary of none is none)."""
    text = str(spec).strip()
    try:
        if text.endswith("%"):
            return min(total, math.ceil(total * float(text[:-1]) / 100))
        return min(total, int(text))
    except (ValueError, OverflowError) as exc:
        raise RolloutError(f"{variable} is {spec!r}: write a number of nodes or a percentage like 10%") from exc


def batch_sizes(total: int, specs: t.Sequence[t.Any]) -> list[int]:
    """How many hosts each batch has; the last size is repeated until all hosts have their turn."""
    sizes: list[int] = []
    left = total
    specs = list(specs) or ["100%"]
    position = 0
    while left > 0:
        size = max(1, count_of(specs[min(position, len(specs) - 1)], total, "slurm_batches"))
        sizes.append(min(size, left))
        left -= sizes[-1]
        position += 1
    return sizes


def was_unreachable(node: Node | None) -> bool:
    """Whether we drained a node because it could not be reached, and it still is drained: 24.11 keeps the reason of one that is over."""
    return node is not None and _ownership.is_ours(node) and node.reason.startswith(_ownership.mark(UNREACHABLE))


def _by_name(facts: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, Node]:
    return {node.name: node for node in _ownership.from_facts(facts)}


def choose_canaries(
    spec: t.Any,
    candidates: t.Sequence[str],
    host_nodes: t.Mapping[str, str],
    nodes: t.Mapping[str, Node],
) -> list[str]:
    """The hosts that meet a release first: by default as few as hold a node of each partition, idle ones where there are any."""

    def is_busy(host: str) -> bool:
        return nodes[host_nodes[host]].state != "IDLE"

    ordered = sorted(candidates, key=lambda host: (is_busy(host), candidates.index(host)))
    text = str(spec).strip()
    if text in ("", "None"):
        chosen: list[str] = []
        open_partitions = {part for host in candidates for part in nodes[host_nodes[host]].partitions}
        while open_partitions:
            best = max(
                ordered,
                key=lambda host: (len(open_partitions & set(nodes[host_nodes[host]].partitions)), not is_busy(host)),
            )
            chosen.append(best)
            open_partitions -= set(nodes[host_nodes[best]].partitions)
        return chosen or ordered[:1]
    if text.rstrip("%").isdigit():
        return ordered[: max(1, count_of(text, len(ordered), "slurm_canary"))]
    try:
        wanted = _hostlist.expand(text)
    except _hostlist.HostlistError as exc:
        raise RolloutError(
            f"slurm_canary is {text!r}, which is neither a number, nor a percentage, nor a hostlist: {exc}"
        ) from exc
    by_node = {node: host for host, node in host_nodes.items()}
    unknown = [node for node in wanted if node not in by_node]
    if unknown:
        raise RolloutError(
            f"slurm_canary names {_hostlist.fold(unknown)}, which is no worker of this run: name nodes that are"
        )
    # Those that have the release already need no trial of it.
    return [by_node[node] for node in wanted if by_node[node] in candidates]


def what_to_do_first(
    journal: t.Mapping[str, t.Any] | None, definition: t.Mapping[str, t.Any], nodes: t.Mapping[str, t.Any]
) -> str:
    """What a killed run has left: nothing (empty), something to V(finish), or something to V(undo) before anything else.

    It is finished where this run wants the same and nothing has failed since.
    """
    if not journal:
        return ""
    seen = _ownership.change(activated_nodes(journal), journal["nodes"])
    failed = _ownership.failed_through(_ownership.from_facts(nodes), seen, journal["slurm_user"])
    is_same = journal["name"] == definition["name"] and journal["phase"] != "undo"
    return "finish" if is_same and not failed and not journal.get("failed") else "undo"


def plan(
    definition: t.Mapping[str, t.Any],
    staged: t.Mapping[str, t.Mapping[str, t.Any]],
    cluster: t.Mapping[str, t.Any],
    settings: t.Mapping[str, t.Any],
) -> Document:
    """Who takes which step of a rollout, in the order of the keys; C(problems) says why there can be none."""
    known, nodes = definition["hosts"], _by_name(cluster["nodes"])
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

    pending = [host for host, result in results.items() if result["id"] and not result["active"]]
    first = [host for host in pending if "worker" not in kinds[host] or "controller" in kinds[host]]
    workers = [host for host in pending if host not in first]
    conf = [host for host, result in results.items() if result["conf_pending"]]
    has_job_hooks = any(HOOKS[hook].conf_key for hook in definition["hooks"])
    base = [
        host
        for host in pending
        if has_job_hooks and any(HOOKS[hook].conf_key for hook in results[host].get("missing_hooks", []))
    ]
    withdraw = [
        host
        for host, result in results.items()
        # A host whose slurm.conf forgets us last has nothing but its backup left.
        if not result["id"] and (not result["active"] or (result["conf_pending"] and not definition["conf_text"]))
    ]
    in_service = [host for host in workers if _ownership.is_in_service(nodes.get(node_of[host]))]
    canary: list[str] = []
    try:
        canary = choose_canaries(settings["canary"], in_service, node_of, nodes) if in_service else []
        sizes = batch_sizes(len(workers) - len(canary), settings["batches"])
    except RolloutError as exc:
        problems.append(str(exc))
        sizes = []
    rest = [host for host in workers if host not in canary]

    journal = cluster["journal"] or {}
    new_controllers = [host for host in first if "controller" in kinds[host]]
    is_trial_due = (
        settings["probe"] and has_job_hooks and not journal.get("passed") and (bool(canary) or bool(new_controllers))
    )
    # The controller's hooks need a node to be tried on, too: any that is there.
    stand_ins = [host for host in results if host in node_of and _ownership.is_in_service(nodes.get(node_of[host]))]
    probed = (canary or choose_canaries(1, stand_ins, node_of, nodes) if stand_ins else []) if is_trial_due else []
    warnings = []
    if is_trial_due and not probed:
        warnings.append("no worker is in service, so the release meets no canary before it is active everywhere")
    if (canary or new_controllers) and has_job_hooks and not settings["probe"]:
        warnings.append(
            "slurm_probe is false: no job of ours runs through the hooks first; a bad script is seen when it fails a user's job"
        )
    if not conf and not cluster["reconfigure_due"]:
        warnings += [
            f"{host}: what runs is not what is defined: {'; '.join(lacks)}"
            for host, result in results.items()
            if host not in pending and result["id"] and (lacks := shortfalls(result["proof"], result["id"]))
        ]
    todo: Document = {
        "base": base,
        "conf": conf,
        "reconfigure": settings["controllers"][:1] if conf or cluster["reconfigure_due"] else [],
        # Login nodes run no hook of slurm.conf.
        "prove_conf": [host for host in results if {"worker", "controller"} & set(kinds[host])]
        if conf or cluster["reconfigure_due"]
        else [],
        "trial": [*canary, *new_controllers] if probed else [],
        "probed": [node_of[host] for host in probed],
        "batches": [*first, *canary, *rest],
        # A batch with one of these is watched: their hooks run for jobs, and so can fail.
        "watched": [
            host
            for host in (*first, *canary, *rest)
            if "worker" in kinds[host] or any(HOOKS[hook].user == "slurm" for hook in known[host]["hooks"])
        ],
        "serial": [size for size in (len(first), len(canary), *sizes) if size] or [1],
        "resume": [node for host, node in node_of.items() if host in results and was_unreachable(nodes.get(node))],
        "drain": unreachable["drain"],
        "withdraw": withdraw,
    }
    if settings["check"]:
        # What follows has nothing to look at where nothing was staged, placed or activated.
        todo.update(base=[], prove_conf=[], trial=[])
    # A node that is drained for it already is no work.
    drained = [node for node in todo["drain"] if not was_unreachable(nodes.get(node))]
    is_due = bool(
        pending
        or conf
        or cluster["reconfigure_due"]
        or todo["resume"]
        or drained
        or journal
        or (withdraw and not definition["name"])
    )
    touched = list(dict.fromkeys([*pending, *conf, *withdraw, *base]))
    return {
        **todo,
        "left": unreachable["left"],
        "idle": {host: node_of[host] for host in in_service if nodes[node_of[host]].state == "IDLE"},
        "out": {
            node.name: _ownership.describe(node)
            for node in (nodes[name] for name in node_of.values() if name in nodes)
            if _ownership.is_out(node) and node.name not in (*todo["resume"], *todo["drain"])
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
            },
        },
    }


def _unreachable(
    staged: t.Mapping[str, t.Mapping[str, t.Any]],
    kinds: t.Mapping[str, t.Sequence[str]],
    node_of: t.Mapping[str, str],
    nodes: t.Mapping[str, Node],
    definition: t.Mapping[str, t.Any],
    cluster: t.Mapping[str, t.Any],
    settings: t.Mapping[str, t.Any],
) -> Document:
    """The hosts that did not answer: which nodes to drain, which to leave, and what that stands in the way of."""
    gone = [host for host, result in staged.items() if result.get("unreachable")]
    if not gone:
        return {"drain": [], "left": [], "problems": []}
    problems = []
    controllers = [host for host in gone if "controller" in kinds[host]]
    if controllers:
        problems.append(f"the controller {', '.join(controllers)} cannot be reached")
    had_release = {host for host, id_ in ((cluster["committed"] or {}).get("hosts", {})).items() if id_}
    bare = [host for host in gone if host in node_of and host not in had_release]
    if bare and any(HOOKS[hook].conf_key and HOOKS[hook].host == "worker" for hook in definition["hooks"]):
        problems.append(
            f"{_hostlist.fold(bare)} cannot be reached and has none of our files yet: slurm.conf would name a dispatcher that is not there, "
            "which drains the node at its first job. Repair it, or take it out of the inventory and name it in slurm_unmanaged_nodes"
        )
    in_service = [host for host in gone if host not in node_of or _ownership.is_in_service(nodes.get(node_of[host]))]
    in_service = [host for host in in_service if host not in controllers]
    ours = [host for host in gone if host in node_of and was_unreachable(nodes.get(node_of[host]))]
    if len(in_service) > settings["tolerated"]:
        problems.append(
            f"{_hostlist.fold(in_service)} cannot be reached, and Slurm has it in service. Repair the connection, leave it out with --limit, "
            f"or set slurm_tolerated_nodes (now {settings['tolerated']}) to at least {len(in_service)}: then slurm_unreachable_nodes decides "
            "whether such nodes are drained or left as they are"
        )
    drain = (
        [node_of[host] for host in [*in_service, *ours] if host in node_of]
        if settings["unreachable"] == "drain"
        else []
    )
    left = [host for host in gone if node_of.get(host) not in drain]
    return {"drain": list(dict.fromkeys(drain)), "left": left, "problems": problems}


def undo_plan(journal: t.Mapping[str, t.Any]) -> Document:
    """Who takes which step of an undo, in the order of the keys, with what the steps need to know."""
    hosts = journal["hosts"]
    # The controllers' slurm.conf changes last: it is what makes the change.
    ordered = sorted(hosts, key=lambda host: "controller" in hosts[host]["kinds"])
    changed = journal["conf_changed"]
    is_rollback = bool(journal.get("commit"))
    touched = [host for host in ordered if is_rollback or host in journal["activated"]]
    restore = [host for host in touched if hosts[host]["from"]]
    before = _by_name(journal["nodes"])
    return {
        "begin": journal["controllers"][:1],
        # Where there was no release one that runs nothing comes first, until slurm.conf has forgotten it.
        "activate": touched if not is_rollback else restore,
        "conf": [host for host in ordered if hosts[host]["conf"] is not None] if changed else [],
        "reconfigure": journal["controllers"][:1] if changed else [],
        "restore": restore,
        "remove": [host for host in ordered if hosts[host]["to"] and not hosts[host]["from"]],
        # What the controller's file said is what every configless node gets.
        "conf_text": next(
            (hosts[host]["conf"]["text"] for host in reversed(ordered) if changed and hosts[host]["conf"]), None
        ),
        "hosts": hosts,
        "name": journal["name"],
        "nodes": activated_nodes(journal),
        "nodes_before": journal["nodes"],
        "slurm_user": journal["slurm_user"],
        "commit": journal.get("commit"),
        "failures": journal.get("failures", []),
        "unreachable": [node for node in journal.get("drained", []) if _ownership.is_in_service(before.get(node))],
    }


def undo_outcome(undo: t.Mapping[str, t.Any], facts: t.Mapping[str, t.Mapping[str, t.Any]]) -> Document:
    """What came of an undo: the hosts on which it did not succeed with the reason, their nodes, and the jobs that the scripts made Slurm hold.

    A host counts as put back only where it said so.
    """
    not_restored: dict[str, str] = {}
    failures: list[Document] = list(undo["failures"])
    last_step = {
        **dict.fromkeys(undo["conf"], "__slurm_restored_conf"),
        **dict.fromkeys(undo["restore"], "__slurm_proven"),
    }
    last_step.update(dict.fromkeys(undo["remove"], "__slurm_removed"))
    for host, last in last_step.items():
        # hostvars has no get() that would not make up a host.
        said = facts[host] if host in facts else {}  # noqa: SIM401
        failures += [record for record in (said.get("__slurm_log") or {}).get("failures", []) if record not in failures]
        steps = [
            said[name]
            for name in ("__slurm_restored", "__slurm_restored_conf", "__slurm_proven", "__slurm_removed")
            if said.get(name)
        ]
        failed = [step for step in steps if step.get("failed")]
        if any(step.get("unreachable") for step in steps):
            not_restored[host] = "it cannot be reached"
        elif failed or said.get("__slurm_undo_failure"):
            not_restored[host] = failed[-1]["msg"] if failed else said["__slurm_undo_failure"]
        elif not said.get(last):
            not_restored[host] = "it was not part of this run (--limit, or it is not in the inventory any more)"
    for host, why in undo.get("unread", {}).items():
        not_restored.setdefault(host, f"Slurm did not read the slurm.conf of before: {why}")
    node_of = {host: entry["node"] for host, entry in undo["hosts"].items() if "worker" in entry["kinds"]}
    lost = [node_of[host] for host in not_restored if host in node_of]
    # A node whose init scripts fail is drained with a better reason already.
    explained = [host for host in not_restored if host in facts and _init_failed(facts[host])]
    return {
        "not_restored": not_restored,
        "nodes_to_drain": [node_of[host] for host in not_restored if host in node_of and host not in explained],
        "restored_nodes": [node for node in undo["nodes"] if node not in lost],
        "failures": failures,
        "jobs": _held_through(failures),
    }


def _init_failed(said: t.Mapping[str, t.Any]) -> bool:
    return bool(said.get("__slurm_undo_failure") and (said.get("__slurm_init") or {}).get("failure"))


def _held_through(failures: t.Iterable[Document]) -> list[str]:
    """The jobs that Slurm held for these failures: only the prolog's does; the id is in the record of the node on which it failed."""
    jobs = (str(each["job"]) for each in failures if each["hook"] == "worker_prolog")
    return list(dict.fromkeys(job for job in jobs if JOB_ID.fullmatch(job)))


def last_failures(hosts: t.Iterable[str], facts: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, Document]:
    """The last failure of a prolog or epilog on each node where there was one, by the node's name."""
    found: dict[str, Document] = {}
    for host in hosts:
        for record in (facts[host].get("__slurm_log") or {}).get("failures", []):
            if (
                record["hook"] in ("worker_prolog", "worker_epilog")
                and record["time"] >= found.get(record["node"], record)["time"]
            ):
                found[record["node"]] = record
    return found


def failed_jobs(hosts: t.Iterable[str], facts: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[str]:
    """The jobs that Slurm held because the prolog of the release that was rolled out failed for them on these hosts."""
    jobs: list[str] = []
    for host in hosts:
        id_ = (facts[host].get("__slurm_staged") or {}).get("id", "")[:ID_LENGTH]
        failures = (facts[host].get("__slurm_log") or {}).get("failures", [])
        jobs += _held_through(each for each in failures if each["release"] == id_)
    return jobs


def missed_scripts(
    hosts: t.Sequence[str], facts: t.Mapping[str, t.Mapping[str, t.Any]], controllers: t.Container[str]
) -> dict[str, str]:
    """The hosts on which the probes did not meet every script, each with what is missing.

    Of several controllers one is active and runs the hooks; that the others ran nothing is no fault, as long as one did.
    """
    met = {host: facts[host].get("__slurm_met") or {} for host in hosts}
    is_any_active = any(host in controllers and said.get("runs") for host, said in met.items())
    found = {}
    for host, said in met.items():
        stands_by = is_any_active and host in controllers and not said.get("runs")
        if said.get("unreachable"):
            found[host] = "it cannot be reached any more"
        elif said.get("missing") and not stands_by:
            found[host] = _hook_log.not_passed(facts[host]["__slurm_staged"]["id"], said["missing"])
    return found


def step_failures(hosts: t.Iterable[str], facts: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, str]:
    """The hosts on which the step that has just ended failed, each with the reason: an error, no answer, or no proof."""
    found = {}
    for host in hosts:
        said = facts[host]
        step = said.get("__slurm_step") or {}
        if said.get("__slurm_failure") is not None:
            found[host] = said["__slurm_failure"]
        elif step.get("unreachable"):
            found[host] = "it cannot be reached any more"
        elif step.get("active") and "proof" in step and (lacks := shortfalls(step["proof"], step["id"])):
            found[host] = f"the next job would not run the new release: {'; '.join(lacks)}"
    return found


def rollback_target(committed: t.Sequence[t.Mapping[str, t.Any]], name: str) -> Document:
    """To which committed rollout to go back: the named one, or the one before the present. C(problem) says why there is none."""
    if not committed:
        return {"problem": "no rollout was committed yet, so there is nothing to go back to"}
    present = committed[0]["name"]
    earlier = list(dict.fromkeys(entry["name"] for entry in committed if entry["name"] != present))
    known = ", ".join(earlier) or "none"
    if not name:
        if not earlier:
            return {"problem": f"{present} is the only rollout that was committed, so there is nothing to go back to"}
        name = earlier[0]
    if name == present:
        return {"problem": f"{name} is what the cluster runs; the earlier ones are: {known}"}
    found = [entry for entry in committed if entry["name"] == name]
    if not found:
        return {"problem": f"slurm_rollback_to names {name!r}, which the history does not know; it knows: {known}"}
    return {"problem": "", "entry": found[0], "present": committed[0]}


def rollback(
    target: t.Mapping[str, t.Any], looked: t.Mapping[str, t.Mapping[str, t.Any]], slurm_user: str, conf_path: str = ""
) -> Document:
    """The journal of a rollback: the undo of everything since its target. C(problems) says why it cannot be.

    looked: what the module proof said on each host, or that the host does not answer.
    """
    entry, present = target["entry"], target["present"]
    about = {**entry["about"], **present["about"]}
    hosts = {}
    problems = []
    for host in about:
        said = looked.get(host)
        wanted = entry["hosts"].get(host, "")
        if said is None:
            problems.append(f"{host} is not in the inventory or was left out by --limit")
        elif said.get("failed"):
            problems.append(f"{host}: {said['msg']}")
        else:
            found = (said.get("proof") or {}).get("release", present["hosts"].get(host, ""))
            hosts[host] = {
                **about[host],
                "from": wanted[:ID_LENGTH],
                "to": found,
                "conf": entry["conf"] if said.get("conf_lines") is not None else None,
            }
    kept = {key: entry[key] for key in ("name", "hosts", "about", "conf")}
    return {
        "problems": problems,
        "name": present["name"],
        "phase": "undo",
        "controllers": present["controllers"],
        "slurm_user": slurm_user,
        "conf_path": conf_path,
        "conf": entry["conf"],
        "conf_changed": entry["conf"] != present["conf"],
        "hosts": hosts,
        "activated": present.get("activated", {}),
        "nodes": present.get("nodes", {}),
        "commit": {**kept, "controllers": present["controllers"]},
    }
