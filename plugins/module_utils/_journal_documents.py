# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The content of the journal: its phases, and its documents with their fields and the shapes that are checked."""

from __future__ import annotations

import enum
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _documents, _hook_log, _ownership

#: The next run's decision about a rollout whose run was killed. It finishes it if it wants the same and nothing has failed; else it undoes it.
FINISH = "finish"
#: It undoes, whatever it wants.
UNDO = "undo"


class Phase(str, enum.Enum):
    """The phases of a rollout, in the order of a run. The journal names one before the run takes its first step."""

    OPENED = "opened"
    CONF = "conf"
    CANARY = "canary"
    BATCHES = "batches"
    UNDO = "undo"


#: By the phase in which the run was killed.
RECOVERY = {
    # Releases are staged, and no job has met anything.
    Phase.OPENED: FINISH,
    # slurm.conf changes, and Slurm is told.
    Phase.CONF: FINISH,
    # The probe's jobs meet the release, and nobody else's.
    Phase.CANARY: FINISH,
    # Host by host the release becomes the active one.
    Phase.BATCHES: FINISH,
    # Something has failed, or somebody wants the previous state: the run restores it.
    Phase.UNDO: UNDO,
}


def recovery_of(rollout: t.Mapping[str, t.Any]) -> str:
    """The next run's decision about this rollout: V(finish) or V(undo)."""
    return RECOVERY[Phase(rollout["phase"])]


class Conf(t.TypedDict):
    """Our lines in a slurm.conf, and the keys that were adopted there."""

    text: str
    adopt: list[str]


#: The way to its release of a host to which Ansible does not connect.
SLURM = "slurm"


class _About(t.TypedDict):
    node: str
    kinds: list[str]


class About(_About, total=False):
    """A host's name in Slurm, and its kinds."""

    #: SLURM, or not there.
    delivery: str


#: A host of a rollout: also its releases before and after, and our lines in its slurm.conf before.
_Host = t.TypedDict("_Host", {"node": str, "kinds": t.List[str], "from": str, "to": str, "conf": t.Optional[Conf]})


class Host(_Host, total=False):
    """The same with its way to the release."""

    delivery: str


class _Commit(t.TypedDict):
    name: str
    #: Release by host.
    hosts: dict[str, str]
    about: dict[str, About]
    conf: Conf
    controllers: list[str]


class Commit(_Commit, total=False):
    """The releases of all hosts after a successful rollout. The newest one also has the nodes' previous state."""

    activated: dict[str, float]
    nodes: dict[str, dict[str, t.Any]]


class Committed(Commit):
    """The same in the history."""

    #: Seconds since 1970.
    committed: float


class Settings(t.TypedDict):
    """What can be set at run time (_run_time)."""

    #: Partition to its fields.
    partitions: dict[str, dict[str, str]]
    #: Hostlist to the fields of each of its nodes.
    nodes: dict[str, dict[str, str]]
    #: Key to its value in C(scontrol show config).
    config: dict[str, str]


class _Baseline(t.TypedDict):
    """The cluster before slurm.conf changes. It proves a reconfigure, and goes when that has succeeded."""

    #: Seconds since 1970 on the controller's clock.
    time: float
    #: Of all bytes of the files.
    digest: str
    #: Key (in lower case) to all its values in the files.
    keys: dict[str, list[str]]
    #: C(scontrol show config).
    config: dict[str, str]
    #: The jobs that had not ended.
    jobs: list[str]
    #: The nodes that answered.
    nodes: list[str]
    #: Whether a reconfigure was begun: from then on the nodes may have what the files said, whatever they say now.
    begun: bool


class Baseline(_Baseline, total=False):
    """The same with what can only be told while the controller runs what its files say."""

    settings: Settings


#: If nothing is known of the cluster before.
NO_BASELINE: Baseline = {"time": 0.0, "digest": "", "keys": {}, "config": {}, "jobs": [], "nodes": [], "begun": False}


class _Rollout(t.TypedDict):
    name: str
    phase: str
    #: Seconds since 1970.
    opened: float
    #: Whether the canary has passed.
    passed: bool
    #: Whether a slurm.conf may have changed.
    conf_changed: bool
    #: The hosts and nodes that failed, each with the reason.
    failed: dict[str, str]
    hosts: dict[str, Host]
    controllers: list[str]
    slurm_user: str
    #: Our lines in slurm.conf after the rollout.
    conf: Conf
    #: The hosts that met the release, with the time.
    activated: dict[str, float]
    #: The nodes' previous state, as _ownership.facts() returns it.
    nodes: dict[str, dict[str, t.Any]]


