# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import socket
import threading
import time
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _connections, _daemons

#: C(ss -Htnie state established '( sport = :6817 )') of iproute2 6.15 beside Slurm 24.11.5, during a reconfigure: a connection without a
#: request, the one of scontrol reconfigure, and one that waits for accept.
SS = """\
0      0      10.88.0.15:6817 10.88.0.15:59428 ino:25493384 sk:2bc cgroup:unreachable:e3686 <->
\t ts sack bbr wscale:10,10 rto:200 rtt:0.037/0.018 mss:32768 pmtu:65535 rcvmss:536 lastsnd:4472 lastrcv:4472 lastack:4472 delivered:1
0      0      10.88.0.15:6817 10.88.0.15:59430 ino:25494371 sk:2bd cgroup:unreachable:e3686 <->
\t ts sack bbr wscale:10,10 rto:200 ato:40 mss:32768 bytes_received:216 segs_out:1 segs_in:3 lastsnd:3508 lastrcv:3504 lastack:3504
216    0      [::ffff:10.88.0.15]:6817 [::ffff:10.88.0.9]:59436 ino:0 sk:2be cgroup:/user.slice/lastrcv:9 <->
\t ts sack bbr wscale:10,10 bytes_received:216 segs_out:1 segs_in:3 data_segs_in:1 lastsnd:2500 lastrcv:2500 lastack:2500
"""
SILENT, SERVED, WAITING = (
    _connections.Connection(6817, "10.88.0.15:59428", 25493384, 0, 4.472),
    _connections.Connection(6817, "10.88.0.15:59430", 25494371, 216, 3.504),
    _connections.Connection(6817, "[::ffff:10.88.0.9]:59436", 0, 216, 2.5),
)
INODES = {25493384, 25494371}


def test_what_ss_says() -> None:
    assert _connections.parse(SS) == [SILENT, SERVED, WAITING]
    assert _connections.parse("") == []


@pytest.mark.parametrize(
    ("connection", "inodes", "seen_for", "is_closed"),
    [
        (SILENT, INODES, 0.0, True),
        (SILENT, set(), 9.0, False),
        (SILENT._replace(silent=2.9), INODES, 2.9, False),
        # A byte now and then.
        (SILENT._replace(received=63, silent=0.1), INODES, 3.0, True),
        (SERVED, INODES, 60.0, False),
        (WAITING._replace(silent=60.0, received=0), {0}, 60.0, False),
    ],
)
def test_only_what_the_daemon_waits_for_in_vain_is_closed(
    connection: _connections.Connection, inodes: set[int], seen_for: float, is_closed: bool
) -> None:
    found = _connections.holding_up(_connections.accepted([connection], inodes), lambda _inode: seen_for)
    assert found == ([connection] if is_closed else [])


@pytest.mark.parametrize(
    ("value", "ports"), [("", [6817]), ("7000", [7000]), ("7000-7002", [7000, 7001, 7002]), ("x", []), ("7000-x", [])]
)
def test_the_ports_of_slurmctld(value: str, ports: list[int]) -> None:
    assert _connections.ports(value) == ports


@pytest.fixture
def listener() -> t.Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_silent_connection_is_closed_and_no_other(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real ss, where the kernel lets it. This process is the daemon."""
    monkeypatch.setattr(_connections, "SILENT_FOR", 0.2)
    monkeypatch.setattr(_connections, "LOOK_EVERY", 0.05)
    ss = "/usr/bin/ss" if os.path.exists("/usr/bin/ss") else None
    port = listener.getsockname()[1]
    guard = _connections.Guard(_connections.asking(ss), [port], os.getpid)
    with socket.create_connection(("127.0.0.1", port)) as silent, socket.create_connection(("127.0.0.1", port)) as asks:
        asks.sendall(b"x" * _connections.REQUEST)
        accepted = [listener.accept()[0] for _each in (silent, asks)]
        with socket.create_connection(("127.0.0.1", port)) as waits:
            peer = f"127.0.0.1:{silent.getsockname()[1]}"
            with guard.watch():
                deadline = time.monotonic() + 5
                while not guard.closed and time.monotonic() < deadline:
                    time.sleep(0.05)
            if not guard.closed:
                pytest.skip("closing a connection needs root, iproute2 and CONFIG_INET_DIAG_DESTROY")
            assert set(guard.closed) == {peer}
            with pytest.raises(ConnectionError):
                silent.sendall(b"x")
            for each in (asks, waits):
                each.sendall(b"x")
        for each in accepted:
            each.close()


class Daemon:
    """What ss says of a daemon whose process and connections change."""

    def __init__(self) -> None:
        self.pid = 7
        self.text = SS
        self.can_close = True
        self.killed: list[str] = []

    def ask(self, arguments: t.Sequence[str]) -> str:
        if "-HtnK" not in arguments:
            return self.text
        self.killed.append(arguments[-1])
        return "0 0 10.88.0.15:6817 10.88.0.15:59428\n" if self.can_close else ""


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Daemon:
    found = Daemon()
    monkeypatch.setattr(_connections, "LOOK_EVERY", 0.2)
    monkeypatch.setattr(_daemons, "sockets", lambda pid: INODES if pid == 7 else set())
    return found


def guard_of(daemon: Daemon) -> _connections.Guard:
    return _connections.Guard(daemon.ask, [6817], lambda: daemon.pid)


def watched(guard: _connections.Guard) -> None:
    with guard.watch():
        time.sleep(0.5)


def test_what_the_kernel_cannot_close_is_not_called_closed(daemon: Daemon) -> None:
    daemon.can_close = False
    guard = guard_of(daemon)
    watched(guard)
    assert set(daemon.killed) == {"sport = :6817 and dst = 10.88.0.15:59428"}
    assert guard.closed == []


@pytest.mark.parametrize(("pid", "closed"), [(7, {SILENT.peer, SERVED.peer}), (8, {SILENT.peer}), (0, {SILENT.peer})])
def test_what_was_there_from_the_beginning_is_closed_if_the_process_hangs(
    daemon: Daemon, pid: int, closed: set[str]
) -> None:
    """A new process waits for nobody."""
    guard = guard_of(daemon)
    watched(guard)
    assert set(guard.closed) == {SILENT.peer}
    daemon.pid = pid
    guard.close_old()
    assert set(guard.closed) == closed


def test_a_release_that_waits_for_no_connection_is_not_watched(daemon: Daemon) -> None:
    def find() -> int:
        pytest.fail("looked for the daemon")

    before = threading.active_count()
    with _connections.Guard(daemon.ask, [], find).watch():
        assert threading.active_count() == before


def test_a_later_connection_to_a_process_that_hangs_stays(daemon: Daemon) -> None:
    text, daemon.text = daemon.text, ""
    guard = guard_of(daemon)
    watched(guard)
    daemon.text = text
    guard.close_old()
    assert guard.closed == []


def test_the_sockets_of_a_process(listener: socket.socket) -> None:
    inode = os.fstat(listener.fileno()).st_ino
    assert inode in _daemons.sockets(os.getpid())
    assert _daemons.sockets(0) == set()
    assert _daemons.sockets(2**22 + 1) == set()
