# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The connections that hold up a reconfigure.

A slurmctld that has a conmgr (24.11 and later) waits at a reconfigure until each connection that it has accepted is gone, and answers nobody
meanwhile: 24.11.5 as long as somebody holds one open without a request (38 of 40 seconds), 25.05 and later for MessageTimeout
(conmgr_quiesce, src/conmgr/watch.c; CON_FLAG_WATCH_READ_TIMEOUT, src/slurmctld/controller.c). Any user can hold one, and a node that was
switched off in the middle of a request does. A connection that waits for C(accept) is not among them.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import threading
import time
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _daemons

#: No RPC of Slurm is as short as this: its header and a credential are longer (215 bytes for a ping with munge, 24.11.5).
REQUEST = 64
#: Seconds after which a connection without a request is closed. A client sends it at once, on a busy machine a little later; those that wait
#: meanwhile give up after ten (MessageTimeout).
SILENT_FOR = 3.0
#: Between two looks.
LOOK_EVERY = 0.5

_SOCKET = re.compile(r"\d+\s+\d+\s+\S+:(\d+)\s+(\S+:\d+)\s.*?\bino:(\d+)")

#: A call of C(ss) with these arguments: its output, empty where it fails.
Ask = t.Callable[[t.Sequence[str]], str]


class Connection(t.NamedTuple):
    """An established connection of this host."""

    port: int
    #: As C(ss) writes it, and reads it.
    peer: str
    #: 0 until the daemon has accepted it.
    inode: int
    #: Bytes.
    received: int
    #: Seconds since the last of them, or since it was made.
    silent: float


def parse(text: str) -> list[Connection]:
    """The connections in the output of C(ss -Htnie state established)."""
    found = []
    # The second line of each begins with white space.
    for line in re.sub(r"\n\s+", " ", text).splitlines():
        if match := _SOCKET.match(line):
            # Before the arrow stands the path of a control group, which may have any name.
            details = line.rpartition("<->")[2]
            received = re.search(r"\bbytes_received:(\d+)", details)
            silent = re.search(r"\blastrcv:(\d+)", details)
            found.append(
                Connection(
                    int(match.group(1)),
                    match.group(2),
                    int(match.group(3)),
                    int(received.group(1)) if received else 0,
                    int(silent.group(1)) / 1000 if silent else 0.0,
                )
            )
    return found


def accepted(connections: t.Iterable[Connection], inodes: t.Container[int]) -> list[Connection]:
    """Those that a daemon has accepted, by the inodes of its sockets."""
    return [each for each in connections if each.inode and each.inode in inodes]


def holding_up(connections: t.Iterable[Connection], seen_for: t.Callable[[int], float]) -> list[Connection]:
    """Those on which a daemon waits for a request in vain.

    Not those with a whole request: it may be being served. Silence alone would not do: a byte now and then ends it.
    """
    return [
        each for each in connections if each.received < REQUEST and max(each.silent, seen_for(each.inode)) >= SILENT_FOR
    ]


def ports(value: str) -> list[int]:
    """The ports of SlurmctldPort, which may be a range."""
    first, _dash, last = (value or "6817").partition("-")
    if not (first.isdecimal() and (last or "0").isdecimal()):
        return []
    return list(range(int(first), int(last or first) + 1))


class Guard:
    """Closes what holds up a daemon that listens on these ports, while it is told to reconfigure."""

    def __init__(self, ask: Ask, listens: t.Sequence[int], find: t.Callable[[], int]) -> None:
        """C(find) is the daemon's process, and is called on the main thread only."""
        self._ask = ask
        self._ports = listens
        self._find = find
        self._pid = 0
        self._began = 0.0
        #: When each connection was seen first, by its inode.
        self._seen: dict[int, float] = {}
        #: The peers whose connection was closed.
        self.closed: list[str] = []

    @contextlib.contextmanager
    def watch(self) -> t.Iterator[None]:
        """Close what has no request while something else waits for the daemon."""
        if not self._ports:
            yield
            return
        is_over = threading.Event()
        self._pid, self._began, self._seen = self._find(), time.monotonic(), {}

        def look() -> None:
            while not is_over.wait(LOOK_EVERY):
                for each in holding_up(self._accepted(), self._seen_for):
                    self._close(each)

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def close_old(self) -> None:
        """Close all that the daemon had when the watch began, if it is still the same process.

        For a client that has waited as long as C(scontrol) itself: none of Slurm's waits longer for an answer (MessageTimeout).
        """
        if self._pid and self._find() == self._pid:
            for each in self._accepted():
                if self._seen[each.inode] <= self._began + 2 * LOOK_EVERY:
                    self._close(each)

    def _seen_for(self, inode: int) -> float:
        return time.monotonic() - self._seen[inode]

    def _accepted(self) -> list[Connection]:
        """What the daemon has accepted by now. The first time that each is seen is remembered."""
        inodes = _daemons.sockets(self._pid)
        found = []
        for port in self._ports if inodes else ():
            text = self._ask(["-Htnie", "state", "established", f"sport = :{port}"])
            found += accepted(parse(text), inodes)
        for each in found:
            self._seen.setdefault(each.inode, time.monotonic())
        return found

    def _close(self, connection: Connection) -> None:
        arguments = ["-HtnK", "state", "established", f"sport = :{connection.port} and dst = {connection.peer}"]
        # It prints what it has closed; a kernel that cannot (CONFIG_INET_DIAG_DESTROY) says nothing.
        if self._ask(arguments).strip():
            self.closed.append(connection.peer)


def asking(ss: str | None) -> Ask:
    """Calls of this C(ss). A host without one, or whose kernel cannot close connections, goes without."""

    def ask(arguments: t.Sequence[str]) -> str:
        if ss is None:
            return ""
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(
                [ss, *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=10,
                encoding="utf-8",
                errors="replace",
                env={"LC_ALL": "C"},
            )
            return done.stdout
        return ""

    return ask
