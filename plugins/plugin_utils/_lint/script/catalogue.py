# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The rules for scripts: their ids, severities and texts, in one place. Each has a page docs/rules/<id>.md."""

from __future__ import annotations

import dataclasses
import typing as t

from ..core.catalogue import Rule, catalogue
from ..core.model import Severity


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScriptRule(Rule):
    """One rule of the linter of scripts."""

    #: What is wrong, as a short sentence; stands in for the message of a secret script.
    title: str
    #: Where the severity differs, by group of hooks: init, health, node, controller, task.
    by_group: t.Mapping[str, Severity] = dataclasses.field(default_factory=dict)

    @property
    def summary(self) -> str:
        """See Rule."""
        return self.title

    def severity_in(self, group: str) -> Severity:
        """How bad it is in a group of hooks."""
        return self.by_group.get(group, self.severity)


_DRAINS = "A prolog or epilog that fails drains the node, and a failed prolog also holds the job."

RULES: dict[str, ScriptRule] = catalogue(
    ScriptRule(
        "shebang-missing",
        title="The first line does not name an interpreter.",
        why="Slurm starts the file with execve(), which fails without #! as the very first two bytes. " + _DRAINS,
        fix="Make #!/bin/bash (or another interpreter with its full path) the first line.",
        severity="error",
    ),
    ScriptRule(
        "shebang-interpreter",
        title="The interpreter line cannot work.",
        why="The kernel takes the interpreter as a path and passes at most one argument to it, spaces included.",
        fix="Give the full path of the interpreter; set options in the script (set -e), or use env -S.",
        severity="error",
    ),
    ScriptRule(
        "syntax-error",
        title="The script is not valid in its language.",
        why="The interpreter stops at the error, in the middle of its work or before it. " + _DRAINS,
        fix="Correct the place that is named.",
        severity="error",
    ),
    ScriptRule(
        "text-encoding",
        title="The file is not plain UTF-8 text with Unix line ends.",
        why="A carriage return becomes part of the interpreter's name and of every command; a byte order mark hides the #!; "
        "Slurm's configless transport cuts a file at its first NUL byte.",
        fix="Save the file as UTF-8 without a byte order mark, with line feeds only.",
        severity="error",
    ),
    ScriptRule(
        "script-empty",
        title="The script does nothing.",
        why="An empty file cannot be executed; one with comments alone costs a process at every job.",
        fix="Remove the entry, or put the commands in.",
        severity="error",
    ),
    ScriptRule(
        "script-size",
        title="The script is too large to be a script.",
        why="Scripts are sent to every node and read at every job; a text of this size is usually an archive or data in the wrong place.",
        fix="Install the data as a file of its own and let the script read it.",
        severity="warning",
    ),
    ScriptRule(
        "unknown-language",
        title="The linter does not know this language.",
        why="Only the encoding and the interpreter line were checked.",
        fix="Nothing to do; test the script by itself.",
        severity="info",
    ),
    ScriptRule(
        "slurm-command",
        title="A Slurm command runs in a job hook.",
        why="Prolog and epilog hold up the job while slurmctld answers, and slurmctld may be waiting for them: at a job's "
        "start on a thousand nodes this is a thousand requests at once. When the controller is busy or away, the script hangs or fails.",
        fix="Use the SLURM_JOB_* variables of the hook. Leave draining to the exit code or to HealthCheckProgram.",
        severity="warning",
        by_group={"node": "error", "health": "info"},
    ),
    ScriptRule(
        "command-search-path",
        title="A command is found only through PATH.",
        why="Slurm starts these hooks without PATH; each shell then has its own idea of where to look. The dispatcher of this "
        "collection sets PATH, the script run by hand or by Slurm alone would miss the command.",
        fix="Write the full path of the command, or set PATH at the top of the script.",
    ),
    ScriptRule(
        "variable-not-set",
        title="A variable is read that this hook does not have.",
        why="Slurm sets another list of variables in each hook and release; the name expands to nothing here, or ends the script under set -u.",
        fix="Use a variable that this hook has; docs/rules/variable-not-set.md lists them by hook and release.",
    ),
    ScriptRule(
        "init-without-errexit",
        title="An init script goes on after a failure.",
        why="Without set -e (or a check after each command) a host counts as ready although a part of its preparation failed.",
        fix="Put set -euo pipefail at the top, or test what each command returns.",
        severity="info",
    ),
    ScriptRule(
        "accidental-exit-code",
        title="The exit code is whatever the last command happens to return.",
        why="The hook's status is the last command's. "
        + _DRAINS
        + " A failed controller prolog sends the job back to the queue.",
        fix="Decide on purpose: end with exit 0, or handle the failure (command || true, if command; then ...).",
    ),
    ScriptRule(
        "exit-code-masked",
        title="A failure is looked for where it can no longer be seen.",
        why="local x=$(...), a pipeline or an echo in between have a status of their own, so the test sees success.",
        fix="Test the command itself: if ! x=$(command); then ...; set -o pipefail for pipelines.",
    ),
    ScriptRule(
        "kill-user-processes",
        title="All processes of a user are killed.",
        why="The user may have other jobs on the same node, and login sessions; they die too.",
        fix="Let Slurm clean up (ProctrackType=proctrack/cgroup, pam_slurm_adopt), or first make sure that this was the user's last job here.",
        severity="error",
    ),
    ScriptRule(
        "kill-unscoped",
        title="Processes are killed without asking whose they are.",
        why="The pattern or list also meets the processes of other jobs and of the system.",
        fix="Restrict it to the job: its cgroup, its session, or a list from a tool that knows the job.",
    ),
    ScriptRule(
        "unsafe-delete",
        title="A deletion can hit more than it should.",
        why="With an empty variable the path shrinks to its parent directory, and a pattern also meets the files of other jobs.",
        fix='Make an empty variable fatal (rm -rf -- "/scratch/${SLURM_JOB_ID:?}") and keep patterns apart from ids.',
    ),
    ScriptRule(
        "check-without-effect",
        title="A check finds a fault, and Slurm does not learn of it.",
        why="Slurm looks at the exit code of the hook alone. With 0 the job starts on the node that was just found faulty.",
        fix="End with a code from 1 to 125 when a check has failed; Slurm then drains the node and requeues the job.",
    ),
    ScriptRule(
        "node-wide-action",
        title="Something is done to the whole node while other jobs may run on it.",
        why="Prolog and epilog belong to one job. On a node with several jobs the others lose their containers, GPUs, mounts or services.",
        fix="Limit it to the job: its id, the devices in SLURM_JOB_GPUS. Or do it where no job runs, in an init hook or a maintenance.",
    ),
    ScriptRule(
        "user-controlled-path",
        title="Root works on a path that a user controls.",
        why="The user can put a link in its place at any moment. Root then writes to, gives away, deletes or runs another file.",
        fix='Let the user do it: runuser -u "$SLURM_JOB_USER" -- command. Or use a directory that only root may write to.',
        severity="error",
        by_group={"controller": "warning"},
    ),
    ScriptRule(
        "unanchored-match",
        title="Lines are picked by a name that is also part of other names.",
        why="The pattern ann also meets the lines of joanna, 100 those of 1001, and node1 those of node10: one job gets or removes "
        "what belongs to another.",
        fix="Anchor the pattern on both sides: sed -i \"/^$SLURM_JOB_USER:/d\", grep -vxF, awk '$1 == id'. "
        "Or keep a file for each job and delete it.",
    ),
    ScriptRule(
        "growing-file",
        title="A file gets longer with each job.",
        why="A node runs thousands of jobs in a year. The file fills its file system in the end, one below /run or /dev/shm takes memory, "
        "and what reads it as a whole gets slower with each job.",
        fix="Write a file for each job and delete it in the epilog, send the line to the system's log with logger, shorten the file "
        "in the script, or look first whether the line is there: grep -qxF.",
    ),
    ScriptRule(
        "unquoted-user-text",
        title="Text that a user (or a command) decides is split into words.",
        why="Spaces make several arguments of it and * becomes file names; in a script of root's that is a way in, in [ ] it is an error.",
        fix='Put it in double quotes: "$name".',
    ),
    ScriptRule(
        "eval-text",
        title="A string is built and then run as a program.",
        why="What gets into the string is executed, also a job name or a path with ; or $( ) in it.",
        fix='Keep the command in an array and run it: command=(a b); "${command[@]}".',
    ),
    ScriptRule(
        "download-and-run",
        title="Something from the network is executed unread.",
        why="Who controls the server, the branch or the way to it, controls the host; and without network the host fails.",
        fix="Ship the program with the host's image or with this collection; at the least compare a checksum.",
    ),
    ScriptRule(
        "predictable-temp-file",
        title="A predictable name in a directory that everybody may write to.",
        why="A user can put a link or a file of that name there first, and a privileged script then writes where the user wants.",
        fix="Use mktemp, or a directory that only root may write to, such as /run or /var/lib.",
        severity="warning",
        by_group={"task": "info"},
    ),
    ScriptRule(
        "world-writable",
        title="Something is made writable for everybody.",
        why="Every user can then change it, also what other users or root will read or run.",
        fix="Give it to its owner: chown, and chmod 0700 or 0750.",
    ),
    ScriptRule(
        "unbounded-wait",
        title="A wait without an end.",
        why="While the script waits the job does not start (or the node is not free); without PrologEpilogTimeout for ever, "
        "with it the node is drained.",
        fix="Give it a bound well below the hook's timeout: timeout 10 command, curl --max-time 10, a counter in the loop.",
    ),
    ScriptRule(
        "background-process",
        title="A process is left in the background.",
        why="When the hook ends, Slurm kills the whole process group; nohup and disown change nothing. Where Slurm itself "
        "reads the script's output, it first waits until the process closes it.",
        fix="Start it as a unit (systemd-run --collect command), or in a session of its own and without the output "
        "(setsid --fork command </dev/null >/dev/null 2>&1), or wait for it.",
    ),
    ScriptRule(
        "wait-exceeds-timeout",
        title="A wait is longer than the script is allowed to run.",
        why="The script is killed before its own bound is reached, and a killed script counts as failed.",
        fix="Shorten the wait, or give the script a longer timeout (and PrologEpilogTimeout with it).",
    ),
    ScriptRule(
        "package-install",
        title="Packages are installed while a job waits.",
        why="It takes long, locks the package database, depends on a mirror, and differs from node to node.",
        fix="Install packages in the image or in an init hook.",
        severity="warning",
    ),
    ScriptRule(
        "secret-in-clear",
        title="A secret stands in the script.",
        why="The text is copied to every host and into logs of the change; the task hooks must even be readable by every user.",
        fix="Keep the secret in a file that only root may read, or in Ansible Vault, and read it when it is needed.",
    ),
    ScriptRule(
        "stdout-noise",
        title="Output that nobody gets, or that is taken for something else.",
        why="Of a task prolog's output only export, unset and print lines count; of the other hooks' output Slurm keeps a failure's only.",
        fix='Use logger, or >&2; in a task prolog write echo "print text".',
        severity="info",
    ),
    ScriptRule(
        "task-protocol",
        title="The export/unset/print protocol is used where it means nothing.",
        why="Only a task prolog's stdout is read, and only lines that start with export, unset or print; other lines are dropped, not executed.",
        fix="Do it in a task prolog, and with one of the three words.",
    ),
    ScriptRule(
        "file-not-placed",
        title="A file is expected beside the script, where there is none.",
        why="Each script is placed alone, in a directory of this collection's. A file that is missing makes the script fail, "
        "or go on without its functions and settings. " + _DRAINS,
        fix="Put the text into the script (a template may include it), or name a file that is there by its full path.",
    ),
    ScriptRule(
        "bashism",
        title="A feature of bash in a script for sh.",
        why="On Debian and Ubuntu /bin/sh is dash, which stops at it or understands it differently.",
        fix="Make the first line #!/bin/bash, or write it in POSIX form.",
        severity="error",
    ),
    ScriptRule(
        "shellcheck",
        title="ShellCheck found something.",
        why="See the page of the number that is named, https://www.shellcheck.net/wiki/.",
        fix="As ShellCheck says; or silence it where it stands with its own comment.",
        severity="info",
    ),
    ScriptRule(
        "suppression",
        title="A suppression comment that does not count.",
        why="It must name rules that exist and say why; the finding that it was meant for is reported.",
        fix="Write: # nodecycle: disable=rule-id the reason.",
        severity="warning",
    ),
)
