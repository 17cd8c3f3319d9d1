# SPDX-License-Identifier: GPL-3.0-or-later
"""The sections of the report."""

from __future__ import annotations

import datetime
import json
import re
import typing as t

from ..settings import ENGINE
from . import hosts as lab
from .expected import HOOKS, TASK_HOOKS, runs_of, scripts_of
from .hosts import Facts, Node
from .jobs import Job
from .on_host import LOGS, OUTPUT, RELEASES, STATE
from .report import WIDTH, Report, duration


def show_conf(report: Report, hosts: Facts) -> None:
    fragment = [line for line in hosts["controller"]["fragment"].splitlines() if line and not line.startswith("#")]
    report.heading("slurm.conf", "the lines of /etc/slurm/nodecycle.conf, and what `scontrol show config` says of them")
    if not fragment:
        report.line("there are none")
        return
    config: dict[str, str] = {}
    for line in lab.out("controller", "scontrol", "show", "config").splitlines():
        if match := re.match(r"(\w+)(?:\[0\])?\s+= (.*)", line):
            config.setdefault(match[1].lower(), match[2].strip())
    for line in fragment:
        key, _, value = line.partition("=")
        running = config.get(key.strip().lower())
        if running == value.strip():
            report.line(f"{report.good('ok')}  {line}")
        elif value.startswith(RELEASES):
            report.fault(f"{line}: Slurm runs {running}")
        else:
            # Slurm shows some keys in words of its own, and lines like NodeName not at all.
            report.cut(f"    {line}" + (f"   (Slurm says: {running})" if running else ""))


def described(report: Report, line: dict[str, t.Any]) -> str:
    text = f"{line['script']} {duration(line['ms'])}"
    return report.bad(f"{text} exit {line['exit']}") if line["exit"] else text


def show_init(report: Report, hosts: Facts) -> None:
    if not any(host["manifest"].get("init") for host in hosts.values()):
        return
    report.heading("init scripts", "at boot, and when new; the log's last run of each")
    for name, host in hosts.items():
        for hook, digest in host["manifest"].get("init", {}).items():
            last = {line["script"]: line for line in host["log"] if line.get("hook") == hook}
            shown = [described(report, last[script.name]) for script in scripts_of(host, hook) if script.name in last]
            mark = report.good("ok") if host["init_done"].get(hook) == digest else report.bad("--")
            report.line(f"{mark}  {name:<11}{hook:<17}{', '.join(shown)}")
            for script in scripts_of(host, hook):
                if script.name not in last:
                    report.fault(f"{hook}: {script.name} has no line in {name}:{LOGS}/{hook}.log")
            if host["init_done"].get(hook) != digest:
                report.fault(f"{hook} has not succeeded on {name} since it booted")


def show_jobs(report: Report, jobs: list[Job]) -> None:
    report.heading("jobs of alice")
    for job in jobs:
        state = report.good(job.state) if job.state == "COMPLETED" else report.bad(job.state)
        why = "" if job.reason in ("None", "") or job.state == "COMPLETED" else f"  {job.reason}"
        report.line(
            f"{job.id:>4}  {job.name:<12} {job.partition:<7} {', '.join(job.nodes) or '-':<26} {state} {job.exit}{why}"
        )
    for job in jobs:
        if job.state != "COMPLETED":
            report.fault(f"job {job.id} ({job.name}) did not complete: {job.state}, {job.reason}")


def show_hooks(report: Report, jobs: list[Job], hosts: Facts) -> None:
    example = ""
    for hook, words in HOOKS.items():
        if not any(scripts_of(host, hook) for host in hosts.values()):
            continue
        report.heading(hook, words)
        for job, place, lines, missing in runs_of(hook, jobs, hosts):
            if lines:
                report.line(
                    f"job {job.id:>4}  {job.name:<12} {place:<11} {', '.join(described(report, line) for line in lines)}"
                )
                example = example or json.dumps(lines[0], separators=(",", ":"))
            for name in missing:
                report.fault(f"{name} has no line for job {job.id} in {place}:{LOGS}/{hook}.log")
    if example:
        report.heading("such a line on disk")
        for start in range(0, len(example), WIDTH - 2):
            report.line(report.dim(example[start : start + WIDTH - 2]))


