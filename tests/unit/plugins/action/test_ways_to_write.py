# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""One definition in all ways in which Ansible takes it: what says the same gets the same release.

Each way is a worker of its own, so that two runs of ansible-playbook check most of them.
"""

from __future__ import annotations

import json
import pathlib
import re
import stat
import subprocess
import textwrap
import typing as t

import pytest
from ansible.release import __version__

TEXT = '#!/bin/sh\nlogger "job $SLURM_JOB_ID: begin"\n'
SRC = "my scripts/the prolog.sh"
ENTRY = {"name": "script", "content": TEXT}
SAME = json.dumps({"slurm_worker_prolog": [ENTRY]})


def _block(header: str, text: str = TEXT) -> str:
    return f"slurm_worker_prolog: {header}\n" + textwrap.indent(text, "  ")


#: Every file that a way may read.
FILES = {
    f"files/{SRC}": TEXT,
    "templates/prolog of one.j2": TEXT.replace("begin", "{{ event }}").replace(
        "#!/bin/sh\n", "#!/bin/sh\n{% if true %}\n{% endif %}\n"
    ),
    "group_vars/all.yml": "event: begin\n" + _block("|").replace("slurm_worker_prolog", "shared_text"),
}

CORE = tuple(map(int, __version__.split(".")[:2]))

#: A worker's name, and the files of its host_vars: a suffix alone is the file beside the directory.
WAYS: dict[str, dict[str, str]] = {
    "block": {".yml": _block("|")},
    "block-without-an-extension": {"": _block("|")},
    "block-that-keeps-its-end": {".yml": _block("|+")},
    "block-with-indentation": {".yml": _block("|2")},
    "block-with-comments": {".yml": "# a comment\n" + _block("|   # no part of the text") + "# a comment\n"},
    "block-folded": {".yml": _block(">", TEXT.replace("\n", "\n\n", 1))},
    "block-of-windows": {".yml": _block("|").replace("\n", "\r\n")},
    "block-with-a-mark": {".yml": "\ufeff" + _block("|")},
    "quoted": {".yml": f"slurm_worker_prolog: {json.dumps(TEXT)}\n"},
    "quoted-over-lines": {".yml": "slurm_worker_prolog: '#!/bin/sh\n\n  logger \"job $SLURM_JOB_ID: begin\"\n\n  '\n"},
    "unsafe": {".yml": _block("!unsafe |")},
    "list": {".yml": "slurm_worker_prolog:\n- name: script\n  content: |\n" + textwrap.indent(TEXT, "    ")},
    "list-in-flow-style": {".yml": f"slurm_worker_prolog: [{{name: script, content: {json.dumps(TEXT)}}}]\n"},
    "list-with-all-defaults": {
        ".yml": json.dumps({"slurm_worker_prolog": [{"no_log": False, "on_failure": "drain", **ENTRY, "partitions": None, "src": None}]})
    },
    "json": {".json": SAME},
    "yaml-that-is-json": {".yml": SAME},
    "directory": {
        "/a text.yml": _block("|").replace("slurm_worker_prolog", "own_text"),
        "/b.json": '{"own_name": "script"}',
        "/more/c.yaml": 'slurm_worker_prolog: [{name: "{{ own_name }}", content: "{{ own_text }}"}]\n',
    },
    "src": {".yml": f"slurm_worker_prolog: [{{name: script, src: {SRC}}}]\n"},
    "src-in-quotes": {".yml": f'slurm_worker_prolog: [{{name: script, src: "{SRC}"}}]\n'},
    "src-absolute": {".yml": f'slurm_worker_prolog: [{{name: script, src: "{{{{ playbook_dir }}}}/files/{SRC}"}}]\n'},
    "src-from-parts": {
        ".yml": "folder: my scripts\nslurm_worker_prolog: [{name: script, src: \"{{ [folder, 'the prolog.sh'] | path_join }}\"}]\n"
    },
    "template": {".yml": "slurm_worker_prolog: [{name: script, template: prolog of one.j2}]\n"},
    "template-in-a-lookup": {".yml": "slurm_worker_prolog: \"{{ lookup('ansible.builtin.template', 'prolog of one.j2') }}\"\n"},
    "file-in-a-lookup": {".yml": f"slurm_worker_prolog: \"{{{{ lookup('ansible.builtin.file', '{SRC}', rstrip=false) }}}}\"\n"},
    "variable": {".yml": 'slurm_worker_prolog: "{{ shared_text }}"\n'},
    "variable-in-a-lookup": {".yml": "slurm_worker_prolog: \"{{ lookup('ansible.builtin.vars', 'shared_text') }}\"\n"},
    "variable-of-another-host": {".yml": "slurm_worker_prolog: \"{{ hostvars['ctl'].shared_text }}\"\n"},
    "variable-in-the-text": {".yml": _block("|", TEXT.replace("begin", "{{ event }}"))},
    "sum": {
        ".yml": f"first: {json.dumps([ENTRY])}\nsecond: []\nslurm_worker_prolog: '{{{{ first + second + third | default([]) }}}}'\n"
    },
    "generator": {".yml": f"known: {json.dumps({'x': ENTRY})}\nslurm_worker_prolog: \"{{{{ ['x'] | map('extract', known) }}}}\"\n"},
    "values": {".yml": f"known: {json.dumps({'x': ENTRY})}\nslurm_worker_prolog: '{{{{ known.values() }}}}'\n"},
    # Before, Ansible made a text of it.
    **({} if CORE < (2, 19) else {"tuple": {".yml": f"one: {json.dumps(ENTRY)}\nslurm_worker_prolog: '{{{{ (one,) }}}}'\n"}}),
    "dict2items": {
        ".yml": f"known: {json.dumps({'script': TEXT})}\n"
        "slurm_worker_prolog: \"{{ known | dict2items(key_name='name', value_name='content') }}\"\n"
    },
    "combine": {
        ".yml": "basis: {name: script}\nslurm_worker_prolog: \"{{ [basis | combine({'content': shared_text})] }}\"\n"
    },
    "from_yaml": {".yml": f"text: {json.dumps(SAME)}\nslurm_worker_prolog: '{{{{ (text | from_yaml).slurm_worker_prolog }}}}'\n"},
    "from_json": {".yml": f"text: {json.dumps(SAME)}\nslurm_worker_prolog: '{{{{ (text | from_json).slurm_worker_prolog }}}}'\n"},
    "anchor": {".yml": _block("&text |").replace("slurm_worker_prolog", "own") + "slurm_worker_prolog: [{name: script, content: *text}]\n"},
    "merge-key": {
        ".yml": "basis: &basis {name: script, on_failure: drain}\nslurm_worker_prolog:\n- <<: *basis\n  content: |\n"
        + textwrap.indent(TEXT, "    ")
    },
    "group-json": {},
    "group-directory": {},
    "inventory-ini": {},
    "inventory-ini-group": {},
    "inventory-yaml": {},
    "inventory-script": {},
    "inventory-constructed": {},
}  # fmt: skip
FILES |= {
    "group_vars/of_json.json": SAME,
    "group_vars/of_directory/x.yml": "slurm_worker_prolog: '{{ own_prolog }}'\n",
    "group_vars/of_directory/y.json": json.dumps({"own_prolog": [ENTRY]}),
}

#: With options, for a script of their own: timeout and partitions are numbers and lists, or text.
OPTIONS = {
    "options": {"timeout": 20, "partitions": ["gpu", "batch"]},
    "options-as-text": {"timeout": "20", "partitions": "gpu,batch"},
    "options-with-blanks": {"timeout": "20", "partitions": "gpu, batch"},
    "options-in-templates": {"timeout": "{{ 10 + 10 }}", "partitions": "{{ ['gpu'] + ['batch'] }}"},
    "options-with-nodes": {"timeout": 20, "partitions": ["gpu", "batch"], "nodes": "options-with-nodes"},
    "options-with-more": {"timeout": 20, "partitions": ["gpu", "batch"], "nodes": ["{{ inventory_hostname }}"]},
}

#: A secret enters the release by scrypt, so these have another id than the same text that is no secret.
SECRETS = ["secret-no_log", "secret-src", "secret-value", "secret-file", "secret-lookup"]

#: Other bytes, which docs/guide/scripts.md names.
OTHERS = {
    "other-block-stripped": _block("|-"),
    "other-file-in-a-lookup": f"slurm_worker_prolog: \"{{{{ lookup('ansible.builtin.file', '{SRC}') }}}}\"\n",
}
KEPT = {"other-block-kept": _block("|+", TEXT + "\n")}

PLAY = {
    "hosts": "all",
    "gather_facts": False,
    "tasks": [
        {
            "nodecycle.slurm.definition": {
                "cluster": {
                    "version": "24.11.5",
                    "conf_path": "/etc/slurm/slurm.conf",
                    "controllers": ["ctl"],
                    "partitions": ["batch", "gpu"],
                    "nodes": "{{ dict(groups.slurm_worker | product([{}])) }}",
                    "conf": [],
                    "adopted": [],
                    "loose_partitions": {},
                    "waits_for_database": [],
                    "reconfigure_due": False,
                    "fragment": "",
                    "included": False,
                    "intact": "",
                    "is_clean": True,
                    "committed": None,
                },
                "controllers": ["ctl"],
                "workers": "{{ groups.slurm_worker }}",
                "targets": "{{ ansible_play_hosts_all }}",
            },
            "run_once": True,
            "register": "found",
        },
        {"ansible.builtin.debug": {"msg": "IDS {{ found.hosts | to_json }}"}, "run_once": True},
    ],
}


class Site:
    """A playbook's directory with an inventory."""

    def __init__(self, directory: pathlib.Path, ansible: t.Callable[..., subprocess.CompletedProcess[str]]) -> None:
        self.directory, self._ansible = directory, ansible
        self.write("password", "of the tests\n")
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> pathlib.Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, newline="")
        return path

    def vaulted(self, text: str) -> str:
        path = self.write("plain", text)
        self._ansible("ansible-vault", "encrypt", f"--vault-password-file={self.directory}/password", path)
        return path.read_text()

    def ids(self, *arguments: str, plays: t.Sequence[dict[str, t.Any]] = (PLAY,)) -> list[dict[str, str]]:
        """For each play the release of each worker."""
        playbook = self.write("play book.yml", json.dumps(plays))
        password = f"--vault-password-file={self.directory}/password"
        done = self._ansible("ansible-playbook", password, *arguments, playbook)
        found = [json.loads(line) for line in re.findall(r'"msg": ("IDS .*")$', done.stdout, re.MULTILINE)]
        assert len(found) == len(plays), done.stdout + done.stderr
        return [
            {host: said["id"] for host, said in json.loads(text.removeprefix("IDS ")).items() if host != "ctl"}
            for text in found
        ]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, ansible: t.Any) -> Site:
    return Site(tmp_path_factory.mktemp("a site"), ansible)


