#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: conf
short_description: Lines of slurm.conf in a file of our own
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Places C(nodecycle.conf) beside a host's slurm.conf and one C(Include) line at the end of that, or takes both away.
    Nothing else in slurm.conf is touched, except for the lines of keys that O(adopt) names.
  - The complete result is first read by Slurm's own parser from a private directory (C(scontrol) with C(SLURM_CONF)), so that
    a wrong key never takes away the host's Slurm commands.
  - Bytes that are no UTF-8 stay as they are in the file, and are replaced where the module shows them. Several hosts may share one
    file; what another one of them has changed already is not changed again.
  - The next C(scontrol reconfigure) makes the daemons read it, see M(nodecycle.slurm.reconfigure).
options:
  path:
    description: The host's slurm.conf. Where it is a symbolic link, the file behind it is changed and the link stays.
    type: path
    default: /etc/slurm/slurm.conf
  text:
    description: The content of the included file. Empty takes the file and the line away.
    type: str
    required: true
  adopt:
    description:
      - Keys that slurm.conf sets by itself and that O(text) is to set from now on. Their lines are turned into comments that
        begin with C(#nodecycle.slurm adopted#), and come back when O(text) is empty.
    type: list
    elements: str
    default: []
  is_undo:
    description:
      - Whether this takes a change of ours back. Then it does not need the copy of what it replaces, for which a full disk may have no room.
    type: bool
    default: false
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
  - module: nodecycle.slurm.conf_trial
  - module: nodecycle.slurm.reconfigure
"""

EXAMPLES = r"""
---
- name: Tune the scheduler
  nodecycle.slurm.conf:
    text: |
      SchedulerParameters=bf_continue,bf_window=2880

- name: Take our lines away
  nodecycle.slurm.conf:
    text: ""
"""

RETURN = r"""
changed_files:
  description: The files that changed.
  returned: success
  type: list
  elements: str
backup:
  description: Where the previous slurm.conf is kept.
  returned: when slurm.conf itself changed
  type: str
"""

import shutil
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _conf, _conf_files, _conf_parser
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import SlurmError


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            **_conf.ARGUMENTS,
            "is_undo": {"type": "bool", "default": False},
            **_ansible.BIN_DIR_SPEC,
        },
        supports_check_mode=True,
    )
    _ansible.require_root(module)
    path = module.params["path"]
    backup = ""
    try:
        # What a killed run still writes must not come after what this one writes.
        with _ansible.exclusive(module):
            changes = _conf.changes(path, module.params["text"], module.params["adopt"], _ansible.read_text)
            if changes:
                directory = tempfile.mkdtemp(prefix="nodecycle-")
                try:
                    _conf_parser.parse(changes, path, _ansible.runner(module, module.params["bin_dir"]), directory)
                finally:
                    shutil.rmtree(directory)
            if not module.check_mode:
                backup = _conf_files.apply(changes, path, is_undo=module.params["is_undo"])
    except SlurmError as exc:
        module.fail_json(
            msg=_ansible.shown(
                f"Slurm refuses the new configuration, so nothing was changed. {exc}. Correct `slurm_extra_conf`."
            )
        )
    except (_conf.ConfError, OSError) as exc:
        module.fail_json(msg=_ansible.shown(f"Changing {path}: {exc}"))
    module.exit_json(
        changed=bool(changes),
        changed_files=[change.path for change in changes],
        diff=[
            {
                "before_header": change.path,
                "after_header": change.path,
                "before": _ansible.shown(change.before or ""),
                "after": _ansible.shown(change.after or ""),
            }
            for change in changes
        ],
        **({"backup": backup} if backup else {}),
    )


if __name__ == "__main__":
    main()
