# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _run_time
from ansible_collections.nodecycle.slurm.plugins.module_utils._run_time import Change
from ansible_collections.nodecycle.slurm.plugins.module_utils._slurm import Slurm

KEYS = {
    "nodename": ["NodeName=DEFAULT CPUs=2", "NodeName=n[1-3] RealMemory=1000", 'NodeName=n4 Feature="a,b" Weight=5'],
    "partitionname": [
        "PartitionName=DEFAULT MaxTime=60",
        "PartitionName=batch Nodes=ALL Default=YES",
        "PartitionName=gpu Nodes=n4 MaxTime=10",
    ],
}
#: What Slurm shows without any change at run time.
SHOWN: dict[str, t.Any] = {
    "partitions": {
        "batch": {"Default": "YES", "MaxTime": "01:00:00", "Nodes": "n[1-4]", "State": "UP"},
        "gpu": {"Default": "NO", "MaxTime": "00:10:00", "Nodes": "n4", "State": "UP", "QoS": "N/A"},
    },
    "nodes": {"n[1-3]": {"Weight": "1", "ActiveFeatures": "(null)"}, "n4": {"Weight": "5", "ActiveFeatures": "a,b"}},
    "config": dict.fromkeys(("SuspendExcNodes", "SuspendExcParts", "SuspendExcStates"), "(null)"),
}


# --- what Slurm shows (24.11.5, shortened)


def test_the_fields_of_partitions() -> None:
    text = (
        "PartitionName=batch AllowGroups=ALL Default=NO QoS=N/A MaxNodes=2 Nodes=worker[1-3] State=INACTIVE TotalCPUs=6\n"
        "PartitionName=gpu MaxTime=01:00:00 State=DOWN\n\nNo more\n"
    )
    assert _run_time.parse_partitions(text) == {
        "batch": {
            "AllowGroups": "ALL",
            "Default": "NO",
            "QoS": "N/A",
            "MaxNodes": "2",
            "Nodes": "worker[1-3]",
            "State": "INACTIVE",
        },
        "gpu": {"MaxTime": "01:00:00", "State": "DOWN"},
    }


def test_nodes_that_have_the_same_are_one_line_and_no_text_is_taken_for_a_field() -> None:
    line = "NodeName=n{} AvailableFeatures=a ActiveFeatures=a CPULoad=0.{} Weight={} State=IDLE Reason=x Weight=9 [root@now] Comment=Weight=8\n"
    text = line.format(1, 1, 1) + line.format(2, 2, 1) + line.format(3, 3, 7)
    features = {"AvailableFeatures": "a", "ActiveFeatures": "a"}
    assert _run_time.parse_nodes(text) == {
        "n[1-2]": {"Weight": "1", **features},
        "n3": {"Weight": "7", **features},
    }


# --- what slurm.conf says


def test_definitions_have_the_default_before_them() -> None:
    assert _run_time.definitions(KEYS, "partitionname") == {
        "batch": {"maxtime": "60", "nodes": "ALL", "default": "YES"},
        "gpu": {"maxtime": "10", "nodes": "n4"},
    }
    assert _run_time.definitions(KEYS, "nodename") == {
        **{name: {"cpus": "2", "realmemory": "1000"} for name in ("n1", "n2", "n3")},
        "n4": {"cpus": "2", "feature": "a,b", "weight": "5"},
    }


@pytest.mark.parametrize(("flags", "found"), [("", ["night"]), ("KeepPartState", ["night"]), ("KeepPartInfo", [])])
def test_partitions_that_slurm_conf_does_not_have(flags: str, found: list[str]) -> None:
    assert _run_time.vanishing(["batch", "night"], KEYS, {"ReconfigFlags": flags}) == found


# --- what is restored


def after(**changed: t.Any) -> dict[str, t.Any]:
    """What Slurm shows with some fields of another value: partition or node to fields."""
    found = {kind: {name: dict(value) for name, value in SHOWN[kind].items()} for kind in ("partitions", "nodes")}
    for name, fields in changed.items():
        for kind in ("partitions", "nodes"):
            if name in found[kind]:
                found[kind][name].update(fields)
    return {**found, "config": dict(SHOWN["config"])}


def due(before: t.Any, now: t.Any = None, old: t.Any = None, new: t.Any = None) -> list[str]:
    found = _run_time.changes(before, now or SHOWN, old or KEYS, new or KEYS)
    return [str(change) for change in found]


def test_nothing_is_done_where_nothing_differs() -> None:
    assert due(SHOWN) == []


