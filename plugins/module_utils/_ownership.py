# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Whose drain is it? This collection may resume, or give another reason to, only the nodes that it drained. Pure.

A drain is ours if its reason, user and time all say so. Each reason that we write ends with the moment of writing. Slurm records a time
and a user of its own with each new reason (unless the text is the very same, 22.05 to 24.11). So an administrator who keeps our words and
adds more has taken the drain over: the time, the user or the end of the reason differs.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _hook_log
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Node, epoch, utc

#: Every reason of ours begins with it.
MARK = "nodecycle: "
#: And ends with the moment at which it was written, in UTC.
_STAMP = re.compile(r" @([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})\Z")
#: Seconds by which Slurm's own time of a reason may differ from that.
_MOMENT = 5
#: The user as whom our modules run, unless somebody calls them otherwise.
WRITER = "root"

#: States and flags of a node that takes no jobs although nobody drained it. Slurm sets them, or an administrator.
_OUT_OF_SERVICE = frozenset({"DOWN", "DYNAMIC_FUTURE", "ERROR", "FAIL", "FUTURE", "UNKNOWN"})
#: Those of a node that was switched off to save power, or is about to be; a job brings it back.
_SWITCHED_OFF = frozenset({"POWERED_DOWN", "POWERED_OFF", "POWERING_DOWN"})
#: Those of a node that somebody has set aside, or that does not answer now. It gets its release, and is no canary unless the user says so.
SET_ASIDE = frozenset(
    {
        "BLOCKED",
        "EXTERNAL",
        "INVALID_REG",
        "MAINTENANCE",
        "NOT_RESPONDING",
        "POWERING_UP",
        "POWER_DOWN",
        "POWER_UP",
        "REBOOT_ISSUED",
        "REBOOT_REQUESTED",
        "RESERVED",
    }
)
#: Those of a node in a reservation.
OF_RESERVATIONS = frozenset({"MAINTENANCE", "RESERVED"})
#: The others that Slurm has (26.05: node_states and node_state_flags of slurm_protocol_defs.c), from the best canary to the worst.
#: DRAIN is asked for by V(Node.is_drained).
RANKS = {
    **dict.fromkeys(("IDLE", "CLOUD", "DYNAMIC_NORM", "RESUME", "DRAIN"), 0),
    "PLANNED": 1,
    "COMPLETING": 2,
    "MIXED": 3,
    "ALLOCATED": 4,
}
#: The hook that ends in each of the two reasons.
HOOK_REASONS = {"Prolog error": "worker_prolog", "Epilog error": "worker_epilog"}

#: What Slurm itself writes, in exactly these words, where a prolog or epilog failed, or where a batch script could not be
#: started, as after a prolog that filled the disk (node_mgr.c, agent.c, proc_req.c, job_mgr.c of 22.05 to 26.05).
SCRIPT_REASONS = frozenset({*HOOK_REASONS, "Prolog/Epilog failure", "batch job complete failure"})

#: Flags under which we do not resume a node: Slurm refuses the first, the others are somebody's reboot, which would be lost.
_BLOCKED = {
    "INVALID_REG": "its slurmd registered with other hardware than slurm.conf says",
    "REBOOT_REQUESTED": "a reboot was asked for",
    "REBOOT_ISSUED": "it is being rebooted",
}

_OTHERS = "somebody else's"

#: Clocks of a cluster may differ by so many seconds, or munge would not let them talk.
_CLOCKS = 300


