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


def test_tags_leave_out_nothing(root: pathlib.Path) -> None:
    """With --tags a playbook would end as if all were well; check.yml, the first part of site.yml, refuses them."""
    for path in sorted((root / "playbooks").glob("*.yml")):
        if path.name in ("check.yml", "rollout.yml", "site.yml"):
            continue
        for play in yaml.safe_load(path.read_text()):
            for task in [*play.get("pre_tasks", []), *play.get("roles", []), *play.get("tasks", [])]:
                assert task.get("tags") == ["always"], f"{path.name}: {task}"
