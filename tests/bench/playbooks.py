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
#: The cheapest run that asks each host anything, as the floor, is only run where nothing changes.
WAYS = {"ours": report.ROOT / "playbooks" / "site.yml", "plain": BENCH / "plain.yml", "ping": BENCH / "ping.yml"}
KINDS = {"first": ("ours", "plain"), "changed prolog": ("ours", "plain"), "no change": ("ours", "plain", "ping")}

#: A way's inventory and environment.
Site = tuple[str, t.Mapping[str, str]]


@dataclasses.dataclass(frozen=True)
class Run:
    """The cost of one run of a playbook. Module calls and round trips by host, as the connection names it."""

    seconds: float
    #: Of ansible-playbook and everything that it started on this machine.
    cpu_seconds: float
    #: The largest single process, which is ansible-playbook itself.
    memory_mib: float
    modules: collections.Counter[str]
    trips: collections.Counter[str]
    #: Tasks that ran for a host and needed no connection to it.
    control: int


def play(
    way: str, inventory: str, environment: t.Mapping[str, str], arguments: t.Sequence[str], *, fails: bool = False
) -> Run:
    """One measured run. If it fails and should not, or the other way round, it ends the whole benchmark."""
    with tempfile.TemporaryDirectory(prefix="nodecycle-bench-") as folder:
        calls, log = pathlib.Path(folder, "calls"), pathlib.Path(folder, "log")
        calls.touch()
        command = [
            "ansible-playbook",
            "-i",
            inventory,
            "-e",
            f"@{BENCH / 'definition.yml'}",
            *arguments,
            str(WAYS[way]),
        ]
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
                    "ANSIBLE_CONNECTION_PLUGINS": f"{BENCH / 'plugins' / 'connection'}:{report.ROOT / 'lab/plugins/connection'}",
                    "BENCH_CALLS": str(calls),
                },
            )
            # wait4, not wait: it tells what this process and all that it waited for have used.
            _pid, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begin
        if bool(process.returncode) != fails:
            sys.exit(
                f"{log.read_text(errors='replace')}\nbench: {' '.join(command)} ended with {process.returncode}; its output is above"
            )
        noted = [line.split() for line in calls.read_text(encoding="utf-8").splitlines()]
    return Run(
        seconds,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
        collections.Counter(host for kind, host, _task in noted if kind == "module"),
        collections.Counter(host for kind, host, _task in noted if kind == "trip"),
        sum(kind == "local" for kind, _host, _task in noted),
    )


def compare(
    sites: t.Mapping[str, Site], rounds: int, arguments: t.Sequence[str] = ()
) -> dict[str, dict[str, list[Run]]]:
    """The first run, then rounds of a changed prolog and of no change, the ways by turns."""
    found: dict[str, dict[str, list[Run]]] = {kind: {way: [] for way in KINDS[kind] if way in sites} for kind in KINDS}
    for kind, revision in [
        ("first", 0),
        *((kind, revision) for revision in range(1, rounds + 1) for kind in ("changed prolog", "no change")),
    ]:
        for way, runs in found[kind].items():
            inventory, environment = sites[way]
            runs.append(play(way, inventory, environment, [*arguments, "-e", f"bench_revision={revision}"]))
            report.say(f"{kind}, {way}: {runs[-1].seconds:.1f} s, {runs[-1].modules.total()} module calls")
    return found


def most(counter: collections.Counter[str]) -> int:
    """The largest number at a worker."""
    return max((number for host, number in counter.items() if "controller" not in host), default=0)


def comparison(found: dict[str, dict[str, list[Run]]]) -> str:
    """A row for each run and way; of several rounds the median, and each with its ratio to ours."""
    rows = []
    for kind, ways in found.items():
        # Without rounds there is only the first run.
        if not ways["ours"]:
            continue
        ours = {
            field: statistics.median(float(getattr(run, field)) for run in ways["ours"])
            for field in ("seconds", "cpu_seconds")
        }
        for way, runs in ways.items():
            last = runs[-1]
            seconds, cpu = (
                statistics.median(float(getattr(run, field)) for run in runs) for field in ("seconds", "cpu_seconds")
            )
            rows.append(
                [
                    kind,
                    f"**{way}**" if way == "ours" else way,
                    str(most(last.modules)),
                    str(most(last.trips)),
                    str(last.modules.total()),
                    str(last.trips.total()),
                    str(last.control),
                    f"{seconds:.1f}",
                    f"**{seconds / ours['seconds']:.1f}**",
                    f"{cpu:.1f}",
                    f"**{cpu / ours['cpu_seconds']:.1f}**",
                    f"{last.memory_mib:.0f}",
                ]
            )
    head = [
        "run",
        "way",
        "module calls, a worker",
        "round trips, a worker",
        "module calls, all",
        "round trips, all",
        "control node only",
    ]
    return report.table([*head, "seconds", "to ours", "CPU s", "to ours", "MiB"], rows)
