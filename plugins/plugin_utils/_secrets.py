# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Which texts are made of vaulted values: everything is rendered once more, with other values in the vault.

A filter can turn a secret into anything (a hash, a slice, JSON), so no search for the value's text can find it. But a text
that a vaulted value went into is another one when that value is another one. V(World) holds the hosts' variables a second time,
with other vaulted values of the same length and kind, and a loader that decrypts files to other texts.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
import re
import types
import typing as t
import urllib.parse

from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib
from ansible.vars.hostvars import HostVars
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _core
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._schema import OPTIONS, SOURCES

if t.TYPE_CHECKING:
    from ansible.parsing.dataloader import DataLoader

Variables = dict[str, t.Any]

#: Variables that hold no user's values but large amounts of Ansible's own.
_NOT_THE_USERS = frozenset({*_core.OWN_VARIABLES, "vars", "omit", "environment"})

#: Shorter lines of a longer secret (braces, "---") and shorter numbers stand in ordinary scripts too.
_TELLING = 8
#: A fact of fewer characters says too little about a secret that happens to contain it.
_FACT = 4
#: What stands in a message for a vaulted value.
HIDDEN = "(a vaulted value)"

#: The function of the second world, and the variables in which it finds the first world's values.
_OTHER = "__nodecycle_other"

_LOWER, _UPPER, _DIGITS = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
#: Every letter and digit is another one of its kind, and no number begins to be 0.
_OTHER_CHARACTER = str.maketrans(
    _LOWER + _UPPER + _DIGITS, _LOWER[1:] + _LOWER[0] + _UPPER[1:] + _UPPER[0] + "5234567891"
)


def origin_of(value: object) -> str:
    """file:line:column of a value in the inventory or playbook, where Ansible knows it."""
    place = _core.place_of(value)
    return place.shown if place else ""


def other_text(text: str) -> str:
    """Another text of the same length, with letters, digits and the rest in the same places."""
    # The letters of other alphabets have no neighbours of the same kind that every codec knows.
    other = "".join(
        ("ä" if char != "ä" else "ö") if ord(char) > 127 and char.isalpha() else char
        for char in text.translate(_OTHER_CHARACTER)
    )
    # A secret of punctuation only.
    return other if other != text else "".join(char if char.isspace() else "x" for char in text)


def other_value(value: t.Any) -> t.Any:
    """Another value of the same type and shape. True, false and nothing are no secrets."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return type(value + 0)(other_text(str(value)))
    if isinstance(value, dict):
        return {key: other_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [other_value(item) for item in value]
    return other_text(str(value))


def _is_entry(value: dict[str, t.Any]) -> bool:
    """Whether this is an entry of a hook's list: all but its text is for everybody's eyes, wherever it is written."""
    return "name" in value and any(source in value for source in SOURCES) and all(key in OPTIONS for key in value)


def _forms(plain: str) -> set[str]:
    """What a command or a filter makes of a text most often, in small letters."""
    data = plain.encode("utf-8", "surrogateescape")
    hashes = {
        hashlib.new(name, data, usedforsecurity=False).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")
    }
    encoded = {base64.b64encode(data).decode(), data.hex(), urllib.parse.quote(data), urllib.parse.quote(data, safe="")}
    return {form.lower() for form in {plain, *hashes, *encoded}}


class _Files:
    """Which files are vault-encrypted."""

    def __init__(self, loader: DataLoader) -> None:
        self._known: dict[str, bool] = {}
        self._unplaced = _core.Unplaced(loader, self._is_encrypted)

    def look_at(self, variables: Variables) -> None:
        """These are the variables of the values that V(hold) will be asked for."""
        self._unplaced.look_at(variables)

    def hold(self, name: str, value: object) -> bool:
        """Whether a value of this name was written in such a file."""
        place = _core.place_of(value)
        return self._is_encrypted(place.path) if place else self._unplaced.hold(name, value)

    def _is_encrypted(self, path: str) -> bool:
        if path not in self._known:
            try:
                with open(path, "rb") as handle:
                    self._known[path] = handle.read(14) == b"$ANSIBLE_VAULT"
            except OSError:
                self._known[path] = False
        return self._known[path]


class _Watched(VaultLib):
    """Notes that a file was decrypted."""

    def __init__(self, secrets: t.Any, note: t.Callable[[], None]) -> None:
        super().__init__(secrets)
        self._note = note

    def decrypt(self, *args: t.Any, **options: t.Any) -> bytes:
        """See VaultLib."""
        self._note()
        return t.cast(bytes, super().decrypt(*args, **options))


class _Other(_Watched):
    """Decrypts to another text."""

    def decrypt(self, *args: t.Any, **options: t.Any) -> bytes:
        """See VaultLib."""
        text = super().decrypt(*args, **options).decode("utf-8", "surrogateescape")
        return other_text(text).encode("utf-8", "surrogateescape")


def _with_vault(loader: DataLoader, vault: VaultLib) -> DataLoader:
    """A loader that differs from another one in how it decrypts; it remembers no file that the other has read."""
    twin = copy.copy(loader)
    twin._vault = vault  # pylint: disable=protected-access
    twin._FILE_CACHE = {}  # pylint: disable=protected-access
    return twin


class _Manager:
    """What HostVars asks for a host's variables."""

    def __init__(self, get: t.Callable[[str], Variables]) -> None:
        self._get = get

    def get_vars(self, host: t.Any, **_options: t.Any) -> Variables:
        """The variables of a host."""
        return self._get(str(host.name))


