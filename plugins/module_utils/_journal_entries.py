# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The entries that the module journal writes: the beginning of a rollout, each step before it is done, and the end."""

from __future__ import annotations

import contextlib
import functools
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _conf, _ownership, _reconfigure
from ansible_collections.nodecycle.slurm.plugins.module_utils._controller import Controller
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal import (
    Journal,
    JournalError,
    MisfitError,
    without_baseline,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal_documents import Phase, Rollout

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

T = t.TypeVar("T")


def in_an_undo(module: AnsibleModule, write: t.Callable[[], T]) -> T | None:
    """Write an entry, or warn that the undo goes on without it: the journal on disk already has the state to restore."""
    try:
        return write()
    except (OSError, MisfitError) as exc:
        module.warn(f"The undo goes on without this note in the journal: {exc}.")
        return None


def _close(module: AnsibleModule, journal: Journal) -> bool:
    """End an undo. Returns whether the journal could note its end."""
    try:
        journal.close(is_committed=False)
    except OSError as exc:
        module.warn(
            f"Everything is restored, but the journal cannot be closed: {exc}. The next run undoes this rollout once more, which changes nothing."
        )
        in_an_undo(module, journal.unlock)
        return False
    return True


def _begin(module: AnsibleModule, journal: Journal) -> Rollout:
    """Open the rollout. If that fails, nothing has begun, and no other run is locked out."""
    rollout = module.params["rollout"]
    try:
        nodes = _ansible.slurm(module).nodes()
        before = {name: _ownership.facts(node, rollout["slurm_user"]) for name, node in nodes.items()}
        # A rollback knows the nodes' state before the rollouts that it undoes.
        return journal.open({"nodes": before, **rollout})
    except BaseException:
        with contextlib.suppress(OSError):
            journal.unlock()
        raise


def _baseline(module: AnsibleModule, rollout: Rollout) -> dict[str, t.Any]:
    """Before slurm.conf changes, what the cluster is. What a killed run has noted stays. Raises JournalError, SlurmError and OSError."""
    if not module.params["note"].get("conf_changed") or "baseline" in rollout:
        return {}
    try:
        return {
            "baseline": _reconfigure.baseline_of(Controller(module, rollout.get("conf_path", "/etc/slurm/slurm.conf")))
        }
    except _conf.ConfError as exc:
        raise JournalError(f"what the cluster is before slurm.conf changes cannot be noted: {exc}") from exc


def _write(module: AnsibleModule, journal: Journal, holder: t.Mapping[str, t.Any]) -> Rollout | None:
    """Note the step. Returns the rollout with the note."""
    params = module.params
    state, note = params["state"], params["note"]
    claim = (holder.get("instead_of", ""), holder.get("is_known", False))
    if state == "opened":
        journal.lock(holder, *claim)
        return _begin(module, journal)
    # Before taking the lock, because nobody would release it after a failure.
    rollout = journal.require_rollout()
    is_undo = {
        "noted": Phase.UNDO in (rollout["phase"], note.get("phase")),
        "closed": not params["committed"],
        "unlocked": True,
    }[state]
    if not is_undo:
        journal.lock(holder, *claim)
        if state == "noted":
            return journal.note(**note, **_baseline(module, rollout))
        journal.close(True, params["removed"])
        return journal.current()
    in_an_undo(module, lambda: journal.lock(holder, *claim))
    if state == "noted":
        return in_an_undo(module, functools.partial(journal.note, **note)) or journal.noted(**note)
    if state == "closed":
        _close(module, journal)
    else:
        in_an_undo(module, journal.unlock)
    return journal.current()


def write(module: AnsibleModule) -> dict[str, t.Any]:
    """Write the entry of this call. Raises JournalError, SlurmError and OSError."""
    with _ansible.exclusive(module):
        rollout = _write(module, Journal(), module.params["holder"])
        return {"changed": True, "journal": without_baseline(rollout)}
