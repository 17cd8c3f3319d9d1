# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The rules growing-file and unanchored-match in Python and Perl scripts."""

from __future__ import annotations

import ast
import re
import typing as t

from ..core.model import Hit
from . import other_languages
from .checks import growing_files, records
from .environment import Surroundings
from .python_source import Source, read
from .python_texts import Texts


def check(program: str, text: bytes, where: Surroundings) -> t.Iterator[Hit]:
    """What such a script appends to, and what it looks for."""
    if where.is_init:
        return
    if program.startswith(("python", "pypy")):
        source = read(text)
        if source is not None:
            yield from _python(source, where)
    elif program.startswith("perl"):
        yield from _perl(other_languages.perl_lines(text), where)


def _growing(
    where: Surroundings, appends: t.Iterable[tuple[str, int]], shortened: t.Collection[str]
) -> t.Iterator[Hit]:
    """The files that are appended to, each once. O(shortened): the files that something else is done to."""
    reported: set[str] = set()
    for path, line in appends:
        if where.group == "task" or path in reported or not growing_files.grows(path):
            continue
        reported.add(path)
        if not any(other.startswith(path) for other in shortened):
            yield Hit("growing-file", line, 1, growing_files.said(where.occasion, path))


# -------------------------------------------------------------------------------------------------------------- Python


def _python(source: Source, where: Surroundings) -> t.Iterator[Hit]:
    texts = Texts(source)
    appends, others = [], []
    for call in sorted(source.calls, key=lambda call: (call.lineno, call.col_offset)):
        path, mode = _opened(call, texts)
        if path and (mode.startswith("a") or (call.args[1:] and "O_APPEND" in ast.unparse(call.args[1]))):
            appends.append((path, call.lineno))
        elif _names_file(call):
            others += [texts.text(argument) for argument in _operands(call)]
    yield from _growing(where, appends, others)
    yield from _matches(source, texts)


def _operands(call: ast.Call) -> list[ast.expr]:
    """What a function or a method works on."""
    return [*call.args, *([call.func.value] if isinstance(call.func, ast.Attribute) else ())]


