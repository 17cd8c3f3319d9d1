#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: conf_trial
short_description: Let Slurm try new lines of slurm.conf before they are placed
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Assembles the slurm.conf that M(nodecycle.slurm.conf) would write, in a private directory, and lets Slurm's own parser read it.
    That finds unknown keys, wrong numbers and wrong flags.
  - Then starts an isolated controller on it, and ends it as soon as it runs. That finds faults that only slurmctld knows, such as a
    plugin that does not exist or a partition on unknown nodes. The controller has namespaces of its own (network, processes,
    mounts, shared memory, host name) and an empty state of its own. The trial changes keys by which a controller acts at its start
    (O(controller)).
  - All of the host's file systems are read-only for it. C(/run), C(/var/run), C(/dev), C(/tmp), C(/var/tmp) and C(/dev/shm) are
    empty ones of its own. Of the running system's sockets there only munge's is in reach, which C(AuthInfo) names; with
    C(AuthType=auth/slurm) none is. Its environment is empty but for C(PATH), the locale, C(TZ) and C(LD_LIBRARY_PATH).
  - If the host does not allow a part of this, the module starts no controller and warns with the reason.
  - The task fails if the controller ends by itself. A complaint that the present configuration does not cause is a warning.
  - Runs on a controller host. Changes nothing.
options:
  path:
    description: The host's slurm.conf.
    type: path
    default: /etc/slurm/slurm.conf
  text:
    description: The content that the included file is to have, as in M(nodecycle.slurm.conf). Empty stands for no file.
    type: str
    required: true
  adopt:
    description: Keys that slurm.conf sets by itself and that O(text) is to set, as in M(nodecycle.slurm.conf).
    type: list
    elements: str
    default: []
  root:
    description:
      - Directory of the releases. The lines at the beginning of O(text) that name hooks there are this collection's, the rest
        are the user's; a controller's hook there need not exist yet.
    type: path
    default: /etc/nodecycle
  controller:
    description:
      - Whether to start a controller. Changed for the trial are C(StateSaveLocation), C(SlurmctldPidFile), C(SlurmctldLogFile),
        C(SlurmctldDebug), C(SlurmctldSyslogDebug), C(SlurmSchedLogFile), C(SlurmSchedLogLevel), C(DebugFlags), C(LogTimeFormat),
        C(SlurmctldHost) (this host alone), C(SlurmctldPrimaryOnProg),
        C(SlurmctldPrimaryOffProg), C(ResumeProgram), C(SuspendProgram), C(ResumeFailProgram), C(AccountingStorageType),
        C(AccountingStorageEnforce), C(JobCompType) and C(JobCompLoc), so their values are not tried.
      - The module does not start it if a plugin would act by itself (C(BurstBufferType), C(PowerPlugin), C(NodeFeaturesPlugins) with C(knl)).
    type: bool
    default: true
  timeout:
    description: Seconds within which such a controller must run or end.
    type: int
    default: 30
extends_documentation_fragment:
  - nodecycle.slurm._units
  - nodecycle.slurm._attributes
  - nodecycle.slurm._attributes.info
  - nodecycle.slurm._slurm_commands
seealso:
  - module: nodecycle.slurm.conf
"""

EXAMPLES = r"""
---
- name: Ask Slurm about a partition
  nodecycle.slurm.conf_trial:
    text: |
      PartitionName=night Nodes=worker[1-3]

- name: Ask its parser alone
  nodecycle.slurm.conf_trial:
    text: |
      PrologFlags=Alloc
    controller: false
"""

RETURN = r"""
controller_checked:
  description: Whether a controller was started on the new configuration.
  returned: always
  type: bool
why:
  description: Why no controller was started, or why it says nothing about the new configuration.
  returned: when RV(controller_checked) is false
  type: str
  sample: "this host does not let it be shut off from the running system: unshare: unshare failed: Operation not permitted"
findings:
  description: Slurm's complaints about the new configuration.
  returned: always
  type: list
  elements: dict
  contains:
    severity:
      description: V(error) if it fails the task, V(warning) if the controller runs nevertheless.
      type: str
    message:
      description: Slurm's words.
      type: str
    variable:
      description: The variable that they are about; empty if Slurm's words do not tell.
      type: str
      sample: slurm_extra_conf
    line:
      description: The line of the variable, from 1; 0 if Slurm's words do not tell.
      type: int
    key:
      description: The key on this line.
      type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _conf, _conf_trial, _daemons


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            **_conf.ARGUMENTS,
            "root": {"type": "path", "default": "/etc/nodecycle"},
            "controller": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 30},
            **_ansible.BIN_DIR_SPEC,
            **_daemons.UNITS_SPEC,
        },
        supports_check_mode=True,
    )
    _ansible.require_root(module)
    _daemons.require_units(module)
    try:
        result = _conf_trial.run(module)
    except _ansible.FailedError as exc:
        module.fail_json(msg=str(exc), **exc.results)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
