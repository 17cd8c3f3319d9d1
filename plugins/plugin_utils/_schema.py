# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The form of a hook's value, and the messages about a wrong one. Pure: no Ansible, no files."""

from __future__ import annotations

import dataclasses
import difflib
import re
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _hostlist
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS, Hook

SOURCES = ("content", "src", "template")
OPTIONS = ("name", *SOURCES, "partitions", "nodes", "timeout", "on_failure", "no_log", "run", "retries", "delay")
ON_FAILURE = ("drain", "ignore")
RUN = ("boot", "change", "once")
#: Options of init scripts alone, and why no other script has them.
INIT_ONLY = {
    "run": "scripts of this hook run each time that Slurm starts it",
    "retries": "a job would wait for it",
    "delay": "a job would wait for it",
}
MOST_RETRIES = 100
LONGEST_DELAY = 3600

#: A day. Slurm's own limit counts to 18 hours at most, and milliseconds written by mistake are found. Far larger numbers bash cannot hold.
LONGEST_TIMEOUT = 86400

#: The name of the script that a bare string stands for.
ONLY_SCRIPT = "script"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_NUMBER = re.compile(r"\s*-?[0-9]+\s*")


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that stops a run: where, what, and the remedy."""

    where: str
    message: str
    remedy: str = ""
    #: file:line:column of the user's text, where Ansible knows it.
    origin: str = ""


@dataclasses.dataclass(frozen=True)
class ScriptSpec:
    """A script as the user wrote it, before its source is read or rendered."""

    where: str
    name: str
    source: str
    value: str
    partitions: tuple[str, ...]
    nodes: tuple[str, ...] | None
    timeout: int
    on_failure: str
    no_log: bool
    run: str = "boot"
    retries: int = 0
    delay: int = 10
    origin: str = ""
    #: Its place among the scripts of its hook, as the user wrote them.
    index: int = 0


def nearest(word: str, known: t.Iterable[str], cutoff: float = 0.6) -> str:
    """A hint at the known word that was probably meant, or nothing. cutoff is difflib's ratio."""
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return f" (did you mean {match[0]!r}?)" if match else ""


def _kind(value: object) -> str:
    names = {
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        dict: "a dictionary",
        list: "a list",
    }
    return (
        "nothing"
        if value is None
        else next((text for kind, text in names.items() if isinstance(value, kind)), "something else")
    )


