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
  - Writes down on the first controller what a rollout is about to do and what was before, so that a run that is killed at any moment
    is finished or undone by the next one.
  - Before slurm.conf changes it notes what the cluster is (its keys, jobs and nodes), for M(nodecycle.slurm.reconfigure).
  - Each call is a sign of life of the run that holds the lock, and a long watch gives one at least every minute. An action plugin of the
    same name says who that is. On the same machine it looks whether the process that holds the lock lives, and then nothing takes it away.
    Elsewhere an hour without a sign of life counts, by the controller's clock since its start, which nobody can set.
  - Room for the last words of a rollout is kept in V(/var/lib/nodecycle/rollout/reserve), and used when the disk is full. Without that room
    no rollout begins. Where not even that helps, an undo goes on without its notes, and a step forward ends in an undo.
options:
  state:
    description: What to write down.
    type: str
    required: true
    choices:
      opened: That a rollout begins. Takes the lock.
      noted: What is about to be done next.
      evaluated: What failed; watch the nodes for O(seconds), then say whether the rollout may go on, and with O(note) that it does.
      closed: That the rollout ended. Lets go of the lock.
      unlocked: That the run ends and leaves the rollout to the next one.
  rollout:
    description:
      - With O(state=opened), what is going to be done. C(name) (of the rollout), C(hosts) (for each host C(node), C(kinds), C(from) and
        C(to), the releases before and after, and C(conf), our lines in its slurm.conf before), C(conf) (those lines after), C(controllers) and
        C(slurm_user).
      - The previous state that a killed run has noted stays.
    type: raw
    default: {}
  note:
    description:
      - With O(state=noted), what to write down; V(activating), a list of hosts, is kept with the time.
      - With O(state=evaluated), the same for a rollout that may go on.
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
  withdrawn:
    description: With O(state=closed), the hosts that have nothing of this collection any more.
    type: list
    elements: str
    default: []
  holder:
    description: Who runs this. Set by the action plugin, never by a user.
    type: dict
    default: {}
  is_dead:
    description: Take the lock from a run on another machine that is known to be gone, or replace a lock that cannot be read.
    type: bool
    default: false
extends_documentation_fragment:
  - nodecycle.slurm._attributes
  - nodecycle.slurm._slurm_commands
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
  description: The rollout under way; nothing where there is none.
  returned: always
  type: dict
holder:
  description: Who holds the lock.
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
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _evaluation, _journal_entries
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
            "withdrawn": {"type": "list", "elements": "str", "default": []},
            "holder": {"type": "dict", "default": {}},
            "is_dead": {"type": "bool", "default": False},
            **_ansible.BIN_DIR_SPEC,
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
