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
  - Each call is a sign of life of the run that holds the lock. An action plugin of the same name says who that is, and looks whether
    the process that holds it still lives where both run on the same machine.
options:
  state:
    description: What to write down.
    type: str
    choices:
      read: Nothing; only return what is written. No lock is needed.
      opened: That a rollout begins. Takes the lock.
      noted: What is about to be done next.
      judged: Nothing new; watch the nodes for O(seconds), then say whether the rollout may go on.
      closed: That the rollout ended. Lets go of the lock.
      unlocked: That the run ends and leaves the rollout to the next one.
    default: read
  rollout:
    description:
      - With O(state=opened), what is going to be done. C(name) (of the rollout), C(hosts) (for each host C(node), C(kinds), C(from) and
        C(to), the releases before and after, and C(conf), our lines in its slurm.conf before), C(conf) (those lines after), C(controllers) and
        C(slurm_user).
      - What a killed run has noted of before stays.
    type: raw
    default: {}
  note:
    description:
      - With O(state=noted), what to write down; V(activating), a list of hosts, is kept with the time.
    type: raw
    default: {}
  failures:
    description: With O(state=judged), the hosts on which a step failed, each with the reason.
    type: raw
    default: {}
  seconds:
    description: With O(state=judged), how long to watch.
    type: int
    default: 0
  tolerated:
    description: With O(state=judged), how many nodes may fail without ending the rollout.
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
    description: Whether whoever holds the lock is known to be gone. Set by the action plugin, or true to take the lock from a run that is.
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
      - It keeps a record; every entry but O(state=read) and O(state=judged) is a change.
seealso:
  - module: nodecycle.slurm.cluster_info
"""

EXAMPLES = r"""
---
- name: See whether a rollout is under way
  nodecycle.slurm.journal:
  register: journal
"""

RETURN = r"""
journal:
  description: The rollout under way; nothing where there is none.
  returned: always
  type: dict
committed:
  description: The rollouts that were committed, newest first, each with C(name), C(committed) (seconds since the epoch), C(hosts) and C(conf).
  returned: O(state=read)
  type: list
  elements: dict
holder:
  description: Who holds the lock.
  returned: O(state=read), or when it is the reason of a failure
  type: dict
failed_nodes:
  description: The nodes and hosts that failed in the rollout, each with the reason.
  returned: O(state=judged)
  type: dict
go:
  description: Whether the rollout may go on.
  returned: O(state=judged)
  type: bool
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import _module, _ownership, _runs
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal import (
    Document,
    Journal,
    JournalError,
    LockHeldError,
    activated_nodes,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Slurm, SlurmError

#: Between two looks at the nodes.
LOOK_EVERY = 2

CONTROLLER_HOOKS = ("controller_prolog",)


def judge(module: AnsibleModule, journal: Journal, holder: Document) -> dict[str, t.Any]:
    """Watch until the time is over or more has failed than is tolerated."""
    params = module.params
    slurm = Slurm(_module.runner(module, params["bin_dir"]))
    deadline = time.monotonic() + params["seconds"]
    while True:
        rollout = journal.require_rollout()
        failed = {**rollout.get("failed", {}), **params["failures"]}
        try:
            nodes = slurm.nodes()
        except SlurmError as exc:
            # The undo starts it again; without a judgement there would be none.
            failed.setdefault("controller", str(exc))
            go = False
            break
        seen = _ownership.change(activated_nodes(rollout), rollout["nodes"])
        failed.update(_ownership.failed_through(nodes.values(), seen, rollout["slurm_user"]))
        controllers = {host: entry["to"] for host, entry in rollout["hosts"].items() if "controller" in entry["kinds"]}
        for record in _runs.failures_since(rollout["activated"], controllers, _runs.failures_of("", CONTROLLER_HOOKS)):
            failed["controller"] = _runs.describe(record)
        go = len(failed) <= params["tolerated"]
        if not go or time.monotonic() >= deadline:
            break
        time.sleep(min(LOOK_EVERY, max(0.0, deadline - time.monotonic())))
    # Only now, so that a second run is told at once that there is a first.
    with _module.exclusive(module):
        journal.require_holder(holder)
        # Before the run acts on it: from now on a killed run is undone, not finished.
        journal.note(failed=failed, **({} if go else {"phase": "undo"}))
        journal.lock(holder, is_dead=False)
        return {"changed": False, "failed_nodes": failed, "go": go, "journal": journal.current()}


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "state": {
                "type": "str",
                "choices": ["read", "opened", "noted", "judged", "closed", "unlocked"],
                "default": "read",
            },
            "rollout": {**_module.HIDDEN_SPEC, "default": {}},
            "note": {**_module.HIDDEN_SPEC, "default": {}},
            "failures": {**_module.HIDDEN_SPEC, "default": {}},
            "seconds": {"type": "int", "default": 0},
            "tolerated": {"type": "int", "default": 0},
            "committed": {"type": "bool", "default": False},
            "withdrawn": {"type": "list", "elements": "str", "default": []},
            "holder": {"type": "dict", "default": {}},
            "is_dead": {"type": "bool", "default": False},
            **_module.BIN_DIR_SPEC,
        },
        supports_check_mode=True,
    )
    _module.require_root(module)
    _module.unpack(module, "rollout", "note", "failures")
    params = module.params
    state, holder = params["state"], params["holder"]
    journal = Journal()
    try:
        if state == "read":
            module.exit_json(
                changed=False, journal=journal.current(), committed=journal.committed(), holder=journal.holder()
            )
        if module.check_mode:
            module.exit_json(changed=state != "judged", journal=params["rollout"], go=True, failed_nodes={})
        if state == "judged":
            module.exit_json(**judge(module, journal, holder))
        with _module.exclusive(module):
            if state != "opened":
                # Before the lock is taken: nobody would let go of it again.
                journal.require_rollout()
            journal.lock(holder, params["is_dead"])
            if state == "opened":
                nodes = Slurm(_module.runner(module, params["bin_dir"])).nodes()
                user = params["rollout"]["slurm_user"]
                before = {name: _ownership.facts(node, user) for name, node in nodes.items()}
                # A rollback knows how the nodes were before what it takes back.
                journal.open({"nodes": before, **params["rollout"]})
            elif state == "noted":
                journal.note(**params["note"])
            elif state == "closed":
                journal.close(params["committed"], params["withdrawn"])
            else:
                journal.unlock()
            module.exit_json(changed=True, journal=journal.current())
    except LockHeldError as exc:
        module.fail_json(msg=f"The rollout: {exc}.", holder=exc.holder)
    except (JournalError, SlurmError, OSError) as exc:
        module.fail_json(msg=f"The journal of the rollout: {exc}.")


if __name__ == "__main__":
    main()
