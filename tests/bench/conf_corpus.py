# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure the checker of slurm.conf on the labelled corpus.

    tests/bench/conf_corpus.py FOLDER [--labels FOLDER] [--version 24.11] [--show]

FOLDER holds the files as conf/<number>; labels.csv and index.csv are beside them or in the folder of --labels. A label
counts as found when a finding of its rule, above info, stands on its line or within two. A finding above info on a file's line
without a label, sure or arguable, is a false positive. Without --version the files must suit all supported releases.
"""

from __future__ import annotations

import argparse
import collections
import csv
import dataclasses
import pathlib
import sys
import time
import traceback

from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.conf.engine import check_file
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.model import Finding

#: Label to the rules that say the same.
RULES = {
    "unknown_key": ["unknown-key"],
    "removed_key": ["removed-key", "unknown-key"],
    "obsolete_key": ["obsolete-key", "removed-key"],
    "defunct_key": ["defunct-key", "removed-key"],
    "duplicate_key": ["duplicate-key"],
    "removed_plugin": ["removed-plugin", "unknown-plugin"],
    "unknown_plugin": ["removed-plugin", "unknown-plugin"],
    "insecure_path": ["insecure-path"],
    "relative_path": ["relative-path"],
    "invalid_value": ["invalid-value"],
    "undefined_node": ["undefined-node"],
    "syntax_error": ["syntax-error"],
    "secret_in_conf": ["secret-in-conf"],
    "node_topology_mismatch": ["node-topology"],
    "unexpanded_variable": ["unexpanded-variable"],
    "needs_newer_slurm": ["not-yet-key"],
    "deprecated_key": ["deprecated-key"],
    "insecure_setting": ["insecure-setting"],
}
NEAR = 2


@dataclasses.dataclass
class Score:
    """One rule's account."""

    found: int = 0
    missed: int = 0
    false: int = 0

    @property
    def precision(self) -> float:
        """Right findings among all."""
        return self.found / (self.found + self.false) if self.found + self.false else 1.0

    @property
    def recall(self) -> float:
        """Found labels among all."""
        return self.found / (self.found + self.missed) if self.found + self.missed else 1.0


def text_of(path: pathlib.Path) -> str:
    """A file as Slurm would read its bytes."""
    return path.read_bytes().decode("utf-8", errors="surrogateescape")


def main() -> int:
    """Read, check, count, print."""
    parser = argparse.ArgumentParser(description="Measure the checker of slurm.conf on the labelled corpus.")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--labels", type=pathlib.Path)
    parser.add_argument("--version")
    parser.add_argument("--show", action="store_true", help="list what was missed and what is false")
    options = parser.parse_args()
    tables = options.labels or options.folder
    labels: dict[str, list[dict[str, str]]] = collections.defaultdict(list)
    for row in csv.DictReader((tables / "labels.csv").open()):
        labels[row["id"]].append(row)
    wanted = [row["id"] for row in csv.DictReader((tables / "index.csv").open()) if row["id"].startswith("conf/")]
    scores: dict[str, Score] = collections.defaultdict(Score)
    errors, read, size, spent = 0, 0, 0, 0.0
    for name in wanted:
        path = options.folder / name
        if not path.exists():
            continue
        text = text_of(path)
        read, size = read + 1, size + len(text)
        begun = time.perf_counter()
        try:
            findings = check_file(text, version=options.version, origin=name)
        except Exception:
            errors += 1
            print(f"{name}: internal error", file=sys.stderr)
            traceback.print_exc()
            continue
        spent += time.perf_counter() - begun
        count(name, labels[name], findings, scores, options.show)
    report(scores)
    print(
        f"\n{read} of {len(wanted)} files, {errors} internal errors, {1000 * spent / max(read, 1):.1f} ms a file, {size / max(spent, 1e-9) / 1e6:.1f} MB/s"
    )
    return 1 if errors else 0


def count(
    name: str, labels: list[dict[str, str]], findings: list[Finding], scores: dict[str, Score], show: bool
) -> None:
    """Add one file to the account."""

    def meets(label: dict[str, str], finding: Finding) -> bool:
        rules = RULES.get(label["rule"], [])
        return finding.rule in rules and abs(finding.line - int(label["line"] or 0)) <= NEAR

    used: set[int] = set()
    for label in sorted((label for label in labels if label["certainty"] == "sure"), key=lambda row: int(row["line"])):
        fitting = [
            index for index, finding in enumerate(findings) if finding.severity != "info" and meets(label, finding)
        ]
        exact = [index for index in fitting if findings[index].line == int(label["line"]) and index not in used]
        chosen = next(iter(exact or [index for index in fitting if index not in used] or fitting), None)
        if chosen is None:
            scores[label["rule"]].missed += 1
            if show:
                print(f"missed {name}:{label['line']} {label['rule']}: {label['why']}")
        else:
            used.add(chosen)
            scores[label["rule"]].found += 1
    names = {rule: label for label, rules in reversed(RULES.items()) for rule in rules[:1]}
    for index, finding in enumerate(findings):
        if finding.severity == "info" or index in used:
            continue
        if any(label["rule"] in RULES and meets(label, finding) for label in labels):
            continue
        # Whatever the rule: a label on the very line means that its reader saw the fault.
        if any(label["certainty"] == "arguable" and int(label["line"]) == finding.line for label in labels):
            continue
        scores[names.get(finding.rule, finding.rule)].false += 1
        if show:
            print(f"false  {name}:{finding.line}:{finding.column} {finding.severity} {finding.rule}: {finding.message}")


def report(scores: dict[str, Score]) -> None:
    """A table, the sum last."""
    print(f"{'rule':24} {'found':>6} {'missed':>7} {'false':>6} {'precision':>10} {'recall':>7}")
    total = Score()
    for rule, score in sorted(scores.items()):
        print(f"{rule:24} {score.found:6} {score.missed:7} {score.false:6} {score.precision:10.3f} {score.recall:7.3f}")
        total.found, total.missed, total.false = (
            total.found + score.found,
            total.missed + score.missed,
            total.false + score.false,
        )
    print(f"{'all':24} {total.found:6} {total.missed:7} {total.false:6} {total.precision:10.3f} {total.recall:7.3f}")


if __name__ == "__main__":
    sys.exit(main())
