# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SARIF: what OASIS requires of the parts that we write, and the places that an editor or code host opens."""

from __future__ import annotations

import json
import pathlib
import re
import typing as t
import urllib.parse
import urllib.request

import pytest
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.conf.catalogue import RULES as CONF_RULES
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core import sarif
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.core.model import Finding, Hit, Source, Written
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.catalogue import RULES as SCRIPT_RULES

DIRECTORY = "/srv/cluster"
TEXT = "#!/bin/sh\nsqueue\n"

#: Of each object that we write: the properties that the standard knows there and we use, with their types, and those that it requires.
FORM: dict[str, tuple[dict[str, t.Any], set[str]]] = {
    "log": ({"$schema": str, "version": str, "runs": ["run"]}, {"version", "runs"}),
    "run": (
        {
            "tool": "tool",
            "invocations": ["invocation"],
            "originalUriBaseIds": dict,
            "columnKind": str,
            "results": ["result"],
        },
        {"tool"},
    ),
    "tool": ({"driver": "driver"}, {"driver"}),
    "driver": ({"name": str, "informationUri": str, "rules": ["descriptor"]}, {"name"}),
    "descriptor": (
        {
            "id": str,
            "shortDescription": "text",
            "fullDescription": "text",
            "help": "text",
            "helpUri": str,
            "defaultConfiguration": "configuration",
        },
        {"id"},
    ),
    "configuration": ({"level": str}, set()),
    "text": ({"text": str, "markdown": str}, {"text"}),
    "invocation": (
        {"executionSuccessful": bool, "toolExecutionNotifications": ["notification"]},
        {"executionSuccessful"},
    ),
    "notification": ({"level": str, "message": "text"}, {"message"}),
    "result": (
        {"ruleId": str, "ruleIndex": int, "level": str, "message": "text", "locations": ["location"]},
        {"message"},
    ),
    "location": ({"logicalLocations": ["logical"], "physicalLocation": "physical"}, set()),
    "logical": ({"fullyQualifiedName": str}, set()),
    "physical": ({"artifactLocation": "artifact", "region": "region"}, set()),
    "artifact": ({"uri": str, "uriBaseId": str}, set()),
    "region": ({"startLine": int, "startColumn": int}, set()),
}


def check_form(value: t.Any, form: t.Any) -> None:
    """Compare an object, and all within it, with FORM."""
    if isinstance(form, list):
        assert isinstance(value, list)
        for item in value:
            check_form(item, form[0])
    elif isinstance(form, str):
        properties, required = FORM[form]
        assert required <= set(value) <= set(properties), (form, set(value))
        for name, item in value.items():
            check_form(item, properties[name])
    else:
        # bool is an int, too.
        assert isinstance(value, form), (value, form)
        assert form is bool or not isinstance(value, bool), (value, form)
        assert value != "", form


def finding(rule: str, written: Written | None = None, line: int = 2, *, is_conf: bool = False) -> Finding:
    """A finding of a rule in a script or in lines of slurm.conf."""
    rules: t.Mapping[str, t.Any] = CONF_RULES if is_conf else SCRIPT_RULES
    source = Source("worker_prolog", "scratch", "slurm_worker_prolog[0]", written=written)
    return t.cast("Finding", rules[rule].finding(Hit(rule, line, 3, "it is so"), source))


def log(*findings: Finding, problems: t.Sequence[str] = ()) -> dict[str, t.Any]:
    """The only run of a log, after a look at its form and at what hangs together in it."""
    rules = [*SCRIPT_RULES.values(), *CONF_RULES.values()]
    whole = sarif.log(findings, rules, directory=DIRECTORY, problems=problems)
    check_form(whole, "log")
    assert json.loads(json.dumps(whole)) == whole
    (run,) = whole["runs"]
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(ids) == len(set(ids))
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        for location in result["locations"]:
            assert location["physicalLocation"].get("region", {"startLine": 1})["startLine"] >= 1
            for address in (location["physicalLocation"]["artifactLocation"],):
                assert address.get("uriBaseId", "SRCROOT") in run["originalUriBaseIds"]
    assert all(base["uri"].endswith("/") for base in run["originalUriBaseIds"].values())
    return t.cast("dict[str, t.Any]", run)


def place(file: str, whole: str = TEXT, text: str = TEXT, variable: int = 0, line: int = 2) -> dict[str, t.Any]:
    """Where a finding at column 3 of a line is."""
    run = log(finding("slurm-command", Written.of(file, whole, text, variable), line))
    return t.cast("dict[str, t.Any]", run["results"][0]["locations"][0]["physicalLocation"])


