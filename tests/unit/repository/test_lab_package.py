# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's package, as far as it needs no container."""

from __future__ import annotations

import json
import pathlib
import re
import resource
import subprocess
import sys
import typing as t

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "lab"))

from nodecycle_lab import cgroups, images, machine, saved, settings  # noqa: E402
from nodecycle_lab.demo import command, hosts, jobs, report, sections  # noqa: E402

PACKAGE = ROOT / "lab/nodecycle_lab"


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> list[pathlib.Path]:
    """The files whose content decides whether a saved cluster is still the one of these sources."""
    found: list[pathlib.Path] = []
    monkeypatch.setattr(saved, "image_id", lambda _image: "id")
    monkeypatch.setattr(saved, "digest_of", lambda _start, *paths: found.extend(paths) or "digest")
    saved.digest_now()
    return found


def test_of_the_package_only_the_saving_makes_a_new_saved_cluster(sources: list[pathlib.Path]) -> None:
    ours = [path for path in sources if path.is_relative_to(PACKAGE)]
    assert ours == [PACKAGE / "saved.py"]


def test_the_role_and_the_lab_s_variables_make_a_new_saved_cluster(sources: list[pathlib.Path]) -> None:
    assert {ROOT / "roles/install", ROOT / "lab/group_vars", ROOT / "lab/inventory.yml"} <= set(sources)


def test_a_digest_is_of_names_and_content(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setattr(images, "ROOT", tmp_path)
    (tmp_path / "a").mkdir()
    file = tmp_path / "a/one"

    def digest(text: str, start: str = "") -> str:
        file.write_text(text)
        return images.digest_of(start, tmp_path / "a")

    first = digest("x")
    assert digest("x") == first
    assert digest("y") != first
    assert digest("x", "other") != first
    digest("x")
    file.rename(tmp_path / "a/two")
    assert images.digest_of("", tmp_path / "a") != first


#: The releases of Debian by their names.
DEBIAN = {"bookworm": "Debian 12", "trixie": "Debian 13", "forky": "Debian testing"}


def test_the_readme_names_the_lab_s_versions_of_slurm_and_debian() -> None:
    rows = re.findall(r"(?m)^\| Slurm \| (\S+) \((Debian \w+)\) \|", (ROOT / "README.md").read_text())
    assert {version: DEBIAN[settings.SUITES[version]] for version, _debian in rows} == dict(rows)
    assert set(dict(rows)) == set(settings.SUITES)


@pytest.mark.parametrize(
    ("hard", "expected"),
    [
        ({}, ""),
        ({resource.RLIMIT_NOFILE: 20000}, "[Service]\nLimitNOFILE=20000\n"),
        ({resource.RLIMIT_NOFILE: 1048576, resource.RLIMIT_STACK: 8388608}, "[Service]\nLimitSTACK=8388608\n"),
    ],
)
def test_only_a_limit_that_the_machine_refuses_is_lowered(
    monkeypatch: pytest.MonkeyPatch, hard: dict[int, int], expected: str
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda of: (0, hard.get(of, resource.RLIM_INFINITY)))
    assert machine.limits_dropin() == expected


@pytest.mark.parametrize(
    ("version", "has_v2_alone", "is_needed"),
    [("26.05", False, True), ("26.05", True, False), ("24.11", False, False)],
)
def test_a_systemd_that_refuses_cgroup_v1_gets_a_v2_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, version: str, has_v2_alone: bool, is_needed: bool
) -> None:
    monkeypatch.setattr(cgroups, "VERSION", version)
    monkeypatch.setattr(cgroups, "CONTROLLERS", tmp_path if has_v2_alone else tmp_path / "none")
    assert cgroups.is_needed() is is_needed


def test_the_groups_of_a_container_go_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setattr(cgroups, "UNIFIED", tmp_path)
    for name in ("lab-worker1/system.slice/slurmd.service", "lab-worker2/init.scope"):
        (tmp_path / name).mkdir(parents=True)
    cgroups.remove("lab-worker1")
    assert [path.name for path in tmp_path.iterdir()] == ["lab-worker2"]


