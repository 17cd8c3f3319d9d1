# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write every example of the script linter's rules anew, in all ways and with several seeds: who changes a verdict?

PYTHONPATH=.cache/collections python tests/bench/lint_variants.py [--seeds 3] [--rule ID] [--verbose]
"""

from __future__ import annotations

import argparse
import itertools
import pathlib
import sys

from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.model import Finding

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "unit/plugins/plugin_utils/_lint/script"))
from lint_cases import OWN_CASES, Case, findings_in
from script_variants import KINDS, variants


def main() -> int:
    """Print the table; 1 when a variant changes a verdict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=1, help="how often each way is taken (%(default)s)")
    parser.add_argument("--rule", choices=sorted({case.rule for case in OWN_CASES}))
    parser.add_argument("--verbose", action="store_true", help="show each variant that changes a verdict")
    arguments = parser.parse_args()

    cases = [case for case in OWN_CASES if arguments.rule in (None, case.rule)]
    kinds: dict[str, str] = {}
    texts: dict[str, tuple[Case, bytes]] = {}
    for case, seed in itertools.product(cases, range(arguments.seeds)):
        for kind, text in variants(case.content, seed).items():
            name = f"{case.name} {kind} {seed}"
            kinds[name], texts[name] = kind, (case, text)
    found = findings_in(texts)
    changed = [name for name, (case, _text) in texts.items() if not case.is_met(found[name])]
    if arguments.verbose:
        for name in changed:
            show(name, *texts[name], found[name])
    table(
        "rule", [case.rule for case in cases], [(case.rule, name in changed) for name, (case, _text) in texts.items()]
    )
    print()
    table("way", list(KINDS), [(kind, name in changed) for name, kind in kinds.items()])
    return 1 if changed else 0


def show(name: str, case: Case, text: bytes, findings: list[Finding]) -> None:
    """One variant that changes a verdict."""
    print(f"---- {name} ({case.entry['hook']})\n{text.decode()}")
    for finding in findings:
        if finding.rule == case.rule:
            print(f"     {finding.line} {finding.severity} {finding.message}")


def table(head: str, names: list[str], outcomes: list[tuple[str, bool]]) -> None:
    """How many variants there are of each name, and how many of them change a verdict."""
    print(f"{head:24} {'variants':>8} {'changed':>8}")
    for name in [*dict.fromkeys(names), "all"]:
        of_name = [is_changed for other, is_changed in outcomes if name in (other, "all")]
        print(f"{name:24} {len(of_name):8} {sum(of_name):8}")


if __name__ == "__main__":
    sys.exit(main())
