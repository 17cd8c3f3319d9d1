# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lab says to its container engine, word by word; no container runs here."""

from __future__ import annotations

import importlib
import os
import pathlib
import shlex
import subprocess
import sys
import types
import typing as t

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
HERE = pathlib.Path(__file__).parent
CALLS = {engine: HERE / f"lab_calls_{engine}.txt" for engine in ("podman",)}

NETWORK = """[{"subnets": [{"subnet": "10.89.7.0/24"}], "IPAM": {"Config": [{"Subnet": "172.18.0.0/16"}]}}]"""
IMAGES = "localhost/nodecycle-lab/controller:24.11-old another:1"


class Lab:
    """The lab's package, freshly imported for one engine, with an engine that only writes down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
        self.lines: list[str] = []
        #: The images that are missing.
        self.missing: tuple[str, ...] = ()
        self.modules = {name: self._module(name) for name in ("cluster", "commands", "images", "inside", "saved")}
        monkeypatch.setattr(subprocess, "run", self._run)
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
    try:
        SCENARIOS[name](lab)
    except SystemExit:
        # A command of the user's ends with its own code.
        pass
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
