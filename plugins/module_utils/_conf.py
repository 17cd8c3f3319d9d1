# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The text of slurm.conf: reading it as Slurm does, and the one line of ours in it.

Grammar: src/common/parse_config.c, 22.05 to 26.05: line by line, keys without regard to case, values bare or in
double quotes, C(#) begins a comment unless escaped, an odd number of backslashes at the end continues the line,
C(Include) only at column 0.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS

#: The file that is ours, beside the cluster's slurm.conf. Included by its bare name, because configless ships nothing else.
FRAGMENT = "nodecycle.conf"
INCLUDE_LINE = f"Include {FRAGMENT}"
#: Behind our Include in a slurm.conf without a newline at its end. Ours needs one: after an Include that ends the file without, Slurm
#: 24.11.5 takes the end of an earlier, longer line for a line of its own ("Parse error").
_AT_OPEN_END = " # (the line before had no newline)"

#: Where slurmd and sackd of a configless cluster keep what the controller sent them (configless_slurm.html, 22.05 to 26.05).
CACHE = "/run/slurm/conf"
#: The file beside the controller's slurm.conf that Slurm sends to the nodes as their prolog (_bundle).
BUNDLE = "nodecycle_bundle"
ADOPTED = "#nodecycle.slurm adopted# "
HEADER = "# Managed by nodecycle.slurm: change the variables, not this file; the next run replaces it.\n"

#: The options of every module that compares or changes slurm.conf.
ARGUMENTS: dict[str, t.Any] = {
    "path": {"type": "path", "default": "/etc/slurm/slurm.conf"},
    "text": {"type": "str", "required": True},
    "adopt": {"type": "list", "elements": "str", "default": []},
}

#: Keys whose lines add up instead of replacing one another (S_P_ARRAY, and the line types with keys of their own).
LINE_KEYS = frozenset({"nodename", "partitionname", "downnodes", "nodeset", "frontendname", "poweraction"})

#: The keys of which each line counts where Slurm's hooks add up (C(_releases.py)); else, and of all others, the last line of a key counts.
ADDING_UP = frozenset({"prolog", "epilog", "prologslurmctld", "epilogslurmctld"})

_INCLUDE = re.compile(r"^include\s+(\S+)\s*$", re.IGNORECASE)
_OURS_AT_OPEN_END = re.compile(rf"\nInclude (?:/\S*/)?{re.escape(FRAGMENT + _AT_OPEN_END)}\n\Z")
_PAIR = re.compile(r"""\s*([A-Za-z0-9_.]+)\s*[-*+/]?=\s*(?:"([^"]*)"|(\S+))(?=\s|$)""")
#: All of a line before its comment: a C(#) behind an odd number of backslashes begins none.
_BEFORE_COMMENT = re.compile(r"(?:[^#\\]|\\.?)*", re.DOTALL)
_MAX_DEPTH = 10


Read = t.Callable[[str], t.Optional[str]]


class ConfError(ValueError):
    """The text is not what Slurm would read, or may not be changed as asked."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One key of slurm.conf: its place and its value."""

    key: str
    value: str
    file: str
    line: int


@dataclasses.dataclass(frozen=True)
class Line:
    """One logical line: continuation lines joined, comment removed."""

    text: str
    first: int
    last: int


def fragment_path(path: str, read: Read) -> str:
    """Our file: the one that this slurm.conf includes, or would include."""
    return os.path.join(os.path.dirname(path), _our_include(read(path) or "") or _include_name(path, read))


def together(path: str, read: Read) -> Read:
    """A reader for which our file lies beside slurm.conf, as in a copy of both."""
    beside = os.path.join(os.path.dirname(path), FRAGMENT)

    def reader(name: str) -> str | None:
        text = read(fragment_path(path, read) if name == beside else name)
        return _with_bare_include(text) if text and name == path else text

    return reader


def _with_bare_include(text: str) -> str:
    ours = {number: number == line.first for line in _our_lines(text) for number in range(line.first, line.last + 1)}
    lines = enumerate(_physical_lines(text), 1)
    # Every other line keeps its number.
    return "".join(
        (f"{INCLUDE_LINE}\n" if ours[number] else "\n") if number in ours else line for number, line in lines
    )


def _include_name(path: str, read: Read) -> str:
    """The name by which slurm.conf is to include our file.

    Who reads a shared slurm.conf by a link of its own would look for a bare name beside the link.
    """
    shared = os.path.dirname(os.path.realpath(path))
    if (
        shared == os.path.realpath(os.path.dirname(path))
        or re.search(r"[\s%]", shared)
        or is_configless(tree(path, read, with_ours=False))
    ):
        return FRAGMENT
    return os.path.join(shared, FRAGMENT)


def is_configless(entries: t.Iterable[Entry]) -> bool:
    """Whether the controller sends its slurm.conf to others, who need a bare name."""
    return any(
        entry.key.lower() == "slurmctldparameters" and "enable_configless" in entry.value.lower() for entry in entries
    )


def logical_lines(text: str) -> t.Iterator[Line]:
    """The lines as Slurm's reader sees them, with the numbers (from 1) of the first and last physical line."""
    joined = ""
    first = 0
    lines = _physical_lines(text)
    for number, raw in enumerate(lines, 1):
        piece = _BEFORE_COMMENT.match(raw).group().rstrip()  # type: ignore[union-attr]
        first = first or number
        trailing = len(piece) - len(piece.rstrip("\\"))
        if trailing % 2 and number < len(lines):
            joined += piece[:-1]
            continue
        joined += piece
        if joined.strip():
            yield Line(re.sub(r"\\(.?)", r"\1", joined), first, number)
        joined = ""
        first = 0


def entries(text: str, file: str = "slurm.conf") -> list[Entry]:
    """Every top-level key of one file, in order. A line type (NodeName ...) counts as one key with the whole line as its value."""
    found: list[Entry] = []
    for line in logical_lines(text):
        if _included(line):
            continue
        for key, value in pairs(line.text):
            if key.lower() in LINE_KEYS:
                found.append(Entry(key, line.text.strip(), file, line.first))
                break
            found.append(Entry(key, value, file, line.first))
    return found


def pairs(line: str) -> t.Iterator[tuple[str, str]]:
    """The keys of one logical line, with their values."""
    position = 0
    while match := _PAIR.match(line, position):
        yield match.group(1), match.group(2) if match.group(2) is not None else match.group(3)
        position = match.end()


def includes(text: str) -> list[tuple[str, int]]:
    """The names after Include and their line numbers."""
    return [(name, line.first) for line in logical_lines(text) if (name := _included(line))]


def tree(path: str, read: Read, *, with_ours: bool = True) -> list[Entry]:
    """The keys of slurm.conf and of all that it includes, with our file or without.

    Relative names are taken from the directory of the main file (23.02 and later; before that of the including file,
    which is the same for the flat layout that Slurm recommends).
    """
    return _tree(path, os.path.dirname(path), read, with_ours, 0)


def _tree(path: str, beside: str, read: Read, with_ours: bool, depth: int) -> list[Entry]:
    text = read(path)
    if text is None:
        raise ConfError(f"{path} cannot be read")
    if depth > _MAX_DEPTH:
        raise ConfError(f"{path}: Include lines are nested more than {_MAX_DEPTH} deep")
    parts = [(entry.line, [entry]) for entry in entries(text, path)]
    for name, line in includes(text):
        if "%" in name or (_is_ours(name) and not with_ours):
            continue
        included = os.path.join(beside, name)
        if read(included) is None:
            raise ConfError(
                f"{path}:{line} includes {name}, and {included} cannot be read: Slurm's commands wait a minute for it and fail"
            )
        parts.append((line, _tree(included, beside, read, with_ours, depth + 1)))
    # Slurm reads an included file where it is included, and of some keys the last line counts.
    return [entry for _line, part in sorted(parts, key=lambda part: part[0]) for entry in part]


def conflicts(present: t.Iterable[Entry], wanted: t.Iterable[str]) -> list[Entry]:
    """The present lines that set a key which the collection is about to set."""
    keys = {key.lower() for key in wanted}
    return [entry for entry in present if entry.key.lower() in keys and entry.key.lower() not in LINE_KEYS]


def scalar_keys(text: str) -> list[str]:
    """The keys that a text sets and that the last line of would win, in their order."""
    return [entry.key for entry in entries(text) if entry.key.lower() not in LINE_KEYS]


def fragment(hook_lines: t.Mapping[str, str], extra: str) -> str:
    """The content of our file: a line for each hook in use, then the user's lines verbatim. Empty when there is nothing to say."""
    body = "".join(f"{key}={path}\n" for key, path in hook_lines.items())
    if extra.strip():
        body += extra if extra.endswith("\n") else extra + "\n"
    return HEADER + body if body else ""


def hooks_and_lines(text: str) -> tuple[list[str], bool]:
    """The hooks whose dispatchers our file names, and whether it has lines of the user's. What the bundle runs, the file does not say."""
    keys = {hook.conf_key: hook.name for hook in HOOKS.values() if hook.conf_key}
    hooks, has_lines = [], bool(includes(text))
    for entry in entries(text):
        hook = keys.get(entry.key, "")
        if hook and entry.value.endswith(f"/current/{hook}"):
            hooks.append(hook)
        elif not (hook and entry.value == BUNDLE):
            has_lines = True
    return hooks, has_lines


def names_bundle(text: str) -> bool:
    """Whether our file names the bundle."""
    return any(entry.value == BUNDLE for entry in entries(text))


def has_include(text: str) -> bool:
    """Whether slurm.conf includes our file."""
    return bool(_our_include(text))


def _our_include(text: str) -> str:
    """The name by which slurm.conf includes our file; empty where it does not."""
    return next((name for name, _line in includes(text) if _is_ours(name)), "")


def _our_lines(text: str) -> list[Line]:
    """The lines by which slurm.conf includes our file."""
    return [line for line in logical_lines(text) if _is_ours(_included(line))]


def _is_ours(name: str) -> bool:
    return name == FRAGMENT or (name.startswith("/") and os.path.basename(name) == FRAGMENT)


def names(text: str, directory: str, keys: t.Collection[str]) -> bool:
    """Whether one of these keys (in lower case) names something below a directory."""
    return any(entry.key.lower() in keys and f"{directory}/" in entry.value for entry in entries(text))


def with_include(text: str, adopt: t.Collection[str] = (), name: str = FRAGMENT) -> str:
    """slurm.conf with our Include as its last line and the adopted keys' own lines turned into comments.

    Lines of keys that are no longer adopted are restored. Everything else stays to the byte, also a missing newline at the end.
    """
    keys = {key.lower() for key in adopt}
    text = _adopt(_restore(text, keep=keys), keys)
    if has_include(text):
        return text
    ours = f"Include {name}"
    added = f"{text}{ours}\n" if not text or text.endswith("\n") else f"{text}\n{ours}{_AT_OPEN_END}\n"
    if not any(_included(line) == name and line.first == line.last for line in logical_lines(added)):
        raise ConfError(
            "its last line ends with a backslash and would swallow our Include line: remove the backslash first"
        )
    return added


def without_include(text: str) -> str:
    """slurm.conf as it was before with_include."""
    text = _OURS_AT_OPEN_END.sub("", text)
    ours = {number for line in _our_lines(text) for number in range(line.first, line.last + 1)}
    return _restore("".join(line for number, line in enumerate(_physical_lines(text), 1) if number not in ours))


def adopted(text: str) -> list[str]:
    """The keys whose own lines in slurm.conf with_include has turned into comments."""
    lines = "".join(line[len(ADOPTED) :] for line in _physical_lines(text) if line.startswith(ADOPTED))
    return [entry.key for entry in entries(lines)]


def without_keys(text: str, keys: t.Iterable[str]) -> str:
    """The text with the lines of these keys turned into comments, so that all others keep their numbers.

    Raises ConfError where such a line sets another key as well.
    """
    return _adopt(text, {key.lower() for key in keys})


def _included(line: Line) -> str:
    """The name after Include, or nothing."""
    match = _INCLUDE.match(line.text)
    return match.group(1) if match else ""


def _physical_lines(text: str) -> list[str]:
    """The lines with their ends. Not splitlines(), which sees ends of lines that Slurm does not (form feed, U+2028 ...)."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _restore(text: str, keep: t.Collection[str] = ()) -> str:
    """Restore adopted lines, but for those that set a key to keep."""
    lines = _physical_lines(text)
    blocks = itertools.groupby(range(len(lines)), key=lambda number: lines[number].startswith(ADOPTED))
    for is_adopted, numbers in blocks:
        if not is_adopted:
            continue
        block = list(numbers)
        plain = [lines[number][len(ADOPTED) :] for number in block]
        for line in logical_lines("".join(plain)):
            if not {match.group(1).lower() for match in _PAIR.finditer(line.text)} & set(keep):
                for offset in range(line.first - 1, line.last):
                    lines[block[offset]] = plain[offset]
    return "".join(lines)


def _adopt(text: str, keys: set[str]) -> str:
    if not keys:
        return text
    lines = _physical_lines(text)
    for line in logical_lines(text):
        named = {match.group(1).lower() for match in _PAIR.finditer(line.text)}
        if not named & keys or _included(line):
            continue
        first = _PAIR.match(line.text)
        if first and first.group(1).lower() in LINE_KEYS:
            continue
        if named - keys:
            others = ", ".join(sorted(named - keys))
            raise ConfError(
                f"line {line.first} sets {others} as well as {', '.join(sorted(named & keys))}: put them on lines of their own first"
            )
        for number in range(line.first - 1, line.last):
            lines[number] = ADOPTED + lines[number]
    return "".join(lines)


def lines_of(path: str, read: Read) -> dict[str, t.Any] | None:
    """Our lines in a host's slurm.conf (text) and the keys adopted there (adopt); None for a host without one."""
    main = read(path)
    if main is None:
        return None
    text = (read(fragment_path(path, read)) or "") if has_include(main) else ""
    return {"text": text, "adopt": adopted(main)}


@dataclasses.dataclass(frozen=True)
class Change:
    """A file that is to change: None stands for no file."""

    path: str
    before: str | None
    after: str | None


def changes(path: str, text: str, adopt: t.Collection[str], read: Read) -> list[Change]:
    """The changes on a host after which its slurm.conf says text (empty: nothing of ours), in the safe order.

    The included file appears before the line that includes it, and goes after that line: a missing included file stops
    every Slurm command on the host. Raises ConfError where there is no slurm.conf at path.
    """
    main = read(path)
    if main is None:
        raise ConfError(f"{path} cannot be read")
    named, wanted = _our_include(main), _include_name(path, read)
    ours = os.path.join(os.path.dirname(path), wanted if text else named or wanted)
    fragment_change = Change(ours, read(ours), text or None)
    if not text:
        ordered = [Change(path, main, without_include(main)), fragment_change]
    else:
        before = main if named == wanted else without_include(main)
        ordered = [fragment_change, Change(path, main, with_include(before, adopt, wanted))]
    if text and named == FRAGMENT != wanted:
        # Since the last run slurm.conf has become a link. Of the other way round other hosts may still include what lies there.
        beside = os.path.join(os.path.dirname(path), FRAGMENT)
        ordered.append(Change(beside, read(beside), None))
    return [change for change in ordered if change.before != change.after]
