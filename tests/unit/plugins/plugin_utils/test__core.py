# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is the same on every ansible-core, with Ansible's own classes."""

from __future__ import annotations

import pathlib
import re

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _core


def test_a_text_knows_its_place_and_a_computed_one_none(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "vars.yml"
    path.write_text("a: b\nlist:\n  - name: c\n")
    values = DataLoader().load_from_file(str(path))
    place = _core.place_of(values["a"])
    assert place
    assert place == (str(path), f"{path}:1:4")
    assert _core.is_written(values["a"])
    assert _core.place_of("b") is None
    assert not _core.is_written("b")
    assert not _core.is_vaulted(values["a"])


def test_an_entry_of_a_rendered_list_keeps_its_place(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "vars.yml"
    path.write_text("list:\n  - name: c\n    content: d\n")
    loader = DataLoader()
    raw = loader.load_from_file(str(path))["list"]
    value = _core.rendered(Templar(loader=loader, variables={}), raw)
    assert value == [{"name": "c", "content": "d"}]
    place = _core.place_of(value[0])
    assert place
    assert place.shown == f"{path}:2:5"


@pytest.mark.parametrize("text", ["{{ 1 / 0 }}", "{{ gone }}", "{{ 'x' | from_json }}"])
def test_whatever_fails_in_a_template_is_one_kind_of_error(text: str) -> None:
    with pytest.raises(AnsibleError):
        _core.rendered(Templar(loader=DataLoader(), variables={}), _core.trusted(text))


def test_an_error_of_syntax_does_not_quote_the_template() -> None:
    text = "#!/bin/sh\necho ${#HOME}\necho the rest\n"
    with pytest.raises(AnsibleError) as caught:
        _core.rendered(Templar(loader=DataLoader(), variables={}), _core.trusted(text))
    assert re.search("Syntax error in template: Missing end of comment tag", _core.said(caught.value))
    assert "the rest" not in _core.said(caught.value)


def test_only_the_core_module_tells_cores_apart(root: pathlib.Path) -> None:
    places = [path for path in root.glob("plugins/*_utils/**/*.py") if path.name != "_core.py"]
    asked = re.compile(
        r"trust_as_template|VaultHelper|_datatag|ansible_pos|AnsibleVaultEncryptedUnicode|ansible\.release"
    )
    assert places
    assert [str(path) for path in places if asked.search(path.read_text())] == []
