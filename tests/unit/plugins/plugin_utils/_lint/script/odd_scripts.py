# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scripts that nobody writes by hand: each may take the linter five seconds of a processor at most."""

from __future__ import annotations

import resource

MOST_SECONDS = 5

_BEGIN = b"#!/bin/bash\nPATH=/usr/bin\n"
_MEGABYTE = 1024 * 1024 - 1024
_LINE = 24_000


def _filled(text: bytes, size: int) -> bytes:
    return _BEGIN + text * (size // len(text)) + b"\nexit 0\n"


def _numbered(text: bytes, count: int) -> bytes:
    return _BEGIN + b"".join(text.replace(b"N", str(number).encode()) for number in range(count))


ODD = {
    "1 MB of comments": _filled(b"# a comment that says nothing at all\n", _MEGABYTE),
    "1 MB of commands": _filled(b'logger -t prolog "job $SLURM_JOB_ID starts on $(hostname)"\n', _MEGABYTE),
    "1 MB of data": _BEGIN + b"cat >/run/data <<'END'\n" + b"MTIzNDU2Nzg5MDEyMzQ1Njc4OTAx\n" * 36_000 + b"END\n",
    "one line of words": _filled(b"word ", _LINE),
    "one line of letters": _BEGIN + b"x=" + b"a" * 8 * _LINE + b"\nexit 0\n",
    "one line of variables": _BEGIN + b"logger " + b'"$SLURM_JOB_ID" ' * (_LINE // 16) + b"\n",
    "one line of substitutions": _BEGIN + b"logger " + b"$(date) " * (_LINE // 8) + b"\n",
    "one line of assignments": _filled(b"x=1;", _LINE),
    "one pipeline": _BEGIN + b"true" + b" | cat" * (_LINE // 6) + b"\n",
    "400 variables": _numbered(b'aN=$bN; rm -rf "$aN/x"\n', 400),
    "300 functions": _numbered(b'fN() { local v=$1; rm -rf "/srv/$v"; }; fN "$SLURM_JOB_NAME"\n', 300),
    "two variables that take each other's value": _BEGIN
    + b'if [ -n "$x" ]; then x=$y; rm -rf "$x/a"; else y=$x; fi\n' * 50,
    "one line of Perl": b"#!/usr/bin/perl\n" + b"open(A, " * _LINE + b"\n",
}


def processor_seconds() -> float:
    """What this process and the programs that it ran have taken so far. The time on the clock depends on other work."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
