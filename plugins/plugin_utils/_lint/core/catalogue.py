# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""A rule, and the finding that a hit of it becomes."""

from __future__ import annotations

import dataclasses
import typing as t

from .model import Finding, Hit, Severity, Source

#: Where the documentation is: `documentation` in galaxy.yml.
DOCUMENTATION = "https://github.com/nodecycle/slurm/tree/main/docs"


@dataclasses.dataclass(frozen=True)
class Rule:
    """The facts that are the same for every finding of a rule.

    An id is part of the interface: users write it in variables and comments. It never changes and is never used again.
    """

    #: The rule's page below docs/rules.
    PAGE: t.ClassVar[str] = "{id}.md"

    id: str
    why: str
    fix: str
    severity: Severity = "warning"

    @property
    def summary(self) -> str:
        """What is wrong, in a few words."""
        return self.id.replace("-", " ").capitalize() + "."

    @property
    def page(self) -> str:
        """The address of the page that explains it."""
        return f"{DOCUMENTATION}/rules/{self.PAGE.format(id=self.id)}"

    def finding(self, hit: Hit, source: Source, severity: Severity | None = None) -> Finding:
        """A hit with all that is known of it. severity is the rule's in this place, where it differs from its own."""
        written = source.written
        file_line, file_column = written.place(hit.line, hit.column) if written else (0, 0)
        return Finding(
            rule=self.id,
            severity=hit.severity or severity or self.severity,
            hook=source.hook,
            script=source.script,
            origin=source.origin,
            line=hit.line,
            column=hit.column,
            message=hit.message,
            why=self.why,
            fix=hit.fix or self.fix,
            host=source.host,
            page=self.page,
            file=written.file if written else "",
            file_line=file_line,
            file_column=file_column,
        )


_AnyRule = t.TypeVar("_AnyRule", bound=Rule)


def catalogue(*rules: _AnyRule) -> dict[str, _AnyRule]:
    """The rules by their ids."""
    return {rule.id: rule for rule in rules}
