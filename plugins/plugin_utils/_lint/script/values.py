# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""What the words of a script can be: the one way from a word to its texts, for the walk and for every check.

A word is followed through constants, copies, arrays, loop variables, parameters of functions, defaults and branches to
the assignments that may have made it. What cannot be known (the output of a command, a line that was read, a variable
from outside) stays in the word as the piece that it is.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import re
import typing as t

from .environment import SESSION_VARIABLES, Surroundings
from .facts import Is
from .knowledge import is_a
from .model import word_set
from .program import Assignment, Call, Context, Moment, Piece, Point, Program, Word
from .tools import TooMuchError

#: More forms than these of one word are not told apart.
MOST = 16

_DEPTH = 6

#: Values that are followed for one piece of a word. Of a script that somebody wrote by hand 40 are many; those of
#: variables that take each other's values grow with a power of their number.
_MOST_FOLLOWED = 100

#: What following values may cost in all, in tests and assignments looked at. A script of 8 KiB that somebody wrote needs less than a hundredth.
MAX_LOOKS = 5_000_000

#: To follow a value costs as much as so many looks.
_FOLLOWS = 10

#: What runs at the end of a script comes after everything.
_END = 1 << 40

#: Expansions that put a word in the place of a variable that has none.
_DEFAULTS = (":-", "-", ":=", "=")

#: Expansions that leave the value as it is.
_AS_IT_IS = ("", "[@]", ":?", "?", *_DEFAULTS)

#: Variables that the shell itself sets, which are never empty.
SHELL_SETS = word_set(
    """
    $ ! ? # - _ 0 UID EUID BASHPID HOSTNAME HOSTTYPE MACHTYPE OSTYPE RANDOM SRANDOM SECONDS PPID PWD SHLVL IFS OPTIND
    LINENO REPLY OPTARG MAPFILE BASH_REMATCH COLUMNS LINES BASH BASH_VERSION BASH_VERSINFO BASH_SOURCE BASH_SUBSHELL BASH_COMMAND FUNCNAME PIPESTATUS
    EPOCHSECONDS EPOCHREALTIME SHELLOPTS BASHOPTS OLDPWD GROUPS PATH
    """
)

#: Assignments whose value is written in the script.
_FOLLOWED = frozenset({"assign", "declare", "default", "append"})

_NONE: frozenset[int] = frozenset()

#: An assignment, the moment at which it counts, and whether it replaces the value.
_Event = tuple[Moment, Assignment, bool]

_Way = t.TypeVar("_Way", bound=t.Hashable)

#: Whether a part of a word may be empty at a point, once these assignments were followed.
_Question = t.Callable[[Piece, Point, frozenset[int]], bool]


def _latest_first(event: _Event) -> int:
    return -event[0].sequence


@dataclasses.dataclass(frozen=True)
class Definition:
    """One way how a variable may have got its value."""

    #: None: it has the value that it had before the script.
    assignment: Assignment | None
    #: Something on the way made sure that it is not empty.
    is_guarded: bool