class Hosts:
    """The variables of all hosts in both worlds, each walked once in a process."""

    def __init__(self, loader: DataLoader, hostvars: t.Any = None) -> None:
        self._hostvars: t.Any = hostvars if isinstance(hostvars, HostVars) else None
        self._files = _Files(loader)
        self._seen: dict[str, tuple[Variables, Twin]] = {}
        #: Whether a vaulted value was asked for in the second world since somebody set this to false.
        self.used = False

    def note(self) -> None:
        """A vaulted value, or a file, was used."""
        self.used = True

    def twin(self, variables: Variables) -> Twin:
        """The second world's variables of these."""
        return Twin(variables, self._files, self.note)

    def of(self, name: str) -> tuple[Variables, Twin]:
        """Another host's variables, and their twin."""
        if name not in self._seen:
            inventory, manager = self._hostvars._inventory, self._hostvars._variable_manager  # pylint: disable=protected-access
            variables = manager.get_vars(host=inventory.get_host(name), include_hostvars=False)
            self._seen[name] = (variables, self.twin(variables))
        return self._seen[name]

    def hostvars(self, loader: DataLoader, get: t.Callable[[str], Variables]) -> HostVars | None:
        """What C(hostvars) is to be in a template."""
        if self._hostvars is None:
            return None
        return HostVars(self._hostvars._inventory, t.cast("t.Any", _Manager(get)), loader)  # pylint: disable=protected-access


class Twin:
    """A host's variables with other vaulted values."""

    def __init__(self, variables: Variables, files: _Files, note: t.Callable[[], None]) -> None:
        self._files = files
        self._note = note
        self._plain: set[str] | None = None
        self._related: t.Callable[[str], bool] | None = None
        self._has_facts = False
        #: The vaulted values, by the variable that holds them in the second world.
        self.values: Variables = {}
        files.look_at(variables)
        walked = self._walk_all(variables)
        if self.values and self._has_facts:
            forms = {form for value in self.values.values() for form in self._forms_of(value)}
            plains = {text.lower() for value in self.values.values() if len(text := self._text(value).strip()) >= _FACT}
            self._related = lambda fact: any(form in fact for form in forms) or any(fact in plain for plain in plains)
            self.values = {}
            walked = self._walk_all(variables)
        self._variables = self._second(variables, walked)

    def variables(self) -> Variables:
        """All variables in the second world."""
        return self._variables

    def _second(self, variables: Variables, walked: Variables) -> Variables:
        if not self.values:
            return variables
        twin = {**variables, **walked, **self.values, _OTHER: self._other}
        if isinstance(variables.get("vars"), dict):
            twin["vars"] = {**variables["vars"], **walked}
        return twin

    def plain(self) -> set[str]:
        """The vaulted texts, each also in base64 and line by line."""
        if self._plain is None:
            self._plain = set()
            for value in self.values.values():
                text = self._text(value)
                # A short number (a port, a count) stands in every script.
                if isinstance(value, str) or not isinstance(value, (int, float)) or len(text) >= _TELLING:
                    self._add(text, self._plain)
        return self._plain

    @staticmethod
    def _add(text: str, found: set[str]) -> None:
        stripped = text.strip()
        if not stripped:
            return
        found.add(stripped)
        found.update(base64.b64encode(form.encode("utf-8", "surrogateescape")).decode() for form in (text, stripped))
        # Each line by itself too: a key of many lines is often indented in a script.
        found.update(line.strip() for line in stripped.splitlines() if len(line.strip()) >= _TELLING)

    @staticmethod
    def _text(value: object) -> str:
        # What this run has no password for, it cannot render into a script either.
        with contextlib.suppress(AnsibleError):
            return str(value)
        return ""

    def _forms_of(self, value: object) -> set[str]:
        text = self._text(value).strip()
        return _forms(text) if len(text) >= _FACT else set()

    def _other(self, value: t.Any) -> t.Any:
        self._note()
        return other_value(value)

    def _walk_all(self, variables: Variables) -> Variables:
        walked = {}
        for name, value in variables.items():
            # Nor do this run's own answers, which have an entry for each host: walked for each host, they would cost its square.
            if name in _NOT_THE_USERS or name.startswith("__slurm_"):
                continue
            # Ansible's own facts of a host's hardware and network hold no secrets, and are many.
            twin = self._walk(name, value, in_files=True, facts=not name.startswith("ansible_"))
            if twin is not value:
                walked[name] = twin
        return walked

    def _walk(self, name: str, value: t.Any, *, in_files: bool, facts: bool) -> t.Any:
        """The value itself where nothing in it is vaulted."""
        if isinstance(value, dict):
            is_entry = _is_entry(value)
            items = {
                key: self._walk(str(key), item, in_files=in_files and (not is_entry or key == "content"), facts=facts)
                for key, item in value.items()
            }
            return items if any(items[key] is not item for key, item in value.items()) else value
        if isinstance(value, (list, tuple)):
            walked = [self._walk(name, item, in_files=in_files, facts=facts) for item in value]
            return walked if any(new is not old for new, old in zip(walked, value, strict=True)) else value
        if isinstance(value, types.FunctionType) or value is None or isinstance(value, bool):
            return value
        if (
            _core.is_vaulted(value)
            or (in_files and self._files.hold(name, value))
            or (facts and self._is_made_of_one(value))
        ):
            variable = f"{_OTHER}_{len(self.values)}"
            self.values[variable] = value
            # A template, so that no value is decrypted that nobody uses, and one that is itself a template is rendered first.
            return _core.trusted("{{ " + f"{_OTHER}({variable})" + " }}")
        return value

    def _is_made_of_one(self, value: object) -> bool:
        """Whether a fact, which somebody computed and nobody wrote into a file, looks as if it came out of a secret."""
        if not isinstance(value, (str, int, float)) or _core.is_written(value):
            return False
        fact = str(value).strip().lower()
        if len(fact) < _FACT:
            return False
        self._has_facts = True
        return self._related is not None and self._related(fact)


