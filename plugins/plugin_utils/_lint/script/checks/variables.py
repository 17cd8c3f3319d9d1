# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Variables that a hook has, has sometimes, or never has."""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit, hit_at
from ...core.nearest import nearest
from .. import environment
from ..environment import Surroundings
from ..guards import NUMERIC
from ..knowledge import FOR_COMMANDS
from ..model import word_set
from ..program import Use, Word
from ..subject import Subject
from ..values import SHELL_SETS
from .vocabulary import HAS_DEFAULT

#: Every name that Slurm uses in some hook.
_SLURM_NAMES = frozenset(name for table in environment.VARIABLES.values() for name in table)

#: What bash sets by itself, or reads.
_SHELL_OWN = SHELL_SETS | word_set(
    """
    BASH_ALIASES BASH_ARGC BASH_ARGV BASH_ARGV0 BASH_CMDS BASH_ENV BASH_LINENO BASH_XTRACEFD COPROC DIRSTACK HISTCMD
    HISTFILE OPTERR PROMPT_COMMAND PS1 PS2 PS3 PS4 TIMEFORMAT
    """
)


def variable_not_set(subject: Subject) -> t.Iterator[Hit]:
    """variable-not-set: a name that the hook does not have, or has only sometimes and may not lack, or that nobody sets."""
    seen: set[str] = set()
    for use in subject.program.uses:
        if use.name in seen or use.operator == "!":
            continue
        # ${name:=word} sets what is missing; it asks for the name all the same.
        if any(a.kind != "default" for a in subject.program.assignments.get(use.name, ())):
            hit = _too_early(subject, use) or _ended(subject, use)
        else:
            hit = _never_here(subject, use) or _sometimes_here(subject, use) or _set_by_nobody(subject, use)
        hit = hit or _cleared(subject, use)
        if hit is not None:
            seen.add(use.name)
            yield hit


def _cleared(subject: Subject, use: Use) -> Hit | None:
    """A name of the hook's or the script's behind a command that starts with an empty environment."""
    cleared, name = use.context.cleared, use.name
    if cleared is None or name in cleared.names or use.operator in HAS_DEFAULT or use.probing or use.asking:
        return None
    # A profile may set what is no job's.
    if name in environment.SESSION_VARIABLES | FOR_COMMANDS or name in _SHELL_OWN:
        return None
    assignments = subject.program.assignments.get(name, [])
    if any(a.context.cleared is not None for a in assignments):
        return None
    if name not in subject.where.variables and not assignments:
        return None
    return hit_at(
        "variable-not-set",
        use,
        f"{cleared.by} starts its program with an empty environment, and {name} is not set there",
        fix=f"Let this shell expand it, in double quotes, or hand it over: sh -c '...' sh \"${name}\".",
    )


def _never_here(subject: Subject, use: Use) -> Hit | None:
    """A name of Slurm's, or of a login session, that this hook or this release does not have."""
    where, version, name = subject.where, subject.slurm_version, use.name
    if not where.absent(name, version):
        return None
    variable = where.variables.get(name)
    ends = use.context.nounset and not use.operator
    if name in environment.SESSION_VARIABLES:
        # sudo, su and runuser set them for the program that they run.
        if use.operator in HAS_DEFAULT or (use.probing and not ends) or use.context.user is not None:
            return None
    elif not is_slurms(name):
        return None
    if use.asking and ends and not _asked_before(subject, use):
        message = f"{name} is not set in {where.name}, and set -u ends the script where it asks for it"
        return hit_at("variable-not-set", use, message)
    if use.asking and variable is None:
        # A script that serves several hooks asks so which one it is in.
        is_elsewhere = name in _SLURM_NAMES or name in environment.SESSION_VARIABLES
        message = (
            f"{name} is never set in {where.name if is_elsewhere else 'any hook'}; what waits for it never happens"
        )
        return hit_at("variable-not-set", use, message, "info" if is_elsewhere else None)
    if use.asking or _asked_before(subject, use):
        return None
    if variable is not None:
        detail = f"since {variable.since}" if variable.since > (version or "") else f"until {variable.until}"
        return hit_at("variable-not-set", use, f"{name} is set in {where.name} only {detail}")
    return hit_at("variable-not-set", use, f"{name} is not set in {where.name}{_near(subject, name)}")


