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
foreign:
  description: The jobs that are not listed although they are in O(jobs) or their launch failed, and why.
  returned: success
  type: dict
  sample: {"4713": "PENDING, JobHeldUser", "4714": "launch failed requeued held; and JobHeldAdmin since then", "9": not in the queue}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _daemons, _held_jobs
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import SlurmError


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={"jobs": {"type": "list", "elements": "str"}, **_ansible.BIN_DIR_SPEC, **_daemons.UNITS_SPEC},
        supports_check_mode=True,
    )
    try:
        _held_jobs.require_ids(module.params["jobs"] or ())
        verdict = _held_jobs.find(_ansible.slurm(module), module.params["jobs"])
    except ValueError as exc:
        module.fail_json(msg=f"jobs: {exc}")
    except SlurmError as exc:
        module.fail_json(msg=f"Jobs whose launch failed: {exc}")
    module.exit_json(changed=False, held=[job.id for job in verdict.held], foreign=verdict.foreign)


if __name__ == "__main__":
    main()
