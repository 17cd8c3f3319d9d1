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
  - Runs C(scontrol reconfigure) once, when it was announced before, and makes sure afterwards that the controller answers
    with the new configuration.
  - It is announced before slurm.conf is changed, so that a run that is killed in between is completed by the next one.
  - Runs on the active controller.
options:
  state:
    description: What to do.
    type: str
    choices:
      announced: Note on this host that slurm.conf is about to change.
      done: Reconfigure if that was noted, and forget the note when the controller has taken the new configuration.
    default: done
  due:
    description:
      - Reconfigure without such a note, too. In check mode, where nothing is noted, this is how the module knows that it would.
    type: bool
    default: false
extends_documentation_fragment:
  - nodecycle.slurm._attributes
  - nodecycle.slurm._slurm_commands
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: nodecycle.slurm.conf
"""

EXAMPLES = r"""
---
- name: Announce the change
  nodecycle.slurm.reconfigure:
    state: announced

- name: Change slurm.conf
  nodecycle.slurm.conf:
    text: |
      PrologFlags=Alloc

- name: Let Slurm read it
  nodecycle.slurm.reconfigure:
"""

RETURN = r"""
was_due:
  description: Whether a reconfigure had been announced.
  returned: success
  type: bool
"""

import contextlib
import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import _files, _module
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Slurm, SlurmError

#: The controller of 23.11 and later replaces itself by a new process, which takes 2 to 5 seconds.
ANSWER_WITHIN = 30


def announce() -> None:
    """Leave the note."""
    _files.make_parents(_module.RECONFIGURE_DUE)
    _files.write_atomic(
        _module.RECONFIGURE_DUE, b"slurm.conf was changed and the controller has not yet read it.\n", 0o644
    )


def reconfigure(slurm: Slurm) -> None:
    """Reconfigure, and wait until the controller answers and runs what its slurm.conf says. Raises SlurmError."""
    slurm.call("scontrol", "reconfigure")
    deadline = time.monotonic() + ANSWER_WITHIN
    while True:
        try:
            config = slurm.cluster().config
        except SlurmError:
            if time.monotonic() > deadline:
                raise
        else:
            # 22.05 has no such line until the first difference is known.
            if not config.get("HASH_VAL", "").startswith("Different"):
                return
            if time.monotonic() > deadline:
                raise SlurmError(
                    f"the controller still runs another slurm.conf than the one on disk (HASH_VAL = {config['HASH_VAL']})"
                )
        time.sleep(0.5)


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["announced", "done"], "default": "done"},
            "due": {"type": "bool", "default": False},
            **_module.BIN_DIR_SPEC,
        },
        supports_check_mode=True,
    )
    _module.require_root(module)
    due = os.path.exists(_module.RECONFIGURE_DUE)
    if module.params["state"] == "announced":
        if not due and not module.check_mode:
            announce()
        module.exit_json(changed=not due, was_due=due)
    due = due or module.params["due"]
    if due and not module.check_mode:
        try:
            reconfigure(Slurm(_module.runner(module, module.params["bin_dir"])))
        except SlurmError as exc:
            module.fail_json(
                msg=f"scontrol reconfigure did not succeed: {exc}. slurm.conf is changed on disk; the next run tries again. "
                "slurmctld's log says more (SlurmctldLogFile, or journalctl -u slurmctld)."
            )
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_module.RECONFIGURE_DUE)
    module.exit_json(changed=due, was_due=due)


if __name__ == "__main__":
    main()
