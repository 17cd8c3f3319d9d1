# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What administrators have set at run time (C(scontrol update)), and a reconfigure resets to what slurm.conf says.

Seen on 24.11.5: every field of a partition, also its State; a partition that was created or deleted; of a node its Weight, features and
CpuBind; the SuspendExc keys. Reason, Comment and Extra of a node stay. A partition that slurm.conf does not have ends all its jobs
(NODE_FAIL). ReconfigFlags keep some of it; what they keep does not differ afterwards.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf, _hostlist
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal_documents import Settings
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import SlurmError

if t.TYPE_CHECKING:
    from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Slurm

#: What C(scontrol update PartitionName=) takes (scontrol.1, 22.05 to 26.05), with the other names of it in slurm.conf.
PARTITION_FIELDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            *("AllocNodes", "AllowAccounts", "AllowGroups", "AllowQos", "Alternate", "CpuBind", "Default", "DefaultTime"),
            *("DefMemPerCPU", "DefMemPerNode", "DenyAccounts", "DenyQos", "DisableRootJobs"),
            *("ExclusiveUser", "ExclusiveTopo", "GraceTime", "Hidden", "JobDefaults", "LLN"),
            *("MaxCPUsPerNode", "MaxCPUsPerSocket", "MaxMemPerCPU", "MaxMemPerNode", "MaxNodes", "MaxTime", "MinNodes"),
            *("Nodes", "OverTimeLimit", "PowerDownOnIdle", "PreemptMode", "QoS", "ReqResv"),
            *("ResumeTimeout", "RootOnly", "State", "SuspendTime", "SuspendTimeout", "Topology", "TRESBillingWeights"),
        ),
        (),
    ),
    # Since 26.05.
    "Exclusive": ("exclusiveuser", "exclusivetopo", "oversubscribe", "shared"),
    "OverSubscribe": ("shared", "exclusive"),
    "PriorityJobFactor": ("priority",),
    "PriorityTier": ("priority",),
}  # fmt: skip
#: The same of C(scontrol update NodeName=).
NODE_FIELDS: dict[str, tuple[str, ...]] = {
    "Weight": (),
    "AvailableFeatures": ("feature", "features"),
    "ActiveFeatures": ("feature", "features"),
    "CpuBind": (),
}
#: Keys of slurm.conf that C(scontrol update) takes (23.02 and later).
CONFIG_FIELDS = ("SuspendExcNodes", "SuspendExcParts", "SuspendExcStates")

#: Fields that Slurm shows only where they are set, and what empties them.
_EMPTIED = {
    **dict.fromkeys(("Alternate", "DenyAccounts", "DenyQos", "Topology", "TRESBillingWeights"), ""),
    "CpuBind": "off",
}
#: Values by which Slurm shows that there is none.
_NOTHING = frozenset({"(null)", "N/A", "None"})

_FIELD = re.compile(r"(?:^| )(\w+)=(\S*)")
#: The first of the texts of administrators on a node's line, in which anything may stand.
_TEXTS = re.compile(r" (?:Reason|Comment|Extra|InstanceId|InstanceType)=")

Keys = t.Mapping[str, t.Sequence[str]]


@dataclasses.dataclass(frozen=True)
class Change:
    """One call of scontrol that restores something."""

    verb: str
    #: Empty for a key of slurm.conf.
    kind: str
    name: str
    fields: dict[str, str]

    def make(self, slurm: Slurm) -> None:
        """Make it. Raises SlurmError."""
        if self.kind == "NodeName":
            slurm.update_nodes(_hostlist.expand(self.name), **self.fields)
        elif self.kind == "":
            slurm.update_config(**self.fields)
        elif self.verb == "delete":
            slurm.delete_partition(self.name)
        elif self.verb == "create":
            slurm.create_partition(self.name, **self.fields)
        else:
            slurm.update_partition(self.name, **self.fields)

    def __str__(self) -> str:
        """As an administrator writes it."""
        named = [f"{self.kind}={self.name}"] if self.kind else []
        words = [self.verb, *named, *(f"{key}={value}" for key, value in self.fields.items())]
        return f"scontrol {' '.join(words)}"


# -- what is set


def parse_partitions(text: str) -> dict[str, dict[str, str]]:
    """C(scontrol show partition -a -o): of each partition the fields that can be set."""
    return {
        found["PartitionName"]: {key: value for key, value in found.items() if key in PARTITION_FIELDS}
        for line in text.splitlines()
        if (found := dict(_FIELD.findall(line))) and "PartitionName" in found
    }


def parse_nodes(text: str) -> dict[str, dict[str, str]]:
    """C(scontrol show node -o): the same of the nodes, by hostlists of nodes that have the same."""
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for line in text.splitlines():
        found = dict(_FIELD.findall(_TEXTS.split(line)[0]))
        if "NodeName" in found:
            same = tuple((key, found[key]) for key in NODE_FIELDS if key in found)
            groups.setdefault(same, []).append(found["NodeName"])
    return {_hostlist.fold(names): dict(same) for same, names in groups.items()}


