# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples, defaults and versions in the README and the guide are those of the code."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import typing as t

import ansible.release
import pytest
import yaml
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _host_python
from ansible_test._util.target.common import constants

ROOT = pathlib.Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs/guide").glob("*.md"))]

INVENTORY = """\
all:
  children:
    slurm_controller: {hosts: {ctl1: null}}
    slurm_login: {hosts: {login1: null}}
    slurm_worker: {hosts: {"node[01:08]": null}, children: {gpu: {hosts: {"node[07:08]": null}}}}
"""
SCRIPT = "#!/bin/sh\nset -e\ntrue\n"
NUMBERS = {4: "four", 5: "five", 6: "six"}


class Loader(yaml.SafeLoader):
    """Takes Ansible's own tags for plain values."""


Loader.add_multi_constructor("!", lambda loader, _tag, node: loader.construct_scalar(node))  # type: ignore[no-untyped-call]


def definitions() -> list[tuple[str, str]]:
    """The examples that define variables of ours: page and text."""
    found = []
    for page in PAGES:
        for text in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            document = yaml.load(text, Loader)  # noqa: S506 # of our own pages
            is_hosts = isinstance(document, dict) and any(
                isinstance(value, dict) and "hosts" in value for value in document.values()
            )
            if isinstance(document, dict) and not is_hosts and "slurm_" in text:
                found.append((page.name, text))
    return found


def test_examples_are_found() -> None:
    assert len(definitions()) >= 8
    assert {"README.md", "getting-started.md", "scripts.md", "init.md", "slurm-conf.md"} <= {
        page for page, _text in definitions()
    }


@pytest.mark.parametrize(("page", "text"), definitions())
def test_an_example_passes_as_it_stands(page: str, text: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    # What the page says beside it.
    more = "" if "prolog_of_all:" not in text else "prolog_of_group: []\n"
    if "slurm_script_path" in text or "_unit:" in text or "_conf_keys:" in text or "slurm_probe_" in text:
        more += "slurm_worker_prolog: |\n  #!/bin/sh\n  set -e\n  true\n"
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all.yml").write_text(text + more)
    for kind, name in re.findall(r"(src|template): (\S+)", text):
        place = tmp_path / ("templates" if kind == "template" else "files") / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(SCRIPT)
    done = subprocess.run(
        ["ansible-playbook", "-i", tmp_path / "hosts.yml", ROOT / "playbooks/validate.yml"],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{page}:\n{text}\n{done.stdout}{done.stderr}"


def rows(page: pathlib.Path) -> list[list[str]]:
    """The cells of all rows of a page's tables."""
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in page.read_text().splitlines()
        if line.startswith("| `slurm_")
    ]


def test_the_defaults_in_the_tables_are_those_of_the_roles() -> None:
    defaults: dict[str, t.Any] = {}
    for place in sorted(ROOT.glob("roles/*/defaults/main.yml")):
        defaults |= yaml.safe_load(place.read_text()) or {}
    compared = []
    for page in PAGES:
        for name, shown, *_rest in rows(page):
            variable = name.strip("`")
            if variable in defaults and re.fullmatch(r"`[^`]+`", shown):
                assert yaml.safe_load(shown.strip("`")) == defaults[variable], f"{page.name}: {variable}"
                compared.append(variable)
    assert len(compared) >= 9, compared
    assert (
        f"the last {NUMBERS[defaults['slurm_release_keep']]} releases"
        in (ROOT / "docs/guide/operations.md").read_text()
    )


def test_the_versions_in_the_readme_are_those_that_are_installed() -> None:
    readme = (ROOT / "README.md").read_text()
    (core,) = re.findall(r"^ansible-core==(\S+)$", (ROOT / "tests/requirements.txt").read_text(), re.MULTILINE)
    assert f"| ansible-core | {core} |" in readme
    oldest = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["requires_ansible"].removeprefix(">=")
    (newest,) = re.findall(r'^NEWEST = "(.*)"$', (ROOT / "noxfile.py").read_text(), re.MULTILINE)
    assert f"| ansible-core | {oldest}, {newest} |" in readme
    for target, release in (("oldest", oldest), ("newest", newest)):
        command = ["make", "--dry-run", target]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        assert f"nox --session runs-{release} " in done.stdout
    (pythons,) = re.findall(r"supported_pythons=\((.*)\)", (ROOT / "tools/setup").read_text())
    assert f"one of {', '.join(pythons.split())}: the machine's" in readme
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    for page in PAGES:
        for named in re.findall(r"nodecycle-slurm-([0-9.]+)\.tar\.gz", page.read_text()):
            assert named == version, page.name


def test_the_pythons_of_the_hosts_are_those_that_the_sanity_tests_know() -> None:
    (core,) = re.findall(r"^ansible-core==(\S+)$", (ROOT / "tests/requirements.txt").read_text(), re.MULTILINE)
    if ansible.release.__version__ != core:
        pytest.skip(f"`make test` has ansible-core {core}")
    known = [tuple(map(int, version.split("."))) for version in constants.CONTROLLER_PYTHON_VERSIONS]
    oldest, newest = ("{}.{}".format(*version) for version in (_host_python.OLDEST, max(known)))
    assert f"| Python of the hosts | {oldest} to {newest}, " in (ROOT / "README.md").read_text()
