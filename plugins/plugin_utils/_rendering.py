# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""From a user's variables to the scripts of a host: templates rendered, files read, secrets recognised."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import os
import typing as t

from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultHelper
from ansible.template import generate_ansible_template_vars, trust_as_template
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Script
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._schema import (
    HookParser,
    Problem,
    ScriptSpec,
    require_shebang,
)

try:
    from ansible._internal._datatag._tags import Origin
except ImportError:  # pragma: no cover - another ansible-core keeps it elsewhere; then messages lack file and line
    Origin = None  # type: ignore[assignment, misc]

if t.TYPE_CHECKING:
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar

#: Larger than any script that somebody wrote, and Slurm's own limit for a shipped file is of this order.
MAX_SCRIPT = 4 * 1024 * 1024

#: Variables that hold no user's values but large amounts of Ansible's own.
_NOT_THE_USERS = frozenset(
    {
        "hostvars",
        "groups",
        "vars",
        "ansible_facts",
        "omit",
        "ansible_play_hosts_all",
        "ansible_play_hosts",
        "play_hosts",
    }
)

#: Shorter lines of a longer secret (braces, "---") and shorter numbers stand in ordinary scripts too.
_TELLING = 8

_JINJA_TRAP = (
    "in a variable Ansible reads `{{`, `{%` and `{#` as Jinja2, and the shell's ${#name} has such a mark: "
    "put the script into a file (`src`), or mark the text `!unsafe`"
)


def origin_of(value: object) -> str:
    """file:line:column of a value in the inventory or playbook, where Ansible knows it."""
    tag = Origin.get_tag(value) if Origin is not None else None
    return str(tag) if tag and tag.path else ""


class Secrets:
    """The vaulted values among a host's variables."""

    _encrypted_files: dict[str, bool] = {}

    def __init__(self, variables: t.Mapping[str, t.Any]) -> None:
        self._plain: set[str] = set()
        for name, value in variables.items():
            # Nor do this run's own answers, which have an entry for each host: walked for each host, they would cost its square.
            if name not in _NOT_THE_USERS and not name.startswith("__slurm_"):
                self._walk(value)

    def _walk(self, value: object) -> None:
        if isinstance(value, dict):
            for item in value.values():
                self._walk(item)
        elif isinstance(value, (list, tuple)):
            for item in value:
                self._walk(item)
        elif VaultHelper.get_ciphertext(value, with_tags=False):
            # What this run has no password for, it cannot render into a script either.
            with contextlib.suppress(AnsibleError):
                self._add(str(value))
        elif self._is_telling(value) and self._is_from_vault_file(value):
            self._add(str(value))

    @staticmethod
    def _is_telling(value: object) -> bool:
        # A short number (a port, a count) would make a secret of every script.
        return isinstance(value, str) or (isinstance(value, (int, float)) and len(str(value)) >= _TELLING)

    def _is_from_vault_file(self, value: object) -> bool:
        tag = Origin.get_tag(value) if Origin is not None else None
        if not tag or not tag.path:
            return False
        if tag.path not in self._encrypted_files:
            try:
                with open(tag.path, "rb") as handle:
                    self._encrypted_files[tag.path] = handle.read(14) == b"$ANSIBLE_VAULT"
            except OSError:
                self._encrypted_files[tag.path] = False
        return self._encrypted_files[tag.path]

    def _add(self, text: str) -> None:
        stripped = text.strip()
        if not stripped:
            return
        self._plain.add(stripped)
        self._plain.update(base64.b64encode(form.encode()).decode() for form in (text, stripped))
        # Each line by itself too: a key of many lines is often indented in a script.
        self._plain.update(line.strip() for line in stripped.splitlines() if len(line.strip()) >= _TELLING)

    def occur_in(self, content: bytes) -> bool:
        """Whether a rendered text shows one of them, plain or in base64."""
        text = content.decode("utf-8", "replace")
        return any(secret in text for secret in self._plain)


@dataclasses.dataclass(frozen=True)
class Rendered:
    """A script of a host, and what it was rendered from."""

    hook: str
    spec: ScriptSpec
    script: Script


