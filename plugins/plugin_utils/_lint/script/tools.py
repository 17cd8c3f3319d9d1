# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is PRIVATE to the collection. It can have breaking changes at any time.

"""The two outside programs: shfmt parses shell, ShellCheck checks it."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import sys
import typing as t

from ..core.model import LintError


@functools.cache
def find_tool(name: str) -> str:
    """The path of a program: beside the running Python first, then on PATH."""
    beside = os.path.join(os.path.dirname(sys.executable), name)
    found = beside if os.access(beside, os.X_OK) else shutil.which(name)
    if found is None:
        raise LintError(
            f"The script linter needs the program '{name}', which is neither beside {sys.executable} nor on PATH. "
            "Install it on the control node, into the Python environment that runs Ansible: "
            "pip install -r requirements.txt (the file is at the root of the collection nodecycle.slurm), "
            f"or: pip install {name}-py"
        )
    return found


@functools.cache
def tool_version(name: str) -> str:
    """What identifies this build of a program, without the cost of starting it."""
    path = os.path.realpath(find_tool(name))
    status = os.stat(path)
    return f"{path}:{status.st_size}:{status.st_mtime_ns}"


class TooMuchError(LintError):
    """The script asks too much of the linter or of one of its programs. Both work on other scripts."""


#: Gives a program, and nothing else, seconds of processor time. Those do not depend on what else the machine does.
_LIMITED = ("/bin/sh", "-c", 'ulimit -t "$0" && exec "$@"')


def run(
    arguments: list[str],
    *,
    seconds: int,
    stdin: bytes = b"",
    timeout: float = 60,
    env: t.Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program with a limit of processor time. One that reaches it, hangs or cannot start is a LintError.

    timeout ends a program that waits for something; on a busy machine a program that works may take long.
    """
    name = os.path.basename(arguments[0])
    try:
        done = subprocess.run(
            [*_LIMITED, str(seconds), *arguments],
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
            env={**(os.environ if env is None else env), "LC_ALL": "C.UTF-8"},
            cwd="/",
        )
    except subprocess.TimeoutExpired as exc:
        raise TooMuchError(f"{name} did not end within {timeout:.0f} seconds") from exc
    except OSError as exc:
        raise LintError(f"The script linter could not run {arguments[0]}: {exc}") from exc
    # At the limit the kernel sends one or the other; a machine without memory sends the second, too.
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        limit = "a second" if seconds == 1 else f"{seconds} seconds"
        raise TooMuchError(f"{name} needs more than {limit} of a processor, or too much memory")
    return done
