# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _controller, _documents, _reconfigure

PATH = "/etc/slurm/slurm.conf"


# --- the baseline


def test_a_key_reads_as_the_journal_holds_it() -> None:
    """Else a value that is no UTF-8 would count as changed."""
    keys = _reconfigure.read_keys(PATH, {PATH: "Prolog=/caf\udce9\n"}.get)
    assert _documents.clean(keys) == keys == {"prolog": ["/caf\ufffd"]}


def test_the_digest_is_of_both_files_and_of_their_absence() -> None:
    texts = [{PATH: "A=1\n"}, {PATH: "A=1\n", "/etc/slurm/nodecycle.conf": ""}, {PATH: "A=1 \n"}]
    assert len({_reconfigure.digest(PATH, files.get) for files in texts}) == 3


# --- the plan


def test_the_last_line_of_an_ordinary_key_counts() -> None:
    before = {"a": ["1", "2"], "partitionname": ["x", "y"], "gone": ["1"], "prolog": ["/a", "/b"]}
    after = {"a": ["3", "2"], "partitionname": ["z", "y"], "new": ["1"], "prolog": ["/c", "/b"]}
    assert _reconfigure.changed_keys(before, after) == ["gone", "new", "partitionname", "prolog"]


@pytest.mark.parametrize(
    ("before", "after", "release", "waiting", "deadly"),
    [
        ({}, {"prolog": ["/p"]}, "22.05.8", [], []),
        ({}, {"prologslurmctld": ["/p"]}, "22.05.8", ["prologslurmctld"], []),
        ({"prologslurmctld": ["/o"]}, {"prologslurmctld": ["/p"]}, "22.05.8", [], []),
        ({}, {"prologslurmctld": ["/p"]}, "24.11.5", [], []),
        ({}, {"maxjobcount": ["9"]}, "23.02.7", ["maxjobcount"], []),
        ({}, {"maxjobcount": ["9"]}, "23.11.1", [], []),
        ({"nodename": ["n1"]}, {"nodename": ["n1", "n2"]}, "22.05.8", ["nodename"], ["nodename"]),
        ({"nodename": ["n1"]}, {"nodename": ["n1", "n2"]}, "24.11.5", [], []),
        ({"slurmctldport": ["1"]}, {"slurmctldport": ["2"]}, "26.05.5", ["slurmctldport"], []),
        ({}, {"communicationparameters": ["EnableIPv6"]}, "26.05.5", ["communicationparameters"], []),
        ({"communicationparameters": ["EnableIPv6"]}, {}, "26.05.5", ["communicationparameters"], []),
        ({}, {"communicationparameters": ["keepalivetime=9"]}, "26.05.5", [], []),
        ({"schedulerparameters": ["bf_window=1"]}, {"schedulerparameters": ["bf_window=2"]}, "22.05.8", [], []),
        ({"maxjobcount": ["9"]}, {"maxjobcount": ["9"]}, "22.05.8", [], []),
        ({}, {"maxjobcount": ["9"]}, "", [], []),
    ],
)
def test_what_waits_for_a_restart(
    before: dict[str, list[str]], after: dict[str, list[str]], release: str, waiting: list[str], deadly: list[str]
) -> None:
    assert _reconfigure.waiting_for_restart(before, after, release) == (waiting, deadly)


# --- the proof


def test_jobs_that_have_not_ended() -> None:
    jobs = _controller.parse_jobs("1|RUNNING\n2|PENDING\n3|COMPLETED\n4|COMPLETING\n5|REQUEUE_HOLD\n")
    assert _reconfigure.unfinished(jobs) == ["1", "2", "4", "5"]


@pytest.mark.parametrize(("seconds", "lost"), [(10.0, ["2", "4"]), (301.0, ["2"])])
def test_a_job_is_lost_if_it_is_unknown_too_early_or_its_node_failed(seconds: float, lost: list[str]) -> None:
    now = {"1": "RUNNING", "2": "NODE_FAIL", "3": "CANCELLED", "9": "NODE_FAIL"}
    assert _reconfigure.lost_jobs(["1", "2", "3", "4"], now, seconds=seconds, remembered=300) == lost


def test_a_value_is_unproven_if_it_is_shown_as_before_and_not_as_wanted() -> None:
    keys = {"a": ["77"], "b": ["CR_Core"], "c": ["new"], "d": ["x,y"], "e": ["other"], "hidden": ["1"]}
    before = {"A": "77 sec", "B": "CR_CORE", "C": "old", "D": "y,x", "E": "odd", "F": "same"}
    now = {**before, "C": "New"}
    assert _reconfigure.unproven(["a", "b", "c", "d", "e", "f", "hidden"], keys, before, now) == ["e"]


@pytest.mark.parametrize(("value", "seconds"), [("300 sec", 300.0), ("0 sec", 0.0), ("", 5.0), ("(null)", 5.0)])
def test_seconds_of(value: str, seconds: float) -> None:
    assert _reconfigure.seconds_of(value, 5) == seconds
