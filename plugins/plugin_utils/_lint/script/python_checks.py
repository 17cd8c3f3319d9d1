# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Python hooks: what waits without an end, and what a task prolog prints.

Sources: the documentation of the Python standard library (socket.setdefaulttimeout: no timeout by default), of Requests (Timeouts: none
by default), of Paramiko and of libpq.
"""

from __future__ import annotations

import ast
import dataclasses
import re
import typing as t

from ..core.model import Hit, Severity
from .checks.protocol import OPEN, wrong_line
from .checks.waits import told
from .environment import Surroundings
from .facts import Wait
from .python_source import Source, keyword, read, text


@dataclasses.dataclass(frozen=True)
class _Call:
    """A call that waits for another host, unless it is told how long."""

    names: str
    keyword: str = "timeout"
    #: Where the limit may stand among the positional arguments.
    position: int | None = None
    #: socket.setdefaulttimeout() counts for it.
    obeys_default: bool = True


_CALLS = (
    _Call(r"urllib\.request\.urlopen", position=2),
    _Call(r"urllib\.request\.urlretrieve", keyword=""),
    _Call(r"http\.client\.HTTPS?Connection", position=2),
    _Call(r"socket\.create_connection", position=1),
    _Call(r"smtplib\.SMTP(_SSL)?", position=3),
    _Call(r"ftplib\.FTP(_TLS)?", position=4),
    _Call(r"telnetlib\.Telnet", position=2),
    _Call(r"requests\.((s|S)ession\(\)\.)?(get|post|put|patch|delete|head|options|request)", obeys_default=False),
    _Call(r"paramiko(\.client)?\.SSHClient\(\)\.connect", obeys_default=False),
    _Call(r"psycopg2?\.connect", keyword="connect_timeout", obeys_default=False),
)

_CONNECT = "socket.socket().connect"
_PROTOCOL = re.compile(r"\s*(export|unset|print)(\s|$)")


def check(program: str, content: bytes, where: Surroundings) -> t.Iterator[Hit]:
    """unbounded-wait, and for a task prolog stdout-noise and task-protocol."""
    source = read(content) if program.startswith(("python", "pypy")) else None
    if source is None:
        return
    yield from _waits(source, where)
    if where.name == "task_prolog":
        yield from _printed(source)


def _waits(source: Source, where: Surroundings) -> t.Iterator[Hit]:
    names = {source.called(call) for call in source.calls}
    if names & {"signal.alarm", "signal.setitimer"}:
        return
    has_default = "socket.setdefaulttimeout" in names
    for call in source.calls:
        name = source.called(call)
        found = next((one for one in _CALLS if re.fullmatch(one.names, name)), None)
        if found is not None and not (has_default and found.obeys_default) and not _is_limited(call, found):
            way = f"add {found.keyword}=10" if found.keyword else "call socket.setdefaulttimeout(10) before"
            yield _hit(call, name, way, where)
        elif name == _CONNECT and not has_default and not _socket_is_limited(source, call):
            yield _hit(call, name, "call settimeout(10) before", where)


def _hit(call: ast.Call, name: str, way: str, where: Surroundings) -> Hit:
    message = told(where, name.replace("()", ""), Wait(fix=way))
    return Hit("unbounded-wait", call.lineno, call.col_offset + 1, message)


def _is_limited(call: ast.Call, known: _Call) -> bool:
    if any(given.arg is None for given in call.keywords) or any(isinstance(arg, ast.Starred) for arg in call.args):
        # **options may hold it.
        return True
    value = keyword(call, known.keyword)
    if value is None and known.position is not None and len(call.args) > known.position:
        value = call.args[known.position]
    if known.keyword and any(known.keyword in text(arg, "") for arg in call.args):
        # In a text of settings, as libpq takes it.
        return True
    return value is not None and not (isinstance(value, ast.Constant) and value.value is None)


def _socket_is_limited(source: Source, connect: ast.Call) -> bool:
    """Whether a socket has a limit, or is one of the node's own."""
    owner = ast.unparse(connect.func).rpartition(".")[0]
    limits = {f"{owner}.settimeout", f"{owner}.setblocking"}
    made = source.made(connect)
    return any(ast.unparse(call.func) in limits for call in source.calls) or any(
        "AF_UNIX" in ast.unparse(argument)
        for call in made
        for argument in (*call.args, *(k.value for k in call.keywords))
    )


def _printed(source: Source) -> t.Iterator[Hit]:
    """The lines that a task prolog prints, as far as they are fixed."""
    moved = any(
        isinstance(node, ast.Assign) and "sys.stdout" in map(ast.unparse, node.targets) for node in source.nodes
    )
    if moved or any(source.called(call).endswith("redirect_stdout") for call in source.calls):
        return
    for call in source.calls:
        for line in _lines(source, call):
            rule, message, severity = _verdict(line)
            if rule:
                yield Hit(rule, call.lineno, call.col_offset + 1, message, severity)
                break


def _lines(source: Source, call: ast.Call) -> list[str]:
    name = source.called(call)
    if name == "sys.stdout.write" and call.args:
        return text(call.args[0], OPEN).split("\n")
    file, end = keyword(call, "file"), keyword(call, "end")
    is_elsewhere = file is not None and ast.unparse(file) != "sys.stdout"
    if name != "print" or is_elsewhere or (end is not None and text(end, OPEN) != "\n"):
        return []
    separator = keyword(call, "sep")
    between = " " if separator is None else text(separator, OPEN)
    return between.join(text(argument, OPEN) for argument in call.args).split("\n")


def _verdict(line: str) -> tuple[str, str, Severity | None]:
    """The rule that a line breaks, and what is said of it."""
    if not line.strip() or line.startswith(OPEN):
        return "", "", None
    if _PROTOCOL.match(line):
        wrong = wrong_line(line)
        return ("task-protocol", wrong, None) if wrong else ("", "", None)
    return "stdout-noise", "the line is dropped: it starts with none of export, unset, print", "warning"
