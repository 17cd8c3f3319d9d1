# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Where scripts find their programs on this host: whether the one that a first line names is there, and who else can put one there.

A missing interpreter is exit code 127 for the hook, which drains the node.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils import _drift
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Manifest, Store, StoreError

#: The PATH that the dispatcher sets, after the user's own directories.
SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def interpreter(content: bytes) -> str:
    """The program that would run a script: the absolute path after C(#!), or for env the name that it looks up."""
    if not content.startswith(b"#!"):
        return ""
    try:
        words = shlex.split(content.split(b"\n", 1)[0][2:].decode("utf-8", "replace"))
    except ValueError:
        return ""
    if words and os.path.basename(words[0]) == "env":
        names = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        return names[0] if names else words[0]
    return words[0] if words else ""


def script_path(dispatcher: bytes) -> list[str]:
    """The user's own directories in the PATH of a dispatcher's scripts; a damaged one's are restored later."""
    line = re.search(rb"^script_path=(.*)$", dispatcher, re.MULTILINE)
    try:
        words = shlex.split(line.group(1).decode("utf-8", "replace") if line else "")
    except ValueError:
        return []
    return ":".join(words).split(":") if words else []


def search_path(dispatcher: bytes) -> str:
    """The PATH in which a dispatcher's scripts look for env's programs."""
    return ":".join([*script_path(dispatcher), SAFE_PATH])


def open_places(dispatchers: t.Iterable[bytes]) -> list[str]:
    """The places where another user than root can put a program that these dispatchers' scripts find before the system's."""
    directories = {directory: None for each in dispatchers for directory in script_path(each)}
    found: dict[str, None] = {}
    for directory in directories:
        # In a file system of the network, where root may look at nothing, it runs nothing either.
        with contextlib.suppress(OSError):
            # A program that is not there yet, so a sticky directory is open, too.
            found.update(dict.fromkeys(_drift.open_parents(os.path.join(directory, "*"))))
    return list(found)


def open_places_of(store: Store, manifest: Manifest) -> list[str]:
    """The same for a release that is on the disk."""
    return open_places(store.content(manifest["id"], hook) for hook in manifest["hooks"])


def is_present(program: str, path: str = SAFE_PATH) -> bool:
    """Whether the program can be run on this host."""
    candidates = [program] if "/" in program else [os.path.join(directory, program) for directory in path.split(":")]
    return any(os.path.isfile(candidate) and os.access(candidate, os.X_OK) for candidate in candidates)


def require_closed_path(manifest: Manifest, content: t.Mapping[str, bytes]) -> None:
    """Raise StoreError if another user than root can put a program where a release's scripts find it."""
    if problems := open_places(content[hook] for hook in manifest["hooks"]):
        raise StoreError(
            f"{'; '.join(problems)}: a user who can write there decides which programs root runs for each job. Give it to root and remove the "
            "write permission of others, or take the directory out of slurm_script_path"
        )


def require(manifest: Manifest, content: t.Mapping[str, bytes], hooks: list[str]) -> None:
    """Raise StoreError with every script of these hooks whose interpreter is missing here."""
    lacking = []
    for hook in hooks:
        path = search_path(content[hook])
        for name in manifest["hooks"][hook]:
            program = interpreter(content[f"{hook}.d/{name}"])
            if program and not is_present(program, path):
                lacking.append(f"{hook}: script {name} needs {program}")
        if manifest["hooks"][hook] and not is_present("/bin/bash"):
            lacking.append(f"{hook}: the dispatcher needs /bin/bash")
    if lacking:
        raise StoreError(
            f"{'; '.join(lacking)}, which this host does not have: install it (an init script may), or change the script"
        )
