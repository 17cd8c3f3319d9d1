# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of the demo's commands, in a lab of a test's own."""

from __future__ import annotations

import os
import pathlib
import subprocess
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[2]
#: make has told the outer call's options in the environment.
_OUTER = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")


def lab_name(suffix: str) -> str:
    """The lab of some tests."""
    return f"{os.environ.get('LAB_NAME') or 'nodecycle-test'}-{suffix}"


def environment(name: str, *, without: t.Collection[str] = (), **more: str) -> dict[str, str]:
    """That of a call which uses this lab."""
    left_out = (*_OUTER, *without)
    return {**{key: value for key, value in os.environ.items() if key not in left_out}, "LAB_NAME": name, **more}


def call(environment: dict[str, str], *words: str | pathlib.Path) -> subprocess.CompletedProcess[str]:
    """A command in the checkout."""
    return subprocess.run(
        words, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
