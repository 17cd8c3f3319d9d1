# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Secrets that stand in the text."""

from __future__ import annotations

import base64
import binascii
import re
import typing as t

from ...core.model import Hit, hit_at
from ..facts import Is, SecretOption
from ..knowledge import facts, is_a
from ..program import Call, Point, Word
from ..subject import Subject
from .vocabulary import fed_by, feeds, operands

#: A part of a name that says that the value is a secret: DB_PASSWORD, PGPASSWORD, MYSQL_PWD, bmc_pw, authToken.
_SECRET_NAME = re.compile(
    r"(?i)(^|_)(\w*(?<!by)(?<!com)pass(word|wd|phrase|code)?|[a-z]*pw|(?<=_)pwd|secret|token|auth_?tok|psk|credentials?"
    r"|(api|access|private|munge|hmac|sign(ing)?|encrypt(ion)?|auth|session|master|shared|deploy|licen[cs]e)_?key)($|_)"
)
#: What such a name ends in when the secret itself stands elsewhere.
_ABOUT_SECRET = re.compile(
    r"(?i)(file|path|dir|url|name|type|ttl|seconds|length|cmd|host|_id|expir\w*|header|stdin|prompt|fd|env|ask|authentication)$"
)
#: No scheme has more than some letters: without an end, each letter of a long text is a beginning that is read to the end.
_URL_SECRET = re.compile(r"[a-z][a-z0-9+]{0,20}://[^\s/:@'\"$]*:([^\s/@'\"$]+)@")
#: A name with a value in a longer text: a URL, a form, JSON, a mount's options, a header, a file of settings.
_NAMED_VALUE = re.compile(
    r"(?m)(?:^|[?&,;={\s\"'])([A-Za-z][\w-]*)(?:\s*=\s*|[\"']\s*:\s*|:(?=\S|\s+\S+$)\s*)[\"']?([^\s?&,;\"'{}$\\]+)(?=[\s?&,;\"'{}\\]|$)"
)
#: The same without = or a colon, as in SQL, .netrc and the settings of daemons. The value must look like a secret.
_SPOKEN_VALUE = re.compile(
    r"(?i)(?<![\w-])(password|passwd|identified\s+by|requirepass|masterauth|bindpw|rootpw|rootbindpw)\s+[\"']?([^\s;\"'$]+)(?=[\s;\"']|$)"
)
_AUTHORIZATION = re.compile(r"(?i)authorization[\"']?\s*[:=]\s*[\"']?(?!aws4)[a-z]+ +([A-Za-z0-9+/_.=-]{8,})(?![\w${])")
#: sed puts a secret into a file: s/@DB_PASSWORD@/secret/.
_SUBSTITUTED = re.compile(r"s([/|#,:%])[^\w$]*([A-Za-z]\w*?)[^\w$]*\1([^\s$&\\]+)\1[a-z]*")
_KEY_MATERIAL = re.compile(
    r"\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_\w{22}|\bglpat-[\w-]{20}|\bhvs\.[\w-]{24}|\bnpm_[A-Za-z0-9]{36}\b"
    r"|\bxox[abpr]-[0-9A-Za-z-]{20,}|hooks\.slack\.com/services/T\w+/B\w+/\w+|discord(app)?\.com/api/webhooks/\d+/[\w-]+"
    r"|\bAIza[\w-]{35}|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+|\$(5|6|y|2[aby])\$[./\w$=,]{40,}"
    # One that is only looked for has no text behind its first line.
    r"|-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----(\\n|\s)+[A-Za-z0-9+/=]{16,}"
)
_PLACEHOLDER = re.compile(
    r"(?i)^(x+|\*+|\.+|changeme|change_me|todo|none|null|true|false|yes|no|[<{\[(%@].*|.*\.(pem|key|txt|json|conf)|[0-9]|your.*|example.*|/.*|~.*"
    r"|(file|env|vault|op|arn|ref|fd|keyring):.*)$"
)

#: Files whose whole text is a secret.
_SECRET_FILE = re.compile(
    r"(?i)(munge\.key|\.(key|keytab|psk)|/id_[a-z0-9]+|[./]?(pgpass|git-credentials)|(secret|token|passwd|password|pw)[\w-]*)$"
)

_DECODERS = {"base64": ("-d", "-D", "--decode"), "base32": ("-d", "--decode"), "openssl": ("-d",), "xxd": ("-r",)}


def _is_value(text: str) -> bool:
    """Whether a text may be a secret: one word that is fixed, and nothing that stands for one."""
    return len(text) >= 4 and not re.search(r"\s|\$[{(]", text) and not _PLACEHOLDER.match(text)


