# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Secrets that stand in the text."""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit, hit_at
from ..subject import Subject

_SECRET_NAME = re.compile(
    r"(?i)(^|_)(pass(word|wd|phrase)?|secret|token|api_?key|access_?key|private_?key|credentials?)($|_)"
)
_URL_SECRET = re.compile(r"[a-z][a-z0-9+]*://[^\s/:@'\"$]+:([^\s/@'\"]+)@")
_KEY_MATERIAL = re.compile(
    r"\bAKIA[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bxox[abpr]-[0-9A-Za-z-]{20,}|hooks\.slack\.com/services/T\w+/B\w+/\w+"
)
_PLACEHOLDER = re.compile(
    r"(?i)^(x+|\*+|\.+|changeme|change_me|todo|none|null|true|false|yes|no|[<{\[(%].*|.*\.(pem|key|txt|json|conf)|[0-9]|your.*|example.*|/.*|~.*)$"
)


#: What such a name ends in when the secret itself stands elsewhere.
_ABOUT_SECRET = re.compile(r"(?i)(file|path|dir|url|name|type|ttl|length|cmd|host|_id|expir\w*|header)$")


def _is_secret(name: str, value: str) -> bool:
    if not _SECRET_NAME.search(name) or _ABOUT_SECRET.search(name):
        return False
    return len(value) >= 4 and " " not in value and not _PLACEHOLDER.match(value)


def secret_in_clear(subject: Subject) -> t.Iterator[Hit]:
    """secret-in-clear: passwords in assignments, URLs and options; key material anywhere."""
    seen: set[int] = set()
    for name, assignments in subject.program.assignments.items():
        for assignment in assignments:
            text = assignment.value.literal if assignment.value is not None else None
            if text is None:
                continue
            if _is_secret(name, text) and assignment.line not in seen:
                seen.add(assignment.line)
                yield hit_at("secret-in-clear", assignment, f"{name} is given a fixed value")
            match = _URL_SECRET.search(text)
            if match and not _PLACEHOLDER.match(match[1]) and assignment.line not in seen:
                seen.add(assignment.line)
                yield hit_at("secret-in-clear", assignment, f"{name} holds a URL with a password")
    for call in subject.program.calls:
        for position, word in enumerate(call.arguments):
            text = "".join(piece.text for piece in word.pieces if piece.kind in ("text", "glob"))
            fixed = word.literal
            match = _URL_SECRET.search(fixed or "")
            found = None
            if match and not _PLACEHOLDER.match(match[1]):
                found = "a URL with a password"
            elif (
                call.name == "curl"
                and fixed in ("-u", "--user")
                and position + 1 < len(call.arguments)
                and re.fullmatch(r"[^:$]+:[^:$]{3,}", call.arguments[position + 1].literal or "")
            ):
                found = "a user with a password"
            elif call.name in ("mysql", "mysqldump", "mariadb", "ldapsearch", "sshpass") and re.fullmatch(
                r"(-p\S{3,}|--password=\S{3,})", fixed or ""
            ):
                found = "a password"
            elif re.search(r"(?i)authorization: *(bearer|basic) +[A-Za-z0-9+/_.=-]{16,}", text):
                found = "an Authorization header with its value"
            if found and call.line not in seen:
                seen.add(call.line)
                yield hit_at("secret-in-clear", call, f"{call.name} is given {found}")
    for number, line in enumerate(subject.program.source.decode("utf-8", "replace").splitlines(), 1):
        if _KEY_MATERIAL.search(line) and number not in seen:
            yield Hit("secret-in-clear", number, 1, "a key stands here")


CHECKS = (secret_in_clear,)
