#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: proof
short_description: What the next job on this host will execute, by sha256
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Finds the slurm.conf that slurmd on this host reads (its arguments C(--conf-server) and C(-f), a local file, or the copy that the
    controller of a configless cluster sent), the dispatchers that it names, and the bytes behind them.
  - C(scontrol reconfigure) ends with 0 whatever the nodes do, so this is asked of each of them. It changes nothing.
options:
  release:
    description:
      - The release that should be active, by its sha256 or the name of its directory. Where it is not, or not intact, or not what
        slurm.conf names, the module fails and says what is there instead.
      - Empty only reports.
    type: str
    default: ""
  staged:
    description: A release that should be on this host's disk, intact, active or not. Where it is not, the module fails.
    type: str
    default: ""
  root:
    description: Directory of the releases.
    type: path
    default: /etc/nodecycle
  conf_path:
    description: The host's slurm.conf.
    type: path
    default: /etc/slurm/slurm.conf
extends_documentation_fragment:
  - nodecycle.slurm._attributes
  - nodecycle.slurm._attributes.info
seealso:
  - module: nodecycle.slurm.release
  - module: nodecycle.slurm.hook_log
"""

EXAMPLES = r"""
---
- name: See what the next job runs
  nodecycle.slurm.proof:
  register: found

- name: Require a release
  nodecycle.slurm.proof:
    release: 0a1b2c3d4e5f6071
"""

RETURN = r"""
proof:
  description: What was found.
  returned: always
  type: dict
  contains:
    release:
      description: The sha256 of the active release; empty where there is none.
      type: str
    intact:
      description: Whether each of its files is what it was when the release was made.
      type: bool
    files:
      description: The sha256 of each of its files as they are on disk now.
      type: dict
    called:
      description: For each of its hooks with scripts whether slurm.conf names its dispatcher.
      type: dict
    conf:
      description: The slurm.conf that was read.
      type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import _module, _proof
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import ID_LENGTH
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Store, StoreError


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "release": {"type": "str", "default": ""},
            "staged": {"type": "str", "default": ""},
            "root": {"type": "path", "default": "/etc/nodecycle"},
            "conf_path": {"type": "path", "default": "/etc/slurm/slurm.conf"},
        },
        supports_check_mode=True,
    )
    _module.require_root(module)
    wanted, staged = module.params["release"], module.params["staged"]
    store = Store(module.params["root"])
    conf = _proof.conf_in_use(module.params["conf_path"], _proof.daemon_arguments("slurmd"))
    try:
        proof = _proof.prove(store, conf, _module.read_text)
        if staged:
            store.require(staged)
    except (StoreError, OSError) as exc:
        module.fail_json(msg=f"Reading the release in {store.root}: {exc}")
    shown = {**proof, "release": proof["release"][: len(wanted)]} if len(wanted) == ID_LENGTH else proof
    if wanted and (found := _proof.shortfalls(shown, wanted)):
        module.fail_json(
            msg=f"The next job on this host would not run release {wanted[:ID_LENGTH]}: {'; '.join(found)}.",
            proof=proof,
        )
    module.exit_json(changed=False, proof=proof)


if __name__ == "__main__":
    main()
