# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other scripts that do the same: what a rule says of one it must say of each.

Each way of writing a script anew works on the syntax tree and leaves alone what it could change: a name that also stands
in a string, a statement that shares its line, a script whose comments speak to a linter. What the ways choose comes from
the random numbers that they are given, so a seed names its variants.
"""

from __future__ import annotations

import itertools
import random
import re
import typing as t

from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.parser import (
    DIALECTS,
    Node,
    ShellSyntaxError,
    parse,
)
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.shebang import read_shebang

#: Longer texts show nothing that shorter ones do not.
MAX_BYTES = 20_000

#: Names that mean something to a program, or that say what their value is.
_KEPT = re.compile(
    r"(?i)(SLURM|CUDA|LD_|LC_|BASH|SSH_|DEBIAN|PYTHON|XDG_|HTTPS?_).*|(PATH|IFS|ENV|HOME|TMPDIR|TMP|TEMP|LANG|USER|LOGNAME"
    r"|SHELL|PWD|OLDPWD|OPTARG|OPTIND|REPLY|PS[0-9]|TERM|MAIL|DISPLAY|HOSTNAME|UID|EUID|GID|_).*|.*(pass|pw|token|secret|key|cred|auth).*"
)

#: What a whole script has, and a function not; or what a text around it would change.
_BOUND_TO_FILE = re.compile(
    rb"\b(return|shift|getopts|FUNCNAME|BASH_SOURCE|LINENO|RETURN|DEBUG|ERR)\b|\$[@*#0-9]|\$\{[@*#!0-9]|\bset\s+--|\b(declare|typeset|local)\b"
)

_PLAIN = re.compile(r"[A-Za-z0-9./_][A-Za-z0-9./_-]*")

Edit = tuple[int, int, bytes]


class Text:
    """A shell script with its tree."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        shebang = read_shebang(source)
        self.dialect = DIALECTS[shebang.program] if shebang else "bash"
        self.tree = parse(source, self.dialect)

    @property
    def statements(self) -> list[Node]:
        """Those of the file itself."""
        found: list[Node] = self.tree.get("Stmts") or []
        return found

    def edited(self, edits: t.Iterable[Edit]) -> bytes:
        """The text with other bytes in some places."""
        source = self.source
        for start, end, new in sorted(set(edits), reverse=True):
            source = source[:start] + new + source[end:]
        return source

    def starts_line(self, node: Node) -> bool:
        """Whether nothing stands before a statement on its line."""
        return not self.source[self.line_start(node) : _start(node)].strip()

    def line_start(self, node: Node) -> int:
        """Where the line of a statement begins."""
        return self.source.rfind(b"\n", 0, _start(node)) + 1

    def chunks(self) -> list[tuple[int, int]]:
        """The text of each statement of the file, whole lines; none if two share a line."""
        if not self.statements or not all(self.starts_line(node) for node in self.statements):
            return []
        starts = [self.line_start(node) for node in self.statements]
        return list(itertools.pairwise([*starts, len(self.source)]))

    def nested(self) -> t.Iterator[tuple[str, Node]]:
        """Every node, with its role."""
        return _nested("", self.tree)

    def lists(self) -> t.Iterator[list[Node]]:
        """Every list of statements, one after the other."""
        for _role, node in self.nested():
            for key in ("Stmts", "Then", "Do"):
                if node.get(key):
                    yield node[key]


def variants(source: bytes, seed: int) -> dict[str, bytes]:
    """The variants of a script by their kinds; none of what is no shell script, or speaks to a linter."""
    shebang = read_shebang(source)
    if (shebang and shebang.program not in DIALECTS) or len(source) > MAX_BYTES:
        return {}
    if re.search(rb"#\s*(nodecycle|shellcheck)\b|\r|\0|\xef\xbb\xbf", source):
        return {}
    try:
        text = Text(source)
    except ShellSyntaxError:
        return {}
    found = {}
    for kind, write in KINDS.items():
        new = write(text, random.Random(f"{seed} {kind}"))  # noqa: S311, for the same variants each time
        if new is not None and new != source:
            found[kind] = new
    return found


# -- other words


