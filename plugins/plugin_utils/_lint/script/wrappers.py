# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Commands that run other commands: sudo, timeout, xargs, find -exec, sh -c and their kind."""

from __future__ import annotations

import dataclasses
import itertools
import re
import typing as t

from .parser import DIALECTS
from .program import Call, Word

#: Wrapper: (options that take a value, number of own operands before the command).
_WRAPPERS: dict[str, tuple[str, int]] = {
    "env": ("-u --unset -C --chdir -S --split-string", 0),
    "exec": ("-a", 0),
    "command": ("", 0),
    "builtin": ("", 0),
    "nohup": ("", 0),
    "nice": ("-n --adjustment", 0),
    "ionice": ("-c -n --class --classdata", 0),
    "setsid": ("", 0),
    "stdbuf": ("-i -o -e --input --output --error", 0),
    "timeout": ("-k --kill-after -s --signal", 1),
    "xargs": ("-n -I -L -P -d -a -s -E --max-args --max-procs --max-lines --delimiter --arg-file --replace", 0),
    "sudo": ("-u --user -g --group -h --host -p --prompt -C -r -t -D", 0),
    "doas": ("-u -C", 0),
    "runuser": ("-u --user -g --group -G --supp-group -s --shell", 0),
    "chroot": ("--groups --userspec", 1),
    "nsenter": ("-t --target -S -G --setuid --setgid", 0),
    "unshare": ("-S -G --setuid --setgid --propagation", 0),
    "taskset": ("", 1),
    "chrt": ("", 1),
    "numactl": ("-C -m -N -i -p --physcpubind --membind --cpunodebind --interleave --preferred", 0),
    "strace": ("-o -e -p -s", 0),
    "systemd-run": ("-p --property -u --unit --uid --gid --slice -E --setenv --description --on-active", 0),
    "systemd-cat": ("-t -p --identifier --priority", 0),
    "time": ("-f -o", 0),
    "caffeinate": ("", 0),
    "unbuffer": ("", 0),
    "setpriv": ("--reuid --regid --groups --inh-caps --bounding-set", 0),
    "capsh": ("", 0),
    "flock": ("-w --timeout -E --conflict-exit-code", 1),
    "ts": ("", 0),
    "chronic": ("", 0),
    "retry": ("", 0),
}

#: The option that names the user, with its value if that is in the same word. Short ones may stand in a cluster: sudo -iu name.
_USER_OPTION: dict[str, re.Pattern[str]] = {
    **dict.fromkeys(("sudo", "runuser", "doas"), re.compile(r"(?:-[A-Za-z]*u|--user)(?:=(?P<value>.*))?", re.DOTALL)),
    "setpriv": re.compile(r"--reuid(?:=(?P<value>.*))?", re.DOTALL),
    "systemd-run": re.compile(r"--uid(?:=(?P<value>.*))?", re.DOTALL),
    "chroot": re.compile(r"--userspec(?:=(?P<value>.*))?", re.DOTALL),
}

#: Programs that read shell themselves.
SHELLS = frozenset(DIALECTS) | {"rbash", "busybox"}

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_DURATION = re.compile(r"([0-9]*\.?[0-9]+)([smhd]?)$")
_UNIT = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> float | None:
    """A duration as timeout(1) and sleep(1) write it."""
    match = _DURATION.match(text)
    return float(match[1]) * _UNIT[match[2]] if match else None


@dataclasses.dataclass(frozen=True)
class Inner:
    """The program that a command runs: words, or the text of a shell program."""

    words: tuple[Word, ...] = ()
    text: str = ""
    is_posix: bool = False
    #: The user, if the wrapper changes it.
    user: str | None = None
    #: Seconds after which the wrapper ends it; 0 when there is a limit that is not known.
    bound: float | None = None
    #: The variables that the wrapper sets for it.
    environment: t.Mapping[str, Word] = dataclasses.field(default_factory=dict)
    #: It has no others: su -, sudo -i, env -i.
    clears: bool = False
    #: The variables in its text that are expanded before.
    expanded: frozenset[str] = frozenset()
    #: The variables that it keeps all the same.
    kept: frozenset[str] = frozenset()


