#!/usr/bin/python
# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: reconfigure
short_description: Let a running Slurm read its changed slurm.conf
version_added: 1.0.0
author:
  - nodecycle.slurm maintainers (@nodecycle)
description:
  - Runs C(scontrol reconfigure) once, when it was announced before, and proves afterwards what came of it.
  - It is announced before slurm.conf is changed, so that a run that is killed in between is completed by the next one. The note
    holds what the cluster was then.
  - "Proven means: the controller answers, and does so two seconds later, too; it has read the files that are on disk (C(HASH_VAL)
    of C(scontrol show config)); every node that answered before does so again; and no job was lost. What is no proof is the
    exit code of C(scontrol): with C(slurmctld -D) it is 0 although the controller has ended (24.11.5), it is 1 where a busy
    controller did all it was told and answered later than C(MessageTimeout), and of the nodes it says nothing in any version."
  - A controller that has ended is started first. So after a failure the caller puts the files of before back and calls this
    module again; it then brings the controller back, reconfigures and proves as ever. That second reconfigure matters also
    where the controller has survived the failure, because 25.11 and later send the refused files to the nodes.
  - No new job starts during those seconds. The nodes are in the reservation C(nodecycle_reconfigure) (MAINT, IGNORE_JOBS) until
    the controller answers again, because slurmctld forgets a job whose launch is under way when it replaces itself (seen on 24.11.5;
    such a job counts as running for many minutes and runs nowhere). It waits up to 30 seconds for the jobs that are being
    prepared (C(CONFIGURING)). A reservation that a killed module leaves ends by itself after three minutes.
  - Runs on a controller host. The active controller may be another one, except when a controller has to be started or
    restarted.
options:
  state:
    description: What to do.
    type: str
    choices:
      announced: Note on this host what the cluster is, and that slurm.conf is about to change. The note of a killed run stays.
      done: Reconfigure if that was noted, and forget the note when everything is proven.
    default: done
  due:
    description:
      - Reconfigure without such a note, too. In check mode, where nothing is noted, this is how the module knows that it would.
    type: bool
    default: false
  path:
    description: The controller's slurm.conf.
    type: path
    default: /etc/slurm/slurm.conf
  restart_allowed:
    description:
      - Whether slurmctld may be restarted where a key has changed that a reconfigure does not apply (few keys since 23.11, a page
        of them before). Jobs survive a restart; commands wait meanwhile.
      - Without it such keys are returned in RV(waits_for_restart), and what a reconfigure does apply is applied.
    type: bool
    default: false
extends_documentation_fragment:
  - nodecycle.slurm._attributes
  - nodecycle.slurm._slurm_commands
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: nodecycle.slurm.conf
"""

EXAMPLES = r"""
---
- name: Announce the change
  nodecycle.slurm.reconfigure:
    state: announced

- name: Change slurm.conf
  nodecycle.slurm.conf:
    text: |
      PrologFlags=Alloc

- name: Let Slurm read it
  nodecycle.slurm.reconfigure:
"""

RETURN = r"""
was_due:
  description: Whether a reconfigure had been announced.
  returned: success
  type: bool
needs:
  description:
    - What the changed keys want. V(nothing) also where a reconfigure was announced and nothing was changed afterwards.
  returned: when O(state) is V(done)
  type: str
  choices: [nothing, reconfigure, restart]
changed_keys:
  description: The keys of slurm.conf that say something else than when it was announced, in lower case.
  returned: when O(state) is V(done)
  type: list
  elements: str
waits_for_restart:
  description: Those of RV(changed_keys) that only a restart of the daemons applies, and that therefore are not in effect yet.
  returned: when O(state) is V(done)
  type: list
  elements: str
unproven_keys:
  description:
    - Those of RV(changed_keys) that C(scontrol show config) shows with neither their new value nor any other than before. It writes
      some values in its own way, so this is a hint.
  returned: when a reconfigure was proven
  type: list
  elements: str
