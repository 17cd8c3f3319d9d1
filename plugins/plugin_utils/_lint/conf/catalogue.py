# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The rules for lines of slurm.conf: what each means to a cluster and what to do. docs/rules/conf.md shows them with examples."""

from __future__ import annotations

import dataclasses
import typing as t

from ..core.catalogue import Rule, catalogue


@dataclasses.dataclass(frozen=True)
class ConfRule(Rule):
    """One rule of the linter of slurm.conf."""

    #: One page has them all.
    PAGE: t.ClassVar[str] = "conf.md#{id}"


#: An error is what Slurm refuses (or what this collection must not do); a warning is what it takes and what goes wrong.
RULES: dict[str, ConfRule] = catalogue(
    ConfRule(
        "syntax-error",
        why="Slurm reads one key and one value a line. On anything else every Slurm command on every host that reads the file ends with"
        " `fatal: Unable to process configuration file`.",
        fix="write Key=value, with double quotes around a value that holds blanks",
        severity="error",
    ),
    ConfRule(
        "unknown-key",
        why="An unknown key stops every Slurm command on every host that reads the file, at once.",
        fix="correct the key, or take the line out",
        severity="error",
    ),
    ConfRule(
        "removed-key",
        why="A key that Slurm knew once is an unknown key now, and stops every Slurm command; or the daemons end at it.",
        fix="take the line out",
        severity="error",
    ),
    ConfRule(
        "not-yet-key",
        why="For the Slurm of the cluster this key is an unknown one: every Slurm command would end at it.",
        fix="take the line out until the cluster is upgraded",
        severity="error",
    ),
    ConfRule(
        "defunct-key",
        why="Slurm takes the key, complains of it in the logs and does nothing; a later release refuses it.",
        fix="take the line out",
        severity="warning",
    ),
    ConfRule(
        "obsolete-key",
        why="Slurm ignores the key, and complains of it in slurmctld's log.",
        fix="take the line out",
        severity="warning",
    ),
    ConfRule(
        "deprecated-key",
        why="The key has got another name. Slurm still takes the old one.",
        fix="write the new name",
        severity="info",
    ),
    ConfRule(
        "duplicate-key",
        why="Of a key that stands twice Slurm takes the last line, and only the daemons' logs say so.",
        fix="leave one line; a list such as SchedulerParameters must be written as one",
        severity="warning",
    ),
    ConfRule(
        "duplicate-node",
        why="slurmctld ends at a node or partition that is defined twice, and Slurm's commands do not notice it.",
        fix="define it once",
        severity="error",
    ),
    ConfRule(
        "invalid-value",
        why="Slurm's commands and daemons end at a value that is none; where Slurm takes it, the line does not do what it says.",
        fix="correct the value",
        severity="error",
    ),
    ConfRule(
        "unexpanded-variable",
        why="Slurm expands no shell variables: the text with its $ is the value.",
        fix="write the value itself, or use Ansible's {{ }} in the variable",
        severity="warning",
    ),
    ConfRule(
        "removed-plugin",
        why="slurmctld or slurmd ends when it cannot load a plugin that it is told to load. Slurm's commands do not notice it.",
        fix="name a plugin that this release has",
        severity="error",
    ),
    ConfRule(
        "unknown-plugin",
        why="Slurm comes with no plugin of this name. Unless you built it yourself, the daemon that needs it ends.",
        fix="correct the name",
        severity="warning",
    ),
    ConfRule(
        "fatal-combination",
        why="Each line is right, and Slurm ends (or drops one of them) because of both.",
        fix="decide for one",
        severity="error",
    ),
    ConfRule(
        "node-topology",
        why="slurmd reports other numbers than slurm.conf has, or slurmctld replaces CPUs by the product of the others.",
        fix="leave CPUs out, or make it Sockets*CoresPerSocket*ThreadsPerCore",
        severity="warning",
    ),
    ConfRule(
        "undefined-node",
        why="slurmctld ends at a partition that names a node which no NodeName line defines. Slurm's commands do not notice it.",
        fix="correct the name, or define the node first",
        severity="error",
    ),
    ConfRule(
        "undefined-partition",
        why="The line names a partition that does not exist, and has no effect for it.",
        fix="correct the name",
        severity="warning",
    ),
    ConfRule(
        "restart-key",
        why="`scontrol reconfigure` does not apply this key: it waits for a restart of the daemons.",
        fix="plan a restart, or leave the key for the next one",
        severity="warning",
    ),
    ConfRule(
        "dangerous-key",
        why="A change of this key on a running cluster loses jobs, nodes or the controller, unless more is done than to place a file.",
        fix="change it in a maintenance window, by hand and with the daemons stopped",
        severity="warning",
    ),
    ConfRule(
        "insecure-path",
        why="Every user can make files in this directory, and so replace or read what Slurm keeps there.",
        fix="use a directory of root's or SlurmUser's, such as /var/spool/slurmd or /var/lib/slurm",
        severity="warning",
    ),
    ConfRule(
        "insecure-setting",
        why="Slurm's own manual advises against it.",
        fix="use a user of its own for slurmctld, and auth/munge or auth/slurm",
        severity="info",
    ),
    ConfRule(
        "relative-path",
        why="Slurm wants a path from / here; a relative one depends on where the daemon was started, or does not run at all.",
        fix="write the whole path",
        severity="warning",
    ),
    ConfRule(
        "secret-in-conf",
        why="slurm.conf must be readable by every user of the cluster, and Ansible shows what it changes.",
        fix="keep the password where only the daemon reads it (slurmdbd.conf, a munge socket, a script)",
        severity="warning",
    ),
    ConfRule(
        "include-line",
        why="This collection checks, places and undoes its own file only. A missing included file stops every Slurm command for a minute and fails it.",
        fix="write the lines here instead of the Include",
        severity="warning",
    ),
)
