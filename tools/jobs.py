# SPDX-License-Identifier: GPL-3.0-or-later
"""tools/jobs.py github|gitlab FILE GATE ...: what a code host runs, a job each. `make jobs` calls it with the gates of `make test`.

Each job is a call of make: a gate, a scenario of the gate `molecule`, or a session of nox that has one ansible-core. So
neither workflow lists gates, scenarios or ansible-cores. For GitHub, a line for $GITHUB_OUTPUT, of which a matrix is made.
For GitLab, whose matrix is fixed, a child pipeline; it may include no file of the checkout, so the jobs are copies.
"""

from __future__ import annotations

import itertools
import json
import pathlib
import subprocess
import sys
import typing as t

import pythons
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent

#: The gates that start containers.
IN_LAB = ("lab-test", "demo-test", "oldest", "newest", "molecule")


def output_of(*command: str) -> str:
    """What a command says."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def scenarios() -> list[str]:
    """The names of the molecule scenarios."""
    return output_of(sys.executable, str(ROOT / "tools/scenarios"), "--list").split()


def sessions() -> list[str]:
    """The sessions of nox with an ansible-core of their own, as far as this machine has the Python for them."""
    noxfile = str(ROOT / "noxfile.py")
    listed = json.loads(output_of("nox", "--noxfile", noxfile, "--list", "--json", "--tags", "unit", "sanity"))
    if not listed:
        sys.exit(
            "jobs: nox knows no session with one of the tags unit and sanity; give noxfile.py and tools/jobs.py the same tags"
        )
    # With CI set, nox takes a missing Python for a failure.
    return [entry["session"] for entry in listed if "/" in entry["python"] or pythons.find([entry["python"]])]


def calls(gates: t.Iterable[str], of_molecule: t.Iterable[str], of_nox: t.Iterable[str]) -> list[str]:
    """The arguments of make for each job."""
    by_scenario = [f"molecule SCENARIO={name}" for name in of_molecule]
    by_gate = [by_scenario if gate == "molecule" else [gate] for gate in gates]
    return [*itertools.chain.from_iterable(by_gate), *(f"session SESSION={name}" for name in of_nox)]


def github(jobs: list[str]) -> str:
    """A line for $GITHUB_OUTPUT."""
    return f"jobs={json.dumps(jobs)}\n"


def gitlab(jobs: list[str], pipeline: dict[str, t.Any]) -> str:
    """A child pipeline, whose jobs are those of a pipeline that are named `.make` and `.make-in-lab`."""
    child: dict[str, t.Any] = {"workflow": {"rules": [{"if": '$CI_PIPELINE_SOURCE == "parent_pipeline"'}]}}
    for job in jobs:
        template = ".make-in-lab" if job.split()[0] in IN_LAB else ".make"
        child[f"make {job}"] = {**pipeline[template], "script": [f"make {job}"]}
    # Each JSON is YAML, too.
    return json.dumps(child, indent=2) + "\n"


def main(form: str, file: str, *gates: str) -> None:
    """Append to a file of GitHub's, which holds other lines, or write one for GitLab."""
    jobs = calls(gates, scenarios(), sessions())
    if form == "github":
        with pathlib.Path(file).open("a") as output:
            output.write(github(jobs))
    elif form == "gitlab":
        pathlib.Path(file).write_text(gitlab(jobs, yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text())))
    else:
        sys.exit(f"jobs: {form} is neither github nor gitlab; say FORMAT=github or FORMAT=gitlab, and FILE=name")


if __name__ == "__main__":
    main(*sys.argv[1:])
