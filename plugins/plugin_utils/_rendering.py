# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""From a user's variables to the scripts of a host: templates rendered, files read, secrets recognised (how: V(_secrets))."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import typing as t

from ansible.errors import AnsibleError
from ansible.template import Templar, generate_ansible_template_vars
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Script
from ansible_collections.nodecycle.slurm.plugins.plugin_utils import _core
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._schema import (
    ONLY_SCRIPT,
    OPTIONS,
    HookParser,
    Problem,
    ScriptSpec,
    require_shebang,
)
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._secrets import Hosts, Worlds, origin_of

if t.TYPE_CHECKING:
    from ansible.parsing.dataloader import DataLoader

#: Larger than any script that somebody wrote, and Slurm's own limit for a shipped file is of this order.
MAX_SCRIPT = 4 * 1024 * 1024

_JINJA_TRAP = (
    "in a variable Ansible reads `{{`, `{%` and `{#` as Jinja2, and the shell's ${#name} has such a mark: "
    "put the script into a file (`src`), or mark the text `!unsafe`"
)


@dataclasses.dataclass(frozen=True)
class Rendered:
    """A script of a host, and its source."""

    hook: str
    spec: ScriptSpec
    script: Script
    #: The file that it was made from; empty if its text stands in a variable.
    file: str = ""


_UNSAID = "the error may quote a vaulted value, so it is not shown"
_SAID_NOTHING = "to see the error, put a text of no worth in place of the vaulted value and check again"

#: What cannot be rendered in the second world.
_FAILED = object()


@dataclasses.dataclass(frozen=True)
class Second:
    """A script's entry in the second world, whether that used a vaulted value, and how to render the first world's again."""

    entry: t.Any
    used: bool
    again: t.Callable[[], t.Any]


@dataclasses.dataclass(frozen=True)
class Part:
    """One hook's part of a template for several hooks."""

    whole: object
    hook: str


