# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""A Perl script, as far as a look at its lines tells; perl itself is not started."""

from __future__ import annotations

import dataclasses
import re
import shlex
import typing as t

from ..core.model import Hit
from . import foreign_variables, perl_records, tools, walker
from .environment import Surroundings
from .foreign_variables import Read

#: Rules that make sense for the commands that a script in another language starts.
_COMMAND_RULES = frozenset(
    {
        "slurm-command",
        "package-install",
        "download-and-run",
        "unbounded-wait",
        "world-writable",
        "kill-user-processes",
        "kill-unscoped",
        "node-wide-action",
        "unsafe-delete",
        "growing-file",
        "unanchored-match",
    }
)


def check(
    text: bytes, where: Surroundings, version: str | None, of_shell: t.Callable[[bytes], t.Iterable[Hit]]
) -> t.Iterator[Hit]:
    """The hits of a script. O(of_shell) has those of the commands that it starts."""
    code = lines(text)
    yield from foreign_variables.check(reads(code), where, version)
    yield from perl_records.check(code, where)
    started = commands(code)
    if len(started) > walker.Walker.MAX_TEXTS:
        raise tools.TooMuchError(f"it starts more than {walker.Walker.MAX_TEXTS} commands")
    for line, command in started:
        yield from (
            dataclasses.replace(hit, line=line, column=1)
            for hit in of_shell(command.encode())
            if hit.rule in _COMMAND_RULES
        )


def _bounded(command: str) -> str:
    """A text for a shell that something ends in time."""
    return f"timeout 1 sh -c {_quoted(command)}"


#: What Perl starts: system and exec with what they are given, the text of backticks and qx, an open of a pipe.
_TEXT = r"""\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"""
_STARTS = re.compile(
    rf"""\b(?:system|exec)\b\s*\(?(?P<given>(?:\s*[,.]?\s*(?:{_TEXT}|\$ENV\{{[^}}]*\}}|\$\w+))+)"""
    r"""|\b(?:system|exec)\s*\(?\s*qw\s*[({\[/](?P<words>[^)}\]/]*)"""
    r"""|`(?P<shell>[^`]*)`"""
    r"""|(?<![\w"'$@%&-])qx\s*(?:\{(?P<braced>[^}]*)\}|\((?P<rounded>[^)]*)\)|\[(?P<squared>[^]]*)\]|(?P<bar>[/!|])(?P<barred>.*?)(?<!\\)(?P=bar))"""
    rf"""|\bopen\b\s*\(?\s*(?:my\s+)?[$\w]+\s*,\s*["'](?:-\||\|-)["']\s*,(?P<piped>(?:\s*[,.]?\s*(?:{_TEXT}|\$\w+))+)"""
    r"""|\bopen\b\s*\(?\s*(?:my\s+)?[$\w]+\s*,\s*"(?:\s*\|(?P<fed>[^"]*)|(?P<read>[^"]*)\|\s*)\""""
)
_PARTS = re.compile(r"""([,.])|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(\$ENV\{[^}]*\}|\$\w+)""")

#: alarm ends what follows, until the next alarm 0.
_ALARM = re.compile(r"\balarm\b\s*\(?\s*(\d+|\$\w+)")


def commands(code: t.Sequence[str]) -> list[tuple[int, str]]:
    """The commands that a Perl script starts, as far as a look at its lines tells: (line, shell text)."""
    found: list[tuple[int, str]] = []
    is_bounded = False
    for number, line in enumerate(code, 1):
        for alarm in _ALARM.findall(line):
            is_bounded = alarm != "0"
        for match in _STARTS.finditer(line):
            shell = next(filter(None, map(match.group, _SHELLS)), None)
            shell = shell or _words(match["given"] or match["piped"] or "")
            shell = re.sub(r"\$ENV\{\s*['\"]?(\w+)['\"]?\s*\}", r"${\1}", shell)
            found.append((number, _bounded(shell) if is_bounded else shell))
    return found


#: The groups that hold a text for a shell as it stands.
_SHELLS = ("words", "shell", "braced", "rounded", "squared", "barred", "fed", "read")


def lines(text: bytes) -> list[str]:
    """The lines of a Perl script, without comments, documentation and what follows its end."""
    given = text.decode("utf-8", "replace").split("\n__END__")[0].splitlines()
    is_code = True
    code = []
    for line in given:
        if re.match(r"=[a-z]", line):
            is_code = line.startswith("=cut")
            line = ""
        code.append(re.sub(r"(^|\s)#.*", "", line) if is_code else "")
    return code


def _words(given: str) -> str:
    """What a shell would have to read: a list of words, or one text that is put together."""
    words = [""]
    for separator, double, single, variable in _PARTS.findall(given):
        if separator == ",":
            words.append("")
        elif separator != ".":
            words[-1] += double or single or variable
    return (
        words[0] if len(words) == 1 else " ".join(_quoted(word) if "$" not in word else f'"{word}"' for word in words)
    )


def _quoted(word: str) -> str:
    """A word of a list as a shell would have to write it."""
    return f'"{word}"' if "$x" in word else shlex.quote(word)


_READS = re.compile(r"""\$ENV\{\s*(['"]?)(\w+)\1\s*\}(\s*(?://|\|\|)=?|\s*=(?![=~]))?""")
_ASKS = re.compile(r"""(?:exists|defined|if|unless)\s*\(?\s*!?\s*\$ENV\{\s*['"]?(\w+)""")


def reads(code: t.Sequence[str]) -> list[Read]:
    """What a script takes from %ENV."""
    known = {name for line in code for name in _ASKS.findall(line)}
    found = [
        Read(match[2], number, match.start() + 1, False, bool(match[3]))
        for number, line in enumerate(code, 1)
        for match in _READS.finditer(line)
    ]
    known |= {
        match[2] for line in code for match in _READS.finditer(line) if match[3] is not None and match[3].strip() == "="
    }
    return [read for read in found if read.name not in known]