def _looks_random(text: str) -> bool:
    """Whether a text is more than a word of some language."""
    return len(text) >= 8 and _is_value(text) and bool(re.search(r"\d", text) and re.search(r"[A-Za-z]", text))


def _is_secret(name: str, value: str) -> bool:
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.replace("-", "_"))
    return bool(_SECRET_NAME.search(name)) and not _ABOUT_SECRET.search(name) and _is_value(value)


class _Found(t.NamedTuple):
    """A secret: what it is, and the text in which it stands, which is longer where the rest belongs to it."""

    what: str
    text: str


def secret_in_clear(subject: Subject) -> t.Iterator[Hit]:
    """secret-in-clear: passwords in assignments, URLs, options and texts; what is written to keys; key material anywhere."""
    seen: set[int] = set()
    #: A copy of a secret is said where the secret stands.
    told: set[str] = set()
    for name, assignments in subject.program.assignments.items():
        for assignment in assignments:
            words = [word for word in (assignment.value, *assignment.items) if word is not None]
            for found in (found for word in words for found in _assigned(subject, name, word, assignment)):
                if assignment.line not in seen and not any(secret in found.text for secret in told):
                    seen.add(assignment.line)
                    told.add(found.text)
                    yield hit_at("secret-in-clear", assignment, f"{name} {found.what}")
    for call in subject.program.calls:
        for found in _given(subject, call):
            line = _line(call, found.text)
            if line not in seen and not any(secret in found.text for secret in told):
                seen.add(line)
                yield Hit("secret-in-clear", line, call.column, f"{call.name} is given {found.what}")
                break
    source = subject.program.source.decode("utf-8", "replace")
    for match in _KEY_MATERIAL.finditer(source):
        line = source.count("\n", 0, match.start()) + 1
        if line not in seen:
            seen.add(line)
            yield Hit("secret-in-clear", line, 1, "a key stands here")


def _assigned(subject: Subject, name: str, word: Word, at: Point) -> t.Iterator[_Found]:
    """The secrets in a value."""
    for form in subject.values.forms(word, at):
        if form.literal is not None and _is_secret(name, form.shown):
            yield _Found("is given a fixed value", form.shown)
        for what, text in _in_text(form.shown):
            yield _Found(f"holds {what}", text)
    for call in (call for piece in word.pieces for call in piece.commands if is_a(call.name, Is.PRINTS)):
        if _is_decoded([call, *feeds(subject.program, call)]):
            for text in _texts(subject, ((operand, call) for operand in operands(call))):
                if _is_secret(name, text):
                    yield _Found("is given a fixed value, encoded", text)


def _line(call: Call, secret: str) -> int:
    """The line of a secret in a command: a here-document, or a text, may have many."""
    bodies = [redirect.body for redirect in call.context.redirects if redirect.body is not None]
    for word in (*bodies, *call.arguments):
        before, found, _after = word.shown.partition(secret)
        if found:
            return word.line + before.count("\n")
    return call.line


def _given(subject: Subject, call: Call) -> t.Iterator[_Found]:
    """The secrets that a command is given."""
    inputs = [redirect.body for redirect in call.context.redirects if redirect.body is not None]
    if is_a(call.name, Is.READS_SECRET) or any(
        re.match(r"-S$|--?pass\w*-?(stdin|fd)\b|--stdin(-password)?$", text) for text in call.texts
    ):
        feeding = [(word, source) for source in fed_by(subject.program, call) for word in source.arguments]
        for text in _texts(subject, [*((word, call) for word in inputs), *feeding]):
            if any(_is_value(part.partition(":")[2] or part) for part in text.split()):
                yield _Found("a password", text)
    for name, word in call.environment.items():
        for text in subject.values.texts(word, call):
            if _is_secret(name, text):
                yield _Found(f"a value for {name}", text)
    if call.name == "sed":
        yield from _substituted(subject, call)
    is_told = is_a(call.name, Is.PRINTS) and call.context.stdout in ("script", "stderr")
    if is_a(call.name, Is.LOOKS_FOR) or (is_told and not call.arguments[:1]) or (is_told and not _exports(call)):
        return
    arguments = call.arguments
    for position, word in enumerate(arguments):
        for text in subject.values.texts(word, call):
            following = list(_texts(subject, [(after, call) for after in arguments[position + 1 : position + 2]]))
            for value in _of_option(call, text, following):
                yield _Found("a password", value)
    for word in (*arguments, *inputs):
        for form in subject.values.forms(word, call):
            yield from _in_text(form.shown)
    yield from _stored(subject, call)


