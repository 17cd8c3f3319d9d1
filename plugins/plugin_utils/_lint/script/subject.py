# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The input of a check of a shell script."""

from __future__ import annotations

import dataclasses
import functools

from .environment import Surroundings
from .program import Point, Program
from .status import Statuses
from .values import Values


@dataclasses.dataclass(frozen=True)
class Subject:
    """A shell script in the hook that it serves."""

    program: Program
    where: Surroundings
    slurm_version: str | None
    #: PATH at the start of the script; None when there is none.
    path: str | None
    #: Seconds after which the script is ended; None when nothing ends it.
    timeout: int | None
    #: What the words of the script can be.
    values: Values
    #: Whether some call of a function decides: each exit in it asks again.
    _called: dict[str, bool] = dataclasses.field(default_factory=dict, init=False, repr=False, compare=False)

    def decides(self, at: Point) -> bool:
        """Whether somebody learns of the code of an exit at a point: no subshell keeps it to itself, no trap changes it."""
        if at.context.on_exit == 0 and not at.context.shells:
            return False
        return all(map(self.is_heard, at.context.shells)) and self._some_call_decides(at.context.function or "")

    def _some_call_decides(self, function: str) -> bool:
        if function not in self._called:
            # For a call of itself. A yes makes everything on the way to it a yes, so no answer rests on a wrong guess.
            self._called[function] = True
            sites = self.program.called.get(function, ())
            self._called[function] = not sites or any(map(self.decides, sites))
        return self._called[function]

    def is_heard(self, number: int) -> bool:
        """Whether somebody looks at the status of a subshell."""
        subshell = self.program.subshells[number]
        if subshell.kind == "text" or not subshell.is_last:
            return subshell.kind == "text"
        if subshell.kind == "&":
            return bool(self.program.named("wait"))
        ends_script = subshell.context.errexit and not subshell.context.tested
        if subshell.kind == "$( )":
            ends_script = ends_script and id(subshell.node) in self.statuses.assigned
        return ends_script or id(subshell.node) in self.statuses.heard

    @functools.cached_property
    def statuses(self) -> Statuses:
        """The ways of statuses through it."""
        return Statuses(self.program.statements, self.program.functions)
