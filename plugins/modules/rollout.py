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
      variables: Whether each host's variables have values that they can have. Fails with all that is wrong.
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
      carry: The content of the bundle for an assignment of releases to nodes.
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
    description: The variables of the role that a plan depends on. The role's documentation says what each means.
    type: dict
    suboptions:
      controllers:
        description: The inventory's controllers.
        type: list
        elements: str
        required: true
      adopt:
        description: The variable C(slurm_adopt_conf_keys).
        type: list
        elements: str
        required: true
      check:
        description: Whether this is a check run.
        type: bool
        required: true
      canary:
        description: The variable C(slurm_canary).
        type: str
        required: true
      batches:
        description: The variable C(slurm_batches).
        type: list
        elements: str
        required: true
      watch:
        description: The variable C(slurm_batch_watch).
        type: int
        required: true
      probe:
        description: The variable C(slurm_probe).
        type: bool
        required: true
      probe_timeout:
        description: The variable C(slurm_probe_timeout).
        type: int
        required: true
      tolerated:
        description: The variable C(slurm_tolerated_nodes).
        type: int
        required: true
      unreachable:
        description: The variable C(slurm_unreachable_nodes).
        type: str
        required: true
      removal_allowed:
        description: The variable C(slurm_removal_allowed).
        type: bool
        required: true
      birth:
        description: The variable C(slurm_birth).
        type: bool
        default: false
      batch_probe:
        description: The variable C(slurm_batch_probe).
        type: bool
        default: false
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
  assignment:
    description: With O(step=carry), which release each node gets.
    type: str
    choices:
      before: Each host has what was committed for it.
      canary: The probes on the canaries meet the new release.
      all: Each host has the new release.
      undo: Each host has what it had before the rollout.
      settled: After the commit.
  birth:
    description: With O(step=carry), the variable C(slurm_birth).
    type: bool
    default: false
  compared:
    description: With O(step=plan), what changes where Slurm delivers, as M(nodecycle.slurm.bundle) compares it.
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
  foreign:
    description: With O(step=variables), names that look like misspelt variables of this collection and belong to something else.
    type: list
    elements: str
    default: []
  install:
    description: With O(step=variables), whether misspelt variables of the role P(nodecycle.slurm.install#role) are wrong, too.
    type: bool
    default: false
extends_documentation_fragment:
  - nodecycle.slurm._attributes
  - nodecycle.slurm._attributes.info
  - nodecycle.slurm._slurm_commands
  - nodecycle.slurm._units
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
  contains:
    hosts:
      description: The hosts of each phase that is still to come.
      type: dict
    steps:
      description: The steps of each host within a phase.
      type: dict
    go:
      description: Whether the rollout goes on. When it does not, it is undone.
      type: bool
    delivered:
      description: The hosts to which Ansible does not connect.
      type: list
      elements: str
    interrupted:
      description: What to do first about the rollout that a killed run has left, V(finish) or V(undo); empty where there is none.
      type: str
    anchor:
      description: The host of this run for which the tasks run that run once.
      type: str
    plan:
      description: What is left to do.
      type: dict
    undo:
      description: What is left to undo.
      type: dict
    number:
      description: The number of the undo in this run. The answer of an earlier one does not count.
      type: int
    failed:
      description: The hosts and nodes that failed, each with the reason.
      type: dict
    tolerated:
      description: The hosts that failed and that the rollout goes on without.
      type: list
      elements: str
    is_restored:
      description: Whether the undo restored everything.
      type: bool
    message:
      description: What an undo has to say.
      type: list
      elements: str
warned:
  description: What a person should know before the rollout begins.
  returned: with O(step=plan)
  type: list
  elements: str
diff:
  description: Each distinct change once, with the hosts that it is for.
  returned: with O(step=plan) and C(--diff), where something changes
  type: list
  elements: dict
hosts:
  description: The hosts on which the step has failed, each with the reason.
  returned: with O(step=failed)
  type: dict
missed:
  description: The hosts on which the probes did not meet every script, each with what they missed.
  returned: with O(step=missed)
  type: dict
records:
  description: The last failure of a prolog or an epilog on each node, as M(nodecycle.slurm.hook_log_info) returns it.
  returned: with O(step=failures)
  type: dict
answered:
  description: The hosts that could be asked.
  returned: with O(step=failures)
  type: list
  elements: str
activated:
  description: When each node met the release of the rollout under way, if O(history) has one; seconds since the epoch.
  returned: with O(step=failures)
  type: dict
unasked:
  description: Those of them to which Ansible does not connect.
  returned: with O(step=failures)
  type: list
  elements: str
jobs:
  description: The jobs that Slurm holds because the prolog of the new release failed for them.
  returned: with O(step) V(failures) and V(undo)
  type: list
  elements: str
not_restored:
  description: The hosts on which the undo has failed, each with the reason.
  returned: with O(step=undo)
  type: dict
nodes_to_drain:
  description: The nodes of those hosts, without those that a failed init script has drained already.
  returned: with O(step=undo)
  type: list
  elements: str
restored_nodes:
  description: The nodes of the hosts that the undo has restored.
  returned: with O(step=undo)
  type: list
  elements: str
failures:
  description: What the scripts of the release have failed with, as M(nodecycle.slurm.hook_log_info) returns it.
  returned: with O(step=undo)
  type: list
  elements: dict
go:
  description: Whether the rollout goes on, or whether it has succeeded.
  returned: with O(step) V(evaluate) and V(finish)
  type: bool
failed_nodes:
  description: The hosts and nodes that failed, each with the reason.
  returned: with O(step=evaluate)
  type: dict
journal:
  description: The rollout under way.
  returned: with O(step=evaluate)
  type: dict
lines:
  description: The lines to show. With O(step=failures), the hosts that could not be asked, with the cause.
  returned: with O(step) V(finish), V(status) and V(failures)
  type: list
  elements: str
unproven:
  description: The hosts that have not proven what was committed, or cannot be asked.
  returned: with O(step=status)
  type: list
  elements: str
content:
  description: The options of M(nodecycle.slurm.bundle).
  returned: with O(step=carry)
  type: dict
target:
  description: The committed rollout that the rollback restores. Empty if the run undoes an interrupted rollout instead.
  returned: with O(step=rollback_target)
  type: dict
rollout:
  description: The journal of the rollback.
  returned: with O(step=rollback)
  type: dict
"""
