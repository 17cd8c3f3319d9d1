#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: journal_info
short_description: Read the rollout under way, the committed ones, and the holder of the lock
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Reads the record of rollouts on the first controller. It needs no lock and changes nothing.
extends_documentation_fragment:
  - nodecycle.slurm._attributes
  - nodecycle.slurm._attributes.info
seealso:
  - module: nodecycle.slurm.journal
"""

EXAMPLES = r"""
---
- name: Check whether a rollout is under way
  nodecycle.slurm.journal_info:
  register: history
"""

RETURN = r"""
journal:
  description: The rollout under way. Nothing if there is none.
  returned: success
  type: dict
committed:
  description: The rollouts that were committed, newest first, each with C(name), C(committed) (seconds since the epoch), C(hosts) and C(conf).
  returned: success
  type: list
  elements: dict
holder:
  description: The run that holds the lock. Nothing if there is none, or if the lock cannot be read.
  returned: success
  type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal import (
    Journal,
    JournalError,
    UnreadableError,
    without_baseline,
)


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    _ansible.require_root(module)
    journal = Journal()
    try:
        holder = None
        try:
            holder = journal.holder()
        except UnreadableError as exc:
            module.warn(f"The lock of the rollout: {exc}.")
        module.exit_json(
            changed=False, journal=without_baseline(journal.current()), committed=journal.committed(), holder=holder
        )
    except (JournalError, OSError) as exc:
        module.fail_json(msg=f"The journal of the rollout: {exc}.")


if __name__ == "__main__":
    main()
