# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a finding says where the script has more than one thing to say it about."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script import engine
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.model import Script


def messages(rule: str, text: str, hook: str = "worker_epilog") -> list[str]:
    """What one rule says, above info."""
    script = Script(hook, "s", b"#!/bin/bash\n" + text.encode())
    found = engine.lint([script], cache_path=None)
    return [finding.message for finding in found if finding.rule == rule and finding.severity != "info"]


EVERY = "deletes every file of the user, also those of his other jobs here"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('find /tmp -user "$SLURM_JOB_USER" -print0 | xargs -0 rm -rf', EVERY),
        ('find /dev/shm -type f -uid "$SLURM_JOB_UID" -delete', EVERY),
        ('f() { find /tmp -user "$1" -exec rm -rf {} +; }\nf "$SLURM_JOB_USER"', EVERY),
        ('find /var/tmp -user x -print | while read -r f; do rm -rf "$f"; done', EVERY),
        (
            'find /tmp -user "$SLURM_JOB_USER" -name "x11-lock*" -print0 | xargs -0 rm -rf',
            "deletes the user's files with -name x11-lock*, also those of his other jobs here",
        ),
        (
            'find /dev/shm -uid "$SLURM_JOB_UID" -size +100M -delete',
            "deletes the user's files with -size +100M, also those of his other jobs here",
        ),
        (
            "find /tmp -user x -type f -iname '*.lock' -path '*/run/*' -exec rm {} +",
            "deletes the user's files with -iname *.lock -path */run/*, also those of his other jobs here",
        ),
        (
            'if true; then\n  find /tmp -user x -regex ".*core" | while read -r f; do rm -rf -- "$f"; done\nfi',
            "deletes the user's files with -regex .*core, also those of his other jobs here",
        ),
    ],
)
def test_a_deletion_by_user_says_which_files(text: str, said: str) -> None:
    assert said in messages("unsafe-delete", text + "\nexit 0\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'ls "x.${SLURM_RESTART_COUNT:=0}"',
            "SLURM_RESTART_COUNT is not set in worker_epilog; did you mean SLURM_JOB_RESTART_COUNT?",
        ),
        ('scratch=/x\nls "$scrach"', "neither the script nor worker_epilog sets scrach; did you mean scratch?"),
        ('Limit=3\nls "$limit"', "neither the script nor worker_epilog sets limit; did you mean Limit?"),
        (
            'ls "$SLURM_JOBUSER"',
            "neither the script nor worker_epilog sets SLURM_JOBUSER; did you mean SLURM_JOB_USER?",
        ),
        (
            'date >"$report"',
            "neither the script nor worker_epilog sets report; the redirection fails, and the command does not run",
        ),
        ('ls "$late"\nlate=1', "late is read here and set only later, in line 3"),
        ('ls "$nothing_alike"', "neither the script nor worker_epilog sets nothing_alike"),
    ],
)
def test_a_variable_that_nobody_sets(text: str, said: str) -> None:
    assert messages("variable-not-set", text + "\nexit 0\n") == [said]


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("[ $x = up ]", "empty, or several words, makes the test an error"),
        ("[ -z $x ]", "several words make the test an error"),
        ("[ -n $y ]", "[ -n ] is true when it is empty"),
    ],
)
def test_a_test_says_how_it_breaks(test: str, said: str) -> None:
    text = f"x=$(cat /etc/x)\ny=$(command -v x)\nif {test}; then ls; fi\nexit 0\n"
    assert [message.partition(": ")[2] for message in messages("unquoted-user-text", text)] == [said]


@pytest.mark.skipif(shutil.which("dash") is None, reason="the claims are about dash")
@pytest.mark.parametrize(
    ("text", "status", "claim"),
    [
        ("false &>>/dev/null || exit 7", 0, "starts the command in the background"),
        ("false &>/dev/null || exit 7", 0, "starts the command in the background"),
        ("true |& cat", 2, "stops with a syntax error"),
        ("cat <<<x", 2, "stops with a syntax error"),
        ("echo x >&/dev/null", 2, "stops with a bad fd number"),
        ("set -o pipefail", 2, "ends the script here"),
        ("x=abc; echo ${x:0:1}", 2, "string indexing is not supported"),
        ('test "$EUID" = ""', 0, "EUID is not supported"),
    ],
)
def test_what_is_said_of_dash_is_what_dash_does(text: str, status: int, claim: str) -> None:
    assert subprocess.run(["dash", "-c", text], capture_output=True, check=False).returncode == status
    script = Script("worker_prolog", "s", f"#!/bin/sh\n{text}\nexit 0\n".encode())
    assert any(claim in f.message for f in engine.lint([script], cache_path=None) if f.rule == "bashism")
