# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples written anew: the linter says of each variant what it says of the example.

A sample of the same variants each time; tests/bench/lint_variants.py tries all of them.
"""

from __future__ import annotations

import collections
import random
import subprocess
import sys

import pytest
from lint_cases import OWN_CASES, Case, findings_in
from script_variants import KINDS, variants

SEED = 1
SAMPLE = 200


def sample() -> list[tuple[Case, str, bytes]]:
    """One variant of each of some examples, of a kind that was not taken often yet."""
    taken: collections.Counter[str] = collections.Counter()
    found: list[tuple[Case, str, bytes]] = []
    for case in random.Random(SEED).sample(OWN_CASES, len(OWN_CASES)):  # noqa: S311, for the same sample each time
        texts = variants(case.content, SEED) if len(found) < SAMPLE else {}
        if texts:
            kind = min(sorted(texts), key=lambda name: taken[name])
            taken[kind] += 1
            found.append((case, kind, texts[kind]))
    return found


def test_variants_of_the_examples_have_their_verdicts() -> None:
    chosen = sample()
    assert len(chosen) == SAMPLE
    texts = {f"{case.name} {kind}": (case, text) for case, kind, text in chosen}
    found = findings_in(texts)
    wrong = [f"{name}:\n{text.decode()}" for name, (case, text) in texts.items() if not case.is_met(found[name])]
    assert not wrong, "\n\n".join(wrong)


#: What each kind must keep: all of these print the same, whatever the way they are written.
PROGRAM = """#!/bin/bash
first=one
second="two  words"
# A comment.
show() {
  printf '%s|' "$1" "/a/$second" ${first} plain 'single'
}
third=$(echo `echo inner`)
list=(a "b c")
for item in "${list[@]}" $first; do show "$item"; done
if [ "$third" = inner ]; then
  first=$(( 1 + 2 ))
  echo "$first$second"
fi
cat <<EOF
  $first	${second}
EOF
false
"""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_a_variant_does_the_same(kind: str, seed: int) -> None:
    bodies = [PROGRAM, PROGRAM.replace("show() {\n  printf '%s|' \"$1\"", "show() {\n  printf '%s|'")]
    outcomes = []
    for body in bodies:
        text = variants(body.encode(), seed).get(kind)
        if text is not None:
            assert text != body.encode()
            outcomes.append((run(text), run(body.encode())))
    assert outcomes
    assert all(ours == theirs and theirs[0] == 1 for ours, theirs in outcomes)


def run(text: bytes) -> tuple[int, bytes, bytes]:
    """What bash makes of a script."""
    done = subprocess.run(["bash", "-s"], input=text, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_same_seed_gives_the_same_variants() -> None:
    code = "import sys, script_variants; print(sorted(script_variants.variants(sys.stdin.buffer.read(), 3).items()))"
    paths = {"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "7"}
    again = subprocess.run(
        [sys.executable, "-c", code], input=PROGRAM.encode(), env=paths, capture_output=True, check=True
    )
    assert again.stdout.decode().strip() == str(sorted(variants(PROGRAM.encode(), 3).items()))


@pytest.mark.parametrize(
    "text",
    [
        "#!/usr/bin/python3\nimport os\n",
        "#!/bin/bash\nx=1 # nodecycle: disable=eval-text a reason\necho $x\n",
        "#!/bin/bash\n# shellcheck disable=SC2086\necho $x\n",
        "#!/bin/bash\nif true; then\n",
    ],
)
def test_what_speaks_of_its_own_lines_is_left_alone(text: str) -> None:
    assert variants(text.encode(), 1) == {}
