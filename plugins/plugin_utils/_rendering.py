# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""From a user's variables to the scripts of a host: templates rendered, files read, secrets recognised."""

from __future__ import annotations

import base64
import os
import typing as t

from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultHelper
from ansible.template import generate_ansible_template_vars, trust_as_template

from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Script
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._schema import HookParser, Problem, ScriptSpec, require_shebang

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
_NOT_THE_USERS = frozenset({"hostvars", "groups", "vars", "ansible_facts", "omit", "ansible_play_hosts_all", "ansible_play_hosts", "play_hosts"})

_JINJA_TRAP = (
    "in a variable Ansible reads `{{`, `{%` and `{#` as Jinja2, and the shell's ${#name} has such a mark: "
    "put the script into a file (`src`), or mark the text `!unsafe`"
)


def origin_of(value: object) -> str:
    """file:line:column of a value in the inventory or playbook, where Ansible knows it."""
    tag = Origin.get_tag(value) if Origin else None
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
        elif VaultHelper.get_ciphertext(value, with_tags=False) or (isinstance(value, str) and self._is_from_vault_file(value)):
            self._add(str(value))

    def _is_from_vault_file(self, value: str) -> bool:
        tag = Origin.get_tag(value) if Origin else None
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
        if text.strip():
            self._plain.add(text.strip())
            self._plain.add(base64.b64encode(text.encode()).decode())

    def occur_in(self, content: bytes) -> bool:
        """Whether a rendered text shows one of them, plain or in base64."""
        text = content.decode("utf-8", "replace")
        return any(secret in text for secret in self._plain)


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

    def variable(self, name: str) -> t.Any:
        """A variable's value for this host; None where it has none or cannot be rendered."""
        if name not in self._variables:
            return None
        value = self._variables[name]
        try:
            return self._templar.template(value)
        except AnsibleError as exc:
            remedy = _JINJA_TRAP if "yntax error" in str(exc) or "end of comment" in str(exc) else "define what it names, for this host too"
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
        return found

    def _script(self, spec: ScriptSpec) -> Script | None:
        try:
            content, is_secret = self._content(spec)
        except (AnsibleError, OSError) as exc:
            self.problems.append(Problem(spec.where, f"has a {spec.source} that cannot be used: {_one_line(exc)}", _remedy(spec), spec.origin))
            return None
        if len(content) > MAX_SCRIPT:
            self.problems.append(Problem(spec.where, f"has {len(content)} bytes", f"a script may have {MAX_SCRIPT}: keep data in files of its own", spec.origin))
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
        bases = [self._loader.get_basedir(), self._variables.get("inventory_dir") or "", os.getcwd()]
        candidates = [os.path.expanduser(spec.value)]
        if not os.path.isabs(candidates[0]):
            candidates = [os.path.join(base, *part, spec.value) for base in dict.fromkeys(bases) if base for part in ((folder,), ())]
        for candidate in candidates:
            if os.path.isdir(candidate):
                raise AnsibleError(f"{candidate} is a directory, and a script is one file")
            if os.path.exists(candidate):
                return candidate
        raise AnsibleError(f"{spec.value} is in none of {', '.join(sorted({os.path.dirname(c) for c in candidates}))}")

    def _render(self, path: str, data: bytes) -> str:
        text = data.decode("utf-8", "surrogateescape")
        folder = os.path.dirname(path)
        variables = {**self._variables, **generate_ansible_template_vars(path=path, fullpath=path)}
        templar = self._templar.copy_with_new_env(searchpath=[folder, os.path.join(folder, "templates")], available_variables=variables)
        # As ansible.builtin.template does, so that one text means one thing.
        return str(templar.template(trust_as_template(text), escape_backslashes=False, overrides={"trim_blocks": True}) or "")


def _one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())


def _remedy(spec: ScriptSpec) -> str:
    return {
        "content": "correct the text",
        "src": "relative names are looked for in files/ and below the directory of the playbook, of the inventory, and the present one",
        "template": "define the variable for this host, or give it a default; relative names are looked for as for `src`, in templates/",
    }[spec.source]
