# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The texts of a rollout for a person: the plan, the progress, the result, and the reason of an undo. Pure."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _held_jobs, _hook_log, _hostlist, _ownership
from ansible_collections.nodecycle.slurm.plugins.module_utils._proof import additions, shortfalls
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import ID_LENGTH, LOG_DIR
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rollout.answers import Answers


def outline(plan_: t.Mapping[str, t.Any], settings: t.Mapping[str, t.Any]) -> list[str]:
    """The plan of a rollout, a line a step."""
    lines = [f"Rollout {plan_['rollout']['name']}"]
    if plan_["empty"]:
        lines.append(f"1. {_count(plan_['empty'])} without a release get one that runs nothing")
    if plan_["conf"] or plan_["reconfigure"]:
        lines.append(
            f"{len(lines)}. slurm.conf changes on {_count(plan_['conf'])}, one reconfigure, and each node proves it"
        )
    if plan_["probed"] and (plan_["canary"] or plan_["deliver_canary"]):
        lines.append(
            f"{len(lines)}. canary: probe jobs on {_hostlist.fold(plan_['probed'])}, at most {settings['probe_timeout']} seconds; "
            "no user's job runs the release"
        )
    if plan_["batches"]:
        sizes = ", ".join(str(size) for size in plan_["serial"])
        lines.append(
            f"{len(lines)}. {_count(plan_['batches'])} in batches of {sizes}, each watched for {settings['watch']} seconds where it has hooks of jobs"
        )
    if plan_["deliver"]:
        lines.append(
            f"{len(lines)}. Slurm delivers it to {_count(plan_['deliver'])}, watched for {settings['watch']} seconds"
        )
    lines += [f"Not reached, to be drained: {_hostlist.fold(plan_['drain'])}"] if plan_["drain"] else []
    lines += [f"Not reached, left as they are: {_hostlist.fold(plan_['left'])}"] if plan_["left"] else []
    return lines


def distinct_changes(changes: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]]) -> list[dict[str, t.Any]]:
    """The diffs of all hosts, each distinct one once, with its hosts behind the header."""
    found: dict[str, tuple[t.Mapping[str, t.Any], list[str]]] = {}
    for host, parts in changes.items():
        for part in parts:
            found.setdefault(json.dumps(part, sort_keys=True), (part, []))[1].append(host)
    return [
        {
            **part,
            "before_header": f"{part['before_header']} ({_hostlist.fold(hosts)})",
            "after_header": f"{part['after_header']} ({_hostlist.fold(hosts)})",
        }
        for part, hosts in found.values()
    ]


def batch_lines(plan_: t.Mapping[str, t.Any]) -> dict[str, str]:
    """For each host the line about its batch. The play shows that of the first host that is left."""
    hosts, sizes = plan_["batches"], plan_["serial"]
    lines: dict[str, str] = {}
    done = 0
    for number, size in enumerate(sizes, 1):
        batch = hosts[done : done + size]
        text = f"Batch {number} of {len(sizes)}: {_count(batch)} ({_hostlist.fold(batch)}); {done} of {len(hosts)} done before"
        lines.update(dict.fromkeys(batch, text))
        done += size
    return lines


def summary(plan_: t.Mapping[str, t.Any], failed: t.Mapping[str, str]) -> list[str]:
    """The result of a rollout, in a few lines."""
    if not plan_["lead"]:
        return ["Nothing to do: every host runs what is defined."]
    done = [host for host in plan_["batches"] if host not in failed]
    lines = [f"Rollout {plan_['rollout']['name']} is committed."]
    if done:
        lines.append(f"{_count(done)} run the new release, proven by sha256 on each.")
    if delivered := [host for host in plan_["deliver"] if host not in failed]:
        proven = [node for node in {**plan_["met"], **plan_["proving"]} if node not in failed]
        lines.append(
            f"Slurm delivers the new release to {_count(delivered)}, with the next job there; proven by a probe on {len(proven)}."
        )
    if plan_["probed"]:
        lines.append(f"Canary: {_hostlist.fold(plan_['probed'])}.")
    if plan_["conf"] or plan_["reconfigure"]:
        lines.append("slurm.conf has changed, and Slurm has read it.")
    lines += [f"Out of service before, and left so: {node}: {words}" for node, words in plan_["out"].items()]
    lines += [f"Failed and left drained: {host}: {reason}" for host, reason in failed.items()]
    lines += [f"Not reached, drained until the next run: {_hostlist.fold(plan_['drain'])}"] if plan_["drain"] else []
    lines += (
        [f"Not reached, left as they are until the next run: {_hostlist.fold(plan_['left'])}"] if plan_["left"] else []
    )
    return lines


