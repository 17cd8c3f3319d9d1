# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command: which parts to measure, and how often."""

from __future__ import annotations

import argparse

import dispatcher
import hosts
import report

import lab


def main() -> None:
    """See `--help`."""
    parser = argparse.ArgumentParser(
        prog="tests/bench/run", description="Measures, and writes the tables of docs/benchmarks.md."
    )
    parser.add_argument(
        "part", nargs="*", choices=["dispatcher", "lab", "hosts", []], help="what to measure (all, if none is named)"
    )
    parser.add_argument("--repeats", type=int, default=200, help="starts of each dispatcher (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="changed and unchanged runs on the lab (%(default)s)")
    parser.add_argument("--hosts", type=int, default=200, help="simulated workers (%(default)s)")
    parser.add_argument(
        "--compared", type=int, default=20, help="simulated workers on which the plain way runs, too (%(default)s)"
    )
    parser.add_argument("--forks", type=int, default=10, help="Ansible's forks with simulated hosts (%(default)s)")
    arguments = parser.parse_args()
    parts = arguments.part or ["dispatcher", "lab", "hosts"]
    if "dispatcher" in parts:
        report.publish("dispatcher", "tests/bench/run dispatcher", dispatcher.measure(arguments.repeats))
    if "lab" in parts:
        report.publish("lab", f"tests/bench/run lab --rounds {arguments.rounds}", lab.measure(arguments.rounds))
    if "hosts" in parts:
        forks = f"--forks {arguments.forks}"
        command = f"tests/bench/run hosts --compared {arguments.compared} {forks}"
        report.publish("compared", command, hosts.measure(["ours", "plain"], arguments.compared, arguments.forks))
        report.publish(
            "hosts",
            f"tests/bench/run hosts --hosts {arguments.hosts} {forks}",
            hosts.measure(["ours"], arguments.hosts, arguments.forks),
        )


if __name__ == "__main__":
    main()
