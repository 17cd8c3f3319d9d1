# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action script_lint: arguments, files, threshold, warnings, and its module's documentation."""

from __future__ import annotations

import builtins
import pathlib
import typing as t
from unittest import mock

import pytest
from ansible.errors import AnsibleError
from ansible_collections.nodecycle.slurm.plugins.action.script_lint import ActionModule
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script import tools

GOOD = "#!/bin/bash\nlogger start\n"
WARNING = "#!/bin/bash\nchmod 777 /scratch/x\n"
ERROR = "#!/bin/bash\nsqueue -h >/dev/null\nexit 0\n"


@pytest.fixture(autouse=True)
def _own_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path / "home"))


def run(*scripts: dict[str, t.Any], folder: pathlib.Path | None = None, **arguments: t.Any) -> dict[str, t.Any]:
    """The result of the action for some scripts."""
    task = mock.Mock(args={"scripts": list(scripts), **arguments}, async_val=0, check_mode=True)
    action = ActionModule(task, mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock())
    # Ansible's own messages name it.
    action._load_name = "nodecycle.slurm.script_lint"

    def find(_kind: str, name: str) -> str:
        path = (folder or pathlib.Path("/nonexistent")) / name
        if not path.exists():
            raise AnsibleError(f"Could not find or access '{name}'")
        return str(path)

    with mock.patch.object(action, "_find_needle", side_effect=find):
        return action.run(task_vars={})


def inline(text: str) -> dict[str, t.Any]:
    """A script given by its text."""
    return {"hook": "worker_prolog", "content": text}


def test_good_scripts_change_nothing_and_warn_of_nothing() -> None:
    assert run(inline(GOOD)) == {"changed": False, "findings": []}


def test_a_text_that_was_read_from_a_file_in_latin_1_is_linted() -> None:
    """As a lookup gives it."""
    result = run(inline(WARNING + "# f\udcfcr alle\n"))
    assert {"text-encoding", "world-writable"} <= {finding["rule"] for finding in result["findings"]}


def test_an_error_fails_and_says_all() -> None:
    result = run(inline(ERROR))
    assert result["failed"] is True
    said = "No host was touched.\nworker_prolog: scripts[1]\n  line 2: error (stops the run): squeue runs"
    assert result["msg"].startswith(said)
    assert [finding["rule"] for finding in result["findings"] if finding["severity"] == "error"] == ["slurm-command"]


def test_a_warning_is_shown_once_and_does_not_fail() -> None:
    result = run(inline(WARNING), {**inline(WARNING), "hook": "worker_epilog"})
    assert "failed" not in result
    (text,) = result["warnings"]
    assert text.count("why:") == 1


def test_a_failure_shows_the_warnings_too() -> None:
    result = run(inline(ERROR), inline(WARNING))
    assert "warnings" not in result
    assert result["msg"].count("[slurm-command]") == 1
    assert result["msg"].count("[world-writable]") == 1
    assert result["msg"].count("(stops the run)") == 1


def test_the_threshold_decides() -> None:
    assert run(inline(WARNING), threshold="warning")["failed"] is True
    assert "warnings" not in run(inline(WARNING), threshold="warning")


def test_rules_are_switched_off_and_graded() -> None:
    assert "failed" not in run(inline(ERROR), disable=["slurm-command"])
    assert "failed" not in run(inline(ERROR), severity={"slurm-command": "info"})
    # YAML reads a bare off as false.
    assert "failed" not in run(inline(ERROR), severity={"slurm-command": False})


def test_a_file_is_read_and_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "prolog.sh").write_text(ERROR)
    result = run({"hook": "worker_prolog", "src": "prolog.sh"}, folder=tmp_path)
    assert {(finding["script"], finding["origin"]) for finding in result["findings"]} == {("prolog.sh", "prolog.sh")}


def test_a_directory_is_no_script(tmp_path: pathlib.Path) -> None:
    (tmp_path / "prolog.d").mkdir()
    result = run(inline(GOOD), {"hook": "worker_prolog", "src": "prolog.d"}, folder=tmp_path)
    assert result["msg"] == f"scripts[2]: {tmp_path}/prolog.d is a directory, not a script"


def test_a_file_that_is_not_there(tmp_path: pathlib.Path) -> None:
    result = run({"hook": "worker_prolog", "src": "prolog.sh"}, folder=tmp_path)
    assert result["failed"] is True
    assert result["msg"].startswith("scripts[1]: there is no file prolog.sh")


def test_a_file_that_may_not_be_read(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prolog.sh").write_text(GOOD)
    original = builtins.open

    def refuse(file: t.Any, *rest: t.Any, **more: t.Any) -> t.Any:
        if str(file).endswith("prolog.sh"):
            raise PermissionError(13, "Permission denied")
        return original(file, *rest, **more)

    monkeypatch.setattr(builtins, "open", refuse)
    result = run({"hook": "worker_prolog", "src": "prolog.sh"}, folder=tmp_path)
    assert result["msg"] == "scripts[1]: prolog.sh cannot be read: Permission denied"


def test_a_wrong_rule_is_a_plain_failure() -> None:
    assert run(inline(GOOD), disable=["nonsense"])["msg"].startswith("There is no lint rule 'nonsense'")


def test_a_missing_program_is_a_plain_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setattr(tools.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    tools.find_tool.cache_clear()
    try:
        result = run(inline(GOOD))
    finally:
        tools.find_tool.cache_clear()
    assert result["failed"] is True
    assert "pip install -r requirements.txt" in result["msg"]


@pytest.mark.parametrize("arguments", [{"threshold": "never"}, {"unknown": 1}])
def test_wrong_arguments_are_refused(arguments: dict[str, t.Any]) -> None:
    with pytest.raises(AnsibleError):
        run(inline(GOOD), **arguments)


@pytest.mark.parametrize("script", [{"hook": "worker_prolog"}, {"hook": "prolog", "content": GOOD}, {"content": GOOD}])
def test_a_script_needs_a_hook_and_a_text(script: dict[str, t.Any]) -> None:
    with pytest.raises(AnsibleError):
        run(script)
