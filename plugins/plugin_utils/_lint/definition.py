# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The linters applied to a whole definition: every distinct text once, whatever the number of hosts."""

from __future__ import annotations

import pathlib
import re
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rendering import Rendered

from .conf import engine as conf_engine
from .conf.catalogue import RULES as CONF_RULES
from .conf.subject import Cluster
from .core import sarif
from .core.model import Finding, LintError, Written
from .core.wishes import Wishes
from .script import engine as script_engine
from .script.catalogue import RULES as SCRIPT_RULES
from .script.model import Options, Script


def require_known_rules(wishes: Wishes) -> None:
    """Raise LintError where the user names a rule that neither linter has, or a severity that there is not."""
    try:
        wishes.require_known({**SCRIPT_RULES, **CONF_RULES})
    except LintError as exc:
        raise LintError(f"slurm_lint_disable or slurm_lint_severity: {exc}") from exc


def count_rules(wishes: Wishes) -> int:
    """How many rules of both linters are on."""
    off = {rule for rule, severity in wishes.severities.items() if severity == "off"}
    return len({**SCRIPT_RULES, **CONF_RULES}.keys() - wishes.disabled - off)


def as_sarif(findings: t.Sequence[Finding], *, directory: str, problems: t.Sequence[str]) -> dict[str, t.Any]:
    """The findings of both linters as SARIF, with the problems that are no finding."""
    return sarif.log(findings, [*SCRIPT_RULES.values(), *CONF_RULES.values()], directory=directory, problems=problems)


def _written(file: str, origin: str, text: str) -> Written | None:
    """Where a text stands: in a file of its own, or at the place of its variable (file:line:column). None if nobody knows."""
    match = re.fullmatch(r"(.+?):(\d+)(?::\d+)?", origin)
    path, line = (file, 0) if file else (match[1], int(match[2])) if match else ("", 0)
    if not path:
        return None
    try:
        whole = pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        whole = ""
    return Written.of(path, whole, text, line)


def lint_conf(text: str, *, cluster: t.Mapping[str, t.Any] | None, wishes: Wishes, origin: str = "") -> list[Finding]:
    """The findings of the lines for slurm.conf. What stands against the cluster's own lines is _definition's to say.

    origin is the place of the variable (file:line:column).
    """
    known = Cluster()
    if cluster:
        known = Cluster(
            version=cluster["version"],
            # An earlier run has warned of lines that are active already.
            placed=_conf.entries(cluster["fragment"]),
            nodes=cluster["nodes"],
            partitions=cluster["partitions"],
        )
    return wishes.within(CONF_RULES).applied(conf_engine.check(text, known, written=_written("", origin, text)))


def lint_scripts(
    rendered: t.Iterable[tuple[str, Rendered]],
    *,
    slurm_version: str | None,
    conf: t.Iterable[_conf.Entry],
    wishes: Wishes,
) -> list[Finding]:
    """The findings of all scripts of all hosts. Raises LintError where the linter cannot do its work."""
    limits = [entry.value for entry in conf if entry.key.lower() == "prologepilogtimeout" and entry.value.isdigit()]
    options = Options(
        slurm_version=slurm_version,
        wishes=wishes.within(SCRIPT_RULES),
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
                written=_written(item.file, spec.origin, script.content.decode("utf-8", "replace")),
            )
    return script_engine.lint(list(scripts.values()), options=options)
