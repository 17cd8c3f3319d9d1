# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The linters applied to a whole definition: every distinct text once, whatever the number of hosts."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._conf_lint.check import check as conf_check
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._conf_lint.rules import RULES as CONF_RULES
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rendering import Rendered
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._schema import nearest
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._script_lint import engine
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._script_lint.catalogue import RULES as SCRIPT_RULES
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._script_lint.model import (
    SEVERITIES,
    Finding,
    LintError,
    Options,
    Script,
    Severity,
)


@dataclasses.dataclass(frozen=True)
class Wishes:
    """What the user says of the rules: which are not wanted, and which severity of his own some have."""

    disabled: frozenset[str]
    severities: dict[str, str]

    def within(self, rules: t.Container[str]) -> Wishes:
        """The part that speaks of these rules."""
        return Wishes(
            frozenset(rule for rule in self.disabled if rule in rules),
            {rule: severity for rule, severity in self.severities.items() if rule in rules},
        )


def require_known_rules(wishes: Wishes) -> None:
    """Raise LintError where the user names a rule that neither linter has, or a severity that there is not."""
    known = {**SCRIPT_RULES, **CONF_RULES}
    for rule in [*wishes.disabled, *wishes.severities]:
        if rule not in known:
            raise LintError(
                f"slurm_lint_disable or slurm_lint_severity names {rule!r}, which is no rule{nearest(rule, known)}"
            )
    for rule, severity in wishes.severities.items():
        if severity not in (*SEVERITIES, "off"):
            raise LintError(
                f"slurm_lint_severity gives {rule} the severity {severity!r}: write {', '.join(SEVERITIES)} or off"
            )


def lint_conf(text: str, *, cluster: t.Mapping[str, t.Any] | None, wishes: Wishes) -> list[Finding]:
    """The findings of the lines for slurm.conf. What stands against the cluster's own lines is _definition's to say."""
    own = wishes.within(CONF_RULES)
    findings = conf_check(
        text,
        version=cluster["version"] if cluster else None,
        # What is in force already was warned of when it came.
        placed=_conf.entries(cluster["fragment"]) if cluster else [],
        nodes=cluster["nodes"] if cluster else None,
        partitions=cluster["partitions"] if cluster else None,
    )
    return [
        dataclasses.replace(finding, severity=t.cast(Severity, own.severities.get(finding.rule, finding.severity)))
        for finding in findings
        if finding.rule not in own.disabled and own.severities.get(finding.rule) != "off"
    ]


def lint_scripts(
    rendered: t.Iterable[tuple[str, Rendered]],
    *,
    slurm_version: str | None,
    conf: t.Iterable[_conf.Entry],
    wishes: Wishes,
) -> list[Finding]:
    """The findings of all scripts of all hosts. Raises LintError where the linter cannot do its work."""
    own = wishes.within(SCRIPT_RULES)
    limits = [entry.value for entry in conf if entry.key.lower() == "prologepilogtimeout" and entry.value.isdigit()]
    options = Options(
        slurm_version=slurm_version,
        disabled=own.disabled,
        severities=own.severities,
        # The last line wins, as in Slurm.
        prolog_epilog_timeout=int(limits[-1]) if limits else None,
    )
    scripts: dict[tuple[str, str, bytes], Script] = {}
    for host, item in rendered:
        spec, script = item.spec, item.script
        place = "; ".join(part for part in (spec.value if spec.source != "content" else "", spec.origin) if part)
        key = (item.hook, spec.where, script.content)
        # One text may be a secret for one host and none for another; then it is quoted for none.
        if key not in scripts or (script.no_log and not scripts[key].is_secret):
            scripts[key] = Script(
                hook=item.hook,
                name=script.name,
                content=script.content,
                origin=f"{spec.where} ({place})" if place else spec.where,
                timeout=script.timeout or None,
                host=host,
                is_secret=script.no_log,
            )
    return engine.lint(list(scripts.values()), options=options)
