#!/usr/bin/python

# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle
short_description: Carry the committed releases to nodes that are born between two runs
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Writes the file C(nodecycle_bundle) beside slurm.conf. As long as our lines there name it as C(Prolog), a configless cluster sends it to
    each slurmd, at a reconfigure and whenever a slurmd starts (Slurm 23.11 and later).
  - On a node, the file runs the release that is on its disk, if that is the committed one or one that a rollout has placed since. Otherwise
    it unpacks the committed one first, and runs its init scripts if they have not succeeded since the boot.
  - Removes the file where our lines do not name it.
  - Runs on a controller host. It does not reconfigure.
options:
  path:
    description: The controller's slurm.conf.
    type: path
    default: /etc/slurm/slurm.conf
  root:
    description: Directory of the releases on the workers.
    type: path
    default: /etc/nodecycle
  nodes:
    description: The id of the release of each node. Without it, a bundle that is there keeps those that it has.
    type: dict
  delivered:
    description:
      - The same of nodes that get their releases from the bundle alone, and to which Ansible does not connect. Such a node runs what is given
        here, whatever is on its disk.
      - Without it, a bundle that is there keeps those that it has.
    type: dict
  canaries:
    description: For some nodes of O(delivered), the id of the release that jobs in the reservation C(nodecycle_canary) run instead.
    type: dict
    default: {}
  probe_user:
    description:
      - The user of those jobs, known on this host; empty for O(slurm_user), or V(nobody) if that is root.
      - Only this user's task hooks run the release of O(canaries).
    type: str
    default: ""
  slurm_user:
    description: SlurmUser of slurm.conf.
    type: str
    default: slurm
  releases:
    description:
      - Releases by their ids, as M(nodecycle.slurm.definition) returns them. The host remembers those that it has got, as long as O(keep) or
        O(nodes) names them.
    type: raw
    default: {}
  keep:
    description: Ids of releases that the host must remember, because a rollback may bring them back.
    type: list
    elements: str
    default: []
  init_timeout:
    description: Seconds for all init scripts of a node together.
    type: int
    default: 1800
  is_due:
    description: Whether our lines are going to name the file, although they do not yet.
    type: bool
    default: false
  is_sent:
    description: Only notes that Slurm was told of the file that is there, by a reconfigure.
    type: bool
    default: false
  compared:
    description:
      - Only compares releases, each given as V(OLD NEW) by the two ids. The host has the old one, or nothing is known of it; the new one is in
        O(releases).
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - nodecycle.slurm._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: nodecycle.slurm.definition
  - module: nodecycle.slurm.reconfigure
"""

EXAMPLES = r"""
---
- name: Carry the committed releases
  nodecycle.slurm.bundle:
    nodes:
      node1: "{{ definition.hosts.node1.id }}"
    releases: "{{ definition.bundle }}"
  notify: Let Slurm read it
"""

RETURN = r"""
missing:
  description: The nodes whose release this host does not have. A node of this name that is born takes no job before the next run.
  returned: success
  type: list
  elements: str
changes:
  description: For each pair of O(compared) the C(differences) of the scripts, as C(--diff) shows them, and the C(lost_hooks), which lose their last script.
  returned: with O(compared)
  type: dict
is_unsent:
  description: Whether a reconfigure is due that lets Slurm send the file.
  returned: success
  type: bool
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _bundle_store
from ansible_collections.nodecycle.slurm.plugins.module_utils._conf import ConfError


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/etc/slurm/slurm.conf"},
            "root": {"type": "path", "default": "/etc/nodecycle"},
            "nodes": {"type": "dict"},
            "delivered": {"type": "dict"},
            "canaries": {"type": "dict", "default": {}},
            "probe_user": {"type": "str", "default": ""},
            "slurm_user": {"type": "str", "default": "slurm"},
            "releases": {**_ansible.HIDDEN_SPEC, "default": {}},
            "keep": {"type": "list", "elements": "str", "default": []},
            "init_timeout": {"type": "int", "default": 1800},
            "is_due": {"type": "bool", "default": False},
            "is_sent": {"type": "bool", "default": False},
            "compared": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    _ansible.require_root(module)
    _ansible.unpack(module, "releases")
    try:
        with _ansible.exclusive(module):
            result = _bundle_store.bring(module)
    except (ConfError, ValueError, OSError) as exc:
        module.fail_json(msg=f"The bundle for new nodes: {exc}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
