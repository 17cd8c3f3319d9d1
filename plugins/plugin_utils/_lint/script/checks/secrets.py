# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Secrets that stand in the text."""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit, hit_at
from ..facts import Is, SecretOption
from ..knowledge import facts, is_a
from ..program import Call, Point, Word
from ..subject import Subject
from .vocabulary import fed_by

#: A part of a name that says that the value is a secret: DB_PASSWORD, PGPASSWORD, MYSQL_PWD, bmc_pw.
_SECRET_NAME = re.compile(
    r"(?i)(^|_)(\w*(?<!by)(?<!com)pass(word|wd|phrase)?|[a-z]*pw|(?<=_)pwd|secret|token|api_?key|access_?key|private_?key|credentials?)($|_)"
)
#: What such a name ends in when the secret itself stands elsewhere.
_ABOUT_SECRET = re.compile(
    r"(?i)(file|path|dir|url|name|type|ttl|seconds|length|cmd|host|_id|expir\w*|header|stdin|prompt|fd|ask)$"
)
_URL_SECRET = re.compile(r"[a-z][a-z0-9+]*://[^\s/:@'\"$]+:([^\s/@'\"]+)@")
#: A name with a value in a longer text: a URL, a form, JSON, a mount's options, a header, a file of settings.
_NAMED_VALUE = re.compile(
    r"(?m)(?:^|[?&,;{\s\"'])([A-Za-z][\w-]*)(?:\s*=\s*|[\"']\s*:\s*|:(?=\S|\s+\S+$)\s*)[\"']?([^\s?&,;\"'{}$\\]+)"
)
_AUTHORIZATION = re.compile(r"(?i)authorization: *(bearer|basic|token) +[A-Za-z0-9+/_.=-]{16,}")
_KEY_MATERIAL = re.compile(
    r"\bAKIA[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bglpat-[\w-]{20}|\bhvs\.[\w-]{24}"
    r"|\bxox[abpr]-[0-9A-Za-z-]{20,}|hooks\.slack\.com/services/T\w+/B\w+/\w+|discord(app)?\.com/api/webhooks/\d+/[\w-]+"
)
_PLACEHOLDER = re.compile(
    r"(?i)^(x+|\*+|\.+|changeme|change_me|todo|none|null|true|false|yes|no|[<{\[(%].*|.*\.(pem|key|txt|json|conf)|[0-9]|your.*|example.*|/.*|~.*)$"
)


def _is_value(text: str) -> bool:
    """Whether a text may be a secret: one word that is fixed, and nothing that stands for one."""
    return len(text) >= 4 and not re.search(r"\s|\$[{(]", text) and not _PLACEHOLDER.match(text)


def _is_secret(name: str, value: str) -> bool:
    name = name.replace("-", "_")
    return bool(_SECRET_NAME.search(name)) and not _ABOUT_SECRET.search(name) and _is_value(value)


def secret_in_clear(subject: Subject) -> t.Iterator[Hit]:
    """secret-in-clear: passwords in assignments, URLs, options and texts; key material anywhere."""
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
        found = next((what for what, text in _given(subject, call) if not any(secret in text for secret in told)), None)
        if found and call.line not in seen:
            seen.add(call.line)
            yield hit_at("secret-in-clear", call, f"{call.name} is given {found}")
    for number, line in enumerate(subject.program.source.decode("utf-8", "replace").splitlines(), 1):
        if _KEY_MATERIAL.search(line) and number not in seen:
            yield Hit("secret-in-clear", number, 1, "a key stands here")


def _given(subject: Subject, call: Call) -> t.Iterator[tuple[str, str]]:
    """The secrets that a command is given: what each is, and the text that it stands in."""
    inputs = [redirect.body for redirect in call.context.redirects if redirect.body is not None]
    if is_a(call.name, Is.READS_SECRET):
        feeding = [(word, source) for source in fed_by(subject.program, call) for word in source.arguments]
        for text in _texts(subject, [*((word, call) for word in inputs), *feeding]):
            if any(_is_value(part.partition(":")[2] or part) for part in text.split()):
                yield "a password", text
    for name, word in call.environment.items():
        for text in subject.values.texts(word, call):
            if _is_secret(name, text):
                yield f"a value for {name}", text
    if is_a(call.name, Is.LOOKS_FOR) or (is_a(call.name, Is.PRINTS) and call.context.stdout in ("script", "stderr")):
        return
    arguments = call.arguments
    for position, word in enumerate(arguments):
        for text in subject.values.texts(word, call):
            following = list(_texts(subject, [(after, call) for after in arguments[position + 1 : position + 2]]))
            for value in _of_option(call, text, following):
                yield "a password", value
    for text in _texts(subject, [(word, call) for word in (*arguments, *inputs)]):
        match = _URL_SECRET.search(text)
        if match and not _PLACEHOLDER.match(match[1]):
            yield "a URL with a password", match[1]
        if _AUTHORIZATION.search(text):
            yield "an Authorization header with its value", text
        for name, value in _NAMED_VALUE.findall(text):
            if _is_secret(name, value):
                yield f"a value for {name}", value


def _texts(subject: Subject, words: t.Iterable[tuple[Word, Point]]) -> t.Iterator[str]:
    for word, at in words:
        yield from subject.values.texts(word, at)


def _of_option(call: Call, text: str, following: t.Sequence[str]) -> t.Iterator[str]:
    """The secret in an option's value, which stands in the same word or in the next one."""
    known = facts(call.name).secret or SecretOption("")
    options = known.options.split()
    option, equals, value = text.partition("=")
    short = next((o for o in options if len(o) == 2 and text.startswith(o) and text != o), None)
    if short is not None:
        option, value = short, text[2:]
    after = [value] if equals or short is not None else [] if known.joined else following
    for candidate in after:
        secret = candidate.partition(known.behind)[2] if known.behind else candidate
        if option in options and _is_value(secret) and not secret.startswith("-"):
            yield secret
        elif re.match(r"--?[A-Za-z]{2}", option) and _is_secret(option.lstrip("-"), candidate) and candidate[0] != "-":
            yield candidate


CHECKS = (secret_in_clear,)
