# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Faults of the node that a script finds and only talks about."""

from __future__ import annotations

import bisect
import dataclasses
import functools
import re
import typing as t

from ...core.model import Hit, Place, hit_at
from ..facts import Is
from ..knowledge import facts, is_a, is_known
from ..parser import Node, nodes
from ..program import Call, Piece, Point, Word
from ..status import end, first_word, holds, literal, position
from ..subject import Subject
from .vocabulary import conditions, feeds, origins

#: Deep enough for variables of variables and functions of functions.
_DEPTH = 4

#: Places where the kernel tells how the node is.
_TELLING = re.compile(
    r"/proc/(meminfo|mounts|mdstat|self/mounts|loadavg|fs/)|/sys/(fs/lustre|class/(infiniband|thermal|hwmon|net)|devices/system/edac)"
    r"|/var/log/(messages|syslog|kern\.log|mcelog)|^/dev/(nvidia|infiniband|kfd|dri|nvme|sd)"
)

#: Programs of the site's that look after a node, by their names.
_CHECKER = re.compile(r"(?i)(^|[-_./])(check|health|healthcheck|diag|nhc|verify|selftest|probe)")

#: How a script says that something is wrong, and that nothing is.
_WRONG = re.compile(
    r"(?i)error|fail|fault|unhealthy|bad\b|broken|critical|warn|alert|problem|degraded|corrupt|missing|lost\b|dead\b|stuck|hung\b|unreachable"
    r"|\bdown\b|\bfull\b|\bnot?\b|cannot|can't|doesn't|isn't|too (hot|high|low|few|many|little|small)|exceed|below|above|over\b|\bonly\b|low\b"
    r"|pending|silent|ill\b|sick|gone\b|\bxid\b|\becc\b|out of|wrong|mismatch|unexpected|stale|hot\b|wait for|overheat|suspicious"
)
_RIGHT = re.compile(r"(?i)\b(no|without|0|zero) (errors?|faults?|problems?|failures?|warnings?)\b")
_MEANT = re.compile(
    r"(?i)skip|ignor|optional|nothing to do|not needed|no need|still mounted|already|no gpus? (on|in|requested|here)|not a gpu"
    r"|continu(e|es|ing) (without|anyway|regardless)|go(es|ing)? on\b|carr(y|ies|ying) on\b|fall(s|ing)? ?back"
    r"|(could not|cannot|unable to) (determine|read|get|find out)|does not run|stopping early|processes"
)
_PRIORITY = re.compile(r"\b(err|error|crit|alert|emerg|panic|warn|warning)$")


class _Note(Place, Point, t.Protocol):
    """Something of a script that has a place in the text."""


_Noted = t.TypeVar("_Noted", bound=_Note)


class _Places(t.Generic[_Noted]):
    """What was noted of a script, by its places in the text."""

    def __init__(self, noted: t.Iterable[_Noted]) -> None:
        self.noted = sorted(noted, key=_place)
        self.places = [_place(one) for one in self.noted]

    def within(self, node: Node) -> list[_Noted]:
        """What stands in a part of the tree, in the order of the walk."""
        first, last = (bisect.bisect_left(self.places, place) for place in (position(node), end(node)))
        return sorted(self.noted[first:last], key=lambda one: one.sequence)


@dataclasses.dataclass(frozen=True)
class _Talk:
    """What statements say, and the variables that they set."""

    said: tuple[Call, ...] = ()
    names: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class _Branch:
    """What is done after one outcome of a condition."""

    condition: tuple[Node, ...]
    #: The commands of the condition failed; None for a branch of a case.
    failed: bool | None
    statements: tuple[Node, ...]
    #: What is done after its other outcomes.
    others: tuple[Node, ...]