def renamed(text: Text, chance: random.Random) -> bytes | None:
    """Other names for the variables that the script itself sets."""
    places: dict[str, list[tuple[int, int]]] = {}
    own: set[str] = set()
    exported: set[str] = set()
    for role, node in text.nested():
        if "Value" not in node or not isinstance(node["Value"], str):
            continue
        if role in ("Assign.Name", "WordIter.Name", "ParamExp.Param", "Arithmetic"):
            places.setdefault(node["Value"], []).append((_start(node), _end(node)))
        if role in ("Assign.Name", "WordIter.Name"):
            own.add(node["Value"])
        if role == "Exported":
            exported.add(node["Value"])
    edits: list[Edit] = []
    # A rule may ask which name was meant.
    others = {name.lower()[:4] for name in places.keys() - own}
    for name in sorted(own - exported):
        every = re.findall(rb"(?<![A-Za-z0-9_])" + name.encode() + rb"(?![A-Za-z0-9_])", text.source)
        if _KEPT.fullmatch(name) or name.lower()[:4] in others or len(every) != len(set(places[name])):
            continue
        new = chance.choice((f"our_{name}", f"{name}_here", "quux"))
        new = (new.upper() if name.isupper() else new) + str(len(edits))
        edits.extend((start, end, new.encode()) for start, end in places[name])
    return text.edited(edits) if edits else None


def braced(text: Text, _chance: random.Random) -> bytes | None:
    """${name} for $name."""
    edits = [
        (_start(node), _end(node), b"${" + node["Param"]["Value"].encode() + b"}")
        for _role, node in text.nested()
        if node.get("Type") == "ParamExp" and node.get("Short") and not node.get("Index")
    ]
    return text.edited(edits) if edits else None


def unbraced(text: Text, _chance: random.Random) -> bytes | None:
    """$name for ${name}, where what follows is no part of a name."""
    edits = []
    for _role, node in text.nested():
        if node.get("Type") != "ParamExp" or node.get("Short"):
            continue
        whole = text.source[_start(node) : _end(node)]
        name = re.fullmatch(rb"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", whole)
        if name and not re.match(rb"[A-Za-z0-9_\[]", text.source[_end(node) : _end(node) + 1]):
            edits.append((_start(node), _end(node), b"$" + name[1]))
    return text.edited(edits) if edits else None


def quoted(text: Text, chance: random.Random) -> bytes | None:
    """Quotes around arguments that need none, other quotes around others."""
    edits: list[Edit] = []
    for role, node in text.nested():
        if role != "Argument" or len(node["Parts"]) != 1:
            continue
        (part,) = node["Parts"]
        mark = chance.choice((b'"', b"'"))
        if part["Type"] == "Lit" and _PLAIN.fullmatch(part["Value"]):
            edits.append((_start(part), _end(part), mark + part["Value"].encode() + mark))
        elif (
            part["Type"] == "SglQuoted"
            and not part.get("Dollar")
            and not re.search(r"[\\$`\"!\n]", part.get("Value", ""))
        ):
            edits.append((_start(part), _end(part), b'"' + part.get("Value", "").encode() + b'"'))
    return text.edited(edits) if edits else None


def half_quoted(text: Text, _chance: random.Random) -> bytes | None:
    """/directory/"$name" for "/directory/$name"."""
    edits: list[Edit] = []
    for role, node in text.nested():
        parts: list[Node] = node.get("Parts") or []
        if role != "Argument" or len(parts) != 1 or parts[0]["Type"] != "DblQuoted":
            continue
        inner: list[Node] = parts[0].get("Parts") or []
        if len(inner) > 1 and inner[0]["Type"] == "Lit" and _PLAIN.fullmatch(inner[0]["Value"]):
            edits += [(_start(parts[0]), _start(parts[0]) + 1, b""), (_end(inner[0]), _end(inner[0]), b'"')]
    return text.edited(edits) if edits else None


def in_backquotes(text: Text, _chance: random.Random) -> bytes | None:
    """`command` for $(command), and the other way round."""
    edits: list[Edit] = []
    for _role, node in text.nested():
        if node.get("Type") != "CmdSubst":
            continue
        start, end = _start(node), _end(node)
        if node.get("Backquotes") and b"\\" not in text.source[start:end]:
            edits += [(start, start + 1, b"$("), (end - 1, end, b")")]
        elif text.source[start : start + 2] == b"$(" and not re.search(rb"[\\`\"#]|\$\(", text.source[start + 2 : end]):
            edits += [(start, start + 2, b"`"), (end - 1, end, b"`")]
    return text.edited(edits) if edits else None


# -- another layout