class Values:
    """The values of a program's words, in a hook if O(where) is given.

    While the program is still being walked (O(remember) is false) only what was walked is known.
    """

    def __init__(
        self,
        program: Program,
        where: Surroundings | None = None,
        version: str | None = None,
        *,
        remember: bool = True,
    ) -> None:
        self.program = program
        self.where = where
        self.version = version
        self._definitions: dict[tuple[str, int, str | None], list[Definition]] | None = {} if remember else None
        self._remembered: dict[tuple[str, str | None], list[_Event]] | None = {} if remember else None
        self._followed = 0
        #: Calls that one question about emptiness has gone to.
        self._asked = 0
        self._looks = 0

    # -- where a value comes from

    def definitions(self, name: str, at: Point) -> list[Definition]:
        """Every way how a variable may have got the value that it has at a point; the likeliest last."""
        if self._definitions is None:
            return self._ways(name, at, {})
        key = name, at.sequence, at.context.function
        if key not in self._definitions:
            self._definitions[key] = self._ways(name, at, {})
        self._spend(_FOLLOWS * len(self._definitions[key]))
        return self._definitions[key]

    def _spend(self, looks: int) -> None:
        self._looks += looks
        if self._looks > MAX_LOOKS:
            raise TooMuchError("its variables can have too many values")

    def _follow(self) -> None:
        """Count one more way that is followed, to an assignment or to a call with a parameter."""
        self._followed += 1
        self._spend(_FOLLOWS)

    def assignments(self, name: str, at: Point) -> list[Assignment]:
        """The assignments that may have given a variable the value that it has at a point; the likeliest last."""
        return [d.assignment for d in self.definitions(name, at) if d.assignment is not None]

    def _ways(self, name: str, at: Point, known: dict[str, list[Definition]]) -> list[Definition]:
        function = at.context.function
        moment = Moment(at.context, _END if at.context.deferred else at.sequence)
        found: list[Definition] = []
        events = self._events(name, function)
        # A later one counts only where a loop comes back to the use.
        first = 0 if moment.context.loops else bisect.bisect_right(events, -moment.sequence, key=_latest_first)
        for place, assignment, is_sure in events[first:]:
            if not place.context.reaches(moment.context):
                continue
            again = place.sequence >= moment.sequence
            if again and not set(place.context.loops) & set(moment.context.loops):
                continue
            if self._lies_between(self.program.replaced, name, place, moment):
                break
            found.append(Definition(assignment, self._is_guarded(name, place, moment)))
            if is_sure and not again and _surrounds(place.context, moment.context):
                return found[::-1]
        found.reverse()
        start = Moment(Context(function=function), 0)
        if (function, name) in self.program.local or self._lies_between(self.program.replaced, name, start, moment):
            return found
        is_guarded = self._is_guarded(name, start, moment)
        outside = self._outside(name, function, known)
        return [*(dataclasses.replace(d, is_guarded=d.is_guarded or is_guarded) for d in outside), *found]

    def _outside(self, name: str, function: str | None, known: dict[str, list[Definition]]) -> list[Definition]:
        """The values that a variable may have where a function (or the script) begins. known: those of other functions."""
        unset = Definition(None, False)
        if function is None:
            return [unset]
        if function not in known:
            # For a call of itself.
            known[function] = [unset]
            sites = self.program.called.get(function, ())
            # Before the call: what the function itself sets counts from there on.
            found = [d for site in sites for d in self._ways(name, Moment(site.context, site.sequence - 1), known)]
            if not sites:
                found = [unset, *(Definition(each, False) for _place, each, _is_sure in self._events(name, None))]
            known[function] = list(dict.fromkeys(found))
        return known[function]

    def _events(self, name: str, function: str | None) -> list[_Event]:
        """The assignments to a variable that a function makes or lets others make, latest first."""
        if self._remembered is None:
            return self._collected(name, function)
        key = name, function
        if key not in self._remembered:
            self._remembered[key] = self._collected(name, function)
        return self._remembered[key]

    def _collected(self, name: str, function: str | None) -> list[_Event]:
        program = self.program
        found: list[_Event] = []
        for assignment in program.assignments.get(name, ()):
            # What is added to a value has it in it; a default or a single element replaces nothing.
            is_sure = assignment.added or assignment.kind not in ("append", "default")
            own = assignment.context.function
            if own == function:
                found.append((Moment(assignment.context, assignment.sequence), assignment, is_sure))
            else:
                for site, is_only in self._seen_in(function, assignment):
                    # A function that is called once has the circumstances of its call.
                    always = is_sure and _surrounds(assignment.context, site.context if is_only else Context())
                    found.append((site, assignment, always))
        return sorted(found, key=_latest_first)

    def _seen_in(self, function: str | None, assignment: Assignment) -> t.Iterator[tuple[Moment, bool]]:
        """The calls in a function through which an assignment elsewhere reaches it; whether they are the only ones on their way."""
        rest: list[tuple[Point, bool]] = [(assignment, True)]
        seen: set[str] = set()
        for _level in range(_DEPTH):
            outer: list[tuple[Point, bool]] = []
            for place, is_only in rest:
                own = place.context.function
                if own is None or own in seen or place.context.shells or (own, assignment.name) in self.program.local:
                    continue
                seen.add(own)
                sites = self.program.called.get(own, ())
                for site in sites:
                    found = site, is_only and len(sites) == 1
                    if site.context.function == function:
                        yield found
                    else:
                        outer.append(found)
            rest = outer

    def _is_guarded(self, name: str, since: Point, at: Point) -> bool:
        """Whether a test, or a way out, stands between an assignment and its use."""
        return self._lies_between(self.program.guarded, name, since, at)

    def _lies_between(self, moments: t.Mapping[str, list[Moment]], name: str, since: Point, at: Point) -> bool:
        found = moments.get(name, ())
        self._spend(1 + len(found))
        return any(
            since.sequence < moment.sequence <= at.sequence
            and moment.end <= at.sequence
            and moment.context.function == at.context.function
            and moment.context.reaches(at.context)
            and (_surrounds(moment.context, at.context) or _surrounds(moment.context, since.context))
            for moment in found
        )

    # -- what a word can be

    def forms(self, word: Word, at: Point) -> list[Word]:
        """Every form that a word can take, as far as it is known."""
        if _is_fixed(word.pieces):
            return [word]
        return [Word(pieces, word.line, word.column) for pieces in self._forms(word.pieces, at, _NONE)]

    def known(self, word: Word, at: Point) -> Word:
        """The word with everything in it that can be one thing only."""
        pieces: list[Piece] = []
        for piece in word.pieces:
            found = self._piece(piece, at, _NONE)
            pieces.extend(found[0] if len(found) == 1 else (piece,))
        return Word(tuple(pieces), word.line, word.column)

    def texts(self, word: Word, at: Point) -> list[str]:
        """The texts that a word can be, of those forms that are fixed."""
        return [form.literal for form in self.forms(word, at) if form.literal is not None]

    def loops(self, word: Word, at: Point, _seen: frozenset[int] = _NONE) -> list[Assignment]:
        """The for loops whose items a word takes, one after the other."""
        found: list[Assignment] = []
        for piece in word.variables:
            for assignment in self.assignments(piece.text, at):
                if assignment.kind == "for":
                    found.append(assignment)
                elif assignment.value is not None and assignment.sequence not in _seen:
                    found.extend(self.loops(assignment.value, assignment, _seen | {assignment.sequence}))
        return found

    def arguments(self, call: Call) -> list[tuple[Word, ...]]:
        """The arguments that a command can get: arrays and unquoted variables as the words that they become."""
        return self._lists(call.arguments, call, _NONE)

    def fields(self, word: Word, at: Point) -> list[tuple[Word, ...]]:
        """The lists of words that one word can become."""
        return self._fields(word, at, _NONE)

    def _lists(self, words: t.Iterable[Word], at: Point, seen: frozenset[int]) -> list[tuple[Word, ...]]:
        found: list[tuple[Word, ...]] = [()]
        for word in words:
            ways = self._fields(word, at, seen)
            found = [before + way for before in found for way in ways][:MOST]
        return found

    def _fields(self, word: Word, at: Point, seen: frozenset[int]) -> list[tuple[Word, ...]]:
        piece = word.pieces[0] if len(word.pieces) == 1 else None
        if piece is None or piece.kind != "variable" or (piece.quoted and piece.operator != "[@]"):
            return [(Word(form, word.line, word.column),) for form in self._forms(word.pieces, at, seen)]
        found: list[tuple[Word, ...]] = []
        if piece.operator == "[@]":
            for assignment in self.assignments(piece.text, at):
                found.extend(self._elements(assignment, seen) if assignment.kind == "array" else [(word,)])
        if not found:
            found = [tuple(_split(Word(form, word.line, word.column))) for form in self._piece(piece, at, seen)]
        placed = [tuple(Word(field.pieces, word.line, word.column) for field in way) for way in found]
        return _distinct(placed)[:MOST]

    def _elements(self, assignment: Assignment, seen: frozenset[int]) -> list[tuple[Word, ...]]:
        """The elements that an array can have after an assignment."""
        if assignment.sequence in seen or len(seen) >= _DEPTH:
            return [assignment.items]
        seen |= {assignment.sequence}
        before: list[tuple[Word, ...]] = []
        if assignment.added:
            for older in self.assignments(assignment.name, assignment):
                if older.kind == "array" and older.sequence not in seen:
                    before.extend(self._elements(older, seen))
        after = self._lists(assignment.items, assignment, seen)
        return [old + new for old in before or [()] for new in after][:MOST]

    def _forms(self, pieces: tuple[Piece, ...], at: Point, seen: frozenset[int]) -> list[tuple[Piece, ...]]:
        if _is_fixed(pieces):
            return [pieces]
        found: list[tuple[Piece, ...]] = [()]
        for piece in pieces:
            ways = self._piece(piece, at, seen)
            found = [before + way for before, way in itertools.product(found, ways)][:MOST]
        return _distinct(found)

    def _piece(self, piece: Piece, at: Point, seen: frozenset[int]) -> list[tuple[Piece, ...]]:
        self._followed = self._followed if seen else 0
        if piece.kind != "variable" or len(seen) >= _DEPTH or self._followed > _MOST_FOLLOWED:
            return [(piece,)]
        found: list[tuple[Piece, ...]] = []
        if piece.operator in (":+", "+") and piece.operand is not None:
            found = [(), *self._forms(piece.operand.pieces, at, seen)]
        elif piece.operator not in _AS_IT_IS:
            return [(piece,)]
        elif piece.text.isdigit():
            found = self._parameter(piece, at, seen)
        else:
            for definition in self.definitions(piece.text, at):
                found.extend(self._defined(piece, definition, at, seen))
        if piece.quoted:
            found = [tuple(p if p.quoted else dataclasses.replace(p, quoted=True) for p in form) for form in found]
        return _distinct(found)[:MOST] or [(piece,)]

    def _defined(
        self, piece: Piece, definition: Definition, at: Point, seen: frozenset[int]
    ) -> list[tuple[Piece, ...]]:
        self._follow()
        found = self._given(piece, definition.assignment, at, seen)
        if not definition.is_guarded:
            return found
        return [(dataclasses.replace(form[0], is_sure=True),) if len(form) == 1 else form for form in found]

    def _given(
        self, piece: Piece, assignment: Assignment | None, at: Point, seen: frozenset[int]
    ) -> list[tuple[Piece, ...]]:
        default = piece.operand if piece.operator in _DEFAULTS else None
        if assignment is None:
            if default is None:
                return [(piece,)]
            # A default counts for the script's own settings; what Slurm sets, it may have set.
            return [*([(piece,)] if piece.text.startswith("SLURM") else ()), *self._forms(default.pieces, at, seen)]
        if assignment.sequence in seen:
            return [(piece,)]
        found = self._assigned(assignment, piece, seen | {assignment.sequence})
        if default is not None and piece.operator in (":-", ":="):
            return [way for form in found for way in ([form] if form else self._forms(default.pieces, at, seen))]
        return found

    def _assigned(self, assignment: Assignment, piece: Piece, seen: frozenset[int]) -> list[tuple[Piece, ...]]:
        """The forms that an assignment gives to a variable. O(seen) has the assignment in it already."""
        if assignment.kind == "array":
            ways = self._elements(assignment, seen - {assignment.sequence})
            if piece.operator == "[@]":
                return [word.pieces for way in ways for word in way]
            number = int(piece.index or "0") if piece.index != "?" else 0
            # What follows an element that is no fixed word stands anywhere.
            is_fixed = all(len(way) > number and all(w.literal is not None for w in way[:number]) for way in ways)
            single = all(p.quoted or p.kind != "command" for way in ways if is_fixed for p in way[number].pieces)
            return [way[number].pieces for way in ways] if is_fixed and single and piece.index != "?" else [(piece,)]
        if assignment.kind == "for":
            return [
                form
                for item in assignment.items
                for form in (
                    [(piece,)]
                    if any(p.kind == "command" for p in item.pieces)
                    else [word.pieces for way in self._fields(item, assignment, seen) for word in way]
                )
            ] or [(piece,)]
        if assignment.value is None or assignment.kind not in _FOLLOWED or piece.index:
            return [(piece,)]
        found = self._forms(assignment.value.pieces, assignment, seen)
        if assignment.kind == "append":
            older = [
                form
                for definition in self.definitions(assignment.name, assignment)
                for form in self._defined(piece, definition, assignment, seen)
            ]
            return [before + form for before in older for form in found][:MOST]
        return found

    def _parameter(self, piece: Piece, at: Point, seen: frozenset[int]) -> list[tuple[Piece, ...]]:
        """A parameter of a function, from its calls."""
        calls = self.calls_of(at.context.function)
        found: list[tuple[Piece, ...]] = []
        for call in calls:
            number = int(piece.text) - 1
            if call.sequence in seen or number < 0:
                return [(piece,)]
            self._follow()
            if number < len(call.arguments):
                found.extend(self._forms(call.arguments[number].pieces, call, seen | {call.sequence}))
            elif piece.operator in _DEFAULTS and piece.operand is not None:
                found.extend(self._forms(piece.operand.pieces, at, seen))
            else:
                found.append(())
        return found

    def calls_of(self, function: str | None) -> list[Call]:
        """The calls of a function whose parameters stand where they are given; none if something shifts them or it is called otherwise."""
        if function is None or any(
            c.name in ("shift", "set") and c.context.function == function for c in self.program.calls
        ):
            return []
        calls = self.program.named(function)
        simple = all(
            not any(p.operator == "[@]" or p.text == "@" for w in c.arguments for p in w.pieces) for c in calls
        )
        return calls if simple and len(calls) >= len(self.program.called.get(function, ())) else []

    # -- can it be empty, can it be several words?

    def may_be_empty(self, word: Word, at: Point, *, by_hand: bool = False) -> bool:
        """Whether nothing may be left of a word. O(by_hand): the script is started without what its hook sets."""
        return all(self.piece_may_be_empty(piece, at, by_hand=by_hand) for piece in word.pieces)

    def piece_may_be_empty(
        self, piece: Piece, at: Point, *, by_hand: bool = False, _seen: frozenset[int] = frozenset()
    ) -> bool:
        """Whether nothing may be left of a part of a word."""
        if piece.kind in ("text", "glob"):
            return not piece.text
        if piece.kind == "number" or piece.is_sure:
            return False
        if piece.kind == "command":
            return self._says_nothing(piece.commands, by_hand, _seen)

        def empty(other: Piece, point: Point, more: frozenset[int] = frozenset()) -> bool:
            return self.piece_may_be_empty(other, point, by_hand=by_hand, _seen=_seen | more)

        self._asked = self._asked if _seen else 0
        if len(_seen) >= _DEPTH or self._asked > _MOST_FOLLOWED or piece.operator == ":?":
            return False
        operand = piece.operand
        if piece.operator in (":+", "+"):
            return True
        if piece.operator in (":-", ":=") and operand is not None and not all(empty(p, at) for p in operand.pieces):
            return False
        if piece.text.isdigit() and piece.text != "0":
            calls = self.calls_of(at.context.function)
            if not calls:
                return by_hand or at.context.function is None
            if self._is_guarded(piece.text, Moment(Context(function=at.context.function), 0), at):
                return False
            number = int(piece.text) - 1
            for call in calls:
                if call.sequence in _seen:
                    continue
                self._asked += 1
                mark = frozenset({call.sequence})
                if number >= len(call.arguments) or all(empty(p, call, mark) for p in call.arguments[number].pieces):
                    return True
            return False
        for definition in self.definitions(piece.text, at):
            assignment = definition.assignment
            if definition.is_guarded:
                continue
            if assignment is None:
                default = operand.pieces if operand is not None and piece.operator in ("-", "=") else ()
                asked = any(
                    use.operator == "+" and use.sequence < at.sequence for use in self.program.uses_of(piece.text)
                )
                if not asked and self._outside_may_be_empty(piece, at, by_hand) and all(empty(p, at) for p in default):
                    return True
            elif assignment.sequence not in _seen and self._may_assign_nothing(assignment, piece, empty):
                return True
        return False

    def _may_assign_nothing(self, assignment: Assignment, piece: Piece, empty: _Question) -> bool:
        """Whether an assignment may leave nothing in a variable, or in the element that is asked for."""
        mark = frozenset({assignment.sequence})
        if assignment.kind == "number":
            return False
        if assignment.kind == "read":
            # A loop over lines goes round for a line only.
            return not assignment.context.tested or piece.index.isdigit()
        if assignment.kind == "for":
            return any(
                item.pieces and all(p.quoted and empty(p, assignment, mark) for p in item.pieces)
                for item in assignment.items
            )
        if assignment.kind == "array":
            if piece.index == "?":
                return False
            return any(
                self._element_may_be_empty(way, int(piece.index or "0"), assignment, empty)
                for way in self._elements(assignment, frozenset())
            )
        value = assignment.value
        if assignment.kind == "append" and not assignment.added:
            # One element of an array: which one is asked for is not known.
            return False
        if assignment.added and not empty(Piece("variable", assignment.name), assignment, mark):
            return False
        return value is None or all(empty(p, assignment, mark) for p in value.pieces)

    def _element_may_be_empty(self, elements: tuple[Word, ...], number: int, at: Assignment, empty: _Question) -> bool:
        mark = frozenset({at.sequence})
        if number >= len(elements):
            return True
        # A word that is not quoted and empty is no element at all: the next one takes its place.
        return any(
            all(empty(piece, at, mark) for piece in word.pieces)
            for word in elements[: number + 1]
            if word is elements[number] or not any(piece.quoted for piece in word.pieces)
        )

    def _outside_may_be_empty(self, piece: Piece, at: Point, by_hand: bool) -> bool:
        """Whether a variable that the script does not set may be empty."""
        name = piece.text
        if name in SHELL_SETS or at.context.nounset:
            return False
        if by_hand:
            return True
        if name in ("@", "*") or self.where is None:
            return False
        variable = self.where.variables.get(name)
        if variable is not None and variable.known_to(self.version):
            return variable.optional
        if self.where.absent(name, self.version):
            return True
        if self.where.is_init and name in SESSION_VARIABLES:
            return False
        return not self.program.sets_unknown

    def is_from_hook(self, name: str) -> bool:
        """Whether the hook may set a variable."""
        return self.where is None or name in self.where.variables or self.program.sets_unknown

    def _says_nothing(self, commands: t.Sequence[Call], by_hand: bool, seen: frozenset[int]) -> bool:
        """Whether commands may print nothing: by the last of them, whose output it is."""
        last = _last(commands)
        if last is None:
            return True
        if last.name not in ("echo", "printf"):
            return not prints_one_word(last)
        words = [word for word in last.arguments if not re.fullmatch(r"-[neE]+", word.shown)]
        if last.name == "printf":
            if words and words[0].shown.replace("%s", ""):
                return False
            words = words[1:]
        mark = seen | {last.sequence}
        return last.sequence in seen or all(
            self.piece_may_be_empty(piece, last, by_hand=by_hand, _seen=mark) for word in words for piece in word.pieces
        )

    def piece_may_be_several(self, piece: Piece, at: Point, _seen: frozenset[int] = _NONE) -> bool:
        """Whether a part of a word may be several words where it is not quoted."""
        if piece.kind == "command":
            return self._says_several(piece.commands, _seen)
        if piece.kind != "variable" or piece.operator not in _AS_IT_IS:
            return False
        if piece.text in ("@", "*"):
            return True
        return any(
            self._may_assign_several(assignment, piece, _seen | {assignment.sequence})
            for assignment in self.assignments(piece.text, at)
            if assignment.sequence not in _seen
        )

    def _may_assign_several(self, assignment: Assignment, piece: Piece, seen: frozenset[int]) -> bool:
        if assignment.kind == "read":
            return assignment.takes_the_rest
        if assignment.kind == "array" and piece.operator == "[@]" and len(assignment.items) > 1:
            return True
        values = assignment.items if assignment.kind in ("array", "for") else (assignment.value,)
        return any(
            re.search(r"\S\s+\S", value.shown) is not None
            # What stands in an array or a loop without quotes was split there.
            or any(
                self.piece_may_be_several(p, assignment, seen) for p in value.pieces if p.quoted or not assignment.items
            )
            for value in values
            if value is not None
        )

    def _says_several(self, commands: t.Sequence[Call], seen: frozenset[int]) -> bool:
        last = _last(commands)
        if last is None or last.name not in ("echo", "printf"):
            return last is None or not (prints_one_word(last) or _finds_one(last))
        words = [word for word in last.arguments if not re.fullmatch(r"-[neE]+", word.shown)]
        mark = seen | {last.sequence}
        return last.sequence not in seen and any(
            re.search(r"\S\s+\S", word.shown) or any(self.piece_may_be_several(p, last, mark) for p in word.pieces)
            for word in words
        )