def test_the_reader_of_a_host_is_one_file_that_runs_alone(tmp_path: pathlib.Path) -> None:
    # The machine of the tests may have no systemd.
    journalctl = tmp_path / "journalctl"
    journalctl.write_text("#!/bin/sh\n")
    journalctl.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-I", "-", "0"],
        check=True,
        capture_output=True,
        text=True,
        input=(PACKAGE / "demo/on_host.py").read_text(),
        cwd="/",
        env={"PATH": str(tmp_path)},
    )
    facts: dict[str, t.Any] = json.loads(done.stdout)
    assert {"manifest", "disk", "log", "failures"} <= facts.keys()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("worker1", ["worker1"]),
        ("worker[1-3]", ["worker1", "worker2", "worker3"]),
        ("worker[1,3]", ["worker1", "worker3"]),
        ("(null)", []),
        ("", []),
    ],
)
def test_slurm_s_names_of_hosts_are_read(expression: str, expected: list[str]) -> None:
    assert jobs.hosts_in(expression) == expected


def job_of_alice(**fields: t.Any) -> jobs.Job:
    """A job as the demo sees it."""
    fields = {"partition": "batch", "state": "COMPLETED", "reason": "None", "nodes": ["worker1"], "size": 1, **fields}
    return jobs.Job(id="7", name="batch", exit="0:0", **fields)


@pytest.mark.parametrize(
    ("fields", "is_stuck"),
    [
        ({}, False),
        ({"state": "RUNNING", "partition": "gpu"}, False),
        ({"reason": "Resources", "size": 2}, False),
        ({"reason": "ReqNodeNotAvail,_UnavailableNodes:worker3", "size": 3}, True),
        ({"reason": "BeginTime", "partition": "gpu"}, True),
        ({"reason": "launch_failed_requeued_held"}, True),
    ],
)
def test_a_job_that_only_an_administrator_helps_is_not_waited_for(fields: dict[str, t.Any], is_stuck: bool) -> None:
    """worker3, the only node of partition gpu, is drained."""
    states = {"worker1": "idle", "worker2": "allocated", "worker3": "drained"}
    nodes = [
        hosts.Node(name, state, "", ["batch", "gpu"] if name == "worker3" else ["batch"])
        for name, state in states.items()
    ]
    assert jobs.is_stuck(job_of_alice(**{"state": "PENDING" if fields else "COMPLETED", **fields}), nodes) is is_stuck


@pytest.mark.parametrize(
    ("partition", "ran", "faults"),
    [
        ("gpu", ["10-any", "20-gpu"], []),
        ("batch", ["10-any"], []),
        ("gpu", ["10-any"], ["20-gpu"]),
        ("batch", [], ["10-any"]),
    ],
)
def test_the_demo_fails_where_a_defined_script_did_not_run(partition: str, ran: list[str], faults: list[str]) -> None:
    host = {
        "manifest": {"summary": ["worker_prolog: 10-any timeout=60", "worker_prolog: 20-gpu partitions=gpu"]},
        "log": [{"hook": "worker_prolog", "job": "7", "script": script, "exit": 0, "ms": 3} for script in ran],
    }
    told = report.Report()
    sections.show_hooks(told, [job_of_alice(partition=partition)], {"worker1": host, "controller": {**host, "log": []}})
    where = "has no line for job 7 in worker1:/var/log/nodecycle/worker_prolog.log"
    assert told.faults == [f"{script} {where}" for script in faults]


@pytest.mark.parametrize(
    ("variables", "inventories", "words", "directory"),
    [
        ([], [], [f"@{ROOT}/lab/example.yml"], str(ROOT)),
        (["/my/my.yml"], [], ["@/my/my.yml"], "/my"),
        ([], ["/my/hosts.yml"], ["/my/hosts.yml"], "/my"),
        (["/my/my.yml"], ["/other/hosts.yml"], ["/other/hosts.yml", "@/my/my.yml"], "/my"),
    ],
)
def test_the_demo_applies_what_was_given_or_else_the_example(
    monkeypatch: pytest.MonkeyPatch, variables: list[str], inventories: list[str], words: list[str], directory: str
) -> None:
    called: dict[str, t.Any] = {}

    def playbook(*arguments: str, directory: pathlib.Path, **_settings: t.Any) -> int:
        called.update(words=arguments, directory=str(directory))
        return 0

    monkeypatch.setattr(command, "playbook", playbook)
    command.apply(report.Report(), [*map(pathlib.Path, variables)], [*map(pathlib.Path, inventories)])
    allowed = ("slurm_removal_allowed=true", "slurm_restart_allowed=true")
    always = (str(ROOT / "lab/inventory.yml"), *allowed, str(ROOT / "playbooks/site.yml"))
    rest = [word for word in called["words"] if word not in ("-i", "-e", *always)]
    assert set(always) <= set(called["words"])
    assert (rest, called["directory"]) == (words, directory)