def undo_message(
    undo: t.Mapping[str, t.Any],
    outcome: t.Mapping[str, t.Any],
    failed: t.Mapping[str, str],
    resumed: t.Mapping[str, t.Any],
    released: t.Mapping[str, t.Any],
    absent: t.Mapping[str, t.Any],
) -> str:
    """Why a rollout was undone, and the result of the undo, for a person."""
    what = (
        f"Rolled back from {undo['name']} to {undo['commit']['name']}"
        if undo["commit"]
        else f"The rollout {undo['name']} is undone"
    )
    # Where Slurm alone delivers, no host was asked.
    is_proven = any(undo["steps"].values())
    if outcome["not_restored"]:
        lines = [f"{what}, but not everywhere."]
    elif outcome["still_waiting"]:
        lines = [f"{what}{', and each host has proven it by sha256' * is_proven}; but some nodes or jobs still wait."]
    else:
        lines = [f"{what}{'; each host has proven it by sha256' * is_proven}."]
    if undo["delivered"] and not set(undo["delivered"]) & set(outcome["not_restored"]):
        lines.append(f"Slurm delivers the previous release to {_count(undo['delivered'])}, with the next job there.")
    told = {record["node"] for record in outcome["failures"]}
    reasons: dict[str, list[str]] = {}
    for host, reason in failed.items():
        # The record of the script, which follows, says more than Slurm's own two words.
        if not (host in told and reason.startswith(tuple(_ownership.SCRIPT_REASONS))):
            reasons.setdefault(reason, []).append(host)
    lines += [f"- {_hostlist.fold(hosts)}: {reason}" for reason, hosts in reasons.items() if reason]
    shown: set[tuple[str, str]] = set()
    # The newest one: the same scripts may have failed in an earlier try.
    for record in sorted(outcome["failures"], key=lambda record: str(record["time"]), reverse=True):
        key = (record["hook"], record["script"])
        if key in shown:
            continue
        shown.add(key)
        if record.get("cause") == _held_jobs.UNASKED:
            lines.append(
                f"- {record['hook']} failed on {record['node']} for job {record['job']}. Ansible does not connect to this node: see "
                f"{LOG_DIR}/{record['hook']}.log there."
            )
            continue
        job = f" for job {record['job']}" if record.get("job") else ""
        lines.append(
            f"- {record['hook']}: script {record['script']} ended with exit code {record['exit']}{_hook_log.cause(record)} "
            f"on {record['node']}{job}."
        )
        output = [
            record.get("output", "")
            for record in outcome["failures"]
            if (record["hook"], record["script"]) == key and record.get("output")
        ]
        if output:
            lines.append(
                "  It printed last:\n" + "\n".join(f"    {line}" for line in output[-1].rstrip().splitlines()[-10:])
            )
    lines += [
        f"- Not restored on {host}: {reason.rstrip('.')}. Fix this, then run again."
        for host, reason in outcome["not_restored"].items()
    ]
    lines += [
        f"- Nodes or jobs still wait: {said.rstrip('.')}. Fix this, then run again."
        for said in outcome["still_waiting"]
    ]
    if absent.get("failed"):
        lines.append(
            f"- The probes' jobs and reservation are left: {str(absent['msg']).rstrip('.')}. They end by themselves within "
            "minutes, and the next run removes what is left."
        )
    elif absent.get("strangers"):
        lines.append(
            f"- The probes' reservation stays until it ends by itself, because jobs of others use it: {', '.join(absent['strangers'])}."
        )
    if resumed.get("changed_nodes"):
        lines.append(f"Resumed: {resumed['changed_nodes']}.")
    lines += [f"Left alone: {node}, {reason}." for node, reason in (resumed.get("foreign") or {}).items()]
    if released.get("released"):
        lines.append(f"Released the held jobs {', '.join(released['released'])}.")
    return "\n".join(lines)


def status(hosts: t.Iterable[str], answers: Answers, history: t.Mapping[str, t.Any]) -> tuple[list[str], list[str]]:
    """The releases of the hosts, equal ones in one line, and the state of the journal; then the hosts that have not proven theirs.

    history may be the error of a controller that cannot be asked.
    """
    committed = (history.get("committed") or [None])[0]
    open_ = history.get("journal")
    if "committed" not in history:
        lines = [f"What was committed is not known: {history.get('msg') or 'the controller cannot be asked'}"]
    else:
        lines = [f"Committed: {committed['name']}" if committed else "Nothing was committed yet."]
    if open_:
        lines.append(f"A rollout is under way or was cut off: {open_['name']}, in the phase {open_['phase']}")
    wanted = (committed or {"hosts": {}})["hosts"]
    said = {}
    unproven = []
    for host in hosts:
        answer = answers[host].get("proven") or {}
        proof = answer.get("proof")
        if answer.get("skipped"):
            id_ = wanted.get(host, "")[:ID_LENGTH]
            text = f"release {id_}, from Slurm with its next job; not asked" if id_ else "no release; Slurm delivers it"
        elif answer.get("unreachable") or proof is None:
            text = answer.get("msg") or "no answer"
            unproven.append(host)
        elif not proof["release"]:
            text = "no release"
            unproven += [host] if wanted.get(host) else []
        else:
            lacks = shortfalls(proof, wanted.get(host, proof["release"]))
            text = f"release {proof['release'][:ID_LENGTH]}, " + "; ".join([*(lacks or ["proven"]), *additions(proof)])
            unproven += [host] if lacks else []
        said[host] = text
    return lines + by_text(said), unproven


def by_text(said: t.Mapping[str, str]) -> list[str]:
    """A line for each text, with the hosts that it is about."""
    groups: dict[str, list[str]] = {}
    for host, text in said.items():
        groups.setdefault(" ".join(text.split()), []).append(host)
    return [f"{_hostlist.fold(members)}: {text}" for text, members in groups.items()]


def _count(hosts: t.Sequence[str]) -> str:
    return "1 host" if len(hosts) == 1 else f"{len(hosts)} hosts"
