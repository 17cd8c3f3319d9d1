# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo as its user meets it: the example, a script that fails, and then a definition of his own (docs/guide/try-your-scripts.md).

Each run goes on with the cluster of the one before it.
"""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import typing as t

import demo_calls
import pytest

ENVIRONMENT = demo_calls.environment(demo_calls.lab_name("demo"))

WORKERS = ["worker1", "worker2", "worker3"]
JOBS = {"batch", "interactive", "gpu", "3-nodes", "array [1]", "array [2]", "array [3]"}
NAME = r"(\S+(?: \[\d\])?)"

#: As in docs/guide/try-your-scripts.md.
HOSTS = """\
all:
  children:
    bigmem:
      hosts:
        worker2:
"""
OWN = {
    "slurm_worker_prolog": "{{ own + of_group | default([]) }}",
    "own": [
        {"name": "file", "src": "file.sh"},
        {"name": "template", "template": "template.sh.j2"},
        {"name": "gpu", "partitions": ["gpu"], "content": "#!/bin/sh\necho gpu >>/var/log/own\n"},
    ],
}


def call(*words: str | pathlib.Path) -> subprocess.CompletedProcess[str]:
    return demo_calls.call(ENVIRONMENT, *words)


def inside(host: str, *words: str) -> str:
    done = call("lab/lab", "exec", host, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def section(report: str, heading: str) -> list[str]:
    """The lines of a section of the report."""
    (_before, found) = re.split(rf"(?m)^{heading}(?:  .*)?\n", report)
    return found.partition("\n\n")[0].splitlines()


def jobs(report: str) -> dict[str, tuple[str, str, str]]:
    """By name the partition, nodes and state of each job that the report shows."""
    row = re.compile(rf" +\d+  {NAME} +(\S+) +(worker\d(?:, worker\d)*|-) +([A-Z]+)")
    found = [match.groups() for line in section(report, "jobs of alice") if (match := row.match(line))]
    return {name: (partition, nodes, state) for name, partition, nodes, state in found}


def runs(report: str, hook: str) -> dict[tuple[str, str], tuple[str, str]]:
    """By job's name and host: the job's number, and the words about the scripts."""
    row = re.compile(rf" +job +(\d+)  {NAME} +(\S+) +(.*)")
    found = [match.groups() for line in section(report, hook) if (match := row.match(line))]
    return {(name, host): (job, words) for job, name, host, words in found}


@pytest.fixture(scope="module")
def example() -> t.Iterator[str]:
    """The report of `make demo`, on a cluster that is new. The cluster is removed at the end."""
    try:
        done = call("make", "demo")
        assert done.returncode == 0, done.stdout + done.stderr
        yield done.stdout
    finally:
        assert call("make", "demo-down").returncode == 0
        assert call("lab/lab", "status").returncode == 1


@pytest.fixture(scope="module")
def broken(example: str) -> subprocess.CompletedProcess[str]:
    """The same again, with a prolog that fails on worker3."""
    assert "Everything that is defined ran" in example
    inside("worker3", "touch", "/etc/gpu-broken")
    return call("make", "demo")


@pytest.fixture(scope="module")
def own(broken: subprocess.CompletedProcess[str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Variables of a file, and an inventory with variables of a group and of a host."""
    assert broken.returncode != 0
    place = tmp_path_factory.mktemp("my")
    for name, text in {
        "my.yml": json.dumps(OWN),
        "hosts.yml": HOSTS,
        "files/file.sh": "#!/bin/sh\necho file >>/var/log/own\n",
        "templates/template.sh.j2": "#!/bin/sh\necho {{ inventory_hostname }} {{ mine | default('') }} >>/var/log/own\n",
        "group_vars/bigmem.yml": json.dumps(
            {"of_group": [{"name": "bigmem", "content": "#!/bin/sh\necho bigmem >>/var/log/own\n"}]}
        ),
        "host_vars/worker1.yml": "mine: of-its-own\n",
    }.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(text)
    done = call("make", "demo", f"VARS={place}/my.yml", f"INVENTORY={place}/hosts.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_is_applied_and_its_jobs_complete(example: str) -> None:
    assert re.search(r"(?m)^==> ansible-playbook .* playbooks/site\.yml -e @lab/example\.yml$", example)
    found = jobs(example)
    assert {name: state for name, (_partition, _nodes, state) in found.items()} == dict.fromkeys(JOBS, "COMPLETED")
    assert found["gpu"][:2] == ("gpu", "worker3")
    assert found["3-nodes"][:2] == ("batch", "worker1, worker2, worker3")
    job = runs(example, "worker_prolog")["gpu", "worker3"][0]
    assert f"    hello from worker3, TMPDIR=/var/scratch/job.{job}" in section(example, "what alice saw")
    assert re.search(r"\nEverything that is defined ran: 7 jobs, 5 hosts, \d+ s\.\n$", example)


def test_each_script_is_shown_as_the_log_has_it(example: str) -> None:
    for hook, script in (("worker_prolog", "20-gpu-check"), ("worker_epilog", "10-scratch")):
        job, words = runs(example, hook)["gpu", "worker3"]
        lines = map(json.loads, inside("worker3", "cat", f"/var/log/nodecycle/{hook}.log").splitlines())
        (line,) = [line for line in lines if (line["job"], line["script"]) == (job, script)]
        assert f"{script} {line['ms']} ms" in words.split(", ")
        assert {host for name, host in runs(example, hook) if name == "3-nodes"} == set(WORKERS)


def test_the_proof_is_the_sha256_on_each_host(example: str) -> None:
    proof = "\n".join(section(example, "proof"))
    for hosts, path in (
        ("controller", "controller_prolog.d/10-job-event"),
        ("login", "login_init.d/10-script"),
        (", ".join(WORKERS), "worker_prolog.d/10-scratch"),
    ):
        digest = inside(hosts.partition(",")[0], "sha256sum", f"/etc/nodecycle/current/{path}")[:16]
        assert re.search(rf"release \w+ on {hosts}\n(    .*\n)*    {digest}  {path} +equal on disk", proof), proof


def test_a_prolog_that_fails_is_shown_and_the_demo_fails(broken: subprocess.CompletedProcess[str]) -> None:
    report = broken.stdout
    assert broken.returncode != 0, report
    assert "NOT OK  worker3 is drained: Prolog error" in report
    assert re.search(
        r"10-scratch \d+ ms, 20-gpu-check \d+ ms exit 1", runs(report, "worker_prolog")["gpu", "worker3"][1]
    )
    where = "worker3:/var/lib/nodecycle/worker_prolog/failure.json"
    (line,) = re.findall(rf"{where}: 20-gpu-check ended with 1 .*\n(.*)\n", report)
    assert line.strip() == "GPU check failed on worker3"
    assert re.search(r"NOT OK  job \d+ \(gpu\) did not complete", report)
    # It does not wait for the end of its patience.
    assert "cancelled: held, or no node is left that would take them" in report
    assert report.splitlines()[-1].startswith(f"{report.count('NOT OK  ')} things did not happen as they should")


def test_the_next_run_resumes_the_node_and_runs_a_definition_of_ones_own(own: str) -> None:
    assert own.index("\nresuming worker3: drained by a hook that failed") < own.index("\n==> jobs, as alice")
    assert {state for _partition, _nodes, state in jobs(own).values()} == {"COMPLETED"}
    found = {key: re.sub(r" \d+ ms", "", words) for key, (_job, words) in runs(own, "worker_prolog").items()}
    assert found["3-nodes", "worker1"] == "10-file, 20-template"
    assert found["3-nodes", "worker2"] == "10-file, 20-template, 40-bigmem"
    assert found["gpu", "worker3"] == "10-file, 20-template, 30-gpu"
    assert "file\nworker1 of-its-own\n" in inside("worker1", "cat", "/var/log/own")
    assert "file\nworker2\nbigmem\n" in inside("worker2", "cat", "/var/log/own")
    # Nothing of the example is left.
    assert "controller_prolog" not in own.partition("==> jobs")[2]
