# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _module

GRUESSE = b"# gr\xfc\xdfe \xe2\x82\xac\n"


def test_bytes_survive_and_are_shown_without_what_ansible_refuses(tmp_path: pathlib.Path) -> None:
    (tmp_path / "slurm.conf").write_bytes(GRUESSE)
    text = _module.read_text(str(tmp_path / "slurm.conf"))
    assert text is not None
    assert _module.to_bytes(text) == GRUESSE
    with pytest.raises(UnicodeEncodeError):
        text.encode()
    assert _module.shown(text) == "# gr\ufffd\ufffde €\n"


def test_the_whole_of_an_answer_is_shown() -> None:
    answer = {"a\udcfc": ["L\udcfcfter", {"b": ("x", 1, None, True)}], "c": 2.5}
    assert _module.shown(answer) == {"a\ufffd": ["L\ufffdfter", {"b": ["x", 1, None, True]}], "c": 2.5}


class Module:
    """Of AnsibleModule what a runner uses, with real programs."""

    def get_bin_path(self, name: str, **_options: t.Any) -> str:
        return f"/usr/bin/{name}"

    def run_command(self, command: list[str], **_options: t.Any) -> tuple[int, str, str]:
        done = subprocess.run(command, capture_output=True, check=False, encoding="utf-8", errors="surrogateescape")
        return done.returncode, done.stdout, done.stderr


def test_what_slurm_s_commands_say_can_be_answered() -> None:
    run = _module.runner(t.cast(t.Any, Module()), "")
    assert run(["printf", r"Reason=L\374fter"]) == (0, "Reason=L\ufffdfter", "")
