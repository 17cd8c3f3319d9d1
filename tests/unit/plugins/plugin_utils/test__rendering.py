# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rendering with Ansible's own classes: variables are loaded from YAML files as an inventory's are."""

from __future__ import annotations

import base64
import pathlib
import textwrap
import typing as t

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret, VaultSecretsContext
from ansible.template import Templar
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Script
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _rendering
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rendering import Renderer, Secrets
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._schema import Problem

SECRET = "correct horse battery"  # noqa: S105
KEY = "-----BEGIN KEY-----\nc2VjcmV0LWxpbmU=\nbW9yZS1zZWNyZXQ=\n-----END KEY-----\n"

Values = dict[str, t.Any]


class Site:
    """A directory with a playbook's files, and the variables of one host."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        secrets = [("default", VaultSecret(b"password of the tests"))]
        self._vault = VaultLib(secrets)
        self.loader = DataLoader()
        self.loader.set_basedir(str(directory))
        self.loader.set_vault_secrets(secrets)

    def encrypted(self, text: str) -> str:
        return str(self._vault.encrypt(text).decode())

    def inline(self, name: str, text: str) -> str:
        """A variable with an inline vault value, as ansible-vault encrypt_string writes it."""
        return f"{name}: !vault |\n" + textwrap.indent(self.encrypted(text), "  ")

    def write(self, name: str, text: str | bytes, *, vault: bool = False) -> pathlib.Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = text.encode() if isinstance(text, str) else text
        path.write_bytes(self.encrypted(data.decode()).encode() if vault else data)
        return path

    def load(self, text: str, name: str = "vars.yml", *, vault: bool = False) -> Values:
        path = self.write(name, text, vault=vault)
        return dict(self.loader.load_from_file(str(path), cache="none", trusted_as_template=True))

    def renderer(self, values: Values) -> Renderer:
        return Renderer(loader=self.loader, templar=Templar(loader=self.loader, variables=values), variables=values)

    def scripts(self, values: Values, node_name: str = "n1") -> tuple[list[Script], list[Problem]]:
        renderer = self.renderer(values)
        value = renderer.variable("slurm_worker_prolog")
        return renderer.scripts("worker_prolog", value, "slurm_worker_prolog", node_name), renderer.problems

    def script(self, values: Values) -> Script:
        (script,), problems = self.scripts(values)
        assert not problems
        return script

    def problem(self, values: Values) -> Problem:
        scripts, (problem,) = self.scripts(values)
        assert not scripts
        return problem


@pytest.fixture
def site(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(
        VaultSecretsContext, "_current", VaultSecretsContext([("default", VaultSecret(b"password of the tests"))])
    )
    monkeypatch.setattr(Secrets, "_encrypted_files", {})
    monkeypatch.chdir("/")
    return Site(tmp_path)


# --- where the text comes from


def test_text_with_variables(site: Site) -> None:
    values = site.load('who: world\nslurm_worker_prolog: |\n  #!/bin/sh\n  echo "hello {{ who }}"\n')
    assert site.script(values) == Script("script", b'#!/bin/sh\necho "hello world"\n')


def test_all_options_arrive(site: Site) -> None:
    values = site.load(
        """
        slurm_worker_prolog:
          - {name: a, content: "#!/bin/sh\\n", partitions: [gpu], timeout: "{{ 2 * 15 }}", on_failure: ignore, no_log: true}
        """
    )
    assert site.script(values) == Script("a", b"#!/bin/sh\n", ("gpu",), 30, "ignore", True)


@pytest.mark.parametrize("place", ["files/a.sh", "a.sh", "deep/a.sh"])
def test_src_is_taken_to_the_byte(place: str, site: Site) -> None:
    data = b"#!/bin/sh\necho {{ untouched }} \xff\x00\r\n"
    site.write(place, data)
    name = place if place.startswith("deep") else "a.sh"
    assert site.script({"slurm_worker_prolog": [{"name": "a", "src": name}]}).content == data


def test_src_beside_the_inventory_and_by_its_whole_path(site: Site) -> None:
    path = site.write("inventory/files/a.sh", b"#!/bin/sh\n")
    assert site.script(
        {
            "ansible_inventory_sources": [str(site.directory / "inventory")],
            "slurm_worker_prolog": [{"name": "a", "src": "a.sh"}],
        }
    ).content
    assert site.script({"slurm_worker_prolog": [{"name": "a", "src": str(path)}]}).content


def test_the_playbooks_files_come_before_the_inventorys(site: Site) -> None:
    site.write("inventory/files/a.sh", b"#!/bin/sh\n# inventory\n")
    site.write("files/a.sh", b"#!/bin/sh\n# playbook\n")
    values = {
        "ansible_inventory_sources": [str(site.directory / "inventory")],
        "slurm_worker_prolog": [{"name": "a", "src": "a.sh"}],
    }
    assert b"playbook" in site.script(values).content


def test_template_sees_the_hosts_variables_and_keeps_its_form(site: Site) -> None:
    site.write(
        "templates/a.j2",
        "#!/bin/sh\n{% for disk in disks %}\nmount {{ disk }}\n{% endfor %}\nprintf 'a\\n'\n{% include 'more.j2' %}\n",
    )
    site.write("templates/more.j2", "# {{ template_path | default('') | basename }}")
    values = {**site.load("disks: [sda, sdb]\n"), "slurm_worker_prolog": [{"name": "a", "template": "a.j2"}]}
    assert site.script(values).content.decode().startswith("#!/bin/sh\nmount sda\nmount sdb\nprintf 'a\\n'\n#")


def test_bytes_that_are_no_utf8_survive_a_template(site: Site) -> None:
    site.write("templates/a.j2", b"#!/bin/sh\n# \xff\xfe {{ 1 + 1 }}\n")
    assert (
        site.script({"slurm_worker_prolog": [{"name": "a", "template": "a.j2"}]}).content
        == b"#!/bin/sh\n# \xff\xfe 2\n"
    )


def test_scripts_of_other_nodes_are_left_out_and_still_checked(site: Site) -> None:
    values = site.load(
        'slurm_worker_prolog:\n  - {name: a, content: "#!/bin/sh\\n", nodes: "n[2-3]"}\n  - {name: b, content: "#!/bin/sh\\n"}\n'
    )
    assert [script.name for script in site.scripts(values, "n1")[0]] == ["b"]
    assert [script.name for script in site.scripts(values, "n3")[0]] == ["a", "b"]
    renderer = site.renderer(values)
    renderer.scripts("worker_prolog", renderer.variable("slurm_worker_prolog"), "slurm_worker_prolog", "n1")
    assert [spec.name for spec in renderer.specs] == ["a", "b"]


def test_a_variable_that_is_not_there(site: Site) -> None:
    assert site.renderer({}).variable("slurm_worker_prolog") is None
    assert site.scripts({}) == ([], [])


# --- what goes wrong


def test_an_undefined_variable_is_named_with_its_place(site: Site) -> None:
    problem = site.problem(site.load('slurm_worker_prolog: |\n  #!/bin/sh\n  echo "{{ scratch_dir }}"\n'))
    assert problem.where == "slurm_worker_prolog"
    assert "'scratch_dir' is undefined" in problem.message
    assert "define what it names" in problem.remedy
    assert problem.origin.startswith(f"{site.directory}/vars.yml:1")


def test_an_undefined_variable_of_a_template(site: Site) -> None:
    site.write("templates/a.j2", "#!/bin/sh\n{{ scratch_dir }}\n")
    problem = site.problem(site.load("slurm_worker_prolog:\n  - name: a\n    template: a.j2\n"))
    assert problem.where == "slurm_worker_prolog[0] (a)"
    assert problem.message.startswith("has a template that cannot be used: ")
    assert "'scratch_dir' is undefined" in problem.message
    assert "define what the template names for this host" in problem.remedy
    assert problem.origin == f"{site.directory}/vars.yml:2:5"


@pytest.mark.parametrize("text", ['for i in "${#list[@]}"; do :; done', "echo ${#HOME}", "awk '{%}'"])
def test_the_shells_own_marks_in_a_variable(text: str, site: Site) -> None:
    problem = site.problem(site.load(f"slurm_worker_prolog: |\n  #!/bin/bash\n  {text}\n"))
    assert "${#name}" in problem.remedy
    assert "`src`" in problem.remedy
    assert "!unsafe" in problem.remedy


def test_the_shells_own_marks_in_an_unsafe_text_and_in_a_file(site: Site) -> None:
    values = site.load("slurm_worker_prolog: !unsafe |\n  #!/bin/bash\n  echo ${#HOME} {{ x }}\n")
    assert site.script(values).content == b"#!/bin/bash\necho ${#HOME} {{ x }}\n"
    site.write("files/a.sh", b"#!/bin/bash\necho ${#HOME}\n")
    assert site.script({"slurm_worker_prolog": [{"name": "a", "src": "a.sh"}]})


@pytest.mark.parametrize("source", ["src", "template"])
def test_a_file_that_is_not_there(source: str, site: Site) -> None:
    problem = site.problem(site.load(f"slurm_worker_prolog:\n  - {{name: a, {source}: gone.sh}}\n"))
    folder = {"src": "files", "template": "templates"}[source]
    assert (
        f"has a {source} that cannot be used: there is no file gone.sh in {folder}/ or directly below {site.directory}"
        in problem.message
    )
    assert "correct the" in problem.remedy


def test_a_directory(site: Site) -> None:
    site.write("files/scripts/a.sh", b"#!/bin/sh\n")
    assert (
        "is a directory, and a script is one file"
        in site.problem(site.load("slurm_worker_prolog:\n  - {name: a, src: scripts}\n")).message
    )


def test_a_huge_file(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rendering, "MAX_SCRIPT", 1000)
    site.write("files/a.sh", b"#!/bin/sh\n" + b"#" * 990)
    assert site.script({"slurm_worker_prolog": [{"name": "a", "src": "a.sh"}]})
    site.write("files/a.sh", b"#!/bin/sh\n" + b"#" * 5000)
    problem = site.problem({"slurm_worker_prolog": [{"name": "a", "src": "a.sh"}]})
    assert "has more than 1000 bytes" in problem.message
    assert "files of its own" in problem.remedy


def test_a_result_without_a_first_line(site: Site) -> None:
    site.write("templates/a.j2", "{% if false %}#!/bin/sh{% endif %}\n")
    assert site.problem({"slurm_worker_prolog": [{"name": "a", "template": "a.j2"}]}).message == "is empty"


def test_one_bad_script_hides_no_other_problem(site: Site) -> None:
    values = site.load(
        'slurm_worker_prolog:\n  - {name: a, src: gone}\n  - {name: b, content: "echo"}\n  - {name: c, content: "#!/bin/sh\\n"}\n'
    )
    scripts, problems = site.scripts(values)
    assert [script.name for script in scripts] == ["c"]
    assert len(problems) == 2


# --- secrets

PLAIN = "slurm_worker_prolog: |\n  #!/bin/sh\n  echo {{ SAYS }}\n"


def says(text: str) -> str:
    return PLAIN.replace("SAYS", text)


#: what a script says of the secret, whether it is one
SHOWN = [
    ("token", True),
    ("token | b64encode", True),
    ("'user:' ~ token ~ '@db'", True),
    ("token | quote", True),
    ("derived", True),
    ("token | length", False),
    ("'nothing of it'", False),
]


@pytest.mark.parametrize(("text", "hidden"), SHOWN)
def test_an_inline_vault_value_makes_the_script_a_secret(text: str, hidden: bool, site: Site) -> None:
    values = site.load(site.inline("token", SECRET) + 'derived: "{{ token }}!"\n' + says(text))
    script = site.script(values)
    assert script.no_log is hidden
    if text == "token":
        assert SECRET.encode() in script.content


@pytest.mark.parametrize(("text", "hidden"), SHOWN)
def test_a_value_of_an_encrypted_file_does(text: str, hidden: bool, site: Site) -> None:
    values = {
        **site.load(f"token: {SECRET}\n", "vault.yml", vault=True),
        **site.load('derived: "{{ token }}!"\n' + says(text)),
    }
    assert site.script(values).no_log is hidden


def test_values_deep_in_lists_and_dictionaries_do(site: Site) -> None:
    values = {
        **site.load(f"db: {{users: [{{name: a, password: {SECRET}}}]}}\n", "vault.yml", vault=True),
        **site.load(says("db.users[0].password")),
    }
    assert site.script(values).no_log


def test_numbers_do_when_they_are_long_enough_to_tell(site: Site) -> None:
    values = site.load("pin: 4711471147\nport: 22\n", "vault.yml", vault=True)
    assert site.script({**values, **site.load(says("pin"))}).no_log
    assert not site.script({**values, **site.load(says("port"))}).no_log


@pytest.mark.parametrize(
    "text", ["key", "key | indent(4)", "key.splitlines()[1]", "key | b64encode", "key | trim | b64encode"]
)
def test_a_key_of_many_lines_does_in_any_form(text: str, site: Site) -> None:
    values = site.load(site.inline("key", KEY) + says(text))
    assert site.script(values).no_log


def test_an_empty_secret_hides_nothing(site: Site) -> None:
    assert not site.script(site.load(site.inline("token", " \n") + says("'x'"))).no_log


def test_a_secret_in_a_template(site: Site) -> None:
    site.write("templates/a.j2", "#!/bin/sh\necho {{ token }}\n")
    values = site.load(site.inline("token", SECRET) + "slurm_worker_prolog:\n  - {name: a, template: a.j2}\n")
    assert site.script(values).no_log


@pytest.mark.parametrize("source", ["src", "template"])
def test_an_encrypted_file_is_a_secret_as_a_whole(source: str, site: Site, tmp_path: pathlib.Path) -> None:
    site.write("files/a.sh", "#!/bin/sh\necho {{ 1 + 1 }}\n", vault=True)
    script = site.script({"slurm_worker_prolog": [{"name": "a", source: str(tmp_path / "files/a.sh")}]})
    assert script.no_log
    assert script.content == (b"#!/bin/sh\necho {{ 1 + 1 }}\n" if source == "src" else b"#!/bin/sh\necho 2\n")
    assert not site.loader._tempfiles, "the decrypted copy is gone"


def test_a_script_that_is_a_vault_value_itself(site: Site) -> None:
    script = site.script(site.load(site.inline("slurm_worker_prolog", "#!/bin/sh\necho hidden text\n")))
    assert script.no_log
    assert script.content == b"#!/bin/sh\necho hidden text\n"


def test_a_vault_value_without_its_password_stops_only_who_uses_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    values = site.load(site.inline("token", SECRET) + says("'x'"))
    used = site.load(site.inline("token", SECRET) + says("token"), "used.yml")
    monkeypatch.setattr(VaultSecretsContext, "_current", VaultSecretsContext([("default", VaultSecret(b"another"))]))
    assert site.script(values).content
    assert "cannot be rendered" in site.problem(used).message


def test_problems_show_no_secret(site: Site) -> None:
    values = site.load(site.inline("token", SECRET) + says("token ~ gone"))
    problem = site.problem(values)
    assert SECRET not in str(problem)
    assert base64.b64encode(SECRET.encode()).decode() not in str(problem)
