# SPDX-License-Identifier: GPL-3.0-or-later
"""The command lab/demo."""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import sys
import time

from ..commands import up
from ..console import LabError
from ..process import playbook
from ..settings import ENGINE, ENGINES, INVENTORY, ROOT
from . import hosts as lab
from .example import show_effects
from .expected import is_complete
from .hosts import Facts
from .jobs import Job, last_job, submit, wait
from .report import Report
from .sections import (
    outputs_of,
    show_conf,
    show_failures,
    show_hooks,
    show_init,
    show_jobs,
    show_output,
    show_proof,
    show_task_hooks,
    show_way_on,
)


def resume(report: Report) -> None:
    """Slurm keeps a node drained after a failed hook; here the next try is wanted."""
    names = [node.name for node in lab.nodes() if node.reason in ("Prolog error", "Epilog error")]
    if not names:
        return
    report.line(f"resuming {', '.join(names)}: drained by a hook that failed in an earlier run", 0)
    lab.out("controller", "scontrol", "update", f"NodeName={','.join(names)}", "State=RESUME")
    end = time.monotonic() + 20
    while time.monotonic() < end and any(node.state != "idle" for node in lab.nodes() if node.name in names):
        time.sleep(0.5)


def apply(report: Report, variables: list[pathlib.Path], inventories: list[pathlib.Path]) -> int:
    """Applies the definition, from the directory of the user's files, so that `src` and `template` find them."""
    example = [] if variables or inventories else [ROOT / "lab" / "example.yml"]
    words = [word for path in (INVENTORY, *inventories) for word in ("-i", str(path))]
    # Each definition is to be tried as if it were the first, and nobody else uses this cluster.
    words += ["-e", "slurm_removal_allowed=true", "-e", "slurm_restart_allowed=true"]
    words += [str(ROOT / "playbooks" / "site.yml")]
    words += [word for path in variables or example for word in ("-e", f"@{path}")]
    shown = (re.sub(r"^(@?)(/.*)", lambda m: m[1] + os.path.relpath(m[2]), word) for word in words)
    report.step(f"ansible-playbook {' '.join(shown)}")
    settings = {"ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false"}
    if sys.stdout.isatty():
        settings["ANSIBLE_FORCE_COLOR"] = "true"
    directory = next((path.parent for path in (*variables, *inventories)), ROOT)
    return playbook(*words, directory=directory, settings=settings)


def run_jobs(report: Report, everywhere: list[str], since: float, limit: float) -> tuple[list[Job], Facts, str]:
    """The jobs when they have ended, what the hosts say of them, and what the interactive one printed."""
    report.step("jobs, as alice on the login node: batch, interactive, partition gpu, three nodes, an array")
    after = last_job()
    srun = submit()
    jobs = wait(report, after, srun, limit)
    printed = srun.stdout.read() if srun.stdout else ""
    facts = lab.gather(everywhere, since)
    # An epilog ends after its job.
    end = time.monotonic() + 15
    while not is_complete(jobs, facts) and time.monotonic() < end:
        time.sleep(0.5)
        facts = lab.gather(everywhere, since)
    return jobs, facts, printed


def show(report: Report, jobs: list[Job], facts: Facts, printed: str, since: float, *, is_example: bool) -> None:
    show_conf(report, facts)
    show_init(report, facts)
    show_jobs(report, jobs)
    show_hooks(report, jobs, facts)
    show_task_hooks(report, facts)
    texts = outputs_of(jobs, facts, printed)
    show_output(report, jobs, texts)
    if is_example:
        show_effects(report, jobs, texts, facts)
    show_failures(report, lab.nodes(), jobs, facts, since)
    show_proof(report, facts)


def demo(arguments: argparse.Namespace) -> int:
    report, begin = Report(), time.monotonic()
    variables, inventories = (
        [pathlib.Path(name).resolve() for name in of] for of in (arguments.vars, arguments.inventory)
    )
    for path in (*variables, *inventories):
        if not path.exists():
            sys.exit(f"demo: there is no {path}")

    report.step("the cluster: lab/lab up")
    up()
    since = time.time()
    failed = apply(report, variables, inventories)
    everywhere = ["controller", "login", *(node.name for node in lab.nodes())]
    if failed:
        show_failures(report, lab.nodes(), [], lab.gather(everywhere, since), since)
        words = "its words are above. Correct the definition, and run this again."
        print(report.bad(f"\nansible-playbook ended with {failed}: {words}"))
        return 1

    resume(report)
    jobs, facts, printed = run_jobs(report, everywhere, since, arguments.wait)
    show(report, jobs, facts, printed, since, is_example=not variables and not inventories)
    chosen = [f"VARS={name}" for name in arguments.vars] + [f"INVENTORY={name}" for name in arguments.inventory]
    show_way_on(report, " ".join(chosen))
    if report.faults:
        print(report.bad(f"\n{len(report.faults)} things did not happen as they should; see NOT OK above."))
        return 1
    counts = f"{len(jobs)} jobs, {len(everywhere)} hosts, {time.monotonic() - begin:.0f} s"
    print(report.good(f"\nEverything that is defined ran: {counts}."))
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="lab/demo",
        description="Applies a definition to the lab, sends jobs through its hooks and shows what each hook did.",
    )
    parser.add_argument(
        "--vars", action="append", default=[], metavar="FILE", help="a file of variables instead of lab/example.yml"
    )
    parser.add_argument(
        "--inventory", action="append", default=[], metavar="FILE",
        help="an inventory of your own beside the lab's: its group_vars and host_vars are used",
    )  # fmt: skip
    parser.add_argument("--wait", type=float, default=120, metavar="SECONDS", help="how long the jobs may take (120)")
    arguments = parser.parse_args()
    if ENGINE not in ENGINES:
        parser.error(f"LAB_ENGINE={ENGINE}: choose one of {', '.join(ENGINES)}")
    try:
        sys.exit(demo(arguments))
    except LabError as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit("\ndemo: interrupted. Running it again completes what was begun.")
