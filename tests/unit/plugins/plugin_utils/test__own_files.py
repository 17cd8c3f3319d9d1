# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _own_files


def test_the_dispatcher_is_bash_without_a_first_line_of_its_own() -> None:
    bodies = _own_files.dispatcher_bodies()
    assert not any(body.startswith("#!") for body in bodies.values())
    assert '"${!names[@]}"' in bodies["job"]
    assert bodies["init"] == bodies["job"] != bodies["task"]