def test_each_kind_of_setting_is_restored() -> None:
    before = after(gpu={"State": "DOWN", "QoS": "night"}, batch={"Default": "NO"}, n4={"Weight": "77"})
    before["config"] = {"SuspendExcNodes": "n1", "SuspendExcParts": "gpu", "SuspendExcStates": "DOWN"}
    assert due(before) == [
        "scontrol update PartitionName=batch Default=NO",
        "scontrol update PartitionName=gpu State=DOWN QoS=night",
        "scontrol update NodeName=n4 Weight=77",
        "scontrol update SuspendExcNodes=n1",
        "scontrol update SuspendExcParts=gpu",
        "scontrol update SuspendExcStates=DOWN",
    ]


def test_what_was_emptied_is_emptied_again() -> None:
    assert due(after(n4={"ActiveFeatures": "(null)"})) == ["scontrol update NodeName=n4 ActiveFeatures="]


def test_what_slurm_shows_only_where_it_is_set_is_set_again_or_emptied_again() -> None:
    """Alternate, CpuBind and their like (24.11.5, 26.05): a value of run time is gone afterwards, one of slurm.conf is back."""
    given = {"gpu": {"Alternate": "batch", "CpuBind": "cores"}, "n4": {"CpuBind": "threads"}}
    assert due(after(**given)) == [
        "scontrol update PartitionName=gpu Alternate=batch CpuBind=cores",
        "scontrol update NodeName=n4 CpuBind=threads",
    ]
    weights = {"DenyQos": "q", "TRESBillingWeights": "CPU=2", "Topology": "t"}
    assert due(SHOWN, after(gpu={**given["gpu"], **weights}, n4=given["n4"])) == [
        "scontrol update PartitionName=gpu Alternate= CpuBind=off DenyQos= TRESBillingWeights= Topology=",
        "scontrol update NodeName=n4 CpuBind=off",
    ]
    new = {**KEYS, "partitionname": [*KEYS["partitionname"], "PartitionName=gpu CpuBind=cores"]}
    assert due(SHOWN, after(gpu={"CpuBind": "cores"}), new=new) == []


def test_a_field_whose_line_has_changed_follows_slurm_conf_and_the_others_do_not() -> None:
    new = {**KEYS, "partitionname": [*KEYS["partitionname"][:2], "PartitionName=gpu Nodes=n4 MaxTime=20"]}
    before = after(gpu={"State": "DOWN", "MaxTime": "00:05:00"})
    assert due(before, after(gpu={"MaxTime": "00:20:00"}), new=new) == ["scontrol update PartitionName=gpu State=DOWN"]


def test_another_word_for_a_field_counts_as_its_line() -> None:
    before, now = after(gpu={"OverSubscribe": "NO"}), after(gpu={"OverSubscribe": "FORCE:4"})
    new = {**KEYS, "partitionname": [*KEYS["partitionname"], "PartitionName=gpu Shared=FORCE"]}
    assert due(before, now) == ["scontrol update PartitionName=gpu OverSubscribe=NO"]
    assert due(before, now, new=new) == []


def test_a_node_that_joins_the_cluster_stays_in_the_partitions_of_all() -> None:
    new = {**KEYS, "nodename": [*KEYS["nodename"], "NodeName=n5"]}
    assert due(SHOWN, after(batch={"Nodes": "n[1-5]"}), new=new) == []
    assert due(SHOWN, after(batch={"Nodes": "n[1-5]"})) == ["scontrol update PartitionName=batch Nodes=n[1-4]"]


def test_a_partition_that_was_created_or_deleted_is_so_again() -> None:
    before = after()
    before["partitions"]["night"] = {"Nodes": "n1", "QoS": "N/A", "State": "UP"}
    del before["partitions"]["gpu"]
    assert due(before) == [
        "scontrol create PartitionName=night Nodes=n1",
        "scontrol update PartitionName=night State=UP",
        "scontrol delete PartitionName=gpu",
    ]


def test_a_partition_that_slurm_conf_gains_or_loses_follows_it() -> None:
    without = {**KEYS, "partitionname": KEYS["partitionname"][:2]}
    before = after()
    del before["partitions"]["gpu"]
    assert due(before, old=without) == []
    assert due(SHOWN, before, new=without) == []


def test_a_field_that_this_slurm_refuses_costs_no_other() -> None:
    done: list[str] = []

    def run(command: list[str], *_environment: t.Any) -> tuple[int, str, str]:
        if any(word.startswith("LLN=") for word in command):
            return 1, "", "no"
        done.append(" ".join(command))
        return 0, "", ""

    due = [
        Change("update", "PartitionName", "gpu", {"LLN": "YES", "State": "DOWN"}),
        Change("create", "PartitionName", "night", {"Nodes": "n1"}),
        Change("delete", "PartitionName", "x", {}),
        Change("update", "NodeName", "n[1-2]", {"Weight": "7"}),
        Change("update", "", "", {"SuspendExcNodes": "n1"}),
    ]
    _run_time.restore(Slurm(run), due)
    assert done == ["scontrol update PartitionName=gpu State=DOWN", *map(str, due[1:])]
