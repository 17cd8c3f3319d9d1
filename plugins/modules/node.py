#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: node
short_description: Drain and resume nodes, but never a node that somebody else drained
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Drains nodes with a reason that marks them as drained by this collection, and resumes only nodes that carry such a reason.
  - "Such a reason begins with C(nodecycle:) and ends with the moment at which it was written, as in
    V(nodecycle: scratch disk is full @2026-11-28T13:40:33) (UTC). It counts as this collection's own only while Slurm shows the same
    moment and the user of this module as those of the reason. A user who changes the reason takes the drain over."
  - With O(activated) and O(before) it resumes the nodes that a change of the scripts drained, and nothing else. Either this collection
    drained them, or Slurm did because a script failed.
  - A node that somebody else drained or took down always keeps its state, reason, user and time.
  - The module reads all nodes right before it changes them, and again afterwards, usually each with one call of C(scontrol).
options:
  name:
    description: Hostlist expression of the nodes.
    type: str
    required: true
  state:
    description: The state that the nodes should have.
    type: str
    choices:
      drained: Taking no new jobs; running jobs go on.
      resumed:
        Taking jobs again, if this collection drained them. That includes a node that Slurm has set down since. The module leaves
        alone a node that Slurm refuses (C(INVALID_REG)) or that is to be rebooted.
      explained:
        Drained as before. If Slurm wrote only C(Prolog error) or C(Epilog error), the script of O(failures) becomes the reason.
    required: true
  reason:
    description:
      - With O(state=drained), the reason, without the mark C(nodecycle:), which the module adds. Required.
      - With O(state=resumed), the module resumes only nodes whose reason begins with this text, of those that this collection drained.
    type: str
    default: ""
  activated:
    description:
      - With O(state=resumed), the time at which each node got the new release, in seconds since the epoch on the controller's clock.
      - Then the module resumes only nodes that are in here and in O(before), and were in service there. This collection must have
        drained them, or SlurmUser, not before that moment and with exactly C(Prolog error), C(Epilog error),
        C(Prolog/Epilog failure) or C(batch job complete failure). Slurm writes these if a script failed or left the node unable to
        start a job.
    type: raw
  before:
    description:
      - The nodes as they were before the change, as RV(nodecycle.slurm.node_info#module:nodes) has them; C(state) and C(flags) are read.
      - The module does not resume a node that is not in here.
    type: raw
  failures:
    description:
      - With O(state=explained), the dispatcher's record of the last failure of each node, the content of
        V(/var/lib/nodecycle/HOOK/failure.json), by node name.
      - A record counts if its hook is that of Slurm's reason and it ended within 5 minutes of the drain.
    type: raw
  wait:
    description: Seconds that resumed nodes may take to answer the controller. The module returns when they do.
    type: int
    default: 30
extends_documentation_fragment:
  - nodecycle.slurm._attributes
  - nodecycle.slurm._slurm_commands
  - nodecycle.slurm._units
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
notes:
  - Slurm 24.11 goes on showing the old reason of a node after its resume, and gives no way to clear it.
  - Slurm cannot change a node on the condition that its state is still the same. A drain by somebody else in the milliseconds
    between the query and the update is lost.
seealso:
  - module: nodecycle.slurm.node_info
  - module: nodecycle.slurm.held_jobs
"""

EXAMPLES = r"""
---
- name: Drain two nodes
  nodecycle.slurm.node:
    name: worker[1-2]
    state: drained
    reason: scratch disk is full

- name: Resume those that were drained for that reason
  nodecycle.slurm.node:
    name: worker[1-2]
    state: resumed
    reason: scratch disk

- name: Resume the nodes that a change of the scripts drained
  nodecycle.slurm.node:
    name: worker[1-2]
    state: resumed
    activated: {worker1: 1795365633, worker2: 1795365634}
    before: "{{ nodes_before.nodes }}"

- name: Name the script in the reason
  nodecycle.slurm.node:
    name: worker1
    state: explained
    failures:
      worker1: "{{ failure.content | b64decode | from_json }}"
"""

RETURN = r"""
changed_nodes:
  description: The nodes whose state or reason was changed, as a hostlist expression.
  returned: success
  type: str
foreign:
  description:
    - The nodes that the module left alone, with their reason, user and time. If the cause is another than a drain by somebody else,
      it follows.
  returned: success
  type: dict
  sample:
    worker2: "broken fan [root@2026-11-22T14:40:33]"
    worker3: "Prolog error [slurm@2026-11-22T09:12:01]: older than the change"
unfinished:
  description: The nodes of RV(changed_nodes) that did not take jobs again within O(wait) seconds, with their state.
  returned: success
  type: dict
  sample: {worker1: IDLE+NOT_RESPONDING}
"""

import os
import pwd
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import (
    _ansible,
    _daemons,
    _hostlist,
    _ownership,
    _reason_users,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Node, Slurm, SlurmError

#: The number of tries to write a reason until Slurm's own time of it is that of its stamp.
WRITES = 3


def process_user() -> str:
    """The user whom Slurm names for a reason of ours."""
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def plan(
    slurm: Slurm, nodes: t.Iterable[Node], params: dict[str, t.Any], writer: str
) -> tuple[dict[tuple[str, str], list[str]], dict[str, str]]:
    """The nodes by the State and Reason that each gets (empty: stays), and those left alone with their description."""
    groups: dict[tuple[str, str], list[str]] = {}
    if params["state"] == "drained":
        drain = _ownership.to_drain(nodes, params["reason"], writer)
        if drain.names:
            groups["DRAIN", _ownership.mark(params["reason"])] = drain.names
        return groups, drain.foreign
    # Who SlurmUser is matters only where Slurm's own drains do.
    if params["state"] == "explained":
        reasons, foreign = _ownership.to_explain(nodes, params["failures"], slurm.cluster().slurm_user, writer)
        for name, reason in reasons.items():
            groups.setdefault(("", reason), []).append(name)
        return groups, foreign
    if params["activated"] is None:
        resume = _ownership.to_resume(nodes, params["reason"], writer=writer)
    else:
        seen = _ownership.change(params["activated"], params["before"])
        resume = _ownership.to_resume(nodes, params["reason"], slurm.cluster().slurm_user, seen, writer)
    states = {node.name: node.state for node in nodes}
    for name in resume.names:
        # RESUME would also undo what others asked for (FAIL, a reboot), UNDRAIN clears the drain alone; but it leaves DOWN,
        # and our reason hides the one by which Slurm would bring the node back by itself (ReturnToService).
        groups.setdefault(("RESUME" if states[name] == "DOWN" else "UNDRAIN", ""), []).append(name)
    return groups, resume.foreign


def give_reason(slurm: Slurm, names: t.Sequence[str], state: str, reason: str, writer: str) -> list[str]:
    """Write a reason with the moment of writing. Returns the nodes on which Slurm's own time of it stays another one.

    A busy controller, or one that has just taken over with another clock, may record another moment. So this reads the nodes again, and
    writes again those that nobody else has touched since.
    """
    left = list(names)
    fields = {"State": state} if state else {}
    for _write in range(WRITES):
        written = _ownership.stamped(reason, slurm.clock())
        slurm.update_nodes(left, **fields, Reason=written)
        left = _ownership.to_stamp_again(slurm.nodes(_hostlist.fold(left)).values(), written, writer)
        if not left:
            break
        fields = {}
    return left


def settle(slurm: Slurm, names: t.Sequence[str], seconds: int) -> dict[str, Node]:
    """The nodes when they take jobs again, or their state after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        nodes = slurm.nodes(_hostlist.fold(names))
        if not _ownership.unfinished(nodes.values()) or time.monotonic() >= deadline:
            return nodes
        time.sleep(0.5)


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["drained", "resumed", "explained"], "required": True},
            "reason": {"type": "str", "default": ""},
            "activated": _ansible.HIDDEN_SPEC,
            "before": _ansible.HIDDEN_SPEC,
            "failures": _ansible.HIDDEN_SPEC,
            "wait": {"type": "int", "default": 30},
            **_ansible.BIN_DIR_SPEC,
            **_daemons.UNITS_SPEC,
        },
        required_if=[("state", "drained", ("reason",)), ("state", "explained", ("failures",))],
        required_together=[("activated", "before")],
        supports_check_mode=True,
    )
    _ansible.unpack(module, "activated", "before", "failures")
    params = module.params
    if params["state"] == "drained" and not params["reason"].strip():
        module.fail_json(msg="reason is empty: Slurm drains no node without one")
    slurm = _ansible.slurm(module)
    unfinished: dict[str, str] = {}
    unstamped: list[str] = []
    writer = process_user()
    try:
        nodes = slurm.nodes(params["name"])
        groups, foreign = plan(slurm, nodes.values(), params, writer)
        names = [name for group in groups.values() for name in group]
        if not module.check_mode:
            for (state, reason), group in groups.items():
                if reason:
                    unstamped += give_reason(slurm, group, state, reason, writer)
                else:
                    slurm.update_nodes(group, State=state)
            if names and params["state"] == "resumed":
                after = settle(slurm, names, params["wait"])
                unfinished = _ownership.unfinished(after.values())
            if names:
                _reason_users.forget(slurm.uncorrected_nodes)
    except (SlurmError, _hostlist.HostlistError, _ownership.BeforeError) as exc:
        module.fail_json(msg=f"Nodes {params['name']}: {exc}")
    if unfinished:
        module.warn(
            f"After {params['wait']} seconds these resumed nodes do not take jobs: "
            + ", ".join(f"{name} ({words})" for name, words in sorted(unfinished.items()))
            + ". Check slurmd's log there, and with `scontrol show node` who drained a node again."
        )
    if unstamped:
        module.warn(
            f"Slurm recorded the reason of {_hostlist.fold(unstamped)} with another time than its own clock has, so a later run will not "
            "recognise these drains as its own: resume the nodes by hand."
        )
    new = {name: key for key, group in groups.items() for name in group}
    module.exit_json(
        changed=bool(names),
        changed_nodes=_hostlist.fold(names),
        foreign=foreign,
        unfinished=unfinished,
        diff={
            "before": "".join(f"{name}: {_ownership.describe(nodes[name])}\n" for name in new),
            "after": "".join(
                f"{name}: {f'DRAIN, {reason}' if reason else 'taking jobs'}\n" for name, (_state, reason) in new.items()
            ),
        },
    )


if __name__ == "__main__":
    main()
