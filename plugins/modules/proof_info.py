#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: proof_info
short_description: Read what the next job on this host will execute, by sha256
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Finds the slurm.conf that slurmd on this host reads (its arguments C(--conf-server) and C(-f), a local file, or the copy that the
    controller of a configless cluster sent), the dispatchers that it names, and the bytes behind them.
  - C(scontrol reconfigure) ends with 0 whatever the nodes do. So this module checks each of them. It changes nothing.
options:
  release:
    description:
      - The release that should be active, by its sha256 or the name of its directory. The module fails if it is not active, not intact,
        or not named by slurm.conf, and tells the difference.
      - If empty, the module only reports.
    type: str
    default: ""
  staged:
    description:
      - A release that should be on this host's disk, active or not. The module fails if its files are not those that were staged. An activation
        restores everything else.
    type: str
    default: ""
  conf_text:
    description:
      - The content that our file beside slurm.conf should have on this host. The module fails if it does not within O(wait) seconds.
      - The module also fails if slurm.conf with all its included files makes Slurm run something else than the dispatchers of this text.
      - A host without a running slurmd or slurmctld always passes, because they read slurm.conf when they start.
    type: str
  wait:
    description: Seconds within which a node must have O(conf_text). It arrives a second or two after the controller's reconfigure.
    type: int
    default: 30
  root:
    description: Directory of the releases.
    type: path
    default: /etc/nodecycle
  conf_path:
    description: The host's slurm.conf.
    type: path
    default: /etc/slurm/slurm.conf
  gate:
    description:
      - The init hooks that hold a daemon back, as in M(nodecycle.slurm.release). With it the module also compares everything around the release
        (units, drop-ins, log rules, logs and directories), and RV(proof.drift) names the differences.
      - Without it the module compares only the release and the directories above it, which decide what the next job runs.
    type: list
    elements: str
    choices: [worker_init, controller_init]
  init_timeouts:
    description: How long the scripts of an init hook may take at a boot, as O(nodecycle.slurm.init#module:timeouts).
    type: dict
    default: {}
extends_documentation_fragment:
  - nodecycle.slurm._units
  - nodecycle.slurm._attributes
  - nodecycle.slurm._attributes.info
seealso:
  - module: nodecycle.slurm.release
  - module: nodecycle.slurm.hook_log_info
"""

EXAMPLES = r"""
---
- name: Read what the next job runs
  nodecycle.slurm.proof_info:
  register: found

- name: Require a release
  nodecycle.slurm.proof_info:
    release: 0a1b2c3d4e5f6071
"""

RETURN = r"""
proof:
  description: The proof.
  returned: always
  type: dict
  contains:
    release:
      description: The sha256 of the active release; empty where there is none.
      type: str
    intact:
      description:
        - Whether each of its files is unchanged, and nothing around them, from O(root) down, belongs to another user, is writable for
          others, or comes from somebody else.
      type: bool
    drift:
      description: The exceptions to RV(proof.intact), files of the release without its directory, everything else with the whole path.
      type: list
    files:
      description: The sha256 of each of its files as they are on disk now.
      type: dict
    called:
      description: For each of its hooks with scripts whether Slurm runs its dispatcher, by its slurm.conf and the rules of its version.
      type: dict
    also:
      description: The programs that Slurm runs beside the dispatchers, for hooks whose lines in slurm.conf add up (24.05 and later).
      type: dict
    conf:
      description: The slurm.conf that was read.
      type: str
daemon:
  description: Whether slurmd runs on this host.
  returned: always
  type: bool
conf_lines:
  description:
    - Our lines in the host's own slurm.conf as C(text), and the keys that were adopted there as C(adopt). Nothing for a host without a
      slurm.conf of its own.
  returned: always
  type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import (
    _ansible,
    _conf,
    _daemons,
    _proof,
    _releases,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import ID_LENGTH
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Store, StoreError


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "release": {"type": "str", "default": ""},
            "staged": {"type": "str", "default": ""},
            "conf_text": {"type": "str"},
            "wait": {"type": "int", "default": 30},
            "root": {"type": "path", "default": "/etc/nodecycle"},
            "conf_path": {"type": "path", "default": "/etc/slurm/slurm.conf"},
            "gate": {"type": "list", "elements": "str", "choices": ["worker_init", "controller_init"]},
            "init_timeouts": {"type": "dict", "default": {}},
            **_daemons.UNITS_SPEC,
        },
        supports_check_mode=True,
    )
    _ansible.require_root(module)
    _daemons.require_units(module)
    wanted, staged, text = (module.params[name] for name in ("release", "staged", "conf_text"))
    root, conf_path = module.params["root"], module.params["conf_path"]
    try:
        store = Store(root, _proof.slurm_user(_proof.conf_in_use(conf_path), _ansible.read_text))
        reader = _proof.reader(module, store.slurm_uid)
        conf = _proof.conf_in_use(conf_path, reader)

        def version() -> _releases.Release | None:
            return _daemons.version(module, reader.pid, reader.name)

        if text is not None and reader.pid:
            if not _proof.has_text(conf, text, module.params["wait"], _ansible.read_text):
                module.fail_json(
                    msg=f"{reader.name} on this host has not taken the new slurm.conf within {module.params['wait']} seconds ({conf} does "
                    f"not include the {_conf.FRAGMENT} of this run): check in its log whether it reaches the controller"
                )
            if lost := _proof.stolen(conf, text, root, _ansible.read_text, version):
                module.fail_json(
                    msg=f"With the new slurm.conf Slurm would not run our dispatchers on this host. {'; '.join(lost)}. Remove that line, or "
                    "the one that includes it (`slurm_extra_conf`), and define the script in the variable of this hook"
                )
        proof = _proof.prove(store, conf, _ansible.read_text, reader.is_slurmd, version)
        if module.params["gate"] is not None and proof["release"]:
            proof["drift"] += _proof.around(store, proof["release"], module.params)
            proof["intact"] = not proof["drift"]
        if staged:
            store.require_way_back(staged)
        lines = _conf.lines_of(conf_path, _ansible.read_text)
    except (StoreError, _conf.ConfError, ValueError, OSError) as exc:
        module.fail_json(msg=f"Reading the release in {root}, or slurm.conf: {exc}")
    shown = {**proof, "release": proof["release"][: len(wanted)]} if len(wanted) == ID_LENGTH else proof
    if wanted and (found := _proof.shortfalls(shown, wanted)):
        module.fail_json(
            msg=f"The next job on this host would not run release {wanted[:ID_LENGTH]}: {'; '.join(found)}.",
            proof=proof,
        )
    module.exit_json(changed=False, proof=proof, daemon=reader.is_slurmd, conf_lines=lines)


if __name__ == "__main__":
    main()
