# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs on hosts takes no distribution for granted, and docs/guide/systems.md says what it needs there."""

from __future__ import annotations

import ast
import pathlib
import re

import pytest
import yaml
from ansible_collections.nodecycle.slurm.plugins.module_utils import _trial_controller

PAGE = "docs/guide/systems.md"

#: What only some systems have: package managers, places for options of daemons, helpers of packages, one version of control groups.
OF_SOME = re.compile(
    r"\b(?:apt|apt-get|apt-cache|dpkg(?:-query)?|dnf|yum|rpm|zypper|adduser|addgroup|deb-systemd-helper|invoke-rc\.d|update-rc\.d)\b"
    r"|/etc/(?:default|sysconfig|debian_version|redhat-release)\b|/sys/fs/cgroup|/bin/dash\b|distribution"
)


def on_hosts(root: pathlib.Path) -> list[pathlib.Path]:
    """The code that runs on hosts, but for the role install, which serves the systems that it names."""
    places = ("plugins/modules/*.py", "plugins/module_utils/*.py", "playbooks/*.yml", "roles/*/*/*.*")
    paths = sorted(path for place in places for path in root.glob(place))
    return [path for path in paths if "roles/install/" not in str(path)]


def test_no_system_is_taken_for_granted(root: pathlib.Path) -> None:
    paths = on_hosts(root)
    assert len(paths) > 80
    found = {str(path.relative_to(root)): words for path in paths if (words := OF_SOME.findall(path.read_text()))}
    assert found == {}, "only some systems have it"


@pytest.mark.parametrize(
    "text",
    [
        "command: apt-get install -y x",
        "dpkg -l",
        "/etc/default/slurmd",
        "/etc/sysconfig/slurmd",
        "/sys/fs/cgroup/cpu",
        "- when: ansible_facts.distribution_release",
    ],
)
def test_what_only_some_have_is_seen(text: str) -> None:
    assert OF_SOME.search(text)


def needed(root: pathlib.Path) -> dict[str, list[str]]:
    """The commands of the page's table, each with its packages."""
    rows = re.findall(r"^\| (`[^|]*`) \|([^|]+)\|([^|]+)\|([^|]+)\|[^|]+\|$", (root / PAGE).read_text(), re.MULTILINE)
    return {
        command: [package.strip() for package in packages]
        for commands, *packages in rows
        for command in re.findall(r"`([^`]+)`", commands)
    }


def called(root: pathlib.Path) -> set[str]:
    """The programs that modules look for by name, without Slurm's."""
    found = set(_trial_controller.TOOLS)
    for path in root.glob("plugins/module*/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get_bin_path":
                found |= {word.value for word in node.args[:1] if isinstance(word, ast.Constant)}
    return {name for name in found if not name.startswith("slurm")}


def test_each_program_that_modules_call_has_its_packages_in_the_page(root: pathlib.Path) -> None:
    programs = called(root)
    assert {"ss", "unshare", "systemctl", "timeout"} <= programs
    assert programs - set(needed(root)) == set()


def test_each_program_of_the_dispatchers_is_in_the_page_or_in_coreutils(root: pathlib.Path) -> None:
    text = (root / "roles/rollout/files/dispatcher.sh").read_text() + (
        root / "roles/rollout/files/task_dispatcher.sh"
    ).read_text()
    for name in ("flock", "setsid", "iconv", "logger", "timeout"):
        assert re.search(rf"(?:^|[ /|(]){name} ", text, re.MULTILINE), name
        assert name in needed(root)


def test_the_package_in_a_message_is_that_of_the_page(root: pathlib.Path) -> None:
    table = needed(root)
    for tool, package in _trial_controller.TOOLS.items():
        assert package.partition(",")[0] in table[tool][0].split(", "), tool
        assert package.rpartition(" ")[2] == table[tool][1], tool


def test_roles_name_the_systems_of_the_page(root: pathlib.Path) -> None:
    metas = [root / f"roles/{role}/meta/main.yml" for role in ("controller", "login", "rollout", "worker")]
    named = [yaml.safe_load(path.read_text())["galaxy_info"]["platforms"] for path in metas]
    assert all(platforms == named[0] for platforms in named)
    assert [platform["name"] for platform in named[0]] == ["Debian", "EL", "SLES", "Ubuntu"]
    rows = re.findall(r"^\| ((?:Debian|Ubuntu|EL|SLES) [^|]+) \| (yes|no)", (root / PAGE).read_text(), re.MULTILINE)
    assert [row for row, tried in rows if tried == "yes"] == ["Debian 12, 13 and testing"]
    assert {row.split()[0] for row, _tried in rows} == {platform["name"] for platform in named[0]}
