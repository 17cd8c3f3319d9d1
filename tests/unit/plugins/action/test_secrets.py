# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""Vaulted values in whole runs of ansible-playbook on the control node, with all that Ansible can print."""

from __future__ import annotations

import pathlib
import subprocess
import textwrap
import typing as t

import pytest

SECRET = "Hunter2-Secret"  # noqa: S105
OTHERS = "Db-Secret-1"
#: In any case, base64 or hash that a test uses.
MARKS = ("hunter2", "db-secret", "sHVudGVyMi", "SHVudGVyMi1TZWNyZXQ", "ivoufs3")

INVENTORY = """
all:
  children:
    slurm_controller: {hosts: {controller: {}}}
    slurm_worker: {hosts: {w1: {}, w2: {}}}
    other: {hosts: {db1: {}}}
"""


class Site:
    """An inventory with vaulted values."""

    def __init__(self, directory: pathlib.Path, ansible: t.Callable[..., subprocess.CompletedProcess[str]]) -> None:
        self.directory, self.ansible = directory, ansible
        self.write("password", "of the tests\n")
        self.write("inventory.yml", INVENTORY)
        self.write("host_vars/db1.yml", self.vaulted("other_pw", OTHERS))

    def write(self, name: str, text: str) -> pathlib.Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, program: str, *arguments: str) -> str:
        done = self.ansible(program, *arguments, timeout=120, COLUMNS="10000")
        return done.stdout + done.stderr

    def vaulted(self, name: str, text: str) -> str:
        password = f"--vault-password-file={self.directory}/password"
        said = self.run("ansible-vault", "encrypt_string", password, "--name", name, text)
        assert "$ANSIBLE_VAULT" in said
        return said[said.index(name) :].replace("Encryption successful", "") + "\n"

    def play(self, playbook: str, variables: str) -> str:
        text = self.vaulted("pw", SECRET) + textwrap.dedent(variables)
        self.write("group_vars/all.yml", text)
        return self.run(
            "ansible-playbook",
            "-vvv",
            f"--inventory={self.directory}/inventory.yml",
            f"--vault-password-file={self.directory}/password",
            playbook,
        )


@pytest.fixture
def site(tmp_path: pathlib.Path, ansible: t.Any) -> Site:
    return Site(tmp_path, ansible)


def shown(said: str) -> list[str]:
    """The marks of a secret in an output."""
    return [mark for mark in MARKS if mark.lower() in said.lower()]


def test_validate_refuses_what_everybody_could_read_and_quotes_no_secret(site: Site) -> None:
    said = site.play(
        "playbooks/validate.yml",
        """
        slurm_worker_epilog:
          - {name: a, content: "#!/bin/sh\\n{{ pw | to_datetime }}\\n"}
        slurm_worker_prolog:
          - {name: a, content: "#!/bin/sh\\n", partitions: "{{ pw }}"}
        slurm_task_prolog: |
          #!/bin/sh
          echo export TOKEN={{ hostvars['db1'].other_pw | b64encode }}
        slurm_extra_conf: "JobCompPass={{ pw | lower }}"
        """,
    )
    assert "The definition has 4 problems" in said
    assert "slurm_worker_epilog cannot be rendered: the error may quote a vaulted value" in said
    assert "slurm_worker_prolog[0] has a vaulted value in `partitions`" in said
    assert "slurm_task_prolog[0] (script) has a secret" in said
    assert "slurm_extra_conf has a vaulted value" in said
    assert not shown(said)


def test_findings_quote_no_script_that_used_one(site: Site) -> None:
    said = site.play(
        "playbooks/validate.yml",
        """
        slurm_worker_prolog:
          - {name: a, content: "#!/bin/sh\\ncp x-{{ pw | lower }} /tmp/x\\nchmod 777 /{{ pw | lower }}\\n"}
          - {name: b, content: "#!/bin/sh\\nchmod 777 /{{ hostvars['db1'].other_pw | lower }}\\n"}
          - {name: c, content: "#!/bin/sh\\nchmod 777 /scratch/x\\n"}
        """,
    )
    assert said.count('"message": "Something is made writable for everybody."') == 2
    assert said.count('"message": "chmod 777 lets every user write"') == 1
    assert not shown(said)


def test_the_linter_by_itself_neither(site: Site) -> None:
    playbook = site.write(
        "lint.yml",
        textwrap.dedent(
            """
            - hosts: w1
              gather_facts: false
              tasks:
                - nodecycle.slurm.script_lint:
                    scripts:
                      - {hook: worker_prolog, content: "#!/bin/sh\\nchmod 777 /{{ pw | lower }}\\n"}
                      - {hook: worker_prolog, content: "#!/bin/sh\\nchmod 777 /scratch/x\\n"}
            """
        ),
    )
    said = site.play(str(playbook), "")
    assert "chmod 777 lets every user write" in said
    assert "Something is made writable for everybody." in said
    assert not shown(said)