def _is_fixed(pieces: t.Iterable[Piece]) -> bool:
    """Whether a word has one form only: what is not a variable stays as it is."""
    return all(piece.kind != "variable" for piece in pieces)


def _distinct(ways: list[_Way]) -> list[_Way]:
    """Each way once. To compare ways costs much, for a piece has the commands in it, and mostly there is one way."""
    return list(dict.fromkeys(ways)) if len(ways) > 1 else ways


def _last(commands: t.Sequence[Call]) -> Call | None:
    """The command whose output is that of a list of commands."""
    ends = [c for c in commands if c.context.pipeline is None or c.context.pipeline[1] == c.context.pipeline[2] - 1]
    speaking = [c for c in ends if c.name not in _SAY_NOTHING]
    return (speaking or ends or list(commands))[-1] if commands else None


#: They are there for their status: x=$(grep -c a b || true).
_SAY_NOTHING = word_set(": true false exit return")


_COUNT_ON_DEMAND = word_set("grep egrep fgrep zgrep pgrep")


def counts(call: Call) -> bool:
    """Whether a command prints a number that is not negative."""
    if call.name in _COUNT_ON_DEMAND:
        return call.has_option("-c", "--count")
    return call.name in ("wc", "nproc") or (call.name in ("awk", "gawk", "mawk") and "print NR" in " ".join(call.texts))


