# SPDX-License-Identifier: GPL-3.0-or-later
"""The effects of lab/example.yml, seen from the outside."""

from __future__ import annotations

import re
import typing as t

from .hosts import Facts
from .jobs import Job
from .report import Report


def show_effects(report: Report, jobs: list[Job], texts: dict[str, str], hosts: Facts) -> None:
    """What lab/example.yml is to bring about, looked at from the outside."""
    report.heading("effects of the example", "not from logs: looked at from the outside")

    def check(faults: t.Iterable[str], yes: str) -> None:
        found = list(faults)
        if not found:
            report.line(f"{report.good('ok')}  {yes}")
        for fault in found:
            report.fault(fault)

    def private(job: Job) -> list[str]:
        return re.findall(rf"^drwx------ .* alice .* /var/scratch/job\.{job.id}$", texts[job.id], re.MULTILINE)

    example = {name: host["example"] for name, host in hosts.items()}
    places = [(job, node) for job in jobs for node in job.nodes]
    check(
        (
            f"job {job.id}: task_prolog's `print` line is not in its output"
            for job in jobs
            if f"scratch of this job: /var/scratch/job.{job.id}" not in texts[job.id]
        ),
        "task_prolog: its `print` line is in the output of every job",
    )
    check(
        (
            f"job {job.id}: {len(private(job))} of {len(job.nodes)} directories of its own were there"
            for job in jobs
            if len(private(job)) != len(job.nodes)
        ),
        f"worker_prolog: each job had a directory on each of its nodes ({len(places)}), its owner's alone",
    )
    check(
        (
            f"/var/scratch/job.{job.id} is still on {node}"
            for job, node in places
            if f"job.{job.id}" in example[node]["scratch"]
        ),
        f"worker_epilog: all {len(places)} are gone",
    )
    check(
        (
            f"job {job.id} has no ~alice/.last-task-of-job-{job.id}"
            for job in jobs
            if f".last-task-of-job-{job.id}" not in example["login"]["task_epilog"]
        ),
        "task_epilog: each job has left its file in alice's home",
    )
    ours = {job.id for job in jobs}
    gpu = [job.id for job in jobs if job.partition == "gpu"]
    checked = [line.split()[0] for name in example for line in example[name]["gpu_check"] if line.split()[0] in ours]
    check(
        [f"the GPU check ran for the jobs {checked}, and {gpu} are in partition gpu"] if checked != gpu else [],
        f"partitions: the GPU check ran for job {', '.join(gpu)} in partition gpu, and for no other",
    )
    events = [line for line in example["controller"]["events"] if line.split()[1] in ours]
    check(
        [f"the event log has {len(events)} lines for {len(jobs)} jobs"] if len(events) != 2 * len(jobs) else [],
        f"controller_prolog and _epilog: the event log has a start and an end for each of {len(jobs)} jobs",
    )
    for event in [*events[:1], *events[-1:]]:
        report.cut(report.dim(event), 10)
    motd = example["login"]["motd"].splitlines()[-1:]
    check(
        [] if "$TMPDIR" in "".join(motd) else ["login_init: /etc/motd of the login node is another"],
        f"login_init: {''.join(motd)}",
    )
    workers = sorted({node for _job, node in places})
    check(
        (f"worker_init: {name} has no jq" for name in workers if not example[name]["has_jq"]),
        f"worker_init: its package is on {', '.join(workers)}",
    )
