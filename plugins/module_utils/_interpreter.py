# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is PRIVATE to the collection. It can have breaking changes at any time.

"""Whether the program that a script's first line names is on this host.

A missing interpreter is exit code 127 for the hook, which drains the node.
"""

from __future__ import annotations

import os
import re
import shlex
import typing as t

from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Manifest, StoreError

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


def search_path(dispatcher: bytes) -> str:
    """The PATH in which a dispatcher's scripts look for env's programs; a damaged one's is restored later."""
    line = re.search(rb"^script_path=(.*)$", dispatcher, re.MULTILINE)
    try:
        return ":".join([*shlex.split(line.group(1).decode("utf-8", "replace") if line else ""), SAFE_PATH])
    except ValueError:
        return SAFE_PATH


def is_present(program: str, path: str = SAFE_PATH) -> bool:
    """Whether the program can be run on this host."""
    candidates = [program] if "/" in program else [os.path.join(directory, program) for directory in path.split(":")]
    return any(os.path.isfile(candidate) and os.access(candidate, os.X_OK) for candidate in candidates)


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