def of(slurm: Slurm) -> Settings:
    """All of it, from the running controller. Raises SlurmError."""
    config = slurm.cluster().config
    return {
        "partitions": parse_partitions(slurm.call("scontrol", "show", "partition", "-a", "-o")),
        "nodes": parse_nodes(slurm.call("scontrol", "show", "node", "-o")),
        "config": {key: config[key] for key in CONFIG_FIELDS if key in config},
    }


# -- what slurm.conf says


def definitions(keys: Keys, kind: str) -> dict[str, dict[str, str]]:
    """Of each partition or node (kind: V(partitionname), V(nodename)) its keys in slurm.conf, in lower case, with those of DEFAULT."""
    found: dict[str, dict[str, str]] = {}
    default: dict[str, str] = {}
    for line in keys.get(kind, ()):
        fields = {key.lower(): value for key, value in _conf.pairs(line)}
        name = fields.pop(kind, "")
        if name.upper() == "DEFAULT":
            default = {**default, **fields}
            continue
        names = [name]
        with contextlib.suppress(_hostlist.HostlistError):
            names = _hostlist.expand(name) if kind == "nodename" else names
        for one in names:
            found[one] = {**default, **found.get(one, {}), **fields}
    return found


def vanishing(partitions: t.Iterable[str], keys: Keys, config: t.Mapping[str, str]) -> list[str]:
    """The running partitions that a reconfigure removes, with all their jobs, because slurm.conf does not have them."""
    if "keeppartinfo" in config.get("ReconfigFlags", "").lower():
        return []
    defined = definitions(keys, "partitionname")
    return [name for name in partitions if name not in defined]


# -- what a reconfigure has reset


def changes(before: Settings, now: Settings, old: Keys, new: Keys) -> list[Change]:
    """The calls that restore what a reconfigure has reset: all that differs, and of which slurm.conf has said the same before and after."""
    return [
        *_partition_changes(before["partitions"], now["partitions"], old, new),
        *_node_changes(before["nodes"], now["nodes"], old, new),
        *(
            Change("update", "", "", {key: _given(value)})
            for key, value in before["config"].items()
            if key in now["config"] and now["config"][key] != value and old.get(key.lower()) == new.get(key.lower())
        ),
    ]


def _partition_changes(
    before: t.Mapping[str, dict[str, str]], now: t.Mapping[str, dict[str, str]], old: Keys, new: Keys
) -> t.Iterator[Change]:
    was, is_ = definitions(old, "partitionname"), definitions(new, "partitionname")
    # Nodes=ALL and sets of nodes differ with the nodes of slurm.conf.
    same_nodes = all(old.get(key) == new.get(key) for key in ("nodename", "nodeset"))
    for name, fields in before.items():
        if name not in now:
            if name not in was and name not in is_:
                yield Change("create", "PartitionName", name, {"Nodes": fields.get("Nodes", "")})
                kept = {key: value for key, value in fields.items() if value not in _NOTHING and key != "Nodes"}
                yield Change("update", "PartitionName", name, kept)
            continue
        differing = {
            key: value
            for key, value in _differing(fields, now[name])
            if _says_the_same(key, PARTITION_FIELDS[key], was.get(name, {}), is_.get(name, {}))
            and (key != "Nodes" or same_nodes)
        }
        if differing:
            yield Change("update", "PartitionName", name, differing)
    for name in now:
        if name not in before and name in was and name in is_:
            yield Change("delete", "PartitionName", name, {})


def _node_changes(
    before: t.Mapping[str, dict[str, str]], now: t.Mapping[str, dict[str, str]], old: Keys, new: Keys
) -> t.Iterator[Change]:
    was, is_ = definitions(old, "nodename"), definitions(new, "nodename")
    present = {name: fields for names, fields in now.items() for name in _hostlist.expand(names)}
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for names, fields in before.items():
        for name in _hostlist.expand(names):
            differing = tuple(
                (key, value)
                for key, value in _differing(fields, present.get(name, fields))
                if _says_the_same(key, NODE_FIELDS[key], was.get(name, {}), is_.get(name, {}))
            )
            if differing:
                groups.setdefault(differing, []).append(name)
    for same, names_ in groups.items():
        yield Change("update", "NodeName", _hostlist.fold(names_), dict(same))


def _differing(before: t.Mapping[str, str], now: t.Mapping[str, str]) -> t.Iterator[tuple[str, str]]:
    """The fields that are not as before, each with the value that makes them so."""
    for key, value in before.items():
        if now.get(key) != value:
            yield key, _given(value)
    for key in now:
        if key in _EMPTIED and key not in before:
            yield key, _EMPTIED[key]


def _says_the_same(key: str, others: t.Sequence[str], was: t.Mapping[str, str], is_: t.Mapping[str, str]) -> bool:
    return all(was.get(word) == is_.get(word) for word in (key.lower(), *others))


def _given(value: str) -> str:
    """A value as C(scontrol update) takes it."""
    return "" if value in _NOTHING else value


def restore(slurm: Slurm, due: t.Iterable[Change]) -> None:
    """Make these calls. What cannot be restored differs afterwards."""
    for change in due:
        try:
            change.make(slurm)
        except SlurmError:
            # One field that this version does not take must not cost the others.
            for key, value in change.fields.items() if change.verb == "update" else ():
                with contextlib.suppress(SlurmError):
                    dataclasses.replace(change, fields={key: value}).make(slurm)
