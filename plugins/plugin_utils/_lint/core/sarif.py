# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Findings as SARIF 2.1.0 (OASIS), which code hosts and editors read."""

from __future__ import annotations

import os
import pathlib
import typing as t
import urllib.parse

from .catalogue import DOCUMENTATION, Rule
from .model import Finding, Severity

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

#: The name of the directory that relative addresses start from.
_BASE = "SRCROOT"

_LEVELS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "note"}


def log(
    findings: t.Sequence[Finding], rules: t.Iterable[Rule], *, directory: str, problems: t.Sequence[str] = ()
) -> dict[str, t.Any]:
    """The log of one run. Files below the directory get relative addresses.

    problems are those that no rule speaks of: a variable of a wrong type, a file that is not there.
    """
    known = {rule.page: rule for rule in rules}
    pages = list(dict.fromkeys(finding.page for finding in findings))
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "nodecycle-lint",
                        "informationUri": f"{DOCUMENTATION}/rules/README.md",
                        "rules": [_descriptor(known[page]) for page in pages],
                    }
                },
                "invocations": [
                    {
                        "executionSuccessful": not problems,
                        "toolExecutionNotifications": [
                            {"level": "error", "message": {"text": problem}} for problem in problems
                        ],
                    }
                ],
                "originalUriBaseIds": {_BASE: {"uri": f"{pathlib.Path(directory).resolve().as_uri().rstrip('/')}/"}},
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, pages.index(finding.page), directory) for finding in findings],
            }
        ],
    }


def _id(page: str) -> str:
    """The rule of a page. Both linters have a rule syntax-error, so those of slurm.conf are conf/syntax-error and so on."""
    return page.rpartition("/rules/")[2].replace(".md#", "/").removesuffix(".md")


def _descriptor(rule: Rule) -> dict[str, t.Any]:
    return {
        "id": _id(rule.page),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.why},
        "help": {
            "text": f"{rule.why}\nRemedy: {rule.fix}\n{rule.page}",
            "markdown": f"{rule.why}\n\n**Remedy:** {rule.fix}\n\n[The rule's page]({rule.page})",
        },
        "helpUri": rule.page,
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(finding: Finding, index: int, directory: str) -> dict[str, t.Any]:
    place = f"{finding.hook}: {finding.script}, line {finding.line}"
    location: dict[str, t.Any] = {
        "logicalLocations": [{"fullyQualifiedName": f"{finding.origin}, line {finding.line}"}]
    }
    if finding.file:
        location["physicalLocation"] = {"artifactLocation": _artifact(finding.file, directory)}
        if finding.file_line:
            column = {"startColumn": finding.file_column} if finding.file_column else {}
            location["physicalLocation"]["region"] = {"startLine": finding.file_line, **column}
    return {
        "ruleId": _id(finding.page),
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{place}: {finding.message}\nRemedy: {finding.fix}"},
        "locations": [location],
    }


def _artifact(file: str, directory: str) -> dict[str, str]:
    path = os.path.relpath(os.path.join(directory, file), directory)
    if path.startswith(os.pardir):
        return {"uri": pathlib.Path(directory, file).absolute().as_uri()}
    return {"uri": urllib.parse.quote(pathlib.PurePath(path).as_posix()), "uriBaseId": _BASE}
