# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rendering with Ansible's own classes: variables are loaded from YAML files as an inventory's are."""

from __future__ import annotations

import base64
import hashlib
import pathlib
import textwrap
import typing as t
import urllib.parse

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing import vault
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.release import __version__
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Script
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _core, _rendering
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rendering import Renderer
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._schema import Problem

CORE = tuple(map(int, __version__.split(".")[:2]))

PASSWORD = b"password of the tests"
SECRET = "correct horse battery"  # noqa: S105
KEY = "-----BEGIN KEY-----\nc2VjcmV0LWxpbmU=\nbW9yZS1zZWNyZXQ=\n-----END KEY-----\n"

Values = dict[str, t.Any]


class Site:
    """A directory with a playbook's files, and the variables of one host."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        secrets = [("default", VaultSecret(PASSWORD))]
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
        # A run reads an encrypted file once; tests write others to the same name.
        options: dict[str, t.Any] = {} if vault else {"cache": "none" if CORE >= (2, 17) else False}
        if CORE >= (2, 19):
            options["trusted_as_template"] = True
        return dict(self.loader.load_from_file(str(path), **options))

    @staticmethod
    def change_password(values: Values, monkeypatch: pytest.MonkeyPatch, password: bytes) -> None:
        """From now on the vaulted values are opened with this password."""
        secrets = [("default", VaultSecret(password))]
        if hasattr(vault, "VaultSecretsContext"):
            monkeypatch.setattr(vault.VaultSecretsContext, "_current", vault.VaultSecretsContext(secrets))
        # Before ansible-core 2.19 each value has a vault of its own.
        for value in values.values():
            if hasattr(value, "vault"):
                value.vault = VaultLib(secrets)

    def hostvars(self, hosts: dict[str, Values]) -> HostVars:
        """hostvars as templates see it."""
        inventory = InventoryManager(loader=self.loader, sources=[f"{','.join(hosts)},"])
        for name, values in hosts.items():
            for key, value in values.items():
                inventory.hosts[name].set_variable(key, value)
        manager = VariableManager(loader=self.loader, inventory=inventory)
        return HostVars(inventory, manager, self.loader)

    def renderer(self, values: Values) -> Renderer:
        return Renderer(loader=self.loader, variables=values)

    def scripts(self, values: Values, node_name: str = "n1") -> tuple[list[Script], list[Problem]]:
        renderer = self.renderer(values)
        return self.parse(renderer, "worker_prolog", node_name), renderer.problems

    @staticmethod
    def parse(renderer: Renderer, hook: str, node_name: str = "n1") -> list[Script]:
        """The scripts of a hook, as an action asks for them."""
        name = f"slurm_{hook}"
        return renderer.scripts(hook, renderer.variable(name), name, node_name, renderer.source(name))

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
    Site.change_password({}, monkeypatch, PASSWORD)
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


@pytest.mark.parametrize(("source", "folder"), [("src", "files"), ("template", "templates")])
def test_the_playbooks_files_come_before_the_inventorys(source: str, folder: str, site: Site) -> None:
    values = {
        "ansible_inventory_sources": [str(site.directory / "inventory")],
        "slurm_worker_prolog": [{"name": "a", source: "a.sh"}],
    }
    # The last one first.
    for place in ("inventory", f"inventory/{folder}", ".", folder):
        site.write(f"{place}/a.sh", f"#!/bin/sh\n# {place}\n")
        assert site.script(values).content.decode().endswith(f"# {place}\n")


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


# --- faults


def test_an_undefined_variable_is_named_with_its_place(site: Site) -> None:
    problem = site.problem(site.load('slurm_worker_prolog: |\n  #!/bin/sh\n  echo "{{ scratch_dir }}"\n'))
    assert problem.where == "slurm_worker_prolog"
    assert "'scratch_dir' is undefined" in problem.message
    assert "define what it names" in problem.remedy
    # docker ps --format '{{ ID }}'
    assert "if the braces are the script's own" in problem.remedy
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
    said = "Missing end of comment tag" if "{#" in text else "unexpected '}'"
    assert f"Syntax error in template: {said}" in problem.message
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
    values = site.load(f"slurm_worker_prolog:\n  - {{name: a, {source}: gone.sh}}\n")
    problem = site.problem({"ansible_inventory_sources": ["/inventories/one", "/inventories/two/hosts"], **values})
    folder = {"src": "files", "template": "templates"}[source]
    # The playbook's directory, those of the inventories, and the working directory.
    places = f"{site.directory}, /inventories, /inventories/two, /"
    assert (
        f"has a {source} that cannot be used: there is no file gone.sh in {folder}/ or directly below {places}"
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


#: a script's text with the secret, whether it is one
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


def test_numbers_do_where_they_are_used_and_nowhere_else(site: Site) -> None:
    values = site.load("pin: 4711471147\nport: 22\n", "vault.yml", vault=True)
    assert site.script({**values, **site.load(says("pin"))}).no_log
    assert site.script({**values, **site.load(says("port"))}).no_log
    assert not site.script({**values, **site.load(says("'22'"))}).no_log


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
    for some in (values, used):
        site.change_password(some, monkeypatch, b"another")
    assert site.script(values).content
    assert "cannot be rendered" in site.problem(used).message


# The form of the value does not matter. The first 25 are those of a review, which all but two showed the value, or were found by
# the text only.

USED = {
    "plain": "pw",
    "by another variable": "indirect",
    "base64": "pw | b64encode",
    "quoted": "pw | quote",
    "JSON": "{'p': pw} | to_json",
    "basic authentication": "('user:' ~ pw) | b64encode",
    "base64 with the end of the line": "(pw ~ '\\n') | b64encode",
    "in a URL": "pw | urlencode",
    "escaped": "pw | e",
    "a part": "pw.split(':')[1]",
    "replaced": "pw | regex_replace('^.*:', '')",
    "small letters": "pw | lower",
    "a slice": "pw[2:6]",
    "a fact that is a slice": "sliced",
    "hexadecimal": "pw.encode().hex()",
    "a short number of an encrypted file": "pin",
    "another host's": "hostvars['db1'].other_pw",
    "of an encrypted file": "from_file",
    "a dictionary of it": "db",
    "of a file in a lookup": "lookup('unvault', 'secret.txt')",
    "of a file in another lookup": "lookup('file', 'secret.txt') | trim | upper",
    "a hash": "pw | hash('sha256')",
    "the end of a hash": "(pw | hash('sha256'))[-8:]",
    "a registered result": "asked.stdout",
    "a registered result in base64": "asked.stdout | b64decode",
    # Siblings.
    "a condition on it": "'yes' if pw[0] == 'p' else 'no'",
    "what another host makes of it": "hostvars['db1'].derived",
    "the variables of another host by their names": "hostvars.db1['other_' ~ 'pw']",
    "all hosts": "groups.all | map('extract', hostvars, 'other_pw') | select('defined') | join",
    "by its name": "lookup('vars', 'p' ~ 'w') | reverse",
    "in the variables of all": "vars.pw | reverse",
    "a sum": "pin + 1",
    "a number of an encrypted file as a condition": "'big' if pin > 5000 else 'small'",
    "a template in an encrypted file": "built | reverse",
    "a template of an encrypted file that uses a vaulted value": "built_of_it | lower",
    "what no filter takes but this one value": "day | to_datetime",
    "an included text": "lookup('template', 'part.j2')",
    "a fact that holds it": "joined",
    "a fact that is its hash": "hashed",
    "a fact that is four of its characters": "four",
    "a fact that is it in hexadecimal": "in_hex",
    "a fact that is it in a URL": "in_url",
}

NOT_USED = {
    "another host's plain variable": "hostvars['db1'].plain",
    "a fact with nothing of it": "harmless",
    "its length": "pw | length",
    "whether it is there": "'yes' if pw is defined else 'no'",
    "the plain part of a dictionary": "db.host",
    "the clock": "now().microsecond",
    "chance": "range(1000000000000) | random",
    "a fact that is three of its characters": "three",
}


def around(site: Site) -> Values:
    """The variables of a host that has all kinds of vaulted values within its reach."""
    secret = "p4:Ss'w&rd \"x"  # noqa: S105
    site.write("files/secret.txt", "of a file\n", vault=True)
    site.write("templates/part.j2", "<{{ pw | reverse }}>\n")
    plain = """
        indirect: "{{ pw }}x"
        db: {host: h1, password: "{{ pw }}"}
        """
    encrypted = """
        from_file: word by word
        pin: 4711
        built: "pre-{{ 1 + 1 }}-{{ 'inner' ~ 'part' }}"
        built_of_it: "{{ pw }}"
        day: "2026-11-28 10:00:00"
        """
    # A fact was computed: no file and line belongs to it.
    facts = {
        "sliced": secret[3:8],
        "joined": f"user={secret}",
        "hashed": hashlib.sha256(secret.encode()).hexdigest(),
        "four": secret[3:7],
        "three": secret[3:6],
        "in_hex": secret.encode().hex(),
        "in_url": urllib.parse.quote(secret),
        "asked": {"stdout": base64.b64encode(secret.encode()).decode(), "rc": 0},
        "harmless": "four words of text",
    }
    values = {
        **site.load(site.inline("pw", secret) + textwrap.dedent(plain)),
        **site.load(textwrap.dedent(encrypted), "vault.yml", vault=True),
        **facts,
    }
    values["vars"] = dict(values)
    other = {**site.load(site.inline("other_pw", "of the data base"), "db1.yml"), "plain": "hello"}
    other.update(site.load('derived: "{{ other_pw | b64encode }}"\n', "derived.yml"))
    return {**values, "hostvars": site.hostvars({"n1": values, "db1": other}), "groups": {"all": ["n1", "db1"]}}


#: What ansible-core before 2.19 makes of no vaulted value, in any playbook.
FAILS = {"pw | urlencode", "pw.encode().hex()"} if CORE < (2, 19) else set()


@pytest.mark.parametrize("source", ["content", "template"])
@pytest.mark.parametrize("text", USED.values(), ids=USED)
def test_a_script_that_uses_a_vaulted_value_is_a_secret(text: str, source: str, site: Site) -> None:
    if text in FAILS:
        assert "p4:Ss" not in str(site.problem({**around(site), **scripted(site, text, source)}))
        return
    assert site.script({**around(site), **scripted(site, text, source)}).no_log


@pytest.mark.parametrize("source", ["content", "template"])
@pytest.mark.parametrize("text", NOT_USED.values(), ids=NOT_USED)
def test_a_script_that_does_not_is_none(text: str, source: str, site: Site) -> None:
    assert not site.script({**around(site), **scripted(site, text, source)}).no_log


def scripted(site: Site, text: str, source: str) -> Values:
    if source == "content":
        return site.load(says(text))
    site.write("templates/a.j2", f"#!/bin/sh\necho {{{{ {text} }}}}\n")
    return {"slurm_worker_prolog": [{"name": "a", "template": "a.j2"}]}


def test_the_clock_does_not_hide_that_a_secret_is_used(site: Site) -> None:
    assert site.script({**around(site), **site.load(says("now().microsecond ~ (pw | reverse)"))}).no_log


def test_a_secret_that_only_another_host_has(site: Site) -> None:
    other = site.load(site.inline("pw", SECRET), "other.yml")
    values = {"hostvars": site.hostvars({"n1": {}, "db1": other}), **site.load(says("hostvars.db1.pw | reverse"))}
    assert site.script(values).no_log


def test_a_secret_that_only_an_encrypted_file_has(site: Site) -> None:
    site.write("files/secret.txt", "of a file\n", vault=True)
    assert site.script(site.load(says("lookup('file', 'secret.txt') | reverse"))).no_log


def test_one_secret_of_a_list_makes_no_other_script_one(site: Site) -> None:
    text = """
        slurm_worker_prolog:
          - {name: a, content: "#!/bin/sh\\n{{ pw | hash('md5') }}\\n"}
          - {name: b, content: "#!/bin/sh\\n{{ (pw ~ '').split('4')[1] }}\\n"}
          - {name: c, content: "#!/bin/sh\\n"}
        """
    scripts, problems = site.scripts({**around(site), **site.load(textwrap.dedent(text))})
    assert not problems
    assert [script.no_log for script in scripts] == [True, True, False]


def test_a_definition_in_an_encrypted_file_shows_names_and_bounds(site: Site) -> None:
    text = """
        slurm_worker_prolog:
          - {name: a, content: "#!/bin/sh\\n", partitions: [gpu], timeout: 30}
        """
    assert site.script(site.load(textwrap.dedent(text), "vault.yml", vault=True)) == Script(
        "a", b"#!/bin/sh\n", ("gpu",), 30, no_log=True
    )


@pytest.mark.parametrize(
    "option",
    [
        'name: "x{{ pin }}"',
        'partitions: ["p{{ pin }}"]',
        'timeout: "{{ pin }}"',
        'nodes: "n{{ pin }}"',
        'on_failure: "{{ pw }}"',
        'src: "{{ pw }}.sh"',
        'template: "{{ pw }}.j2"',
        'no_log: "{{ pw }}"',
    ],
)
def test_a_secret_in_what_everybody_sees_is_refused_and_not_quoted(option: str, site: Site) -> None:
    rest = "".join(
        f", {key}: {value}"
        for key, value in {"name": "a", "content": '"#!/bin/sh"'}.items()
        if not option.startswith(key) and not (key == "content" and option.startswith(("src", "template")))
    )
    values = {**around(site), **site.load(f"slurm_worker_prolog:\n  - {{{option}{rest}}}\n")}
    problem = site.problem(values)
    assert f"has a vaulted value in `{option.split(':')[0]}`" in problem.message
    assert "4711" not in str(problem)
    assert "p4" not in str(problem)


@pytest.mark.parametrize("hook", ["task_prolog", "task_epilog"])
@pytest.mark.parametrize("text", ["pw", "pw | hash('md5')"])
def test_a_secret_that_everybody_could_read_is_refused(hook: str, text: str, site: Site) -> None:
    renderer = site.renderer({**around(site), **site.load(says(text).replace("worker_prolog", hook))})
    assert not site.parse(renderer, hook)
    (problem,) = renderer.problems
    assert "everybody can read" in problem.message
    assert "worker_prolog" in problem.remedy


def test_a_task_hook_without_a_secret_is_not(site: Site) -> None:
    renderer = site.renderer({**around(site), **site.load(says("pw | length").replace("worker_prolog", "task_prolog"))})
    assert site.parse(renderer, "task_prolog")
    assert not renderer.problems


@pytest.mark.parametrize("text", ["pw | to_datetime", "pw.gone.deeper", "pw | from_json", "{}[pw]"])
@pytest.mark.parametrize("source", ["content", "template"])
def test_an_error_quotes_no_secret(text: str, source: str, site: Site) -> None:
    problem = site.problem({**around(site), **scripted(site, text, source)})
    assert "p4:Ss" not in str(problem)
    assert "q5:Tt" not in str(problem), "nor what stood for it"


def test_an_error_without_a_secret_is_told_as_it_is(site: Site) -> None:
    problem = site.problem({**around(site), **site.load(says("pw ~ not_there"))})
    assert "'not_there' is undefined" in problem.message


def test_only_who_has_vaulted_values_pays(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = []
    real = _core.rendered
    monkeypatch.setattr(_core, "rendered", lambda *args, **options: rendered.append(1) or real(*args, **options))
    site.script(site.load("a: b\n" + says("a")))
    assert len(rendered) == 1
    rendered.clear()
    site.script({**around(site), **site.load(says("db.host"))})
    assert len(rendered) == 2


def test_problems_show_no_secret(site: Site) -> None:
    values = site.load(site.inline("token", SECRET) + says("token ~ gone"))
    problem = site.problem(values)
    assert SECRET not in str(problem)
    assert base64.b64encode(SECRET.encode()).decode() not in str(problem)
