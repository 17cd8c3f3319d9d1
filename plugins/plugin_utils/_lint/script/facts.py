# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The kinds of facts that the rules know of a command; knowledge.py has the facts themselves.

Options, verbs and variables are words in one text: V(-t --timeout). What is searched in arguments is a regular expression, and the
arguments have a blank on both sides.
"""

from __future__ import annotations

import dataclasses
import enum
import typing as t

from ..core.model import Severity


class Is(enum.Flag):
    """What a command is."""

    NOTHING = 0

    # Where it comes from.
    SLURM = enum.auto()
    #: Built into the shells: no search at all.
    BUILTIN = enum.auto()

    # What it runs.
    SHELL = enum.auto()
    #: Runs programs in another language.
    LANGUAGE = enum.auto()
    #: Runs a file as a part of the script.
    SOURCES = enum.auto()
    #: Carries out what a file says, wherever that stands among its arguments.
    CARRIES_OUT = enum.auto()
    #: Starts a program outside of the script's process group.
    DETACHES = enum.auto()
    #: Starts a program that has other mounts, another network or another host.
    ELSEWHERE = enum.auto()

    # What its status says. The first four exclude each other.
    #: Nothing: it cannot fail.
    NEVER_FAILS = enum.auto()
    #: The node is in trouble anyway, or it fails on purpose.
    STEADY = enum.auto()
    #: The same, where what it names is there.
    NEEDS_ITS_FILE = enum.auto()
    #: The same, and what follows may need what it did.
    PREPARES = enum.auto()
    #: The answer to a question.
    ANSWERS = enum.auto()
    #: Whether it found something to print, which is wanted.
    SEARCHES = enum.auto()
    #: Whether another host answered.
    ASKS_REMOTE = enum.auto()

    # What it does to its input.
    #: Prints lines of its input as they are.
    PASSES_LINES = enum.auto()
    #: Prints those lines of its input that a pattern meets.
    PICKS_LINES = enum.auto()
    #: Prints what it makes of its input.
    REWRITES = enum.auto()
    #: Takes all that it is given, and has no failure to tell.
    SINK = enum.auto()
    #: Has no failure of its own to tell at the end of a pipeline.
    MUTE = enum.auto()
    #: Takes the next lines of its input, or the next option.
    TAKES_NEXT = enum.auto()
    READS_SECRET = enum.auto()

    # What it prints.
    #: Its arguments.
    PRINTS = enum.auto()
    #: A part of a path that it was given, or what that leads to.
    PRINTS_PATH = enum.auto()
    #: One word, whatever happens.
    ONE_WORD = enum.auto()
    #: What nobody can guess.
    RANDOM = enum.auto()
    #: How long a file is: who asks sets a limit.
    MEASURES = enum.auto()
    #: Processes, by a look at all of them.
    LISTS_PROCESSES = enum.auto()
    #: Those that use something.
    LISTS_USERS_OF = enum.auto()
    LISTS_JOBS = enum.auto()
    #: Whether a file is what it claims to be.
    VERIFIES = enum.auto()

    # What it does to what it names.
    #: Nothing, whatever the name is.
    ONLY_LOOKS = enum.auto()
    #: Something to a file that is there, or nothing: it makes none.
    MAKES_NONE = enum.auto()
    #: Nothing: it names a file and does not need it.
    NEEDS_NONE = enum.auto()
    COPIES = enum.auto()
    DELETES = enum.auto()
    #: A later look at it finds less.
    LESSENS = enum.auto()
    #: What it is given is looked for, or told.
    LOOKS_FOR = enum.auto()

    # What it does to others.
    FETCHES = enum.auto()
    #: Tells somebody outside of the node.
    TELLS = enum.auto()
    #: Ends processes that it finds by their name or their user.
    KILLS = enum.auto()
    ENDS_NODE = enum.auto()

    #: Runs the file that its first operand names.
    INTERPRETER = SHELL | LANGUAGE
    RUNS_FILE = INTERPRETER | SOURCES
    #: It fails only if the node is in trouble anyway, or on purpose.
    ROBUST = NEVER_FAILS | STEADY | NEEDS_ITS_FILE | PREPARES
    #: What it prints was its input.
    FILTER = PASSES_LINES | REWRITES


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wait:
    """One way in which a command keeps a script waiting."""

    #: What the command does; its name comes before.
    says: str = "has no time limit"
    #: What to do about it.
    fix: str
    #: Options that set a limit, or that only ask (V(--version)).
    bounds: str = ""
    #: Only with one of these as first operands.
    verbs: str = ""
    #: Only with one of these options.
    options: str = ""
    #: Only where an operand looks like this.
    operand: str = ""
    #: Only with exactly so many operands.
    operands: int | None = None
    #: Only with more operands than these; the value of an option counts as one.
    more_than: int = 0
    #: The limit may also stand in a variable of this name.
    variable: str = ""
    severity: Severity | None = None
    #: Its own limits are long: a job cannot bear them, a host that starts can.
    in_jobs_only: bool = False


@dataclasses.dataclass(frozen=True)
class Action:
    """Something that a command does to everybody on a node, unless its arguments narrow it."""

    what: str
    #: Searched in the arguments.
    pattern: str = ""
    #: Arguments with which it is narrower, or harmless.
    unless: str = r"(?!)"
    #: The options that choose one device, as alternatives.
    device: str = ""
    #: Only where what it names comes from a list of all there are.
    is_listed: bool = False
    severity: Severity | None = None


@dataclasses.dataclass(frozen=True)
class WayToFail:
    """A way in which a command fails on a node that is in order."""

    reason: str
    #: Only with one of these options or words.
    only: str = ""
    #: Not with these.
    unless: str = ""
    #: A test before it is a precaution.
    avoidable: bool = False
    #: Only where it names a fixed thing: the second job finds it there.
    again: bool = False


@dataclasses.dataclass(frozen=True)
class SecretOption:
    """An option whose value is a secret."""

    options: str
    #: The secret begins behind this character; before it stands the user's name.
    behind: str = ""
    #: Only in the option's own word: V(-psecret). A word after it is something else.
    joined: bool = False


@dataclasses.dataclass(frozen=True)
class Output:
    """Where a command writes to, apart from its output."""

    #: The operands that it writes to, if it has as many as O(least).
    operands: t.Literal["none", "all", "first", "last"] = "none"
    least: int = 1
    #: The options whose value it writes to, and those whose value is the directory for it.
    options: str = ""
    directories: str = ""
    #: Only with a first argument like this.
    only: str = ""


@dataclasses.dataclass(frozen=True)
class Change:
    """Which operands a command changes as files: owner, mode, existence."""

    operands: t.Literal["all", "behind the first", "last"]
    #: Whether a link at the end is followed.
    follows: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """What the rules know of a command."""

    #: The manual pages and documents that say so.
    source: str = ""
    traits: Is = Is.NOTHING
    #: Options with a program for an interpreter, a shell of another user, or a database.
    program: str = ""
    #: Its operands from this one on are a program; options with a value come before them.
    program_operand: int | None = None
    #: The same, where only that operand is the program, and where no option with a program is given.
    filter_operand: int | None = None
    #: Options with which an interpreter runs something else than a file or a text.
    no_file: str = ""
    #: The words that say that it installs.
    installs: str = ""
    #: The verbs that ask before they act, and the options (or parts of their values) with which they do not.
    asks: str = ""
    answers: str = ""
    secret: SecretOption | None = None
    writes: tuple[Output, ...] = ()
    changes: Change | None = None
    fails: tuple[WayToFail, ...] = ()
    #: The first that fits is told.
    waits: tuple[Wait, ...] = ()
    acts: tuple[Action, ...] = ()
    #: Arguments with which it lists what there is on the node, for one command to meet after the other.
    lists: str | None = None
    #: Arguments with which it changes the environment, or the limits, of the shell that calls it.
    alters: str | None = None
    #: Arguments with which it tells how the node is: its GPUs, mounts, memory, network, services.
    health: str | None = None
