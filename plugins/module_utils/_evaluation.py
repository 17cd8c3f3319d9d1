# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Whether a rollout may go on: the failures on its nodes and its controllers during a watch."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _hook_log, _ownership
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal import (
    Journal,
    MisfitError,
    activated_nodes,
    without_baseline,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal_documents import Phase, Rollout
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal_entries import in_an_undo
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Slurm, SlurmError

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

#: Between two queries of the nodes.
LOOK_EVERY = 2

CONTROLLER_HOOKS = ("controller_prolog",)

#: The name of the controller among the hosts and nodes that failed.
CONTROLLER = "controller"


def failures(rollout: Rollout, slurm: Slurm) -> dict[str, str]:
    """The nodes that failed through this rollout, and the controller where a hook of its failed. Raises SlurmError."""
    seen = _ownership.change(activated_nodes(rollout), rollout["nodes"])
    failed = _ownership.failed_through(slurm.nodes().values(), seen, rollout["slurm_user"])
    controllers = _controllers(rollout)
    for id_ in set(controllers.values()):
        records = _hook_log.failures_of(id_, CONTROLLER_HOOKS) if id_ else []
        for record in _hook_log.failures_since(rollout["activated"], controllers, records):
            failed[CONTROLLER] = _hook_log.describe(record)
    return failed


def may_go_on(failed: t.Mapping[str, str], rollout: Rollout, tolerated: int) -> bool:
    """Whether no more hosts have failed than are tolerated. A hook that fails on a controller fails for every job."""
    return len(failed) <= tolerated and failed.keys().isdisjoint({CONTROLLER, *_controllers(rollout)})


def _controllers(rollout: Rollout) -> dict[str, str]:
    """The controllers that the rollout changes, each with its new release."""
    return {host: entry["to"] for host, entry in rollout["hosts"].items() if "controller" in entry["kinds"]}


def _watch(
    journal: Journal, slurm: Slurm, given: t.Mapping[str, t.Any], seconds: int, tolerated: int
) -> tuple[dict[str, str], bool]:
    """Watch until the time is over or too much has failed. Returns the failures, and whether the rollout may go on."""
    deadline = time.monotonic() + seconds
    while True:
        rollout = journal.require_rollout()
        failed = {**rollout["failed"], **{host: str(why) for host, why in given.items()}}
        try:
            failed.update(failures(rollout, slurm))
        except SlurmError as exc:
            # The undo starts it again; without an evaluation there would be none.
            failed.setdefault(CONTROLLER, str(exc))
            return failed, False
        go = may_go_on(failed, rollout, tolerated)
        if not go or time.monotonic() >= deadline:
            return failed, go
        time.sleep(min(LOOK_EVERY, max(0.0, deadline - time.monotonic())))


def evaluate(module: AnsibleModule) -> dict[str, t.Any]:
    """Watch the rollout, and note whether it goes on or is undone. Raises JournalError and OSError."""
    params, journal = module.params, Journal()
    failed, go = _watch(journal, _ansible.slurm(module), params["failures"], params["seconds"], params["tolerated"])
    # Only now, so that a second run fails at once because of the first.
    with _ansible.exclusive(module):
        journal.require_holder(params["holder"])
        if go:
            try:
                rollout = journal.note(**{**params["note"], "failed": failed})
                journal.lock(params["holder"])
            except (OSError, MisfitError) as exc:
                # The run takes no step that it cannot note.
                failed[CONTROLLER] = str(exc)
                go = False
        if not go:
            # Before the run acts on it: from now on a killed run is undone, not finished.
            undo = {"failed": failed, "phase": Phase.UNDO.value}
            rollout = in_an_undo(module, lambda: journal.note(**undo)) or journal.noted(**undo)
            in_an_undo(module, lambda: journal.lock(params["holder"]))
        return {"changed": False, "failed_nodes": rollout["failed"], "go": go, "journal": without_baseline(rollout)}
