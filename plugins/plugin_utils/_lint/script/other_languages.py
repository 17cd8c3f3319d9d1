# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Scripts that are not shell: parsed, or shown to their own interpreter where that parses without running anything."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import typing as t

from ..core.model import Hit, LintError
from . import python_source, tools
from .python import source as parsed

#: Our own look at Python takes seconds above this.
MAX_BYTES = 256 * 1024

#: Interpreter: how it parses a program that it reads from standard input, and nothing else. Only those are here of which that is
#: known: ruby(1) -c "without executing" (BEGIN blocks are compiled only), php(1) -l, luac(1) -p (luac has no interpreter),
#: node(1) --check (compiles). Each was tried with programs that leave a trace as early as the language allows (ruby 3.3,
#: php 8.4, lua 5.4, node 20).
_CHECKERS: dict[str, list[str]] = {
    "ruby": ["--disable=gems", "-c", "-"],
    "php": ["-n", "-l"],
    "lua": ["-p", "-"],
    "node": ["--check", "-"],
}

#: Where the checking program has another name.
_PROGRAMS = {"lua": "luac"}

#: Known, and not shown to their interpreter. `perl -c` runs BEGIN blocks and all that `use` loads. csh -n expands some words of what it
#: reads, and fish -n is a promise that its older versions are not known to keep.
_UNCHECKED = {
    "perl": "perl can check a program only by running parts of it",
    "tcsh": "tcsh is not known to check a program without running parts of it",
    "csh": "csh is not known to check a program without running parts of it",
    "fish": "fish is not known to check a program without running parts of it",
}

#: Where the error stands and what it is, in what the programs say.
_ERRORS: dict[str, tuple[str, str]] = {
    "ruby": (r"(?m)^-:(\d+):", r"(?m)^-:\d+: *(.*)$"),
    "php": (r"on line (\d+)", r"(?m)^(?:PHP )?((?:Parse|Fatal) error:.*)$"),
    "lua": (r"stdin:(\d+):", r"stdin:\d+: *(.*)"),
    "node": (r"(?m)^\[stdin\]:(\d+)$", r"(?m)^(SyntaxError: .*)$"),
}

#: What node says of a module, which it takes for one only where the file's name or its version allows that.
_IS_MODULE = re.compile(r"outside a module|top level bodies of modules|ES module")


def check(program: str, text: bytes) -> t.Iterator[Hit]:
    """The hits of a script in a language other than shell."""
    base = re.sub(r"[0-9.]+$", "", program)
    if base in ("python", "pypy"):
        yield from _python(program, text)
    elif base in _CHECKERS:
        yield from _by_interpreter(base, text)
    elif base in _UNCHECKED:
        yield Hit("unknown-language", 1, 1, f"{_UNCHECKED[base]}; the syntax was not checked")
    else:
        yield Hit("unknown-language", 1, 1, f"scripts for {program or 'an unknown interpreter'} are not analysed")


def _python(program: str, text: bytes) -> t.Iterator[Hit]:
    try:
        source = python_source.parse(text)
    except SyntaxError as exc:
        yield parsed.verdict(program, text, exc)
        return
    except ValueError as exc:
        yield Hit("syntax-error", 1, 1, f"Python: {exc}")
        return
    calls = source.calls
    for node in calls:
        yield from _python_call(node)
    starts = any(
        re.match(
            r"(subprocess\.)?(run|call|check_call|check_output|Popen)$|os\.(system|exec\w+)$", ast.unparse(node.func)
        )
        for node in calls
    )
    executable = any(ast.unparse(node.func).endswith("chmod") for node in calls)
    for node in calls:
        fetches = re.match(
            r"(urllib\.request\.)?url(open|retrieve)$|requests\.get$", ast.unparse(node.func)
        ) or _first_words(node)[:1] in (["wget"], ["curl"])
        if fetches and starts and executable:
            yield Hit(
                "download-and-run",
                node.lineno,
                node.col_offset + 1,
                "what is fetched here is made executable and started later",
            )


def _first_words(node: ast.Call) -> list[str]:
    """The fixed words of a command that is given as a list."""
    if node.args and isinstance(node.args[0], (ast.List, ast.Tuple)):
        return [e.value for e in node.args[0].elts if isinstance(e, ast.Constant) and isinstance(e.value, str)]
    return []


def _python_call(node: ast.Call) -> t.Iterator[Hit]:
    """What is as wrong in Python as it is in shell."""
    name = ast.unparse(node.func)
    mode = node.args[1] if len(node.args) > 1 else None
    if name not in ("os.chmod", "chmod") or not isinstance(mode, ast.Constant) or not isinstance(mode.value, int):
        return
    if mode.value & 0o002 and not mode.value & 0o1000:
        message = f"{name} with mode {mode.value:o} lets every user write"
        yield Hit("world-writable", node.lineno, node.col_offset + 1, message)


def _bounded(command: str) -> str:
    """A text for a shell that something ends in time."""
    return f"timeout 1 sh -c {_quoted(command)}"


