# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the Pythons of this machine. nox and ansible-test know PATH only, and take the wrapper of a version manager,
which fails when called, for an interpreter.
"""

from __future__ import annotations

import os
import pathlib
import typing as t


def _places() -> t.Iterator[pathlib.Path]:
    yield from (pathlib.Path(place) for place in os.environ["PATH"].split(os.pathsep) if place)
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    yield from sorted(pyenv.glob("versions/*/bin"))


def _is_whole(path: pathlib.Path) -> bool:
    """It has its library beside it (a wrapper has none), and all of it (Debian's minimal Python lacks venv)."""
    real = path.resolve()
    return any((real.parents[1] / lib / path.name / "venv").is_dir() for lib in ("lib", "lib64"))


def find(versions: t.Iterable[str]) -> dict[str, pathlib.Path]:
    """Version to interpreter, for those of the versions that are here."""
    found = {}
    for version in versions:
        paths = [place / f"python{version}" for place in _places()]
        if path := next((path for path in paths if path.exists() and _is_whole(path)), None):
            found[version] = path
    return found
