# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _host_files, _interpreter, _proof, _release
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Script
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Store, StoreError
from ansible_collections.nodecycle.slurm.plugins.modules import cluster_info

BODIES = dict.fromkeys(("job", "init", "task"), "")
#: The options of a module that has none.
PARAMS: dict[str, t.Any] = {"gate": [], "init_timeouts": {}, "units": {}, "conf_path": "/no/such"}


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
    release = _release.build(t.cast("dict[str, t.Sequence[Script]]", scripts), "/r", BODIES, script_path)
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


def closed_path(hook: str, script_path: t.Sequence[str]) -> None:
    release = _release.build({hook: [Script("a", b"#!/bin/sh\n")]}, "/r", BODIES, script_path)
    assert release
    _interpreter.require_closed_path(*_release.unpack(_release.pack(release)))


OPEN: dict[str, t.Callable[[pathlib.Path], None]] = {
    "open": lambda path: path.chmod(0o777),
    "sticky": lambda path: path.chmod(0o1777),
    "of another": lambda path: os.chown(path, 12345, 0),
}


@pytest.mark.usefixtures("ownership")
@pytest.mark.parametrize("place", ["opt/slurm/bin", "opt"])
@pytest.mark.parametrize("how", OPEN)
def test_a_directory_where_others_could_put_a_program_is_refused(how: str, place: str, tmp_path: pathlib.Path) -> None:
    closed, other = tmp_path / "closed/bin", tmp_path / "opt/slurm/bin"
    for directory in (closed, other):
        directory.mkdir(parents=True)
    path = [str(closed), f"{closed}/later", str(other)]
    closed_path("worker_prolog", path)
    if (how, place) == ("sticky", "opt"):
        # What is there stays root's; only a new name would be another's.
        (tmp_path / place / "slurm").rename(tmp_path / "away")
    OPEN[how](tmp_path / place)
    with pytest.raises(StoreError, match=f"{tmp_path / place} .*slurm_script_path"):
        closed_path("worker_prolog", path)
    closed_path("worker_prolog", path[:2])
    closed_path("task_prolog", path)


@pytest.fixture
def staged(host: pathlib.Path) -> tuple[Store, str, pathlib.Path]:
    """A release that is active, and the directory in its scripts' PATH."""
    directory = host / "opt/bin"
    directory.mkdir(parents=True)
    release = _release.build(
        {"worker_prolog": [Script("a", b"#!/bin/sh\n")]}, str(host / "etc/nodecycle"), BODIES, [str(directory)]
    )
    assert release
    store = Store(str(host / "etc/nodecycle"))
    store.stage(*_release.unpack(_release.pack(release)))
    store.activate(release.id)
    wanted = _host_files.around(store, store.require_manifest(release.id), PARAMS)
    _host_files.make_dirs(wanted, store.owners)
    _host_files.place(wanted, store.owners)
    return store, release.id, directory


def test_a_directory_that_was_opened_later_is_told(staged: tuple[Store, str, pathlib.Path]) -> None:
    store, id_, directory = staged
    assert (_proof.around(store, id_, PARAMS), cluster_info.intact_release(store, PARAMS)) == ([], id_)
    directory.chmod(0o777)
    (told,) = _proof.around(store, id_, PARAMS)
    assert told.startswith(f"{directory} can be written by others")
    assert cluster_info.intact_release(store, PARAMS) == "", "a run looks closer"


@pytest.mark.parametrize("dispatcher", [b"", b"script_path='/a\n", b"script_path=\xff\n"])
def test_a_damaged_dispatcher_is_no_traceback(dispatcher: bytes) -> None:
    assert _interpreter.search_path(dispatcher).endswith(_interpreter.SAFE_PATH)
