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
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _daemons

#: No request of Slurm is as short as this: its header and a credential are longer (215 bytes for a ping with munge, 24.11.5).
REQUEST = 64
#: Seconds of silence after which a connection without a request is closed. A client sends it at once, on a busy machine a little later;
#: those that wait meanwhile give up after ten (MessageTimeout).
SILENT_FOR = 3.0
#: Seconds of silence after which any connection is closed, if the controller still answers nobody: what is served is served by then.
STUCK_FOR = 5.0
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


def holding_up(
    connections: t.Iterable[Connection], inodes: t.Container[int], *, answers_nobody: bool = False
) -> list[Connection]:
    """Those of a daemon, by the inodes of its sockets, that it waits for in vain.

    As long as C(scontrol reconfigure) waits itself, only those without a request: a request that is being served looks like one of its own.
    """
    return [
        each
        for each in connections
        if each.inode in inodes
        and each.inode
        and (each.silent >= STUCK_FOR if answers_nobody else each.silent >= SILENT_FOR and each.received < REQUEST)
    ]


def ports(value: str) -> list[int]:
    """The ports of SlurmctldPort, which may be a range."""
    first, _dash, last = (value or "6817").partition("-")
    if not (first.isdecimal() and (last or "0").isdecimal()):
        return []
    return list(range(int(first), int(last or first) + 1))


class Guard:
    """Closes what holds up a daemon that listens on these ports."""

    def __init__(self, ask: Ask, listens: t.Sequence[int], find: t.Callable[[], int]) -> None:
        """C(find) is the daemon's process, and is called on the main thread only."""
        self._ask = ask
        self._ports = listens
        self._find = find
        #: The peers whose connection was closed.
        self.closed: list[str] = []

    def close(self, *, answers_nobody: bool = False) -> None:
        """Close them once."""
        self._close(self._find(), answers_nobody=answers_nobody)

    def _close(self, pid: int, *, answers_nobody: bool = False) -> None:
        inodes = _daemons.sockets(pid)
        for port in self._ports if inodes else ():
            text = self._ask(["-Htnie", "state", "established", f"sport = :{port}"])
            for each in holding_up(parse(text), inodes, answers_nobody=answers_nobody):
                self._ask(["-HtnK", "state", "established", f"sport = :{port} and dst = {each.peer}"])
                self.closed.append(each.peer)

    @contextlib.contextmanager
    def watch(self) -> t.Iterator[None]:
        """Close them while something else waits for the daemon."""
        is_over, pid = threading.Event(), self._find()

        def look() -> None:
            while not is_over.wait(LOOK_EVERY):
                self._close(pid)

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


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
