#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: conf_trial
short_description: Let Slurm judge new lines of slurm.conf before they are placed
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Puts together what M(nodecycle.slurm.conf) would make of a host's slurm.conf, in a private directory, and lets Slurm's own
    parser read it. That finds unknown keys, wrong numbers and wrong flags.
  - Then starts a controller on it that is shut off from everything and ended as soon as it runs. That finds what only slurmctld
    knows, such as a plugin that does not exist or a partition on unknown nodes. It has namespaces of its own (network, processes,
    mounts, shared memory, host name) and an empty state of its own; keys by which a controller acts at its start are changed for
    the trial (O(controller)).
  - All of the host's file systems are read-only for it. C(/run), C(/var/run), C(/dev), C(/tmp), C(/var/tmp) and C(/dev/shm) are
    empty ones of its own. Of the running system's sockets there only munge's is in reach, which C(AuthInfo) names; with
    C(AuthType=auth/slurm) none is. Its environment is empty but for C(PATH), the locale, C(TZ) and C(LD_LIBRARY_PATH).
  - Where the host does not allow any part of this, no controller is started, and a warning says why.
  - What makes the controller end fails the task. What it merely complains about, and does not complain about on the present
    configuration, is shown as a warning, and so is that no controller could be tried.
  - Runs on a controller host. Changes nothing.
options:
  path:
    description: The host's slurm.conf.
    type: path
    default: /etc/slurm/slurm.conf
  text:
    description: The content that the included file is to have, as in M(nodecycle.slurm.conf). Empty stands for no file.
    type: str
    required: true
  adopt:
    description: Keys that slurm.conf sets by itself and that O(text) is to set, as in M(nodecycle.slurm.conf).
    type: list
    elements: str
    default: []
  root:
    description:
      - Directory of the releases. The lines at the beginning of O(text) that name hooks there are this collection's, the rest
        are the user's; a controller's hook there need not exist yet.
    type: path
    default: /etc/nodecycle
  controller:
    description:
      - Whether to start a controller. Changed for the trial are C(StateSaveLocation), C(SlurmctldPidFile), C(SlurmctldLogFile),
        C(SlurmSchedLogFile), the keys of what is logged, C(SlurmctldHost) (this host alone), C(SlurmctldPrimaryOnProg),
        C(SlurmctldPrimaryOffProg), C(ResumeProgram), C(SuspendProgram), C(ResumeFailProgram), C(AccountingStorageType),
        C(AccountingStorageEnforce), C(JobCompType) and C(JobCompLoc), so their values are not tried.
      - It is not started where a plugin would act by itself (C(BurstBufferType), C(PowerPlugin), C(NodeFeaturesPlugins) with C(knl)).
    type: bool
    default: true
  timeout:
    description: Seconds within which such a controller has to run or to end.
    type: int
    default: 30
extends_documentation_fragment:
  - nodecycle.slurm._attributes
  - nodecycle.slurm._attributes.info
  - nodecycle.slurm._slurm_commands
seealso:
  - module: nodecycle.slurm.conf
"""

EXAMPLES = r"""
---
- name: Ask Slurm about a partition
  nodecycle.slurm.conf_trial:
    text: |
      PartitionName=night Nodes=worker[1-3]

- name: Ask its parser alone
  nodecycle.slurm.conf_trial:
    text: |
      PrologFlags=Alloc
    controller: false
"""

RETURN = r"""
controller_checked:
  description: Whether a controller was started on the new configuration.
  returned: always
  type: bool
why:
  description: Why no controller was started, or why it says nothing about the new configuration.
  returned: when RV(controller_checked) is false
  type: str
  sample: "this host does not let it be shut off from the running system: unshare: unshare failed: Operation not permitted"
findings:
  description: What Slurm says about the new configuration.
  returned: always
  type: list
  elements: dict
  contains:
    severity:
      description: V(error) for what fails the task, V(warning) for what the controller complains about and runs nevertheless.
      type: str
    message:
      description: Slurm's words.
      type: str
    variable:
      description: The variable that they are about; empty where Slurm's words do not tell.
      type: str
      sample: slurm_extra_conf
    line:
      description: The line of the variable, from 1; 0 where Slurm's words do not tell.
      type: int
    key:
      description: The key on this line.
      type: str
