# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import os
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.model import SEVERITIES, LintError, Written
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.report import Report
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.wishes import Wishes
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script import engine
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.environment import KNOWN_HOOKS
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.model import Options, Script
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rendering import Renderer, written_option

_SCRIPT: dict[str, t.Any] = {
    "hook": {"type": "str", "required": True, "choices": list(KNOWN_HOOKS)},
    "name": {"type": "str"},
    "content": {"type": "str"},
    "src": {"type": "path"},
    "timeout": {"type": "int"},
}

#: Its module documents it.
ARGUMENTS: dict[str, t.Any] = {
    "scripts": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": _SCRIPT,
        "required_one_of": [["content", "src"]],
        "mutually_exclusive": [["content", "src"]],
    },
    "slurm_version": {"type": "str"},
    "disable": {"type": "list", "elements": "str", "default": []},
    "severity": {"type": "dict", "default": {}},
    "threshold": {"type": "str", "choices": list(SEVERITIES), "default": "error"},
}


class ActionModule(ActionBase):
    """The script linter by itself. Documented in the module of this name."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """See ActionBase."""
        super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(ARGUMENTS)
        try:
            secret = self._secrets(len(args["scripts"]), task_vars or {})
            scripts = [
                dataclasses.replace(self._script(entry, number), is_secret=is_secret)
                for number, (entry, is_secret) in enumerate(zip(args["scripts"], secret, strict=True), 1)
            ]
            options = Options(
                slurm_version=args["slurm_version"],
                wishes=Wishes.written(args["disable"], args["severity"]),
            )
            findings = engine.lint(scripts, options=options)
        except LintError as exc:
            return {"failed": True, "msg": str(exc), "findings": []}
        report = Report(findings, args["threshold"])
        result: dict[str, t.Any] = {"changed": False, "findings": [finding.as_dict() for finding in findings]}
        if report.stops:
            result |= {"failed": True, "msg": f"No host was touched.\n{report.text}"}
        elif report.shown:
            result["warnings"] = [report.text]
        return result

    def _secrets(self, count: int, variables: dict[str, t.Any]) -> list[bool]:
        """For each script whether a vaulted value went into it, which no finding may quote."""
        given = self._task.args["scripts"]
        if not variables:
            return [False] * count
        renderer = Renderer(loader=self._loader, variables=variables)
        written = renderer.seen(written_option(self._task, "scripts", given))
        if isinstance(written, list) and isinstance(given, list) and len(written) == len(given) == count:
            return [renderer.is_secret(raw, value) for raw, value in zip(written, given, strict=True)]
        return [renderer.is_secret(written, given)] * count

    def _script(self, entry: dict[str, t.Any], number: int) -> Script:
        """A script of the arguments, read from its file where it names one."""
        written = None
        if entry["content"] is not None:
            content, origin = entry["content"].encode("utf-8", "surrogateescape"), f"scripts[{number}]"
        else:
            path, content = self._read(entry["src"], number)
            origin, text = entry["src"], content.decode("utf-8", "replace")
            written = Written.of(path, text, text)
        name = entry["name"] or os.path.basename(entry["src"] or origin)
        return Script(entry["hook"], name, content, origin, timeout=entry["timeout"], written=written)

    def _read(self, src: str, number: int) -> tuple[str, bytes]:
        """The path of a file and its content."""
        try:
            path = self._find_needle("files", src)
            if os.path.isdir(path):
                raise LintError(f"scripts[{number}]: {path} is a directory, not a script")
            with open(path, "rb") as file:
                return path, file.read()
        except AnsibleError as exc:
            raise LintError(f"scripts[{number}]: there is no file {src}: {exc}") from exc
        except OSError as exc:
            raise LintError(f"scripts[{number}]: {src} cannot be read: {exc.strerror}") from exc
