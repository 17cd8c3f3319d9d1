# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs on a real Slurm with three workers. Each way has a lab of its own, so that the two can take turns."""

from __future__ import annotations

import contextlib
import os
import subprocess
import typing as t

import report

import playbooks

LAB = report.ROOT / "lab" / "lab"
#: Two benchmarks on one machine do not take each other's labs where each has its LAB_NAME.
PREFIX = f"{os.environ['LAB_NAME']}-" if os.environ.get("LAB_NAME") else ""


@contextlib.contextmanager
def cluster(name: str) -> t.Iterator[tuple[str, dict[str, str]]]:
    """A lab, its inventory and environment. A lab of this name that is there already is replaced: its state is unknown."""
    environment = {"LAB_NAME": name}

    def lab(*arguments: str) -> str:
        done = subprocess.run(
            [LAB, *arguments], env={**os.environ, **environment}, check=True, text=True, stdout=subprocess.PIPE
        )
        return done.stdout

    lab("down")
    try:
        lab("up")
        settings = dict(line.removeprefix("export ").split("=", 1) for line in lab("env").splitlines())
        yield lab("inventory").strip(), {**settings, **environment}
    finally:
        lab("down")


def measure(rounds: int) -> str:
    """The table of this part."""
    with cluster(f"{PREFIX}bench-ours") as ours, cluster(f"{PREFIX}bench-plain") as plain:
        return playbooks.comparison(playbooks.compare({"ours": ours, "plain": plain, "ping": ours}, rounds))