def is_slurms(name: str) -> bool:
    """Whether Slurm uses a name in some hook, or would; another SLURM_ name may be the site's own."""
    return name in _SLURM_NAMES or bool(
        re.match(r"SLURM_(JOB|ARRAY|STEP|TASK|CPUS|GPUS|MEM|NTASKS)_[A-Z]+(_[A-Z]+)?$", name)
    )


def _sometimes_here(subject: Subject, use: Use) -> Hit | None:
    """A name that the hook has only for some jobs, where it may not be missing."""
    where, name = subject.where, use.name
    variable = where.variables.get(name)
    ends = use.context.nounset and not use.operator
    if variable is None or not variable.optional or use.operator in HAS_DEFAULT or (use.probing and not ends):
        return None
    if where.absent(name, subject.slurm_version) or _guarded(subject, name, use):
        return None
    if ends:
        return hit_at(
            "variable-not-set",
            use,
            f"{name} is set only for some {where.occasion}s, and set -u ends the script without it",
        )
    if where.group == "task" and name.startswith("SLURM_") and "_PER_" in name:
        return hit_at("variable-not-set", use, f"{name} is set only when the job asked for it")
    return None


def _set_by_nobody(subject: Subject, use: Use) -> Hit | None:
    """A name that neither the script nor the hook sets: another spelling, or something forgotten."""
    where, program, name = subject.where, subject.program, use.name
    if program.is_library or use.context.user is not None:
        # The caller's environment, a login's: any name may be there.
        return None
    if not (name in where.variables or name in environment.SESSION_VARIABLES) and _is_set_by_text(subject, use):
        message = f"{name} has no value when the text is written; only the text itself sets it"
        fix = f"Write \\${name}, or quote the word behind <<: <<'EOF'."
        return hit_at("variable-not-set", use, message, fix=fix)
    if (where.group == "task" or where.is_init) and not _is_own_name(subject, name):
        return None
    if name in where.variables or name in environment.SESSION_VARIABLES or not _may_be_forgotten(subject, use):
        return None
    hint = _near(subject, name)
    if program.sets_unknown and not (hint and name.startswith("SLURM")):
        return None
    if name in program.declared or name in program.mentioned:
        return None
    message = f"neither the script nor {where.name} sets {name}{hint}"
    if any(_is_only(write.target, name) and write.target.line == use.line for write in program.writes):
        return hit_at("variable-not-set", use, f"{message}; the redirection fails, and the command does not run")
    # A switch such as $DEBUG may be meant for a run by hand, and ${BIN}squeue is a command without BIN too.
    leading = [
        call.words[0]
        for call in program.calls
        if any(piece.kind == "variable" and piece.text == name for piece in call.words[0].pieces[:1])
    ]
    is_switch = bool(leading) or (
        any(test.line == use.line for test in program.tests) and not _is_compared(subject, use)
    )
    is_prefix = any(len(word.pieces) > 1 for word in leading)
    return hit_at("variable-not-set", use, message, "info" if is_prefix or (is_switch and not hint) else None)


def _is_set_by_text(subject: Subject, use: Use) -> bool:
    """Whether a here-document sets a name and reads it, and the shell that writes the text puts nothing in its place."""
    if subject.program.sets_unknown:
        return False
    for body in (r.body for r in subject.program.redirects if r.body is not None):
        before = ""
        for piece in body.pieces:
            if piece.kind == "variable" and piece.text == use.name and body.line + before.count("\n") == use.line:
                # RELEASE=$RELEASE is meant: the line is to have the value that is there now.
                above = before.rpartition("\n")[0]
                return re.search(rf"(?m)^\s*(export\s+|declare\s+(-\S+\s+)?)?{use.name}=", above) is not None
            before += Word((piece,), 0, 0).shown
    return False