@pytest.fixture(scope="module")
def ids(site: Site) -> dict[str, str]:
    """The release of each worker, each of which is a way."""
    for host, files in WAYS.items():
        for name, text in files.items():
            site.write(f"host_vars/{host}{name}", text)
    for host, options in OPTIONS.items():
        site.write(f"host_vars/{host}.json", json.dumps({"slurm_worker_prolog": [{**ENTRY, **options}]}))
    for host, text in {**OTHERS, **KEPT}.items():
        site.write(f"host_vars/{host}.yml", text)
    secret = site.vaulted(TEXT)
    site.write("files/secret.sh", secret)
    site.write("host_vars/secret-no_log.json", json.dumps({"slurm_worker_prolog": [{**ENTRY, "no_log": True}]}))
    site.write("host_vars/secret-src.yml", "slurm_worker_prolog: [{name: script, src: secret.sh}]\n")
    lookup = "{{ lookup('ansible.builtin.file', 'secret.sh', rstrip=false) }}"
    site.write("host_vars/secret-lookup.json", json.dumps({"slurm_worker_prolog": lookup}))
    site.write("host_vars/secret-value.yml", _block("!vault |", secret))
    site.write("host_vars/secret-file.yml", site.vaulted(_block("|")))
    workers = dict.fromkeys([*WAYS, *OPTIONS, *OTHERS, *KEPT, *SECRETS])
    workers = {host: None for host in workers if not host.startswith("inventory-")}
    text = json.dumps(TEXT)
    site.write(
        "1 hosts.yml",
        json.dumps(
            {
                "slurm_controller": {"hosts": {"ctl": None}},
                "slurm_worker": {
                    "hosts": {
                        **workers,
                        "inventory-yaml": {"slurm_worker_prolog": TEXT},
                        "inventory-constructed": {"text": TEXT},
                    }
                },
                "of_json": {"hosts": {"group-json": None}},
                "of_directory": {"hosts": {"group-directory": None}},
            }
        ),
    )
    site.write(
        "2 hosts.ini",
        f"[slurm_worker]\ninventory-ini slurm_worker_prolog='{text}'\ninventory-ini-group\n[of_ini]\ninventory-ini-group\n"
        f"[of_ini:vars]\nslurm_worker_prolog=[{{'name': 'script', 'src': '{SRC}'}}]\n",
    )
    answer = {
        "slurm_worker": {"hosts": ["inventory-script"]},
        "_meta": {"hostvars": {"inventory-script": {"slurm_worker_prolog": [ENTRY]}}},
    }
    script = site.write("3 hosts.sh", f"#!/bin/sh\ncat <<'END'\n{json.dumps(answer)}\nEND\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    compose = {"slurm_worker_prolog": "[{'name': 'script', 'content': text}]"}
    site.write("4 constructed.yml", json.dumps({"plugin": "ansible.builtin.constructed", "compose": compose}))
    inventories = ["1 hosts.yml", "2 hosts.ini", "3 hosts.sh", "4 constructed.yml"]
    (found,) = site.ids(*(f"--inventory={site.directory}/{name}" for name in inventories))
    return found


@pytest.mark.parametrize("way", WAYS)
def test_what_says_the_same_is_the_same_release(ids: dict[str, str], way: str) -> None:
    assert ids[way]
    assert ids[way] == ids["block"]


@pytest.mark.parametrize("way", OPTIONS)
def test_options_in_other_types_are_the_same_release(ids: dict[str, str], way: str) -> None:
    assert ids[way] == ids["options"]
    assert ids[way] != ids["block"]


@pytest.mark.parametrize("way", SECRETS)
def test_a_secret_is_the_same_release_wherever_it_comes_from(ids: dict[str, str], way: str) -> None:
    assert ids[way] == ids["secret-no_log"]
    assert ids[way] != ids["block"]


@pytest.mark.parametrize("way", OTHERS)
def test_a_text_without_its_last_line_end_has_other_bytes(ids: dict[str, str], way: str) -> None:
    assert ids[way] == ids["other-block-stripped"]
    assert ids[way] != ids["block"]


def test_a_text_with_empty_lines_at_its_end_has_other_bytes(ids: dict[str, str]) -> None:
    assert len({ids["other-block-kept"], ids["other-block-stripped"], ids["block"]}) == 3


# --- ways that hold for all hosts of a play, or of a run


@pytest.fixture
def inventory(site: Site) -> str:
    hosts = {"slurm_controller": {"hosts": {"ctl": None}}, "slurm_worker": {"hosts": {"w1": None}}}
    return f"--inventory={site.write('hosts.yml', json.dumps(hosts))}"


def test_variables_of_a_play(site: Site, inventory: str, ids: dict[str, str]) -> None:
    site.write("of the play.yml", _block("|"))
    site.write("of the play.json", SAME)
    site.write("of a vault.yml", site.vaulted(SAME))
    prompt = [{"name": "asked", "default": TEXT, "private": False}]
    plays: list[dict[str, t.Any]] = [
        {"vars": {"slurm_worker_prolog": TEXT}},
        {"vars_files": ["of the play.yml"]},
        {"vars_files": ["of the play.json"]},
        {"vars_prompt": prompt, "vars": {"slurm_worker_prolog": "{{ asked }}"}},
        {"vars_prompt": [{**prompt[0], "name": "slurm_worker_prolog"}]},
        {"vars_files": ["of a vault.yml"]},
    ]
    found = site.ids(inventory, plays=[{**PLAY, **play} for play in plays])
    assert [said["w1"] for said in found] == [ids["block"]] * 5 + [ids["secret-no_log"]]


@pytest.mark.parametrize(
    "argument",
    [
        "@extra vars.yml",
        "@extra vars.json",
        SAME,
        json.dumps({"slurm_worker_prolog": TEXT}),
        # As YAML, and as the words key=value.
        f"{{slurm_worker_prolog: [{{name: script, src: {SRC}}}]}}",
        f"slurm_worker_prolog='{TEXT}'",
    ],
)
def test_variables_of_a_run(site: Site, inventory: str, ids: dict[str, str], argument: str) -> None:
    site.write("extra vars.yml", _block("|"))
    site.write("extra vars.json", SAME)
    argument = argument.replace("@", f"@{site.directory}/")
    (found,) = site.ids(inventory, f"--extra-vars={argument}")
    assert found["w1"] == ids["block"]


def test_the_answer_to_a_prompt(site: Site, inventory: str, ids: dict[str, str]) -> None:
    play = {**PLAY, "vars_prompt": [{"name": "asked"}], "vars": {"slurm_worker_prolog": "{{ asked }}"}}
    (found,) = site.ids(inventory, f"--extra-vars={json.dumps({'asked': TEXT})}", plays=[play])
    assert found["w1"] == ids["block"]


def test_a_playbook_of_the_collection_looks_beside_itself_first(
    ansible: t.Any, root: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    hosts = {"slurm_controller": {"hosts": {"ctl": None}}, "slurm_worker": {"hosts": {"w1": None}}}
    (tmp_path / "hosts.yml").write_text(json.dumps(hosts))
    variables = json.dumps({"slurm_worker_prolog": [{"name": "a", "src": "gone.sh"}]})
    arguments = (f"--inventory={tmp_path}/hosts.yml", f"--extra-vars={variables}")
    said = ansible("ansible-playbook", "nodecycle.slurm.validate", *arguments, COLUMNS="10000").stdout
    places = f"{root}/.cache/collections/ansible_collections/nodecycle/slurm/playbooks, {tmp_path}, {root}"
    assert f"there is no file gone.sh in files/ or directly below {places} [host w1]" in said
