# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables, on the screen and in docs/benchmarks.md."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import platform
import re
import sys
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"


def say(text: str) -> None:
    """Progress, beside the tables."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def table(head: t.Sequence[str], rows: t.Iterable[t.Sequence[str]]) -> str:
    """A Markdown table: the first column is text, the others are numbers."""
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def machine() -> str:
    """The machine and versions on which the numbers depend."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    versions = f"Python {platform.python_version()}, ansible-core {importlib.metadata.version('ansible-core')}"
    return f"{os.cpu_count()} CPUs, {memory:.0f} GiB, {system}, Linux {platform.release().split('-')[0]}, {versions}"


def publish(path: pathlib.Path, section: str, command: str, body: str) -> None:
    """Show a section and put it between its markers in the page."""
    text = f"Command: `{command}`.\nMachine: {machine()}.\n\n{body}"
    print(f"\n{text}", flush=True)
    begin, end = f"<!-- begin {section} -->\n", f"<!-- end {section} -->"
    page = path.read_text(encoding="utf-8")
    found = re.sub(f"(?s){re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{text}\n{end}", page)
    if begin not in page or end not in page:
        sys.exit(f"bench: {path} has no markers for {section}")
    path.write_text(found, encoding="utf-8")
