# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The linter applied to a whole definition: every distinct text once, whatever the number of hosts."""

from __future__ import annotations

import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._rendering import Rendered
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._script_lint import engine
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._script_lint.model import Finding, Options, Script


def lint(
    rendered: t.Iterable[tuple[str, Rendered]],
    *,
    slurm_version: str | None,
    conf: t.Iterable[_conf.Entry],
    disabled: t.Iterable[str],
    severities: t.Mapping[str, str],
) -> list[Finding]:
    """The findings of all scripts of all hosts. Raises LintError where the linter cannot do its work."""
    limits = [entry.value for entry in conf if entry.key.lower() == "prologepilogtimeout" and entry.value.isdigit()]
    options = Options(
        slurm_version=slurm_version,
        disabled=frozenset(disabled),
        severities=severities,
        # The last line wins, as in Slurm.
        prolog_epilog_timeout=int(limits[-1]) if limits else None,
    )
    scripts: dict[tuple[str, str, bytes], Script] = {}
    for host, item in rendered:
        spec, script = item.spec, item.script
        place = "; ".join(part for part in (spec.value if spec.source != "content" else "", spec.origin) if part)
        scripts.setdefault(
            (item.hook, spec.where, script.content),
            Script(
                hook=item.hook,
                name=script.name,
                content=script.content,
                origin=f"{spec.where} ({place})" if place else spec.where,
                timeout=script.timeout or None,
                host=host,
                is_secret=script.no_log,
            ),
        )
    return engine.lint(list(scripts.values()), options=options)
