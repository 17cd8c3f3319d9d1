# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""What the releases of Slurm do differently, 22.05 to 26.05, as far as this collection has to act on it.

The same table, for people, is in docs/guide/operations.md. What slurm.conf may say in which release is in the linter's tables.
"""

from __future__ import annotations

import re
import typing as t

#: Year, month and, where it is known, the number of the correction.
Release = t.Tuple[int, ...]


class Difference(t.NamedTuple):
    """What some releases do."""

    #: The first release that does it, and the first that no longer does.
    since: Release
    until: Release = ()

    def holds(self, release: Release) -> bool:
        """Whether this release does it."""
        return self.since <= release and (not self.until or release < self.until)


#: All lines of Prolog, Epilog, PrologSlurmctld and EpilogSlurmctld count; before, the last line of a key (slurm.conf.5).
HOOKS_ADD_UP = Difference((24, 5))

#: A Prolog with a bare name is a file that slurmctld sends to the nodes of a configless cluster (slurm.conf.5 of 23.11; seen on 24.11.5).
SENDS_PROLOG = Difference((23, 11))

#: At a reconfigure slurmctld replaces itself by a new process, which reads nearly all keys anew (slurm.conf.5 of 23.11). Before, many keys
#: wait for a restart, the first PrologSlurmctld among them, and some end slurmctld (22.05.8).
RECONFIGURE_RENEWS = Difference((23, 11))

#: At a reconfigure slurmctld waits for each connection that it has accepted, and accepts no other (C(_connections.py)).
RECONFIGURE_WAITS = Difference((24, 11))

#: A slurmctld that has read slurm.conf without slurmdbd waits for itself when slurmdbd is back, if a partition chooses by QOS, and ends.
WAITS_FOR_DATABASE = Difference((23, 11), (24, 11, 6))


def parse(text: str) -> Release | None:
    """The release in a text as Slurm writes it (C(slurm 24.11.5), C(24.11.5-1), C(24.11)); None where there is none."""
    match = re.search(r"\b(\d{2})\.(\d{2})(?:\.(\d+))?", text)
    return tuple(int(number) for number in match.groups() if number is not None) if match else None
