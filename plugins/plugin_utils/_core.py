# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""All that differs between the ansible-cores that this collection runs on. Nothing else asks which one it is.

Since 2.19 a value carries tags: where it was written, whether it may be rendered, the ciphertext that it came from. Before, every text
was rendered; only texts, lists and dictionaries of YAML knew their place; and a C(!vault) value was an object that decrypts itself.
The cores are told apart by what they have, not by their version.
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ansible.errors import AnsibleError

try:
    from ansible.parsing.vault import VaultHelper
    from ansible.template import trust_as_template

    objects: t.Any = None
except ImportError:
    from ansible.parsing.yaml import objects

HAS_TAGS = objects is None

try:
    from ansible._internal._datatag._tags import Origin
except ImportError:
    # Before 2.19; or another ansible-core keeps it elsewhere, then messages lack file and line.
    Origin = None  # type: ignore[assignment, misc]

try:
    from ansible.constants import INTERNAL_STATIC_VARS
except ImportError:
    # The first of 2.16 have fewer of them, and elsewhere.
    from ansible.vars.hostvars import STATIC_VARS as INTERNAL_STATIC_VARS  # type: ignore[attr-defined, no-redef]

if t.TYPE_CHECKING:
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar


#: The names of variables that are Ansible's own.
OWN_VARIABLES = frozenset({*INTERNAL_STATIC_VARS, "ansible_facts", "hostvars"})


class Place(t.NamedTuple):
    """Where a value was written."""

    path: str
    #: file:line:column
    shown: str


def trusted(text: str) -> str:
    """A text that may be rendered as a template."""
    return trust_as_template(text) if HAS_TAGS else text


def is_vaulted(value: object) -> bool:
    """Whether a value was written as C(!vault)."""
    if HAS_TAGS:
        return bool(VaultHelper.get_ciphertext(value, with_tags=False))
    return isinstance(value, objects.AnsibleVaultEncryptedUnicode)


def is_written(value: object) -> bool:
    """Whether somebody wrote a value, as far as one can tell: facts were computed."""
    if HAS_TAGS:
        return bool(Origin is not None and Origin.get_tag(value))
    return place_of(value) is not None


def place_of(value: object) -> Place | None:
    """The file, line and column of a value, where Ansible knows them."""
    if HAS_TAGS:
        tag = Origin.get_tag(value) if Origin is not None else None
        return Place(tag.path, str(tag)) if tag and tag.path else None
    path, line, column = getattr(value, "ansible_pos", None) or (None, 0, 0)
    # What was given on the command line is in <string>.
    return Place(path, f"{path}:{line}:{column}") if path and os.path.isabs(path) else None


def rendered(templar: Templar, raw: t.Any, **options: t.Any) -> t.Any:
    """What a value of a user becomes in a template, or AnsibleError."""
    if HAS_TAGS:
        return templar.template(raw, **options)
    try:
        return _placed(plain(templar.template(raw, **options)), raw)
    except AnsibleError:
        raise
    except Exception as exc:
        # What a filter raises came out of a template as it was.
        raise AnsibleError(f"{type(exc).__name__}: {exc}") from exc


def plain(value: t.Any) -> t.Any:
    """A value without objects that decrypt themselves: before 2.19 they come out of a template as they went in."""
    if HAS_TAGS:
        return value
    if is_vaulted(value):
        return str(value)
    if isinstance(value, dict):
        return (
            value
            if all(plain(item) is item for item in value.values())
            else {key: plain(item) for key, item in value.items()}
        )
    if isinstance(value, (list, tuple)):
        return value if all(plain(item) is item for item in value) else [plain(item) for item in value]
    return value


def _placed(value: t.Any, raw: t.Any) -> t.Any:
    """A value with the places of what it was rendered from: before 2.19 a rendered dictionary is a new one that has none."""
    if isinstance(value, list) and isinstance(raw, list) and len(value) == len(raw):
        return [_placed(*pair) for pair in zip(value, raw, strict=True)]
    if not (isinstance(value, dict) and isinstance(raw, dict)):
        return value
    result = objects.AnsibleMapping({key: _placed(item, raw.get(key)) for key, item in value.items()})
    result.ansible_pos = getattr(raw, "ansible_pos", (None, 0, 0))
    return result


def said(exc: Exception) -> str:
    """An error of a template in one line. Before 2.19 it quotes the whole template, which may be a script of many lines."""
    text = " ".join(str(exc).split())
    if HAS_TAGS:
        return text
    text = re.sub(r"^An unhandled exception occurred while templating .*?original message: ", "", text)
    return re.sub(
        r"^template error while templating string: (.*?)\. String: .*$", r"Syntax error in template: \1", text
    )


class Unplaced:
    """The values of vault-encrypted files that do not know their file.

    Since 2.19 all know it. Before, numbers, marked texts (C(!unsafe)) and whatever is in JSON or INI do not. They are recognised by
    their name and their text, in the files that this run has read. So a plain variable of the same name and value is taken for a
    secret too.
    """

    def __init__(self, loader: DataLoader, is_encrypted: t.Callable[[str], bool]) -> None:
        self._loader = loader
        self._is_encrypted = is_encrypted
        self._read: set[str] = set()
        #: Name in the innermost dictionary, and text.
        self._named: set[tuple[str, str]] = set()
        self._inis: list[str] = []

    def look_at(self, variables: dict[str, t.Any]) -> None:
        """Read the encrypted files that these variables may be from."""
        if HAS_TAGS:
            return
        # The loader remembers the files of variables and of roles.
        paths = set(self._loader._FILE_CACHE)  # pylint: disable=protected-access
        for source in variables.get("ansible_inventory_sources") or []:
            paths.add(source)
            # As Ansible itself: an inventory that is a directory is read with all that is below it. No error for one that cannot be read.
            for place, _directories, names in os.walk(source):
                paths.update(os.path.join(place, name) for name in names)
        # What include_vars has read the loader of another process knows.
        paths.update(place.path for value in variables.values() if (place := place_of(value)))
        for path in paths - self._read:
            self._read.add(path)
            if self._is_encrypted(path):
                self._add(path)

    def hold(self, name: str, value: object) -> bool:
        """Whether such a value is in one of the files."""
        # Other objects, such as C(hostvars), are no texts of a file, and their text costs a template of everything.
        if HAS_TAGS or place_of(value) or not isinstance(value, (str, int, float)):
            return False
        text = str(value)
        if (name, text) in self._named:
            return True
        # First what is cheap: this is asked of each fact of each host.
        holders = [ini for ini in self._inis if name in ini and text in ini]
        if not holders:
            return False
        written = re.compile(rf"(?<!\w){re.escape(name)}(?!\w).*{re.escape(text)}")
        return any(written.search(ini) for ini in holders)

    def _add(self, path: str) -> None:
        found = None
        # What is in it need not be text.
        with contextlib.suppress(AnsibleError, OSError, ValueError):
            found = self._loader.load_from_file(path, unsafe=True)
        if isinstance(found, (dict, list)):
            self._collect("", found)
            return
        with contextlib.suppress(AnsibleError, OSError, ValueError):
            self._inis.append(self._loader._get_file_contents(path)[0].decode("utf-8", "replace"))  # pylint: disable=protected-access

    def _collect(self, name: str, value: t.Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                self._collect(str(key), item)
        elif isinstance(value, (list, tuple)):
            for item in value:
                self._collect(name, item)
        elif place_of(value) is None and not isinstance(value, bool) and value is not None:
            self._named.add((name, str(value)))
