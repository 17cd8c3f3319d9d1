#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: reconfigure
short_description: Let a running Slurm read its changed slurm.conf
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Runs C(scontrol reconfigure), and proves its effect.
  - During a rollout it compares the cluster with its state before slurm.conf changed, which M(nodecycle.slurm.journal) has noted. If a
    run is killed in between, the next one completes it. Without a rollout the module has nothing to compare with, and always reconfigures.
  - "The proof: the controller answers, and again two seconds later; it has read the files that are on disk (C(HASH_VAL) of
    C(scontrol show config)); every node that answered before does so again; and no job was lost."
  - The exit code of C(scontrol) proves nothing. With C(slurmctld -D) it is 0 although the controller has ended (24.11.5). It is 1 if
    a busy controller did everything but answered later than C(MessageTimeout). It never covers the nodes.
  - The module starts a controller that has ended. So after a failure the caller restores the previous files and calls this module
    again. It then starts the controller, reconfigures and proves as usual. That second reconfigure is needed even if the controller
    has survived, because 25.11 and later send the refused files to the nodes.
  - No new job starts during those seconds. The nodes are in the reservation C(nodecycle_reconfigure) (MAINT, IGNORE_JOBS) until
    the controller answers again. Otherwise slurmctld forgets a job whose launch is under way when it replaces itself (seen on 24.11.5;
    such a job counts as running for many minutes and runs nowhere). The module first waits up to 30 seconds for jobs in
    C(CONFIGURING). If it is killed, the reservation ends by itself after three minutes.
  - "During a rollout it restores what administrators have set at run time and a reconfigure resets to what slurm.conf says (24.11.5): the
    fields of partitions (a closed one would open), partitions that were created or deleted, a node's weight, features and C(CpuBind), and
    the C(SuspendExc) keys. No job starts before that. Not restored: debug level and flags, C(InstanceId) and C(InstanceType)."
  - It refuses to reconfigure while there are jobs in a partition that slurm.conf does not have, because Slurm would end them. Without
    C(ReconfigFlags=KeepPartInfo), that is.
  - Runs on a controller host. Another controller may be the active one, unless the module must start or restart a controller.
options:
  path:
    description: The controller's slurm.conf.
    type: path
    default: /etc/slurm/slurm.conf
  restart_allowed:
    description:
      - Whether the module may restart slurmctld for a changed key that a reconfigure does not apply (few keys since 23.11, a page
        of them before). Jobs survive a restart; commands wait meanwhile.
      - Without it the module returns such keys in RV(waits_for_restart), and applies the others.
    type: bool
    default: false
extends_documentation_fragment:
  - nodecycle.slurm._units
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
      - Without a rollout it always reconfigures.
seealso:
  - module: nodecycle.slurm.conf
"""

EXAMPLES = r"""
---
- name: Change slurm.conf
  nodecycle.slurm.conf:
    text: |
      PrologFlags=Alloc
  notify: Let Slurm read it

# Among the handlers:
- name: Let Slurm read it
  nodecycle.slurm.reconfigure:
"""

RETURN = r"""
needs:
  description:
    - The action that the changed keys need. V(nothing) if a rollout was about to change slurm.conf and did not.
  returned: always
  type: str
  choices: [nothing, reconfigure, restart]
changed_keys:
  description: The keys of slurm.conf that the rollout has changed, in lower case.
  returned: always
  type: list
  elements: str
waits_for_restart:
  description: Those of RV(changed_keys) that only a restart of the daemons applies, and that therefore are not in effect yet.
  returned: always
  type: list
  elements: str
unproven_keys:
  description:
    - Those of RV(changed_keys) that C(scontrol show config) still shows with the previous value. It writes some values in its own
      way, so this is a hint.
  returned: when a reconfigure was proven
  type: list
  elements: str
active_controller:
  description: The controller that answers, by its name in C(SlurmctldHost).
  returned: when a reconfigure was proven
  type: str
nodes_down:
  description:
    - The nodes that do not answer and did not before (down, switched off); they read the new configuration when they start. A
      hostlist expression.
  returned: when a reconfigure was proven
  type: str
  sample: worker[7-9]
nodes_left:
  description:
    - The nodes that no longer answer; a hostlist expression. The module fails because of such nodes unless the files are the previous
      ones again.
  returned: when a reconfigure was proven
  type: str
jobs_lost:
  description:
    - The jobs that the controller forgot, or whose node failed. The module fails because of such jobs unless the files are the previous
      ones again. An unknown job counts while the controller still remembers jobs that ended (C(MinJobAge)).
  returned: when a reconfigure was proven
  type: list
  elements: str
jobs_before:
  description: How many jobs had not ended before slurm.conf changed.
  returned: when a reconfigure was proven
  type: int
was_started:
  description: Whether the module started a controller that had ended.
  returned: when a reconfigure was proven
  type: bool
settings_restored:
  description:
    - What was set at run time, was reset by the reconfigure, and is as before again; each as the command that sets it. Fields of partitions
      and nodes whose lines in slurm.conf have changed in that field follow slurm.conf.
  returned: when a reconfigure was proven
  type: list
  elements: str
  sample: ["scontrol update PartitionName=gpu State=DOWN"]
settings_lost:
  description: What was set at run time and could not be restored, in the same form. The module warns of it.
  returned: when a reconfigure was proven
  type: list
  elements: str
failed_because:
  description: The lines that slurmctld wrote to its log since the module began, fatal lines first.
  returned: failure
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _daemons, _reconfigure


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/etc/slurm/slurm.conf"},
            "restart_allowed": {"type": "bool", "default": False},
            **_ansible.BIN_DIR_SPEC,
            **_daemons.UNITS_SPEC,
        },
        supports_check_mode=True,
    )
    _ansible.require_root(module)
    try:
        result = _reconfigure.run(module)
    except _ansible.FailedError as exc:
        module.fail_json(msg=str(exc), **exc.results)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
