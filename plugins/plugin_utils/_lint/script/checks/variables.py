# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""Variables that a hook has, has sometimes, or never has."""

from __future__ import annotations

import re
import typing as t

from ...core.model import Hit, hit_at
from .. import environment
from ..program import Use
from ..subject import Subject
from .vocabulary import HAS_DEFAULT

#: Every name that Slurm uses in some hook; another SLURM_ name may be the site's own.
_SLURM_NAMES = frozenset(name for table in environment.VARIABLES.values() for name in table)


def variable_not_set(subject: Subject) -> t.Iterator[Hit]:
    """variable-not-set: a name of Slurm's that the hook does not have, or has only sometimes and may not lack."""
    where, version = subject.where, subject.slurm_version
    if not where.is_job:
        return
    program = subject.program
    seen: set[str] = set()
    for use in program.uses:
        name = use.name
        if name in seen or program.assignments.get(name) or use.operator in ("!", "+", ":+"):
            continue
        variable = where.variables.get(name)
        if where.absent(name, version):
            session = name in environment.SESSION_VARIABLES
            if session and (use.operator in HAS_DEFAULT or use.probing):
                continue
            if not session and name not in _SLURM_NAMES and not _like_slurm(name):
                # A name of the site's own, such as an optional SLURM_BIN.
                continue
            if any(other.operator in ("+", ":+") and other.sequence < use.sequence for other in program.uses_of(name)):
                # ${x+set} asks whether it is there at all.
                continue
            seen.add(name)
            if variable is not None:
                detail = f"since {variable.since}" if variable.since > (version or "") else f"until {variable.until}"
                yield hit_at("variable-not-set", use, f"{name} is set in {where.name} only {detail}")
            else:
                yield hit_at("variable-not-set", use, f"{name} is not set in {where.name}")
        elif (
            variable is not None
            and variable.optional
            and not use.probing
            and use.operator not in HAS_DEFAULT
            and not _guarded(subject, name, use)
        ):
            if use.context.nounset:
                seen.add(name)
                yield hit_at(
                    "variable-not-set",
                    use,
                    f"{name} is set only for some jobs, and set -u ends the script without it",
                )
            elif where.group == "task" and name.startswith("SLURM_") and "_PER_" in name:
                seen.add(name)
                yield hit_at("variable-not-set", use, f"{name} is set only when the job asked for it")


def _like_slurm(name: str) -> bool:
    return bool(re.match(r"SLURM_(JOB|ARRAY|STEP|TASK|CPUS|GPUS|MEM|NTASKS)_[A-Z]+(_[A-Z]+)?$", name))


def _guarded(subject: Subject, name: str, use: Use) -> bool:
    """Whether something before the use makes sure that the variable is there."""
    return any(
        other.sequence < use.sequence and (other.probing or other.operator in (":?", "?", ":=", "="))
        for other in subject.program.uses_of(name)
    )


CHECKS = (variable_not_set,)
