#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: definition
short_description: Check the definition of a whole cluster before any host is touched
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - An action that works on the control node only. It takes the variables of the hooks (V(slurm_worker_prolog) and so on) of every
    host, checks their form, and renders every script under the variables of its host. It compares the result with the facts of
    the cluster.
  - It reports all problems at once, equal ones of several hosts as one. Each has the variable, the host, the remedy, and the file
    and line if Ansible knows them.
  - It shows the findings of the linters with them, errors and warnings together. Those that stop the run are marked. Each rule
    comes with the address of its page.
options:
  cluster:
    description: The result of M(nodecycle.slurm.cluster_info). Without it the action checks the variables alone.
    type: dict
  controllers:
    description: The inventory's controllers.
    type: list
    elements: str
    required: true
  logins:
    description: The inventory's login nodes.
    type: list
    elements: str
    default: []
  workers:
    description: The inventory's workers.
    type: list
    elements: str
    default: []
  targets:
    description: The hosts that the run may change. For the others the action only looks up which hooks are in use.
    type: list
    elements: str
    required: true
  root:
    description: Directory of the releases on the hosts.
    type: path
    default: /etc/nodecycle
  extra_conf:
    description: Lines for slurm.conf, a text or a list of lines.
    type: raw
    default: ""
  adopt:
    description: Keys of the cluster's slurm.conf whose own lines may be turned into comments.
    type: list
    elements: str
    default: []
  keep:
    description:
      - Keys of the cluster's slurm.conf whose own lines stay and run beside ours, V(Prolog), V(Epilog), V(PrologSlurmctld) or
        V(EpilogSlurmctld). Needs Slurm 24.05 or newer.
    type: list
    elements: str
    default: []
  unmanaged_nodes:
    description: Hostlist expression of the cluster's nodes that need not be in the inventory.
    type: str
    default: ""
  is_limited:
    description:
      - Whether the run leaves hosts out (C(--limit)). Such a run must not add the first worker hook to slurm.conf or remove the last one,
        because slurm.conf and the files on every worker must change together.
    type: bool
    default: false
  restart_allowed:
    description: Whether slurmctld may be restarted for keys that it does not apply otherwise.
    type: bool
    default: false
  birth:
    description: Whether the controllers carry the releases to nodes that are born between two runs (M(nodecycle.slurm.bundle)).
    type: bool
    default: false
  probe_timeout:
    description: Seconds after which a probe is given up. A script with a longer time limit of its own causes a warning; 0 for none.
    type: int
    default: 0
  lint_disable:
    description: Rules of the linters to switch off.
    type: list
    elements: str
    default: []
  lint_severity:
    description: Severity by rule, V(error), V(warning), V(info) or V(off), if it is to differ from the rule's own.
    type: dict
    default: {}
  lint_threshold:
    description: Findings of this severity or worse stop the run.
    type: str
    choices: [error, warning, info]
    default: error
  lint_sarif:
    description: A file on the control node, into which the action writes all findings and problems as SARIF 2.1.0. Empty writes none.
    type: str
    default: ""
extends_documentation_fragment:
  - nodecycle.slurm._attributes
  - nodecycle.slurm._attributes.info
seealso:
  - module: nodecycle.slurm.cluster_info
  - module: nodecycle.slurm.release
"""

EXAMPLES = r"""
---
- name: Check the definition
  nodecycle.slurm.definition:
    cluster: "{{ cluster }}"
    controllers: "{{ groups.slurm_controller }}"
    workers: "{{ groups.slurm_worker }}"
    targets: "{{ ansible_play_hosts_all }}"
  run_once: true
  register: definition
"""

RETURN = r"""
findings:
  description: The findings of the linters, each with rule, severity, hook, script, origin, line, column, message, why, fix, host, page,
    file, file_line and file_column.
  returned: success
  type: list
  elements: dict
checked:
  description: How many hosts, distinct scripts, lines of slurm.conf and rules this was about.
  returned: success
  type: dict
  sample: {hosts: 5, scripts: 2, lines: 1, rules: 60}
name:
  description: The name of the rollout, a digest over the releases of all hosts and the lines in slurm.conf.
  returned: with O(cluster)
  type: str
hooks:
  description: The hooks that run something somewhere.
  returned: with O(cluster)
  type: list
  elements: str
hosts:
  description:
    - For each host the hooks for which it gets a dispatcher, the id of its release (empty where it needs none), its name in Slurm, its kinds and
      its C(delivery).
    - Also whether this run is about it (C(is_target)), and where Slurm delivers, the id of the release that runs nothing (C(nothing)).
  returned: with O(cluster)
  type: dict
  sample: {worker1: {hooks: [worker_init, worker_prolog], id: 0a1b2c, node: worker1, kinds: [worker], delivery: push, nothing: "", is_target: true}}
conf_text:
  description: The content of the file that slurm.conf includes; empty if no file is needed.
  returned: with O(cluster)
  type: str
bundle:
  description: The releases that Slurm delivers, with O(birth) those of all workers, by their ids, as M(nodecycle.slurm.bundle) takes them.
  returned: with O(cluster)
  type: dict
compared:
  description: The changes that Slurm would deliver, as M(nodecycle.slurm.bundle) compares them, each V(OLD NEW).
  returned: with O(cluster)
  type: list
  elements: str
init_timeout:
  description: The longest time, in seconds, that a worker gives all its init scripts.
  returned: with O(cluster)
  type: int
conf_is_settled:
  description: Whether the first controller's slurm.conf says that already.
  returned: with O(cluster)
  type: bool
controller_is_settled:
  description: Whether the first controller has this release and these lines of slurm.conf already.
  returned: with O(cluster)
  type: bool
"""