def commented(text: Text, chance: random.Random) -> bytes | None:
    """Comments and empty lines between the statements."""
    lines = (b"\n", b"# Next.\n", b"\n\t# A step; more of it below.\n\n", b"#\n# $HOME `date` 'not\n")
    edits = [
        (text.line_start(node), text.line_start(node), chance.choice(lines))
        for statements in text.lists()
        for node in statements
        if text.starts_line(node)
    ]
    return text.edited(edits) if edits else None


def tabbed(text: Text, chance: random.Random) -> bytes | None:
    """Tabs before statements and between words."""
    edits: list[Edit] = [
        (text.line_start(node), _start(node), b"\t" * chance.randint(1, 3))
        for statements in text.lists()
        for node in statements
        if text.starts_line(node)
    ]
    for role, node in text.nested():
        before = _start(node) - 1
        if role == "Argument" and text.source[before : before + 1] == b" ":
            edits.append((before, before + 1, b" \t"))
    return text.edited(edits) if edits else None


def joined(text: Text, _chance: random.Random) -> bytes | None:
    """x=1 && command for two lines: a plain assignment cannot fail."""
    return _in_one_line(text, b" && ", _is_plain_assignment)


def on_one_line(text: Text, _chance: random.Random) -> bytes | None:
    """first; second for two lines."""

    def is_simple(node: Node) -> bool:
        is_command: bool = (node.get("Cmd") or {}).get("Type") == "CallExpr"
        return is_command and b"<<" not in text.source[_start(node) : _end(node)]

    return _in_one_line(text, b"; ", is_simple)


def _in_one_line(text: Text, between: bytes, may_lead: t.Callable[[Node], bool]) -> bytes | None:
    edits: list[Edit] = []
    for statements in text.lists():
        for first, second in itertools.pairwise(statements):
            gap = text.source[_end(first) : _start(second)]
            is_plain = not second.get("Background") and (second.get("Cmd") or {}).get("Type") != "FuncDecl"
            if may_lead(first) and not first.get("Background") and is_plain and re.fullmatch(rb"[ \t]*\n[ \t]*", gap):
                edits.append((_end(first), _start(second), between))
    return text.edited(edits) if edits else None


def reordered(text: Text, _chance: random.Random) -> bytes | None:
    """Neighbours that know nothing of each other change places: plain assignments, declarations of functions."""
    chunks = text.chunks()
    order = list(range(len(chunks)))
    position = 0
    while position < len(chunks) - 1:
        first, second = text.statements[position : position + 2]
        if _are_independent(first, second):
            order[position : position + 2] = [position + 1, position]
            position += 1
        position += 1
    if order == sorted(order):
        return None
    lines = [text.source[slice(*chunk)].rstrip(b"\n") + b"\n" for chunk in chunks]
    return text.source[: chunks[0][0]] + b"".join(lines[number] for number in order)


def _are_independent(first: Node, second: Node) -> bool:
    def is_declaration(node: Node) -> bool:
        return bool((node.get("Cmd") or {}).get("Type") == "FuncDecl")

    def names(node: Node, *roles: str) -> set[str]:
        return {inner["Value"] for role, inner in _nested("", node) if role in roles and "Value" in inner}

    if is_declaration(first) and is_declaration(second):
        return bool(first["Cmd"]["Name"]["Value"] != second["Cmd"]["Name"]["Value"])
    if not all(is_declaration(node) or _is_plain_assignment(node) for node in (first, second)):
        return False
    if is_declaration(first) or is_declaration(second):
        return True
    every = "Assign.Name", "ParamExp.Param"
    return not (
        names(first, "Assign.Name") & names(second, *every) or names(second, "Assign.Name") & names(first, *every)
    )


# -- other surroundings


def in_function(text: Text, _chance: random.Random) -> bytes | None:
    """All of it in a function that is called."""
    return _around(text, 0, len(text.statements), b"do_all() {\n", b"}\ndo_all\n", for_function=True)


def partly_in_function(text: Text, chance: random.Random) -> bytes | None:
    """Some statements in a function that is called."""
    return _around(text, *_some(text, chance), b"one_step() {\n", b"}\none_step\n", for_function=True)


def in_if(text: Text, _chance: random.Random) -> bytes | None:
    """All of it below a condition that is always true."""
    return _around(text, 0, len(text.statements), b"if true; then\n", b"fi\n")


def partly_in_if(text: Text, chance: random.Random) -> bytes | None:
    """Some statements below a condition that is always true."""
    return _around(text, *_some(text, chance), b"if :; then\n", b"fi\n")


