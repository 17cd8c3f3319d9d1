# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Lines and names of one user or job: is only his one picked?"""

from __future__ import annotations

import itertools
import re
import typing as t

from ...core.model import Hit, hit_at
from ..facts import Is
from ..knowledge import is_a
from ..program import Call, Comparison, Piece, Word
from ..subject import Subject
from .vocabulary import fed_by, feeds

#: Names by which a script calls a job or what it belongs to: those whose value is a number, and the others.
_NUMBER = re.compile(r"(?i)(\w*job_?id|jid|SLURM_(JOB_)?[UG]ID|(job_?)?[ug]id|(\w*_)?owner_?id)")
_NAME = re.compile(
    r"SLURM_(JOB_)?(USER|ACCOUNT|GROUP|PARTITION)|SLURMD_NODENAME|LOGNAME|HOSTNAME"
    r"|(?i:(job_?|slurm_?)?(user|username|user_name|owner|account|partition|nodename|node_name)|hostname|node|host)"
)


def unanchored_match(subject: Subject) -> t.Iterator[Hit]:
    """unanchored-match: lines or names are picked by a name or number that is also part of others."""
    if subject.where.is_init:
        return
    for call in subject.program.calls:
        for pattern, syntax, delimiter in _patterns(subject, call):
            loose = _loose(subject, pattern, call, syntax, delimiter)
            if loose is not None:
                yield hit_at("unanchored-match", call, said(call.name, loose))
                break
    for test in subject.program.comparisons:
        loose = _loose_in_test(subject, test)
        if loose is not None:
            yield hit_at(
                "unanchored-match", test, said("the pattern" if test.operator == "case" else "the test", loose)
            )


def said(what: str, loose: str) -> str:
    """The message."""
    return f"{what} meets everything with {loose} in it, also as a part of a longer name or number"


# ----------------------------------------------------------------------------------------------- where patterns stand

_Pattern = tuple[Word, "Syntax", str]

_AWKS = ("awk", "gawk", "mawk")
_IN_PLACE = {"sed": ("-i", "--in-place"), "perl": ("-i",)}


def _patterns(subject: Subject, call: Call) -> t.Iterator[_Pattern]:
    """The patterns by which a command picks lines, names or processes; and the character that ends each one."""
    if call.name in ("sed", "perl"):
        if call.has_option(*_IN_PLACE[call.name]) or _is_used(subject, call):
            yield from _of_sed(subject, call)
    elif is_a(call.name, Is.PICKS_LINES):
        exact = call.has_option("-w", "-x", "--word-regexp", "--line-regexp")
        if not exact and _is_used(subject, call):
            syntax: Syntax = "text" if call.name == "fgrep" or call.has_option("-F", "--fixed-strings") else "regex"
            yield from ((subject.values.known(word, call), syntax, "") for word in _scripts(call))
    elif call.name in _AWKS and (call.has_option("-i") or _is_used(subject, call)):
        yield from _of_awk(subject, call)
    elif call.name in ("pgrep", "pkill") and call.has_option("-f", "--full") and not call.has_option("-x", "--exact"):
        for word in _operands_of_pgrep(call)[-1:]:
            text = subject.values.known(word, call)
            # pkill by a user's name is a matter of kill-user-processes.
            if call.name == "pgrep" or any(_names(subject, piece, call) for piece in text.pieces):
                yield text, "regex", ""
    elif call.name == "find" and not _deletes(subject, call):
        for test, word in itertools.pairwise(call.arguments):
            if test.shown in _FIND_TESTS:
                yield subject.values.known(word, call), _FIND_TESTS[test.shown], ""


#: Options of pgrep and pkill with a value of their own. Source: pgrep(1).
_VALUED = re.compile(
    r"-[A-Za-z]*[dgGPstuUFr]|--(delimiter|pgroup|group|parent|session|terminal|euid|uid|pidfile|ns|nslist|runstates|older|signal)"
)


def _operands_of_pgrep(call: Call) -> list[Word]:
    before = ["", *call.texts]
    return [
        word
        for previous, word in zip(before, call.arguments, strict=False)
        if not word.shown.startswith("-") and not _VALUED.fullmatch(previous)
    ]


_FIND_TESTS: dict[str, Syntax] = {
    **dict.fromkeys(("-name", "-iname", "-path", "-ipath", "-wholename"), "glob"),
    "-regex": "regex",
}


def _deletes(subject: Subject, find: Call) -> bool:
    """Whether a find deletes what it finds: unsafe-delete looks at its pattern."""
    return bool({"-delete", "rm", "/bin/rm", "/usr/bin/rm"} & set(find.texts)) or any(
        other.name == "rm" for other in feeds(subject.program, find)
    )


