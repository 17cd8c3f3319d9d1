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
from .perl_values import Values

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
        "predictable-temp-file",
        "secret-in-clear",
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
    started = [*commands(code), *builtins(code)]
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
    values = Values.of(code)
    is_bounded = False
    for number, line in enumerate(code, 1):
        for alarm in _ALARM.findall(line):
            is_bounded = alarm != "0"
        for match in _STARTS.finditer(line):
            shell = next(filter(None, map(match.group, _SHELLS)), None)
            shell = shell or _words(match["given"] or match["piped"] or "")
            shell = values.in_shell(shell)
            found.append((number, _bounded(shell) if is_bounded else shell))
    return found


#: What Perl does itself as these commands do: a call with its arguments, up to what is done if it fails.
_CALLS = re.compile(
    r"(?<![\w$@%&>:-])(kill|rmtree|remove_tree|unlink|chmod|mkdir)\b\s*\(?((?:\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^;\"'])*)"
)
_OR_ELSE = re.compile(r"\s(?:or|if|unless|foreach|for)\s|\|\|")
_TRUNCATES = re.compile(
    r"\bopen\b\s*\(?[^,;]{0,80},\s*(?:([\"'])\s*(>>?)\s*([^'\"\s>][^'\"]{0,300})\1|([\"'])\s*(>>?)[^'\">]*\4\s*,\s*([^;)]*))"
)
_FIXED = re.compile(rf"\$(\w+)\s*=\s*({_TEXT})\s*;")
_OPERANDS = re.compile(rf"(?:{_TEXT}|[^,\"'])+")
_COMMANDS = {"rmtree": "rm -rf", "remove_tree": "rm -rf", "unlink": "rm -f"}


def builtins(code: t.Sequence[str]) -> list[tuple[int, str]]:
    """What a Perl script does itself, as the shell commands that do the same."""
    found: list[tuple[int, str]] = []
    values = Values.of(code)
    for number, line in enumerate(code, 1):
        for name, arguments in _CALLS.findall(line):
            given, *otherwise = _OR_ELSE.split(arguments, maxsplit=1)
            shell = _killed(given, values) if name == "kill" else _called(name, given, values)
            if shell and name == "mkdir" and otherwise:
                shell += " || exit 1"
            found.append((number, shell))
        for _quote, one, joined, _other, two, apart in _TRUNCATES.findall(line):
            found.append((number, f': {one or two} "{values.in_shell(joined or _words(_OR_ELSE.split(apart)[0]))}"'))
        for name, text in _FIXED.findall(line):
            if not re.search(r"[$@\\']", text[1:-1]):
                found.append((number, f"{name}='{text[1:-1]}'"))
    return [(number, shell) for number, shell in found if shell]


def _called(name: str, given: str, values: Values) -> str:
    """A builtin with operands: files, behind a mode for chmod."""
    patterns = re.findall(r"\bglob\s*\(?\s*\"([^\"]*)\"|<([^>$*]{0,300}\*[^>]{0,300})>", given)
    if patterns:
        words = [values.in_shell(one or other) for one, other in patterns]
    else:
        operands = [part for part in _OPERANDS.findall(given.rstrip(" )")) if part.strip()]
        if name in ("mkdir", "rmtree", "remove_tree"):
            # What follows is a mode, which the umask narrows, or options.
            operands = operands[:1]
        words = [f'"{values.in_shell(_words(part) or part.strip())}"' for part in operands]
    return " ".join((_COMMANDS.get(name, name), *words)) if words else ""


def _killed(given: str, values: Values) -> str:
    """kill with a signal, and with what the command prints from which its processes come."""
    parts = re.split(r",|=>", given.rstrip(" )"))
    signal = parts[0].strip().strip("'\"").removeprefix("-")
    processes = []
    for part in parts[1:]:
        name = part.strip().lstrip("@$")
        if name in values.commands:
            processes.append(f"$({values.in_shell(values.commands[name])})")
        elif name == "-1":
            processes.append(name)
    return " ".join(("kill", f"-{signal}", *processes)) if processes else ""


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
