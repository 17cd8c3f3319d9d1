#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: node
short_description: Drain and resume nodes, and never what somebody else drained
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Drains nodes with a reason that marks them as drained by this collection, and resumes only nodes that carry such a reason.
  - A node that somebody else drained or took down keeps its state, reason, user and time, whatever is asked.
  - All nodes are looked at in one query and changed in one update.
options:
  name:
    description: Hostlist expression of the nodes.
    type: str
    required: true
  state:
    description: What the nodes should be.
    type: str
    choices:
      drained: Taking no new jobs; running jobs go on.
      resumed: Taking jobs again, where it was this collection that drained them.
    required: true
  reason:
    description:
      - With O(state=drained), why, after the mark C(nodecycle:) that the module puts before it. Needed.
      - With O(state=resumed), only nodes whose reason begins with this text are resumed.
    type: str
    default: ""
extends_documentation_fragment:
  - nodecycle.slurm._attributes
  - nodecycle.slurm._slurm_commands
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: nodecycle.slurm.cluster_info
"""

EXAMPLES = r"""
---
- name: Drain two nodes
  nodecycle.slurm.node:
    name: worker[1-2]
    state: drained
    reason: scratch disk is full

- name: Resume of them what was drained for that reason
  nodecycle.slurm.node:
    name: worker[1-2]
    state: resumed
    reason: scratch disk
"""

RETURN = r"""
changed_nodes:
  description: The nodes whose state was changed, as a hostlist expression.
  returned: success
  type: str
foreign:
  description: The nodes that were left alone because somebody else had drained them or taken them down, with his reason.
  returned: success
  type: dict
  sample: {worker2: "broken fan [root@2026-11-22T14:40:33]"}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import _hostlist, _module, _ownership
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Slurm, SlurmError


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["drained", "resumed"], "required": True},
            "reason": {"type": "str", "default": ""},
            **_module.BIN_DIR_SPEC,
        },
        required_if=[("state", "drained", ("reason",))],
        supports_check_mode=True,
    )
    params = module.params
    if params["state"] == "drained" and not params["reason"].strip():
        module.fail_json(msg="reason is empty: Slurm drains no node without one")
    slurm = Slurm(_module.runner(module, params["bin_dir"]))
    try:
        nodes = slurm.nodes(params["name"])
        if params["state"] == "drained":
            plan = _ownership.to_drain(nodes.values(), params["reason"])
            fields = {"State": "DRAIN", "Reason": _ownership.mark(params["reason"])}
        else:
            plan = _ownership.to_resume(nodes.values(), params["reason"])
            fields = {"State": "RESUME"}
        if plan.names and not module.check_mode:
            slurm.update_nodes(plan.names, **fields)
    except (SlurmError, _hostlist.HostlistError) as exc:
        module.fail_json(msg=f"Nodes {params['name']}: {exc}")
    after = _ownership.mark(params["reason"]) if params["state"] == "drained" else ""
    module.exit_json(
        changed=bool(plan.names),
        changed_nodes=_hostlist.fold(plan.names),
        foreign=plan.foreign,
        diff={
            "before": "".join(f"{name}: {_ownership.describe(nodes[name])}\n" for name in plan.names),
            "after": "".join(f"{name}: {'DRAIN, ' + after if after else 'taking jobs'}\n" for name in plan.names),
        },
    )


if __name__ == "__main__":
    main()
