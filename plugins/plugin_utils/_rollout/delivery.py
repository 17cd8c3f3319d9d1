# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The content of the bundle at each step of a run: which release each node gets from Slurm. Pure.

Delivered hosts are those to which Ansible does not connect; the bundle alone gives them their releases. The other nodes are in it only for
the time between two runs (slurm_birth).
"""

from __future__ import annotations

import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils._journal_documents import SLURM

Document = dict[str, t.Any]

#: The assignments of releases to nodes. Before the canary each host has what was committed for it.
BEFORE, CANARY, ALL, UNDO, SETTLED = "before", "canary", "all", "undo", "settled"
ASSIGNMENTS = (BEFORE, CANARY, ALL, UNDO, SETTLED)


def is_delivered(about: t.Mapping[str, t.Any]) -> bool:
    """Whether Slurm delivers to this host; of a definition, a journal or a commit."""
    return about.get("delivery") == SLURM


def unasked(hosts: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[str]:
    """Those of the nodes of a journal that Ansible cannot ask."""
    return [entry["node"] for entry in hosts.values() if is_delivered(entry)]


def present(host: str, about: t.Mapping[str, t.Any], committed: t.Mapping[str, str]) -> str:
    """The release that a host has from Slurm; until its first one is committed, the one that runs nothing."""
    return committed.get(host) or str(about.get("nothing", ""))


def change(host: str, defined: t.Mapping[str, t.Any], committed: t.Mapping[str, str]) -> str:
    """From which release to which a definition would bring a host: V(OLD NEW), as the module bundle compares them."""
    return f"{present(host, defined, committed)} {defined['id']}"


def content(
    assignment: str,
    definition: t.Mapping[str, t.Any],
    history: t.Mapping[str, t.Any],
    plan: t.Mapping[str, t.Any],
    *,
    birth: bool,
) -> Document:
    """What the module bundle takes for an assignment.

    history: what journal_info returned. definition: empty for a rollback and for an undo that comes before the check.
    """
    committed: Document = next(iter(history["committed"]), {"hosts": {}, "about": {}})
    defined = definition.get("hosts", {})
    about = {**committed["about"], **{host: said for host, said in defined.items() if "worker" in said["kinds"]}}
    releases = {host: present(host, about[host], committed["hosts"]) for host in about}
    journal = (history["journal"] or {}).get("hosts", {})
    if assignment == UNDO:
        about.update((host, entry) for host, entry in journal.items() if is_delivered(entry))
        releases.update((host, entry["from"]) for host, entry in journal.items() if is_delivered(entry))
    if assignment == ALL:
        releases.update((host, defined[host]["id"]) for host in plan["deliver"])
    pushed = {
        host: id_ for host, id_ in committed["hosts"].items() if host in about and "worker" in about[host]["kinds"]
    }
    # Whether they could be reached or not. Until a node is back, the commit has its old one.
    pushed.update((host, said["id"]) for host, said in defined.items() if host in about and said["id"])
    nodes = {about[host]["node"]: id_ for host, id_ in pushed.items() if not is_delivered(about[host])}
    remembered = [id_ for entry in history["committed"] for id_ in entry["hosts"].values()]
    remembered += [id_ for entry in journal.values() for id_ in (entry["from"], entry["to"])]
    return {
        # Those that Ansible connects to have theirs until the end: null leaves what the bundle has.
        "nodes": (nodes if birth else {}) if assignment == SETTLED else None,
        "delivered": {said["node"]: releases[host] for host, said in about.items() if is_delivered(said)},
        "canaries": {defined[host]["node"]: defined[host]["id"] for host in plan["deliver_canary"]}
        if assignment == CANARY
        else {},
        "keep": sorted({id_ for id_ in remembered if id_}),
    }
