# SPDX-License-Identifier: GPL-3.0-or-later
"""tools/gates.py [GATE ...] [--alone GATE ...] [--beside GATE ...]: runs make targets, also after a failure, and says how each ended.

make itself stops at a failure or prints no summary, and nobody counts the tests of several pytest runs. The gates run
two at a time, and each output is shown whole. Those after --alone run then, one after the other, and their output is
shown as it comes. Those after --beside run from the beginning, one at a time and at a low priority, so that they only
use what all others leave; their output is shown in the end.

After the table stands what failed, since a code host may keep the end of an output only. The last line is written as
pytest writes its own: the tests of all pytest runs, and each gate that is no pytest run, counted together.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import re
import subprocess
import sys
import time

#: A command with less of a claim on the cores than any other.
LOW = ("nice", "--adjustment=15")

#: Each gate keeps a core busy, and CI has two.
LANES = 2

CLOSING_LINE = re.compile(r"^(?:\x1b\[[0-9;]*m)*=* ?(?:\x1b\[[0-9;]*m)*(\d+ [a-z]+\b.*) in [\d.]+s\b")
COUNT = re.compile(r"(\d+) (passed|failed|error|skipped|xfailed|xpassed)")
SUM_AS = {"error": "failed", "xfailed": "passed", "xpassed": "passed"}

#: The lines with which pytest names them at its end (-ra), and tools/scenarios a scenario that failed without a test.
#: Molecule draws a frame around the former.
FAILURE = re.compile(r"^[ │]*((?:FAILED|ERROR) \S+\.(?:py|yml)\b.*)", re.MULTILINE)
MAKE_ENDS = re.compile(r"make(?:\[\d+\])?: \*\*\* \[")
COLOR = re.compile(r"\x1b\[[0-9;]*m")
#: Of a gate that names no failure, the end of its output; and of each line as much as says what it is.
LAST_LINES, LINE_LENGTH = 3, 300


@dataclasses.dataclass(frozen=True)
class Result:
    gate: str
    code: int
    seconds: float
    output: str

    def counts(self) -> dict[str, int]:
        """The tests of this gate by what came of them; a gate without pytest is one test."""
        counts = {"passed": 0, "failed": 0, "skipped": 0}
        closing_lines = [found[1] for line in self.output.splitlines() if (found := CLOSING_LINE.match(line))]
        for number, word in COUNT.findall("\n".join(closing_lines)):
            counts[SUM_AS.get(word, word)] += int(number)
        # A failed gate is a failure in the sum even where its tests all passed or none was started.
        if self.code and not counts["failed"]:
            counts["failed"] = 1
        elif not closing_lines:
            counts["passed"] = 1
        return counts

    def failures(self) -> list[str]:
        """What to say of a gate that failed, a line each."""
        if not self.code:
            return []
        output = COLOR.sub("", self.output)
        own = [line for line in output.splitlines() if line.strip() and not MAKE_ENDS.match(line)]
        lines = [*dict.fromkeys(FAILURE.findall(output))] or own[-LAST_LINES:]
        return [f"{self.gate}: {line}"[:LINE_LENGTH] for line in lines]


def run(gate: str, *, is_live: bool, first: tuple[str, ...] = ()) -> Result:
    """Make a gate, with the words of a command before that of make."""
    print(f"\n=== {gate} ===\n" if is_live else f"... {gate}\n", end="", flush=True)
    start = time.monotonic()
    output = ""
    # A target of several parts (`artifact`) runs all of them.
    command = [*first, "make", "--keep-going", gate]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            output += line
            if is_live:
                print(line, end="", flush=True)
    return Result(gate, process.returncode, time.monotonic() - start, output)


def shown(result: Result) -> Result:
    """A result, after its whole output."""
    print(f"\n=== {result.gate} ===\n{result.output}", end="", flush=True)
    return result


def closing(results: list[Result], seconds: float) -> list[str]:
    """A line for each gate, and their sum."""
    table = [f"  {result.gate:<14}{'FAILED' if result.code else 'ok':<8}{result.seconds:6.1f} s" for result in results]
    counts = [result.counts() for result in results]
    passed, failed, skipped = (sum(count[word] for count in counts) for word in ("passed", "failed", "skipped"))
    # pytest leaves out what is none, too; only failures are always named.
    more = f", {skipped} skipped" if skipped else ""
    failures = [line for result in results for line in result.failures()]
    return ["\n=== all gates ===", *table, *failures, f"{passed} passed, {failed} failed{more} in {seconds:.2f}s"]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gates", nargs="*", metavar="GATE")
    parser.add_argument("--alone", nargs="+", default=[], metavar="GATE")
    parser.add_argument("--beside", nargs="+", default=[], metavar="GATE")
    options = parser.parse_args(arguments)
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(1) as lane:
        beside = lane.map(lambda gate: run(gate, is_live=False, first=LOW), options.beside)
        with concurrent.futures.ThreadPoolExecutor(LANES) as lanes:
            results = list(lanes.map(lambda gate: shown(run(gate, is_live=False)), options.gates))
        results += [run(gate, is_live=True) for gate in options.alone]
        results += map(shown, beside)
    print(*closing(results, time.monotonic() - begin), sep="\n")
    return 1 if any(result.code for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
