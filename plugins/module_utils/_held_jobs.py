# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Jobs that Slurm put back and holds because their launch failed, told from those that somebody holds. Pure."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

#: For squeue. Without -r a task that came back is hidden in the line of its array; the reason is last, because it may be any text.
OPTIONS = ("-h", "-a", "-r", "-o", "%A|%i|%T|%S|%r")

#: What squeue says of such a job; scontrol has underscores for the blanks (job_mgr.c, 22.05 to 26.05).
_LAUNCH_FAILURES = frozenset({"launch failed requeued held", "launch failure limit exceeded requeued held"})

#: Slurm's hold after a failed launch is the kind that the job's owner may lift. An administrator's hold on top of it changes only
#: this kind, which the text forms hide behind the description.
_SLURMS_HOLD = "JobHeldUser"

_ID = re.compile(r"^[0-9]+(_[0-9]+)?$")


@dataclasses.dataclass(frozen=True)
class Job:
    """A job or array task of the queue."""

    #: The id of its own, which the hooks see: an array task has one, too.
    own_id: str
    #: As users write it: V(4711), or V(4711_2) for an array task.
    id: str
    state: str
    #: When it will start, if Slurm knows.
    start: str
    reason: str

    @property
    def is_launch_failure(self) -> bool:
        """Whether it is held because its launch failed."""
        return self.reason.replace("_", " ") in _LAUNCH_FAILURES


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The jobs that a failed launch holds, and those asked for that it does not, with why."""

    held: list[Job]
    foreign: dict[str, str]


def parse_queue(text: str) -> list[Job]:
    """What squeue prints for OPTIONS."""
    fields = (line.split("|", 4) for line in text.splitlines())
    return [Job(*values) for values in fields if len(values) == 5]


def parse_holds(text: str) -> dict[str, str]:
    """C(state_reason) of C(squeue --json) by the job's own id. Raises ValueError where it is no such document."""
    document = json.loads(text)
    try:
        return {str(job["job_id"]): str(job["state_reason"]) for job in document["jobs"]}
    except (KeyError, TypeError) as exc:
        raise ValueError(f"no list of jobs: {exc!r}") from exc


def malformed(ids: t.Iterable[str]) -> list[str]:
    """Those that are no ids of jobs or array tasks."""
    return [id_ for id_ in ids if not _ID.match(id_)]


def candidates(queue: t.Iterable[Job], asked: t.Collection[str] | None) -> list[Job]:
    """The jobs, among those asked for if there are any, of which has to be known who holds them."""
    return [job for job in queue if job.is_launch_failure and (asked is None or job.id in asked or job.own_id in asked)]


def judge(queue: t.Sequence[Job], asked: t.Collection[str] | None, holds: t.Mapping[str, str] | None) -> Verdict:
    """Which jobs are held by a failed launch alone. Without C(holds) nobody can say, and so none is."""
    held, foreign = [], {}
    for job in candidates(queue, asked):
        hold = None if holds is None else holds.get(job.own_id)
        if hold == _SLURMS_HOLD:
            held.append(job)
        elif hold is None:
            foreign[job.id] = (
                f"{job.reason}; whether an administrator holds it, too, is not known without squeue --json"
            )
        else:
            foreign[job.id] = f"{job.reason}; and {hold} since then"
    by_id = {id_: job for job in queue for id_ in (job.own_id, job.id)}
    for id_ in asked or ():
        found = by_id.get(id_)
        if found is None:
            foreign[id_] = "not in the queue"
        elif not found.is_launch_failure:
            foreign[id_] = f"{found.state}, {found.reason}"
    return Verdict(held, foreign)
