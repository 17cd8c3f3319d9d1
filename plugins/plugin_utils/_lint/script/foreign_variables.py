# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The variables that Python and Perl scripts ask the hook for: the rule variable-not-set, for os.environ and %ENV."""

from __future__ import annotations

import ast
import dataclasses
import re
import typing as t

from ..core.model import Hit, hit_at
from . import environment, other_languages, python_source
from .checks.variables import is_slurms, near
from .environment import Surroundings
from .python.source import Names


@dataclasses.dataclass(frozen=True)
class Read:
    """A script reads a variable of its environment."""

    name: str
    line: int
    column: int
    #: Without it the script ends: os.environ["X"].
    is_required: bool
    has_default: bool


def check(program: str, text: bytes, where: Surroundings, version: str | None) -> t.Iterator[Hit]:
    """The variables that a hook does not have, or not for each job."""
    if where.is_init or where.group == "task":
        return
    reads = _python(text) if program.startswith("python") else _perl(text) if program.startswith("perl") else []
    seen: set[str] = set()
    for read in reads:
        said = _wrong(read, where, version) if read.name not in seen else ""
        if said:
            seen.add(read.name)
            yield hit_at("variable-not-set", read, said)


def _wrong(read: Read, where: Surroundings, version: str | None) -> str:
    name, variable = read.name, where.variables.get(read.name)
    ends = ", and KeyError ends the script" if read.is_required else ""
    if name in environment.SESSION_VARIABLES:
        return "" if read.has_default else f"{name} is not set in {where.name}{ends}"
    if where.absent(name, version) and is_slurms(name):
        if variable is not None:
            detail = f"since {variable.since}" if variable.since > (version or "") else f"until {variable.until}"
            return f"{name} is set in {where.name} only {detail}"
        return f"{name} is not set in {where.name}{near(name, where, version)}{ends}"
    if not read.is_required or name in _ALWAYS:
        return ""
    if variable is None:
        return f"{where.name} does not set {name}{near(name, where, version)}{ends}"
    return f"{name} is set only for some {where.occasion}s{ends}" if variable.optional else ""


#: What the shell that starts the script hands on.
_ALWAYS = frozenset({"PATH", "PWD", "OLDPWD", "SHLVL", "_"})


def _python(text: bytes) -> list[Read]:
    source = python_source.read(text)
    if source is None:
        return []
    nodes, names = source.nodes, Names(source.tree)
    asked = {
        id(inner) for node in nodes if isinstance(node, (ast.If, ast.IfExp, ast.While)) for inner in ast.walk(node.test)
    }
    # A script that catches the error, or asks first, knows what it does.
    caught = {
        id(inner)
        for node in nodes
        if isinstance(node, ast.Try) and node.handlers
        for statement in node.body
        for inner in ast.walk(statement)
    }
    known = {name for node in nodes for name in _known(names, node)}
    found = []
    for node in nodes:
        name, is_required, has_default = _read(names, node)
        answered = id(node) in (caught if is_required else asked)
        if name and name not in known and not answered:
            found.append(Read(name, node.lineno, node.col_offset + 1, is_required, has_default))  # type: ignore[attr-defined]
    return sorted(found, key=lambda read: (read.line, read.column))


def _read(names: Names, node: ast.AST) -> tuple[str, bool, bool]:
    """The name that a node reads, whether it must be there, whether there is a default; an empty name for other nodes."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and names.stands_for_environ(node.value):
        return _constant(node.slice), True, False
    if isinstance(node, ast.Call) and node.args:
        function = node.func
        is_get = (
            isinstance(function, ast.Attribute) and function.attr == "get" and names.stands_for_environ(function.value)
        )
        if is_get or names.full(function) == "os.getenv":
            return _constant(node.args[0]), False, len(node.args) > 1 or bool(node.keywords)
    return "", False, False


def _known(names: Names, node: ast.AST) -> t.Iterator[str]:
    """The names that a node sets, or asks for by "X" in os.environ."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and names.stands_for_environ(node.value):
        yield _constant(node.slice)
    elif isinstance(node, ast.Compare) and any(names.stands_for_environ(other) for other in node.comparators):
        yield _constant(node.left)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("environ.setdefault") and node.args:
        yield _constant(node.args[0])


def _constant(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


_PERL = re.compile(r"""\$ENV\{\s*(['"]?)(\w+)\1\s*\}(\s*(?://|\|\|)=?|\s*=(?![=~]))?""")
_PERL_ASKS = re.compile(r"""(?:exists|defined|if|unless)\s*\(?\s*!?\s*\$ENV\{\s*['"]?(\w+)""")


def _perl(text: bytes) -> list[Read]:
    """What a Perl script takes from %ENV, as far as a look at its lines tells; perl itself is not started."""
    code = other_languages.perl_lines(text)
    known = {name for line in code for name in _PERL_ASKS.findall(line)}
    found = [
        Read(match[2], number, match.start() + 1, False, bool(match[3]))
        for number, line in enumerate(code, 1)
        for match in _PERL.finditer(line)
    ]
    known |= {
        match[2] for line in code for match in _PERL.finditer(line) if match[3] is not None and match[3].strip() == "="
    }
    return [read for read in found if read.name not in known]