class Worlds:
    """One host's templates in both worlds, and what is known of the vaulted values that they can reach."""

    def __init__(self, variables: Variables, loader: DataLoader, hosts: Hosts | None = None) -> None:
        self._hosts = hosts or Hosts(loader, variables.get("hostvars"))
        self._own = self._hosts.twin(variables)
        self._looked_at: set[str] = set()
        self._has_decrypted = False
        secrets = loader._vault.secrets  # pylint: disable=protected-access
        #: The world as it is: it notes which other hosts and which encrypted files were read.
        self.loader = _with_vault(loader, _Watched(secrets, self._decrypted))
        self.variables = self._world(variables, self.loader, self._look)
        self._twin_loader = _with_vault(loader, _Other(secrets, self._hosts.note))

    def _world(self, variables: Variables, loader: DataLoader, get: t.Callable[[str], Variables]) -> Variables:
        hostvars = self._hosts.hostvars(loader, get)
        if hostvars is None:
            return variables
        world = {**variables, "hostvars": hostvars}
        if isinstance(variables.get("vars"), dict):
            world["vars"] = {**variables["vars"], "hostvars": hostvars}
        return world

    def _decrypted(self) -> None:
        self._has_decrypted = True

    def _look(self, name: str) -> Variables:
        self._looked_at.add(name)
        return self._hosts.of(name)[0]

    def is_in_reach(self) -> bool:
        """Whether what was rendered so far may have used a secret at all."""
        return bool(self._own.values) or self._has_decrypted or any(twin.values for twin in self._others())

    def _others(self) -> list[Twin]:
        return [self._hosts.of(name)[1] for name in self._looked_at]

    def other(self) -> tuple[DataLoader, Variables]:
        """The loader and the variables of the second world."""
        variables = self._world(
            self._own.variables(), self._twin_loader, lambda name: self._hosts.of(name)[1].variables()
        )
        return self._twin_loader, variables

    @property
    def used(self) -> bool:
        """Whether the second world was asked for a vaulted value since V(forget)."""
        return self._hosts.used

    def forget(self) -> None:
        """From now on V(used) is about what comes."""
        self._hosts.used = False

    def _plain(self) -> list[str]:
        return sorted({text for twin in (self._own, *self._others()) for text in twin.plain()}, key=len, reverse=True)

    def occur_in(self, content: bytes) -> bool:
        """Whether a text shows a vaulted value, plain or in base64: the second line of defence."""
        text = content.decode("utf-8", "replace")
        return any(secret in text for secret in self._plain())

    def redact(self, message: str) -> str:
        """A message without the vaulted values."""
        for secret in self._plain():
            if len(secret) >= _FACT:
                pattern = "|".join(map(re.escape, {secret, " ".join(secret.split()), repr(secret)[1:-1]}))
                message = re.sub(pattern, HIDDEN, message)
        return message