active_controller:
  description: The controller that answers, by its name in C(SlurmctldHost).
  returned: when a reconfigure was proven
  type: str
nodes_down:
  description:
    - The nodes that do not answer and did not before (down, switched off); they read the new configuration when they start. A
      hostlist expression.
  returned: when a reconfigure was proven
  type: str
  sample: worker[7-9]
nodes_left:
  description:
    - The nodes that answered before and do not any more; a hostlist expression. Not empty only where the files are again those of
      before, for else this fails.
  returned: when a reconfigure was proven
  type: str
jobs_lost:
  description:
    - The jobs that the controller forgot, or whose node failed. Not empty only where the files are again those of before, for else
      this fails. A job that is unknown counts while the controller still remembers jobs that ended (C(MinJobAge)).
  returned: when a reconfigure was proven
  type: list
  elements: str
jobs_before:
  description: How many jobs had not ended when the change was announced.
  returned: when a reconfigure was proven
  type: int
was_started:
  description: Whether the controller had ended and was started.
  returned: when a reconfigure was proven
  type: bool
failed_because:
  description: What slurmctld wrote to its log since the module began, fatal lines before others.
  returned: failure
  type: list
  elements: str
"""

import contextlib
import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nodecycle.slurm.plugins.module_utils import (
    _ansible,
    _conf,
    _files,
    _hostlist,
    _reason_users,
    _reconfigure,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._reconfigure import Note
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import TIMED_OUT, SlurmError

#: The controller of 23.11 and later replaces itself by a new process, which takes 2 to 5 seconds.
ANSWER_WITHIN = 30
#: One that ends after scontrol came back has done so by then (22.05.8, and 24.11.5 with -D).
SETTLED_AFTER = 2
#: Keeps new jobs off all nodes meanwhile, and ends by itself.
PAUSE = "nodecycle_reconfigure"
PAUSE_MINUTES = 3
#: Jobs that are being prepared start within this time, or they wait for something slow, as a node that is switched on.
QUIET_WITHIN = 30
#: The launch of a job that was prepared reaches its node in this time.
LAUNCH_WITHIN = 1
#: slurmd of 23.11 and later replaces itself, too, and registers again.
NODES_WITHIN = 30
UNIT = "slurmctld"


class Controller:
    """The cluster's controller through its commands, and the daemon of this host."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._run = _ansible.runner(module, module.params["bin_dir"])
        self.path: str = module.params["path"]
        self.slurm = _ansible.slurm(module)
        self._log = ""
        self._log_size = 0
        self._began = time.time()

    def active(self) -> str:
        """The first controller that answers; empty where none does."""
        _code, out, err = self._run(["scontrol", "ping"])
        return next((host for host, is_up in _reconfigure.parse_ping(out + err).items() if is_up), "")

    def note(self) -> Note:
        """What the cluster is now. Raises SlurmError, ConfError."""
        return Note(
            time=time.time(),
            digest=_reconfigure.digest(self.path, _ansible.read_text),
            keys=_reconfigure.read_keys(self.path, _ansible.read_text),
            config=self.slurm.cluster().config,
            jobs=_reconfigure.unfinished(self.jobs()),
            nodes=[name for name, node in self.slurm.nodes().items() if _reconfigure.is_serving(node)],
        )

    def jobs(self) -> dict[str, str]:
        """The state of each job that the controller remembers."""
        return _reconfigure.parse_jobs(self.slurm.call("squeue", "-h", "-a", "-t", "all", "-o", "%A|%T"))

    def listen(self, keys: t.Mapping[str, list[str]]) -> None:
        """Remember where the daemon's log ends now."""
        self._log = (keys.get("slurmctldlogfile") or [""])[-1]
        with contextlib.suppress(OSError):
            self._log_size = os.stat(self._log).st_size

    def words(self) -> list[str]:
        """What the daemon of this host has complained about since."""
        text = ""
        with contextlib.suppress(OSError), open(self._log, encoding="utf-8", errors="replace") as handle:
            # A log that was rotated meanwhile is read from its beginning.
            handle.seek(self._log_size if os.stat(self._log).st_size >= self._log_size else 0)
            text = handle.read()
        if not text and (journalctl := self._module.get_bin_path("journalctl")):
            since = f"--since=@{int(self._began)}"
            _code, text, _err = self._module.run_command([journalctl, "-q", f"--unit={UNIT}", since, "--output=cat"])
        return _reconfigure.severe_lines(text)

    def systemctl(self, verb: str) -> None:
        """Start or restart the daemon of this host. Raises SlurmError."""
        systemctl = self._module.get_bin_path("systemctl")
        if not systemctl:
            raise SlurmError(f"this host has no systemctl to {verb} {UNIT} with: {verb} it by hand")
        code, out, err = self._module.run_command(
            [self._module.get_bin_path("timeout", required=True), "120", systemctl, verb, UNIT]
        )
        if code:
            raise SlurmError(f"systemctl {verb} {UNIT} ended with exit code {code} and said: {(err or out).strip()}")

    def reconfigure(self) -> None:
        """Tell the controller to read its files. Raises SlurmError.

        A busy one may have done it and answered too late (MessageTimeout): then it is asked what it runs.
        """
        self.note_reason_users()
        try:
            self.slurm.call("scontrol", "reconfigure")
        except SlurmError as exc:
            if TIMED_OUT not in str(exc):
                raise
            self.wait_for_answer()
            if self.slurm.cluster().config.get("HASH_VAL", "") != "Match":
                # 22.05 does not say it.
                self.slurm.call("scontrol", "reconfigure")

    def note_reason_users(self) -> None:
        """Note who gave the nodes' reasons, for this Slurm may forget it. An undo comes here, too, and does not end at a full disk."""
        with contextlib.suppress(_files.WriteError):
            _reason_users.write(_reason_users.noted(self.slurm.nodes().values()))

    @contextlib.contextmanager
    def no_job_starts(self) -> t.Iterator[None]:
        """Let no job start meanwhile. A cluster that does not allow that goes without it, with a warning."""
        try:
            if PAUSE in self.slurm.reservations():
                self.slurm.unreserve(PAUSE)
            self.slurm.reserve(PAUSE, "ALL", ["root"], PAUSE_MINUTES)
        except SlurmError as exc:
            self._module.warn(
                f"Jobs could not be kept from starting during the reconfigure, which may lose one that does: {exc}"
            )
            yield
            return
        try:
            deadline = time.monotonic() + QUIET_WITHIN
            while (
                self.slurm.call("squeue", "-h", "-a", "-t", "CONFIGURING", "-o", "%A") and time.monotonic() < deadline
            ):
                time.sleep(0.2)
            time.sleep(LAUNCH_WITHIN)
            yield
        finally:
            # A controller that has died knows of it when it runs again, and the reconfigure that mends it begins here.
            with contextlib.suppress(SlurmError):
                self.slurm.unreserve(PAUSE)

    def has_read_files(self) -> bool:
        """Whether the controller answers and runs what its files say."""
        with contextlib.suppress(SlurmError):
            return bool(self.answer())
        return False

    def wait_for_answer(self) -> str:
        """The controller that answers, with the files that are on disk. Raises SlurmError."""
        return _wait(ANSWER_WITHIN, self.answer)

    def answer(self) -> str:
        """The controller that answers now, with the files that are on disk. Raises SlurmError."""
        active = self.active()
        if not active:
            raise SlurmError("the controller does not answer (scontrol ping)")
        hash_value = self.slurm.cluster().config.get("HASH_VAL", "")
        # 22.05 has no such line until the first difference is known.
        if hash_value.startswith("Different"):
            raise SlurmError(
                f"the controller still runs another slurm.conf than the one on disk (HASH_VAL = {hash_value})"
            )
        return active

    def wait_for_nodes(self, before: t.Iterable[str]) -> dict[str, str]:
        """Wait until all nodes that answered before do so again; those that do not. Raises SlurmError."""
        deadline = time.monotonic() + NODES_WITHIN
        while (left := _reconfigure.left(before, self.slurm.nodes())) and time.monotonic() < deadline:
            time.sleep(0.5)
        return left


