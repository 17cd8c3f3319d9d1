#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cluster_info
short_description: Read the facts of a cluster from its Slurm controller
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Asks the running controller, once for the whole cluster, for its version, nodes and partitions, and reads the keys
    that its slurm.conf and the files included there set.
  - Runs on a controller host. Changes nothing.
options:
  root:
    description: Directory of the releases, needed for RV(intact).
    type: path
    default: /etc/nodecycle
  gate:
    description: The init hooks that hold a daemon back, as in M(nodecycle.slurm.release).
    type: list
    elements: str
    choices: [worker_init, controller_init]
    default: [worker_init]
  init_timeouts:
    description: How long the scripts of an init hook may take at a boot, as O(nodecycle.slurm.init#module:timeouts).
    type: dict
    default: {}
extends_documentation_fragment:
  - nodecycle.slurm._units
  - nodecycle.slurm._attributes
  - nodecycle.slurm._attributes.info
  - nodecycle.slurm._slurm_commands
seealso:
  - module: nodecycle.slurm.definition
"""

EXAMPLES = r"""
---
- name: Ask the controller
  nodecycle.slurm.cluster_info:
  register: cluster

- name: Show which node is drained, and why
  ansible.builtin.debug:
    msg: "{{ cluster.nodes | dict2items | selectattr('value.flags', 'contains', 'DRAIN') | items2dict }}"
"""

RETURN = r"""
version:
  description: Slurm's version, as in C(scontrol show config).
  returned: success
  type: str
  sample: 24.11.5
name:
  description: ClusterName.
  returned: success
  type: str
conf_path:
  description: The main slurm.conf of the controller.
  returned: success
  type: str
  sample: /etc/slurm/slurm.conf
slurm_user:
  description: SlurmUser.
  returned: success
  type: str
controllers:
  description: The names of the SlurmctldHost lines, the primary first.
  returned: success
  type: list
  elements: str
partitions:
  description: The partitions' names.
  returned: success
  type: list
  elements: str
closed_partitions:
  description: Those of them whose jobs do not start (C(State) is not V(UP)).
  returned: success
  type: list
  elements: str
loose_partitions:
  description:
    - The partitions that slurm.conf, without this collection's own file, does not have, each with the number of its jobs that have not ended.
      A reconfigure ends these jobs. Empty with C(ReconfigFlags=KeepPartInfo).
  returned: success
  type: dict
  sample: {night: 2}
waits_for_database:
  description:
    - The partitions with C(AllowQos) or C(DenyQos), if slurmdbd does not answer and this is Slurm 23.11 to 24.11.5. A controller that reads
      slurm.conf then ends when slurmdbd is back.
  returned: success
  type: list
  elements: str
nodes:
  description: State of each node by its name, as RV(nodecycle.slurm.node_info#module:nodes).
  returned: success
  type: dict
  sample:
    worker1:
      state: IDLE
      flags: [DRAIN]
      partitions: [batch]
      reason: Prolog error
      reason_user: slurm
      reason_time: "2026-11-22T14:40:33"
      owner: slurm
conf:
  description: The keys that slurm.conf sets, without those of this collection's own file.
  returned: success
  type: list
  elements: dict
  sample: [{key: Prolog, value: /etc/slurm/prolog.sh, file: /etc/slurm/slurm.conf, line: 31}]
adopted:
  description: The keys of slurm.conf that were commented out when they were adopted.
  returned: success
  type: list
  elements: str
fragment:
  description: The present content of our included file; empty if there is none.
  returned: success
  type: str
included:
  description: Whether slurm.conf includes our file.
  returned: success
  type: bool
reconfigure_due:
  description: Whether an earlier run began to change slurm.conf without a successful reconfigure.
  returned: success
  type: bool
intact:
  description: The id of the controller's active release if it is intact with all its files and units, else empty.
  returned: success
  type: str
journal:
  description: The rollout that an earlier run has left open, as M(nodecycle.slurm.journal) keeps it. Nothing if there is none.
  returned: success
  type: dict
committed:
  description: The rollout that was committed last, with C(name), C(committed) (seconds since the epoch), C(hosts) and C(conf).
  returned: success
  type: dict
is_clean:
  description: Whether there is no release and no unit of this collection on the controller.
  returned: success
  type: bool
"""

import dataclasses
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import (
    _ansible,
    _conf,
    _conf_files,
    _daemons,
    _drift,
    _host_files,
    _interpreter,
    _ownership,
    _run_time,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal import Journal, JournalError, without_baseline
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import SlurmError, closed_partitions
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Store, StoreError, init_pending


def intact_release(store: Store, params: t.Mapping[str, t.Any]) -> str:
    """The id of the active release if no file of it and around it has to be touched, else empty."""
    manifest = store.manifest(store.current() or "")
    if not manifest or store.damaged(manifest) or init_pending(manifest):
        return ""
    if _drift.open_parents(store.root) or _interpreter.open_places_of(store, manifest):
        return ""
    wanted = _host_files.around(store, manifest, params)
    return "" if _host_files.missing(wanted, store.owners) else str(manifest["id"])


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            **_ansible.BIN_DIR_SPEC,
            "root": {"type": "path", "default": "/etc/nodecycle"},
            "gate": {
                "type": "list",
                "elements": "str",
                "choices": ["worker_init", "controller_init"],
                "default": ["worker_init"],
            },
            "init_timeouts": {"type": "dict", "default": {}},
            **_daemons.UNITS_SPEC,
        },
        supports_check_mode=True,
    )
    _ansible.require_root(module)
    slurm = _ansible.slurm(module)
    try:
        cluster = slurm.cluster()
        nodes = slurm.nodes()
        partitions = slurm.partitions()
        main_text = _ansible.read_text(cluster.conf_path)
        conf = _conf.tree(cluster.conf_path, _ansible.read_text, with_ours=False)
        main_keys: dict[str, list[str]] = {}
        for entry in conf:
            main_keys.setdefault(entry.key.lower(), []).append(entry.value)
        loose = {
            name: len(slurm.queue("%A", "-p", name))
            for name in _run_time.vanishing(partitions, main_keys, cluster.config)
        }
        waiting = slurm.waits_for_database(cluster)
        fragment_path = _conf.fragment_path(cluster.conf_path, _ansible.read_text)
        fragment = _ansible.read_text(fragment_path)
        store = Store(module.params["root"], cluster.slurm_user)
        is_open = bool(_conf_files.open_fragment(cluster.conf_path))
        intact = "" if is_open else intact_release(store, module.params)
        journal = Journal().current()
        committed = Journal().committed()
    except (JournalError, SlurmError, _conf.ConfError, StoreError, ValueError, OSError) as exc:
        module.fail_json(msg=_ansible.shown(f"Asking the controller about its cluster: {exc}"))
    module.exit_json(
        changed=False,
        version=cluster.version,
        name=cluster.name,
        conf_path=cluster.conf_path,
        slurm_user=cluster.slurm_user,
        controllers=list(cluster.controllers),
        partitions=list(partitions),
        closed_partitions=closed_partitions(partitions),
        loose_partitions=loose,
        waits_for_database=waiting,
        nodes={name: _ownership.facts(node, cluster.slurm_user) for name, node in nodes.items()},
        # Comments and values are others' words.
        conf=_ansible.shown([dataclasses.asdict(entry) for entry in conf]),
        adopted=_conf.adopted(main_text or ""),
        fragment=_ansible.shown(fragment or ""),
        included=_conf.has_include(main_text or ""),
        reconfigure_due="baseline" in (journal or {}),
        intact=intact,
        journal=without_baseline(journal),
        committed=committed[0] if committed else None,
        is_clean=not store.exists() and not _host_files.present(),
    )


if __name__ == "__main__":
    main()
