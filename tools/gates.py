# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the named make targets one after the other, also after a failure, and ends with what came of each.

The last line is written as pytest writes its own: the tests of all pytest runs, and each gate that is no
pytest run, counted together.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time

CLOSING_LINE = re.compile(r"^(?:\x1b\[[0-9;]*m)*=* ?(?:\x1b\[[0-9;]*m)*(\d+ [a-z]+\b.*) in [\d.]+s\b")
COUNT = re.compile(r"(\d+) (passed|failed|error|skipped|xfailed|xpassed)")


def run(gate: str) -> tuple[int, list[tuple[int, str]]]:
    """Run one target, show its output as it comes, and give its exit code and pytest's counts."""
    counts: list[tuple[int, str]] = []
    with subprocess.Popen(["make", gate], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            sys.stdout.write(line)
            sys.stdout.flush()
            if closing := CLOSING_LINE.match(line):
                counts += [(int(number), word) for number, word in COUNT.findall(closing[1])]
    return process.returncode, counts


def main(gates: list[str]) -> int:
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    table: list[str] = []
    begin = time.monotonic()
    for gate in gates:
        print(f"\n=== {gate} ===", flush=True)
        start = time.monotonic()
        code, counts = run(gate)
        for number, word in counts:
            totals[{"error": "failed", "xfailed": "passed", "xpassed": "passed"}.get(word, word)] += number
        # A failed gate is a failure in the sum even where its tests all passed or none was started.
        if code and not any(word in ("failed", "error") for _, word in counts):
            totals["failed"] += 1
        elif not counts:
            totals["passed"] += 1
        table.append(f"  {gate:<14}{'FAILED' if code else 'ok':<8}{time.monotonic() - start:6.1f} s")
    print("\n=== all gates ===", *table, sep="\n")
    # pytest leaves out what is none, too; only failures are always named.
    skipped = f", {totals['skipped']} skipped" if totals["skipped"] else ""
    print(f"{totals['passed']} passed, {totals['failed']} failed{skipped} in {time.monotonic() - begin:.2f}s")
    return 1 if totals["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
