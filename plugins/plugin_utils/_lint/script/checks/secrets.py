# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Secrets that stand in the text."""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit, hit_at
from ..program import Call, Word
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
    values = subject.values
    seen: set[int] = set()
    #: A copy of a secret is said where the secret stands.
    told: set[str] = set()
    for name, assignments in subject.program.assignments.items():
        for assignment in assignments:
            for text in values.texts(assignment.value, assignment) if assignment.value is not None else ():
                if assignment.line in seen or any(secret in text for secret in told):
                    continue
                match = _URL_SECRET.search(text)
                if _is_secret(name, text):
                    seen.add(assignment.line)
                    told.add(text)
                    yield hit_at("secret-in-clear", assignment, f"{name} is given a fixed value")
                elif match and not _PLACEHOLDER.match(match[1]):
                    seen.add(assignment.line)
                    told.add(match[1])
                    yield hit_at("secret-in-clear", assignment, f"{name} holds a URL with a password")
    for call in subject.program.calls:
        for position, word in enumerate(call.arguments):
            texts = [text for text in values.texts(word, call) if not any(secret in text for secret in told)]
            following = call.arguments[position + 1 : position + 2]
            found = next(filter(None, (_given_in(subject, call, text, following) for text in texts)), None)
            fixed = "".join(piece.text for piece in word.pieces if piece.kind in ("text", "glob"))
            if re.search(r"(?i)authorization: *(bearer|basic) +[A-Za-z0-9+/_.=-]{16,}", fixed):
                found = "an Authorization header with its value"
            if found and call.line not in seen:
                seen.add(call.line)
                yield hit_at("secret-in-clear", call, f"{call.name} is given {found}")
    for number, line in enumerate(subject.program.source.decode("utf-8", "replace").splitlines(), 1):
        if _KEY_MATERIAL.search(line) and number not in seen:
            yield Hit("secret-in-clear", number, 1, "a key stands here")


def _given_in(subject: Subject, call: Call, text: str, following: t.Sequence[Word]) -> str | None:
    """The secret that an argument is, or the next one."""
    match = _URL_SECRET.search(text)
    if match and not _PLACEHOLDER.match(match[1]):
        return "a URL with a password"
    if call.name == "curl" and text in ("-u", "--user"):
        users = [user for word in following for user in subject.values.texts(word, call)]
        if any(re.fullmatch(r"[^:$]+:[^:$]{3,}", user) for user in users):
            return "a user with a password"
    if call.name in ("mysql", "mysqldump", "mariadb", "ldapsearch", "sshpass") and re.fullmatch(
        r"(-p\S{3,}|--password=\S{3,})", text
    ):
        return "a password"
    return None


CHECKS = (secret_in_clear,)
