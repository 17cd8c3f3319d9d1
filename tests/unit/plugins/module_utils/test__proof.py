# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _proof

CACHE = "/run/slurm/conf/slurm.conf"
LOCAL = "/etc/slurm/slurm.conf"


@pytest.mark.parametrize(
    ("arguments", "slurm_conf", "has_local", "conf"),
    [
        ([], "", True, LOCAL),
        ([], "", False, CACHE),
        (["--conf-server", "controller"], "", True, CACHE),
        (["--conf-server=controller:6817"], "/opt/slurm.conf", True, CACHE),
        (["-D", "-f", "/opt/slurm.conf"], "", True, "/opt/slurm.conf"),
        (["-f/opt/slurm.conf"], "", True, "/opt/slurm.conf"),
        (["-Df", "/opt/slurm.conf", "-N", "f"], "", True, "/opt/slurm.conf"),
        (["-Nf", "--systemd"], "", True, LOCAL),
        ([], "/opt/slurm.conf", True, "/opt/slurm.conf"),
        (["-f", "/srv/slurm.conf"], "/opt/slurm.conf", True, "/srv/slurm.conf"),
        (["-f"], "", True, LOCAL),
    ],
)
def test_the_slurm_conf_in_use_is_the_one_that_slurmd_was_told(
    arguments: list[str], slurm_conf: str, has_local: bool, conf: str
) -> None:
    daemon = _proof.Reader("slurmd", 7, ("/usr/sbin/slurmd", *arguments), slurm_conf)
    assert _proof.conf_in_use(LOCAL, daemon, exists=lambda path: has_local) == conf
    assert _proof.other_conf(LOCAL, daemon, exists=lambda path: has_local) == ("" if conf == LOCAL else conf)


def test_the_copy_of_a_slurmd_that_has_just_started_is_waited_for() -> None:
    """Slurm 22.05: its unit counts as started before the controller has answered."""
    looks = iter([False, False, True])
    _proof.wait_for_copy(CACHE, _proof.Reader("slurmd", 7, ()), exists=lambda path: path == CACHE and next(looks))
    assert list(looks) == []


@pytest.mark.parametrize(
    ("conf", "daemon", "asked"),
    [
        (CACHE, _proof.Reader("slurmd", 7, ()), True),
        (CACHE, _proof.Reader("slurmctld", 7, ()), False),
        (CACHE, _proof.NOBODY, False),
        (LOCAL, _proof.Reader("slurmd", 7, ()), False),
    ],
)
def test_a_copy_that_never_comes_ends_the_wait_and_others_are_not_waited_for(
    conf: str, daemon: _proof.Reader, asked: bool
) -> None:
    looks: list[str] = []
    _proof.wait_for_copy(conf, daemon, seconds=0, exists=lambda path: bool(looks.append(path)))  # type: ignore[func-returns-value]
    assert looks == [conf] * len(looks)
    assert bool(looks) == asked


def test_a_daemon_that_does_not_run_tells_nothing() -> None:
    assert _proof.other_conf(LOCAL, _proof.NOBODY) == ""


def test_a_link_is_the_file_that_it_leads_to(tmp_path: pathlib.Path) -> None:
    (tmp_path / "slurm.conf").symlink_to("/opt/slurm.conf")
    daemon = _proof.Reader("slurmd", 7, ("slurmd", "-f", "/opt/slurm.conf"))
    assert _proof.other_conf(str(tmp_path / "slurm.conf"), daemon) == ""


PROLOG, TASK = "/etc/nodecycle/current/worker_prolog", "/etc/nodecycle/current/task_prolog"
TEXT = f"Prolog={PROLOG}\nTaskProlog={TASK}\n"


@pytest.mark.parametrize(
    ("version", "prologs", "lost"),
    [
        ((22, 5), ["/site/last"], ["worker_prolog"]),
        ((23, 11), ["/site/last"], ["worker_prolog"]),
        ((24, 5), ["/site/first", PROLOG, "/site/last"], []),
        ((26, 5), ["/site/first", PROLOG, "/site/last"], []),
        (None, ["/site/last"], ["worker_prolog"]),
    ],
)
def test_which_lines_count_depends_on_key_and_version(
    version: tuple[int, int] | None, prologs: list[str], lost: list[str]
) -> None:
    files = {
        "/e/slurm.conf": "prolog=/site/first\nTaskProlog=/site/task\nInclude nodecycle.conf\n",
        "/e/nodecycle.conf": TEXT + "Include site.conf\n",
        "/e/site.conf": "Prolog=/site/last\n",
    }
    found = _proof.called("/e/slurm.conf", files.get, lambda: version)
    assert found.paths("worker_prolog") == prologs
    assert found.paths("task_prolog") == [TASK], "of the task hooks the last line counts, whatever the version"
    said = _proof.stolen("/e/slurm.conf", TEXT, "/etc/nodecycle", files.get, lambda: version)
    assert [problem.split()[0] for problem in said] == lost
    assert all("/e/site.conf:1 sets Prolog=/site/last" in problem for problem in said)


