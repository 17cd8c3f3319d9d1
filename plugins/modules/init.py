#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: init
short_description: Run the init scripts of a staged release
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Runs the init scripts of a release that is staged on this host and not yet active, in a transient systemd unit, just as they
    will run at each boot. Scripts that already succeeded since the boot are not run again.
  - A daemon that did not start at the boot because its init hook failed is started after the success.
  - Fails with the script's name, its exit code and its last lines when one fails. The release should then not be activated.
options:
  id:
    description: The staged release, as returned by M(nodecycle.slurm.release).
    type: str
    required: true
  root:
    description: Directory of the releases.
    type: path
    default: /etc/nodecycle
extends_documentation_fragment:
  - nodecycle.slurm._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: nodecycle.slurm.release
"""

EXAMPLES = r"""
---
- name: Run what is new
  nodecycle.slurm.init:
    id: "{{ staged.id }}"
"""

RETURN = r"""
started:
  description:
    - The daemons that were started because only a failure of their init hook since the boot had kept them down.
    - Where the release is not yet active, its activation does that.
  returned: success
  type: list
  elements: str
ran:
  description: The init hooks whose scripts were run.
  returned: always
  type: list
  elements: str
failure:
  description: The record of the failing script, with its hook, name, exit code, cause and last lines of output.
  returned: when a script failed
  type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import _module, _runs, _surroundings, _systemd
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import ID_LENGTH
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Store, init_pending


def run_hook(module: AnsibleModule, store: Store, id_: str, hook: str) -> int:
    """Run the staged dispatcher of an init hook outside of the connection's own session; its exit code."""
    store.make_state(hook)
    command = [store.path(id_, hook)]
    systemd_run = module.get_bin_path("systemd-run")
    if systemd_run:
        unit = _surroundings.unit_name(hook).replace(".service", "-apply")
        command = [
            systemd_run,
            "--quiet",
            "--wait",
            "--collect",
            f"--unit={unit}",
            f"--description=nodecycle.slurm: {hook}",
            *command,
        ]
    code, _out, _err = module.run_command(command)
    return int(code)


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "id": {"type": "str", "required": True},
            "root": {"type": "path", "default": "/etc/nodecycle"},
        },
        supports_check_mode=True,
    )
    _module.require_root(module)
    store = Store(module.params["root"])
    manifest = store.manifest(module.params["id"])
    if manifest is None:
        if module.check_mode:
            module.exit_json(changed=True, ran=[])
        module.fail_json(msg=f"release {module.params['id'][:16]} is not staged on this host", ran=[])
    pending = init_pending(manifest)
    started: list[str] = []
    if not module.check_mode:
        for hook in pending:
            code = run_hook(module, store, manifest["id"], hook)
            if code:
                failure = next(reversed(_runs.failures_of(manifest["id"], [hook])), {})
                module.fail_json(
                    msg=f"{hook}: script {failure.get('script', '?')} ended with exit code {failure.get('exit', code)} "
                    f"({failure.get('cause', 'it could not be started')}). The release is not activated on this host. "
                    f"Its last lines:\n{failure.get('output', '').rstrip() or '(none)'}",
                    ran=pending[: pending.index(hook) + 1],
                    failure={"hook": hook, "exit": code, **failure},
                )
        if store.current() == manifest["id"][:ID_LENGTH]:
            # Otherwise the daemon's start would run the active release's init scripts, which may be what kept it down.
            started = _systemd.start_held_back(module, pending)
    module.exit_json(changed=bool(pending), ran=pending, started=started)


if __name__ == "__main__":
    main()
