# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The order of an undo, and its outcome. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _ownership
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal import activated_nodes
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import JOB_ID, Node
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout.answers import Answer, Answers, Result
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout.delivery import is_delivered, unasked

Document = dict[str, t.Any]

#: The answers of a host in each step of an undo.
_ANSWER_OF = {"activate": "restored", "conf": "restored_conf", "prove": "proven", "remove": "removed"}


def by_name(facts: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, Node]:
    """The nodes as the journal and cluster_info have them."""
    return {node.name: node for node in _ownership.from_facts(facts)}


def undo_plan(journal: t.Mapping[str, t.Any]) -> Document:
    """The hosts of each step of an undo, with the data for the steps."""
    hosts = journal["hosts"]
    changed = journal["conf_changed"]
    is_rollback = bool(journal.get("commit"))
    # The controllers' slurm.conf changes last, because it starts the change.
    connected = [host for host in hosts if not is_delivered(hosts[host])]
    ordered = sorted(connected, key=lambda host: "controller" in hosts[host]["kinds"])
    before = by_name(journal["nodes"])
    return {
        "steps": {
            host: _steps(
                hosts[host],
                conf_changed=changed,
                activated=is_rollback or host in journal["activated"],
                is_rollback=is_rollback,
            )
            for host in ordered
        },
        "delivered": [host for host in hosts if is_delivered(hosts[host])],
        "unasked": unasked(hosts),
        "lead": journal["controllers"][0],
        "reconfigure": changed,
        # Every configless node gets the controller's file.
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


def _steps(entry: t.Mapping[str, t.Any], *, conf_changed: bool, activated: bool, is_rollback: bool) -> list[str]:
    """The steps that one host takes, in their order."""
    had_release = bool(entry["from"])
    is_conf_due = conf_changed and entry["conf"] is not None
    steps = {
        # A host that had no release first gets an empty one, until slurm.conf no longer names it.
        "activate": activated and (had_release or not is_rollback),
        "conf": is_conf_due,
        "prove": activated and had_release,
        # A host that only had lines of ours for a while keeps no copy of its slurm.conf, either.
        "remove": not had_release and (bool(entry["to"]) or (is_conf_due and not entry["conf"]["text"])),
    }
    return [step for step, is_due in steps.items() if is_due]


def undo_outcome(undo: t.Mapping[str, t.Any], answers: Answers, number: int) -> Document:
    """The outcome of an undo: the hosts on which it failed with the reason, their nodes, and the jobs that Slurm holds because of the scripts.

    number: of this undo in this run. A host counts as restored only if it said so.
    """
    not_restored: dict[str, str] = {}
    failures: list[Document] = list(undo["failures"])
    for said in answers.values():
        failures += [record for record in (said.get("held") or {}).get("failures", []) if record not in failures]
    unread = unread_because(undo, answers)
    for host, due in undo["steps"].items():
        said = answers.get(host, {})
        failures += [record for record in (said.get("log") or {}).get("failures", []) if record not in failures]
        # Slurm may still name these files, so they stay.
        wanted = [_ANSWER_OF[step] for step in due if not (unread and step == "remove")]
        results: dict[str, Result] = {name: said[name] for name in wanted if said.get(name)}  # type: ignore[literal-required]
        results = {name: result for name, result in results.items() if not result.get("skipped")}
        failed = [result for result in results.values() if result.get("failed")]
        broken = said.get("undo_failure") or {}
        if any(result.get("unreachable") for result in results.values()):
            not_restored[host] = "it cannot be reached"
        elif failed:
            not_restored[host] = failed[-1]["msg"]
        elif broken.get("number") == number:
            not_restored[host] = broken["msg"]
        elif wanted and wanted[-1] not in results:
            not_restored[host] = "it was not part of this run (--limit, or it is not in the inventory any more)"
    if undelivered := next((said["carry_failure"] for said in answers.values() if said.get("carry_failure")), ""):
        not_restored.update(dict.fromkeys(undo["delivered"], f"Slurm does not deliver it: {undelivered}"))
    if unread:
        not_restored.setdefault(undo["lead"], f"Slurm did not read the previous slurm.conf: {unread}")
    node_of = {host: entry["node"] for host, entry in undo["hosts"].items() if "worker" in entry["kinds"]}
    lost = [node_of[host] for host in not_restored if host in node_of]
    # A node whose init scripts fail is drained with a better reason already.
    explained = [host for host in not_restored if _init_failed(answers.get(host, {}), number)]
    return {
        "not_restored": not_restored,
        "nodes_to_drain": [node_of[host] for host in not_restored if host in node_of and host not in explained],
        "restored_nodes": [node for node in undo["nodes"] if node not in lost],
        "failures": failures,
        "jobs": held_through(failures),
    }


def unread_because(undo: t.Mapping[str, t.Any], answers: Answers) -> str:
    """The reason why Slurm has not read the previous slurm.conf; empty if it has, or if the file did not change."""
    results = [said["reconfigured"] for said in answers.values() if said.get("reconfigured")]
    failed = next((result for result in results if result.get("failed")), None) if undo["reconfigure"] else None
    return str(failed.get("msg") or "unknown") if failed else ""


def _init_failed(said: Answer, number: int) -> bool:
    return (said.get("undo_failure") or {}).get("number") == number and bool((said.get("init") or {}).get("failure"))


def held_through(failures: t.Iterable[Document]) -> list[str]:
    """The jobs that Slurm held for these failures: only the prolog's does; the id is in the record of the node on which it failed."""
    jobs = (str(each["job"]) for each in failures if each["hook"] == "worker_prolog")
    return list(dict.fromkeys(job for job in jobs if JOB_ID.fullmatch(job)))
