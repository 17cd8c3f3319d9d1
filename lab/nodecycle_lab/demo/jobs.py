# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of the demonstration: submitted as alice, and waited for."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shlex
import subprocess
import time

from . import hosts as lab
from .on_host import OUTPUT
from .report import Report

#: What a job looks at: whatever the definition is, TMPDIR is worth a look.
LOOK = 'echo "hello from $(hostname), TMPDIR=${TMPDIR-}"; if [ "${TMPDIR-}" ]; then ls -ld "$TMPDIR"; fi; sleep 1'
#: name, arguments of sbatch, command.
BATCH_JOBS = (
    ("batch", ["--nodes=1"], LOOK),
    ("gpu", ["--nodes=1", "--partition=gpu"], LOOK),
    ("3-nodes", ["--nodes=3", "--ntasks=3"], f"srun sh -c {shlex.quote(LOOK)}"),
    ("array", ["--nodes=1", "--array=1-3"], LOOK),
)


@dataclasses.dataclass
class Job:
    id: str
    name: str
    partition: str
    state: str
    reason: str
    exit: str
    nodes: list[str]
    #: How many nodes it wants, or has.
    size: int

    @property
    def is_over(self) -> bool:
        return self.state not in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED")


def hosts_in(expression: str) -> list[str]:
    """worker1 and worker[1-3], which is all that the lab has."""
    match = re.fullmatch(r"([a-z]+)\[([\d,-]+)\]", expression)
    if not match:
        return [expression] if expression not in ("", "(null)") else []
    names = []
    for part in match[2].split(","):
        first, _, last = part.partition("-")
        names += [f"{match[1]}{number}" for number in range(int(first), int(last or first) + 1)]
    return names


def jobs_of(after: int) -> list[Job]:
    """The jobs with a number greater than this one."""
    jobs = []
    for line in lab.run("controller", "scontrol", "show", "job", "-o").stdout.splitlines():
        field = dict(re.findall(r"(\S+?)=(\S*)", line))
        if "JobId" not in field or int(field["JobId"]) <= after:
            continue
        # An array that waits as a whole is one line without a task of its own yet.
        task = f" [{field['ArrayTaskId']}]" if "ArrayTaskId" in field else ""
        state, nodes = field["JobState"], hosts_in(field.get("NodeList", ""))
        jobs.append(
            Job(
                field["JobId"],
                field["JobName"] + task,
                field["Partition"],
                state,
                field["Reason"],
                field["ExitCode"],
                nodes,
                # A range while it waits: 3-3.
                int(field["NumNodes"].partition("-")[0]),
            )
        )
    return sorted(jobs, key=lambda job: int(job.id))


def last_job() -> int:
    """The number of the newest job, so that the demo's own are told from earlier ones."""
    config = lab.out("controller", "scontrol", "show", "config")
    match = re.search(r"^NEXT_JOB_ID\s*=\s*(\d+)", config, re.MULTILINE)
    return int(match[1]) - 1 if match else 0


def submit() -> subprocess.Popen[str]:
    """All jobs at once, as alice; the interactive one is the process that is returned."""
    for name, arguments, command in BATCH_JOBS:
        script = f"#!/bin/sh\n{command}\n"
        sbatch = ["sbatch", "--parsable", f"--job-name={name}", f"--output={OUTPUT}", *arguments]
        lab.out("login", *sbatch, user="alice", text=script)
    srun = lab.command("login", "srun", "--job-name=interactive", "sh", "-c", LOOK, user="alice")
    return subprocess.Popen(srun, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def is_stuck(job: Job, nodes: list[lab.Node]) -> bool:
    """Whether a job waits for something that does not happen by itself: it is held, or too many nodes of its partition are out."""
    left = [node for node in nodes if job.partition in node.partitions and not node.is_out]
    return job.state == "PENDING" and ("held" in job.reason or len(left) < job.size)


def wait(report: Report, after: int, srun: subprocess.Popen[str], limit: float) -> list[Job]:
    """Until all jobs are over, or nothing moves any more because nodes are drained; what is left is cancelled."""
    end = time.monotonic() + limit
    still_since: float | None = None
    while True:
        jobs = jobs_of(after)
        left = [job for job in jobs if not job.is_over]
        if not left and (srun.poll() is not None):
            return jobs
        nodes = lab.nodes()
        is_moving = not left or not all(is_stuck(job, nodes) for job in left)
        still_since = None if is_moving else still_since or time.monotonic()
        if time.monotonic() > end or (still_since and time.monotonic() - still_since > 3):
            why = (
                f"they did not end within {limit:.0f} s"
                if time.monotonic() > end
                else "held, or no node is left that would take them"
            )
            report.line(f"{len(left)} jobs are cancelled: {why}", 0)
            lab.run("controller", "scancel", "--user=alice")
            with contextlib.suppress(subprocess.TimeoutExpired):
                srun.wait(timeout=15)
            srun.kill()
            return jobs
        time.sleep(0.7)
