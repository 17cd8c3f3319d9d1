#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: rollout
short_description: Decide what a rollout does next
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Only the tasks of the role P(nodecycle.slurm.rollout#role) need this action. It reads the answers of the hosts in this run, and returns the
    state of the run, by which the following plays choose their hosts.
  - It works on the control node. Only O(step=evaluate) touches a host. It notes its result in the journal on the first controller.
options:
  step:
    description: The decision.
    type: str
    required: true
    choices:
      check: Whether a killed run has left a rollout to finish or undo first.
      plan: Which host takes which step. Fails if there is a reason against the rollout.
      failed: On which hosts the step has failed so far.
      evaluate: Whether the rollout goes on after a step.
      missed: On which hosts the probes did not meet every script.
      failures: The last failure on each host, and the jobs that Slurm holds because of one.
      undo: The outcome of an undo so far.
      undone: The result of an undo.
      finish: The result of the run.
      rollback_target: The committed rollout to return to.
      rollback: The journal of a rollback.
      rollback_begin: The steps of a rollback, as an undo.
      status: The release that each host runs.
  hosts:
    description: The hosts of this step.
    type: list
    elements: str
    default: []
  controllers:
    description: The inventory's controllers, the first one first.
    type: list
    elements: str
    default: []
  cluster:
    description: The result of M(nodecycle.slurm.cluster_info).
    type: dict
  definition:
    description: The result of M(nodecycle.slurm.definition).
    type: dict
  settings:
    description: The variables of the role that a plan depends on.
    type: dict
  failures:
    description: With O(step=evaluate), further failures by host, beside those in the hosts' answers.
    type: dict
    default: {}
  seconds:
    description: With O(step=evaluate), how long to watch the nodes.
    type: int
    default: 0
  tolerated:
    description: With O(step=evaluate), how many hosts and nodes may fail.
    type: int
    default: 0
  note:
    description: With O(step=evaluate), the note for the journal if the rollout goes on.
    type: dict
    default: {}
  outcome:
    description: The result of O(step=undo).
    type: dict
  resumed:
    description: The result of M(nodecycle.slurm.node) for the nodes of an undo.
    type: dict
    default: {}
  released:
    description: The result of M(nodecycle.slurm.held_jobs).
    type: dict
    default: {}
  absent:
    description: The result of M(nodecycle.slurm.probe) with C(state=absent).
    type: dict
    default: {}
  history:
    description: The journal and the committed rollouts, as M(nodecycle.slurm.journal_info) returned them.
    type: dict
  name:
    description: With O(step=rollback_target), the rollout to return to; empty for the previous one.
    type: str
    default: ""
  target:
    description: The result of O(step=rollback_target).
    type: dict
  bin_dir:
    description: Directory of Slurm's commands on the controller, if they are not in PATH.
    type: path
    default: ""
extends_documentation_fragment:
  - nodecycle.slurm._attributes
  - nodecycle.slurm._attributes.info
seealso:
  - module: nodecycle.slurm.journal
"""

EXAMPLES = r"""
---
- name: Evaluate the step
  nodecycle.slurm.rollout:
    step: evaluate
    hosts: "{{ ansible_play_batch }}"
    seconds: 10
  delegate_to: controller
  run_once: true
  register: decision
"""

RETURN = r"""
run:
  description: The state of the run, for the fact that carries it from play to play.
  returned: with O(step) V(check), V(plan), V(evaluate), V(undone), V(rollback_target) and V(rollback_begin)
  type: dict
lines:
  description: The lines to show.
  returned: with O(step) V(finish) and V(status)
  type: list
  elements: str
"""
