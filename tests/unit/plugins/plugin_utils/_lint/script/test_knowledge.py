# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the rules know of commands: the table against the tools of this host, and what is told of it."""

from __future__ import annotations

import ast
import pathlib
import shutil
import subprocess

import pytest
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script import cache, engine, knowledge
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.facts import Is
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.model import Options, Script

CHECKS = sorted((pathlib.Path(engine.__file__).parent / "checks").glob("*.py"))


def test_the_shell_words_are_those_of_bash() -> None:
    said = subprocess.run(["bash", "-c", "compgen -b"], capture_output=True, check=True, text=True).stdout.split()
    assert set(said) == knowledge.SHELL_WORDS - {"[[", "coproc", "function", "select", "time"}


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="needs Debian")
def test_the_essential_packages_of_this_host_are_base() -> None:
    said = subprocess.run(
        ["dpkg-query", "--listfiles", "coreutils", "grep", "sed", "util-linux"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    programs = {path.rsplit("/", 1)[1] for path in said.splitlines() if path.rsplit("/", 1)[0].endswith("bin")}
    # One or two come and go with a release.
    assert len(programs - knowledge.BASE_COMMANDS) <= 3
    assert len(programs) > 100


@pytest.mark.parametrize(
    "name", ["lsof", "bc", "dig", "nslookup", "host", "tcpdump", "netstat", "route", "arp", "at", "mail", "nc"]
)
def test_what_a_minimal_installation_leaves_out_is_no_base_command(name: str) -> None:
    assert name not in knowledge.BASE_COMMANDS


@pytest.mark.parametrize(
    "name",
    [
        "gpasswd",
        "top",
        "groupadd",
        "chpasswd",
        "column",
        "uuidgen",
        "watch",
        "pmap",
        "fstrim",
        "hexdump",
        "lsns",
        "systemd-cgls",
        "awk",
        "which",
        "sudo",
        "ssh",
    ],
)
def test_what_a_minimal_installation_has_is_a_base_command(name: str) -> None:
    assert name in knowledge.BASE_COMMANDS


def test_another_table_of_base_commands_is_another_version_of_the_linter(monkeypatch: pytest.MonkeyPatch) -> None:
    read = pathlib.Path.read_bytes
    before = cache.engine_version()
    monkeypatch.setattr(
        pathlib.Path, "read_bytes", lambda self: read(self) + b" " * (self.name == "base_commands.json")
    )
    assert cache.engine_version() != before


def test_every_row_has_a_source_and_every_wait_a_remedy() -> None:
    rows = knowledge.COMMANDS.values()
    assert all(row.source for row in rows)
    assert all(wait.fix and wait.says for row in rows for wait in row.waits)


def test_a_command_has_one_row() -> None:
    with pytest.raises(ValueError, match="two rows"):
        knowledge._table(knowledge._row("cat tac", "a"), knowledge._row("tac", "b"))


@pytest.mark.parametrize("name", ["python3", "python3.11", "lua5.4"])
def test_a_version_is_no_part_of_a_name(name: str) -> None:
    assert knowledge.is_a(name, Is.LANGUAGE)


def _lists_of_commands(file: pathlib.Path) -> list[int]:
    """The lines of a module that list four commands or more; the shell's own words are its grammar."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Tuple, ast.Set, ast.List)):
            words = [e.value for e in node.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "word_set":
            words = str(ast.literal_eval(node.args[0])).split()
        else:
            continue
        if sum(knowledge.is_known(word) and word not in knowledge.SHELL_WORDS for word in words) >= 4:
            found.append(node.lineno)
    return found


@pytest.mark.parametrize("file", CHECKS, ids=lambda file: file.stem)
def test_no_check_keeps_a_list_of_commands(file: pathlib.Path) -> None:
    assert _lists_of_commands(file) == []


def test_all_commands_that_are_found_through_path_are_named() -> None:
    text = b"#!/bin/bash\njq -n 1 >/dev/null\nid\nnvidia-smi -L\njq -n 2 >/dev/null\nexit 0\n"
    found = engine.lint([Script("worker_prolog", "s", text)], options=Options(path=None), cache_path=None)
    (message,) = (hit.message for hit in found if hit.rule == "command-search-path")
    assert message.startswith("jq is called by its bare name")
    assert message.endswith("; nvidia-smi (line 4) too")
