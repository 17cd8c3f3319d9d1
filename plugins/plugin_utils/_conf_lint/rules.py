# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The rules: what each means to a cluster and what to do. docs/rules/conf.md shows them with examples."""

from __future__ import annotations

import dataclasses

from .model import Severity


@dataclasses.dataclass(frozen=True)
class Rule:
    """What is the same for every finding of a rule."""

    id: str
    severity: Severity
    why: str
    fix: str


def _table(*rules: Rule) -> dict[str, Rule]:
    return {rule.id: rule for rule in rules}


#: An error is what Slurm refuses (or what this collection must not do); a warning is what it takes and what goes wrong.
RULES = _table(
    Rule(
        "syntax-error",
        "error",
        "Slurm reads one key and one value a line. On anything else every Slurm command on every host that reads the file ends with"
        " `fatal: Unable to process configuration file`.",
        "write Key=value, with double quotes around a value that holds blanks",
    ),
    Rule(
        "unknown-key",
        "error",
        "An unknown key takes away every Slurm command on every host that reads the file, at once.",
        "correct the key, or take the line out",
    ),
    Rule(
        "removed-key",
        "error",
        "A key that Slurm knew once is an unknown key now, and takes away every Slurm command; or the daemons end at it.",
        "take the line out",
    ),
    Rule(
        "not-yet-key",
        "error",
        "For the Slurm of the cluster this key is an unknown one: every Slurm command would end at it.",
        "take the line out until the cluster is upgraded",
    ),
    Rule(
        "defunct-key",
        "warning",
        "Slurm takes the key, complains of it in the logs and does nothing; a later release refuses it.",
        "take the line out",
    ),
    Rule(
        "obsolete-key",
        "warning",
        "Slurm ignores the key, and complains of it in slurmctld's log.",
        "take the line out",
    ),
    Rule(
        "deprecated-key",
        "info",
        "The key has got another name. Slurm still takes the old one.",
        "write the new name",
    ),
    Rule(
        "duplicate-key",
        "warning",
        "Of a key that stands twice Slurm takes the last line, and only the daemons' logs say so.",
        "leave one line; a list such as SchedulerParameters must be written as one",
    ),
    Rule(
        "duplicate-node",
        "error",
        "slurmctld ends at a node or partition that is defined twice, and Slurm's commands do not notice it.",
        "define it once",
    ),
    Rule(
        "managed-key",
        "error",
        "This collection sets the key itself. A second line replaces it, and the cluster runs other scripts than the ones that were proven.",
        "use the variable of the hook; take the line out",
    ),
    Rule(
        "invalid-value",
        "error",
        "Slurm's commands and daemons end at a value that is none; where Slurm takes it, the line does not do what it says.",
        "correct the value",
    ),
    Rule(
        "unexpanded-variable",
        "warning",
        "Slurm expands no shell variables: the text with its $ is the value.",
        "write the value itself, or use Ansible's {{ }} in the variable",
    ),
    Rule(
        "removed-plugin",
        "error",
        "slurmctld or slurmd ends when it cannot load a plugin that it is told to load. Slurm's commands do not notice it.",
        "name a plugin that this release has",
    ),
    Rule(
        "unknown-plugin",
        "warning",
        "Slurm comes with no plugin of this name. Unless you built it yourself, the daemon that needs it ends.",
        "correct the name",
    ),
    Rule(
        "fatal-combination",
        "error",
        "Each line is right, and Slurm ends (or drops one of them) because of both.",
        "decide for one",
    ),
    Rule(
        "node-topology",
        "warning",
        "slurmd reports other numbers than slurm.conf has, or slurmctld replaces CPUs by the product of the others.",
        "leave CPUs out, or make it Sockets*CoresPerSocket*ThreadsPerCore",
    ),
    Rule(
        "undefined-node",
        "error",
        "slurmctld ends at a partition that names a node which no NodeName line defines. Slurm's commands do not notice it.",
        "correct the name, or define the node first",
    ),
    Rule(
        "undefined-partition",
        "warning",
        "The line names a partition that does not exist, and has no effect for it.",
        "correct the name",
    ),
    Rule(
        "restart-key",
        "warning",
        "`scontrol reconfigure` does not apply this key: it waits for a restart of the daemons.",
        "plan a restart, or leave the key for the next one",
    ),
    Rule(
        "dangerous-key",
        "warning",
        "A change of this key on a running cluster loses jobs, nodes or the controller, unless more is done than to place a file.",
        "change it in a maintenance window, by hand and with the daemons stopped",
    ),
    Rule(
        "insecure-path",
        "warning",
        "Every user can make files in this directory, and so replace or read what Slurm keeps there.",
        "use a directory of root's or SlurmUser's, such as /var/spool/slurmd or /var/lib/slurm",
    ),
    Rule(
        "insecure-setting",
        "info",
        "Slurm's own manual advises against it.",
        "use a user of its own for slurmctld, and auth/munge or auth/slurm",
    ),
    Rule(
        "relative-path",
        "warning",
        "Slurm wants a path from / here; a relative one depends on where the daemon was started, or does not run at all.",
        "write the whole path",
    ),
    Rule(
        "secret-in-conf",
        "warning",
        "slurm.conf must be readable by every user of the cluster, and Ansible shows what it changes.",
        "keep the password where only the daemon reads it (slurmdbd.conf, a munge socket, a script)",
    ),
    Rule(
        "include-line",
        "warning",
        "This collection checks, places and undoes its own file only. A missing included file stops every Slurm command for a minute and fails it.",
        "write the lines here instead of the Include",
    ),
)
