#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: held_jobs
short_description: Release the jobs that Slurm holds because their launch failed
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - If the prolog of a batch job fails, Slurm requeues the job and holds it (C(launch failed requeued held), after several times
    C(launch failure limit exceeded requeued held)). This module releases such jobs when the cause is fixed.
  - A job that its user or an administrator holds stays held, also when an administrator's hold was set on top of Slurm's.
  - Fix the script and resume its nodes first. Slurm holds a job again that is released earlier.
options:
  jobs:
    description:
      - Ids of the jobs, as the hooks see them in C(SLURM_JOB_ID), or of array tasks as in V(4711_2).
    type: list
    elements: str
    required: true
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
  - A hold that the user himself sets on a job that Slurm already holds leaves no trace in Slurm; such a job is released.
  - A hold of an administrator shows in C(squeue --json) only. If Slurm was built without JSON, the module releases no job.
  - Slurm starts a released job not before two minutes after its failed launch (RV(starts)).
seealso:
  - module: nodecycle.slurm.held_jobs_info
  - module: nodecycle.slurm.node
"""

EXAMPLES = r"""
---
- name: Release two jobs whose launch failed
  nodecycle.slurm.held_jobs:
    jobs: ["4711", "4712_3"]
"""

RETURN = r"""
held:
  description: The jobs of O(jobs) that a failed launch held when the module began. Array tasks as in V(4711_2).
  returned: success
  type: list
  elements: str
released:
  description: The jobs that were released, in check mode those that would be.
  returned: success
  type: list
  elements: str
starts:
  description: The earliest start of each released job, in UTC, if Slurm tells it.
  returned: success
  type: dict
  sample: {"4711": "2026-11-22T18:13:29"}
foreign:
  description: The jobs that were left alone although they are in O(jobs), and why.
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
        argument_spec={
            "jobs": {"type": "list", "elements": "str", "required": True},
            **_ansible.BIN_DIR_SPEC,
            **_daemons.UNITS_SPEC,
        },
        supports_check_mode=True,
    )
    slurm = _ansible.slurm(module)
    starts: dict[str, str] = {}
    try:
        _held_jobs.require_ids(module.params["jobs"])
        verdict = _held_jobs.find(slurm, module.params["jobs"])
        held = [job.id for job in verdict.held]
        if held and not module.check_mode:
            slurm.release(held)
            after = {job.id: job for job in _held_jobs.queued(slurm) if job.id in held}
            stuck = [id_ for id_, job in after.items() if job.is_held]
            if stuck:
                raise SlurmError(f"scontrol release succeeded, but {', '.join(stuck)} are still held")
            starts = {id_: job.start for id_, job in after.items() if job.state == "PENDING" and job.start != "N/A"}
    except ValueError as exc:
        module.fail_json(msg=f"jobs: {exc}")
    except SlurmError as exc:
        module.fail_json(msg=f"Jobs whose launch failed: {exc}")
    module.exit_json(
        changed=bool(held),
        held=held,
        released=held,
        starts=starts,
        foreign=verdict.foreign,
        diff={
            "before": "".join(f"{id_}: held since its launch failed\n" for id_ in held),
            "after": "".join(f"{id_}: released\n" for id_ in held),
        },
    )


if __name__ == "__main__":
    main()
