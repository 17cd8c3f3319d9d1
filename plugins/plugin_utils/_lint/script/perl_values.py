# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The variables of a Perl script, as a shell would have to write them, as far as a look at its lines tells."""

from __future__ import annotations

import dataclasses
import re
import typing as t

_VALUE = re.compile(r"""\$(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)'|(\$ENV\{\s*['"]?\w+['"]?\s*\}))""")
_ENVIRONMENT = re.compile(r"\$ENV\{\s*['\"]?(\w+)['\"]?\s*\}")
_NAME = r"(?:\$ENV\{\s*['\"]?(\w+)['\"]?\s*\}|\$(\w+))"

# No pattern looks far: a line may be very long.

#: A test of a variable, or a way out without it. What it stands in is not looked at: a script that asks has thought of it.
_ASKS = re.compile(
    rf"(?:\b(?:defined|length|exists)\b|\b(?:if|unless)\s*\(?\s*!?|!)\s*\(?\s*{_NAME}"
    rf"|{_NAME}\s*(?:=~|!~|\beq\b|\bne\b|\bor\b|\|\|\s*(?:die|exit))"
    rf"|\$(\w+)\s*=\s*\$ENV\{{[^}}]{{0,80}}\}}\s*(?:or|//|\|\|)\s*(?:die|exit)"
)

#: What a variable, or what a handle reads, comes from: a command in backticks, or an open of a pipe.
_READS = re.compile(r"[@$](\w+)\s*\)?\s*=[^;]{0,200}?(?:`([^`]*)`|\bqx\s*[{(\[/|!]([^})\]/|!]*))")
_OPENS = re.compile(
    r"\bopen\b\s*\(?\s*(?:my\s+)?\$?(\w+)\s*,\s*(?:[\"']-\|[\"']\s*,\s*\"([^\"]{0,500})\"|\"([^\"|]{1,500})\|\s*\")"
)
#: for my $x (@list), while (my $x = <$handle>), my ($x) = @list.
_TAKES = re.compile(
    r"\bfor(?:each)?\s+(?:my\s+)?\$(\w+)\s*\(\s*@(\w+)\s*\)"
    r"|\$(\w+)\s*=\s*<\s*\$?(\w+)\s*>"
    r"|[@$](\w+)\s*\)?\s*=\s*(?:\w+\s+[^;@]{0,100})?@(\w+)"
)


@dataclasses.dataclass(frozen=True)
class Values:
    """What is known of the variables of a script."""

    #: The text of a variable, with V(${NAME}) for one of the environment.
    texts: t.Mapping[str, str]
    #: Variables that the script asks for, of its own and of the environment.
    asked: frozenset[str]
    #: The command whose output a variable has.
    commands: t.Mapping[str, str]

    @classmethod
    def of(cls, code: t.Sequence[str]) -> Values:
        """The values in the lines of a script."""
        texts: dict[str, str] = {}
        commands: dict[str, str] = {}
        asked: set[str] = set()
        for line in code:
            for name, double, single, variable in _VALUE.findall(line):
                texts.setdefault(name, with_values(double or single or variable, texts))
            asked.update(name for names in _ASKS.findall(line) for name in names if name)
            for name, *found in (*_READS.findall(line), *_OPENS.findall(line)):
                commands.setdefault(name, "".join(found))
            for names in _TAKES.findall(line):
                taken, source = [name for name in names if name]
                if source in commands:
                    commands.setdefault(taken, commands[source])
        return cls(texts, frozenset(asked), commands)

    def in_shell(self, text: str) -> str:
        """A text with the values of its variables; V(${NAME:?}) for one that the script has asked for."""

        def value(found: re.Match[str]) -> str:
            return self.texts.get(found[2], "${" + found[2] + "}") if found[2] else "${" + found[1] + "}"

        whole = re.sub(_NAME + r"(?!\w)", value, text)
        # A variable that has the value of another one is asked for in its place.
        sure = self.asked | {self.texts.get(name, "")[2:-1] for name in self.asked}
        return re.sub(r"\$\{(\w+)\}", lambda found: found[0][:-1] + (":?}" if found[1] in sure else "}"), whole)


def with_values(given: str, values: t.Mapping[str, str]) -> str:
    """A text with V(${NAME}) for a variable of the environment, as far as it is known."""
    text = _ENVIRONMENT.sub(r"${\1}", given.strip().strip("'\""))
    return re.sub(r"\$(\w+)", lambda found: values.get(found[1], found[0]), text)
