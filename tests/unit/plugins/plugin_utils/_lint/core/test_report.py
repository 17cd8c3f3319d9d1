# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report: errors and warnings together, those that stop the run marked, each rule explained once."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.model import Finding, Severity
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.report import Report


def finding(rule: str, severity: Severity, line: int = 1, **more: t.Any) -> Finding:
    """A finding of a rule that is as bad as it says."""
    known = {
        "hook": "worker_prolog",
        "script": "s",
        "origin": "o",
        "column": 1,
        "message": f"this is {rule}",
        "why": f"why {rule}",
        "fix": f"fix {rule}",
        "host": None,
        "page": f"https://docs/{rule}",
    }
    return Finding(rule=rule, severity=severity, line=line, **{**known, **more})


FOUND = [finding("bad", "error", 3), finding("doubtful", "warning", 2), finding("note", "info", 1)]


def marked(report: Report) -> list[str]:
    """The rules of the lines that are marked as stopping the run."""
    return [line.split("[")[1].rstrip("]") for line in report.text.splitlines() if "(stops the run)" in line]


@pytest.mark.parametrize(
    ("threshold", "stopping"),
    [("error", ["bad"]), ("warning", ["bad", "doubtful"]), ("info", ["bad", "doubtful", "note"])],
)
def test_those_that_stop_the_run_are_marked(threshold: str, stopping: list[str]) -> None:
    report = Report(FOUND, threshold, "info")
    assert marked(report) == stopping
    assert report.stops
    assert f"1 error, 1 warning, 1 info: {len(stopping)} stop" in report.text


def test_errors_and_warnings_stand_together() -> None:
    lines = Report(FOUND, "error").text.splitlines()
    assert lines[:2] == ["worker_prolog: s - o", "  line 3: error (stops the run): this is bad [bad]"]
    assert "  line 2: warning: this is doubtful [doubtful]" in lines


def test_a_note_is_shown_where_notes_are_wanted_or_stop_the_run() -> None:
    assert "[note]" not in Report(FOUND, "error").text
    assert "[note]" in Report(FOUND, "error", "info").text
    assert "[note]" in Report(FOUND, "info").text


def test_where_nothing_stops_the_run_nothing_is_marked() -> None:
    report = Report(FOUND[1:], "error")
    assert not report.stops
    assert "stop" not in report.text
    assert report.text.endswith("\n1 warning.")


@pytest.mark.parametrize("severity", ["error", "warning", "info"])
def test_each_rule_is_printed_with_the_address_of_its_page_once(severity: Severity) -> None:
    report = Report([finding("a", severity, 1), finding("a", severity, 2), finding("b", severity, 3)], "error", "info")
    assert report.text.count("see: https://docs/a\n") == 1
    assert report.text.count("see: https://docs/b\n") == 1


def test_rules_of_one_name_in_both_linters_are_both_explained() -> None:
    in_conf = finding("syntax-error", "error", hook="slurm.conf", why="why in conf", page="https://docs/conf")
    text = Report([finding("syntax-error", "error"), in_conf], "error").text
    assert "why: why syntax-error" in text
    assert "why: why in conf" in text


def test_an_address_is_not_broken() -> None:
    page = "https://docs/" + "a-long-address-" * 20
    assert f"see: {page}\n" in Report([finding("a", "error", page=page)], "error").text
