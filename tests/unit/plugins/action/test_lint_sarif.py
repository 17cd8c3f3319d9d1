# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What validate writes for other programs (slurm_lint_sarif), in whole runs."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

INVENTORY = "[slurm_controller]\nc1\n[slurm_worker]\nw1\nw2\n"

VARIABLES = """\
slurm_worker_epilog: |
  #!/bin/sh
  /usr/bin/scontrol show job
  exit 0
slurm_worker_prolog:
  - name: first
    content: |
      #!/bin/sh
      exec {{ command }}
  - name: second
    src: second.sh
  - name: third
    template: third.sh.j2
command: /usr/bin/sinfo
slurm_extra_conf: |
  KillWait=30
  KilWait=30
"""

Place = tuple[str, int, int]


class Site:
    """An inventory whose hosts nobody can reach."""

    def __init__(self, directory: pathlib.Path, ansible: t.Any) -> None:
        self.directory, self.ansible = directory, ansible
        self.write("inventory", INVENTORY)
        self.write("group_vars/all.yml", VARIABLES)
        self.write("files/second.sh", "#!/bin/sh\nexit 0\n  /usr/bin/squeue\n")
        self.write("templates/third.sh.j2", "#!/bin/sh\n{{ command }}\n/usr/bin/sacct\n")

    def write(self, name: str, text: str) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def validate(self, *arguments: str, file: str = "found.sarif") -> tuple[str, dict[str, t.Any]]:
        """The output of a run that fails, and the run in the file."""
        path = self.directory / file
        done = self.ansible(
            "ansible-playbook",
            f"--inventory={self.directory}/inventory",
            "playbooks/validate.yml",
            "-e",
            f"slurm_lint_sarif={path}",
            *arguments,
        )
        assert done.returncode == 2, done.stdout
        return done.stdout + done.stderr, json.loads(path.read_text())["runs"][0] if path.exists() else {}

    def places(self, run: dict[str, t.Any], rule: str) -> set[Place]:
        """The places of a rule's findings; 0 for a line or column that is not known."""
        found = set()
        for result in run["results"]:
            where = result["locations"][0]["physicalLocation"]
            region = where.get("region", {})
            name = where["artifactLocation"]["uri"].rpartition(f"{self.directory.name}/")[2]
            if result["ruleId"] == rule:
                found.add((name, region.get("startLine", 0), region.get("startColumn", 0)))
        return found


@pytest.fixture
def site(tmp_path: pathlib.Path, ansible: t.Any) -> Site:
    return Site(tmp_path, ansible)


def test_each_finding_has_the_place_where_the_user_wrote_it(site: Site) -> None:
    _said, run = site.validate()
    assert site.places(run, "slurm-command") == {
        ("group_vars/all.yml", 3, 3),
        # Templates made these lines: the variable, and the template as a whole.
        ("group_vars/all.yml", 6, 0),
        ("files/second.sh", 3, 3),
        ("templates/third.sh.j2", 3, 1),
        ("templates/third.sh.j2", 0, 0),
    }
    assert site.places(run, "conf/unknown-key") == {("group_vars/all.yml", 17, 3)}
    assert run["invocations"][0]["executionSuccessful"] is True


def test_problems_are_in_the_file_too(site: Site) -> None:
    said, run = site.validate("-e", '{"slurm_task_prolog": [{"name": "a b", "content": "#!/bin/sh"}]}')
    assert "has the name 'a b', which is not a file name" in said
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    (notification,) = invocation["toolExecutionNotifications"]
    assert "has the name 'a b', which is not a file name" in notification["message"]["text"]
    assert site.places(run, "slurm-command")


def test_a_file_that_cannot_be_written_stops_the_run(site: Site) -> None:
    said, run = site.validate(file="no/such/directory")
    assert "slurm_lint_sarif: " in said
    assert "/no/such/directory cannot be written: No such file or directory" in said
    assert run == {}