@pytest.mark.parametrize("version", [(22, 5), (24, 11), (26, 5)])
def test_a_task_hook_that_an_included_file_replaces_is_found(version: tuple[int, int]) -> None:
    files = {
        "/e/slurm.conf": "Include nodecycle.conf\n",
        "/e/nodecycle.conf": TEXT + "Include site.conf\n",
        "/e/site.conf": "\ntaskprolog = /site/task\n",
    }
    (problem,) = _proof.stolen("/e/slurm.conf", TEXT, "/etc/nodecycle", files.get, lambda: version)
    assert problem == "task_prolog would not run: /e/site.conf:2 sets TaskProlog=/site/task"


def test_a_line_after_our_include_counts_although_it_is_in_the_main_file() -> None:
    files = {"/e/slurm.conf": "Include nodecycle.conf\nTaskProlog=/site/task\n", "/e/nodecycle.conf": TEXT}
    (problem,) = _proof.stolen("/e/slurm.conf", TEXT, "/etc/nodecycle", files.get, lambda: None)
    assert "/e/slurm.conf:2" in problem


def test_a_missing_line_is_found() -> None:
    files = {"/e/slurm.conf": "ClusterName=x\n"}
    said = _proof.stolen("/e/slurm.conf", TEXT, "/etc/nodecycle", files.get, lambda: None)
    assert said == [
        "worker_prolog would not run: no line sets Prolog",
        "task_prolog would not run: no line sets TaskProlog",
    ]


def test_nobody_is_asked_for_a_version_where_it_makes_no_difference() -> None:
    files = {"/e/slurm.conf": TEXT}

    def ask() -> None:
        pytest.fail("a process for nothing")

    assert _proof.called("/e/slurm.conf", files.get, ask).paths("worker_prolog") == [PROLOG]


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("ClusterName=x\n", "root"),
        ("SlurmUser=slurm\nslurmuser=other\n", "other"),
        ("SlurmUser=0\n", "root"),
        (None, "slurm"),
    ],
)
def test_slurm_user_is_read_as_slurm_reads_him(text: str | None, user: str) -> None:
    assert _proof.slurm_user("/e/slurm.conf", {"/e/slurm.conf": text}.get) == user


GOOD: dict[str, t.Any] = {"release": "a" * 64, "intact": True, "called": {"worker_prolog": True}, "conf": LOCAL}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, []),
        ({"release": "b" * 64}, ["release bbbbbbbbbbbbbbbb is active instead of aaaaaaaaaaaaaaaa"]),
        ({"release": ""}, ["release none is active instead of aaaaaaaaaaaaaaaa"]),
        ({"intact": False}, ["changed since it was staged: files of the release"]),
        (
            {"intact": False, "drift": ["worker_prolog.d", "/etc/nodecycle"]},
            ["changed since it was staged: worker_prolog.d, /etc/nodecycle"],
        ),
        (
            {"intact": False, "drift": list("abcdefg")},
            ["changed since it was staged: a, b, c, d, e and 2 more"],
        ),
        ({"called": {"worker_prolog": False}}, [f"{LOCAL} does not name the dispatcher of worker_prolog"]),
    ],
)
def test_a_proof_shows_the_release_intact_and_called(changed: dict[str, t.Any], words: list[str]) -> None:
    assert _proof.shortfalls({**GOOD, **changed}, "a" * 64) == words


class OneRelease:
    """A store with one active release that has a prolog."""

    root = "/etc/nodecycle"

    def current(self) -> str:
        return "a" * 16

    def manifest(self, _id: str) -> dict[str, t.Any]:
        return {"id": "a" * 64, "hooks": {"worker_prolog": ["10-x"]}, "files": {}}

    def damaged(self, _manifest: dict[str, t.Any]) -> list[str]:
        return []


@pytest.mark.parametrize(
    ("conf", "is_running", "called"),
    [
        (LOCAL, True, {"worker_prolog": False}),
        (LOCAL, False, {"worker_prolog": False}),
        (CACHE, True, {"worker_prolog": False}),
        # systemd takes /run/slurm away with the daemon.
        (CACHE, False, {}),
    ],
)
def test_a_node_that_is_down_is_not_asked_for_the_copy_of_slurm_conf(
    conf: str, is_running: bool, called: dict[str, bool]
) -> None:
    proof = _proof.prove(t.cast(t.Any, OneRelease()), conf, lambda _path: None, is_running)
    assert (proof["release"], proof["called"]) == ("a" * 64, called)


@pytest.mark.parametrize(("version", "also"), [((22, 5), {}), ((24, 11), {"worker_prolog": ["/site/prolog"]})])
def test_what_runs_beside_our_dispatcher_is_told(version: tuple[int, int], also: dict[str, list[str]]) -> None:
    text = f"Prolog=/site/prolog\nProlog={PROLOG}\n"
    proof = _proof.prove(t.cast(t.Any, OneRelease()), LOCAL, {LOCAL: text}.get, version=lambda: version)
    assert (proof["called"], proof["also"]) == ({"worker_prolog": True}, also)
    said = ["for worker_prolog Slurm runs /site/prolog as well"] if also else []
    assert _proof.additions(proof) == said
