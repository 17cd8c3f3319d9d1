#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: held_jobs_info
short_description: List the jobs that Slurm holds because their launch failed
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - If the prolog of a batch job fails, Slurm requeues the job and holds it (C(launch failed requeued held), after several times
    C(launch failure limit exceeded requeued held)). This module lists such jobs.
  - A job that its user or an administrator holds is not among them, also when an administrator's hold was set on top of Slurm's.
options:
  jobs:
    description:
      - Ids of the jobs, as the hooks see them in C(SLURM_JOB_ID), or of array tasks as in V(4711_2).
      - All jobs by default.
    type: list
    elements: str
  activated:
    description:
      - For RV(failures), the nodes that got a new release, with the time in seconds since the epoch on the controller's clock.
    type: raw
    default: {}
  unasked:
    description: For RV(failures), those of them whose own logs of failures nobody can read.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - nodecycle.slurm._attributes
  - nodecycle.slurm._attributes.info
  - nodecycle.slurm._slurm_commands
  - nodecycle.slurm._units
notes:
  - A hold that the user himself sets on a job that Slurm already holds leaves no trace in Slurm; such a job is listed.
  - A hold of an administrator shows in C(squeue --json) only. If Slurm was built without JSON, the module lists no job.
seealso:
  - module: nodecycle.slurm.held_jobs
"""

EXAMPLES = r"""
---
- name: List all jobs whose launch failed
  nodecycle.slurm.held_jobs_info:
  register: failed
"""

RETURN = r"""
held:
  description: The jobs that a failed launch holds, among O(jobs) if given. Array tasks as in V(4711_2).
  returned: success
  type: list
  elements: str
failures:
  description:
    - The jobs of RV(held) whose prolog failed on nodes of O(unasked) since the time of O(activated).
    - Slurm does not name the node, but drains it in the same step, so the times tell. A job is left out if a node that is not in
      O(activated) was drained at that moment, too.
  returned: success
  type: list
  elements: dict
foreign:
  description: The jobs that are not listed although they are in O(jobs) or their launch failed, and why.
  returned: success
  type: dict
  sample: {"4713": "PENDING, JobHeldUser", "4714": "launch failed requeued held; and JobHeldAdmin since then", "9": not in the queue}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _daemons, _held_jobs, _ownership
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import SlurmError


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "jobs": {"type": "list", "elements": "str"},
            "activated": {"type": "raw", "default": {}},
            "unasked": {"type": "list", "elements": "str", "default": []},
            **_ansible.BIN_DIR_SPEC,
            **_daemons.UNITS_SPEC,
        },
        supports_check_mode=True,
    )
    try:
        _held_jobs.require_ids(module.params["jobs"] or ())
        slurm = _ansible.slurm(module)
        verdict = _held_jobs.find(slurm, module.params["jobs"])
        failures = []
        if module.params["activated"] and verdict.held:
            since = _ownership.change(module.params["activated"], {}).activated
            nodes, slurm_user = slurm.nodes().values(), slurm.cluster().slurm_user
            failures = _held_jobs.failed_on(verdict.held, nodes, since, module.params["unasked"], slurm_user)
    except ValueError as exc:
        module.fail_json(msg=f"jobs: {exc}")
    except SlurmError as exc:
        module.fail_json(msg=f"Jobs whose launch failed: {exc}")
    held = [job.id for job in verdict.held]
    module.exit_json(changed=False, held=held, failures=failures, foreign=verdict.foreign)


if __name__ == "__main__":
    main()