def _is_compared(subject: Subject, use: Use) -> bool:
    """Whether [ ] compares a variable as a number, which fails with an empty one."""
    return any(
        not NUMERIC.isdisjoint(call.texts) and any(piece.text == use.name for w in call.words for piece in w.variables)
        for call in subject.program.named("[", "test")
        if call.line == use.line
    )


def _is_own_name(subject: Subject, name: str) -> bool:
    """Whether no environment, of a user or of a unit, is meant: names there are in capitals, as http_proxy is not."""
    is_lower = name == name.lower() and not name.startswith("_") and not name.endswith("_proxy")
    return is_lower or bool(nearest(name, sorted(subject.program.assignments), cutoff=0.88))


def _may_be_forgotten(subject: Subject, use: Use) -> bool:
    """Whether a use takes for granted that its variable is there."""
    if not re.fullmatch(r"[A-Za-z_]\w*", use.name) or use.name in _SHELL_OWN or use.name.startswith("SPANK_"):
        return False
    return not any(
        other.asking or other.operator in HAS_DEFAULT or other.operator == "!"
        for other in subject.program.uses_of(use.name)
    )


def _is_only(word: Word, name: str) -> bool:
    return len(word.pieces) == 1 and word.pieces[0].kind == "variable" and word.pieces[0].text == name


def near(name: str, where: Surroundings, version: str | None, others: t.Iterable[str] = ()) -> str:
    """A hint at the name that was probably meant, of those that the hook or the script sets."""
    known = {known for known, variable in where.variables.items() if variable.known_to(version)}
    # Slurm's names resemble each other: SLURM_JOB_STDOUT is not meant for SLURM_JOB_ACCOUNT.
    return nearest(name, sorted((known | set(others)) - {name}), cutoff=0.88) if len(name) > 3 else ""


def _near(subject: Subject, name: str) -> str:
    return near(name, subject.where, subject.slurm_version, subject.program.assignments)


def _too_early(subject: Subject, use: Use) -> Hit | None:
    """A variable that is read before the script sets it for the first time."""
    values = subject.program.assignments[use.name]
    first = values[0]
    # x=$x reads it within the assignment.
    is_within = (use.line, use.column) >= (first.line, first.column)
    if use.sequence > first.sequence or is_within or use.name in subject.where.variables:
        return None
    if not _is_surely_missing(subject, use):
        return None
    return hit_at("variable-not-set", use, f"{use.name} is read here and set only later, in line {first.line}")


def _ended(subject: Subject, use: Use) -> Hit | None:
    """A variable that is set in a subshell, and read behind its end."""
    inside = [a for a in subject.program.assignments[use.name] if a.line <= use.line and subject.program.in_subshell(a)]
    if not inside or use.name in subject.where.variables or not _is_surely_missing(subject, use):
        return None
    message = f"{use.name} is set in line {inside[-1].line} only, in a subshell, and has no value behind its end"
    return hit_at("variable-not-set", use, f"{message}: ( ), $( ) and each part of a pipeline are subshells")


def _is_surely_missing(subject: Subject, use: Use) -> bool:
    """Whether no assignment of the script's reaches a use, nobody else sets the name, and the use takes it for granted."""
    values = subject.program.assignments[use.name]
    if subject.values.assignments(use.name, use) or any(c.in_text for c in (use.context, *(v.context for v in values))):
        # What runs later may stand before.
        return False
    return subject.where.group != "task" and not subject.program.sets_unknown and _may_be_forgotten(subject, use)


def _asked_before(subject: Subject, use: Use) -> bool:
    return any(other.asking and subject.program.precedes(other, use) for other in subject.program.uses_of(use.name))


def _guarded(subject: Subject, name: str, use: Use) -> bool:
    """Whether something before the use makes sure that the variable is there."""
    return any(
        subject.program.precedes(other, use) and (other.probing or other.operator in (":?", "?", ":=", "="))
        for other in subject.program.uses_of(name)
    )


CHECKS = (variable_not_set,)
