# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scripts that are not shell: compiled, or shown to their own interpreter, without running them."""

from __future__ import annotations

import ast
import re
import shutil
import typing as t
import warnings

from . import tools
from .model import Hit, LintError

#: Interpreter: how it only checks a program that it reads from standard input.
_CHECKERS: dict[str, list[str]] = {
    "perl": ["-c", "-"],
    "ruby": ["-c", "-"],
    "php": ["-l"],
    "lua": ["-p", "-"],
    "node": ["--check", "-"],
    "tcsh": ["-f", "-n"],
    "csh": ["-f", "-n"],
    "fish": ["--no-execute"],
}

#: Where the checking program has another name.
_PROGRAMS = {"lua": "luac"}

_LINE = re.compile(r"(?:line |:)(\d+)")


def check(program: str, text: bytes) -> t.Iterator[Hit]:
    """The hits of a script in a language other than shell."""
    base = re.sub(r"[0-9.]+$", "", program)
    if base in ("python", "pypy"):
        yield from _python(text)
    elif base in _CHECKERS:
        yield from _by_interpreter(base, text)
    else:
        yield Hit("unknown-language", 1, 1, f"scripts for {program or 'an unknown interpreter'} are not analysed")


def _python(text: bytes) -> t.Iterator[Hit]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except SyntaxError as exc:
        yield Hit("syntax-error", exc.lineno or 1, exc.offset or 1, f"Python: {exc.msg}")
        return
    except (ValueError, RecursionError, MemoryError) as exc:
        yield Hit("syntax-error", 1, 1, f"Python: {exc}")
        return
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
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
            r"(urllib\.request\.)?(urlopen|urlretrieve)$|requests\.get$", ast.unparse(node.func)
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
    if (
        name in ("os.chmod", "chmod")
        and len(node.args) > 1
        and isinstance(node.args[1], ast.Constant)
        and isinstance(node.args[1].value, int)
    ):
        if node.args[1].value & 0o002 and not node.args[1].value & 0o1000:
            yield Hit(
                "world-writable",
                node.lineno,
                node.col_offset + 1,
                f"{name} with mode {node.args[1].value:o} lets every user write",
            )


def python_commands(text: bytes) -> list[tuple[int, str]]:
    """The commands that a Python script starts, as far as they are fixed: (line, shell text)."""
    found: list[tuple[int, str]] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return found
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = ast.unparse(node.func)
        if not re.match(
            r"(subprocess\.)?(run|call|check_call|check_output|Popen|getoutput|getstatusoutput)$|os\.(system|popen)$",
            name,
        ):
            continue
        first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            found.append((node.lineno, first.value))
        elif isinstance(first, (ast.List, ast.Tuple)):
            words = [e.value if isinstance(e, ast.Constant) and isinstance(e.value, str) else "$x" for e in first.elts]
            found.append(
                (node.lineno, " ".join("'" + w.replace("'", "'\\''") + "'" if w != "$x" else '"$x"' for w in words))
            )
    return found


def _by_interpreter(base: str, text: bytes) -> t.Iterator[Hit]:
    path = shutil.which(_PROGRAMS.get(base, base))
    if path is None:
        yield Hit("unknown-language", 1, 1, f"{base} is not installed on the control node; the syntax was not checked")
        return
    try:
        done = tools.run([path, *_CHECKERS[base]], stdin=text, timeout=10)
    except LintError as exc:
        yield Hit("unknown-language", 1, 1, f"{base} could not check the syntax: {exc}")
        return
    if done.returncode == 0:
        return
    message = " ".join(done.stderr.decode("utf-8", "replace").split("\n")[0].split())
    if "Can't locate" in message or "LoadError" in message:
        yield Hit(
            "unknown-language", 1, 1, f"{base}: a module is missing on the control node; the syntax was not checked"
        )
        return
    line = _LINE.search(message)
    yield Hit("syntax-error", int(line[1]) if line else 1, 1, f"{base}: {message}")
