# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The cluster's controller through its commands, and the daemon of this host."""

from __future__ import annotations

import contextlib
import os
import re
import time
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import (
    _ansible,
    _connections,
    _daemons,
    _reason_users,
    _releases,
)
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import TIMED_OUT, Node, SlurmError

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

#: The controller of 23.11 and later replaces itself by a new process, which takes 2 to 5 seconds.
ANSWER_WITHIN = 30
#: Keeps new jobs off all nodes meanwhile, and ends by itself.
PAUSE = "nodecycle_reconfigure"
PAUSE_MINUTES = 3
#: Jobs that are being prepared start within this time, or they wait for something slow, as a node that is switched on.
QUIET_WITHIN = 30
#: The launch of a job that was prepared reaches its node in this time.
LAUNCH_WITHIN = 1
#: slurmd of 23.11 and later replaces itself, too, and registers again.
NODES_WITHIN = 30

_PING = re.compile(r"^Slurmctld\(\w+\) at (\S+) is (UP|DOWN)", re.MULTILINE)
_SEVERE = re.compile(r"\b(?:fatal|error): ")
#: States of a node that does not answer because it was switched off, or is about to.
_POWER = frozenset({"POWERED_DOWN", "POWERING_DOWN", "POWERING_UP", "POWER_DOWN", "REBOOT_ISSUED", "REBOOT_REQUESTED"})
_AWAY = frozenset({"DOWN", "UNKNOWN", "ERROR", "FUTURE"})