def _opened(call: ast.Call, texts: Texts) -> tuple[str, str]:
    """The file that a call opens, and how; nothing if it opens none."""
    name = ast.unparse(call.func)
    modes = [*call.args[1:2], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    if name in ("open", "io.open", "codecs.open", "gzip.open", "bz2.open", "lzma.open", "os.open") and call.args:
        return texts.text(call.args[0]), texts.text(modes[0]) if modes else "r"
    if isinstance(call.func, ast.Attribute) and call.func.attr == "open":
        modes = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
        return texts.text(call.func.value), texts.text(modes[0]) if modes else "r"
    return "", ""


#: They delete or shorten a file, put another one in its place, measure or read it.
_TO_FILES = re.compile(
    r"(^|\.)(open|remove|unlink|rename|replace|truncate|move|copy|copyfile|getsize|stat|write_text|write_bytes|read_text|rmtree)$"
)


def _names_file(call: ast.Call) -> bool:
    return _TO_FILES.search(ast.unparse(call.func)) is not None


#: Methods whose result is a text, and those whose result is a list of texts.
_TEXT_METHODS = re.compile(
    r"\.(read|read_text|decode|strip|rstrip|lstrip|lower|join|readline|communicate)$|check_output$|getoutput$"
)
_LIST_METHODS = re.compile(r"\.(split|rsplit|splitlines|readlines|iterdir|glob)$|(^|\.)(listdir|open|glob|iglob)$")


def _matches(source: Source, texts: Texts) -> t.Iterator[Hit]:
    """if job in line, re.search(job, line), line.startswith(user)."""
    kinds = _Kinds(source, texts)
    for node in source.nodes:
        loose = ""
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            if kinds.is_text(node.comparators[0]):
                loose = _loose(texts.text(node.left), "text")
        elif isinstance(node, ast.Call) and node.args:
            name = ast.unparse(node.func)
            if re.fullmatch(r"re\.(search|findall|finditer|sub|split|match|compile)", name):
                loose = _loose(("^" if name == "re.match" else "") + texts.text(node.args[0]), "regex")
            elif name in ("fnmatch.fnmatch", "fnmatch.filter", "fnmatch") and len(node.args) > 1:
                loose = _loose(texts.text(node.args[1]), "glob")
            elif isinstance(node.func, ast.Attribute) and node.func.attr in ("startswith", "endswith"):
                at_start = node.func.attr == "startswith"
                text = texts.text(node.args[0])
                loose = _loose(f"^{text}" if at_start else f"{text}$", "regex")
        if loose:
            line = t.cast(ast.expr, node).lineno
            yield Hit(
                "unanchored-match", line, 1, records.said("the test" if isinstance(node, ast.Compare) else "it", loose)
            )


def _loose(pattern: str, syntax: records.Syntax) -> str:
    """The variable in a pattern that may be part of a longer name or number."""
    for found in re.finditer(r"\$\{(\w+)\}", pattern):
        is_number = records.is_number(found[1])
        before, after = (
            re.sub(r"\$(x|\{\w+\})", "0", part) for part in (pattern[: found.start()], pattern[found.end() :])
        )
        if is_number is not None and records.is_open(before, after, is_number, syntax):
            return f"${found[1]}"
    return ""


class _Kinds:
    """Which expressions are a text: there, V(in) finds a part of it; in a list it finds a whole element."""

    def __init__(self, source: Source, texts: Texts) -> None:
        self.texts = texts
        self.files: set[str] = set()
        #: The names of open files, and those that loops over lists of texts use.
        self.files = {
            item.optional_vars.id
            for node in source.nodes
            if isinstance(node, ast.With)
            for item in node.items
            if isinstance(item.optional_vars, ast.Name) and self.is_list(item.context_expr)
        }
        self.items = {
            node.target.id
            for node in source.nodes
            if isinstance(node, (ast.For, ast.comprehension))
            and isinstance(node.target, ast.Name)
            and self.is_list(node.iter)
        }

    def is_text(self, node: ast.expr) -> bool:
        """Whether an expression is one text."""
        node = self.texts.source(node)
        if isinstance(node, ast.Name):
            return node.id in self.items and node.id not in self.texts.values
        if isinstance(node, ast.Subscript):
            return self.is_list(node.value) and not isinstance(node.slice, ast.Slice)
        if isinstance(node, ast.Attribute):
            return node.attr in ("stdout", "stderr", "name")
        return isinstance(node, ast.Call) and _TEXT_METHODS.search(ast.unparse(node.func)) is not None

    def is_list(self, node: ast.expr) -> bool:
        """Whether an expression is a list of texts: lines, words, names of files."""
        node = self.texts.source(node)
        if isinstance(node, ast.Name):
            return node.id in self.files
        return isinstance(node, ast.Call) and _LIST_METHODS.search(ast.unparse(node.func)) is not None


# ---------------------------------------------------------------------------------------------------------------- Perl

_PERL_VALUE = re.compile(r"""\$(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)'|(\$ENV\{\s*['"]?\w+['"]?\s*\}))""")
_PERL_APPENDS = re.compile(
    r"""\bopen\b\s*\(?[^,;]*,\s*(?:(['"])\s*>>\s*(?P<name>[^'"\s][^'"]*)\1|(['"])>>[^'"]*\3\s*,\s*(?P<given>[^;)]*))"""
)
_PERL_SHORTENS = re.compile(
    r"\b(?:unlink|rename|truncate|copy|move)\b\s*\(?\s*([^;]*)|\bopen\b[^;]*,\s*['\"]<?\+?>?\s*['\"]\s*,\s*([^;)]*)"
)
_PERL_MATCH = re.compile(
    r"=~\s*(?:m?/((?:[^/\\]|\\.)*)/|s/((?:[^/\\]|\\.)*)/)|\bindex\s*\([^,]*,\s*(\$\w+|\"[^\"]*\")\s*\)"
)


def _perl(lines: t.Sequence[str], where: Surroundings) -> t.Iterator[Hit]:
    """As far as a look at its lines tells."""
    values: dict[str, str] = {}
    for line in lines:
        for name, double, single, variable in _PERL_VALUE.findall(line):
            values.setdefault(name, _perl_text(double or single or variable, values))
    appends, others = [], []
    for number, line in enumerate(lines, 1):
        for found in _PERL_APPENDS.finditer(line):
            appends.append((_perl_text(found["name"] or found["given"], values), number))
        others += [_perl_text(one or other, values) for one, other in _PERL_SHORTENS.findall(line)]
        for found in _PERL_MATCH.finditer(line):
            pattern = found[1] or found[2] or found[3] or ""
            loose = _loose(_perl_text(re.sub(r"\\[QE]", "", pattern), values), "text" if found[3] else "regex")
            if loose:
                yield Hit("unanchored-match", number, 1, records.said("the pattern", loose))
    yield from _growing(where, appends, others)


def _perl_text(given: str, values: t.Mapping[str, str]) -> str:
    """A text with V(${NAME}) for a variable of the environment, as far as it is known."""
    text = re.sub(r"\$ENV\{\s*['\"]?(\w+)['\"]?\s*\}", r"${\1}", given.strip().strip("'\""))
    return re.sub(r"\$(\w+)", lambda found: values.get(found[1], found[0]), text)
