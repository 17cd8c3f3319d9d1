#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: hook_log_info
short_description: Read which scripts ran on this host for given jobs, and which failed
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Reads the log that the dispatchers of this host write (one line a script, V(/var/log/nodecycle/HOOK.log)) and their records of
    failures. It changes nothing.
  - With O(jobs) and O(release) it requires that every script of that release has succeeded for each job that it is for. This is how
    a run evaluates a canary.
options:
  jobs:
    description:
      - The jobs, each with C(id) and C(partition), which chooses the scripts with V(partitions), and with C(node) for O(node).
        M(nodecycle.slurm.probe) returns such a list; the module ignores its other keys.
    type: list
    elements: dict
    default: []
  node:
    description:
      - The name of this host's node in Slurm. For jobs of other nodes the scripts of a worker need not have run here, on a controller that is
        a worker, too. Empty where all O(jobs) are of this node, or the host is none.
    type: str
    default: ""
  release:
    description:
      - The sha256 of a release, or the name of its directory. Only failures under it are returned; empty stands for any.
      - With O(jobs), the release whose scripts must have run for them. It must be on this host.
    type: str
    default: ""
  wait:
    description: Seconds within which the lines of O(jobs) must be in the log. An epilog may end a moment after its job.
    type: int
    default: 10
  settle:
    description: Seconds to wait until no script of O(release) runs here, so that a late failure is not missed.
    type: int
    default: 0
  required:
    description:
      - Whether the module fails if a script is missing for a job. Otherwise it only returns RV(missing), for a caller that needs the
        answers of several hosts, such as several controllers.
    type: bool
    default: true
  root:
    description: Directory of the releases.
    type: path
    default: /etc/nodecycle
  slurm_user:
    description: The SlurmUser of slurm.conf, who runs the controller's scripts.
    type: str
    default: slurm
extends_documentation_fragment:
  - nodecycle.slurm._attributes
  - nodecycle.slurm._attributes.info
seealso:
  - module: nodecycle.slurm.probe
  - module: nodecycle.slurm.held_jobs
"""

EXAMPLES = r"""
---
- name: Read the failures since the boot
  nodecycle.slurm.hook_log_info:
  register: log

- name: Require that all scripts of the canary's release ran for a job
  nodecycle.slurm.hook_log_info:
    release: 0a1b2c3d4e5f6071
    jobs:
      - id: "4711"
        partition: batch
"""

RETURN = r"""
runs:
  description: The lines of the log for O(jobs), as dictionaries with C(time), C(hook), C(script), C(release), C(job), C(user), C(node), C(exit) and C(ms).
  returned: always
  type: list
  elements: dict
failures:
  description:
    - The failures under O(release), oldest first, with C(cause) (V(exit), V(timeout) or V(killed)). The last one of each hook has
      C(output), the last output of the script. At most a thousand for each hook, the newest ones.
  returned: always
  type: list
  elements: dict
missing:
  description: The scripts of O(release) that did not run for O(jobs), or did not succeed, as sentences.
  returned: always
  type: list
  elements: str
tolerated:
  description: The failures of scripts with V(on_failure=ignore) for O(jobs).
  returned: with O(jobs)
  type: list
  elements: str
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _hook_log
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Store, StoreError


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "jobs": {"type": "list", "elements": "dict", "default": []},
            "node": {"type": "str", "default": ""},
            "release": {"type": "str", "default": ""},
            "wait": {"type": "int", "default": 10},
            "settle": {"type": "int", "default": 0},
            "required": {"type": "bool", "default": True},
            "root": {"type": "path", "default": "/etc/nodecycle"},
            "slurm_user": {"type": "str", "default": "slurm"},
        },
        supports_check_mode=True,
    )
    _ansible.require_root(module)
    jobs, release = module.params["jobs"], module.params["release"]
    if not all(job.get("id") and job.get("partition") for job in jobs):
        module.fail_json(msg="jobs: each needs id and partition")
    runs: list[_hook_log.Record] = []
    missing: list[str] = []
    tolerated: list[str] = []
    try:
        settled_by = time.monotonic() + module.params["settle"]
        store = Store(module.params["root"], module.params["slurm_user"])
        users = {uid for uid, _gid in store.owners.values()}
        while (
            release and time.monotonic() < settled_by and _hook_log.still_running(module.params["root"], release, users)
        ):
            time.sleep(0.5)
        if jobs and release:
            manifest = store.require(release)
            scripts = {hook: manifest["scripts"][hook] for hook in _hook_log.LOGGED if hook in manifest["scripts"]}
            deadline = time.monotonic() + module.params["wait"]
            known: list[_hook_log.Record] | None = None
            while True:
                runs = known = _hook_log.runs_of([job["id"] for job in jobs], scripts, known)
                missing, tolerated = _hook_log.evaluate(scripts, release, jobs, runs, module.params["node"])
                has_failed = len([run for run in runs if run.get("exit")]) > len(tolerated)
                if not missing or has_failed or time.monotonic() > deadline:
                    break
                time.sleep(0.5)
        elif jobs:
            runs = _hook_log.runs_of([job["id"] for job in jobs], _hook_log.LOGGED)
        failures = _hook_log.failures_of(release, [*_hook_log.LOGGED, "worker_init"])
        for what in _hook_log.planted(_hook_log.LOGGED):
            module.warn(f"This is not read: {what}.")
    except (StoreError, OSError) as exc:
        module.fail_json(msg=f"Reading the logs of the hooks: {exc}")
    result: dict[str, t.Any] = {"runs": runs, "failures": failures, "missing": missing, "tolerated": tolerated}
    if missing and module.params["required"]:
        module.fail_json(msg=_hook_log.not_passed(release, missing), **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