class BeforeError(ValueError):
    """The nodes' state before a change cannot be read; the message names the node."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """The nodes to change, and those left alone with the reason that somebody else gave."""

    names: list[str]
    foreign: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Change:
    """The actions and observations of a run, which tell its own drains from those of others.

    C(activated) has the controller's seconds at which a node got the new release, C(before) the node as it was then.
    """

    activated: dict[str, float]
    before: dict[str, Node]


def facts(node: Node, slurm_user: str, writer: str = WRITER) -> dict[str, t.Any]:
    """A node as the modules return it."""
    return {
        "state": node.state,
        "flags": sorted(node.flags),
        "partitions": list(node.partitions),
        "reason": node.reason,
        "reason_user": node.reason_user,
        "reason_time": node.reason_time,
        "owner": owner(node, slurm_user, writer),
    }


def from_facts(nodes: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[Node]:
    """The nodes as facts() returned them."""
    return [
        Node(
            name,
            said["state"],
            frozenset(said["flags"]),
            tuple(said["partitions"]),
            said["reason"],
            said["reason_user"],
            said["reason_time"],
        )
        for name, said in nodes.items()
    ]


def change(activated: t.Mapping[str, t.Any], before: t.Mapping[str, t.Any]) -> Change:
    """A change from the arguments of a module, C(before) as facts() returns it. Raises BeforeError."""
    times: dict[str, float] = {}
    for name, value in activated.items():
        try:
            times[name] = float(value)
        except (TypeError, ValueError):
            raise BeforeError(f"activated: {name}: {value!r} is not a number of seconds") from None
    nodes: dict[str, Node] = {}
    for name, value in before.items():
        state, flags = (value.get("state"), value.get("flags")) if isinstance(value, dict) else (None, None)
        if not isinstance(state, str) or not state or not isinstance(flags, list):
            raise BeforeError(f"before: {name}: needs state and flags as node_info returns them, not {value!r}")
        nodes[name] = Node(name, state, frozenset(map(str, flags)), ())
    return Change(times, nodes)


def mark(reason: str) -> str:
    """A reason with our mark, on one line as Slurm keeps it."""
    return MARK + " ".join(reason.split())


def stamped(marked: str, now: int) -> str:
    """A marked reason as it is written at a moment of the controller's clock."""
    return f"{marked} @{utc(now)}"


def _unstamped(reason: str) -> str:
    return _STAMP.sub("", reason)


def is_out(node: Node) -> bool:
    """Whether the node takes no new jobs, whatever the cause."""
    return node.is_drained or not _OUT_OF_SERVICE.isdisjoint({node.state, *node.flags})


def is_in_service(node: Node | None) -> bool:
    """Whether a node may get jobs now."""
    return node is not None and not is_out(node) and _SWITCHED_OFF.isdisjoint({node.state, *node.flags})


def busyness(node: Node) -> int:
    """How much a node has to do: 0 for one that is plainly idle."""
    return max(RANKS.get(word, 0) for word in (node.state, *node.flags))


def _words(node: Node) -> str:
    return f"{node.reason} [{node.reason_user}@{node.reason_time}]" if node.reason else "(no reason given)"


def describe(node: Node) -> str:
    """State, flags and reason of a node for a person."""
    state = "+".join([node.state, *sorted(node.flags)])
    # 24.11 keeps the reason of a drain after the resume; then it says nothing about the present.
    return f"{state}, {_words(node)}" if is_out(node) and node.reason else state


def is_ours(node: Node, writer: str = WRITER) -> bool:
    """Whether the node is drained, and by us: reason, user and time say so."""
    stamp = _STAMP.search(node.reason)
    if not (node.is_drained and node.reason.startswith(MARK) and stamp and node.reason_user == writer):
        return False
    written, given = epoch(stamp.group(1)), epoch(node.reason_time)
    return written is not None and given is not None and abs(written - given) <= _MOMENT


def to_stamp_again(nodes: t.Iterable[Node], reason: str, writer: str = WRITER) -> list[str]:
    """The nodes that have the reason just written, but with a time of Slurm's that is not that of its stamp."""
    return [
        node.name
        for node in nodes
        if node.reason == reason and node.reason_user == writer and node.is_drained and not is_ours(node, writer)
    ]


def to_drain(nodes: t.Iterable[Node], reason: str, writer: str = WRITER) -> Plan:
    """The nodes to drain: neither those that are drained for this reason, nor those that somebody else took out of service."""
    names, foreign = [], {}
    for node in nodes:
        if is_ours(node, writer):
            if _unstamped(node.reason) != mark(reason):
                names.append(node.name)
        elif is_out(node):
            foreign[node.name] = _words(node)
        else:
            names.append(node.name)
    return Plan(names, foreign)


def owner(node: Node, slurm_user: str, writer: str = WRITER) -> str:
    """The cause of a node being out of service: V(ours), V(slurm), V(other), or empty if it is in service."""
    if is_ours(node, writer):
        return "ours"
    if not is_out(node):
        return ""
    return "slurm" if node.reason and node.reason_user == slurm_user else "other"


