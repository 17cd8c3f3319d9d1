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
    ("arguments", "has_local", "conf"),
    [
        ([], True, LOCAL),
        ([], False, CACHE),
        (["slurmd", "--conf-server", "controller"], True, CACHE),
        (["slurmd", "--conf-server=controller:6817"], True, CACHE),
        (["slurmd", "-D", "-f", "/opt/slurm.conf"], True, "/opt/slurm.conf"),
        (["slurmd", "-f"], True, LOCAL),
    ],
)
def test_the_slurm_conf_in_use_is_the_one_that_slurmd_was_told(
    arguments: list[str], has_local: bool, conf: str
) -> None:
    assert _proof.conf_in_use(LOCAL, arguments, exists=lambda path: has_local) == conf


def test_the_last_line_of_a_key_counts_across_includes() -> None:
    files = {
        "/e/slurm.conf": "prolog=/site/prolog\nInclude nodecycle.conf\n",
        "/e/nodecycle.conf": "Prolog=/etc/nodecycle/current/worker_prolog\nTaskProlog=/x\n",
    }
    assert _proof.called_paths("/e/slurm.conf", files.get) == {
        "worker_prolog": "/etc/nodecycle/current/worker_prolog",
        "task_prolog": "/x",
    }


def test_a_daemon_is_found_by_its_name(tmp_path: pathlib.Path) -> None:
    for pid, name in (("1", "systemd"), ("42", "slurmd")):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "comm").write_text(f"{name}\n")
        (tmp_path / pid / "cmdline").write_bytes(f"/usr/sbin/{name}\0--conf-server\0c\0".encode())
    assert _proof.daemon_arguments("slurmd", str(tmp_path)) == ["/usr/sbin/slurmd", "--conf-server", "c"]
    assert _proof.daemon_arguments("sackd", str(tmp_path)) == []


GOOD: dict[str, t.Any] = {"release": "a" * 64, "intact": True, "called": {"worker_prolog": True}, "conf": LOCAL}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, []),
        ({"release": "b" * 64}, ["release bbbbbbbbbbbbbbbb is active instead of aaaaaaaaaaaaaaaa"]),
        ({"release": ""}, ["release none is active instead of aaaaaaaaaaaaaaaa"]),
        ({"intact": False}, ["files of the release were changed after it was staged"]),
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