def _of_sed(subject: Subject, call: Call) -> t.Iterator[_Pattern]:
    for script in _scripts(call):
        text = subject.values.known(script, call)
        if re.search(r"[/|,#!@]I?\s*!?[dp]\s*(;|\}|$)|[/|,#!@]g?p?$|!~|unless", text.shown):
            found = re.search(r"(?:^|[\s;{,!0-9$])(?:s(\W)|\\(\W)|m(\W))", text.shown)
            yield text, "regex", next((part for part in found.groups() if part), "/") if found else "/"


def _of_awk(subject: Subject, call: Call) -> t.Iterator[_Pattern]:
    values = [word for option, word in itertools.pairwise(call.arguments) if option.shown in ("-v", "-F", "-f", "-i")]
    program = next((w for w in call.arguments if not w.shown.startswith("-") and w not in values), None)
    if program is None:
        return
    text = subject.values.known(program, call)
    yield text, "regex", "/"
    for found in re.finditer(r"~\s*ENVIRON\[\"(\w+)\"\]", text.shown):
        yield Word((Piece("variable", found[1]),), program.line, program.column), "regex", ""
    given = {
        match[1]: word
        for word in values
        if (match := re.match(r"(\w+)=", word.shown)) and word.pieces[0].kind == "text"
    }
    # -v user="$SLURM_JOB_USER" '$1 ~ user', index($0, user)
    for name, word in given.items():
        value = subject.values.known(word.without(len(name) + 1), call)
        for found in re.finditer(
            rf"(?:~|\b(?:index|match)\([^,]*,)\s*((?:\"[^\"]*\"\s*)?\b{name}\b\s*(?:\"[^\"]*\")?)", text.shown
        ):
            before, after = (part.strip().strip('"') for part in re.split(rf"\b{name}\b", found[1], maxsplit=1))
            pieces = Piece("text", before), *value.pieces, Piece("text", after)
            yield Word(pieces, word.line, word.column), "regex", ""


def _scripts(call: Call) -> list[Word]:
    """The patterns of grep, the programs of sed: after each -e, or else the first operand."""
    given = [
        after
        for word, after in itertools.pairwise(call.arguments)
        if re.fullmatch(r"-[A-Za-z]*e|--(expression|regexp)", word.shown)
    ]
    given += [word for word in call.arguments if re.match(r"--(expression|regexp)=", word.shown)]
    return given or [word for word in call.arguments if not word.shown.startswith("-")][:1]


# ------------------------------------------------------------------------------------------- what becomes of the lines

#: They hand on what they read, or show it.
_PASSES = Is.FILTER | Is.SINK | Is.MUTE | Is.TELLS


def _is_used(subject: Subject, call: Call) -> bool:
    """Whether something depends on the lines: they are kept, counted, asked for or handed to a command that acts; not only shown."""
    followers = feeds(subject.program, call)
    if any(other.name == "kill" or is_a(other.name, Is.KILLS) for other in followers):
        # kill-unscoped and kill-user-processes say it.
        return False
    if not all(is_a(other.name, _PASSES) for other in followers):
        return True
    last = followers[-1] if followers else call
    context = last.context
    if is_a(last.name, Is.SINK | Is.TELLS) and last.name not in ("tee", "cat"):
        return False
    if context.stdout == "file" or last.name == "tee":
        return not any(re.search(r"(?i)log|/dev/(stderr|tty)|^2$", word.shown) for word in _targets(last))
    in_test = context.tested and (context.pipeline is None or context.pipeline[1] == context.pipeline[2] - 1)
    return in_test or context.substituted or context.stdout == "capture"


def _targets(call: Call) -> list[Word]:
    redirects = [redirect.target for redirect in call.context.redirects if ">" in redirect.operator]
    return [*redirects, *(call.arguments if call.name == "tee" else ())]


# ------------------------------------------------------------------------------------------------- where a name ends

#: How a pattern is read: the two that find a part of a text, and the one that is for all of it.
Syntax = t.Literal["regex", "text", "glob"]


