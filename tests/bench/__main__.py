# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command: which parts to measure, and how often."""

from __future__ import annotations

import argparse
import pathlib

import bundle
import dispatcher
import fleet
import hosts
import report

import lab

ROUNDS_ON_LAB = 3
ROUNDS_ON_HOSTS = 1


def main() -> None:
    """See `--help`."""
    parser = argparse.ArgumentParser(
        prog="tests/bench/run", description="Measures, and writes the tables of docs/benchmarks.md."
    )
    parts = ("dispatcher", "bundle", "lab", "compared", "hosts", "fleet")
    parser.add_argument(
        "part", nargs="*", choices=[*parts, []], help=f"what to measure: {', '.join(parts)} (all, if none is named)"
    )
    parser.add_argument("--repeats", type=int, default=200, help="starts of each dispatcher (%(default)s)")
    parser.add_argument(
        "--rounds",
        type=int,
        help=f"changed and unchanged runs after the first one ({ROUNDS_ON_LAB} on the lab, {ROUNDS_ON_HOSTS} on simulated hosts)",
    )
    parser.add_argument("--hosts", type=int, default=200, help="simulated workers of `hosts` (%(default)s)")
    parser.add_argument(
        "--compared",
        type=int,
        default=20,
        help="simulated workers of `compared`, where the plain way runs, too (%(default)s)",
    )
    parser.add_argument("--nodes", type=int, default=1000, help="real slurmds of `fleet` (%(default)s)")
    parser.add_argument("--forks", type=int, default=10, help="Ansible's forks with simulated hosts (%(default)s)")
    parser.add_argument("--page", type=pathlib.Path, default=report.PAGE, help="where the tables go (%(default)s)")
    arguments = parser.parse_args()

    def publish(part: str, options: str, body: str) -> None:
        report.publish(arguments.page, part, f"tests/bench/run {part} {options}".rstrip(), body)

    chosen = arguments.part or parts
    on_lab, on_hosts = (
        default if arguments.rounds is None else arguments.rounds for default in (ROUNDS_ON_LAB, ROUNDS_ON_HOSTS)
    )
    forks = arguments.forks
    if "dispatcher" in chosen:
        publish("dispatcher", "", dispatcher.measure(arguments.repeats))
    if "bundle" in chosen:
        publish("bundle", "", bundle.measure(arguments.repeats))
    if "lab" in chosen:
        publish("lab", f"--rounds {on_lab}", lab.measure(on_lab))
    if "compared" in chosen:
        number = arguments.compared
        publish(
            "compared",
            f"--compared {number} --forks {forks}",
            hosts.measure(["ours", "plain"], number, forks, on_hosts),
        )
    if "hosts" in chosen:
        number = arguments.hosts
        publish("hosts", f"--hosts {number} --forks {forks}", hosts.measure(["ours"], number, forks, on_hosts))
    if "fleet" in chosen:
        publish("fleet", f"--nodes {arguments.nodes}", fleet.measure(arguments.nodes, on_hosts))


if __name__ == "__main__":
    main()
