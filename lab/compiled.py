# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps what root's Python compiles out of zip files, which is what Ansible sends for each module.

Compiling is half of the CPU time of a module call (docs/lab.md), and Python keeps nothing of a zip file by itself. On all
hosts of the lab (lab/image.yml); real hosts have nothing of it.
"""

from __future__ import annotations

import contextlib
import os

CACHE = "/var/cache/lab-compiled"


def install() -> None:
    """Look into the cache before a source is compiled."""
    import _imp
    import marshal
    import zipimport

    compile_source = zipimport._compile_source  # type: ignore[attr-defined]

    def compile_or_find(path: str, source: bytes) -> object:
        inner = path.rpartition(".zip/")[2].encode()
        key = int.from_bytes(_imp.source_hash(0x6C6162, inner + b"\0" + source), "little")  # type: ignore[attr-defined]
        kept = f"{CACHE}/{key:016x}"
        with contextlib.suppress(OSError, ValueError, EOFError, TypeError), open(kept, "rb") as file:
            return marshal.loads(file.read())  # noqa: S302 # only root writes there
        code = compile_source(path, source)
        with contextlib.suppress(OSError):
            half = f"{kept}.{os.getpid()}"
            with open(half, "wb") as file:
                file.write(marshal.dumps(code))
            os.rename(half, kept)
        return code

    zipimport._compile_source = compile_or_find  # type: ignore[attr-defined]


if os.geteuid() == 0:
    install()