T = t.TypeVar("T")


def _wait(seconds: float, look: t.Callable[[], T]) -> T:
    """Look until it goes well; raises the last SlurmError."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return look()
        except SlurmError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def write_note(note: Note) -> None:
    """Put the note in place; only root and the controller's users of root may read what jobs there were."""
    _files.make_parents(_ansible.RECONFIGURE_DUE)
    _files.write_atomic(_ansible.RECONFIGURE_DUE, note.dump(), 0o600)


def announce(controller: Controller) -> None:
    """Leave the note. Raises SlurmError, ConfError."""
    # A controller that does not answer now has nothing to compare with later.
    write_note(controller.note() if controller.active() else Note())


class Outcome(t.TypedDict):
    """What is to be done."""

    needs: str
    changed_keys: list[str]
    waits_for_restart: list[str]


def plan(controller: Controller, note: Note, keys: t.Mapping[str, list[str]], *, restart_allowed: bool) -> Outcome:
    """What the changed files want. Raises SlurmError where a reconfigure would end the controller."""
    # Without a baseline nothing can be told from the keys.
    changed = _reconfigure.changed_keys(note.keys, keys) if note.keys else []
    release = note.config.get("SLURM_VERSION", "")
    waiting, deadly = _reconfigure.waiting_for_restart(note.keys, keys, release) if note.keys else ([], [])
    if deadly and not restart_allowed:
        raise SlurmError(
            f"{', '.join(deadly)} changed, and slurmctld {release} ends when it is told to reconfigure after that: "
            "nothing was told to it. Set `slurm_restart_allowed: true`, or take the lines back"
        )
    needs = "restart" if waiting else "reconfigure"
    is_as_before = note.digest == _reconfigure.digest(controller.path, _ansible.read_text)
    if is_as_before and not note.begun and controller.has_read_files():
        needs = "nothing"
    return {"needs": needs, "changed_keys": changed, "waits_for_restart": [] if restart_allowed else waiting}


