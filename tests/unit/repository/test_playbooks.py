# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""No play takes from the user's ansible.cfg what its meaning depends on."""

from __future__ import annotations

import pathlib

import yaml


def test_every_play_says_what_it_relies_on(root: pathlib.Path) -> None:
    plays = [
        (path.name, play)
        for path in sorted((root / "playbooks").glob("*.yml"))
        for play in yaml.safe_load(path.read_text())
        if "hosts" in play
    ]
    assert len(plays) > 15
    for name, play in plays:
        where = f"{name}: {play['name']}"
        assert play["strategy"] == "linear", where
        assert play["timeout"] == 0, where
        assert play["gather_facts"] is False, where
        assert isinstance(play["any_errors_fatal"], bool), where
        # ignore_unreachable does nothing beside a true one.
        assert not (play["any_errors_fatal"] and play.get("ignore_unreachable")), where
