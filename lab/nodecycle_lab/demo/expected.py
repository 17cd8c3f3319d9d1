# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts that should have run for the jobs, by each host's manifest, beside the lines of its log."""

from __future__ import annotations

import dataclasses
import typing as t

from .hosts import Facts
from .jobs import Job


@dataclasses.dataclass(frozen=True)
class Script:
    name: str
    partitions: tuple[str, ...]
    ignore: bool

    def runs_for(self, job: Job) -> bool:
        return not self.partitions or job.partition in self.partitions


def scripts_of(host: dict[str, t.Any], hook: str) -> list[Script]:
    """A hook's scripts on a host, from its manifest."""
    found = []
    for line in host["manifest"].get("summary", []):
        of, name, *words = line.split()
        options = dict(word.split("=", 1) for word in words)
        if of == f"{hook}:":
            partitions = tuple(options["partitions"].split(",")) if "partitions" in options else ()
            found.append(Script(name, partitions, options.get("on_failure") == "ignore"))
    return found


HOOKS = {
    "worker_prolog": "Prolog: root, on each node of a job, before it begins there",
    "worker_epilog": "Epilog: root, on each node of a job, after it",
    "controller_prolog": "PrologSlurmctld: SlurmUser, on the controller, when a job gets its nodes",
    "controller_epilog": "EpilogSlurmctld: SlurmUser, on the controller, when a job has ended",
}
TASK_HOOKS = {
    "task_prolog": "TaskProlog: the job's user, before each task",
    "task_epilog": "TaskEpilog: the job's user, after each task",
}


def runs_of(hook: str, jobs: list[Job], hosts: Facts) -> list[tuple[Job, str, list[dict[str, t.Any]], list[str]]]:
    """For each job and host: the log's lines, and the scripts that should be among them and are not."""
    rows = []
    for job in jobs:
        # A requeued job may have been on other nodes before.
        seen = [
            name
            for name, host in hosts.items()
            if any(line.get("job") == job.id for line in host["log"] if line.get("hook") == hook)
        ]
        places = list(dict.fromkeys([*(job.nodes if hook.startswith("worker") else ["controller"]), *seen]))
        for place in places:
            lines = [line for line in hosts[place]["log"] if line.get("hook") == hook and line.get("job") == job.id]
            missing = []
            if job.state == "COMPLETED":
                ran = {line["script"] for line in lines}
                for script in scripts_of(hosts[place], hook):
                    if script.runs_for(job) and script.name not in ran:
                        missing.append(script.name)
                    # A failing script ends its hook, unless its failure is ignored.
                    if not script.ignore and any(line["script"] == script.name and line["exit"] for line in lines):
                        break
            rows.append((job, place, lines, missing))
    return rows


def is_complete(jobs: list[Job], hosts: Facts) -> bool:
    return not any(missing for hook in HOOKS for *_, missing in runs_of(hook, jobs, hosts))
