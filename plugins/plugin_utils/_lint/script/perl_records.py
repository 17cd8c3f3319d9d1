# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The rules growing-file and unanchored-match in Perl, as far as a look at the lines tells; perl itself is not started."""

from __future__ import annotations

import re
import typing as t

from ..core.model import Hit
from .checks import growing_files, records
from .environment import Surroundings
from .perl_values import Values, with_values

_APPENDS = re.compile(
    r"""\bopen\b\s*\(?[^,;]{0,80},\s*(?:(['"])\s*>>\s*(?P<name>[^'"\s][^'"]*)\1|(['"])>>[^'"]*\3\s*,\s*(?P<given>[^;)]*))"""
)
_SHORTENS = re.compile(
    r"\b(?:unlink|rename|truncate|copy|move)\b\s*\(?\s*([^;]*)|\bopen\b[^;]{0,120},\s*['\"]<?\+?>?\s*['\"]\s*,\s*([^;)]*)"
)
_MATCH = re.compile(r"=~\s*(?:m?/((?:[^/\\]|\\.)*)/|s/((?:[^/\\]|\\.)*)/)|\bindex\s*\([^,]*,\s*(\$\w+|\"[^\"]*\")\s*\)")


def check(lines: t.Sequence[str], where: Surroundings) -> t.Iterator[Hit]:
    """What such a script appends to, and what it looks for."""
    if where.is_init:
        return
    values = Values.of(lines).texts
    appends, others = [], []
    for number, line in enumerate(lines, 1):
        for found in _APPENDS.finditer(line):
            appends.append((with_values(found["name"] or found["given"], values), number))
        others += [with_values(one or other, values) for one, other in _SHORTENS.findall(line)]
        for found in _MATCH.finditer(line):
            pattern = found[1] or found[2] or found[3] or ""
            loose = records.loose_in(
                with_values(re.sub(r"\\[QE]", "", pattern), values), "text" if found[3] else "regex"
            )
            if loose:
                yield Hit("unanchored-match", number, 1, records.said("the pattern", loose))
    yield from _growing(where, appends, others)


def _growing(
    where: Surroundings, appends: t.Iterable[tuple[str, int]], shortened: t.Collection[str]
) -> t.Iterator[Hit]:
    """The files that are appended to, each once. O(shortened): the files that something else is done to."""
    reported: set[str] = set()
    for path, line in appends:
        if where.group == "task" or path in reported or not growing_files.grows(path):
            continue
        reported.add(path)
        if not any(other.startswith(path) for other in shortened):
            yield Hit("growing-file", line, 1, growing_files.said(where.occasion, path))