"""

import os
import shutil
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import _ansible, _conf, _conf_trial, _daemons, _proof
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import SlurmError

if t.TYPE_CHECKING:
    from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Runner

Reader = t.Callable[[str], t.Optional[str]]


class Check:
    """The steps of the check, each in a private directory of its own."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.path: str = module.params["path"]
        self.directories: list[str] = []

    def directory(self) -> str:
        """A new private directory, in memory where the host has such a place."""
        made = tempfile.mkdtemp(prefix="nodecycle-check-", dir="/run" if os.path.isdir("/run") else None)
        self.directories.append(made)
        return made

    def parse(self, changes: list[_conf.Change], read: Reader) -> None:
        """Slurm's parser. Raises SlurmError and ConfError."""
        # A missing Include would cost a minute.
        _conf.tree(self.path, read)
        _conf_trial.parse(
            changes, self.path, _ansible.runner(self.module, self.module.params["bin_dir"]), self.directory()
        )

    def trial(self, read: Reader) -> _conf_trial.Trial:
        """A controller on the configuration that read shows. Raises NotTriedError."""
        tools = {tool: self.module.get_bin_path(tool) for tool in _conf_trial.TOOLS}
        missing = [tool for tool, place in tools.items() if not place]
        if missing:
            raise _conf_trial.NotTriedError(f"this host lacks {', '.join(missing)}")
        bin_dir = self.module.params["bin_dir"]
        beside = [bin_dir, os.path.join(os.path.dirname(bin_dir), "sbin")] if bin_dir else []
        slurmctld = self.module.get_bin_path("slurmctld", opt_dirs=beside)
        if not slurmctld:
            raise _conf_trial.NotTriedError(
                "slurmctld is not on this host, or not where it was looked for (`slurm_bin_dir`)"
            )
        users = [entry.value for entry in _conf.tree(self.path, read) if entry.key.lower() == "slurmuser"]
        return _conf_trial.try_controller(
            self.directory(),
            self.path,
            read,
            slurmctld=slurmctld,
            slurm_user=users[-1] if users else "root",
            hostname=os.uname().nodename,
            timeout=self.module.params["timeout"],
            run=self._runner(tools["timeout"] or ""),
        )

    def _runner(self, timeout: str) -> Runner:
        def run(command: list[str]) -> tuple[int, str, str]:
            # For the tools; the controller's own environment is empty but for what _conf_trial.environment gives it.
            code, out, err = self.module.run_command(
                [timeout, *command[1:]], environ_update={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
            )
            return code, out, err

        return run

    def evaluate(self, read: Reader) -> tuple[tuple[str, ...], list[str]]:
        """The fatal lines of a controller on the configuration that read shows, and its new errors. Raises NotTriedError."""
        trial = self.trial(read)
        if not trial.fatal and not trial.errors:
            return (), []
        present = self.trial(_ansible.read_text)
        if trial.fatal and present.fatal:
            raise _conf_trial.NotTriedError(f"it does not run on the present configuration either: {present.fatal[0]}")
        return trial.fatal, _conf_trial.new_errors(trial, present)

    def clean(self) -> None:
        """Take the directories away."""
        for directory in self.directories:
            shutil.rmtree(directory)


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            **_conf.ARGUMENTS,
            "root": {"type": "path", "default": "/etc/nodecycle"},
            "controller": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 30},
            **_ansible.BIN_DIR_SPEC,
        },
        supports_check_mode=True,
    )
    _ansible.require_root(module)
    path, text, root = (module.params[name] for name in ("path", "text", "root"))
    check = Check(module)
    findings: list[_conf_trial.Finding] = []
    why = "" if module.params["controller"] else "it was not wanted"

    def results() -> dict[str, t.Any]:
        return {
            "controller_checked": not why,
            **({"why": _ansible.shown(why)} if why else {}),
            "findings": _ansible.shown([found.as_dict() for found in findings]),
        }

    def note(severity: str, messages: t.Iterable[str]) -> None:
        findings.extend(_conf_trial.finding(severity, message, text, root, path) for message in messages)

    def version_here() -> tuple[int, int] | None:
        return _daemons.version(module, _daemons.find_on(module, "slurmctld"), "slurmctld")

    fatal: tuple[str, ...] = ()
    try:
        changes = _conf.changes(path, text, module.params["adopt"], _ansible.read_text)
        candidate = _conf_trial.overlay(changes, _ansible.read_text)
        check.parse(changes, candidate)
        if lost := _proof.stolen(path, text, root, candidate, version_here):
            why = "the configuration names other scripts"
            module.fail_json(
                msg=f"With the new configuration Slurm would not run our dispatchers, so nothing was changed. {'; '.join(lost)}. Take that "
                "line away, or the one that includes it (`slurm_extra_conf`), and bring the script in as one of this hook.",
                **results(),
            )
        if not why:
            fragment = _conf.Change(
                os.path.join(os.path.dirname(path), _conf.FRAGMENT), None, _conf_trial.without_hooks(text, root)
            )
            fatal, errors = check.evaluate(_conf_trial.overlay([fragment] if text else [], candidate))
            # Where it ends, what it complained about before is the reason.
            note("error" if fatal else "warning", [*errors, *(line for line in fatal if line not in errors)])
    except SlurmError as exc:
        why = "Slurm's parser refuses the configuration"
        note("error", [str(exc)])
        module.fail_json(
            msg=_ansible.shown(
                f"Slurm refuses the new configuration, so nothing was changed. {findings[0]}. Correct `slurm_extra_conf`."
            ),
            **results(),
        )
    except _conf_trial.NotTriedError as exc:
        why = str(exc)
    except (_conf.ConfError, OSError) as exc:
        why = "the configuration cannot be put together"
        module.fail_json(
            msg=_ansible.shown(
                f"The new {path} cannot be put together, so nothing was changed: {exc}. Correct `slurm_extra_conf`."
            ),
            **results(),
        )
    finally:
        check.clean()
    if module.params["controller"] and why:
        module.warn(
            _ansible.shown(f"The new slurm.conf was read by Slurm's parser, and no controller was tried on it: {why}.")
        )
    for found in findings:
        if found.severity == "warning":
            module.warn(_ansible.shown(f"A controller on the new slurm.conf runs, and says: {found}"))
    if fatal:
        module.fail_json(
            msg=_ansible.shown(
                "A controller that is started on the new configuration ends, so nothing was changed. "
                f"slurmctld says: {'; '.join(map(str, findings))}. Correct `slurm_extra_conf`."
            ),
            **results(),
        )
    module.exit_json(changed=False, **results())


if __name__ == "__main__":
    main()