def _loose(subject: Subject, pattern: Word, call: Call, syntax: Syntax, delimiter: str) -> str | None:
    """The part of a pattern that names a user, a job or a node and may be part of a longer word."""
    for position, piece in enumerate(pattern.pieces):
        number = _names(subject, piece, call)
        if number is None or _is_narrowed(subject, piece, call):
            continue
        before = _text(pattern.pieces[:position])
        after = _text(pattern.pieces[position + 1 :])
        end = delimiter
        if call.name in _AWKS and delimiter:
            quoted = _awk_string(before)
            if quoted is not None:
                before, end = quoted, '"'
            elif not _is_in_a_pattern(call, before, delimiter):
                continue
        elif delimiter and not _is_in_a_pattern(call, before, delimiter):
            # What is put in, not what is looked for.
            continue
        if end not in ("", "/"):
            # \|...|d: the first one is the delimiter, not a character.
            before = before.replace("\\" + end, end, 1)
        # perl quotes a name by \Q and \E.
        before, after = before.removesuffix("\\Q"), after.removeprefix("\\E")
        if end:
            before, after = _within(before, after, end)
        if is_open(before, after, number, syntax):
            return _shown(piece)
    return None


def _within(before: str, after: str, delimiter: str) -> tuple[str, str]:
    """What stands in a pattern in front of and behind a name."""
    mark = re.escape(delimiter)
    escaped = rf"(?:\\.|[^\\{mark}])*"
    inside = re.search(rf"{escaped}$", before)
    behind = re.match(escaped, after)
    return (inside[0] if inside else ""), (behind[0] if behind else "")


def _shown(piece: Piece) -> str:
    return f"${piece.text}" if piece.kind == "variable" else "the output of a command"


def _loose_in_test(subject: Subject, test: Comparison) -> str | None:
    """The same for [[ $line == *$name* ]], [[ $line =~ $name ]] and case."""
    if len(test.words) != 2 or test.operator not in ("==", "=", "!=", "=~", "case"):
        return None
    text, pattern = test.words
    syntax: Syntax = "regex" if test.operator == "=~" else "glob"
    known = subject.values.known(pattern, test)
    # A star in quotes is a character.
    pieces = [
        Piece("text", re.sub(r"[*?[\]]", "_", p.text)) if p.kind == "text" and p.quoted else p for p in known.pieces
    ]
    for position, piece in enumerate(pieces):
        number = _names(subject, piece, test)
        if number is None or any(piece.text == other.text for other in subject.values.known(text, test).variables):
            continue
        before, after = _text(pieces[:position]), _text(pieces[position + 1 :])
        if is_open(before, after, number, syntax):
            return _shown(piece)
    return None


def _names(subject: Subject, piece: Piece, at: Call | Comparison) -> bool | None:
    """Whether a part of a pattern is the number of a job or a user, or the name of a user or a node; None if it is neither."""
    if piece.kind == "command":
        return _prints_name(piece.commands[0]) if piece.commands else None
    if piece.kind != "variable" or piece.operator in ("#", "!", ":+", "+"):
        return None
    forms = subject.values.forms(Word((piece,), 0, 0), at)
    for form in (Word((piece,), 0, 0), *forms):
        if len(form.pieces) != 1:
            continue
        inner = form.pieces[0]
        if inner.kind == "command":
            return _prints_name(inner.commands[0]) if inner.commands else None
        kind = is_number(inner.text)
        if kind is not None:
            return kind
    return None


def is_number(name: str) -> bool | None:
    """Whether a variable of this name holds the number of a job or a user, or the name of a user or a node; None if neither."""
    if _NUMBER.fullmatch(name):
        return True
    return False if _NAME.fullmatch(name) else None


def _prints_name(call: Call) -> bool | None:
    if call.name == "id":
        return not call.has_option("-n", "--name") if call.has_option("-u", "-g", "--user", "--group") else None
    return False if call.name in ("hostname", "whoami", "logname") else None


def _is_narrowed(subject: Subject, piece: Piece, call: Call) -> bool:
    """Whether what is looked at belongs to the same user or job already: ps -u "$user" | grep "$user"."""
    if piece.kind != "variable":
        return False
    words = [
        word
        for source in fed_by(subject.program, call)
        if not is_a(source.name, Is.PRINTS)
        for word in source.arguments
    ]
    words += [redirect.target for redirect in call.context.redirects if redirect.operator == "<"]
    if is_a(call.name, Is.PICKS_LINES):
        patterns = _scripts(call)
        words += [word for word in call.arguments if word not in patterns]
    return any(piece.text == other.text for word in words for other in subject.values.known(word, call).variables)


#: What stands in front of a command of sed's: blanks, numbers of lines, the end of the command before.
_BEFORE_COMMAND = " \t\n;{}0123456789,$!~+"