def carry_out(controller: Controller, note: Note, needs: str, *, restart_allowed: bool) -> bool:
    """Reconfigure, and start or restart the controller where that is due; whether it had to be started. Raises SlurmError."""
    was_started = not controller.active()
    if was_started:
        controller.systemctl("start")
        controller.wait_for_answer()
    if needs == "nothing":
        return was_started
    note.begun = True
    # An undo goes this way, too, and must not end at a full disk; what was announced is there.
    with contextlib.suppress(_files.NoRoomError):
        write_note(note)
    with controller.no_job_starts():
        if needs == "restart" and restart_allowed and not was_started:
            active = controller.active()
            if active.split(".")[0] != os.uname().nodename.split(".")[0]:
                raise SlurmError(f"a restart is due, and the active controller is {active}: run this there")
            controller.systemctl("restart")
            controller.wait_for_answer()
        # Also after a start: that alone sends no file to the nodes of a configless cluster.
        controller.reconfigure()
        controller.wait_for_answer()
        _reason_users.forget(controller.slurm.named_nodes().values())
    return was_started


def prove(
    controller: Controller, note: Note, changed: t.Iterable[str], keys: t.Mapping[str, list[str]]
) -> dict[str, t.Any]:
    """Whether the controller, its nodes and its jobs are as they should be. Raises SlurmError."""
    controller.wait_for_answer()
    time.sleep(SETTLED_AFTER)
    active = controller.wait_for_answer()
    left = controller.wait_for_nodes(note.nodes)
    config = controller.slurm.cluster().config
    remembered = _reconfigure.seconds_of(config.get("MinJobAge", ""), 300)
    lost = _reconfigure.lost_jobs(note.jobs, controller.jobs(), seconds=time.time() - note.time, remembered=remembered)
    # Where the files are those of before, nothing is left that would bring a node or a job back.
    if note.digest != _reconfigure.digest(controller.path, _ansible.read_text):
        if left:
            name, state = next(iter(left.items()))
            raise SlurmError(
                f"nodes that answered before do not any more: {_hostlist.fold(left)} (the controller calls {name} {state})"
            )
        if lost:
            raise SlurmError(f"jobs that waited or ran before are lost: {', '.join(lost[:10])} ({len(lost)} in all)")
    away = [name for name, node in controller.slurm.nodes().items() if not _reconfigure.is_serving(node)]
    down = [name for name in away if name not in left]
    return {
        "active_controller": active,
        "unproven_keys": _reconfigure.unproven(changed, keys, note.config, config),
        "nodes_down": _hostlist.fold(down) if down else "",
        "nodes_left": _hostlist.fold(left) if left else "",
        "jobs_before": len(note.jobs),
        "jobs_lost": lost,
    }


