# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of ansible-playbook, measured; and the comparison of two ways to bring the same definition onto a cluster."""

from __future__ import annotations

import collections
import dataclasses
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t

import report

BENCH = pathlib.Path(__file__).resolve().parent
WAYS = {"ours": report.ROOT / "playbooks" / "site.yml", "plain": BENCH / "plain.yml"}


@dataclasses.dataclass(frozen=True)
class Run:
    """What one run of a playbook took. Module calls and round trips by host, as the connection names it."""

    seconds: float
    #: Of ansible-playbook and everything that it started on this machine.
    cpu_seconds: float
    #: The largest single process, which is ansible-playbook itself.
    memory_mib: float
    modules: collections.Counter[str]
    trips: collections.Counter[str]
    #: Tasks that ran for a host, on the control node or there.
    tasks: int


def play(way: str, inventory: str, environment: t.Mapping[str, str], arguments: t.Sequence[str]) -> Run:
    """One measured run; ends the whole benchmark where it fails."""
    with tempfile.TemporaryDirectory(prefix="nodecycle-bench-") as folder:
        calls, log = pathlib.Path(folder, "calls"), pathlib.Path(folder, "log")
        calls.touch()
        command = ["ansible-playbook", "-i", inventory, "-e", f"@{BENCH / 'definition.yml'}", *arguments, str(WAYS[way])]
        begin = time.monotonic()
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                cwd=report.ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    **environment,
                    "ANSIBLE_CONFIG": str(report.ROOT / "ansible.cfg"),
                    "ANSIBLE_CALLBACK_PLUGINS": str(BENCH / "plugins" / "callback"),
                    "ANSIBLE_CALLBACKS_ENABLED": "calls",
                    "ANSIBLE_CONNECTION_PLUGINS": str(BENCH / "plugins" / "connection"),
                    "BENCH_CALLS": str(calls),
                },
            )
            # wait4, not wait: it tells what this process and all that it waited for have used.
            _pid, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begin
        if process.returncode:
            sys.exit(f"{log.read_text(errors='replace')}\nbench: {' '.join(command)} ended with {process.returncode}; its output is above")
        noted = [line.split() for line in calls.read_text(encoding="utf-8").splitlines()]
    return Run(
        seconds,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
        collections.Counter(host for kind, host, _ in noted if kind == "module"),
        collections.Counter(host for kind, host, _ in noted if kind == "trip"),
        sum(kind == "task" for kind, _, _ in noted),
    )


def compare(sites: t.Mapping[str, tuple[str, t.Mapping[str, str]]], rounds: int, arguments: t.Sequence[str] = ()) -> dict[str, dict[str, list[Run]]]:
    """The first run, then rounds of a changed prolog and of no change, the ways by turns. sites: inventory and environment."""
    found: dict[str, dict[str, list[Run]]] = {kind: {way: [] for way in sites} for kind in ("first", "changed prolog", "no change")}
    for kind, revision in [("first", 0), *((kind, revision) for revision in range(1, rounds + 1) for kind in ("changed prolog", "no change"))]:
        for way, (inventory, environment) in sites.items():
            run = play(way, inventory, environment, [*arguments, "-e", f"bench_revision={revision}"])
            report.say(f"{kind}, {way}: {run.seconds:.1f} s, {run.modules.total()} module calls")
            found[kind][way].append(run)
    return found


def most(counter: collections.Counter[str], controller: str) -> int:
    """The largest number at a host other than the controller."""
    return max((number for host, number in counter.items() if host != controller), default=0)


def tables(found: dict[str, dict[str, list[Run]]], controller: t.Mapping[str, str]) -> str:
    """Ours beside plain."""

    def median(runs: list[Run], field: str) -> float:
        return statistics.median(float(getattr(run, field)) for run in runs)

    counts, costs = [], []
    for kind, ways in found.items():
        last = {way: runs[-1] for way, runs in ways.items()}
        counts += [
            [
                kind,
                f"**{way}**" if way == "ours" else way,
                str(most(run.modules, controller[way])),
                str(most(run.trips, controller[way])),
                str(run.modules[controller[way]]),
                str(run.modules.total()),
                str(run.trips.total()),
                str(run.tasks),
            ]
            for way, run in last.items()
        ]
        row = [kind]
        for field, digits in (("seconds", 1), ("cpu_seconds", 1), ("memory_mib", 0)):
            ours, plain = median(ways["ours"], field), median(ways["plain"], field)
            row += [f"{ours:.{digits}f}", f"{plain:.{digits}f}", f"**{plain / ours:.1f}**" if field == "seconds" else f"{plain / ours:.1f}"]
        costs.append(row)
    return (
        report.table(
            ["run", "way", "module calls, a worker", "round trips, a worker", "module calls, controller", "module calls, all", "round trips, all", "tasks, all"],
            counts,
        )
        + "\n"
        + report.table(
            ["run", "ours s", "plain s", "plain/ours", "ours CPU s", "plain CPU s", "plain/ours", "ours MiB", "plain MiB", "plain/ours"], costs
        )
    )