class Renderer:
    """Renders scripts for one host. Problems are gathered; what has none is returned."""

    def __init__(self, *, loader: DataLoader, templar: Templar, variables: dict[str, t.Any]) -> None:
        self._loader = loader
        self._templar = templar
        self._variables = variables
        self._secrets = Secrets(variables)
        self.problems: list[Problem] = []
        #: Every script that was parsed, also those that other nodes get.
        self.specs: list[ScriptSpec] = []
        #: What this host gets, by hook.
        self.rendered: list[Rendered] = []

    def variable(self, name: str) -> t.Any:
        """A variable's value for this host; None where it has none or cannot be rendered."""
        if name not in self._variables:
            return None
        value = self._variables[name]
        try:
            return self._templar.template(value)
        except AnsibleError as exc:
            remedy = (
                _JINJA_TRAP
                if "yntax error" in str(exc) or "end of comment" in str(exc)
                else "define what it names, for this host too"
            )
            self.problems.append(Problem(name, f"cannot be rendered: {_one_line(exc)}", remedy, origin_of(value)))
            return None

    def scripts(self, hook: str, value: object, where: str, node_name: str) -> list[Script]:
        """The scripts of a hook that this host gets, in their order."""
        parser = HookParser(hook, where, origin_of)
        specs = parser.parse(value)
        self.problems.extend(parser.problems)
        self.specs.extend(specs)
        found = []
        for spec in specs:
            if spec.nodes is not None and node_name not in spec.nodes:
                continue
            if script := self._script(spec):
                found.append(script)
                self.rendered.append(Rendered(hook, spec, script))
        return found

    def _script(self, spec: ScriptSpec) -> Script | None:
        try:
            content, is_secret = self._content(spec)
        except (AnsibleError, OSError) as exc:
            self.problems.append(
                Problem(
                    spec.where, f"has a {spec.source} that cannot be used: {_one_line(exc)}", _remedy(spec), spec.origin
                )
            )
            return None
        if len(content) > MAX_SCRIPT:
            self.problems.append(
                Problem(spec.where, f"has more than {MAX_SCRIPT} bytes", "keep data in files of its own", spec.origin)
            )
            return None
        faults = require_shebang(spec.where, content, spec.origin)
        self.problems.extend(faults)
        if faults:
            return None
        no_log = spec.no_log or is_secret or self._secrets.occur_in(content)
        return Script(spec.name, content, spec.partitions, spec.timeout, spec.on_failure, no_log)

    def _content(self, spec: ScriptSpec) -> tuple[bytes, bool]:
        """The bytes of a script, and whether they come out of an encrypted file."""
        if spec.source == "content":
            return spec.value.encode("utf-8", "surrogateescape"), False
        path = self._find(spec)
        real = self._loader.get_real_file(path)
        try:
            with open(real, "rb") as handle:
                data = handle.read(MAX_SCRIPT + 1)
        finally:
            self._loader.cleanup_tmp_file(real)
        if spec.source == "src":
            return data, real != path
        return self._render(path, data).encode("utf-8", "surrogateescape"), real != path

    def _find(self, spec: ScriptSpec) -> str:
        folder = {"src": "files", "template": "templates"}[spec.source]
        wanted = os.path.expanduser(spec.value)
        bases = [""] if os.path.isabs(wanted) else list(dict.fromkeys(self._bases()))
        for base in bases:
            for candidate in (os.path.join(base, folder, wanted), os.path.join(base, wanted)):
                if os.path.isdir(candidate):
                    raise AnsibleError(f"{candidate} is a directory, and a script is one file")
                if os.path.exists(candidate):
                    return candidate
        places = f" in {folder}/ or directly below {', '.join(bases)}" if bases != [""] else ""
        raise AnsibleError(f"there is no file {spec.value}{places}")

    def _bases(self) -> t.Iterator[str]:
        """Where relative names begin: at the playbook, at the inventories, and where the user stands."""
        yield self._loader.get_basedir()
        for source in self._variables.get("ansible_inventory_sources") or []:
            yield source if os.path.isdir(source) else os.path.dirname(source)
        yield os.getcwd()

    def _render(self, path: str, data: bytes) -> str:
        text = data.decode("utf-8", "surrogateescape")
        folder = os.path.dirname(path)
        variables = {**self._variables, **generate_ansible_template_vars(path=path, fullpath=path)}
        templar = self._templar.copy_with_new_env(
            searchpath=[folder, os.path.join(folder, "templates")], available_variables=variables
        )
        # As ansible.builtin.template does, so that one text means one thing.
        return str(
            templar.template(trust_as_template(text), escape_backslashes=False, overrides={"trim_blocks": True}) or ""
        )


def _one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())


def _remedy(spec: ScriptSpec) -> str:
    return {
        "content": "correct the text",
        "src": "correct the name, or put the file there",
        "template": "define what the template names for this host too, or give it a default; or correct the template's name",
    }[spec.source]
