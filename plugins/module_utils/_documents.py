# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""The JSON documents that this collection keeps on a host: each has a shape, which is checked where the document is read.

A document may be cut off, edited, or written by another version of the collection. After the check no code needs to expect that.
"""

from __future__ import annotations

import json
import re
import typing as t

#: Of every document; a version of the collection that writes others counts it up.
FORMAT = 1

#: Takes a value and where it stands, and raises DocumentError where the value does not fit.
Shape = t.Callable[[t.Any, str], None]


class DocumentError(ValueError):
    """A document does not have its shape; the message says where."""


def _refuse(where: str, value: t.Any, wanted: str) -> t.NoReturn:
    shown = repr(value)
    raise DocumentError(f"{where or 'it'} is {shown if len(shown) < 60 else type(value).__name__} instead of {wanted}")


def text(value: t.Any, where: str) -> None:
    """A string that can be written as UTF-8 again."""
    if not isinstance(value, str):
        _refuse(where, value, "a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        _refuse(where, value, "a text in UTF-8")


def flag(value: t.Any, where: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        _refuse(where, value, "true or false")


def number(value: t.Any, where: str) -> None:
    """A number of seconds or the like, small enough to be a date."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e11:
        _refuse(where, value, "a number")


def whole(value: t.Any, where: str) -> None:
    """A whole number of the same size."""
    number(value, where)
    if not isinstance(value, int):
        _refuse(where, value, "a whole number")


def matching(pattern: str, wanted: str) -> Shape:
    """A string of a form."""

    def check(value: t.Any, where: str) -> None:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            _refuse(where, value, wanted)

    return check


def maybe(shape: Shape) -> Shape:
    """A shape or nothing."""

    def check(value: t.Any, where: str) -> None:
        if value is not None:
            shape(value, where)

    return check


def each(shape: Shape, key: Shape = text) -> Shape:
    """A dictionary with values of one shape."""

    def check(value: t.Any, where: str) -> None:
        if not isinstance(value, dict):
            _refuse(where, value, "a dictionary")
        for name, entry in value.items():
            key(name, f"the key {name!r}" + (f" of {where}" if where else ""))
            shape(entry, f"{where}.{name}" if where else str(name))

    return check


def many(shape: Shape) -> Shape:
    """A list of one shape."""

    def check(value: t.Any, where: str) -> None:
        if not isinstance(value, list):
            _refuse(where, value, "a list")
        for position, entry in enumerate(value):
            shape(entry, f"{where}[{position}]")

    return check


def fields(wanted: t.Mapping[str, Shape], optional: t.Mapping[str, Shape] | None = None) -> Shape:
    """A dictionary with certain fields. Other fields stay."""

    def check(value: t.Any, where: str) -> None:
        if not isinstance(value, dict):
            _refuse(where, value, "a dictionary")
        prefix = f"{where}." if where else ""
        for name, shape in wanted.items():
            if name not in value:
                raise DocumentError(f"{prefix}{name} is missing")
            shape(value[name], f"{prefix}{name}")
        for name, shape in (optional or {}).items():
            if name in value:
                shape(value[name], f"{prefix}{name}")

    return check


def clean(value: t.Any) -> t.Any:
    """A value in which each text is UTF-8. Texts of others, such as the reason of a node, need not be, and Ansible takes no other answer."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {clean(name): clean(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(entry) for entry in value]
    return value


def parse(data: bytes) -> t.Any:
    """The content of a document, whatever its shape. Raises DocumentError if it is not JSON."""

    def refuse(word: str) -> t.NoReturn:
        raise DocumentError(f"{word} is not a JSON number")

    try:
        found = json.loads(data, parse_constant=refuse)
    except DocumentError:
        raise
    except RecursionError as exc:
        raise DocumentError("it is nested too deeply") from exc
    except ValueError as exc:
        raise DocumentError(f"it is not valid JSON ({exc})") from exc
    return found


def require(shape: Shape, value: t.Any) -> None:
    """Raise DocumentError where a value has another shape."""
    try:
        shape(value, "")
    except RecursionError as exc:
        raise DocumentError("it is nested too deeply") from exc


def load(data: bytes, shape: Shape) -> t.Any:
    """A document that has this shape and our format. Raises DocumentError."""
    found = parse(data)
    present = found.get("format") if isinstance(found, dict) else None
    if present != FORMAT:
        said = (
            f"it has the format {str(present)[:20]}"
            if isinstance(present, (int, str))
            else "it does not say which format it has"
        )
        raise DocumentError(f"{said}, and this version of the collection knows the format {FORMAT}")
    require(shape, found)
    return found


def dump(document: t.Mapping[str, t.Any], shape: Shape) -> bytes:
    """A document as it is written: as load() will take it. Raises DocumentError."""
    require(shape, document)
    return (json.dumps({**document, "format": FORMAT}, sort_keys=True) + "\n").encode()
