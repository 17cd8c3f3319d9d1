# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role install says which systems it serves, and refuses others before it changes anything. Real runs, on files that stand for os-release."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]

#: os-release as these systems have it, and what the refusal calls them (empty for those that are served).
SYSTEMS = {
    "bookworm": ('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n', ""),
    "trixie": ('PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nID=debian\n', ""),
    # It has no VERSION_ID.
    "testing": ('PRETTY_NAME="Debian GNU/Linux forky/sid"\nID=debian\n', ""),
    "noble": ('PRETTY_NAME="Ubuntu 24.04.3 LTS"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n', ""),
    "bullseye": (
        'PRETTY_NAME="Debian GNU/Linux 11 (bullseye)"\nVERSION_ID="11"\nID=debian\n',
        "Debian GNU/Linux 11 (bullseye)",
    ),
    "jammy": ('PRETTY_NAME="Ubuntu 22.04.5 LTS"\nID=ubuntu\nVERSION_ID="22.04"\n', "Ubuntu 22.04.5 LTS"),
    "rocky": (
        'NAME="Rocky Linux"\nID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\nPRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"\n',
        "Rocky Linux 9.4 (Blue Onyx)",
    ),
    "sles": (
        'ID="sles"\nVERSION_ID="15.6"\nPRETTY_NAME="SUSE Linux Enterprise Server 15 SP6"\n',
        "SUSE Linux Enterprise Server 15 SP6",
    ),
    "quoted": ('ID=odd\nPRETTY_NAME="It\'s odd: {{ 1 }}"\n', "It's odd: {{ 1 }}"),
    "silent": ("", "Linux"),
}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a run of the role's checks says, with a host of each system."""
    place = tmp_path_factory.mktemp("install")
    hosts = {}
    for name, (text, _called) in SYSTEMS.items():
        (place / name).write_text(text)
        hosts[name] = {
            "os_release": str(place / name),
            "ansible_connection": "local",
            "install_node_name": os.uname().nodename,
        }
    groups = {
        "slurm_controller": {"hosts": {"bookworm": None}},
        "slurm_worker": {"hosts": dict.fromkeys(name for name in SYSTEMS if name != "bookworm")},
    }
    (place / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "children": groups}}))
    tasks = [{"ansible.builtin.include_role": {"name": "nodecycle.slurm.install", "tasks_from": "guard"}}]
    (place / "play.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    done = subprocess.run(
        [
            "ansible-playbook",
            "-i",
            place / "hosts.yml",
            place / "play.yml",
            "-e",
            "install__os_release='{{ os_release }}'",
        ],
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_NOCOLOR": "1",
        },
        cwd=place,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 2, done.stdout
    return done.stdout


def verdict(output: str, host: str) -> str:
    """What the check of the system says of a host."""
    task = output.partition("Check that the role serves this system]")[2].partition("\nTASK [")[0]
    return next(line for line in task.splitlines() if re.match(rf"\w+: \[{host}\]", line))


@pytest.mark.parametrize("host", [name for name, (_text, called) in SYSTEMS.items() if called])
def test_another_system_is_refused_by_its_name_with_the_remedy(host: str, output: str) -> None:
    said = verdict(output, host)
    assert "FAILED" in said
    assert f"{host} runs {SYSTEMS[host][1]}" in said
    assert "serves Debian 12 or later and Ubuntu 24.04 or later" in said
    assert "leave this role out" in said
    assert "Nothing was changed" in said


@pytest.mark.parametrize("host", [name for name, (_text, called) in SYSTEMS.items() if not called])
def test_a_system_that_it_serves_passes(host: str, output: str) -> None:
    assert verdict(output, host) == f"ok: [{host}]"


def test_one_system_that_it_does_not_serve_stops_all(output: str) -> None:
    last = re.findall(r"^TASK \[(.+?)\]", output, re.MULTILINE)[-1]
    assert last.endswith("Check that the role serves this system")


def test_the_systems_that_it_serves_are_the_same_everywhere() -> None:
    served = yaml.safe_load((ROOT / "roles/install/vars/main.yml").read_text())["install__served"]
    assert served == {"debian": "12", "ubuntu": "24.04"}
    words = "Debian 12 or later and Ubuntu 24.04 or later"
    for page in ("README.md", "meta/argument_specs.yml", "tasks/guard.yml"):
        assert words in " ".join((ROOT / "roles/install" / page).read_text().split()), page
    platforms = yaml.safe_load((ROOT / "roles/install/meta/main.yml").read_text())["galaxy_info"]["platforms"]
    assert [platform["name"].lower() for platform in platforms] == list(served)
