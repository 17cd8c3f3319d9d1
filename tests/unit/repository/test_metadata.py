# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's own metadata."""

from __future__ import annotations

import pathlib
import re

import yaml


def test_action_group_has_every_module(root: pathlib.Path) -> None:
    group = yaml.safe_load((root / "meta/runtime.yml").read_text())["action_groups"]["slurm"]
    assert group == sorted(path.stem for path in root.glob("plugins/modules/*.py")), "meta/runtime.yml, action_groups"


def test_every_action_has_its_module(root: pathlib.Path) -> None:
    """The documentation of an action plugin is in the module of the same name."""
    for action in root.glob("plugins/action/[!_]*.py"):
        assert (root / "plugins/modules" / action.name).exists(), f"plugins/action/{action.name} has no module"


def test_private_code_says_so(root: pathlib.Path) -> None:
    """The name of a file that other collections must not import begins with an underscore, and the file says so."""
    public, silent = [], []
    for directory in ("module_utils", "plugin_utils", "doc_fragments"):
        for path in (root / "plugins" / directory).rglob("*.py"):
            name = str(path.relative_to(root))
            if not path.relative_to(root / "plugins" / directory).parts[0].startswith("_"):
                public.append(name)
            if path.name != "__init__.py" and "is PRIVATE to the collection" not in path.read_text():
                silent.append(name)
    assert not public, "begin with no underscore"
    assert not silent, "do not say `Note that this ... is PRIVATE to the collection`"


def test_the_pages_install_what_galaxy_knows(root: pathlib.Path) -> None:
    """And say that nothing has been released exactly as long as the changelog has no release."""
    galaxy = yaml.safe_load((root / "galaxy.yml").read_text())
    assert re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?", galaxy["version"])
    names = {"{namespace}.{name}".format(**galaxy), "{namespace}-{name}-{version}.tar.gz".format(**galaxy)}
    changelog = root / "changelogs/changelog.yaml"
    is_released = changelog.exists() and bool(yaml.safe_load(changelog.read_text())["releases"])
    for page in ("README.md", "docs/guide/getting-started.md"):
        text = (root / page).read_text()
        assert set(re.findall(r"ansible-galaxy collection install ([^\s`]+)", text)) == names, page
        assert ("Nothing has been released yet" in text) is not is_released, page


def test_the_licence_is_the_same_everywhere(root: pathlib.Path, committed_files: list[pathlib.Path]) -> None:
    """Each file names its own: antsibull-nox requires it."""
    name = "GPL-3.0-or-later"
    assert yaml.safe_load((root / "galaxy.yml").read_text())["license"] == [name]
    assert (
        "GNU General Public License v3.0 or later." in (root / "README.md").read_text().partition("\n## Licence\n")[2]
    )
    copying = (root / "COPYING").read_text()
    assert copying.split()[:6] == ["GNU", "GENERAL", "PUBLIC", "LICENSE", "Version", "3,"]
    assert (root / f"LICENSES/{name}.txt").read_text() == copying
    named = re.compile(rb'SPDX-License-Identifier(?:: | = ")([\w.-]+)')
    other = {
        path: found for path in committed_files if (found := set(named.findall(path.read_bytes())) - {name.encode()})
    }
    assert not other
