# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _interpreter, _release
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Script
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import StoreError


@pytest.mark.parametrize(
    ("content", "program"),
    [
        (b"#!/bin/sh\n", "/bin/sh"),
        (b"#! /bin/bash -e\necho", "/bin/bash"),
        (b"#!/usr/bin/env python3\n", "python3"),
        (b"#!/usr/bin/env -S LANG=C python3 -u\n", "python3"),
        (b"#!/usr/bin/env\n", "/usr/bin/env"),
        (b"#!\n", ""),
        (b"#!/bin/sh 'unbalanced\n", ""),
        (b"echo\n", ""),
        (b"", ""),
    ],
)
def test_interpreter(content: bytes, program: str) -> None:
    assert _interpreter.interpreter(content) == program


def test_is_present(tmp_path: pathlib.Path) -> None:
    (tmp_path / "tool").write_text("")
    assert not _interpreter.is_present("tool", str(tmp_path)), "nobody may run it"
    (tmp_path / "tool").chmod(0o755)
    assert _interpreter.is_present("tool", f"/gone:{tmp_path}")
    assert _interpreter.is_present(str(tmp_path / "tool"))
    assert not _interpreter.is_present(str(tmp_path)), "a directory"
    assert not _interpreter.is_present("no-such-program")


def required(hooks: list[str], script_path: t.Sequence[str] = (), **scripts: list[Script]) -> None:
    release = _release.build(
        t.cast("dict[str, t.Sequence[Script]]", scripts), "/r", dict.fromkeys(("job", "init", "task"), ""), script_path
    )
    assert release
    _interpreter.require(*_release.unpack(_release.pack(release)), hooks)


def test_every_script_without_its_interpreter_is_named() -> None:
    scripts = [Script("good", b"#!/bin/sh\n"), Script("a", b"#!/no/such\n"), Script("b", b"#!/usr/bin/env nosuch\n")]
    with pytest.raises(StoreError) as error:
        required(["worker_prolog"], worker_prolog=scripts, worker_epilog=scripts)
    assert (
        "worker_prolog: script 20-a needs /no/such; worker_prolog: script 30-b needs nosuch, which this host does not have"
        in str(error.value)
    )
    assert "worker_epilog" not in str(error.value)
    required(["worker_prolog"], worker_prolog=scripts[:1], worker_epilog=scripts)
    required([], worker_prolog=scripts)


def test_env_looks_into_the_users_directories_too(tmp_path: pathlib.Path) -> None:
    directory = tmp_path / "it's ours"
    directory.mkdir()
    (directory / "ourlang").touch(0o755)
    scripts = [Script("a", b"#!/usr/bin/env ourlang\n")]
    required(["worker_prolog"], ["/gone", str(directory)], worker_prolog=scripts)
    for path in ([], ["/gone"]):
        with pytest.raises(StoreError, match="needs ourlang"):
            required(["worker_prolog"], path, worker_prolog=scripts)
    with pytest.raises(StoreError, match="needs ourlang"):
        required(["task_prolog"], [str(directory)], task_prolog=scripts)


@pytest.mark.parametrize("dispatcher", [b"", b"script_path='/a\n", b"script_path=\xff\n"])
def test_a_damaged_dispatcher_is_no_traceback(dispatcher: bytes) -> None:
    assert _interpreter.search_path(dispatcher).endswith(_interpreter.SAFE_PATH)
