# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib

from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf_parser


def test_the_private_directory_has_links_but_for_what_changes(tmp_path: pathlib.Path) -> None:
    beside, private = tmp_path / "slurm", tmp_path / "private"
    beside.mkdir()
    private.mkdir()
    for name in ("slurm.conf", "gres.conf", "slurm.key", "nodecycle.conf"):
        (beside / name).write_text(name)
    main = str(beside / "slurm.conf")
    _conf_parser.stage(str(private), main, {main: "new", str(beside / "nodecycle.conf"): None})
    assert sorted(path.name for path in private.iterdir()) == ["gres.conf", "slurm.conf", "slurm.key"]
    assert (private / "slurm.key").is_symlink()
    assert not (private / "slurm.conf").is_symlink()
    assert ((private / "slurm.conf").read_text(), (beside / "slurm.conf").read_text()) == ("new", "slurm.conf")