def unheard_check(subject: Subject) -> t.Iterator[Hit]:
    """check-without-effect: a check finds the node ill, and the script only says so."""
    where = subject.where
    if where.is_init or where.group == "task" or where.name == "controller_epilog" or subject.program.is_library:
        return
    look = _Look(subject)
    answered = look.handed_on.union(*(look.matter(b) for b in look.branches if look.answers(b.statements)))
    reported: set[tuple[int, int]] = set()
    for branch in look.branches:
        if not look.is_about_health(branch) or look.answers(branch.others) or look.matter(branch) & answered:
            continue
        place = look.only_talks(branch)
        if place is not None and (place.line, place.column) not in reported:
            reported.add((place.line, place.column))
            yield hit_at("check-without-effect", place, f"a fault is found here and only told: {look.ends_in}")


class _Look:
    """A script as its conditions, and what they lead to."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.program = subject.program
        bodies = [function["Body"] for name, function in self.program.functions.items() if name in self.program.called]
        self.roots: list[Node] = [*self.program.statements, *bodies]
        self.branches = [branch for root in self.roots for node in _statements(root) for branch in _branches(node)]
        self.calls = _Places(call for call in self.program.calls if not call.context.in_text)
        self.uses = _Places(self.program.uses)
        self.comparisons = _Places(self.program.comparisons)
        self.assignments = _Places(one for found in self.program.assignments.values() for one in found)
        # Answers about a function, which each call of it asks again, and about a variable.
        self._function_tells: dict[tuple[str, int], bool] = {}
        self._function_talks: dict[tuple[str, int], _Talk | None] = {}
        self._variable_tells: dict[tuple[str, int, str | None, int], bool] = {}
        self.ends_in = (
            "nothing drains the node" if subject.where.is_health else "the hook ends as if the node were in order"
        )

    # -- is it about the node's health?

    def is_about_health(self, branch: _Branch) -> bool:
        """Whether a condition asks how the node is, and this branch may be the one of a fault."""
        asked = [call for node in branch.condition for call in self._calls(node)]
        if not all(
            self._tells_health(call, _DEPTH) or is_a(call.name, Is.ANSWERS) or self._is_harmless(call) for call in asked
        ):
            # is-active && restart || echo: it may be the restart that has failed.
            return False
        direct = [call for call in asked if self._tells_health(call, _DEPTH) and not call.context.substituted]
        if direct and branch.failed is False and not _is_search(asked):
            # nvidia-smi && echo: it is well.
            return False
        is_left = any(first_word(node) in ("exit", "return") for node in branch.statements)
        if (
            is_left
            and self.subject.where.name.endswith("_epilog")
            and {"mountpoint", "findmnt"} & {c.name for c in direct}
        ):
            # Nothing to unmount.
            return False
        return bool(direct) or any(self._is_health(node) for node in branch.condition)

    def _is_health(self, node: Node) -> bool:
        if any(self._tells_health(call, _DEPTH) for call in self._calls(node)):
            return True
        if any(_TELLING.search(word.shown) for test in self.comparisons.within(node) for word in test.words):
            return True
        return any(self._comes_from_health(use.name, use, _DEPTH) for use in self.uses.within(node))

    def _tells_health(self, call: Call, depth: int) -> bool:
        """Whether a command tells how the node is."""
        if facts(call.name).health is not None:
            return _asks(call)
        if call.name in self.program.functions:
            return depth > 0 and self._function_tells_health(call.name, depth - 1)
        if not is_known(call.name):
            return _CHECKER.search(call.path.rsplit("/", 1)[-1] or call.name) is not None
        words = [*call.arguments, *(r.target for r in call.context.redirects if r.operator == "<")]
        return is_a(call.name, Is.FILTER | Is.PICKS_LINES | Is.SINK) and any(_TELLING.search(w.shown) for w in words)

    def _function_tells_health(self, name: str, depth: int) -> bool:
        key = name, depth
        if key not in self._function_tells:
            inner = self.program.calls_in(name)
            told = [self._tells_health(call, depth) for call in inner]
            # What does other things as well fails for other reasons, too.
            self._function_tells[key] = any(told) and all(
                is_told or call.name in ("exit", "return") or self._is_harmless(call)
                for call, is_told in zip(inner, told, strict=True)
            )
        return self._function_tells[key]

    def _comes_from_health(self, name: str, at: Point, depth: int) -> bool:
        """Whether a variable holds what a check said, or was set because of it."""
        key = name, at.sequence, at.context.function, depth
        if key not in self._variable_tells:
            self._variable_tells[key] = depth > 0 and self._holds_health(name, at, depth)
        return self._variable_tells[key]

    def _holds_health(self, name: str, at: Point, depth: int) -> bool:
        found = origins(self.subject, Word((Piece("variable", name),), 0, 0), at)
        if any(self._tells_health(call, depth - 1) for piece in found for call in piece.commands):
            return True
        assigned = self.subject.values.assignments(name, at)
        if any(
            isinstance(before, Call) and self._tells_health(before, depth - 1)
            for assignment in assigned
            for before in conditions(self.program, assignment)
        ):
            return True
        places = {(assignment.line, assignment.column) for assignment in assigned}
        saved = [s.step.before for s in self.subject.statuses.saved if s.name == name and (s.line, s.column) in places]
        if any(self._tells_health(call, depth - 1) for node in saved if node is not None for call in self._calls(node)):
            return True
        guards = [b for b in self.branches if any(holds(s, a) for s in b.statements for a in assigned)]
        return any(
            self._comes_from_health(use.name, use, depth - 1)
            for branch in guards
            for node in branch.condition
            for use in self.uses.within(node)
            if use.name != name
        )

    def matter(self, branch: _Branch) -> frozenset[str]:
        """What a condition is about: its checks, and the variables with what one has found."""
        calls = [call for node in branch.condition for call in self._calls(node) if self._tells_health(call, _DEPTH)]
        uses = [use for node in branch.condition for use in self.uses.within(node)]
        names = {use.name for use in uses if self._comes_from_health(use.name, use, _DEPTH)}
        return frozenset((*(" ".join((call.name, *call.texts)) for call in calls), *names))

    @property
    def handed_on(self) -> frozenset[str]:
        """The variables that an exit or a return hands on."""
        ends = self.program.named("exit", "return")
        return frozenset(piece.text for call in ends for word in call.arguments for piece in word.variables)

    # -- what is done about it?

    def answers(self, statements: t.Iterable[Node]) -> bool:
        """Whether statements end the script with another code than 0, or drain the node."""
        return any(_is_answer(words) or words[0] in self._answering for root in statements for words in _commands(root))

    @functools.cached_property
    def _answering(self) -> frozenset[str]:
        """The functions that answer a fault, or call one that does; none of those that call themselves."""
        callers: dict[str, list[str]] = {}
        rest: list[str] = []
        for name, function in self.program.functions.items():
            commands = list(_commands(function["Body"]))
            called = {words[0] for words in commands}
            if name not in called:
                rest += [name] if any(map(_is_answer, commands)) else []
                for other in called & self.program.functions.keys():
                    callers.setdefault(other, []).append(name)
        found: set[str] = set()
        while rest:
            name = rest.pop()
            if name not in found:
                found.add(name)
                rest += callers.get(name, ())
        return frozenset(found)

    def only_talks(self, branch: _Branch) -> Call | None:
        """Where a branch says that something is wrong, if it does no more than that."""
        if any(self._is_tried_again(node) for node in branch.condition):
            return None
        talk = self._talk(branch.statements, _DEPTH)
        if talk is None or not talk.said or not self._says_wrong(talk.said) or not talk.names.isdisjoint(self._asked):
            return None
        return talk.said[0]

    @functools.cached_property
    def _asked(self) -> set[str]:
        """The variables that something else reads than a message, or than their own next value: errors=$((errors + 1))."""
        return {
            use.name
            for use in self.program.uses
            if not self._is_told(use)
            and not any(a.line == use.line for a in self.program.assignments.get(use.name, ()))
        }

    def _is_told(self, use: Place) -> bool:
        """Whether a variable stands in a message."""
        return self._message_starts.get(use.line, use.column + 1) <= use.column

    @functools.cached_property
    def _message_starts(self) -> dict[int, int]:
        """The column in which the first word of a message stands, by lines."""
        found: dict[int, int] = {}
        for call in self.program.calls:
            for word in call.arguments if self._tells(call) else ():
                found[word.line] = min(word.column, found.get(word.line, word.column))
        return found

    def _talk(self, statements: t.Iterable[Node], depth: int) -> _Talk | None:
        """What statements say, if they say something, look at something or keep it in a variable, and do no more."""
        said: list[Call] = []
        names: set[str] = set()
        for node in statements:
            parts = list(nodes(node))
            if node.get("Background") or any(part.get("Type") == "FuncDecl" for part in parts):
                return None
            names |= {name for part in parts for name in _set_by(part)}
            names |= {assignment.name for assignment in self.assignments.within(node)}
            calls = self._calls(node)
            words = [part for part in parts if part.get("Type") == "CallExpr" and part.get("Args")]
            if not {position(part) for part in words} <= {_place(call) for call in calls}:
                return None
            for call in calls:
                if call.name in self.program.functions:
                    inner = self._function_talk(call.name, depth - 1)
                    if inner is None:
                        return None
                    said += [call] if inner.said else []
                    names |= inner.names
                elif not self._is_harmless(call):
                    return None
                elif self._tells(call):
                    said.append(call)
        return _Talk(tuple(said), frozenset(names))

    def _function_talk(self, name: str, depth: int) -> _Talk | None:
        key = name, depth
        if key not in self._function_talks:
            body = self.program.functions[name]["Body"]
            self._function_talks[key] = self._talk([body], depth) if depth > 0 else None
        return self._function_talks[key]

    def _is_harmless(self, call: Call) -> bool:
        if call.name in ("exit", "return"):
            return call.literals in ([], ["0"]) and len(call.arguments) < 2
        if self.subject.where.is_health and is_a(call.name, Is.TELLS):
            # Somebody hears of it.
            return False
        if call.context.stdout == "capture" and not _is_inside(call):
            return False
        if any(not self._tells(other) and not is_a(other.name, Is.FILTER) for other in feeds(self.program, call)):
            return False
        if call.name in ("continue", "break", "wait", "[", "test"):
            return call.name != "wait"
        kinds = Is.PRINTS | Is.NEVER_FAILS | Is.FILTER | Is.SINK | Is.TELLS | Is.ONLY_LOOKS | Is.ONE_WORD
        if not (is_a(call.name, kinds) or _asks(call)):
            return False
        if call.name in ("set", "shift", "export", "unset", "sleep"):
            return False
        return not call.name.startswith(("rm", "tee")) and not _marks(self.subject, call)

    @staticmethod
    def _tells(call: Call) -> bool:
        return is_a(call.name, Is.PRINTS | Is.TELLS) or call.name in ("logger", "systemd-cat", "wall")

    def _says_wrong(self, said: t.Sequence[Call]) -> bool:
        texts = []
        for call in said:
            texts.append(_RIGHT.sub("", " ".join(self.subject.values.known(w, call).shown for w in call.arguments)))
            if any(_PRIORITY.search(text) for text in call.texts):
                return True
            if call.context.stdout == "stderr":
                texts.append("error")
            if call.name in self.program.functions:
                texts.append(call.name)
                texts += [" ".join(c.texts) for c in self.program.calls_in(call.name)]
        whole = " ".join(texts)
        return _WRONG.search(whole) is not None and _MEANT.search(whole) is None

    def _is_tried_again(self, node: Node) -> bool:
        """Whether a condition stands in a loop that waits for it to come true."""
        for root in self.roots:
            for loop in nodes(root):
                if loop.get("Type") in ("WhileClause", "ForClause") and loop.get("Do") and _within(loop, node):
                    words = {first_word({"Cmd": part}) for part in nodes(loop) if part.get("Type") == "CallExpr"}
                    if words & {"sleep", "break"}:
                        return True
        return False

    def _calls(self, node: Node) -> list[Call]:
        """The commands in a part of the tree, without those that only start another one."""
        found = self.calls.within(node)
        starters = {name for call in found for name in call.via}
        return [call for call in found if call.name not in starters]


def _asks(call: Call) -> bool:
    """Whether a command of the table asks how the node is."""
    health = facts(call.name).health
    return health is not None and re.search(health, f" {' '.join(call.texts)} ") is not None


def _is_search(calls: t.Sequence[Call]) -> bool:
    """Whether a condition looks for something in what a check prints: found is the fault."""
    return any(is_a(call.name, Is.PICKS_LINES) or call.name in ("[", "test") for call in calls)


def _marks(subject: Subject, call: Call) -> bool:
    """Whether a command leaves a file that something else may read."""
    if call.context.stdout != "file":
        return False
    targets = [subject.values.known(r.target, call).shown for r in call.context.redirects if ">" in r.operator]
    return not any(
        re.search(r"(?i)log|\$|^&?\d$|/dev/(null|stderr|stdout|tty|console|kmsg)|\.(out|err|txt)$", x) for x in targets
    )


def _is_inside(call: Call) -> bool:
    """Whether the output of a command goes into a word of another one: logger "$(date)"."""
    return call.context.substituted


def _place(one: Place) -> tuple[int, int]:
    return one.line, one.column


def _commands(root: Node) -> t.Iterator[list[str]]:
    """The fixed words of each command in a part of the tree, without the functions that it declares."""
    for node in nodes(root, but="FuncDecl"):
        if node.get("Type") == "CallExpr" and node.get("Args"):
            yield [literal(word) for word in node["Args"]]


def _is_answer(words: t.Sequence[str]) -> bool:
    """Whether a command ends the script with another code than 0, or drains the node."""
    if words[0] in ("exit", "return"):
        return words[1:] not in ([], ["0"])
    return words[0] in ("false", "scontrol", "exec")


def _set_by(node: Node) -> t.Iterator[str]:
    """The variables that a command sets."""
    declared = node.get("Args") or () if node.get("Type") == "DeclClause" else ()
    for item in (*(node.get("Assigns") or ()), *declared):
        if item.get("Name"):
            yield item["Name"]["Value"]


def _within(outer: Node, inner: Node) -> bool:
    start: int = outer["Pos"]["Offset"]
    return start <= inner["Pos"]["Offset"] and bool(inner["End"]["Offset"] <= outer["End"]["Offset"])


def _statements(root: Node) -> t.Iterator[Node]:
    """Every statement in a part of the tree, without a function that it declares and without $( ), whose text is its answer."""
    if (root.get("Cmd") or {}).get("Type") != "FuncDecl":
        yield from (part for part in nodes(root, but="CmdSubst") if part.get("Cmd"))


def _branches(node: Node) -> t.Iterator[_Branch]:
    """What a statement does after each outcome of its conditions."""
    command = node["Cmd"]
    kind = command.get("Type")
    if kind == "BinaryCmd" and command["Op"] in ("&&", "||"):
        failed = (command["Op"] == "||") != bool(command["X"].get("Negated"))
        yield _Branch((command["X"],), failed, (command["Y"],), ())
    elif kind == "IfClause":
        clauses: list[Node] = []
        clause: Node | None = command
        while clause:
            clauses.append(clause)
            clause = clause.get("Else")
        for number, one in enumerate(clauses):
            conditions_there = tuple(one.get("Cond") or clauses[number - 1].get("Cond") or ())
            others = tuple(s for other in clauses if other is not one for s in other.get("Then") or ())
            if conditions_there:
                failed = bool(one.get("Cond")) == bool(conditions_there[-1].get("Negated"))
                yield _Branch(conditions_there, failed, tuple(one.get("Then") or ()), others)
    elif kind == "CaseClause":
        items = command.get("Items") or []
        for item in items:
            others = tuple(s for other in items if other is not item for s in other.get("Stmts") or ())
            yield _Branch((command["Word"],), None, tuple(item.get("Stmts") or ()), others)


CHECKS = (unheard_check,)
