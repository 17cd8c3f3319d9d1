# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The rules: their ids, severities and texts, in one place.

An id is part of the interface: it stands in users' suppression comments. It never changes and is never used again.
Each rule has a page docs/rules/<id>.md.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .model import Severity


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule of the linter."""

    id: str
    #: What is wrong, as a short sentence; stands in for the message of a secret script.
    title: str
    why: str
    fix: str
    severity: Severity = "warning"
    #: Where the severity differs, by group of hooks: init, node, controller, task.
    by_group: t.Mapping[str, Severity] = dataclasses.field(default_factory=dict)

    def severity_in(self, group: str) -> Severity:
        """How bad it is in a group of hooks."""
        return self.by_group.get(group, self.severity)


_DRAINS = "A prolog or epilog that fails drains the node, and a failed prolog also holds the job."

RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule(
            "shebang-missing",
            "The first line does not name an interpreter.",
            "Slurm starts the file with execve(), which fails without #! as the very first two bytes. " + _DRAINS,
            "Make #!/bin/bash (or another interpreter with its full path) the first line.",
            "error",
        ),
        Rule(
            "shebang-interpreter",
            "The interpreter line cannot work.",
            "The kernel takes the interpreter as a path and passes at most one argument to it, spaces included.",
            "Give the full path of the interpreter; set options in the script (set -e), or use env -S.",
            "error",
        ),
        Rule(
            "syntax-error",
            "The script is not valid in its language.",
            "The interpreter stops at the error, in the middle of its work or before it. " + _DRAINS,
            "Correct the place that is named.",
            "error",
        ),
        Rule(
            "text-encoding",
            "The file is not plain UTF-8 text with Unix line ends.",
            "A carriage return becomes part of the interpreter's name and of every command; a byte order mark hides the #!; "
            "Slurm's configless transport cuts a file at its first NUL byte.",
            "Save the file as UTF-8 without a byte order mark, with line feeds only.",
            "error",
        ),
        Rule(
            "script-empty",
            "The script does nothing.",
            "An empty file cannot be executed; one with comments alone costs a process at every job.",
            "Remove the entry, or put the commands in.",
            "error",
        ),
        Rule(
            "script-size",
            "The script is too large to be a script.",
            "Scripts are sent to every node and read at every job; a text of this size is usually an archive or data in the wrong place.",
            "Install the data as a file of its own and let the script read it.",
            "error",
        ),
        Rule(
            "unknown-language",
            "The linter does not know this language.",
            "Only the encoding and the interpreter line were checked.",
            "Nothing to do; test the script by itself.",
            "info",
        ),
        Rule(
            "slurm-command",
            "A Slurm command runs in a job hook.",
            "Prolog and epilog hold up the job while slurmctld answers, and slurmctld may be waiting for them: at a job's "
            "start on a thousand nodes this is a thousand requests at once. When the controller is busy or away, the script hangs or fails.",
            "Use the SLURM_JOB_* variables of the hook. Leave draining to the exit code or to HealthCheckProgram.",
            "warning",
            {"node": "error"},
        ),
        Rule(
            "command-search-path",
            "A command is found only through PATH.",
            "Slurm starts these hooks without PATH; each shell then has its own idea of where to look. The dispatcher of this "
            "collection sets PATH, the script run by hand or by Slurm alone would miss the command.",
            "Write the full path of the command, or set PATH at the top of the script.",
        ),
        Rule(
            "variable-not-set",
            "A variable is read that this hook does not have.",
            "Slurm sets another list of variables in each hook and release; the name expands to nothing here, or ends the script under set -u.",
            "Use a variable that this hook has; docs/rules/variable-not-set.md lists them by hook and release.",
        ),
        Rule(
            "init-without-errexit",
            "An init script goes on after a failure.",
            "Without set -e (or a check after each command) a host counts as ready although a part of its preparation failed.",
            "Put set -euo pipefail at the top, or test what each command returns.",
            "info",
        ),
        Rule(
            "accidental-exit-code",
            "The exit code is whatever the last command happens to return.",
            "The hook's status is the last command's. "
            + _DRAINS
            + " A failed controller prolog sends the job back to the queue.",
            "Decide on purpose: end with exit 0, or handle the failure (command || true, if command; then ...).",
        ),
        Rule(
            "exit-code-masked",
            "A failure is looked for where it can no longer be seen.",
            "local x=$(...), a pipeline or an echo in between have a status of their own, so the test sees success.",
            "Test the command itself: if ! x=$(command); then ...; set -o pipefail for pipelines.",
        ),
        Rule(
            "kill-user-processes",
            "All processes of a user are killed.",
            "The user may have other jobs on the same node, and login sessions; they die too.",
            "Let Slurm clean up (ProctrackType=proctrack/cgroup, pam_slurm_adopt), or first make sure that this was the user's last job here.",
            "error",
        ),
        Rule(
            "kill-unscoped",
            "Processes are killed without asking whose they are.",
            "The pattern or list also meets the processes of other jobs and of the system.",
            "Restrict it to the job: its cgroup, its session, or a list from a tool that knows the job.",
        ),
        Rule(
            "unsafe-delete",
            "A deletion can hit more than it should.",
            "With an empty variable the path shrinks to its parent directory, and a pattern also meets the files of other jobs.",
            'Make an empty variable fatal (rm -rf -- "/scratch/${SLURM_JOB_ID:?}") and keep patterns apart from ids.',
        ),
        Rule(
            "unquoted-user-text",
            "Text that a user (or a command) decides is split into words.",
            "Spaces make several arguments of it and * becomes file names; in a script of root's that is a way in, in [ ] it is an error.",
            'Put it in double quotes: "$name".',
        ),
        Rule(
            "eval-text",
            "A string is built and then run as a program.",
            "What gets into the string is executed, also a job name or a path with ; or $( ) in it.",
            'Keep the command in an array and run it: command=(a b); "${command[@]}".',
        ),
        Rule(
            "download-and-run",
            "Something from the network is executed unread.",
            "Who controls the server, the branch or the way to it, controls the host; and without network the host fails.",
            "Ship the program with the host's image or with this collection; at the least compare a checksum.",
        ),
        Rule(
            "predictable-temp-file",
            "A predictable name in a directory that everybody may write to.",
            "A user can put a link or a file of that name there first, and a privileged script then writes where the user wants.",
            "Use mktemp, or a directory that only root may write to, such as /run or /var/lib.",
            "warning",
            {"task": "info"},
        ),
        Rule(
            "world-writable",
            "Something is made writable for everybody.",
            "Every user can then change it, also what other users or root will read or run.",
            "Give it to its owner: chown, and chmod 0700 or 0750.",
        ),
        Rule(
            "unbounded-wait",
            "A wait without an end.",
            "While the script waits the job does not start (or the node is not free); without PrologEpilogTimeout for ever, "
            "with it the node is drained.",
            "Give it a bound well below the hook's timeout: timeout 10 command, curl --max-time 10, a counter in the loop.",
        ),
        Rule(
            "wait-exceeds-timeout",
            "A wait is longer than the script is allowed to run.",
            "The script is killed before its own bound is reached, and a killed script counts as failed.",
            "Shorten the wait, or give the script a longer timeout (and PrologEpilogTimeout with it).",
        ),
        Rule(
            "package-install",
            "Packages are installed while a job waits.",
            "It takes long, locks the package database, depends on a mirror, and differs from node to node.",
            "Install packages in the image or in an init hook.",
            "warning",
            {"init": "info"},
        ),
        Rule(
            "secret-in-clear",
            "A secret stands in the script.",
            "The text is copied to every host and into logs of the change; the task hooks must even be readable by every user.",
            "Keep the secret in a file that only root may read, or in Ansible Vault, and read it when it is needed.",
        ),
        Rule(
            "stdout-noise",
            "Output that nobody gets, or that is taken for something else.",
            "Of a task prolog's output only export, unset and print lines count; of the other hooks' output Slurm keeps a failure's only.",
            'Use logger, or >&2; in a task prolog write echo "print text".',
            "info",
        ),
        Rule(
            "task-protocol",
            "The export/unset/print protocol is used where it means nothing.",
            "Only a task prolog's stdout is read, and only lines that start with export, unset or print; other lines are dropped, not executed.",
            "Do it in a task prolog, and with one of the three words.",
        ),
        Rule(
            "bashism",
            "A feature of bash in a script for sh.",
            "On Debian and Ubuntu /bin/sh is dash, which stops at it or understands it differently.",
            "Make the first line #!/bin/bash, or write it in POSIX form.",
            "error",
        ),
        Rule(
            "shellcheck",
            "ShellCheck found something.",
            "See the page of the number that is named, https://www.shellcheck.net/wiki/.",
            "As ShellCheck says; or silence it where it stands with its own comment.",
            "info",
        ),
        Rule(
            "suppression",
            "A suppression comment that does not count.",
            "It must name rules that exist and say why; the finding that it was meant for is reported.",
            "Write: # nodecycle: disable=rule-id the reason.",
            "warning",
        ),
    )
}
