# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The steps of a reconfigure, and the proof that it took effect and that no node or job was lost."""

from __future__ import annotations

import contextlib
import os
import re
import time
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import (
    _ansible,
    _conf,
    _controller,
    _files,
    _hostlist,
    _reason_users,
    _restart,
    _run_time,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._ansible import FailedError
from ansible_collections.nodecycle.slurm.plugins.module_utils._controller import Controller
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal import Journal, JournalError
from ansible_collections.nodecycle.slurm.plugins.module_utils._journal_documents import NO_BASELINE, Baseline, Rollout
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import SlurmError

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

#: Job states that a node's end causes.
_LOST = frozenset({"NODE_FAIL", "BOOT_FAIL"})
#: Ended; everything else waits, runs or comes to its end.
_ENDED = frozenset(
    {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"}
)
#: Keys of which every line counts, beside those of a line of their own; the hooks since 24.05.
_ADDING = _conf.ADDING_UP | {"slurmctldhost"}
#: How scontrol writes units.
_UNIT = re.compile(r"\s+(?:sec|secs|min|usec|msec|percent|nodes/min)$")

#: A controller that ends after scontrol has returned does so within this time (22.05.8, and 24.11.5 with -D).
SETTLED_AFTER = 2


def read_keys(path: str, read: t.Callable[[str], str | None]) -> dict[str, list[str]]:
    """Every key (in lower case) of slurm.conf and its included files with all its values. Raises ConfError."""
    found: dict[str, list[str]] = {}
    for entry in _conf.tree(path, read):
        found.setdefault(entry.key.lower(), []).append(entry.value)
    # As the journal holds them.
    return _ansible.shown(found)


def digest(path: str, read: t.Callable[[str], str | None]) -> str:
    """One digest over the main file and ours."""
    ours = _conf.fragment_path(path, read)
    texts = [read(name) for name in (path, ours)]
    return _files.sha256(
        "\0".join("" if text is None else f"+{text}" for text in texts).encode("utf-8", "surrogateescape")
    )


# -- the plan


def changed_keys(before: t.Mapping[str, list[str]], after: t.Mapping[str, list[str]]) -> list[str]:
    """The keys (in lower case) that have changed."""
    return sorted(key for key in before.keys() | after.keys() if _effective(key, before) != _effective(key, after))


def _effective(key: str, keys: t.Mapping[str, list[str]]) -> list[str]:
    values = keys.get(key, [])
    # Of an ordinary key the last line wins.
    return values if key in _conf.LINE_KEYS or key in _ADDING else values[-1:]


def waiting_for_restart(
    before: t.Mapping[str, list[str]], after: t.Mapping[str, list[str]], release: str
) -> tuple[list[str], list[str]]:
    """The changed keys that a restart applies, and those of them that must not meet a reconfigure."""
    changed = changed_keys(before, after)
    waiting = [
        key
        for key in changed
        if _restart.needs_restart(key, " ".join(before.get(key, [])), " ".join(after.get(key, [])), release)
    ]
    return waiting, [key for key in waiting if _restart.is_deadly(key, release)]


# -- the proof


def unfinished(jobs: t.Mapping[str, str]) -> list[str]:
    """The jobs that have not ended."""
    return [job for job, state in jobs.items() if state not in _ENDED]


def lost_jobs(before: t.Iterable[str], now: t.Mapping[str, str], *, seconds: float, remembered: float) -> list[str]:
    """The jobs that were lost: the controller does not know them although it remembers ended jobs longer (MinJobAge) than the time
    that has passed, or their node has failed.

    When more time has passed, a job that is not known any more may just have ended.
    """
    return [job for job in before if now.get(job) in _LOST or (job not in now and seconds < remembered)]


def unproven(
    changed: t.Iterable[str], keys: t.Mapping[str, list[str]], before: t.Mapping[str, str], now: t.Mapping[str, str]
) -> list[str]:
    """The changed keys that C(scontrol show config) shows with neither their new value nor any other than before.

    It writes many values in its own way, so this is not a failure by itself. HASH_VAL says whether the controller has read the bytes.
    """
    shown = {key.lower(): value for key, value in now.items()}
    earlier = {key.lower(): value for key, value in before.items()}
    return [
        key
        for key in changed
        if keys.get(key)
        and key in shown
        and shown[key] == earlier.get(key)
        and _plain(shown[key]) != _plain(keys[key][-1])
    ]


def _plain(value: str) -> list[str]:
    return sorted(_UNIT.sub("", value.strip().lower()).split(","))


def seconds_of(value: str, default: float) -> float:
    """A time of C(scontrol show config), such as V(300 sec)."""
    match = re.match(r"(\d+)", value)
    return float(match.group(1)) if match else default


# -- the steps


def baseline_of(controller: Controller) -> Baseline:
    """What the cluster is now. Raises SlurmError, ConfError, OSError."""
    if not controller.active():
        # There is nothing to compare with later.
        return {**NO_BASELINE, "time": time.time()}
    baseline: Baseline = {
        "time": time.time(),
        "digest": digest(controller.path, _ansible.read_text),
        "keys": read_keys(controller.path, _ansible.read_text),
        "config": controller.slurm.cluster().config,
        "jobs": unfinished(controller.jobs()),
        "nodes": [name for name, node in controller.slurm.nodes().items() if _controller.is_serving(node)],
        "begun": False,
    }
    # Else what differs from the files may be an edit that nobody has told Slurm of yet.
    return {**baseline, "settings": _run_time.of(controller.slurm)} if controller.has_read_files() else baseline


def keys_in_effect(controller: Controller, rollout: Rollout) -> dict[str, list[str]]:
    """The keys that the controller runs when the undo of a committed reconfigure has restored the files. Raises ConfError."""
    ours = _conf.fragment_path(controller.path, _ansible.read_text)

    def read(path: str) -> str | None:
        return rollout["conf"]["text"] if path == ours else _ansible.read_text(path)

    return read_keys(controller.path, read)


class Outcome(t.TypedDict):
    """The action that is due."""

    needs: str
    changed_keys: list[str]
    waits_for_restart: list[str]


def plan(
    controller: Controller, before: Baseline, keys: t.Mapping[str, list[str]], *, restart_allowed: bool
) -> Outcome:
    """What the changed files want. Raises SlurmError where a reconfigure would end the controller."""
    # Without a baseline nothing can be told from the keys.
    changed = changed_keys(before["keys"], keys) if before["keys"] else []
    release = before["config"].get("SLURM_VERSION", "")
    waiting, deadly = waiting_for_restart(before["keys"], keys, release) if before["keys"] else ([], [])
    if deadly and not restart_allowed:
        raise SlurmError(
            f"{', '.join(deadly)} changed, and slurmctld {release} would end at a reconfigure after that: "
            "the run did not reconfigure. Set `slurm_restart_allowed: true`, or restore the lines"
        )
    needs = "restart" if waiting else "reconfigure"
    is_as_before = before["digest"] == digest(controller.path, _ansible.read_text)
    if is_as_before and not before["begun"] and controller.has_read_files():
        needs = "nothing"
    else:
        _require_partitions(controller, keys)
    return {"needs": needs, "changed_keys": changed, "waits_for_restart": [] if restart_allowed else waiting}


def _require_partitions(controller: Controller, keys: t.Mapping[str, list[str]]) -> None:
    """Slurm ends the jobs of a partition that slurm.conf does not have (seen on 24.11.5). Raises SlurmError."""
    if not controller.active():
        return
    config = controller.slurm.cluster().config
    for name in _run_time.vanishing(controller.slurm.partitions(), keys, config):
        if jobs := controller.slurm.queue("%A", "-p", name):
            raise SlurmError(
                f"slurm.conf has no partition {name}, so a reconfigure would end its {len(jobs)} jobs: the run did not reconfigure. "
                f"Write {name} into slurm.conf, or delete it when its jobs have ended"
            )


def carry_out(
    controller: Controller,
    needs: str,
    *,
    restart_allowed: bool,
    restore: t.Callable[[], None],
) -> bool:
    """Reconfigure, and start or restart the controller where that is due; whether it had to be started. Raises SlurmError."""
    was_started = not controller.active()
    if was_started:
        controller.systemctl("start")
        controller.wait_for_answer()
    if needs == "nothing":
        return was_started
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
        # Before jobs may start: a partition may have been closed as a safety stop.
        restore()
        _reason_users.forget(controller.slurm.uncorrected_nodes)
    return was_started


def prove(
    controller: Controller, before: Baseline, changed: t.Iterable[str], keys: t.Mapping[str, list[str]]
) -> dict[str, t.Any]:
    """Prove that the controller, its nodes and its jobs are well. Raises SlurmError."""
    controller.wait_for_answer()
    time.sleep(SETTLED_AFTER)
    active = controller.wait_for_answer()
    left = controller.wait_for_nodes(before["nodes"])
    config = controller.slurm.cluster().config
    remembered = seconds_of(config.get("MinJobAge", ""), 300)
    lost = lost_jobs(before["jobs"], controller.jobs(), seconds=time.time() - before["time"], remembered=remembered)
    # Where the files are the previous ones again, nothing is left that would bring a node or a job back.
    if before["digest"] != digest(controller.path, _ansible.read_text):
        if left:
            name, state = next(iter(left.items()))
            raise SlurmError(
                f"nodes that answered before no longer do: {_hostlist.fold(left)} (the controller calls {name} {state})"
            )
        if lost:
            raise SlurmError(f"jobs that waited or ran before are lost: {', '.join(lost[:10])} ({len(lost)} in all)")
    away = [name for name, node in controller.slurm.nodes().items() if not _controller.is_serving(node)]
    down = [name for name in away if name not in left]
    return {
        "active_controller": active,
        "unproven_keys": unproven(changed, keys, before["config"], config),
        "nodes_down": _hostlist.fold(down) if down else "",
        "nodes_left": _hostlist.fold(left) if left else "",
        "jobs_before": len(before["jobs"]),
        "jobs_lost": lost,
    }


def _replace(module: AnsibleModule, old: Baseline, new: Baseline | None) -> None:
    """Write another baseline into the journal. An undo goes this way, too, and must not end at a full disk."""
    with _ansible.exclusive(module), contextlib.suppress(_files.NoRoomError):
        Journal().replace_baseline(old, new)


def _begun(module: AnsibleModule, controller: Controller, baseline: Baseline | None) -> Baseline:
    """Note that a reconfigure begins. That of an undo may have no baseline any more, but what is set at run time has to outlive a kill."""
    begun: Baseline = {**(baseline or {**NO_BASELINE, "time": time.time()}), "begun": True}
    if baseline is None:
        with contextlib.suppress(SlurmError):
            begun["settings"] = _run_time.of(controller.slurm)
    _replace(module, baseline or NO_BASELINE, begun)
    return begun


class _Settings:
    """What is set at run time: restored after a reconfigure, and compared once more in the end."""

    def __init__(
        self,
        controller: Controller,
        before: Baseline,
        old: t.Mapping[str, list[str]],
        new: t.Mapping[str, list[str]],
    ) -> None:
        self._slurm = controller.slurm
        self._before = before.get("settings")
        self._keys = (old, new)
        self._due: list[_run_time.Change] = []

    def _changes(self) -> list[_run_time.Change]:
        return _run_time.changes(self._before, _run_time.of(self._slurm), *self._keys) if self._before else []

    def restore(self) -> None:
        """Restore what the reconfigure has reset. Raises SlurmError."""
        self._due = self._changes()
        _run_time.restore(self._slurm, self._due)

    def result(self) -> dict[str, list[str]]:
        """What is as before again, and what is not. Raises SlurmError."""
        lost = self._changes()
        return {
            "settings_restored": [str(change) for change in self._due if change not in lost],
            "settings_lost": [str(change) for change in lost],
        }


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Let Slurm read its slurm.conf, and prove that it did. Raises FailedError."""
    controller = Controller(module, module.params["path"])
    try:
        rollout = Journal().current()
    except (JournalError, OSError) as exc:
        raise FailedError(f"The journal of the rollout: {exc}.") from exc
    baseline = rollout.get("baseline") if rollout else None
    allowed = module.params["restart_allowed"]
    before = baseline or {**NO_BASELINE, "time": time.time()}
    result: dict[str, t.Any] = {"needs": "nothing", "changed_keys": [], "waits_for_restart": []}
    try:
        keys = read_keys(controller.path, _ansible.read_text)
        controller.listen(keys)
        outcome = plan(controller, before, keys, restart_allowed=allowed)
        result.update(outcome)
        if not module.check_mode:
            if rollout and outcome["needs"] != "nothing":
                before = _begun(module, controller, baseline)
            old = before["keys"] or (keys_in_effect(controller, rollout) if rollout else {})
            settings = _Settings(controller, before, old, keys)
            result["was_started"] = carry_out(
                controller, outcome["needs"], restart_allowed=allowed, restore=settings.restore
            )
            result.update(prove(controller, before, outcome["changed_keys"], keys))
            result.update(settings.result())
            if rollout:
                _replace(module, before, None)
    except (SlurmError, JournalError, _conf.ConfError, OSError) as exc:
        words = controller.words()
        is_fatal = any("fatal: " in line for line in words)
        said = f" slurmctld says: {'; '.join(words)}." if is_fatal else ""
        raise FailedError(
            f"Slurm did not confirm the new slurm.conf: {exc}.{said} Fix `slurm_extra_conf`, or the hosts named above, then run again. "
            "Each run retries until a reconfigure succeeds.",
            failed_because=words,
            **result,
        ) from exc
    _tell_settings(module, result, baseline)
    if result.get("was_started"):
        _tell_silent(module, controller)
    if result["waits_for_restart"]:
        module.warn(
            f"{', '.join(result['waits_for_restart'])}: slurm.conf has a new value, and the daemons run the old one until they are "
            "restarted. Set `slurm_restart_allowed: true` before the next change, or restart them when it suits "
            f"(systemctl restart {controller.unit()})."
        )
    return {"changed": result["needs"] != "nothing" or result.get("was_started", False), **result}


def _tell_silent(module: AnsibleModule, controller: Controller) -> None:
    """Name the other controllers that may have ended at the same reconfigure (22.05.8); which of them ran before is not known."""
    if silent := [host for host, is_up in controller.ping().items() if not is_up]:
        module.warn(
            f"No controller answered, and the run started slurmctld on this host. These still do not answer: {', '.join(silent)}. "
            f"Start it there, if it is to run: systemctl start {controller.unit()}"
        )


def _tell_settings(module: AnsibleModule, result: t.Mapping[str, t.Any], baseline: Baseline | None) -> None:
    """Say what became of the things that are set at run time: the next reconfigure resets them again."""
    if result.get("settings_restored"):
        module.warn(
            f"The reconfigure reset what was set at run time, and the run has restored it: {'; '.join(result['settings_restored'])}. "
            "What is to stay belongs into slurm.conf."
        )
    if result.get("settings_lost"):
        module.warn(
            "The reconfigure reset what was set at run time, and it could not be restored. If you still want it, run: "
            f"{'; '.join(result['settings_lost'])}"
        )
    if baseline and baseline["config"] and "settings" not in baseline and result["needs"] != "nothing":
        module.warn(
            "slurm.conf had changes that slurmctld had not read when this run began. They are in effect now, and what was set at run time "
            "(scontrol update) may be reset: compare `scontrol show partition`."
        )
