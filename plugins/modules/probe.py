#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: probe
short_description: Send jobs through the hooks of nodes that no user's new job can reach meanwhile
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Puts the nodes into the reservation C(nodecycle_canary), submits a batch job to each partition of each node, and waits until all
    have ended with their epilogs. In any case it removes the jobs and the reservation.
  - A job asks for one task, and for 256 MB where Slurm gives out memory (C(SelectTypeParameters)).
  - Meanwhile running jobs go on, and no other new job starts on the nodes. Reservations of others stay as they are, also where
    they have the same nodes (flag MAINT).
  - A probe has passed if every job ended with exit code 0 and no node is out of service afterwards. Otherwise the module fails and
    returns the same values.
  - The module cancels jobs that take too long. Their prologs and epilogs get one more minute.
  - If the module is killed, the reservation ends by itself after at most twice O(timeout) and a minute. The next call and
    O(state=absent) remove the rest. The module knows its own jobs by reservation, name and user together. So it never touches the
    job of another user, whatever its name is.
  - Jobs of others in the reservation fail O(state=passed). Only root and O(user) can submit such jobs. O(state=absent) warns of them
    and leaves the reservation until it ends by itself.
  - Runs as root on a controller host, because root may submit jobs for others. It never runs twice at the same time.
options:
  name:
    description: Hostlist expression of the nodes. Required with O(state=passed) and O(state=accepted).
    type: str
  state:
    description: The wanted state.
    type: str
    choices:
      passed: Jobs have gone through the hooks.
      accepted:
        - Slurm would accept the jobs (C(sbatch --test-only)). Nothing is submitted or reserved. A node that has no room just now is no obstacle,
          because O(state=passed) reserves it.
      absent: Nothing of an earlier probe is left, no job and no reservation.
    default: passed
  partitions:
    description: The partitions of a node to send a job to, as lists by node name. All of a node's partitions if it is not in here.
    type: dict
    default: {}
  user:
    description:
      - The user of the jobs; empty for SlurmUser, or V(nobody) if that is root. The user must exist on the nodes.
      - Use an account that no person on the cluster can use. The module finds left-over jobs by their user, name and reservation.
    type: str
    default: ""
  account:
    description: The account of the jobs; empty for the user's default.
    type: str
    default: ""
  qos:
    description: The QOS of the jobs; empty for the default.
    type: str
    default: ""
  gres:
    description: The generic resources of the jobs, as for C(sbatch --gres); empty for none.
    type: str
    default: ""
  command:
    description: The command line that the jobs run, by V(/bin/sh).
    type: str
    default: "true"
  met:
    description:
      - The ids of the releases that the jobs must meet on some nodes, by node name. Only for nodes to which Slurm delivers
        (M(nodecycle.slurm.bundle)). There the prolog notes for the job which release it runs, and the job compares.
    type: dict
    default: {}
  timeout:
    description: Seconds that all jobs together may take, from their submission to the end of their epilogs.
    type: int
    default: 120
extends_documentation_fragment:
  - nodecycle.slurm._attributes
  - nodecycle.slurm._slurm_commands
  - nodecycle.slurm._units
attributes:
  check_mode:
    support: full
    details:
      - Lists the jobs that it would submit, and fails if Slurm would refuse one.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - O(state=passed) runs jobs each time and reports a change.
notes:
  - If a prolog fails, Slurm cancels the job instead of holding it, and drains the node as with any job.
  - EpilogSlurmctld may still run when the module returns; Slurm does not show it.
  - "Slurm 22.05 to 26.05: C(scontrol create reservation), C(sbatch --uid), C(squeue)."
seealso:
  - module: nodecycle.slurm.node
  - module: nodecycle.slurm.held_jobs
"""

EXAMPLES = r"""
---
- name: Send a job through the hooks of a node, in each of its partitions
  nodecycle.slurm.probe:
    name: worker1

- name: Do the same as a certain user on GPU nodes
  nodecycle.slurm.probe:
    name: gpu[1-2]
    user: probe
    account: staff
    gres: gpu:1
    command: nvidia-smi
    timeout: 300

- name: Remove the rest of a killed run
  nodecycle.slurm.probe:
    state: absent
"""

RETURN = r"""
passed:
  description: Whether all jobs went through and all nodes are in service.
  returned: with O(state=passed) and O(state=accepted), also on failure
  type: bool
jobs:
  description: The jobs. In check mode those that would be submitted, without id and state.
  returned: with O(state=passed) and O(state=accepted), also on failure
  type: list
  elements: dict
  contains:
    id:
      description: The job's id; empty where it was refused.
      type: str
    node:
      description: The node.
      type: str
    partition:
      description: The partition.
      type: str
    state:
      description: The job's last state; V(REFUSED) if sbatch refused it, V(GONE) if the controller forgot it.
      type: str
    reason:
      description: Slurm's reason for that state, or sbatch's message.
      type: str
    exit_code:
      description: Exit code and signal, as in C(squeue).
      type: str
  sample: [{id: "4711", node: worker1, partition: batch, state: COMPLETED, reason: "", exit_code: "0:0"}]
nodes:
  description: The nodes afterwards, as RV(nodecycle.slurm.node_info#module:nodes).
  returned: with O(state=passed) and O(state=accepted), also on failure
  type: dict
reservations:
  description: The active reservations of others that have some of the nodes. The module left them alone, and their jobs waited.
  returned: with O(state=passed) and O(state=accepted), also on failure
  type: list
  elements: str
left_out:
  description: The closed partitions of these nodes, in which no job was sent.
  returned: with O(state=passed) and O(state=accepted), also on failure
  type: list
  elements: str
completing:
  description:
    - The ids of cancelled jobs whose prolog or epilog had not ended a minute later. If it fails after that, Slurm drains the node then.
  returned: always
  type: list
  elements: str
late:
  description: The nodes of O(met) to which Slurm had not sent the release yet, if nothing else is wrong.
  returned: always
  type: list
  elements: str
strangers:
  description: The ids of jobs of others in the reservation of the probes. Because of them the module left the reservation.
  returned: with O(state=absent)
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _daemons, _probe_run


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str"},
            "state": {"type": "str", "choices": ["passed", "accepted", "absent"], "default": "passed"},
            "partitions": {"type": "dict", "default": {}},
            "user": {"type": "str", "default": ""},
            "account": {"type": "str", "default": ""},
            "qos": {"type": "str", "default": ""},
            "gres": {"type": "str", "default": ""},
            "command": {"type": "str", "default": "true"},
            "met": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 120},
            **_ansible.BIN_DIR_SPEC,
            **_daemons.UNITS_SPEC,
        },
        required_if=[("state", "passed", ("name",)), ("state", "accepted", ("name",))],
        supports_check_mode=True,
    )
    _ansible.require_root(module)
    try:
        result = _probe_run.run(module)
    except _ansible.FailedError as exc:
        module.fail_json(msg=str(exc), **exc.results)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
