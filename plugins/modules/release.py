#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release
short_description: Stage and activate the scripts of a host
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Stages the scripts of all hooks of a host as one release beside the active one, and activates it in one atomic step. A digest of
    its content names a release.
  - An action plugin of the same name renders the scripts on the control node and sends them in one call.
  - Slurm is told one path per hook, V(ROOT/current/HOOK). Behind it stands a dispatcher that runs the hook's scripts in
    their order, with a safe C(PATH), within their time limits, and writes one line of JSON a script to
    V(/var/log/nodecycle/HOOK.log). Because that path never changes, a changed script needs no C(scontrol reconfigure).
  - A release never changes after it was staged. The module restores a file of it that somebody edited.
options:
  state:
    description: The wanted state of the release.
    type: str
    choices:
      staged: On disk beside the active release. Nothing changes for jobs.
      empty: Active, without a single script. For a host that has no release yet, so that slurm.conf may name its dispatchers.
      canary: Jobs in the reservation C(nodecycle_canary) run it, all others the active one. O(id) must be staged.
      active: The next job runs it. O(id) must be staged. A canary ends.
      absent: No release, unit or other file of this collection on the host. The logs stay.
    default: staged
  hooks:
    description:
      - For each hook that this host carries the list of its scripts, in the order in which they run. A string stands for one
        script with this content, named V(script). A hook with an empty list gets a dispatcher that runs nothing.
      - With O(state=empty) only the hooks' names count; without any they are those of the active release. Init hooks are left out.
      - The hooks are V(worker_init), V(login_init), V(controller_init), V(worker_prolog), V(worker_epilog),
        V(controller_prolog), V(controller_epilog), V(task_prolog) and V(task_epilog).
      - Each script is a dictionary with V(name) (letters, digits, dot, dash and underscore; part of the file's name), one of
        V(content) (the text itself), V(src) (a file on the control node, looked for in C(files/) as M(ansible.builtin.copy)
        does, vault-encrypted files too) and V(template) (a Jinja2 template on the control node, looked for in
        C(templates/) as M(ansible.builtin.template) does).
      - It may have V(partitions), a list of partitions for whose jobs it runs (job and task hooks only); V(nodes), a
        hostlist expression of the nodes that get it (hooks on workers only); V(timeout) in whole seconds (at most 86400, a day), after
        which it is killed with all that it has started and counts as failed; V(on_failure), V(drain) (the default, with which the hook fails and Slurm
        drains the node) or V(ignore) (logged only, the next script runs); V(no_log), whether its content must not be shown in a diff
        (true by itself where the script uses vaulted values).
      - A script of an init hook may also have V(run), which is V(boot) (the default, at each boot), V(change) (until this text has succeeded on
        the host) or V(once) (until it has succeeded on the host, whatever its text); V(retries), the number of further attempts after a
        failure (1 to 100); V(delay), the seconds before each of them (1 to 3600, 10 without a value).
    type: dict
    default: {}
  script_path:
    description:
      - With O(state=staged), absolute directories that come before the usual ones in the C(PATH) of every script that root or SlurmUser runs,
        the first one first. Task hooks keep the environment of their job.
      - They are a part of the release, so a change makes a new one.
      - If another user than root can write to one, or to a directory above it, the module fails and stages nothing.
    type: list
    elements: path
    default: []
  id:
    description:
      - The staged release, as returned by O(state=staged), or the name of its directory. Required with O(state=canary) and O(state=active).
    type: str
  root:
    description: Directory of the releases. It must be on a local file system that may hold programs (no C(noexec)).
    type: path
    default: /etc/nodecycle
  keep:
    description:
      - How many releases stay on disk, the active one included. A release that was active within the last hour stays anyway.
      - At least 2, because undo needs the previous one.
    type: int
    default: 5
  node_name:
    description: The host's name in Slurm (NodeName), which is looked up in V(nodes) of a script.
    type: str
  slurm_user:
    description: The SlurmUser of slurm.conf, who runs the controller's scripts and may therefore read them.
    type: str
    default: slurm
  probe_user:
    description:
      - With O(state=canary), the user of the probe's jobs; empty for O(slurm_user), or V(nobody) if that is root.
      - A job's user may set anything in the environment of his task hooks, also the name of the reservation. So only this user's task hooks
        run the canary.
    type: str
    default: ""
  gate:
    description:
      - The init hooks without whose success since the last boot a daemon does not start, V(worker_init) for slurmd and
        V(controller_init) for slurmctld.
    type: list
    elements: str
    choices: [worker_init, controller_init]
    default: [worker_init]
  init_timeouts:
    description: How long the scripts of an init hook may take at a boot, as O(nodecycle.slurm.init#module:timeouts).
    type: dict
    default: {}
  conf:
    description:
      - With O(state=staged), the lines that slurm.conf of this host should have. RV(conf_pending) tells whether they differ, but never
        for a host without a slurm.conf at V(path) (a configless one).
    type: dict
    suboptions:
      path:
        description: The host's slurm.conf.
        type: path
        required: true
      text:
        description: The content of the included file; empty for no file.
        type: str
        required: true
      adopt:
        description: Keys whose own lines become comments, see M(nodecycle.slurm.conf).
        type: list
        elements: str
        default: []
  conf_path:
    description: The host's slurm.conf, for RV(proof). A host without this file has the copy that the controller sent.
    type: path
    default: /etc/slurm/slurm.conf
  show_diff:
    description:
      - With O(state=staged), whether this result shows the diff. Otherwise RV(changes) returns it, for a caller that shows the same change
        of many hosts once.
    type: bool
    default: true
  payload:
    description: The rendered release. The action plugin sets it, never a user.
    type: str
extends_documentation_fragment:
  - nodecycle.slurm._units
  - nodecycle.slurm._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - For scripts with V(no_log) the diff shows only that they change.
  idempotent:
    support: full
seealso:
  - module: nodecycle.slurm.init
  - module: nodecycle.slurm.conf
"""

EXAMPLES = r"""
---
- name: Stage a prolog beside the active one
  nodecycle.slurm.release:
    state: staged
    hooks:
      worker_prolog:
        - name: scratch
          content: |
            #!/bin/sh -e
            install -d -m 0700 -o "$SLURM_JOB_UID" "/scratch/job.$SLURM_JOB_ID"
          timeout: 10
      worker_epilog:
        - name: scratch
          src: scratch-epilog.sh
  register: staged

- name: Activate it for the next job
  nodecycle.slurm.release:
    state: active
    id: "{{ staged.id }}"
"""

RETURN = r"""
changes:
  description: The diff, each part with C(before_header), C(after_header), C(before) and C(after).
  returned: with O(state=staged) and without O(show_diff), where there is one
  type: list
  elements: dict
id:
  description: The digest that names the release; empty if this host needs none.
  returned: O(state=staged) or O(state=active)
  type: str
  sample: 0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9
previous:
  description: The directory name of the release that was active before this call.
  returned: success
  type: str
active:
  description: Whether the next job runs the release, intact and with all its files and units.
  returned: O(state=staged) or O(state=active)
  type: bool
changed_files:
  description:
    - The paths whose content, kind, owner, group or mode differed on this host. Files of the release without its directory, everything
      else (directories, links, units, logs) with the whole path.
  returned: O(state=staged)
  type: list
  elements: str
init_pending:
  description: The init hooks whose scripts have not run with success since the host booted.
  returned: O(state=staged)
  type: list
  elements: str
conf_pending:
  description: Whether this host has a slurm.conf that differs from O(conf).
  returned: O(state=staged)
  type: bool
conf_before:
  description: Our present lines in this host's slurm.conf, as C(text) and C(adopt) of O(conf). Nothing for a host without a slurm.conf.
  returned: O(state=staged) with O(conf)
  type: dict
missing_hooks:
  description: The hooks of the release for which the active one has no dispatcher.
  returned: O(state=staged)
  type: list
  elements: str
runs_slurmd:
  description: Whether slurmd runs on this host.
  returned: O(state=staged)
  type: bool
in_memory:
  description: Whether the directory of the releases is on a file system in memory, which the next boot empties.
  returned: O(state=staged), where the host gets a release
  type: bool
lost_hooks:
  description: The hooks that have scripts in the active release, and none in this one.
  returned: O(state=staged)
  type: list
  elements: str
proof:
  description: The proof of what the next job on this host runs, as M(nodecycle.slurm.proof_info) returns it.
  returned: O(state=staged) or O(state=active)
  type: dict
pruned:
  description: The releases that were removed because they are too old.
  returned: O(state=active)
  type: list
  elements: str
started:
  description: The daemons that were started because only a failure of their init hook since the boot had kept them down.
  returned: O(state=active)
  type: list
  elements: str
removed:
  description: The files that were removed.
  returned: O(state=absent)
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _conf, _daemons, _host_release
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import StoreError


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["staged", "empty", "canary", "active", "absent"], "default": "staged"},
            "hooks": {"type": "dict", "default": {}},
            "script_path": {"type": "list", "elements": "path", "default": []},
            "id": {"type": "str"},
            "root": {"type": "path", "default": "/etc/nodecycle"},
            "keep": {"type": "int", "default": 5},
            "node_name": {"type": "str"},
            "slurm_user": {"type": "str", "default": "slurm"},
            "probe_user": {"type": "str", "default": ""},
            "gate": {
                "type": "list",
                "elements": "str",
                "choices": ["worker_init", "controller_init"],
                "default": ["worker_init"],
            },
            "init_timeouts": {"type": "dict", "default": {}},
            "conf": {"type": "dict", "options": {**_conf.ARGUMENTS, "path": {"type": "path", "required": True}}},
            "conf_path": {"type": "path", "default": "/etc/slurm/slurm.conf"},
            "show_diff": {"type": "bool", "default": True},
            "payload": {"type": "str", "no_log": True},
            **_daemons.UNITS_SPEC,
        },
        required_if=[("state", "active", ("id",)), ("state", "canary", ("id",))],
        supports_check_mode=True,
    )
    _ansible.require_root(module)
    _daemons.require_units(module)
    if module.params["keep"] < 2:
        module.fail_json(
            msg=f"keep (slurm_release_keep) is {module.params['keep']}: undo needs the previous release, so at least 2"
        )
    try:
        result = _host_release.bring(module)
    except (StoreError, _conf.ConfError, ValueError, OSError) as exc:
        module.fail_json(msg=f"{module.params['state']} release in {module.params['root']}: {exc}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
