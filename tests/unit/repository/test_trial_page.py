# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page of the module conf_trial says of a trial."""

from __future__ import annotations

import pathlib
import re

from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf, _trial_controller
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.conf import facts
from module_pages import documentation

PATH = "/etc/slurm/slurm.conf"


def test_it_lists_each_key_that_the_trial_changes(root: pathlib.Path) -> None:
    """docs/guide/slurm-conf.md sends its readers there."""
    keys = {name: key.name for name, key in facts.table(facts.MAIN).items() if name not in facts.LINE_KEYS}
    text = "".join(f"{key}=none\n" for name, key in keys.items() if name != "slurmctldhost")
    before = {PATH: f"SlurmctldHost=first\nSlurmctldHost=second\n{text}"}
    files = _trial_controller.trial_files(PATH, "/run/x", before.get, "first")
    values = {entry.key.lower(): entry.value for entry in _conf.tree(PATH, files.get)}
    page = documentation(root / "plugins/modules/conf_trial.py")["DOCUMENTATION"]
    said, _not_started = page["options"]["controller"]["description"]
    assert sorted(re.findall(r"C\((\w+)\)", said)) == sorted(
        key for name, key in keys.items() if values.get(name) != "none"
    )