class Rollout(_Rollout, total=False):
    """The rollout under way."""

    conf_path: str
    #: Until Slurm has read the changed slurm.conf.
    baseline: Baseline
    #: The nodes that were drained because their hosts could not be reached.
    drained: list[str]
    #: The failures of the rollout's scripts.
    failures: list[_hook_log.Record]
    #: Of a rollback, what is committed when it has been undone so far.
    commit: Commit | None


class Holder(t.TypedDict):
    """The run that holds the lock."""

    run: str
    machine: str
    pid: int
    started: str
    user: str
    host: str
    boot: str
    #: Seconds since 1970.
    since: float
    #: Seconds since the controller's boot.
    seen: float


class SeenHolder(Holder):
    """The same with the age of his last sign of life in seconds."""

    age: int


_BASELINE = _documents.fields(
    {
        "time": _documents.number,
        "digest": _documents.text,
        "keys": _documents.each(_documents.many(_documents.text)),
        "config": _documents.each(_documents.text),
        "jobs": _documents.many(_documents.text),
        "nodes": _documents.many(_documents.text),
        "begun": _documents.flag,
    },
    {
        "settings": _documents.fields(
            {
                "partitions": _documents.each(_documents.each(_documents.text)),
                "nodes": _documents.each(_documents.each(_documents.text)),
                "config": _documents.each(_documents.text),
            }
        )
    },
)
_CONF = _documents.fields({"text": _documents.text, "adopt": _documents.many(_documents.text)})
_NODE = _documents.fields(
    {},
    {
        **dict.fromkeys(("state", "reason", "reason_user", "reason_time", "owner"), _documents.text),
        **dict.fromkeys(("flags", "partitions"), _documents.many(_documents.text)),
    },
)
_ABOUT = {"node": _documents.text, "kinds": _documents.many(_documents.text)}
_DELIVERY = {"delivery": _documents.text}


def _nodes(value: t.Any, where: str) -> None:
    """Nodes as _ownership.facts() tells of them."""
    _documents.each(_NODE)(value, where)
    try:
        _ownership.from_facts(value)
        _ownership.change({}, value)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise _documents.DocumentError(f"{where} does not say what the nodes were like ({exc!r})") from exc


_BEFORE: dict[str, _documents.Shape] = {"activated": _documents.each(_documents.number), "nodes": _nodes}
_COMMIT: dict[str, _documents.Shape] = {
    "name": _documents.text,
    "hosts": _documents.each(_documents.text),
    "about": _documents.each(_documents.fields(_ABOUT, _DELIVERY)),
    "conf": _CONF,
    "controllers": _documents.many(_documents.text),
}
_HOST = _documents.fields(
    {**_ABOUT, "from": _documents.text, "to": _documents.text, "conf": _documents.maybe(_CONF)}, _DELIVERY
)


def _commit(more: t.Mapping[str, _documents.Shape]) -> _documents.Shape:
    """A committed rollout, or what is going to be one."""
    has_fields = _documents.fields({**_COMMIT, **more}, _BEFORE)

    def check(value: t.Any, where: str) -> None:
        has_fields(value, where)
        unknown = [host for host in value["hosts"] if host not in value["about"]]
        if unknown:
            raise _documents.DocumentError(f"{where}.about says nothing of {unknown[0]!r}")

    return check


SHAPES: dict[str, _documents.Shape] = {
    "journal": _documents.fields(
        {
            "name": _documents.text,
            "phase": _documents.matching("|".join(phase.value for phase in Phase), "a phase of a rollout"),
            "opened": _documents.number,
            "passed": _documents.flag,
            "conf_changed": _documents.flag,
            "failed": _documents.each(_documents.text),
            "hosts": _documents.each(_HOST),
            "controllers": _documents.many(_documents.text),
            "slurm_user": _documents.text,
            "conf": _CONF,
            **_BEFORE,
        },
        {
            "conf_path": _documents.text,
            "baseline": _BASELINE,
            "drained": _documents.many(_documents.text),
            "failures": _documents.many(_hook_log.FAILURE),
            "commit": _documents.maybe(_commit({})),
        },
    ),
    "committed": _documents.fields({"rollouts": _documents.many(_commit({"committed": _documents.number}))}),
    "lock": _documents.fields(
        {
            **dict.fromkeys(("run", "machine", "started", "user", "host", "boot"), _documents.text),
            "pid": _documents.whole,
            **dict.fromkeys(("since", "seen"), _documents.number),
        }
    ),
}