#: What Perl starts: system and exec with what they are given, the text of backticks and qx, an open of a pipe.
_PERL_TEXT = r"""\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"""
_PERL_STARTS = re.compile(
    rf"""\b(?:system|exec)\b\s*\(?(?P<given>(?:\s*[,.]?\s*(?:{_PERL_TEXT}|\$ENV\{{[^}}]*\}}|\$\w+))+)"""
    r"""|\b(?:system|exec)\s*\(?\s*qw\s*[({\[/](?P<words>[^)}\]/]*)"""
    r"""|`(?P<shell>[^`]*)`"""
    r"""|(?<![\w"'$@%&-])qx\s*(?:\{(?P<braced>[^}]*)\}|\((?P<rounded>[^)]*)\)|\[(?P<squared>[^]]*)\]|(?P<bar>[/!|])(?P<barred>.*?)(?<!\\)(?P=bar))"""
    rf"""|\bopen\b\s*\(?\s*(?:my\s+)?[$\w]+\s*,\s*["'](?:-\||\|-)["']\s*,(?P<piped>(?:\s*[,.]?\s*(?:{_PERL_TEXT}|\$\w+))+)"""
    r"""|\bopen\b\s*\(?\s*(?:my\s+)?[$\w]+\s*,\s*"(?:\s*\|(?P<fed>[^"]*)|(?P<read>[^"]*)\|\s*)\""""
)
_PERL_PARTS = re.compile(r"""([,.])|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(\$ENV\{[^}]*\}|\$\w+)""")

#: alarm ends what follows, until the next alarm 0.
_PERL_ALARM = re.compile(r"\balarm\b\s*\(?\s*(\d+|\$\w+)")


def perl_commands(text: bytes) -> list[tuple[int, str]]:
    """The commands that a Perl script starts, as far as a look at its lines tells: (line, shell text)."""
    found: list[tuple[int, str]] = []
    is_bounded = False
    for number, line in enumerate(perl_lines(text), 1):
        for alarm in _PERL_ALARM.findall(line):
            is_bounded = alarm != "0"
        for match in _PERL_STARTS.finditer(line):
            shell = next(filter(None, map(match.group, _PERL_SHELLS)), None)
            shell = shell or _perl_words(match["given"] or match["piped"] or "")
            shell = re.sub(r"\$ENV\{\s*['\"]?(\w+)['\"]?\s*\}", r"${\1}", shell)
            found.append((number, _bounded(shell) if is_bounded else shell))
    return found


#: The groups that hold a text for a shell as it stands.
_PERL_SHELLS = ("words", "shell", "braced", "rounded", "squared", "barred", "fed", "read")


def perl_lines(text: bytes) -> list[str]:
    """The lines of a Perl script, without comments, documentation and what follows its end."""
    lines = text.decode("utf-8", "replace").split("\n__END__")[0].splitlines()
    is_code = True
    code = []
    for line in lines:
        if re.match(r"=[a-z]", line):
            is_code = line.startswith("=cut")
            line = ""
        code.append(re.sub(r"(^|\s)#.*", "", line) if is_code else "")
    return code


def _perl_words(given: str) -> str:
    """What a shell would have to read: a list of words, or one text that is put together."""
    words = [""]
    for separator, double, single, variable in _PERL_PARTS.findall(given):
        if separator == ",":
            words.append("")
        elif separator != ".":
            words[-1] += double or single or variable
    return (
        words[0] if len(words) == 1 else " ".join(_quoted(word) if "$" not in word else f'"{word}"' for word in words)
    )


def commands(program: str, text: bytes) -> list[tuple[int, str]]:
    """The commands that a script in another language starts, as far as they are known: (line, shell text)."""
    return perl_commands(text) if program == "perl" else []


def _quoted(word: str) -> str:
    """A word of a list as a shell would have to write it."""
    return f'"{word}"' if "$x" in word else shlex.quote(word)


def _by_interpreter(base: str, text: bytes) -> t.Iterator[Hit]:
    path = shutil.which(_PROGRAMS.get(base, base))
    if path is None:
        yield Hit("unknown-language", 1, 1, f"{base} is not installed on the control node; the syntax was not checked")
        return
    # What stands behind the interpreter's name are options (ruby -r loads code); the line stays, for the numbers.
    text = re.sub(rb"\A#![^\n]*", b"", text) if base == "ruby" else text
    try:
        # Without variables that load code of the user's (RUBYOPT, NODE_OPTIONS, LUA_INIT ...).
        done = tools.run(
            [path, *_CHECKERS[base]], seconds=2, stdin=text, timeout=10, env={"PATH": os.environ.get("PATH", "")}
        )
    except LintError as exc:
        yield Hit("unknown-language", 1, 1, f"{base} could not check the syntax: {exc}")
        return
    if done.returncode == 0:
        return
    said = (done.stderr + b"\n" + done.stdout).decode("utf-8", "replace")
    place, what = (re.search(pattern, said) for pattern in _ERRORS[base])
    if what is None or _IS_MODULE.search(said):
        yield Hit("unknown-language", 1, 1, f"{base} could not check the syntax: {' '.join(said.split())[:200]}")
        return
    yield Hit("syntax-error", int(place[1][:9]) if place else 1, 1, f"{base}: {' '.join(what[1].split())}")
