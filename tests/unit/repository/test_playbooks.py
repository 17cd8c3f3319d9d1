# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""No play takes from the user's ansible.cfg what its meaning depends on, and the probes are as the user's variables say."""

from __future__ import annotations

import pathlib
import re
import typing as t

import yaml

#: Where plays of one's own with our roles are shown.
EXAMPLES = ("docs/guide/rollout.md", "molecule/boot/converge.yml")


def plays_in(path: pathlib.Path) -> list[dict[str, t.Any]]:
    """The plays of a playbook, or of the examples in a page."""
    text = path.read_text()
    documents = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL) if path.suffix == ".md" else [text]
    loaded = [yaml.safe_load(document) for document in documents]
    return [play for document in loaded if isinstance(document, list) for play in document if "hosts" in play]


def test_every_play_says_what_it_relies_on(root: pathlib.Path) -> None:
    paths = [*sorted((root / "playbooks").glob("*.yml")), *(root / name for name in EXAMPLES)]
    plays = [(path.name, play) for path in paths for play in plays_in(path)]
    assert [name for name, _play in plays].count("rollout.md") == 3
    assert len(plays) > 15
    for name, play in plays:
        where = f"{name}: {play.get('name', play['hosts'])}"
        assert play.get("strategy") == "linear", where
        assert play.get("timeout") == 0, where
        assert play.get("gather_facts") is False, where
        assert isinstance(play.get("any_errors_fatal"), bool), where
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


def test_a_probe_is_what_the_variables_say_and_so_is_the_question_whether_slurm_takes_it(root: pathlib.Path) -> None:
    calls = [
        {option: value for option, value in task["nodecycle.slurm.probe"].items() if option not in ("name", "state")}
        for name in ("prepare", "probe")
        for task in yaml.safe_load((root / f"roles/rollout/tasks/{name}.yml").read_text())
        if "nodecycle.slurm.probe" in task
    ]
    question, probe = calls
    # The question runs on no node.
    probe.pop("met")
    assert question == probe
    for option in ("user", "account", "qos", "gres", "command", "timeout"):
        assert f"slurm_probe_{option}" in probe[option]
