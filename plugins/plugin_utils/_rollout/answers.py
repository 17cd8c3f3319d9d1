# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The answers that the tasks of the role rollout have registered on each host. The only place that knows these variables' names."""

from __future__ import annotations

import typing as t

Result = dict[str, t.Any]


class Answer(t.TypedDict, total=False):
    """The answers of one host; a key is there once its task has run."""

    #: release state=staged.
    staged: Result
    #: The module that the step is about.
    step: Result
    #: The reason why a step failed before, or without, an answer of its module.
    failure: str
    #: hook_log.
    log: Result
    #: hook_log, for the probe's jobs.
    met: Result
    #: init.
    init: Result
    #: reconfigure.
    reconfigured: Result
    #: release, conf, proof and release state=absent of an undo.
    restored: Result
    restored_conf: Result
    proven: Result
    removed: Result
    #: The failure of an undo on this host: C(number) of the undo, C(msg).
    undo_failure: Result
    #: held_jobs_info.
    held: Result
    #: The reason why the controllers do not carry what Slurm should deliver; empty if they do.
    carry_failure: str
    #: proof, for a rollback.
    target: Result


Answers = t.Mapping[str, Answer]

_VARIABLES = {name: f"__slurm_{name}" for name in Answer.__annotations__}


def read(hosts: t.Iterable[str], hostvars: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, Answer]:
    """The answers of some hosts; a host that is not in the inventory has none."""
    found: dict[str, Answer] = {}
    for host in hosts:
        # hostvars has no get() that would not make up a host.
        variables = hostvars[host] if host in hostvars else {}  # noqa: SIM401
        found[host] = t.cast("Answer", {name: variables[key] for name, key in _VARIABLES.items() if key in variables})
    return found
