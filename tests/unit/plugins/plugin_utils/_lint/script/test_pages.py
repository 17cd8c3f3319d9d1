# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each rule has its page, the page agrees with the rule, and its examples behave as it claims."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.model import Finding
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script import engine
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.catalogue import RULES
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.model import Options, Script

PAGES = pathlib.Path(__file__).parents[6] / "docs" / "rules"

#: The timeout in the definition of the example's script.
TIMEOUT = 30


def lint(rule: str, kind: str) -> list[Finding] | None:
    """The linter's findings of the page's rule in its example; None without such an example."""
    text = (PAGES / f"{rule}.md").read_text(encoding="utf-8")
    example = re.search(rf"^{kind} \(`(\w+)`\):\n\n```bash\n(.*?)```$", text, re.MULTILINE | re.DOTALL)
    if example is None:
        return None
    timeout = TIMEOUT if rule == "wait-exceeds-timeout" else None
    script = Script(example[1], "example", example[2].encode(), timeout=timeout)
    # Without the dispatcher's PATH, which is the subject of its page.
    path: dict[str, t.Any] = {"path": None} if rule == "command-search-path" else {}
    return [f for f in engine.lint([script], options=Options(**path), cache_path=None) if f.rule == rule]


def test_rules_and_pages_are_the_same() -> None:
    assert {file.stem for file in PAGES.glob("*.md")} - {"README", "corpus", "conf", "corpus-conf"} == set(RULES)


def test_the_index_names_every_rule() -> None:
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| \[([a-z-]+)\]\(\1\.md\)", index, re.MULTILINE)) == set(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_a_page_says_what_the_rule_says(rule: str) -> None:
    text = (PAGES / f"{rule}.md").read_text(encoding="utf-8")
    # A page breaks its lines, a rule does not.
    text = re.sub(r"(?<=\S)\n(?=\S)", " ", text)
    for part in (
        f"# {rule}\n",
        RULES[rule].title,
        f"Severity: {RULES[rule].severity}",
        RULES[rule].why,
        RULES[rule].fix,
        "\nSource: ",
    ):
        assert part in text


@pytest.mark.parametrize("rule", RULES)
def test_the_bad_example_fires(rule: str) -> None:
    found = lint(rule, "Bad")
    assert found or (found is None and rule in {"text-encoding", "script-size"})


@pytest.mark.parametrize("rule", RULES)
def test_the_good_example_does_not(rule: str) -> None:
    assert [finding for finding in lint(rule, "Good") or [] if finding.severity != "info"] == []
