# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""Units, drop-ins and calls of systemd's commands: nothing in them is newer than the systemd of the oldest system that we are written for.

Where no man page says since when, the release is 231: there it was at the latest. Sources: systemd's man pages ("Added in version", 254 and
later), and the list of keys that dod38fr/config-model-systemd has made of the man pages of each release from 231 on.
"""

from __future__ import annotations

import ast
import pathlib
import re
import typing as t

import pytest
import yaml
from ansible_collections.nodecycle.slurm.plugins.module_utils import _host_files
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS

#: EL 8 has it (SLES 15 SP3 has 246, Debian 12 has 252).
OLDEST = 239

KEYS = {
    **dict.fromkeys(("Description", "Wants", "After", "Before", "ConditionPathExists"), 231),
    **dict.fromkeys(("Type", "RemainAfterExit", "ExecStart", "Restart", "RestartSec", "WantedBy"), 231),
    "TimeoutStartSec": 188,
    "TimeoutStopSec": 188,
    "AssertPathExists": 218,
    "RuntimeMaxSec": 229,
}
WORDS: dict[str, dict[str, int]] = {
    "systemctl": dict.fromkeys(
        ("daemon-reload", "is-active", "reset-failed", "restart", "show", "start", "stop", "--property"), 231
    ),
    "systemd-run": {"--unit": 206, "--description": 206, "--property": 211, "--wait": 232, "--collect": 236},
    "journalctl": dict.fromkeys(("-q", "--unit", "--since", "--output"), 231),
}
#: What C(systemctl show) is asked for.
SHOWN = {
    **dict.fromkeys(("Id", "ActiveState", "SubState", "Job", "MainPID"), 231),
    **dict.fromkeys(("AssertResult", "AssertTimestampMonotonic"), 218),
}


def keys_of(unit: str) -> set[str]:
    """The keys of a unit or a drop-in."""
    return set(re.findall(r"^([A-Za-z]+)=", unit, re.MULTILINE))


def units(root: pathlib.Path) -> dict[str, str]:
    """The text of each unit and drop-in that we place, by its path."""
    init = [hook for hook in HOOKS if HOOKS[hook].is_init]
    wanted = _host_files.needed(list(HOOKS), init, "/etc/nodecycle", init)
    found = {path: text for path, text in wanted.files.items() if path.startswith(_host_files.SYSTEMD_DIR)}
    for path in sorted((root / "roles").glob("*/tasks/*.yml")):
        for task in yaml.safe_load(path.read_text()):
            placed = task.get("ansible.builtin.blockinfile", {})
            if placed.get("path", "").startswith("/etc/systemd/"):
                found[placed["path"]] = placed["block"]
    return found


def head_of(word: ast.expr) -> str:
    """The part of a word that stands in the code; empty for a variable."""
    if isinstance(word, ast.JoinedStr) and word.values:
        word = t.cast("ast.expr", word.values[0])
    return str(word.value) if isinstance(word, ast.Constant) else ""


def calls(root: pathlib.Path) -> t.Iterator[tuple[str, str]]:
    """Each word of a call of one of systemd's commands, with the command."""
    for path in sorted((root / "plugins").glob("module*/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.List):
                names = [word.id.replace("_", "-") if isinstance(word, ast.Name) else "" for word in node.elts]
                tool = next((name for name in names if name in WORDS), "")
                words = node.elts[names.index(tool) + 1 :] if tool else []
                yield from ((tool, head) for word in words if (head := head_of(word)))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "systemctl":
                yield from (("systemctl", head_of(word)) for word in node.args)
    for path in sorted((root / "roles").rglob("*.yml")):
        # Not those in messages, which a person reads.
        for verb in re.findall(r"\$\(systemctl ([a-z-]+)", path.read_text()):
            yield "systemctl", verb


def unknown(root: pathlib.Path) -> list[str]:
    """What we use of systemd and nobody has looked up, or what is too new."""
    found = [
        f"{path}: {key}="
        for path, text in units(root).items()
        for key in sorted(keys_of(text))
        if KEYS.get(key, OLDEST + 1) > OLDEST
    ]
    for tool, word in calls(root):
        name, _equals, value = word.partition("=")
        known = WORDS[tool].get(name, OLDEST + 1)
        if name == "--property":
            table = SHOWN if tool == "systemctl" else KEYS
            names = value.split(",") if tool == "systemctl" else [value.partition("=")[0]]
            known = max(known, *(table.get(each, OLDEST + 1) for each in names))
        if known > OLDEST:
            found.append(f"{tool} {word}")
    return found


def test_nothing_is_newer_than_the_oldest_systemd(root: pathlib.Path) -> None:
    assert unknown(root) == [], (
        f"since which systemd is it there? Not later than {OLDEST}: then add it to the tables above"
    )


def test_the_units_and_the_calls_are_found(root: pathlib.Path) -> None:
    found = units(root)
    assert sorted(path.rpartition("/")[2] for path in found) == [
        "nodecycle-controller-init.service",
        "nodecycle-install.conf",
        "nodecycle-login-init.service",
        "nodecycle-worker-init.service",
        "nodecycle.conf",
        "nodecycle.conf",
    ]
    assert set().union(*map(keys_of, found.values())) | {"RuntimeMaxSec"} == set(KEYS)
    used = {(tool, word.partition("=")[0]) for tool, word in calls(root)}
    assert used == {(tool, word) for tool, words in WORDS.items() for word in words}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('[systemd_run, "--wait", f"--property=Upholds={unit}"]', ["systemd-run --property=Upholds="]),
        ('[timeout, "9", systemctl, "show", "--value"]', ["systemctl --value"]),
        ('controller.systemctl("clean")', ["systemctl clean"]),
        ('[systemctl, "show", "--property=MainPID,New"]', ["systemctl --property=MainPID,New"]),
        ('[journalctl, "--invocation=0"]', ["journalctl --invocation=0"]),
        ('[systemctl, "stop", *units]', []),
    ],
)
def test_what_is_too_new_is_seen(code: str, found: list[str], tmp_path: pathlib.Path) -> None:
    (tmp_path / "plugins/modules").mkdir(parents=True)
    (tmp_path / "plugins/modules/x.py").write_text(f"{code}\n")
    assert unknown(tmp_path) == found


def test_a_key_that_is_too_new_is_seen(root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_host_files, "_drop_in", lambda hook: f"[Unit]\nUpholds={hook}\n")
    assert {line.rpartition(": ")[2] for line in unknown(root)} == {"Upholds="}
