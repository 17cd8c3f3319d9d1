# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: plain lines for people."""

from __future__ import annotations

import os
import sys

WIDTH = 100


class Report:
    """A report for people; colours on a terminal only."""

    def __init__(self) -> None:
        self.coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.faults: list[str] = []

    def paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self.coloured else text

    def good(self, text: str) -> str:
        return self.paint("32", text)

    def bad(self, text: str) -> str:
        return self.paint("1;31", text)

    def dim(self, text: str) -> str:
        return self.paint("2", text)

    def heading(self, text: str, note: str = "") -> None:
        print(f"\n{self.paint('1;36', text)}" + (f"  {self.dim(note)}" if note else ""), flush=True)

    def line(self, text: str = "", indent: int = 2) -> None:
        print(" " * indent + text, flush=True)

    def cut(self, text: str, indent: int = 2) -> None:
        """A line of somebody else's, on one line of the report."""
        room = WIDTH - indent
        self.line(text if len(text) <= room else text[: room - 3] + "...", indent)

    def fault(self, text: str) -> None:
        """Something that should have happened and did not."""
        self.faults.append(text)
        self.line(self.bad(f"NOT OK  {text}"))

    def step(self, text: str) -> None:
        print(f"\n{self.paint('1', '==> ' + text)}", flush=True)


def duration(milliseconds: int) -> str:
    return f"{milliseconds} ms" if milliseconds < 10000 else f"{milliseconds / 1000:.1f} s"
