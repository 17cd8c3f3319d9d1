# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lab says to its container engine, word by word; no container runs here."""

from __future__ import annotations

import contextlib
import importlib
import os
import pathlib
import resource
import shlex
import subprocess
import sys
import types
import typing as t

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
HERE = pathlib.Path(__file__).parent
CALLS = {engine: HERE / f"lab_calls_{engine}.txt" for engine in ("podman", "docker")}

NETWORK = """[{"subnets": [{"subnet": "10.89.7.0/24"}], "IPAM": {"Config": [{"Subnet": "172.18.0.0/16"}]}}]"""
IMAGES = "localhost/nodecycle-lab/controller:24.11-old another:1"


class Lab:
    """The lab's package, freshly imported for one engine, with an engine that only writes down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
        self.lines: list[str] = []
        #: The images that are missing.
        self.missing: tuple[str, ...] = ()
        #: How often a subnet is refused.
        self.refused = 0
        self.modules = {name: self._module(name) for name in ("cluster", "commands", "images", "inside", "saved")}
        monkeypatch.setattr(subprocess, "run", self._run)
        monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, resource.RLIM_INFINITY))
        monkeypatch.setattr(self["inside"], "INITS", tmp_path)
        for name in ("cluster", "saved"):
            # Threads would speak in any order.
            monkeypatch.setattr(self[name], "in_all", self._in_turn)
        for name in ("prepare", "own_playbook", "say", "install_packages", "mirror"):
            monkeypatch.setattr(self["images"], name, lambda *_: None)
        monkeypatch.setattr(self["images"], "CACHE", tmp_path)
        monkeypatch.setattr(self["commands"], "program", lambda _: True)
        monkeypatch.setattr(self["images"], "slurm_digest", lambda: "beef")
        monkeypatch.setattr(self["images"], "limits_dropin", lambda: "")

    def __getitem__(self, name: str) -> types.ModuleType:
        return self.modules[name]

    @staticmethod
    def _module(name: str) -> types.ModuleType:
        return importlib.import_module(f"nodecycle_lab.{name}")

    def _in_turn(self, function: t.Callable[[str], t.Any], hosts: t.Sequence[str] = ()) -> list[t.Any]:
        return [function(host) for host in hosts or self["cluster"].HOSTS]

    def _run(self, command: list[str], **_options: t.Any) -> subprocess.CompletedProcess[str]:
        if command[0] in ("podman", "docker"):
            self.lines.append(shlex.join(command))
            code, told = self._answer(command[1:])
        else:
            code, told = 0, "worker1 idle\nworker2 idle\nworker3 idle" if "sinfo" in command[-1] else "running"
        return subprocess.CompletedProcess(command, code, told, "")

    def _answer(self, words: list[str]) -> tuple[int, str]:
        text = " ".join(words)
        if words[0] == "image" and words[1] in ("exists", "inspect"):
            return (1, "") if any(name in text for name in self.missing) else (0, "feed")
        if words[0] == "pull":
            return 1, ""
        if "--subnet" in text and self.refused:
            self.refused -= 1
            return 1, "Pool overlaps with other one on this address space"
        answers = {
            "container inspect": str(os.getpid()),
            "network inspect": NETWORK,
            "network ls": "one",
            "volume ls": "one",
            "images": IMAGES,
            "ps": "feed" if "digest" in text else "nodecycle-controller nodecycle-login",
            "inspect": "feed",
        }
        return 0, next((answer for start, answer in answers.items() if text.startswith(start)), "")


SCENARIOS: dict[str, t.Callable[[Lab], t.Any]] = {
    "make_base": lambda lab: lab["images"].make_base(),
    "make_slurm": lambda lab: lab["images"].make_slurm(),
    "start": lambda lab: lab["cluster"].start(lambda host: f"image-of-{host}", "feed"),
    "save": lambda lab: lab["saved"].save("feed"),
    "reset": lambda lab: lab["commands"].reset(),
    "down": lambda lab: lab["commands"].down(with_images=True),
    "status": lambda lab: lab["commands"].status(),
    "exec": lambda lab: lab["commands"].execute("login", "alice", ["id", "-un"]),
}
MISSING = {"make_base": ("/base:",), "make_slurm": ("/slurm:",)}


def calls(name: str, lab: Lab) -> list[str]:
    lab.missing = MISSING.get(name, ())
    # A command of the user's ends with its own code.
    with contextlib.suppress(SystemExit):
        SCENARIOS[name](lab)
    return [line.replace(str(lab["images"].CACHE), "CACHE") for line in lab.lines]


def recorded(engine: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in CALLS[engine].read_text().splitlines():
        if line.startswith("["):
            found[line.strip("[]")] = []
        elif line and not line.startswith("#"):
            found[next(reversed(found))].append(line)
    return found


@pytest.fixture(params=CALLS)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[str]:
    """The package chooses its engine when it is imported."""
    for name in ("LAB_NAME", "LAB_REPOSITORY", "LAB_SLURM_VERSION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LAB_ENGINE", request.param)
    monkeypatch.syspath_prepend(str(ROOT / "lab"))

    def take() -> dict[str, types.ModuleType]:
        names = [name for name in sys.modules if name.split(".")[0] == "nodecycle_lab"]
        return {name: sys.modules.pop(name) for name in names}

    others = take()
    yield request.param
    take()
    sys.modules.update(others)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_engine_is_asked_with_these_words(
    engine: str, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    assert calls(name, Lab(monkeypatch, tmp_path)) == recorded(engine)[name]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_a_subnet_that_another_lab_took_meanwhile_is_asked_for_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    lab = Lab(monkeypatch, tmp_path)
    lab.refused = 2
    lab["cluster"].make_network("net")
    asked = [line for line in lab.lines if "--subnet" in line]
    assert len(asked) == 3
    assert lab.lines[-1] == asked[-1]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_subnets_that_are_always_taken_end_with_docker_s_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    lab = Lab(monkeypatch, tmp_path)
    lab.refused = 99
    with pytest.raises(Exception, match="Pool overlaps"):
        lab["cluster"].make_network("net")


def test_ansible_and_the_notes_of_containers_know_the_engine(
    engine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    inside = importlib.import_module("nodecycle_lab.inside")
    process = importlib.import_module("nodecycle_lab.process")
    assert process.environment()["LAB_ENGINE"] == engine
    assert inside.INITS.name == engine
    Lab(monkeypatch, tmp_path)
    assert f"container={engine}" in inside.inside("nodecycle-login", "true")


@pytest.mark.parametrize("engine", ["podman"], indirect=True)
@pytest.mark.parametrize("user", [0, 1000])
@pytest.mark.usefixtures("engine")
def test_podman_s_hosts_are_entered_by_nsenter(
    user: int, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert Lab(monkeypatch, tmp_path)["inside"].inside("nodecycle-login", "true")[0] == "nsenter"


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
@pytest.mark.parametrize(("user", "way"), [(0, "nsenter"), (1000, "docker")])
@pytest.mark.usefixtures("engine")
def test_docker_s_hosts_are_entered_by_nsenter_if_the_machine_lets_one(
    user: int, way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert Lab(monkeypatch, tmp_path)["inside"].inside("nodecycle-login", "true")[0] == way


@pytest.mark.parametrize("command", ["lab", "demo"])
def test_another_engine_is_refused(command: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "lab" / command, *(["status"] if command == "lab" else [])],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "LAB_ENGINE": "lxc"},
    )
    assert done.returncode == 2
    assert "LAB_ENGINE=lxc: choose one of podman, docker" in done.stderr
