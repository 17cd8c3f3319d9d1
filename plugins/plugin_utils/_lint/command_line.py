# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""nodecycle-lint: both linters for files, in an editor, a pipeline or before a commit. No inventory, no Ansible."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import sys
import typing as t

from .conf import engine as conf_engine
from .conf import facts
from .conf.catalogue import RULES as CONF_RULES
from .core import sarif
from .core.model import SEVERITIES, Finding, LintError, Written, at_or_above
from .core.report import as_lines
from .core.wishes import Wishes
from .script import engine as script_engine
from .script.catalogue import RULES as SCRIPT_RULES
from .script.environment import HEALTH, KNOWN_HOOKS
from .script.model import Options, Script

#: What stands in the place of a hook for a slurm.conf.
CONF = conf_engine.FILE

_RULES = {**SCRIPT_RULES, **CONF_RULES}
_HOOK_IN_NAME = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(KNOWN_HOOKS)})(?![a-z0-9])")
#: How sites call their HealthCheckProgram. nhc.conf is no script.
_HEALTH_IN_NAME = re.compile(r"(?<![a-z0-9])(?:(?:node|slurm|worker)_health(?:_?check)?|nhc)(?![a-z0-9])(?!.*\.conf$)")
_CONF_NAME = re.compile(r"slurm[^/]*\.conf(?:\.(?:j2|erb|epp|tmpl))?")
_TEMPLATES = (".j2", ".jinja", ".erb", ".epp", ".tmpl")

DESCRIPTION = "Lint scripts for Slurm's hooks (prolog, epilog, init) and slurm.conf files."
EPILOG = f"""\
The hook of a script is told by --hook, or by the name of the file or of a directory above it: worker_prolog.sh,
40-worker-prolog-scratch, worker_prolog.d/10-scratch. A file slurm.conf, or slurm*.conf, is linted as one.
nhc, node_health_check.sh and their like are for {HEALTH} (HealthCheckProgram).

hooks: {", ".join(KNOWN_HOOKS)}

exit code: 0 nothing at or above the threshold; 1 a finding at or above it; 2 a file or an option that cannot be used.
"""


def kind_of(path: str) -> str:
    """The hook that a file is for, or slurm.conf; empty if its name does not tell."""
    parts = [part.lower() for part in pathlib.PurePath(path).parts]
    for part in reversed(parts):
        if match := _HOOK_IN_NAME.search(part.replace("-", "_")):
            return match[0]
        if part is parts[-1] and _CONF_NAME.fullmatch(part):
            return CONF
    # An nhc may also run in a prolog; then a name above says so.
    return HEALTH if parts and _HEALTH_IN_NAME.search(parts[-1].replace("-", "_")) else ""


def main(arguments: t.Sequence[str]) -> int:
    """The exit code of a call."""
    options = _parser().parse_args(arguments)
    try:
        findings = _lint(options)
        text = _FORMATS[options.format](findings)
        if options.output:
            pathlib.Path(options.output).write_text(text, encoding="utf-8")
        else:
            sys.stdout.write(text)
    except LintError as exc:
        print(f"nodecycle-lint: {exc}", file=sys.stderr)
        return 2
    except OSError as exc:
        print(f"nodecycle-lint: {exc.filename}: {exc.strerror}", file=sys.stderr)
        return 2
    return int(any(at_or_above(finding.severity, options.threshold) for finding in findings))


def _lint(options: argparse.Namespace) -> list[Finding]:
    wishes = Wishes.written(options.disable, dict(options.severity))
    wishes.require_known(_RULES)
    findings: list[Finding] = []
    scripts: list[Script] = []
    for path in dict.fromkeys(options.files):
        kind = options.hook or kind_of(path)
        if not kind:
            raise LintError(f"{path}: the name does not tell the hook. Add --hook, such as --hook worker_prolog")
        content = pathlib.Path(path).read_bytes()
        text = content.decode("utf-8", "replace")
        if kind == CONF:
            found = conf_engine.check_file(text, version=options.slurm_version, origin=path, path=path)
            findings += wishes.within(CONF_RULES).applied(found)
        elif path.endswith(_TEMPLATES):
            raise LintError(
                f"{path}: a template is no script yet. The playbook nodecycle.slurm.validate renders and lints it"
            )
        else:
            name = os.path.basename(path)
            scripts.append(Script(kind, name, content, path, options.timeout, written=Written.of(path, text, text)))
    if scripts:
        wanted = Options(slurm_version=options.slurm_version, wishes=wishes.within(SCRIPT_RULES))
        findings += script_engine.lint(scripts, options=wanted)
    return sorted(findings, key=lambda finding: options.files.index(finding.file))


def _as_text(findings: t.Sequence[Finding]) -> str:
    return "".join(f"{line}\n" for line in as_lines(findings))


def _as_json(findings: t.Sequence[Finding]) -> str:
    return json.dumps([finding.as_dict() for finding in findings], indent=2) + "\n"


def _as_sarif(findings: t.Sequence[Finding]) -> str:
    rules = [*SCRIPT_RULES.values(), *CONF_RULES.values()]
    return json.dumps(sarif.log(findings, rules, directory=os.getcwd()), indent=2) + "\n"


_FORMATS = {"text": _as_text, "json": _as_json, "sarif": _as_sarif}


def _severity(text: str) -> tuple[str, str]:
    rule, equals, severity = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not RULE=SEVERITY")
    return rule, severity


def _release(text: str) -> str:
    try:
        facts.parts(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "nodecycle-lint",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE")
    add("--hook", choices=[*KNOWN_HOOKS, CONF], metavar="HOOK", help="the hook of all files, or slurm.conf")
    add(
        "--slurm-version", type=_release, metavar="24.11", help="the oldest Slurm of the cluster; any that is supported"
    )
    add("--timeout", type=int, metavar="SECONDS", help="the time limit of the scripts")
    add("--disable", action="append", default=[], metavar="RULE", help="switch a rule off; may be repeated")
    add(
        "--severity",
        action="append",
        default=[],
        type=_severity,
        metavar="RULE=SEVERITY",
        help=f"another severity of a rule: {', '.join(SEVERITIES)} or off; may be repeated",
    )
    add("--threshold", choices=SEVERITIES, default="error", help="the mildest severity that fails the call (error)")
    add("--format", choices=list(_FORMATS), default="text", help="text, json or sarif (SARIF 2.1.0)")
    add("--output", metavar="FILE", help="write to a file instead of stdout")
    return parser