def prints_one_word(call: Call) -> bool:
    """Whether a command prints exactly one word, whatever it is given."""
    if call.name in _COUNT_ON_DEMAND:
        return call.has_option("-c", "--count")
    if call.name in ("awk", "gawk", "mawk"):
        return any(_always_prints(word.shown) for word in call.arguments)
    if call.name == "curl":
        return _tells_one_word(call)
    if call.name == "systemctl":
        return bool({"is-active", "is-enabled", "is-failed"} & set(call.texts))
    if call.name == "readlink":
        # Without -f it prints nothing for what is no link.
        return call.has_option("-f", "-m", "--canonicalize", "--canonicalize-missing")
    return is_a(call.name, Is.ONE_WORD)


def _tells_one_word(call: Call) -> bool:
    """curl -o file -w '%{http_code}': it prints 000 even where it fails."""
    formats = [
        after.shown
        for word, after in itertools.pairwise(call.arguments)
        if re.fullmatch(r"-[A-Za-z]*w|--write-out", word.shown)
    ]
    is_quiet = call.has_option("-o", "--output") and not call.has_option("-i", "--include", "-v", "--verbose")
    return is_quiet and any(re.fullmatch(r"[^\s$]*%\{\w+\}[^\s$]*?(\\n)?", text) for text in formats)


