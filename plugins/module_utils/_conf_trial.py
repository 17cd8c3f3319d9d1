# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Slurm's own opinion of a slurm.conf that is not yet in place: first its parser's, then a controller's, both on copies."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import tempfile
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import (
    _ansible,
    _bundle,
    _conf,
    _conf_parser,
    _daemons,
    _proof,
    _releases,
    _trial_controller,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._ansible import FailedError
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Runner, SlurmError
from ansible_collections.nodecycle.slurm.plugins.module_utils._trial_controller import NotTriedError, Trial

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

_PLACE = re.compile(r"(?:in file |^)?(?P<file>/\S+?)[: ]+(?:line )?(?P<line>\d+)")
#: The hooks whose files the controller looks for at its start. The run places ours after the check.
_CONTROLLER_HOOKS = re.compile(r"^((?:Prolog|Epilog)Slurmctld)=.*", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Finding:
    """A message of Slurm's, and the line of the user's variable that it is about, if that is known (else 0)."""

    severity: str
    message: str
    line: int = 0
    key: str = ""

    def as_dict(self) -> dict[str, t.Any]:
        """The shape of the script linter's findings."""
        return {**dataclasses.asdict(self), "variable": "slurm_extra_conf" if self.line else ""}

    def __str__(self) -> str:
        where = f"slurm_extra_conf line {self.line} ({self.key}): " if self.line else ""
        return f"{where}{self.message}"


class Steps:
    """The steps of a trial, each in a private directory of its own."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.path: str = module.params["path"]
        self.directories: list[str] = []

    def directory(self) -> str:
        """A new private directory, in memory where the host has such a place."""
        made = tempfile.mkdtemp(prefix="nodecycle-trial-", dir="/run" if os.path.isdir("/run") else None)
        self.directories.append(made)
        return made

    def parse(self, read: _conf.Read) -> None:
        """Slurm's parser. Raises SlurmError and ConfError."""
        # A missing Include would cost a minute.
        _conf.tree(self.path, read)
        _conf_parser.parse(
            self.path, read, _ansible.runner(self.module, self.module.params["bin_dir"]), self.directory()
        )

    def trial(self, read: _conf.Read) -> Trial:
        """A controller on the configuration that read shows. Raises NotTriedError."""
        tools = {tool: self.module.get_bin_path(tool) for tool in _trial_controller.TOOLS}
        missing = [f"{tool} (package {_trial_controller.TOOLS[tool]})" for tool, place in tools.items() if not place]
        if missing:
            raise NotTriedError(f"this host lacks {', '.join(missing)}")
        bin_dir = self.module.params["bin_dir"]
        beside = [bin_dir, os.path.join(os.path.dirname(bin_dir), "sbin")] if bin_dir else []
        slurmctld = self.module.get_bin_path("slurmctld", opt_dirs=beside)
        if not slurmctld:
            raise NotTriedError("slurmctld is not on this host, or in another directory (set `slurm_bin_dir`)")
        users = [entry.value for entry in _conf.tree(self.path, read) if entry.key.lower() == "slurmuser"]
        return _trial_controller.try_controller(
            self.directory(),
            self.path,
            _conf.together(self.path, read),
            slurmctld=slurmctld,
            slurm_user=users[-1] if users else "root",
            hostname=os.uname().nodename,
            timeout=self.module.params["timeout"],
            run=self._runner(tools["timeout"] or ""),
        )

    def _runner(self, timeout: str) -> Runner:
        def run(command: list[str]) -> tuple[int, str, str]:
            # For the tools; the controller's own environment is empty but for what _trial_controller.environment gives it.
            code, out, err = self.module.run_command(
                [timeout, *command[1:]], environ_update={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
            )
            return code, out, err

        return run

    def evaluate(self, read: _conf.Read) -> tuple[tuple[str, ...], list[str]]:
        """The fatal lines of a controller on the configuration that read shows, and its new errors. Raises NotTriedError."""
        trial = self.trial(read)
        if not trial.fatal and not trial.errors:
            return (), []
        present = self.trial(_ansible.read_text)
        if trial.fatal and present.fatal:
            raise NotTriedError(f"it does not run on the present configuration either: {present.fatal[0]}")
        return trial.fatal, _trial_controller.new_errors(trial, present)

    def clean(self) -> None:
        """Remove the directories."""
        for directory in self.directories:
            shutil.rmtree(directory)


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Slurm's messages about the new lines. Raises FailedError if it would not run with them."""
    path, text, root = (module.params[name] for name in ("path", "text", "root"))
    steps = Steps(module)
    findings: list[Finding] = []
    why = "" if module.params["controller"] else "it was not wanted"

    def results() -> dict[str, t.Any]:
        return {
            "controller_checked": not why,
            **({"why": _ansible.shown(why)} if why else {}),
            "findings": _ansible.shown([found.as_dict() for found in findings]),
        }

    def note(severity: str, messages: t.Iterable[str]) -> None:
        findings.extend(finding(severity, message, text, root) for message in messages)

    def version_here() -> _releases.Release | None:
        return _daemons.version(module, _daemons.find_on(module, "slurmctld"), "slurmctld")

    fatal: tuple[str, ...] = ()
    try:
        changes = _conf.changes(path, text, module.params["adopt"], _ansible.read_text)
        candidate = _conf_parser.overlay(changes, _ansible.read_text)
        steps.parse(candidate)
        if lost := _proof.stolen(path, text, root, _bundle.will_be(path, root, candidate), version_here):
            why = "the configuration names other scripts"
            raise FailedError(
                f"With the new configuration Slurm would not run our dispatchers, so nothing was changed. {'; '.join(lost)}. Remove that "
                "line, or the one that includes it (`slurm_extra_conf`), and define the script in the variable of this hook.",
                **results(),
            )
        if not why:
            fragment = _conf.Change(_conf.fragment_path(path, candidate), None, without_hooks(text, root))
            fatal, errors = steps.evaluate(_conf_parser.overlay([fragment] if text else [], candidate))
            # Where it ends, what it complained about before is the reason.
            note("error" if fatal else "warning", [*errors, *(line for line in fatal if line not in errors)])
    except SlurmError as exc:
        why = "Slurm's parser refuses the configuration"
        note("error", [str(exc)])
        raise FailedError(
            _ansible.shown(
                f"Slurm refuses the new configuration, so nothing was changed. {findings[0]}. Correct `slurm_extra_conf`."
            ),
            **results(),
        ) from exc
    except NotTriedError as exc:
        why = str(exc)
    except (_conf.ConfError, OSError) as exc:
        why = "the configuration cannot be assembled"
        raise FailedError(
            _ansible.shown(
                f"The new {path} cannot be assembled, so nothing was changed: {exc}. Correct `slurm_extra_conf`."
            ),
            **results(),
        ) from exc
    finally:
        steps.clean()
    if module.params["controller"] and why:
        module.warn(
            _ansible.shown(f"Slurm's parser accepts the new slurm.conf, but no controller was started on it: {why}.")
        )
    for found in findings:
        if found.severity == "warning":
            module.warn(_ansible.shown(f"A controller runs on the new slurm.conf, but complains: {found}"))
    if fatal:
        raise FailedError(
            _ansible.shown(
                "slurmctld ends on the new configuration, so nothing was changed. "
                f"It says: {'; '.join(map(str, findings))}. Correct `slurm_extra_conf`."
            ),
            **results(),
        )
    return {"changed": False, **results()}


# -- the user's variable


def own_lines(text: str, root: str) -> int:
    """How many lines of our file stand before the user's: its header and the hooks below root."""
    lines = text.split("\n")
    count = 0
    while count < len(lines) and (
        lines[count] + "\n" == _conf.HEADER
        or f"={root}/current/" in lines[count]
        or lines[count].endswith(f"={_conf.BUNDLE}")
    ):
        count += 1
    return count


def without_hooks(text: str, root: str) -> str:
    """Our file with the controller's hooks of ours replaced by a program that every host has: theirs come after the check."""
    lines = text.split("\n")
    count = own_lines(text, root)
    ours = [_CONTROLLER_HOOKS.sub(r"\1=/bin/true", line) for line in lines[:count]]
    return "\n".join(ours + lines[count:])


def finding(severity: str, message: str, text: str, root: str) -> Finding:
    """Slurm's words, with the line of the user's lines within our file's text that they are about.

    Slurm names file and line of what it cannot parse. Of the rest it names a key or a value: then it is the one line of the user's
    that has this word, if it is one.
    """
    before = own_lines(text, root)
    extra = "\n".join(text.split("\n")[before:])
    own = _conf.entries(extra)
    places = _PLACE.finditer(message)
    match = next((place for place in places if os.path.basename(place["file"].rstrip(":")) == _conf.FRAGMENT), None)
    if match:
        number = int(match.group("line")) - before
        for line in _conf.logical_lines(extra):
            # Of a continued line Slurm counts the last.
            if line.first <= number <= line.last:
                key = re.match(r"\s*([^\s=]+)", line.text)
                return Finding(severity, message, line.first, key.group(1) if key else "")
    words = {word.lower() for word in re.findall(r"[\w./-]+", message)}
    by_key = {entry.line: entry.key for entry in own if entry.key.lower() in words}
    by_value = {entry.line: entry.key for entry in own if _values(entry) & words}
    for found in (by_key, by_value):
        # Of a key that stands there twice the last line counts.
        if len({key_name.lower() for key_name in found.values()}) == 1:
            return Finding(severity, message, *list(found.items())[-1])
    return Finding(severity, message)


def _values(entry: _conf.Entry) -> set[str]:
    """The words of a value that are long enough to be told from others."""
    return {word.lower() for word in re.findall(r"[\w./-]+", entry.value) if len(word) > 2 and not word.isdigit()}
