# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _host_release, _release
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Release, Script
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Store


class Module:
    """Of AnsibleModule what a release uses, on a host without systemd."""

    def __init__(self, host: pathlib.Path) -> None:
        self.check_mode = False
        self.params: dict[str, t.Any] = {
            "hooks": {},
            "payload": "",
            "conf": None,
            "conf_path": str(host / "etc/slurm/slurm.conf"),
            "keep": 5,
            "gate": [],
            "init_timeouts": {},
            "units": {"slurmd": "slurmd.service", "slurmctld": "slurmctld.service"},
        }

    def get_bin_path(self, _name: str) -> None:
        return None


class Host:
    """A host with a root directory of its own."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root, self.module, self.store = root, Module(root), Store(str(root / "etc/nodecycle"))

    def bring(self, state: str, **params: t.Any) -> dict[str, t.Any]:
        self.module.params.update(params)
        return _host_release._STEPS[state](t.cast("t.Any", self.module), self.store)

    def stage(self, release: Release) -> dict[str, t.Any]:
        return self.bring("staged", payload=_release.pack(release))

    def paths(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*")}


@pytest.fixture
def machine(host: pathlib.Path) -> Host:
    return Host(host)


NOTHING = {"changed": False, "id": "", "previous": "", "active": True}
#: The logs outlive the collection.
KEPT = {"var/log/nodecycle", "var/log/nodecycle/worker_prolog.log", "var/log/nodecycle/worker_epilog.log"}


def test_a_script_in_latin_1_is_staged_as_it_is(machine: Host) -> None:
    content = b"#!/bin/bash\n# f\xfcr alle\nlogger \xe9\r\n"
    release = _release.build({"worker_prolog": [Script("l", content)]}, machine.store.root, {"job": "exit 0\n"})
    assert release
    done = machine.stage(release)
    assert done["changed"]
    assert pathlib.Path(machine.store.path(release.id, "worker_prolog.d/10-l")).read_bytes() == content
    (shown,) = (diff["after"] for diff in done["diff"] if diff["after_header"].endswith("10-l"))
    assert "# f\ufffdr alle" in shown
    json.dumps(done).encode()


@pytest.mark.parametrize("hooks", [{}, {"worker_init": []}], ids=["none", "init"])
def test_a_bare_host_without_a_hook_of_a_job_gets_no_empty_release(
    machine: Host, hooks: dict[str, list[t.Any]]
) -> None:
    before = machine.paths()
    assert machine.bring("empty", hooks=hooks) == NOTHING
    assert machine.paths() == before


def test_an_empty_release_runs_nothing_and_is_active(machine: Host) -> None:
    before = machine.paths()
    machine.module.check_mode = True
    assert machine.bring("empty", hooks={"worker_prolog": [], "worker_init": []})["changed"]
    assert machine.paths() == before
    machine.module.check_mode = False
    done = machine.bring("empty")
    manifest = machine.store.require(done["id"])
    assert (done["changed"], done["previous"], machine.store.current()) == (True, "", done["id"][:16])
    assert (manifest["hooks"], manifest["scripts"]) == ({"worker_prolog": []}, {"worker_prolog": []})
    assert sorted(os.listdir(machine.store.path(done["id"]))) == ["manifest.json", "worker_prolog"]
    assert machine.bring("empty")["changed"] is False


def test_the_empty_release_of_an_undo_has_the_hooks_that_slurm_conf_names(machine: Host, make_release: t.Any) -> None:
    release = make_release(root=machine.store.root)
    machine.stage(release)
    machine.bring("active", id=release.id)
    done = machine.bring("empty")
    assert done["previous"] == release.id[:16]
    assert machine.store.require(done["id"])["hooks"] == {"worker_prolog": [], "worker_epilog": []}


def test_a_bare_host_whose_first_run_fails_keeps_nothing_of_ours(machine: Host, make_release: t.Any) -> None:
    """On the canary, before a batch has made anything the active release; and after that."""
    before = machine.paths()
    release = make_release(root=machine.store.root)
    for step in ("canary", "active"):
        machine.stage(release)
        if step == "active":
            machine.bring("empty", hooks={hook: [] for hook in release.hooks})
        machine.bring(step, id=release.id, probe_user="")
        undone = machine.bring("empty", hooks={})
        assert (undone["previous"], machine.store.canary()) == (release.id[:16] if step == "active" else "", None)
        machine.bring("absent")
        assert machine.paths() - KEPT == before
