# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The input of a check of a shell script."""

from __future__ import annotations

import dataclasses
import functools

from .environment import Surroundings
from .program import Program
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

    @functools.cached_property
    def statuses(self) -> Statuses:
        """The ways of statuses through it."""
        return Statuses(self.program.statements, self.program.functions)
