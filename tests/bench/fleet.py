# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Slurm delivers to very many nodes, each a real slurmd on one host of a lab."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import tempfile
import time
import typing as t

import report

import lab
from playbooks import Run, play

#: A prolog that only the canary meets.
BAD = json.dumps({"slurm_worker_prolog": "#!/bin/sh\nexit 3\n"})


def _on(host: str, command: str) -> str:
    """The output of a command on a host of the lab."""
    name = f"{lab.PREFIX}bench-fleet-{host}"
    done = subprocess.run(["podman", "exec", name, "sh", "-c", command], check=True, text=True, stdout=subprocess.PIPE)
    return done.stdout.strip()


def _inventory(nodes: int) -> str:
    """All workers get their releases from Slurm. The lab's own three are not connected to, either."""
    hosts: dict[str, t.Any] = {f"v{number:03}": {} for number in range(1, nodes + 1)}
    return json.dumps({"slurm_worker": {"hosts": hosts, "vars": {"slurm_delivery": "slurm"}}})


def _arrived(begin: float) -> float:
    """Seconds after this moment until the last node has got the bundle."""
    times = _on("worker3", "stat -c %.Y /var/lib/slurm/slurmd/v*/conf-cache/nodecycle_bundle").split()
    return max(map(float, times)) - begin


def _met(nodes: int) -> float:
    """Seconds of a job on all nodes, each of which runs the prolog."""
    begin = time.monotonic()
    _on("controller", f"srun --partition=many --nodes={nodes} --time=10 true")
    return time.monotonic() - begin


def _row(kind: str, run: Run, arrived: str, met: str, memory: str) -> list[str]:
    report.say(f"{kind}: {run.seconds:.1f} s, {run.modules.total()} module calls")
    return [kind, str(run.modules.total()), f"**{run.seconds:.1f}**", f"{run.cpu_seconds:.1f}", arrived, met, memory]


def measure(nodes: int, rounds: int) -> str:
    """The table of this part. Without rounds it has the first run alone."""
    with lab.cluster(f"{lab.PREFIX}bench-fleet") as (inventory, environment), tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [lab.LAB, "play", "lab/many_nodes.yml", "-e", f"lab_nodes={nodes}"],
            env={**os.environ, "LAB_NAME": f"{lab.PREFIX}bench-fleet"},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        more = pathlib.Path(folder, "fleet.json")
        more.write_text(_inventory(nodes))
        rows = []

        def run(kind: str, revision: int, *arguments: str, fails: bool = False) -> None:
            begin = time.time()
            # worker3 is the host of them all, and no node to learn from.
            options = ["-i", str(more), "-e", f"bench_revision={revision}", "-e", "slurm_canary=v001", *arguments]
            done = play("ours", inventory, environment, options, fails=fails)
            arrived = f"{_arrived(begin):.1f}" if kind != "no change" else ""
            met = f"{_met(nodes):.1f}" if kind != "no change" else ""
            memory = int(_on("controller", "ps -o rss= -C slurmctld").split()[0]) // 1024
            rows.append(_row(kind, done, arrived, met, str(memory)))

        run("first", 0)
        for revision in range(1, rounds + 1):
            run("changed prolog", revision)
            run("no change", revision)
            run("bad canary, undone", revision, "-e", BAD, fails=True)
        head = [
            "run",
            "module calls",
            "seconds",
            "CPU s",
            "last node has it, s",
            "a job on all nodes, s",
            "slurmctld MiB",
        ]
        return report.table(head, rows)
