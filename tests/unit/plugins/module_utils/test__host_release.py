# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
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
