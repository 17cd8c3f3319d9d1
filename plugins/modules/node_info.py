#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: node_info
short_description: State of nodes, and who took them out of service
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Asks the controller, in one query, for the state of nodes and the reason, user and time of their drain.
  - Runs on any host where C(scontrol) reaches the controller. Changes nothing.
options:
  name:
    description: Hostlist expression of the nodes; empty for all.
    type: str
    default: ""
extends_documentation_fragment:
  - nodecycle.slurm._attributes
  - nodecycle.slurm._attributes.info
  - nodecycle.slurm._slurm_commands
  - nodecycle.slurm._units
seealso:
  - module: nodecycle.slurm.node
  - module: nodecycle.slurm.cluster_info
"""

EXAMPLES = r"""
---
- name: Ask for two nodes
  nodecycle.slurm.node_info:
    name: worker[1-2]
  register: seen

- name: Show which of them are out of service, and who did it
  ansible.builtin.debug:
    msg: "{{ seen.nodes | dict2items | selectattr('value.owner') | items2dict }}"
"""

RETURN = r"""
nodes:
  description: State of each node by its name.
  returned: success
  type: dict
  contains:
    state:
      description: The base state, such as V(IDLE), V(MIXED), V(ALLOCATED) or V(DOWN).
      type: str
    flags:
      description: The flags beside it, such as V(DRAIN), V(NOT_RESPONDING) or V(MAINTENANCE).
      type: list
      elements: str
    partitions:
      description: The partitions that the node is in.
      type: list
      elements: str
    reason:
      description: The reason that Slurm shows, the first line of it. Slurm 24.11 shows that of an earlier drain, too.
      type: str
    reason_user:
      description: The user who gave the reason; empty if slurm.conf did.
      type: str
    reason_time:
      description: When, in UTC.
      type: str
    owner:
      description:
        - The cause of a node being out of service; empty if it is in service.
        - V(ours) is a drain by M(nodecycle.slurm.node) run as root, V(slurm) is one by SlurmUser, which is the daemons themselves, V(other)
          anybody else, and any node that is down without a reason.
      type: str
      choices: [ours, slurm, other, ""]
  sample:
    worker1:
      state: IDLE
      flags: [DRAIN]
      partitions: [batch]
      reason: Prolog error
      reason_user: slurm
      reason_time: "2026-11-22T14:40:33"
      owner: slurm
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _daemons, _ownership
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import SlurmError


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={"name": {"type": "str", "default": ""}, **_ansible.BIN_DIR_SPEC, **_daemons.UNITS_SPEC},
        supports_check_mode=True,
    )
    slurm = _ansible.slurm(module)
    try:
        slurm_user = slurm.cluster().slurm_user
        nodes = slurm.nodes(module.params["name"])
    except SlurmError as exc:
        module.fail_json(msg=f"Nodes {module.params['name'] or 'of the cluster'}: {exc}")
    module.exit_json(changed=False, nodes={name: _ownership.facts(node, slurm_user) for name, node in nodes.items()})


if __name__ == "__main__":
    main()