def _not_by(node: Node, seen: Change, slurm_user: str, writer: str = WRITER) -> str:
    """The reason why a change did not drain this node; empty if it did."""
    before = seen.before.get(node.name)
    activated = seen.activated.get(node.name)
    if before is None:
        return "its state before the change is not known"
    if is_out(before):
        return "it was out of service before the change"
    if activated is None:
        return "the change did not reach it"
    if is_ours(node, writer):
        return ""
    if node.reason not in SCRIPT_REASONS or node.reason_user != slurm_user:
        return _OTHERS
    since = epoch(node.reason_time)
    # Slurm counts whole seconds.
    return "" if since is not None and since >= int(activated) else "older than the change"


def to_resume(
    nodes: t.Iterable[Node], reason: str, slurm_user: str = "", seen: Change | None = None, writer: str = WRITER
) -> Plan:
    """The nodes that may be resumed: those that we drained, for a reason that begins like this one.

    With a change, only those drained through it, and those too that Slurm drained because of the scripts.
    """
    names, foreign = [], {}
    for node in nodes:
        if not node.is_drained or (is_ours(node, writer) and not node.reason.startswith(mark(reason))):
            continue
        blocked = [words for flag, words in _BLOCKED.items() if flag in node.flags]
        if seen is not None:
            blocked = [why] if (why := _not_by(node, seen, slurm_user, writer)) else blocked
        elif not is_ours(node, writer):
            blocked = [_OTHERS]
        if blocked:
            foreign[node.name] = _words(node) if blocked[0] == _OTHERS else f"{_words(node)}: {blocked[0]}"
        else:
            names.append(node.name)
    return Plan(names, foreign)


def failed_through(nodes: t.Iterable[Node], seen: Change, slurm_user: str) -> dict[str, str]:
    """The nodes that Slurm drained because of the scripts of a change, each with Slurm's words."""
    return {
        node.name: _words(node)
        for node in nodes
        if node.is_drained and not is_ours(node) and not _not_by(node, seen, slurm_user)
    }


def unfinished(nodes: t.Iterable[Node]) -> dict[str, str]:
    """The nodes that do not take jobs, or not yet: Slurm asks a resumed node whether it is there before it sends it any."""
    return {node.name: describe(node) for node in nodes if is_out(node) or "NOT_RESPONDING" in node.flags}


def _explains(failure: t.Any, node: Node) -> bool:
    """Whether a failure record of the dispatcher is that of this drain: its hook, and ended when Slurm drained the node."""
    if (
        not isinstance(failure, dict)
        or failure.get("hook") != HOOK_REASONS.get(node.reason)
        or not failure.get("script")
    ):
        return False
    ended, drained = _hook_log.ended(failure), epoch(node.reason_time)
    return ended is not None and drained is not None and abs(ended - drained) <= _CLOCKS


def _integer(value: t.Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def explanation(failure: t.Mapping[str, t.Any]) -> str:
    """A failure record of the dispatcher as a reason, without our mark."""
    how = "timeout" if failure.get("cause") == "timeout" else f"exit {_integer(failure.get('exit'))}"
    return " ".join(
        [
            str(failure["hook"]),
            str(failure["script"]),
            how,
            f"job {failure.get('job') or 'unknown'}",
            f"release {str(failure.get('release'))[:8]}",
        ]
    )


def to_explain(
    nodes: t.Iterable[Node], failures: t.Mapping[str, t.Any], slurm_user: str, writer: str = WRITER
) -> tuple[dict[str, str], dict[str, str]]:
    """The better reason of each node that Slurm drained for a failing hook, and the drained nodes of others with theirs.

    A node without a record that fits keeps Slurm's words.
    """
    reasons, foreign = {}, {}
    for node in nodes:
        if not node.is_drained or is_ours(node, writer):
            continue
        if node.reason not in HOOK_REASONS or node.reason_user != slurm_user:
            foreign[node.name] = _words(node)
        elif _explains(failures.get(node.name), node):
            reasons[node.name] = mark(explanation(failures[node.name]))
        else:
            foreign[node.name] = f"{_words(node)}: no failure record of that hook and time"
    return reasons, foreign