def inner(call: Call, resolve: t.Callable[[Word], Word]) -> list[Inner]:
    """The program that a call runs in turn; nothing for ordinary commands and for those that run it elsewhere (ssh)."""
    if call.name in ("command", "exec") and call.has_option("-v", "-V"):
        return []
    if call.name == "eval":
        return [Inner(text=" ".join(resolve(word).shown for word in call.arguments))]
    if call.name == "trap":
        return [
            Inner(text=word.shown)
            for word in call.arguments[:1]
            if len(call.arguments) > 1 and not word.shown.startswith("-")
        ]
    if call.name == "find":
        return _executed_by_find(call)
    if call.name in SHELLS:
        text = _after(call, r"-[A-Za-z]*c[A-Za-z]*")
        is_posix = call.name in ("sh", "dash")
        return (
            [Inner(text=resolve(text).shown, is_posix=is_posix, expanded=_expanded(text))] if text is not None else []
        )
    if call.name == "su" or (call.name == "runuser" and not call.has_option("-u", "--user")):
        text = _after(call, r"-l?c|--command")
        users = [word.shown for word in call.arguments if not word.shown.startswith("-") and word is not text]
        if text is None:
            return []
        user, kept = users[0] if users else "root", _kept(call, "-w", "--whitelist-environment")
        return [Inner(text=text.shown, user=user, clears=_clears(call), expanded=_expanded(text), kept=kept)]
    if call.name in _WRAPPERS:
        return _wrapped(call, resolve)
    return []


def own_words(call: Call) -> tuple[Word, ...]:
    """The command and its own words, without those of the program that it runs."""
    if call.name == "runuser" and not call.has_option("-u", "--user"):
        # As su has it: the user is an operand.
        return call.words
    if call.name in SHELLS:
        own = itertools.takewhile(lambda word: word.shown.startswith("-"), call.arguments)
        return (call.words[0], *own)
    return call.words[: _own_length(call)[0]] if call.name in _WRAPPERS else call.words


def _after(call: Call, option: str) -> Word | None:
    """The word that follows an option."""
    for word, following in zip(call.arguments, call.arguments[1:], strict=False):
        if re.fullmatch(option, word.shown):
            return following
    return None


def _executed_by_find(call: Call) -> list[Inner]:
    found = []
    for position, word in enumerate(call.words):
        if word.literal in ("-exec", "-execdir", "-ok", "-okdir"):
            rest = call.words[position + 1 :]
            end = next((i for i, later in enumerate(rest) if later.literal in (";", "+")), len(rest))
            found.append(Inner(rest[:end]))
    return found


def _wrapped(call: Call, resolve: t.Callable[[Word], Word]) -> list[Inner]:
    """The command behind the options and operands of a wrapper."""
    words = call.words
    position, user = _own_length(call)
    bound = None
    if call.name == "timeout":
        bound = (seconds(resolve(words[position]).shown) if position < len(words) else None) or 0.0
    rest = words[position + _WRAPPERS[call.name][1] :]
    if call.name == "flock" and rest and rest[0].literal in ("-c", "--command"):
        return [Inner(text=word.shown, is_posix=True) for word in rest[1:2]]
    given = dict(map(_given, (word for word in words[1:position] if _ASSIGNMENT.match(word.shown))))
    own = dataclasses.replace(call, words=words[:position])
    kept = _kept(own, "--preserve-env")
    return [Inner(rest, user=user, bound=bound, environment=given, clears=_clears(own), kept=kept)] if rest else []


#: The options with which a program starts with an empty environment. Source: su(1), runuser(1), sudo(8), env(1).
_CLEARING = {
    **dict.fromkeys(("su", "runuser"), "- -l --login"),
    "sudo": "-i --login",
    "env": "- -i --ignore-environment",
}


def _clears(own: Call) -> bool:
    return own.has_option(*_CLEARING.get(own.name, "").split())


def _kept(own: Call, *options: str) -> frozenset[str]:
    """The variables that an option keeps."""
    return frozenset(name for word in own.values_of(*options) for name in word.shown.split(","))


def _expanded(text: Word) -> frozenset[str]:
    return frozenset(piece.text for piece in text.variables)


def _given(word: Word) -> tuple[str, Word]:
    """The name and the value of NAME=value."""
    first, *rest = word.pieces
    name, _equals, text = first.text.partition("=")
    value = (dataclasses.replace(first, text=text), *rest) if text else tuple(rest)
    return name, Word(value, word.line, word.column)


def _own_length(call: Call) -> tuple[int, str | None]:
    """The number of words before the operands of a wrapper, and the user that they name."""
    with_value = set(_WRAPPERS[call.name][0].split())
    words = call.words
    user = "root" if call.name == "sudo" else None
    position = 1
    while position < len(words):
        text = words[position].shown
        if text == "--":
            position += 1
            break
        if text.startswith("-") and text != "-":
            named = _USER_OPTION[call.name].fullmatch(text) if call.name in _USER_OPTION else None
            if named is not None and named["value"] is not None:
                user = named["value"]
            elif named is not None and position + 1 < len(words):
                user = words[position + 1].shown
                position += 1
            elif text in with_value:
                position += 1
            position += 1
        elif call.name in ("sudo", "env", "doas", "systemd-run") and _ASSIGNMENT.match(text):
            position += 1
        else:
            break
    return position, user