def _finds_one(call: Call) -> bool:
    """which name, command -v name: the path of one program, or nothing."""
    names = [text for text in call.texts if not text.startswith("-")]
    return len(names) == 1 and (
        (call.name == "which" and not call.has_option("-a")) or (call.name == "command" and call.has_option("-v"))
    )


#: An expression of awk's that has a text whatever was read: a number, a sum, a length, a text.
_NEVER_EMPTY = re.compile(
    r"""(?x) (NR|FNR|NF|\d+) \s*$ | \w[\w\[\]\$]* \s* [-+*/%] \s* [\w.(] | (length|int|index|systime|sqrt) \b | [-+]\s*\w | "[^"\s]+"\s*$ """
)


def _always_prints(program: str) -> bool:
    """Whether an awk program prints one word at its end (or at its begin), whatever it read."""
    for block in re.findall(r"(?:BEGIN|END)\s*\{([^{}]*)\}", program):
        for statement in re.split(r"[;\n]", block):
            text = statement.strip()
            if re.match(r"(if|for|while|do|else|exit|getline|next)\b", text):
                break
            spoken = re.match(r"(print|printf)\b\s*\(?\s*(.+?)\)?$", text)
            if spoken is None:
                continue
            if spoken[1] == "printf":
                if re.match(r'"[^"\s]*%[0-9.]*[dfeigxu]', spoken[2]):
                    return True
            elif "," not in spoken[2] and _NEVER_EMPTY.match(spoken[2]):
                return True
    return False


def _surrounds(outer: Context, inner: Context) -> bool:
    """Whether what stands in one place runs whenever the other does."""
    return inner.guards[: len(outer.guards)] == outer.guards and inner.loops[: len(outer.loops)] == outer.loops


def _split(word: Word) -> list[Word]:
    """A value split at the blanks of its fixed text, as an unquoted expansion is."""
    words: list[list[Piece]] = [[]]
    for piece in word.pieces:
        if piece.kind not in ("text", "glob"):
            words[-1].append(piece)
            continue
        for position, text in enumerate(re.split(r"\s+", piece.text)):
            if position:
                words.append([])
            if text:
                words[-1].append(dataclasses.replace(piece, text=text))
    return [Word(tuple(pieces), word.line, word.column) for pieces in words if pieces]
