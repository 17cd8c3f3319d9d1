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
  - Places C(nodecycle.conf) beside a host's slurm.conf and one C(Include) line at the end of slurm.conf, or removes both.
    The rest of slurm.conf stays, except for the lines of keys that O(adopt) names.
  - Slurm's own parser first reads the complete result from a private directory (C(scontrol) with C(SLURM_CONF)). So a wrong key
    never stops the host's Slurm commands.
  - Bytes that are not UTF-8 stay in the file, and are replaced in the output. Several hosts may share one file. The module does not
    repeat a change that another host has made already.
  - The next C(scontrol reconfigure) makes the daemons read it, see M(nodecycle.slurm.reconfigure).
options:
  path:
    description: The host's slurm.conf. If it is a symbolic link, the module changes its target and the link stays.
    type: path
    default: /etc/slurm/slurm.conf
  text:
    description: The content of the included file. Empty removes the file and the line.
    type: str
    required: true
  adopt:
    description:
      - Keys that slurm.conf sets by itself and that O(text) is to set from now on. Their lines become comments that begin with
        C(#nodecycle.slurm adopted#). The module restores them when O(text) is empty.
    type: list
    elements: str
    default: []
  is_undo:
    description:
      - Whether this undoes a change of ours. An undo goes on without a backup if a full disk has no room for it.
    type: bool
    default: false
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

- name: Remove our lines
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
  description: The path of the previous slurm.conf.
  returned: when slurm.conf itself changed
  type: str
"""

import shutil
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import (
    _ansible,
    _conf,
    _conf_files,
    _conf_parser,
    _daemons,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import SlurmError


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            **_conf.ARGUMENTS,
            "is_undo": {"type": "bool", "default": False},
            **_ansible.BIN_DIR_SPEC,
            **_daemons.UNITS_SPEC,
        },
        supports_check_mode=True,
    )
    _ansible.require_root(module)
    path = module.params["path"]
    backup = ""
    try:
        # A killed run's module may still write. It must not do so after this one.
        with _ansible.exclusive(module):
            changes = _conf.changes(path, module.params["text"], module.params["adopt"], _ansible.read_text)
            if changes:
                directory = tempfile.mkdtemp(prefix="nodecycle-")
                try:
                    candidate = _conf_parser.overlay(changes, _ansible.read_text)
                    _conf_parser.parse(path, candidate, _ansible.runner(module, module.params["bin_dir"]), directory)
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