class Controller:
    """The cluster's controller through its commands, and the daemon of this host."""

    def __init__(self, module: AnsibleModule, path: str) -> None:
        self._module = module
        self._run = _ansible.runner(module, module.params["bin_dir"])
        self.path = path
        self.slurm = _ansible.slurm(module)
        self._log = ""
        self._log_size = 0
        self._port = ""
        self._began = time.time()

    def ping(self) -> dict[str, bool]:
        """Each controller, the primary first, and whether it answers."""
        _code, out, err = self._run(["scontrol", "ping"])
        return parse_ping(out + err)

    def active(self) -> str:
        """The first controller that answers; empty where none does."""
        return next((host for host, is_up in self.ping().items() if is_up), "")

    def jobs(self) -> dict[str, str]:
        """The state of each job that the controller remembers."""
        return parse_jobs(self.slurm.call("squeue", "-h", "-a", "-t", "all", "-o", "%A|%T"))

    def listen(self, keys: t.Mapping[str, list[str]]) -> None:
        """Remember where the daemon listens, and where its log ends now."""
        self._port = (keys.get("slurmctldport") or [""])[-1]
        self._log = (keys.get("slurmctldlogfile") or [""])[-1]
        with contextlib.suppress(OSError):
            self._log_size = os.stat(self._log).st_size

    def words(self) -> list[str]:
        """The daemon's complaints since then."""
        text = ""
        with contextlib.suppress(OSError), open(self._log, encoding="utf-8", errors="replace") as handle:
            # A log that was rotated meanwhile is read from its beginning.
            handle.seek(self._log_size if os.stat(self._log).st_size >= self._log_size else 0)
            text = handle.read()
        if not text and (journalctl := self._module.get_bin_path("journalctl")):
            _code, text, _err = self._module.run_command(
                [journalctl, "-q", f"--unit={self.unit()}", f"--since=@{int(self._began)}", "--output=cat"]
            )
        return severe_lines(text)

    def unit(self) -> str:
        """The daemon's unit on this host."""
        return _daemons.unit(self._module, "slurmctld")

    def systemctl(self, verb: str) -> None:
        """Start or restart the daemon of this host. Raises SlurmError."""
        unit = self.unit()
        systemctl = self._module.get_bin_path("systemctl")
        if not systemctl:
            raise SlurmError(f"this host has no systemctl to {verb} {unit} with: {verb} it by hand")
        code, out, err = self._module.run_command(
            [self._module.get_bin_path("timeout", required=True), "120", systemctl, verb, unit]
        )
        if code:
            raise SlurmError(f"systemctl {verb} {unit} ended with exit code {code} and said: {(err or out).strip()}")

    def _new_guard(self) -> _connections.Guard:
        """What keeps connections from holding up the daemon of this host, for a release that waits for them."""
        listens: list[int] = []
        with contextlib.suppress(SlurmError):
            if _releases.RECONFIGURE_WAITS.holds(_releases.parse(self.slurm.cluster().version) or ()):
                listens = _connections.ports(self._port)
        ask = _connections.asking(self._module.get_bin_path("ss"))
        return _connections.Guard(ask, listens, lambda: _daemons.find_on(self._module, "slurmctld"))

    def reconfigure(self) -> None:
        """Tell the controller to read its files. Raises SlurmError.

        A busy one may have done it and answered too late (MessageTimeout): then it is asked what it runs.
        """
        _reason_users.write(_reason_users.noted(self.slurm.nodes().values()))
        guard = self._new_guard()
        try:
            with guard.watch():
                self.slurm.call("scontrol", "reconfigure")
        except SlurmError as exc:
            if TIMED_OUT not in str(exc):
                raise
            guard.close_old()
            self.wait_for_answer()
            if self.slurm.cluster().config.get("HASH_VAL", "") != "Match":
                # 22.05 does not say it.
                with guard.watch():
                    self.slurm.call("scontrol", "reconfigure")
        finally:
            self._warn_of_closed(guard.closed)

    def _warn_of_closed(self, peers: t.Collection[str]) -> None:
        if peers:
            self._module.warn(
                f"slurmctld answered nobody. The run closed connections to it that sent no request: {', '.join(sorted(set(peers)))}. While "
                "one is open, a slurmctld of 24.11 or later does not reconfigure"
            )

    @contextlib.contextmanager
    def no_job_starts(self) -> t.Iterator[None]:
        """Let no job start meanwhile. A cluster that does not allow that goes without it, with a warning."""
        try:
            if PAUSE in self.slurm.reservations():
                self.slurm.unreserve(PAUSE)
            self.slurm.reserve(PAUSE, "ALL", ["root"], PAUSE_MINUTES)
        except SlurmError as exc:
            self._module.warn(
                f"The run could not keep jobs from starting during the reconfigure, which may lose such a job: {exc}"
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
            # A controller that has died learns of the reservation when it runs again, and the reconfigure that fixes it begins here.
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
        while (left := not_back(before, self.slurm.nodes())) and time.monotonic() < deadline:
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


# -- its words


def parse_ping(text: str) -> dict[str, bool]:
    """C(scontrol ping): each controller, the primary first, and whether it answers."""
    return {host: state == "UP" for host, state in _PING.findall(text)}


def parse_jobs(text: str) -> dict[str, str]:
    """C(squeue -h -a -t all -o %A|%T): each job's state."""
    return dict(line.split("|", 1) for line in text.split() if "|" in line)


def is_serving(node: Node) -> bool:
    """Whether a node answers and is not out of service by itself; an administrator's drain does not matter here."""
    return node.state not in _AWAY and not node.flags & {"NOT_RESPONDING", "INVALID_REG", *_POWER}


def not_back(before: t.Iterable[str], now: t.Mapping[str, Node]) -> dict[str, str]:
    """The nodes that answered before and do not any more, with what the controller says of them.

    A node that slurm.conf no longer has is not among them, nor one that was switched off on purpose.
    """
    return {
        name: f"{'+'.join([node.state, *sorted(node.flags)])}{f' ({node.reason})' if node.reason else ''}"
        for name in before
        if (node := now.get(name)) and not is_serving(node) and not node.flags & _POWER
    }


def severe_lines(text: str, limit: int = 5) -> list[str]:
    """The last fatal and error lines of a log, without their times, each once; where one is fatal, up to that."""
    lines = list(
        dict.fromkeys(
            re.sub(r"^\[[^\]]*\]\s*|^slurmctld: ", "", line.strip())
            for line in text.splitlines()
            if _SEVERE.search(line)
        )
    )
    fatal = [number for number, line in enumerate(lines) if "fatal: " in line]
    return lines[: fatal[-1] + 1 if fatal else len(lines)][-limit:]