class Renderer:
    """Renders scripts for one host. Collects the problems, and returns the scripts without any."""

    def __init__(self, *, loader: DataLoader, variables: dict[str, t.Any], hosts: Hosts | None = None) -> None:
        self._loader = loader
        self._variables = variables
        self._worlds = Worlds(variables, loader, hosts)
        self._templar = Templar(loader=self._worlds.loader, variables=self._worlds.variables)
        self._second: Templar | None = None
        self.problems: list[Problem] = []
        #: Every script that was parsed, also those that other nodes get.
        self.specs: list[ScriptSpec] = []
        #: The scripts that this host gets, by hook.
        self.rendered: list[Rendered] = []

    def variable(self, name: str) -> t.Any:
        """A variable's value for this host; None where it has none or cannot be rendered."""
        if name not in self._variables:
            return None
        value = self._variables[name]
        try:
            return _core.rendered(self._templar, value)
        except AnsibleError as exc:
            remedy = (
                _JINJA_TRAP
                if "yntax error" in _core.said(exc) or "end of comment" in _core.said(exc)
                else "define what it names, for this host too; if the braces are the script's own, put the script into a file (`src`), or mark "
                "the text `!unsafe`"
            )
            said = self._said(exc, lambda: _core.rendered(self._twin(), value))
            remedy = _SAID_NOTHING if said.startswith(_UNSAID) else remedy
            self.problems.append(Problem(name, f"cannot be rendered: {said}", remedy, origin_of(value)))
            return None

    def scripts(self, hook: str, value: object, where: str, node_name: str, raw: object = None) -> list[Script]:
        """The scripts of a hook that this host gets, in their order; C(raw) is what V(value) was rendered from."""
        value = _core.plain(value)
        # A text has a place of its own only as long as nothing is rendered in it.
        parser = HookParser(hook, where, lambda item: origin_of(item) or origin_of(raw))
        twins = self._twins(raw, value)
        shown = self._secrets_that_everybody_sees(where, value, twins)
        specs = parser.parse(value, skip=shown)
        self.problems.extend(parser.problems)
        self.specs.extend(specs)
        found = []
        for spec in specs:
            if spec.nodes is not None and node_name not in spec.nodes:
                continue
            if script := self._script(spec, hook, twins):
                found.append(script)
                file = self._find(spec) if spec.source != "content" else ""
                self.rendered.append(Rendered(hook, spec, script, file))
        return found

    def source(self, name: str) -> t.Any:
        """A variable as the user wrote it."""
        return self._variables.get(name)

    def source_of(self, name: str, value: object) -> t.Any:
        """The variable that a value was rendered from, if it was this one."""
        raw = self._variables.get(name)
        with contextlib.suppress(AnsibleError):
            if raw is not None and _core.rendered(self._templar, raw) == value:
                return raw
        return None

    def seen(self, raw: t.Any) -> t.Any:
        """Note what a value reaches that somebody else has rendered; the same value."""
        with contextlib.suppress(AnsibleError):
            self._rendered(self._templar, raw)
        return raw

    def is_secret(self, raw: object, value: object) -> bool:
        """Whether a vaulted value went into a value, which was rendered from this."""
        if not self._worlds.is_in_reach():
            return False
        second = self._second_of(raw)
        return self._differ(value, second.entry, second.again, used=second.used) or self._worlds.occur_in(
            _encoded(str(value))
        )

    def _twin(self) -> Templar:
        if self._second is None:
            loader, variables = self._worlds.other()
            self._second = Templar(loader=loader, variables=variables)
        return self._second

    def _in_second_world(self, raw: object) -> t.Any:
        try:
            return self._rendered(self._twin(), raw)
        except Exception:
            # A filter that does not take the other value: whatever it raises, the value was used.
            return _FAILED

    def _differ(self, value: object, other: object, again: t.Callable[[], object], *, used: bool) -> bool:
        """Whether two renderings differ because of a vaulted value, and not because of the clock or of chance."""
        if value == other:
            return False
        return used or again() == value

    def _twins(self, raw: object, value: object) -> list[Second]:
        """For each script of a hook its entry in the second world; nothing where no vaulted value is in reach."""
        entries = _entries(value)
        if not entries or not self._worlds.is_in_reach():
            return []
        if isinstance(raw, list) and len(raw) == len(entries):
            # One by one, so that a filter that does not take the other value tells of one script only.
            return [self._second_of(item) for item in raw]
        picks = [functools.partial(_pick, index=index, count=len(entries)) for index in range(len(entries))]
        whole = self._second_of(raw)
        return [
            Second(pick(whole.entry), whole.used, lambda pick=pick: pick(whole.again()))  # type: ignore[misc]
            for pick in picks
        ]

    def _second_of(self, raw: object) -> Second:
        self._worlds.forget()
        entry = self._in_second_world(raw)
        return Second(entry, self._worlds.used, lambda: self._rendered(self._templar, raw))

    @staticmethod
    def _rendered(templar: Templar, raw: object) -> t.Any:
        if isinstance(raw, Part):
            return _core.rendered(templar, raw.whole).get(raw.hook)
        return _core.rendered(templar, raw)

    def _secrets_that_everybody_sees(self, where: str, value: object, twins: list[Second]) -> set[int]:
        """The entries that no message may quote: a vaulted value is in what becomes a file name, or stands in logs and dispatchers."""
        found = set()
        for index, (entry, twin) in enumerate(zip(_entries(value), twins, strict=False)):
            if not isinstance(entry, dict) or not isinstance(twin.entry, dict):
                continue
            options = [
                option for option in {*OPTIONS, *entry} - {"content"} if self._option_differs(entry, twin, option)
            ]
            if options:
                found.add(index)
                self.problems.append(
                    Problem(
                        f"{where}[{index}]",
                        f"has a vaulted value in {', '.join(f'`{option}`' for option in sorted(options))}, which everybody can read",
                        "use vaulted values in the text of a script only",
                        origin_of(entry),
                    )
                )
        return found

    def _option_differs(self, entry: object, twin: Second, option: str) -> bool:
        value = _get(entry, option)
        return self._differ(value, _get(twin.entry, option), lambda: _get(twin.again(), option), used=twin.used)

    def _script(self, spec: ScriptSpec, hook: str, twins: list[Second]) -> Script | None:
        try:
            content, is_secret = self._content(spec, twins)
        except (AnsibleError, OSError) as exc:
            said = self._said(exc, lambda: self._content(spec, twins, templar=self._twin()))
            self.problems.append(
                Problem(
                    spec.where,
                    f"has a {spec.source} that cannot be used: {said}",
                    _SAID_NOTHING if said.startswith(_UNSAID) else _remedy(spec),
                    spec.origin,
                )
            )
            return None
        if len(content) > MAX_SCRIPT:
            self.problems.append(
                Problem(spec.where, f"has more than {MAX_SCRIPT} bytes", "keep data in files of its own", spec.origin)
            )
            return None
        no_log = spec.no_log or is_secret or self._worlds.occur_in(content)
        faults = require_shebang(spec.where, content, spec.origin)
        if no_log and HOOKS[hook].user == "job":
            faults.append(
                Problem(
                    spec.where,
                    "has a secret (a vaulted value is used in it, or it says `no_log`), and everybody can read the scripts of this hook, "
                    "because they run as the job's user",
                    "let the script read the secret when it runs, from a file that only those users can read who may know it; or do what "
                    "needs it in worker_prolog, whose scripts only root can read",
                    spec.origin,
                )
            )
        self.problems.extend(faults)
        if faults:
            return None
        return Script(
            spec.name,
            content,
            spec.partitions,
            spec.timeout,
            spec.on_failure,
            no_log,
            spec.run,
            spec.retries,
            spec.delay,
        )

    def _content(
        self,
        spec: ScriptSpec,
        twins: list[Second],
        templar: Templar | None = None,
    ) -> tuple[bytes, bool]:
        """The bytes of a script, and whether something vaulted went into them."""
        if spec.source == "content":
            entry = {"content": spec.value}
            return _encoded(spec.value), bool(twins) and self._option_differs(entry, twins[spec.index], "content")
        path = self._find(spec)
        real = self._loader.get_real_file(path)
        try:
            with open(real, "rb") as handle:
                data = handle.read(MAX_SCRIPT + 1)
        finally:
            self._loader.cleanup_tmp_file(real)
        is_secret = real != path or (bool(twins) and twins[spec.index].entry is _FAILED)
        if spec.source == "src":
            return data, is_secret
        text = self._render(path, data, templar or self._templar)
        if not is_secret and self._worlds.is_in_reach() and templar is None:
            self._worlds.forget()
            other: object = _FAILED
            with contextlib.suppress(Exception):
                other = self._render(path, data, self._twin())
            is_secret = self._differ(
                text, other, lambda: self._render(path, data, self._templar), used=self._worlds.used
            )
        return _encoded(text), is_secret

    def _said(self, exc: Exception, in_second_world: t.Callable[[], object]) -> str:
        """An error's text without vaulted values: many filters quote their input."""
        said = _core.said(exc)
        if not self._worlds.is_in_reach():
            return said
        try:
            in_second_world()
            other = ""
        except Exception as second:
            other = _core.said(second)
        if said != other:
            return f"{_UNSAID} ({type(exc).__name__})"
        return self._worlds.redact(said)

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
        """The directories for relative names: the playbook's, the inventories', and the user's working directory."""
        yield self._loader.get_basedir()
        for source in self._variables.get("ansible_inventory_sources") or []:
            yield source if os.path.isdir(source) else os.path.dirname(source)
        yield os.getcwd()

    def _render(self, path: str, data: bytes, templar: Templar) -> str:
        text = data.decode("utf-8", "surrogateescape")
        folder = os.path.dirname(path)
        variables = {**templar.available_variables, **generate_ansible_template_vars(path=path, fullpath=path)}
        templar = templar.copy_with_new_env(
            searchpath=[folder, os.path.join(folder, "templates")], available_variables=variables
        )
        # As ansible.builtin.template does, so that one text means one thing.
        return str(
            _core.rendered(templar, _core.trusted(text), escape_backslashes=False, overrides={"trim_blocks": True})
            or ""
        )


def written_option(task: t.Any, option: str, value: t.Any) -> t.Any:
    """An option of a task as the user wrote it; its value where Ansible does not know that any more."""
    for key, arguments in (task.get_ds() or {}).items():
        if isinstance(arguments, dict) and option in arguments and (key == "args" or "." in key or key == task.action):
            return arguments[option]
    return value


def _entries(value: object) -> list[t.Any]:
    """A hook's value as the list of its scripts, as V(HookParser) takes it."""
    if isinstance(value, str):
        return [{"name": ONLY_SCRIPT, "content": value}] if value.strip() else []
    return list(value) if isinstance(value, (list, tuple)) else []


def _pick(value: object, *, index: int, count: int) -> t.Any:
    entries = _entries(value)
    return entries[index] if len(entries) == count else _FAILED


def _get(entry: object, option: str) -> object:
    return entry.get(option) if isinstance(entry, dict) else _FAILED


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _remedy(spec: ScriptSpec) -> str:
    return {
        "content": "correct the text",
        "src": "correct the name, or put the file there",
        "template": "define what the template names for this host too, or give it a default; or correct the template's name",
    }[spec.source]
