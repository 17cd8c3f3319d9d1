# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Jobs that Slurm requeued and holds because their launch failed, as opposed to those that somebody holds."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils._hook_log import Record
from ansible_collections.nodecycle.slurm.plugins.module_utils._ownership import HOOK_REASONS
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import JOB_ID, Node, Slurm, epoch

#: For squeue, which shows the tasks of arrays one by one with -r: the id of its own, the id that users write, state, priority, start, submission.
COLUMNS = "%A|%i|%T|%Q|%S|%V"

#: Slurm's description of such a job; scontrol has underscores for the blanks (job_mgr.c, 22.05 to 26.05).
_LAUNCH_FAILURES = frozenset({"launch failed requeued held", "launch failure limit exceeded requeued held"})

#: Seconds between Slurm's drain of a node and its requeue of the job, at most.
_TOGETHER = 2
#: The cause of a failure of which only Slurm tells.
UNASKED = "unasked"

#: Slurm's hold after a failed launch is the kind that the job's owner may lift. An administrator's hold on top of it changes only
#: this kind, which the text forms hide behind the description.
_SLURMS_HOLD = "JobHeldUser"


@dataclasses.dataclass(frozen=True)
class Job:
    """A job or array task of the queue."""

    #: The id of its own, which the hooks see: an array task has one, too.
    own_id: str
    #: As users write it: V(4711), or V(4711_2) for an array task.
    id: str
    state: str
    priority: str
    #: When it will start, in UTC, if Slurm knows.
    start: str
    #: When it was submitted, in UTC. Slurm sets this anew when it requeues a job.
    submitted: str = ""

    @property
    def is_held(self) -> bool:
        """Whether it is held, by Slurm or by somebody."""
        return self.priority == "0" and self.state not in ("RUNNING", "COMPLETING", "SUSPENDED", "CONFIGURING")


@dataclasses.dataclass(frozen=True)
class Hold:
    """Why a held job is held."""

    #: Slurm's word for it, as V(JobHeldUser).
    kind: str
    #: What else it says; of a failed launch that it was one.
    description: str

    @property
    def is_launch_failure(self) -> bool:
        """Whether the job is held because its launch failed."""
        return self.description.replace("_", " ") in _LAUNCH_FAILURES


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The jobs that a failed launch holds, and those asked for that it does not, with why."""

    held: list[Job]
    foreign: dict[str, str]


def parse_queue(rows: t.Iterable[t.Sequence[str]]) -> list[Job]:
    """What squeue says for COLUMNS."""
    return [Job(*row) for row in rows if len(row) == 6]


def parse_holds(jobs: t.Iterable[t.Any]) -> dict[str, Hold]:
    """The holds in the jobs of C(squeue --json), by the job's own id and by that of the task. Raises ValueError if they are not such a list."""
    found: dict[str, Hold] = {}
    try:
        for job in jobs:
            hold = Hold(str(job["state_reason"]), str(job.get("state_description") or ""))
            array, task = _set(job.get("array_job_id")), _set(job.get("array_task_id"))
            found[str(job["job_id"])] = hold
            if array and task is not None:
                found[f"{array}_{task}"] = hold
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"not a list of jobs: {exc!r}") from exc
    return found


def _set(value: t.Any) -> t.Any:
    """A number, which new versions wrap in an object that says whether it is set."""
    return (value.get("number") if value.get("set") else None) if isinstance(value, dict) else value


def malformed(ids: t.Iterable[str]) -> list[str]:
    """Those that are not ids of jobs or array tasks."""
    return [id_ for id_ in ids if not JOB_ID.fullmatch(id_)]


def require_ids(ids: t.Iterable[str]) -> None:
    """Raise ValueError if one is not an id of a job or array task."""
    if wrong := malformed(ids):
        raise ValueError(f"{', '.join(map(repr, wrong))}: an id is a number like 4711, of an array task 4711_2")


def candidates(queue: t.Iterable[Job], asked: t.Collection[str] | None) -> list[Job]:
    """The held jobs, among those asked for if any, whose holder and reason the caller must find out."""
    return [job for job in queue if job.is_held and (asked is None or job.id in asked or job.own_id in asked)]


def evaluate(queue: t.Sequence[Job], asked: t.Collection[str] | None, holds: t.Mapping[str, Hold] | None) -> Verdict:
    """Which jobs are held by a failed launch alone. Without C(holds) nobody can say, and so none is."""
    held, foreign = [], {}
    for job in candidates(queue, asked):
        hold = None if holds is None else holds.get(job.id) or holds.get(job.own_id)
        if hold is None:
            foreign[job.id] = "held; only squeue --json tells by whom and why"
        elif hold.is_launch_failure and hold.kind == _SLURMS_HOLD:
            held.append(job)
        elif hold.is_launch_failure:
            foreign[job.id] = f"{hold.description}; and {hold.kind} since then"
        elif asked is not None:
            foreign[job.id] = f"{job.state}, {hold.kind}"
    by_id = {id_: job for job in queue for id_ in (job.own_id, job.id)}
    for id_ in asked or ():
        found = by_id.get(id_)
        if found is None:
            foreign[id_] = "not in the queue"
        elif not found.is_held:
            foreign[id_] = f"{found.state}, not held"
    return Verdict(held, foreign)


def failed_on(
    jobs: t.Iterable[Job],
    nodes: t.Iterable[Node],
    activated: t.Mapping[str, float],
    unasked: t.Container[str],
    slurm_user: str,
) -> list[Record]:
    """The failures of prologs that hold these jobs, as far as only nodes of activated can have had them, since the time given there.

    Those of nodes that are not among unasked are left out: their logs tell.

    Slurm does not say on which node a held job was started. But it drains the node (C(Prolog error)) and requeues the job in one step, so the
    times tell (24.11.5).
    """
    drained = [
        (node.name, moment)
        for node in nodes
        if node.is_drained
        and HOOK_REASONS.get(node.reason) == "worker_prolog"
        and node.reason_user == slurm_user
        and (moment := epoch(node.reason_time)) is not None
    ]
    found: list[Record] = []
    for job in jobs:
        requeued = epoch(job.submitted)
        near = [each for each in drained if requeued is not None and abs(each[1] - requeued) <= _TOGETHER]
        silent = [name for name, _moment in near if name in unasked]
        if silent and all(name in activated and moment >= int(activated[name]) for name, moment in near):
            found.append(
                {
                    "time": f"{job.submitted}+0000",
                    "hook": "worker_prolog",
                    "script": "",
                    "release": "",
                    "job": job.own_id,
                    "user": "",
                    "node": silent[0],
                    "exit": 0,
                    "cause": UNASKED,
                }
            )
    return found


def queued(slurm: Slurm) -> list[Job]:
    """All jobs that have not ended, each task of an array by itself. Raises SlurmError."""
    return parse_queue(slurm.queue(COLUMNS, "-r"))


def find(slurm: Slurm, asked: t.Collection[str] | None) -> Verdict:
    """Which jobs of the cluster are held by a failed launch alone, among those asked for if there are any. Raises SlurmError."""
    queue = queued(slurm)
    return evaluate(queue, asked, _holds(slurm, candidates(queue, asked)))


def _holds(slurm: Slurm, jobs: t.Iterable[Job]) -> dict[str, Hold] | None:
    """Why the jobs are held, or None where this squeue has no JSON. 22.05 answers with all jobs, so nobody asks without need."""
    found = slurm.jobs_json(dict.fromkeys(job.own_id for job in jobs))
    try:
        return None if found is None else parse_holds(found)
    except ValueError:
        return None