def main() -> t.NoReturn:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["announced", "done"], "default": "done"},
            "due": {"type": "bool", "default": False},
            "path": {"type": "path", "default": "/etc/slurm/slurm.conf"},
            "restart_allowed": {"type": "bool", "default": False},
            **_ansible.BIN_DIR_SPEC,
        },
        supports_check_mode=True,
    )
    _ansible.require_root(module)
    allowed = module.params["restart_allowed"]
    controller = Controller(module)
    try:
        present = _files.read_bytes(_ansible.RECONFIGURE_DUE, follow=False)
    except OSError as exc:
        module.fail_json(msg=f"Reading what an earlier run has left: {exc}.")
    was_due = present is not None
    is_due = was_due or module.params["due"]
    result: dict[str, t.Any] = {"was_due": was_due}
    try:
        if module.params["state"] == "announced":
            if not was_due and not module.check_mode:
                announce(controller)
            module.exit_json(changed=not was_due, **result)
        note = _reconfigure.load_note(present) if present else Note(time=time.time())
        result.update(needs="nothing", changed_keys=[], waits_for_restart=[])
        if is_due:
            keys = _reconfigure.read_keys(controller.path, _ansible.read_text)
            controller.listen(keys)
            outcome = plan(controller, note, keys, restart_allowed=allowed)
            result.update(outcome)
            if not module.check_mode:
                result["was_started"] = carry_out(controller, note, outcome["needs"], restart_allowed=allowed)
                result.update(prove(controller, note, outcome["changed_keys"], keys))
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(_ansible.RECONFIGURE_DUE)
    except (SlurmError, _conf.ConfError, OSError) as exc:
        if module.params["state"] == "announced":
            module.fail_json(msg=f"Noting what the cluster is before slurm.conf changes: {exc}. Nothing was changed.")
        words = controller.words()
        is_fatal = any("fatal: " in line for line in words)
        said = f" slurmctld says: {'; '.join(words)}." if is_fatal else ""
        module.fail_json(
            msg=f"It is not proven that the cluster runs well with the new slurm.conf: {exc}.{said} Correct `slurm_extra_conf`, or what "
            "is wrong on the hosts that are named; until a reconfigure has succeeded, each run tries it again.",
            failed_because=words,
            **result,
        )
    if result.get("waits_for_restart"):
        module.warn(
            f"{', '.join(result['waits_for_restart'])}: slurm.conf has a new value, and the daemons run the old one until they are "
            "restarted. Set `slurm_restart_allowed: true` before the next change, or restart them when it suits (systemctl restart slurmctld)."
        )
    module.exit_json(changed=result["needs"] != "nothing" or result.get("was_started", False), **result)


if __name__ == "__main__":
    main()
