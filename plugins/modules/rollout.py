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
  - The tasks of the role P(nodecycle.slurm.rollout#role) decide with this action, and nobody else needs it. It takes what the hosts have answered in
    this run, and returns the state of the run with which the plays that follow choose their hosts.
  - It works on the control node. Only O(step=evaluate) touches a host, the first controller, where it notes its result in the journal.
options:
  step:
    description: What to decide.
    type: str
    required: true
    choices:
      check: Whether a killed run has left a rollout that is to be finished or undone first.
      plan: Which host takes which step. Fails where there is a reason against all of it.
      failed: On which hosts the step has failed so far.
      evaluate: Whether the rollout goes on after a step.
      missed: On which hosts the probes did not meet every script.
      failures: The last failure on each host, and the jobs that Slurm holds because of one.
      undo: What came of an undo so far.
      undone: What an undo has done.
      finish: How the run has ended.
      rollback_target: To which committed rollout to go back.
      rollback: The journal of a rollback.
      rollback_begin: The undo that a rollback is.
      status: What each host runs.
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
    description: What M(nodecycle.slurm.cluster_info) returned.
    type: dict
  definition:
    description: What M(nodecycle.slurm.definition) returned.
    type: dict
  settings:
    description: The variables of the role that a plan depends on.
    type: dict
  failures:
    description: With O(step=evaluate), failures that no host has answered with, by host.
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
    description: With O(step=evaluate), what to note in the journal where the rollout goes on.
    type: dict
    default: {}
  outcome:
    description: What O(step=undo) returned.
    type: dict
  resumed:
    description: What M(nodecycle.slurm.node) returned for the nodes of an undo.
    type: dict
    default: {}
  released:
    description: What M(nodecycle.slurm.held_jobs) returned.
    type: dict
    default: {}
  absent:
    description: What M(nodecycle.slurm.probe) with C(state=absent) returned.
    type: dict
    default: {}
  history:
    description: The journal and the committed rollouts, as M(nodecycle.slurm.journal_info) returned them.
    type: dict
  name:
    description: With O(step=rollback_target), the rollout to go back to; empty for the one before the present one.
    type: str
    default: ""
  target:
    description: What O(step=rollback_target) returned.
    type: dict
  bin_dir:
    description: Directory of Slurm's commands on the controller, where they are not in PATH.
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
  description: What to show.
  returned: with O(step) V(finish) and V(status)
  type: list
  elements: str
"""
