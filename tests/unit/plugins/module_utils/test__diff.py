# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import pathlib
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _release
from ansible_collections.nodecycle.slurm.plugins.module_utils._diff import release_diff
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Script
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Store

pytestmark = pytest.mark.usefixtures("host")

ONE = Script("one", b"#!/bin/sh\necho 1\n")
TWO = Script("two", b"#!/bin/sh\necho 2\n")
HIDDEN = Script("hidden", b"#!/bin/sh\necho password\n", no_log=True)


@pytest.fixture
def store(host: pathlib.Path) -> Store:
    return Store(str(host / "etc/nodecycle"))


def packed(*scripts: Script) -> tuple[dict[str, t.Any], dict[str, bytes]]:
    release = _release.build(
        {"worker_prolog": list(scripts)}, "/r", {"job": "exit 0\n", "init": "exit 0\n", "task": "exit 0\n"}
    )
    assert release
    return _release.unpack(_release.pack(release))


def active(store: Store, *scripts: Script) -> None:
    store.stage(*packed(*scripts))
    store.activate(packed(*scripts)[0]["id"])


def diff(store: Store, *scripts: Script) -> dict[str, tuple[str, str]]:
    return {part["before_header"]: (part["before"], part["after"]) for part in release_diff(store, *packed(*scripts))}


def test_a_first_release_shows_everything(store: Store) -> None:
    assert diff(store, ONE) == {
        "scripts in their order": ("", "worker_prolog: 10-one\n"),
        "worker_prolog.d/10-one": ("", "#!/bin/sh\necho 1\n"),
    }


def test_no_change_shows_nothing(store: Store) -> None:
    active(store, ONE)
    assert diff(store, ONE) == {}


def test_what_comes_goes_and_changes(store: Store) -> None:
    active(store, ONE, TWO)
    changed = dataclasses.replace(ONE, content=b"#!/bin/sh\necho 3\n", timeout=5)
    assert diff(store, changed) == {
        "scripts in their order": (
            "worker_prolog: 10-one\nworker_prolog: 20-two\n",
            "worker_prolog: 10-one timeout=5s\n",
        ),
        "worker_prolog.d/10-one": ("#!/bin/sh\necho 1\n", "#!/bin/sh\necho 3\n"),
        "worker_prolog.d/20-two": ("#!/bin/sh\necho 2\n", ""),
    }


def test_damage_is_shown(store: Store) -> None:
    active(store, ONE)
    pathlib.Path(store.path(packed(ONE)[0]["id"], "worker_prolog.d/10-one")).write_text("broken\n")
    assert diff(store, ONE) == {"worker_prolog.d/10-one": ("broken\n", "#!/bin/sh\necho 1\n")}


@pytest.mark.parametrize("before", [(), (HIDDEN,), (dataclasses.replace(HIDDEN, no_log=False),)])
@pytest.mark.parametrize(
    "after", [(HIDDEN,), (dataclasses.replace(HIDDEN, content=b"#!/bin/sh\necho password2\n"),), (ONE,)]
)
def test_a_secret_is_never_shown(before: tuple[Script, ...], after: tuple[Script, ...], store: Store) -> None:
    if before:
        active(store, *before)
    # A text that has just become a secret must not be shown either.
    shown = [part for part in release_diff(store, *packed(*after)) if "password" in part["before"] + part["after"]]
    assert [part["before_header"] for part in shown if not (before and not before[0].no_log and after == (ONE,))] == []


def test_of_a_secret_only_that_it_changes_is_shown(store: Store) -> None:
    active(store, HIDDEN)
    assert diff(store, HIDDEN) == {}
    changed = dataclasses.replace(HIDDEN, content=b"#!/bin/sh\necho password2\n")
    assert diff(store, changed) == {
        "worker_prolog.d/10-hidden": ("(content hidden)\n", "(content hidden, not the same as before)\n")
    }
    assert diff(store, ONE)["worker_prolog.d/10-hidden"] == ("(content hidden)\n", "")
