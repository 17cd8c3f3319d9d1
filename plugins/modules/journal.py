#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: journal
short_description: The record of a rollout on the controller, and the lock that keeps a second one out
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Notes on the first controller the next steps of a rollout and the previous state. If a run is killed at any moment, the next one
    finishes or undoes its rollout.
  - Before slurm.conf changes it also notes the state of the cluster (keys, jobs, nodes) for M(nodecycle.slurm.reconfigure).
  - Each call is a sign of life of the run that holds the lock, and a long watch gives one at least every minute. An action plugin of the
    same name adds who runs this. On the same machine a living process never loses the lock. A run on another machine loses it after an
    hour without a sign of life, by the controller's clock since its start, which nobody can set.
  - The module reserves room for the last notes of a rollout in V(/var/lib/nodecycle/rollout/reserve), and uses it if the disk is full.
    Without that room no rollout begins. If even the reserve is too small, an undo goes on without notes, and a step forward ends in an undo.
options:
  state:
    description: The entry to write.
    type: str
    required: true
    choices:
      opened: A rollout begins. Takes the lock.
      noted: The next step.
      evaluated: Watches the nodes for O(seconds), notes the failures, and decides whether the rollout may go on. If so, notes O(note) too.
      closed: The rollout has ended. Releases the lock.
      unlocked: The run ends and leaves the rollout to the next one. Releases the lock.
  rollout:
    description:
      - With O(state=opened), the rollout. C(name) (of the rollout), C(hosts) (for each host C(node), C(kinds), C(from) and C(to), the
        releases before and after, and C(conf), our lines in its slurm.conf before), C(conf) (those lines after), C(controllers) and
        C(slurm_user).
      - If a killed run has noted the previous state, that state stays.
    type: raw
    default: {}
  note:
    description:
      - With O(state=noted), the fields to note. V(activating), a list of hosts, gets the time.
      - With O(state=evaluated), the same if the rollout may go on.
    type: raw
    default: {}
  failures:
    description: With O(state=evaluated), the hosts on which a step failed, each with the reason.
    type: raw
    default: {}
  seconds:
    description: With O(state=evaluated), how long to watch.
    type: int
    default: 0
  tolerated:
    description: With O(state=evaluated), how many nodes may fail without ending the rollout. A failure on a controller always ends it.
    type: int
    default: 0
  committed:
    description: With O(state=closed), whether the rollout succeeded. Otherwise it counts as undone, and a rollback as done.
    type: bool
    default: false
  removed:
    description: With O(state=closed), the hosts from which the rollout has removed this collection.
    type: list
    elements: str
    default: []
  holder:
    description: The run that calls this. The action plugin sets it, never a user.
    type: dict
    default: {}
  is_dead:
    description: Take the lock from a run on another machine that is known to be gone, or replace a lock that cannot be read.
    type: bool
    default: false
extends_documentation_fragment:
  - nodecycle.slurm._attributes
  - nodecycle.slurm._slurm_commands
  - nodecycle.slurm._units
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - It keeps a record; every entry but O(state=evaluated) is a change.
seealso:
  - module: nodecycle.slurm.journal_info
  - module: nodecycle.slurm.cluster_info
  - module: nodecycle.slurm.reconfigure
"""

EXAMPLES = r"""
---
- name: Leave the rollout to the next run
  nodecycle.slurm.journal:
    state: unlocked
"""

RETURN = r"""
journal:
  description: The rollout under way. Nothing if there is none.
  returned: always
  type: dict
holder:
  description: The run that holds the lock.
  returned: when it is the reason of a failure
  type: dict
lock_unreadable:
  description: Whether the reason is a lock that cannot be read.
  returned: failure
  type: bool
failed_nodes:
  description: The nodes and hosts that failed in the rollout, each with the reason.
  returned: O(state=evaluated)
  type: dict
go:
  description: Whether the rollout may go on.
  returned: O(state=evaluated)
  type: bool
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _daemons, _evaluation, _journal_entries
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal import (
    JournalError,
    LockHeldError,
    UnreadableLockError,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import SlurmError


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "state": {
                "type": "str",
                "choices": ["opened", "noted", "evaluated", "closed", "unlocked"],
                "required": True,
            },
            "rollout": {**_ansible.HIDDEN_SPEC, "default": {}},
            "note": {**_ansible.HIDDEN_SPEC, "default": {}},
            "failures": {**_ansible.HIDDEN_SPEC, "default": {}},
            "seconds": {"type": "int", "default": 0},
            "tolerated": {"type": "int", "default": 0},
            "committed": {"type": "bool", "default": False},
            "removed": {"type": "list", "elements": "str", "default": []},
            "holder": {"type": "dict", "default": {}},
            "is_dead": {"type": "bool", "default": False},
            **_ansible.BIN_DIR_SPEC,
            **_daemons.UNITS_SPEC,
        },
        supports_check_mode=True,
    )
    _ansible.require_root(module)
    _ansible.unpack(module, "rollout", "note", "failures")
    state = module.params["state"]
    if module.check_mode:
        module.exit_json(changed=state != "evaluated", journal=module.params["rollout"], go=True, failed_nodes={})
    try:
        result = _evaluation.evaluate(module) if state == "evaluated" else _journal_entries.write(module)
    except LockHeldError as exc:
        module.fail_json(msg=f"The rollout: {exc}.", holder=exc.holder)
    except (JournalError, SlurmError, OSError) as exc:
        nothing = "Nothing was changed for any job. " if state == "opened" else ""
        module.fail_json(
            msg=f"{nothing}The journal of the rollout: {exc}.", lock_unreadable=isinstance(exc, UnreadableLockError)
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
