# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab tells its user."""

from __future__ import annotations

import sys
import time

START = time.monotonic()


class LabError(Exception):
    """Something the user has to know; the message says what to do."""


def say(text: str) -> None:
    print(f"lab: [{time.monotonic() - START:5.1f}s] {text}", file=sys.stderr, flush=True)