def _whole_number(value: object) -> int | None:
    """A whole number, or the text of one; None for anything else."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    return None if isinstance(value, bool) or not isinstance(value, int) else int(value)


class HookParser:
    """Parses one hook's value. Collects the problems, so that a user sees all of them at once."""

    def __init__(self, hook: str, where: str, origin_of: t.Callable[[object], str] = lambda value: "") -> None:
        self._hook: Hook = HOOKS[hook]
        self._where = where
        self._origin_of = origin_of
        self.problems: list[Problem] = []

    def parse(self, value: object, skip: t.Container[int] = ()) -> list[ScriptSpec]:
        """The scripts of a string, a list or nothing. The caller may leave out some of a list that no message may quote."""
        if value is None or value == "" or (isinstance(value, str) and not value.strip()):
            return []
        if isinstance(value, str):
            value = [{"name": ONLY_SCRIPT, "content": value}]
        if isinstance(value, dict):
            self._problem(self._where, "is a dictionary", "write a list: put `- ` before `name:`", value)
            return []
        if not isinstance(value, list):
            self._problem(self._where, f"is {_kind(value)}", "write one script as text, or a list of scripts", value)
            return []
        specs = [spec for index, item in enumerate(value) if index not in skip and (spec := self._script(index, item))]
        self._require_distinct_names(specs)
        return specs

    def _problem(self, where: str, message: str, remedy: str, value: object) -> None:
        self.problems.append(Problem(where, message, remedy, self._origin_of(value)))

    def _script(self, index: int, item: object) -> ScriptSpec | None:
        where = f"{self._where}[{index}]"
        if not isinstance(item, dict):
            self._problem(
                where,
                f"is {_kind(item)}",
                "each script of a list is a dictionary with `name` and `content`, `src` or `template`",
                item,
            )
            return None
        count = len(self.problems)
        name = self._name(where, item)
        if name:
            where = f"{where} ({name})"
        for option in item:
            if option not in OPTIONS:
                self._problem(
                    where,
                    f"has the unknown option {option!r}{nearest(str(option), OPTIONS)}",
                    f"the options are {', '.join(OPTIONS)}",
                    item,
                )
        source, value = self._source(where, item)
        spec = ScriptSpec(
            where=where,
            name=name,
            source=source,
            value=value,
            partitions=self._partitions(where, item),
            nodes=self._nodes(where, item),
            timeout=self._timeout(where, item),
            on_failure=self._on_failure(where, item),
            no_log=self._boolean(where, item, "no_log"),
            **self._init_options(where, item),
            origin=self._origin_of(item),
            index=index,
        )
        return spec if len(self.problems) == count else None

    def _name(self, where: str, item: dict[str, t.Any]) -> str:
        name = item.get("name")
        if name is None:
            self._problem(
                where, "has no `name`", "give it one; it becomes part of the file's name and of the log", item
            )
            return ""
        if not isinstance(name, str):
            self._problem(
                where,
                f"has a `name` that is {_kind(name)}",
                "write text, in quotes where it looks like something else",
                item,
            )
            return ""
        if not _NAME.fullmatch(name):
            self._problem(
                where,
                f"has the name {name!r}, which is not a file name",
                "use up to 100 letters, digits, dots, dashes and underscores, not beginning with a dot or dash",
                item,
            )
            return ""
        return str(name)

    def _source(self, where: str, item: dict[str, t.Any]) -> tuple[str, str]:
        given = [source for source in SOURCES if item.get(source) is not None]
        if len(given) != 1:
            said = f"has {' and '.join(f'`{source}`' for source in given)}" if given else "has no content"
            self._problem(where, said, "give exactly one of `content`, `src` and `template`", item)
            return "", ""
        value = item[given[0]]
        if not isinstance(value, str):
            self._problem(where, f"has a `{given[0]}` that is {_kind(value)}", "write text", item)
            return "", ""
        return given[0], value

    def _partitions(self, where: str, item: dict[str, t.Any]) -> tuple[str, ...]:
        value = item.get("partitions")
        if value is None:
            return ()
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",")]
        if not value or value == [""]:
            self._problem(where, "has empty `partitions`", "name some, or leave it out for all", item)
            return ()
        if not isinstance(value, list) or not all(isinstance(part, str) and part for part in value):
            self._problem(where, f"has `partitions` {item['partitions']!r}", "write a list of partition names", item)
            return ()
        if self._hook.is_init:
            self._problem(
                where,
                "has `partitions`, and init scripts belong to no job",
                "use `nodes`, or define it in the group's variables",
                item,
            )
        return tuple(str(part) for part in value)

    def _nodes(self, where: str, item: dict[str, t.Any]) -> tuple[str, ...] | None:
        value = item.get("nodes")
        if value is None:
            return None
        if isinstance(value, list):
            value = ",".join(str(part) for part in value)
        if self._hook.host != "worker":
            self._problem(
                where,
                f"has `nodes`, and {self._hook.name} does not run on the nodes",
                "use `partitions` or look at SLURM_JOB_NODELIST in the script"
                if not self._hook.is_init
                else "define it in the host's variables",
                item,
            )
            return None
        try:
            return tuple(_hostlist.expand(str(value)))
        except _hostlist.HostlistError as exc:
            self._problem(
                where,
                f"has `nodes` that are not a hostlist expression: {exc}",
                "write names like node[1-8,12],login",
                item,
            )
            return None

    def _timeout(self, where: str, item: dict[str, t.Any]) -> int:
        if "timeout" not in item:
            return 0
        value = _whole_number(item["timeout"])
        if value is None or value < 1:
            self._problem(
                where,
                f"has the timeout {item['timeout']!r}",
                "write whole seconds, 1 or more; leave it out for no bound but Slurm's own",
                item,
            )
            return 0
        if value > LONGEST_TIMEOUT:
            self._problem(
                where,
                f"has the timeout {item['timeout']!r}, which is more than a day",
                f"write whole seconds, {LONGEST_TIMEOUT} at most; leave it out for no bound but Slurm's own",
                item,
            )
            return 0
        return value

    def _on_failure(self, where: str, item: dict[str, t.Any]) -> str:
        value = item.get("on_failure", "drain")
        if value not in ON_FAILURE:
            self._problem(
                where,
                f"has on_failure {value!r}{nearest(str(value), ON_FAILURE)}",
                "write drain (as Slurm does) or ignore",
                item,
            )
        return str(value)

    def _init_options(self, where: str, item: dict[str, t.Any]) -> dict[str, t.Any]:
        given = [option for option in INIT_ONLY if option in item]
        if given and not self._hook.is_init:
            for option in given:
                self._problem(
                    where, f"has `{option}`, which is for init scripts", f"leave it out: {INIT_ONLY[option]}", item
                )
            return {}
        if "run" in item and item["run"] not in RUN:
            self._problem(
                where,
                f"has run {item['run']!r}{nearest(str(item['run']), RUN)}",
                "write boot (at each boot), change (until this text has succeeded) or once (until it has succeeded)",
                item,
            )
        if "delay" in item and "retries" not in item:
            self._problem(
                where, "has `delay` and no `retries`", "say how many more attempts there are: `retries`", item
            )
        numbers = {"retries": MOST_RETRIES, "delay": LONGEST_DELAY}
        return {
            option: self._number(where, item, option, numbers[option]) if option in numbers else str(item[option])
            for option in given
        }

    def _number(self, where: str, item: dict[str, t.Any], option: str, most: int) -> int:
        value = _whole_number(item[option])
        if value is None or not 1 <= value <= most:
            self._problem(where, f"has {option} {item[option]!r}", f"write a whole number from 1 to {most}", item)
            return 1
        return value

    def _boolean(self, where: str, item: dict[str, t.Any], option: str) -> bool:
        value = item.get(option, False)
        if not isinstance(value, bool):
            self._problem(where, f"has {option} {value!r}", "write true or false", item)
        return bool(value)

    def _require_distinct_names(self, specs: list[ScriptSpec]) -> None:
        seen: dict[str, ScriptSpec] = {}
        for spec in specs:
            if spec.name in seen:
                self.problems.append(
                    Problem(
                        spec.where,
                        f"has the name of {seen[spec.name].where}",
                        "two scripts of one hook need two names",
                        spec.origin,
                    )
                )
            seen.setdefault(spec.name, spec)


def require_shebang(where: str, content: bytes, origin: str = "") -> list[Problem]:
    """The rule for any script, whatever its language: the kernel must be able to start it."""
    if not content.strip():
        return [Problem(where, "is empty", "remove the script from the list, or give it a content", origin)]
    if not content.startswith(b"#!"):
        return [
            Problem(
                where,
                "does not begin with #!",
                "begin it with its interpreter, for example #!/bin/sh, on the very first byte",
                origin,
            )
        ]
    first = content.split(b"\n", 1)[0][2:]
    if first.endswith(b"\r"):
        return [
            Problem(
                where,
                "has the line ends of Windows, so that Linux looks for an interpreter with a carriage return",
                "save it with Unix line ends (dos2unix)",
                origin,
            )
        ]
    if not first.strip().startswith(b"/"):
        return [
            Problem(
                where,
                "names no absolute interpreter after #!",
                "write for example #!/bin/bash or #!/usr/bin/env python3",
                origin,
            )
        ]
    return []