def show_task_hooks(report: Report, hosts: Facts) -> None:
    workers = [host for host in hosts.values() if host["manifest"].get("hooks", {}).get("task_prolog") is not None]
    for hook, words in TASK_HOOKS.items():
        names = sorted({script.name for host in workers for script in scripts_of(host, hook)})
        if not names:
            continue
        report.heading(hook, words)
        failed = [line for host in workers for line in host["task_failures"] if line.get("hook") == hook]
        report.line(
            f"{', '.join(names)}: {len(failed)} failures noted in syslog (they run as the user, so only failures are logged;"
        )
        report.line("the other runs are seen in what they did: the jobs' output, and the files they leave)")
        for line in failed:
            report.line(report.bad(f"job {line['job']} on {line['node']}: {line['script']} exit {line['exit']}"))


def outputs_of(jobs: list[Job], hosts: Facts, srun_output: str) -> dict[str, str]:
    """What the user saw of each job."""
    files = hosts["login"]["outputs"]
    return {
        job.id: srun_output if job.name == "interactive" else files.get(OUTPUT.replace("%j", job.id), "")
        for job in jobs
    }


def show_output(report: Report, jobs: list[Job], texts: dict[str, str]) -> None:
    report.heading("what alice saw", "the jobs' output")
    for job in jobs:
        if job.name.endswith(("[2]", "[3]")):
            continue
        report.line(report.paint("1", f"job {job.id}, {job.name}"))
        for line in texts[job.id].splitlines()[:12] or ["(nothing)"]:
            report.cut(line, 4)


def show_failures(report: Report, nodes: list[Node], jobs: list[Job], hosts: Facts, since: float) -> None:
    drained = [node for node in nodes if node.reason]
    ours = {job.id for job in jobs}
    found = []
    for name, host in hosts.items():
        for hook, record in host["failures"].items():
            is_new = (
                "time" in record
                and datetime.datetime.strptime(record["time"], "%Y-%m-%dT%H:%M:%S%z").timestamp() >= since - 1
            )
            if record and (record.get("job") in ours or is_new):
                found.append((name, hook, record))
    if not drained and not found:
        return
    report.heading("failures")
    for node in drained:
        report.fault(f"{node.name} is {node.state}: {node.reason}")
    for name, hook, record in found:
        report.line(
            f"{name}:{STATE}/{hook}/failure.json: {report.bad(record.get('script', '?'))} ended with "
            f"{record.get('exit')} ({record.get('cause')})" + (f", job {record['job']}" if record.get("job") else "")
        )
        for line in record.get("output", "").splitlines()[-8:]:
            report.cut(line, 6)


def show_proof(report: Report, hosts: Facts) -> None:
    report.heading("proof", "sha256 of what the next job or boot runs, read from each host's disk")
    alike: dict[str, list[str]] = {}
    for name, host in hosts.items():
        alike.setdefault(host["manifest"].get("id", ""), []).append(name)
    for release, names in alike.items():
        if not release:
            report.line(f"{', '.join(names)}: no release (nothing is defined there)")
            continue
        report.line(report.paint("1", f"release {release[:16]} on {', '.join(names)}"))
        for path, entry in sorted(hosts[names[0]]["manifest"]["files"].items()):
            differing = [name for name in names if hosts[name]["disk"].get(path) != entry["sha256"]]
            verdict = report.bad("DIFFERS") if differing else report.good("equal on disk and in the manifest")
            report.line(f"{entry['sha256'][:16]}  {path:<32} {verdict}", 4)
            for name in differing:
                report.fault(f"{name}:{RELEASES}/current/{path} has {hosts[name]['disk'].get(path)[:16] or 'gone'}")


def show_way_on(report: Report, definition: str) -> None:
    report.heading("look around, change something, run again")
    engine = "" if ENGINE == "podman" else f"LAB_ENGINE={ENGINE} "
    again = "make demo" if not definition else f"make demo {definition}"
    for command, words in (
        ("lab/lab exec -u alice login", "a shell as alice; try `srun hostname`"),
        ("lab/lab exec worker1 tail /var/log/nodecycle/worker_prolog.log", ""),
        ("lab/lab exec controller scontrol show node worker1", ""),
        (again, "after a change: only the change is applied"),
        *([] if definition else [("make demo VARS=my.yml", "your own scripts: docs/guide/try-your-scripts.md")]),
        ("make demo-down", "remove the cluster"),
    ):
        report.line(f"{report.paint('1', engine + command)}" + (f"   {report.dim(words)}" if words else ""))