def in_braces(text: Text, chance: random.Random) -> bytes | None:
    """Some statements in braces."""
    return _around(text, *_some(text, chance), b"{\n", b"}\n")


def _some(text: Text, chance: random.Random) -> tuple[int, int]:
    """The first and the end of some statements."""
    number = len(text.statements)
    first = chance.randrange(number) if number else 0
    return first, chance.randint(first + 1, max(number, first + 1))


def _around(
    text: Text, first: int, end: int, before: bytes, after: bytes, *, for_function: bool = False
) -> bytes | None:
    chunks = text.chunks()[first:end]
    kinds = {(node.get("Cmd") or {}).get("Type") for node in text.statements}
    # A file of functions alone is a library.
    if not chunks or kinds == {"FuncDecl"} or (for_function and _BOUND_TO_FILE.search(text.source)):
        return None
    if before != b"{\n" and re.search(rb"\$\{?(\?|PIPESTATUS)", text.source[slice(*chunks[0])]):
        # It would be the status of the condition, or of the declaration.
        return None
    start, stop = chunks[0][0], chunks[-1][1]
    inside = text.source[start:stop].rstrip(b"\n") + b"\n"
    return text.source[:start] + before + inside + after + text.source[stop:]


KINDS: dict[str, t.Callable[[Text, random.Random], bytes | None]] = {
    write.__name__: write
    for write in (
        renamed,
        braced,
        unbraced,
        quoted,
        half_quoted,
        in_backquotes,
        commented,
        tabbed,
        joined,
        on_one_line,
        reordered,
        in_function,
        partly_in_function,
        in_if,
        partly_in_if,
        in_braces,
    )
}


# -- the tree


def _start(node: Node) -> int:
    offset: int = node["Pos"]["Offset"]
    return offset


def _end(node: Node) -> int:
    offset: int = node["End"]["Offset"]
    return offset


def _nested(role: str, node: t.Any) -> t.Iterator[tuple[str, Node]]:
    """A node and all below it, each with its role in what holds it."""
    if not isinstance(node, dict) or "Pos" not in node:
        return
    yield role, node
    kind = node.get("Type", "")
    if kind == "CallExpr":
        command = "".join(part.get("Value", "") for part in (node.get("Args") or [{}])[0].get("Parts", ()))
        # VAR=value command: the command may know the name.
        yield from (
            ("Exported", item["Name"]) for item in node.get("Assigns") or () if node.get("Args") and item.get("Name")
        )
        yield from (
            ("Exported", part) for word in node.get("Args") or () if command == "export" for part in word["Parts"]
        )
    if kind == "DeclClause" and node["Variant"]["Value"] in ("export", "readonly"):
        yield from (("Exported", item["Name"]) for item in node.get("Args") or () if item.get("Name"))
    for key, value in node.items():
        for position, inner in enumerate(value if isinstance(value, list) else [value]):
            if key in ("Assigns",) or (kind == "DeclClause" and key == "Args"):
                yield from _nested("Assign", inner)
            elif kind == "CallExpr" and key == "Args" and position:
                yield from _nested("Argument", inner)
            elif key in ("X", "Y") and kind in ("ArithmExp", "ArithmCmd", "BinaryArithm", "UnaryArithm", "ParenArithm"):
                yield from _arithmetic(inner)
            elif key == "Name" and role == "Assign":
                yield from _nested("Assign.Name", inner)
            else:
                yield from _nested(f"{kind}.{key}", inner)


def _arithmetic(node: Node | None) -> t.Iterator[tuple[str, Node]]:
    """Names in arithmetic are variables."""
    if node and node.get("Type") == "Word" and len(node["Parts"]) == 1 and node["Parts"][0]["Type"] == "Lit":
        yield "Arithmetic", node["Parts"][0]
    else:
        yield from _nested("Arithmetic.Part", node)


def _is_plain_assignment(node: Node) -> bool:
    """Whether a statement only gives variables values that are known or copied: nothing in it can fail."""
    command = node.get("Cmd") or {}
    if command.get("Type") != "CallExpr" or command.get("Args") or node.get("Redirs") or node.get("Negated"):
        return False
    kinds = {inner.get("Type") for _role, inner in _nested("", node)}
    operators = {(inner.get("Exp") or {}).get("Op") for _role, inner in _nested("", node)}
    return not kinds & {"CmdSubst", "ProcSubst", "ArithmExp"} and not operators & {"?", ":?", "=", ":="}