def _exports(call: Call) -> bool:
    """Whether a command prints a line for a task."""
    return any(text.startswith("export ") for text in (" ".join(call.texts), *call.texts))


def _in_text(text: str) -> t.Iterator[_Found]:
    """The secrets in a longer text: its variables stand there as ${name}."""
    for match in _URL_SECRET.finditer(text):
        if not _PLACEHOLDER.match(match[1]):
            yield _Found("a URL with a password", match[1])
    for match in _AUTHORIZATION.finditer(text):
        if len(match[1]) >= 16 or _looks_random(match[1]):
            yield _Found("an Authorization header with its value", match[1])
    for name, value in _NAMED_VALUE.findall(text):
        if _is_secret(name, value):
            yield _Found(f"a value for {name}", value)
    for word, value in _SPOKEN_VALUE.findall(text):
        if _looks_random(value):
            yield _Found(f"a value for {' '.join(word.split())}", value)


def _substituted(subject: Subject, call: Call) -> t.Iterator[_Found]:
    for word in call.arguments:
        for text in subject.values.texts(word, call):
            for _mark, name, value in _SUBSTITUTED.findall(text):
                if _is_secret(name, value) and _looks_random(value):
                    yield _Found(f"a value for {name}", value)


def _stored(subject: Subject, call: Call) -> t.Iterator[_Found]:
    """A fixed text that becomes a file of secrets: as it stands, or decoded."""
    bodies = [redirect.body for redirect in call.context.redirects if redirect.body is not None]
    fixed = [word for word in operands(call) if is_a(call.name, Is.PRINTS)] + bodies
    readers = [later for later in subject.program.stages(call) if call.sequence < later.sequence]
    targets = [r.target for c in (call, *readers) for r in c.context.redirects if r.operator in (">", ">>", ">|")]
    targets += [word for c in (call, *readers) if c.name == "tee" for word in operands(c)]
    is_secret_file = any(_SECRET_FILE.search(subject.values.known(word, call).shown) for word in targets)
    is_decoded = _is_decoded([call, *readers])
    for word in fixed:
        for text in subject.values.texts(word, call):
            lines = text.split("\n")
            random = [line for line in lines if _looks_random(line)]
            if is_secret_file and random:
                yield _Found("the text of a file of secrets", random[0])
            elif is_decoded and _hides_secret(text):
                yield _Found("a secret, encoded", lines[0])


def _is_decoded(stages: t.Iterable[Call]) -> bool:
    """Whether a stage of a pipeline decodes what the first one says."""
    return any(stage.has_option(*_DECODERS[stage.name]) for stage in stages if stage.name in _DECODERS)


def _hides_secret(text: str) -> bool:
    """Whether an encoded text is one word, or no text at all, and not a file of a known kind: a key."""
    packed = "".join(text.split())
    try:
        plain = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        return False
    if len(plain) < 12 or plain.startswith((b"\x1f\x8b", b"PK", b"\x7fELF", b"\x89PNG", b"BZh", b"\xfd7z")):
        return False
    return not plain.isascii() or re.search(rb"\s", plain.strip()) is None


def _texts(subject: Subject, words: t.Iterable[tuple[Word, Point]]) -> t.Iterator[str]:
    for word, at in words:
        yield from subject.values.texts(word, at)


def _of_option(call: Call, text: str, following: t.Sequence[str]) -> t.Iterator[str]:
    """The secret in an option's value, which stands in the same word or in the next one; or behind a setting's name."""
    known = facts(call.name).secret or SecretOption("")
    options = known.options.split()
    option, equals, value = text.partition("=")
    short = next((o for o in options if len(o) == 2 and text.startswith(o) and text != o), None)
    if short is not None:
        option, value = short, text[2:]
    is_setting = not equals and re.search(r"[a-z][._][a-z]", option) is not None and not is_a(call.name, Is.PRINTS)
    after = [value] if equals or short is not None else [] if known.joined else following
    for candidate in after:
        secret = candidate.partition(known.behind)[2] if known.behind else candidate
        if option in options and _is_value(secret) and not secret.startswith("-"):
            yield secret
        elif (
            re.match(r"--?[A-Za-z]{2}", option) and _is_secret(option.lstrip("-"), candidate) and candidate[0] != "-"
        ) or (is_setting and _looks_random(candidate) and _is_secret(option.rpartition(".")[2], candidate)):
            yield candidate


CHECKS = (secret_in_clear,)