def test_nothing_found_is_a_log_too() -> None:
    run = log()
    assert run["results"] == []
    assert run["invocations"][0]["executionSuccessful"] is True


def test_a_problem_of_the_definition_is_a_notification() -> None:
    (invocation,) = log(problems=["slurm_canary is a dictionary."])["invocations"]
    assert invocation["executionSuccessful"] is False
    (notification,) = invocation["toolExecutionNotifications"]
    assert (notification["level"], notification["message"]["text"]) == ("error", "slurm_canary is a dictionary.")


def test_each_rule_has_its_page_and_its_text() -> None:
    written = Written.of("s", TEXT, TEXT)
    found = [finding(rule, written) for rule in SCRIPT_RULES] + [finding(r, written, is_conf=True) for r in CONF_RULES]
    run = log(*found, *found)
    rules = run["tool"]["driver"]["rules"]
    assert len(rules) == len(SCRIPT_RULES) + len(CONF_RULES)
    for rule, known in zip(rules, [*SCRIPT_RULES.values(), *CONF_RULES.values()], strict=True):
        assert rule["helpUri"] == known.page
        assert known.why in rule["help"]["text"]
        assert known.fix in rule["help"]["markdown"]
    assert {rule["id"] for rule in rules} >= {"syntax-error", "conf/syntax-error"}
    assert run["results"][0]["message"]["text"].startswith("worker_prolog: scratch, line 2: it is so\n")


def test_a_finding_is_as_severe_as_the_user_wants() -> None:
    written = Written.of("s", TEXT, TEXT)
    levels = [
        result["level"] for result in log(finding("stdout-noise", written), finding("bashism", written))["results"]
    ]
    assert levels == ["note", "error"]


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("files/a.sh", "files/a.sh"),
        (f"{DIRECTORY}/files/a b#ä%.sh", "files/a%20b%23%C3%A4%25.sh"),
        ("../other/a.sh", None),
        ("/etc/ansible/a b.sh", None),
    ],
)
def test_the_address_of_a_file_leads_to_it(file: str, uri: str | None) -> None:
    address = place(file)["artifactLocation"]
    if uri is None:
        assert "uriBaseId" not in address
        found = urllib.request.url2pathname(urllib.parse.urlsplit(address["uri"]).path)
        assert pathlib.Path(found).resolve() == pathlib.Path(DIRECTORY, file).resolve()
    else:
        assert address == {"uri": uri, "uriBaseId": "SRCROOT"}
        assert re.fullmatch(r"[A-Za-z0-9._~/%-]+", uri)


INVENTORY = "slurm_worker_prolog:\n  - name: scratch\n    content: |\n      #!/bin/sh\n      squeue\n"


@pytest.mark.parametrize(
    ("whole", "text", "variable", "line", "expected"),
    [
        (TEXT, TEXT, 0, 2, {"startLine": 2, "startColumn": 3}),
        (INVENTORY, TEXT, 3, 2, {"startLine": 5, "startColumn": 9}),
        (INVENTORY, TEXT, 3, 1, {"startLine": 4, "startColumn": 9}),
        (INVENTORY, TEXT, 1, 2, {"startLine": 5, "startColumn": 9}),
        (INVENTORY, TEXT, 4, 2, {"startLine": 5, "startColumn": 9}),
        # Another script below it, which has two of its lines in the same places.
        (
            "s: ...\n" + INVENTORY.replace("squeue", "a\n      exit 0\n      b"),
            "#!/bin/sh\nlogger x\nexit 0\n",
            1,
            3,
            {"startLine": 1},
        ),
        # A template made another text of it, or the file cannot be read: the variable's own place.
        (INVENTORY.replace("squeue", "{{ command }}"), TEXT, 3, 2, {"startLine": 3}),
        (INVENTORY.replace("squeue", "time squeue"), TEXT, 3, 2, {"startLine": 3}),
        ("", TEXT, 3, 2, {"startLine": 3}),
        ("#!/bin/sh\n{{ command }}\n", TEXT, 0, 2, None),
        ("", "", 0, 1, {"startLine": 1, "startColumn": 3}),
    ],
)
def test_a_line_is_named_where_it_stands(
    whole: str, text: str, variable: int, line: int, expected: dict[str, int] | None
) -> None:
    assert place("f", whole, text, variable, line).get("region") == expected


def test_without_a_file_the_variable_is_named() -> None:
    rules = [*SCRIPT_RULES.values()]
    (run,) = sarif.log([finding("slurm-command")], rules, directory=DIRECTORY)["runs"]
    assert run["results"][0]["locations"] == [
        {"logicalLocations": [{"fullyQualifiedName": "slurm_worker_prolog[0], line 2"}]}
    ]
