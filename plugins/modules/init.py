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
    will run at each boot. It does not repeat scripts that already succeeded since the boot.
  - If scripts of the same hook run already, at the boot or for a run that was killed, it waits for their end, for as long as
    O(timeouts) allows. It does not repeat the same scripts if they succeeded.
  - After the success it starts a daemon that did not start at the boot because its init hook had failed.
  - If a script fails, the module fails with its name, its exit code and its last lines. Do not activate the release then.
options:
  id:
    description: The staged release, as returned by M(nodecycle.slurm.release).
    type: str
    required: true
  root:
    description: Directory of the releases.
    type: path
    default: /etc/nodecycle
  timeouts:
    description:
      - For init hooks the seconds, from 1 to 86400, that all scripts of the hook may take together. After that they get SIGTERM and count as
        failed. 10 seconds later they get SIGKILL.
      - Without a value they are 90 for V(login_init), for which logins wait at each boot, and 1800 for V(worker_init) and V(controller_init).
    type: dict
    default: {}
extends_documentation_fragment:
  - nodecycle.slurm._units
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
- name: Run new init scripts
  nodecycle.slurm.init:
    id: "{{ staged.id }}"
"""

RETURN = r"""
started:
  description:
    - The daemons that were started because only a failure of their init hook since the boot had kept them down.
    - If the release is not yet active, its activation starts them.
  returned: success
  type: list
  elements: str
ran:
  description: The init hooks whose scripts the module ran, or waited for because they ran already.
  returned: always
  type: list
  elements: str
failure:
  description: The record of the failing script, with its hook, name, exit code, cause and last lines of output.
  returned: when a script failed
  type: dict
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import (
    _ansible,
    _daemons,
    _hook_log,
    _host_files,
    _systemd,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import ID_LENGTH
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Manifest, Store, init_pending

#: Seconds that it takes to enforce a limit, and to report it.
GRACE = 30
#: A record's clock counts whole seconds.
CLOCK = 2


def wait_for_others(module: AnsibleModule, hook: str, limit: int) -> bool:
    """Wait until no scripts of this hook run: those of a boot, or of a run that was killed. Returns whether there were any."""
    deadline = time.monotonic() + limit + GRACE
    found = False
    while _systemd.running_init(module, hook):
        found = True
        if time.monotonic() > deadline:
            units = f"{_host_files.unit_name(hook)} {_systemd.apply_unit(hook)}"
            module.fail_json(
                msg=f"{hook}: its scripts have been running on this host since before this run, for more than {limit + GRACE} seconds. Find "
                f"out why they hang (systemctl status {units}), end them (systemctl stop {units}), then run again",
                ran=[],
            )
        time.sleep(1)
    return found


def run_hook(module: AnsibleModule, store: Store, manifest: Manifest, hook: str, limit: int) -> dict[str, t.Any] | None:
    """Run an init hook from the staged release. Returns the failure, or nothing."""
    store.make_state(hook)
    began = time.time()
    ended = _systemd.run_bounded(module, hook, store.path(manifest["id"], hook), limit)
    if not ended.code and hook not in init_pending(manifest):
        return None
    records = _hook_log.failures_of(manifest["id"], [hook])
    record = next((each for each in reversed(records) if (_hook_log.ended(each) or 0) >= began - CLOCK), {})
    failure = {"hook": hook, "exit": ended.code, **record}
    if ended.by_limit:
        variable = "slurm_login_init_timeout" if hook == "login_init" else "slurm_init_timeout"
        return {**failure, "cause": f"the limit of {limit} seconds for all scripts of this hook, {variable}"}
    return failure if record else {**failure, "cause": "it could not be started", "output": ended.said}


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "id": {"type": "str", "required": True},
            "root": {"type": "path", "default": "/etc/nodecycle"},
            "timeouts": {"type": "dict", "default": {}},
            **_daemons.UNITS_SPEC,
        },
        supports_check_mode=True,
    )
    _ansible.require_root(module)
    _daemons.require_units(module)
    store = Store(module.params["root"])
    manifest = store.manifest(module.params["id"])
    if manifest is None:
        if module.check_mode:
            module.exit_json(changed=True, ran=[])
        module.fail_json(msg=f"release {module.params['id'][:16]} is not staged on this host", ran=[])
    if module.check_mode:
        pending = init_pending(manifest)
        module.exit_json(changed=bool(pending), ran=pending, started=[])
    ran: list[str] = []
    started: list[str] = []
    try:
        limits = _host_files.init_timeouts(module.params["timeouts"])
        # Another module may be at it, also one of a run that was killed; it is not ended, for it may be half way through an installation.
        wait = sum(limits[hook] + GRACE for hook in manifest["init"])
        with _ansible.locked(_ansible.INIT_LOCK, within=wait):
            waited_for = [hook for hook in init_pending(manifest) if wait_for_others(module, hook, limits[hook])]
            # Their success counts if the scripts are the same.
            pending = init_pending(manifest)
            for hook in pending:
                ran.append(hook)
                failure = run_hook(module, store, manifest, hook, limits[hook])
                if failure:
                    module.fail_json(
                        msg=f"{hook}: script {failure.get('script', '?')} ended with exit code {failure['exit']} "
                        f"({failure.get('cause')}). The release is not activated on this host. "
                        f"Its last lines:\n{str(failure.get('output', '')).rstrip() or '(none)'}",
                        ran=ran,
                        failure=failure,
                    )
            if store.current() == manifest["id"][:ID_LENGTH]:
                # Otherwise the daemon's start would run the active release's init scripts, which may be what kept it down.
                started = _systemd.start_held_back(module, [*waited_for, *pending])
    except (_ansible.LockError, ValueError, OSError) as exc:
        module.fail_json(msg=f"Running the init scripts: {exc}", ran=ran)
    module.exit_json(
        changed=bool(ran or waited_for), ran=[*(h for h in waited_for if h not in ran), *ran], started=started
    )


if __name__ == "__main__":
    main()
