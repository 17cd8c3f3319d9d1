# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The failures by host, from the answers of a step. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _hook_log
from ansible_collections.nodecycle.slurm.plugins.module_utils._proof import shortfalls
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import ID_LENGTH
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout.answers import Answers
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout.undo import held_through

Document = dict[str, t.Any]


def last_failures(hosts: t.Iterable[str], answers: Answers) -> dict[str, Document]:
    """The last failure of a prolog or epilog on each node where there was one, by the node's name."""
    found: dict[str, Document] = {}
    for host in hosts:
        for record in (answers[host].get("log") or {}).get("failures", []):
            if (
                record["hook"] in ("worker_prolog", "worker_epilog")
                and record["time"] >= found.get(record["node"], record)["time"]
            ):
                found[record["node"]] = record
    return found


def unasked(hosts: t.Iterable[str], answers: Answers) -> dict[str, str]:
    """The hosts that could not say what has failed, each with the reason."""
    logs = {host: answers[host].get("log") or {} for host in hosts}
    return {
        host: "Ansible does not connect to it" if log.get("skipped") else str(log.get("msg") or "no answer")
        for host, log in logs.items()
        if "failures" not in log
    }


def failed_jobs(hosts: t.Iterable[str], answers: Answers) -> list[str]:
    """The jobs that Slurm held because the new release's prolog failed for them on these hosts."""
    jobs: list[str] = []
    for host in hosts:
        id_ = (answers[host].get("staged") or {}).get("id", "")[:ID_LENGTH]
        failures = (answers[host].get("log") or {}).get("failures", [])
        jobs += held_through(each for each in failures if each["release"] == id_)
    return jobs


def missed_scripts(hosts: t.Sequence[str], answers: Answers, controllers: t.Container[str]) -> dict[str, str]:
    """The hosts on which the probes did not meet every script, each with what is missing.

    If there are several controllers, only the active one runs the hooks. It is enough that one of them did.
    """
    met = {host: answers[host].get("met") or {} for host in hosts}
    is_any_active = any(host in controllers and said.get("runs") for host, said in met.items())
    found = {}
    for host, said in met.items():
        stands_by = is_any_active and host in controllers and not said.get("runs")
        if said.get("unreachable"):
            found[host] = "it cannot be reached any more"
        elif said.get("missing") and not stands_by:
            found[host] = _hook_log.not_passed(answers[host]["staged"]["id"], said["missing"])
    return found


def step_failures(hosts: t.Iterable[str], answers: Answers) -> dict[str, str]:
    """The hosts on which the step that has just ended failed, each with the reason: an error, no answer, or no proof."""
    found = {}
    for host in hosts:
        said = answers[host]
        step = said.get("step") or {}
        if said.get("failure") is not None:
            found[host] = said["failure"]
        elif step.get("unreachable"):
            found[host] = "it cannot be reached any more"
        elif step.get("active") and "proof" in step and (lacks := shortfalls(step["proof"], step["id"])):
            found[host] = f"the next job would not run the new release: {'; '.join(lacks)}"
    return found
