# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The variables that Python and Perl scripts ask the hook for: the rule variable-not-set, for os.environ and %ENV."""

from __future__ import annotations

import dataclasses
import typing as t

from ..core.model import Hit, hit_at
from . import environment
from .checks.variables import is_slurms, near
from .environment import Surroundings


@dataclasses.dataclass(frozen=True)
class Read:
    """A script reads a variable of its environment."""

    name: str
    line: int
    column: int
    #: Without it the script ends: os.environ["X"].
    is_required: bool
    has_default: bool


def check(reads: t.Iterable[Read], where: Surroundings, version: str | None) -> t.Iterator[Hit]:
    """The variables that a hook does not have, or not for each job."""
    if where.is_init or where.group == "task":
        return
    seen: set[str] = set()
    for read in reads:
        said = _wrong(read, where, version) if read.name not in seen else ""
        if said:
            seen.add(read.name)
            yield hit_at("variable-not-set", read, said)


def _wrong(read: Read, where: Surroundings, version: str | None) -> str:
    name, variable = read.name, where.variables.get(read.name)
    ends = ", and KeyError ends the script" if read.is_required else ""
    if name in environment.SESSION_VARIABLES:
        return "" if read.has_default else f"{name} is not set in {where.name}{ends}"
    if where.absent(name, version) and is_slurms(name):
        if variable is not None:
            detail = f"since {variable.since}" if variable.since > (version or "") else f"until {variable.until}"
            return f"{name} is set in {where.name} only {detail}"
        return f"{name} is not set in {where.name}{near(name, where, version)}{ends}"
    if not read.is_required or name in _ALWAYS:
        return ""
    if variable is None:
        return f"{where.name} does not set {name}{near(name, where, version)}{ends}"
    return f"{name} is set only for some {where.occasion}s{ends}" if variable.optional else ""


#: What the shell that starts the script hands on.
_ALWAYS = frozenset({"PATH", "PWD", "OLDPWD", "SHLVL", "_"})
