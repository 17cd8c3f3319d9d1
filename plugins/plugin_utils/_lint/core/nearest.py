# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The known word that somebody probably meant."""

from __future__ import annotations

import difflib
import typing as t


def nearest(word: str, known: t.Mapping[str, str] | t.Iterable[str], cutoff: float = 0.75) -> str:
    """A hint at the known word that was probably meant, or nothing. Keys of a mapping are compared, its values shown."""
    names = known if isinstance(known, t.Mapping) else {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), list(names), n=1, cutoff=cutoff)
    return f"; did you mean {names[close[0]]}?" if close else ""
