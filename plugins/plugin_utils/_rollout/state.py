# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The state of a run, which one fact on localhost carries from play to play. Pure."""

from __future__ import annotations

import typing as t

Document = dict[str, t.Any]


class Run(t.TypedDict):
    """Each phase is a play; it takes its hosts from here, and its tasks the steps of their host."""

    #: The plays to come, by phase, with their hosts. A play without hosts does not run.
    hosts: dict[str, list[str]]
    #: The steps of each host within C(prepare) or C(undo).
    steps: dict[str, list[str]]
    #: The hosts to which Ansible does not connect.
    delivered: list[str]
    #: False as soon as a step has failed: the undo follows.
    go: bool
    #: V(finish) or V(undo) if a killed run has left a rollout, else empty.
    interrupted: str
    #: A host of this run for the tasks that run once: the first controller, or another one where C(--limit) leaves that out.
    anchor: str
    plan: Document
    undo: Document
    #: Counts the undos of this run.
    number: int
    #: The reasons of the failure, by host or node.
    failed: dict[str, str]
    #: The hosts whose failure the rollout tolerates.
    tolerated: list[str]
    #: Whether an undo has restored everything.
    is_restored: bool
    #: The message at the end.
    message: list[str]


def checked(
    present: t.Sequence[str],
    controllers: t.Sequence[str],
    interrupted: str,
    undo: Document,
    number: int,
    delivered: t.Sequence[str] = (),
) -> Run:
    """The state after the check: at most an interrupted rollout to be undone."""
    connected = [host for host in present if host not in delivered]
    return {
        "hosts": {"undo_interrupted": connected or [present[0]]} if interrupted == "undo" else {},
        "delivered": list(delivered),
        "steps": undo.get("steps", {}) if interrupted == "undo" else {},
        "go": True,
        "interrupted": interrupted,
        "anchor": controllers[0] if controllers[0] in present else present[0],
        "plan": {},
        "undo": undo if interrupted == "undo" else {},
        "number": number + 1,
        "failed": {},
        "tolerated": [],
        "is_restored": False,
        "message": [],
    }


def planned(run: Run, plan: Document) -> Run:
    """The state after the plan."""
    by_step = {"empty": plan["empty"], "conf": plan["conf"], "prove": plan["prove"], "remove": plan["remove"]}
    steps: dict[str, list[str]] = {}
    for step, hosts in by_step.items():
        for host in hosts:
            steps.setdefault(host, []).append(step)
    is_due = bool(plan["lead"])
    before_jobs = [*plan["empty"], *plan["conf"], *plan["prove"]]
    hosts = {
        "prepare": _unique(run["anchor"], *before_jobs),
        # The first controller lets Slurm deliver.
        "canary": plan["canary"] or [run["anchor"]] * bool(plan["deliver_canary"]),
        "activate": plan["batches"],
        "deliver": [run["anchor"]] * bool(plan["deliver"]),
        "commit": [run["anchor"]],
        "finish": _unique(run["anchor"], *plan["remove"]),
    }
    return {**run, "hosts": hosts if is_due else {"finish": hosts["finish"]}, "steps": steps, "plan": plan, "go": True}


def evaluated(run: Run, *, go: bool, failed: t.Mapping[str, str], undo: Document) -> Run:
    """The state after a step: the rollout goes on, or an undo comes next."""
    changed: Run = {**run, "go": go, "failed": dict(failed)}
    if not go:
        return begun(changed, undo)
    node_of = {host: entry["node"] for host, entry in run["plan"].get("rollout", {}).get("hosts", {}).items()}
    tolerated = [host for host in run["plan"].get("batches", []) if host in failed or node_of.get(host) in failed]
    changed["tolerated"] = tolerated
    changed["steps"] = {**run["steps"], **{host: _unique(*run["steps"].get(host, []), "failed") for host in tolerated}}
    changed["hosts"] = {**run["hosts"], "commit": _unique(run["anchor"], *tolerated)}
    return changed


def begun(run: Run, undo: Document) -> Run:
    """The state when an undo begins."""
    # The order matters: the controllers' slurm.conf changes last.
    hosts = {"undo": _unique(*undo["steps"], run["anchor"]), "finish": [run["anchor"]]}
    return {**run, "go": False, "hosts": hosts, "steps": undo["steps"], "undo": undo, "number": run["number"] + 1}


def undone(run: Run, message: str, *, is_restored: bool) -> Run:
    """The state when an undo has ended."""
    return {**run, "undo": {}, "steps": {}, "message": message.splitlines(), "is_restored": is_restored}


def _unique(*hosts: str) -> list[str]:
    return list(dict.fromkeys(hosts))
