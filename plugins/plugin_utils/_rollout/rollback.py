# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The target of a rollback, and the journal that leads to it. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils._release import ID_LENGTH
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout.delivery import is_delivered

Document = dict[str, t.Any]


def rollback_target(committed: t.Sequence[t.Mapping[str, t.Any]], name: str) -> Document:
    """The committed rollout to return to: the named one, or the previous one. C(problem) is the reason if there is none."""
    if not committed:
        return {"problem": "no rollout was committed yet, so there is none to return to"}
    present = committed[0]["name"]
    earlier = list(dict.fromkeys(entry["name"] for entry in committed if entry["name"] != present))
    known = ", ".join(earlier) or "none"
    if not name:
        if not earlier:
            return {"problem": f"{present} is the only rollout that was committed, so there is none to return to"}
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
    """The journal of a rollback: the undo of everything since its target. C(problems) are the reasons against it.

    looked: the answer of the module proof_info on each host, or that the host does not answer.
    """
    entry, present = target["entry"], target["present"]
    about = {**entry["about"], **present["about"]}
    hosts = {}
    problems = []
    for host in about:
        said = looked.get(host)
        wanted = entry["hosts"].get(host, "")
        if is_delivered(about[host]):
            hosts[host] = {
                **about[host],
                "from": wanted[:ID_LENGTH],
                "to": present["hosts"].get(host, ""),
                "conf": None,
            }
        elif said is None:
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
