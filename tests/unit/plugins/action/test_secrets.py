# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""Vaulted values in whole runs of ansible-playbook on the control node, with all that Ansible can print."""

from __future__ import annotations

import json
import pathlib
import subprocess
import textwrap
import typing as t

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

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

    def encrypt(self, name: str, text: str) -> pathlib.Path:
        """A file that is encrypted as a whole."""
        vault = VaultLib([("default", VaultSecret(b"of the tests"))])
        return self.write(name, vault.encrypt(text).decode())

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


#: Where a vaulted value may be written; a file is encrypted as a whole. A number knows no file before ansible-core 2.19, nor does JSON.
FORMS = [
    "string",
    "group_vars",
    "group_vars json",
    "host_vars",
    "inventory",
    "inventory ini",
    "vars_files",
    "include_vars",
    "-e",
]


@pytest.mark.parametrize("form", FORMS)
def test_a_vaulted_value_is_known_wherever_it_is_written(site: Site, form: str) -> None:
    values = {"secret": SECRET, "pin": 47114711, "deep": {"list": [SECRET], "pins": [48224822]}}
    encrypted = json.dumps(values) if form.endswith("json") else yaml.safe_dump(values)
    play: dict[str, t.Any] = {"hosts": "all", "gather_facts": False, "tasks": []}
    arguments = [f"--inventory={site.directory}/inventory.yml", f"--vault-password-file={site.directory}/password"]
    if form == "string":
        tree = {"secret": SECRET, "pin": "47114711", "text": SECRET, "number": "48224822"}
        site.write("group_vars/all/vault.yml", "".join(site.vaulted(*pair) for pair in tree.items()))
        site.write("group_vars/all/more.yml", "deep: {list: ['{{ text }}'], pins: ['{{ number }}']}\n")
    elif form in ("group_vars", "group_vars json", "host_vars"):
        name = {"host_vars": "host_vars/w1.yml", "group_vars json": "group_vars/all/vault.json"}.get(
            form, "group_vars/all/vault.yml"
        )
        site.encrypt(name, encrypted)
    elif form == "inventory":
        site.encrypt("more.yml", yaml.safe_dump({"all": {"vars": values}}))
        arguments.append(f"--inventory={site.directory}/more.yml")
    elif form == "inventory ini":
        lines = "".join(f"{name}={value}\n" for name, value in values.items())
        site.encrypt("more.ini", f"[all:vars]\n{lines}")
        arguments.append(f"--inventory={site.directory}/more.ini")
    elif form == "-e":
        arguments.append(f"--extra-vars=@{site.encrypt('more.yml', encrypted)}")
    elif form == "vars_files":
        play["vars_files"] = [str(site.encrypt("more.yml", encrypted))]
    else:
        play["tasks"].append({"ansible.builtin.include_vars": str(site.encrypt("more.yml", encrypted)), "no_log": True})
    texts = [
        "secret | lower",
        "pin",
        "pin | string | reverse",
        "deep.list[0] | hash('md5')",
        "deep.pins[0]",
        "'nothing'",
    ]
    play["tasks"].append(
        {
            "nodecycle.slurm.script_lint": {
                "scripts": [
                    {
                        "hook": "worker_prolog",
                        "name": f"s{number}",
                        "content": f"#!/bin/sh\nchmod 777 /{{{{ {text} }}}}\n",
                    }
                    for number, text in enumerate(texts)
                ]
            },
            "when": "inventory_hostname == 'w1'",
        }
    )
    said = site.run("ansible-playbook", "-vvv", *arguments, str(site.write("play.yml", json.dumps([play]))))
    assert said.count('"message": "Something is made writable for everybody."') == len(texts) - 1, said
    assert said.count('"message": "chmod 777 lets every user write"') == 1, said
    assert not shown(said)
    assert "4711471" not in said
    assert "48224822" not in said