def _is_in_a_pattern(call: Call, before: str, delimiter: str) -> bool:
    """Whether a program of sed's, perl's or awk's is within a pattern where a text of it ends."""
    if call.name not in ("sed", "perl"):
        return delimiter not in before or re.sub(r"\\.", "", before).count(delimiter) % 2 == 1
    position = 0
    while rest := before[position:].lstrip(_BEFORE_COMMAND):
        position = len(before) - len(rest)
        command = rest[:2]
        mark = (
            command[1:]
            if command[0] in "\\smy" and re.fullmatch(r"\W", command[1:]) and not command[1:].isspace()
            else ""
        )
        if not mark and command[0] != "/":
            if call.name == "sed" and command[0] in "aicrw":
                return False
            position += 1
            continue
        end = _closed(before, position + len(mark) + 1, mark or "/")
        if end is None:
            return True
        if mark and command[0] in "sy":
            end = _closed(before, end + 1, mark)
            if end is None:
                return False
        position = end + 1
    return False


def _closed(text: str, start: int, delimiter: str) -> int | None:
    """The place where a pattern ends."""
    found = re.compile(rf"(?:\\.|[^\\{re.escape(delimiter)}])*").match(text, start)
    return found.end() if found is not None and found.end() < len(text) else None


def _awk_string(before: str) -> str | None:
    """The text of awk's in which a place stands, if it is a pattern: $1 ~ "text", index($0, "text")."""
    strings = re.sub(r"\\.", "__", before).split('"')
    if len(strings) % 2:
        return None
    return strings[-1] if re.search(r"(~|\b(index|match)\([^,]*,)\s*$", strings[-2]) else None


def _text(pieces: t.Sequence[Piece]) -> str:
    """Fixed text; a variable counts as a digit, for it may begin or end with one."""
    return "".join(piece.text if piece.kind in ("text", "glob") else "0" for piece in pieces)


#: Where a regular expression has an edge in front of a name, and behind it.
_EDGE_BEFORE = re.compile(
    r"(\\[<bsWD]|\^|\[\^[^\]]*\]|\[[^\]A-Za-z0-9]+\]|\[\[:(space|blank|punct):\]\]\+?|\\?\([^()]*\^[^()]*\)|\\?\([^()\w]+\))$"
)
_EDGE_AFTER = re.compile(
    r"(\\[>bsWD]|\\?\$|\[\^|\[[^\]A-Za-z0-9]+\]|\[\[:(space|blank|punct):\]\]|\\?\((\?[:=!])?[^()]*\$|\\?\((\?[:=!])?[^()\w]+\))"
)

#: What may be there or not: blanks before a name or behind it.
_BLANKS_BEFORE = re.compile(r"(\\s| |\[\[:(space|blank):\]\])\*$")
_BLANKS_AFTER = re.compile(r"(\\s| |\[\[:(space|blank):\]\])\*")


def is_open(before: str, after: str, number: bool, syntax: Syntax) -> bool:
    """Whether a name or number in a pattern may be part of a longer one. O(before) and O(after) stand around it."""
    return not (_ends(before, number, syntax, _EDGE_BEFORE, -1) and _ends(after, number, syntax, _EDGE_AFTER, 0))


def _ends(text: str, number: bool, syntax: Syntax, edge: re.Pattern[str], place: int) -> bool:
    """Whether a name surely begins behind a text, or ends in front of one."""
    if syntax == "regex":
        blanks = _BLANKS_BEFORE if place else _BLANKS_AFTER
        text = blanks.sub("", text) if place else re.sub(rf"\A{blanks.pattern}", "", text)
        if edge.search(text) if place else edge.match(text):
            return True
    if not text:
        return syntax == "glob"
    if (syntax == "regex" and _is_wild(text, place)) or (syntax == "glob" and text[place] in "*?[]"):
        return False
    return not (text[place].isdigit() if number else text[place].isalnum())


def _is_wild(text: str, place: int) -> bool:
    """Whether the nearest part of a pattern stands for any text."""
    if place:
        return re.search(r"(?<!\\)[.*?+\]})]$|\\[dwS]$", text) is not None
    return re.match(r"[.*?\[({+]|\\[dwS]", text) is not None


def loose_in(pattern: str, syntax: Syntax) -> str:
    """The variable in a pattern of another language, V(${NAME}), that may be part of a longer name or number."""
    for found in re.finditer(r"\$\{(\w+)\}", pattern):
        number = is_number(found[1])
        before, after = (
            re.sub(r"\$(x|\{\w+\})", "0", part) for part in (pattern[: found.start()], pattern[found.end() :])
        )
        if number is not None and is_open(before, after, number, syntax):
            return f"${found[1]}"
    return ""


CHECKS = (unanchored_match,)
