# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bad definition is refused: the message names the variable, the place and the remedy, and no host has changed."""

from __future__ import annotations

import json
import pathlib

import pytest

GOOD = "#!/bin/sh\nexit 0\n"

# The fault, the variables, and the words of the message. First the faults that the variables alone show, ...
IN_THE_VARIABLES = [
    (
        "no shebang",
        {"slurm_worker_prolog": "echo hello\n"},
        ["slurm_worker_prolog[0] (script)", "does not begin with #!", "#!/bin/sh"],
    ),
    (
        "an unknown hook",
        {"slurm_worker_prologue": GOOD},
        ["slurm_worker_prologue", "did you mean 'slurm_worker_prolog'?"],
    ),
    (
        "an unknown option",
        {"slurm_worker_prolog": [{"name": "a", "content": GOOD, "timout": 3}]},
        ["slurm_worker_prolog[0] (a)", "unknown option 'timout'", "did you mean 'timeout'?"],
    ),
    (
        "two scripts of one name",
        {"slurm_worker_epilog": [{"name": "a", "content": GOOD}, {"name": "a", "content": GOOD}]},
        ["slurm_worker_epilog[1] (a)", "has the name of slurm_worker_epilog[0] (a)"],
    ),
    (
        "a file that is not there",
        {"slurm_task_prolog": [{"name": "a", "src": "no-such-file.sh"}]},
        ["slurm_task_prolog[0] (a)", "there is no file no-such-file.sh in files/"],
    ),
    (
        "a template that names an undefined variable",
        {"slurm_worker_prolog": [{"name": "a", "template": "@undefined.sh.j2"}]},
        ["slurm_worker_prolog[0] (a)", "'nobody_defined_this' is undefined", "host worker1, worker2, worker3"],
    ),
    (
        "text that names an undefined variable",
        {"slurm_login_init": "#!/bin/sh\necho {{ not_defined_either }}\n"},
        ["slurm_login_init", "'not_defined_either' is undefined"],
    ),
    (
        "the shell's ${#name} in a variable",
        {"slurm_worker_prolog": "#!/bin/bash\necho ${#PATH}\n"},
        ["slurm_worker_prolog", "!unsafe"],
    ),
    *(
        (
            f"the directory {root!r} for the releases",
            {"slurm_release_root": root},
            [
                f"slurm_release_root is {root!r}, which cannot be the directory of the releases",
                "write an absolute path",
            ],
        )
        for root in ("etc/nodecycle", "/", "/etc/", "/etc/../nodecycle")
    ),
    (
        "a name that is no file name",
        {"slurm_worker_prolog": [{"name": "a/b", "content": GOOD}]},
        ["'a/b'", "not a file name"],
    ),
    (
        "a negative timeout",
        {"slurm_worker_prolog": [{"name": "a", "content": GOOD, "timeout": -1}]},
        ["timeout -1", "whole seconds"],
    ),
    (
        "partitions for a script of the boot",
        {"slurm_worker_init": [{"name": "a", "content": GOOD, "partitions": ["gpu"]}]},
        ["init scripts belong to no job"],
    ),
    (
        "two sources",
        {"slurm_worker_prolog": [{"name": "a", "content": GOOD, "src": "b"}]},
        ["has `content` and `src`", "exactly one"],
    ),
    ("no source", {"slurm_worker_prolog": [{"name": "a"}]}, ["has no content"]),
    (
        "a dictionary instead of a list",
        {"slurm_worker_prolog": {"name": "a", "content": GOOD}},
        ["is a dictionary", "write a list"],
    ),
    (
        "an unknown on_failure",
        {"slurm_worker_prolog": [{"name": "a", "content": GOOD, "on_failure": "ignored"}]},
        ["did you mean 'ignore'?"],
    ),
    (
        "a syntax error in a script",
        {"slurm_worker_prolog": "#!/bin/sh\nif true\n"},
        ["syntax-error", "slurm_worker_prolog[0]"],
    ),
    (
        "a Slurm command in a prolog",
        {"slurm_worker_prolog": '#!/bin/sh\nset -e\nsqueue -u "$SLURM_JOB_USER"\n'},
        ["slurm-command", "squeue"],
    ),
]

# ... then those that need the facts of the cluster.
IN_THE_CLUSTER = [
    (
        "a partition that the cluster does not have",
        {"slurm_worker_prolog": [{"name": "a", "content": GOOD, "partitions": ["batsch"]}]},
        ["partition batsch", "did you mean 'batch'?"],
    ),
    (
        "a node that the cluster does not have",
        {"slurm_worker_prolog": [{"name": "a", "content": GOOD, "nodes": "worker[1-4]"}]},
        ["node worker4"],
    ),
    (
        "a key that a hook sets",
        {"slurm_worker_prolog": GOOD, "slurm_extra_conf": "Prolog=/x\n"},
        ["slurm_extra_conf sets Prolog, which slurm_worker_prolog sets"],
    ),
    (
        "a key that the cluster sets",
        {"slurm_extra_conf": "ReturnToService=0\n"},
        ["/etc/slurm/slurm.conf:", "already sets ReturnToService=", "slurm_adopt_conf_keys"],
    ),
    (
        "a key that Slurm does not know",
        {"slurm_extra_conf": "PrologFlag=Alloc\n"},
        ["unknown-key", "did you mean PrologFlags?", "slurm.conf: slurm_extra_conf", "line 1: error"],
    ),
    ("an empty group of controllers", {"slurm_controller_group": "nobody"}, ["has no host in the group nobody"]),
]


def snapshot(lab):
    """All files of the hosts that a run may change, with their times."""
    look = "find /etc /usr/local /run/slurm -printf '%p %s %T@\\n' | sort; ls -d /var/*/nodecycle 2>/dev/null || true"
    return {host: lab.run(host, look) for host in lab.hosts}


def write(tmp_path, variables):
    """The variables as a file, with a template that cannot be rendered if a case needs one."""
    (tmp_path / "undefined.sh.j2").write_text("#!/bin/sh\necho {{ nobody_defined_this }}\n")
    definition = tmp_path / "definition.json"
    definition.write_text(json.dumps(variables).replace("@undefined.sh.j2", str(tmp_path / "undefined.sh.j2")))
    return f"--extra-vars=@{definition}"


def refused(done, said):
    """Whether the run failed with these words, and with nothing that only a developer understands."""
    text = done.stdout + done.stderr
    assert done.returncode != 0, text
    assert "No host was touched" in text or "has no host" in text
    assert [part for part in said if part not in text] == [], text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("variables", "said"), [case[1:] for case in IN_THE_VARIABLES], ids=[case[0] for case in IN_THE_VARIABLES]
)
def test_validate_refuses(lab, tmp_path, variables, said):
    refused(lab.play(write(tmp_path, variables), playbook="playbooks/validate.yml"), said)


@pytest.mark.parametrize(
    ("variables", "said"), [case[1:] for case in IN_THE_CLUSTER], ids=[case[0] for case in IN_THE_CLUSTER]
)
def test_site_refuses_before_any_host_is_touched(lab, tmp_path, variables, said):
    before = snapshot(lab)
    refused(lab.play(write(tmp_path, variables)), said)
    assert snapshot(lab) == before


def test_site_says_all_problems_at_once(lab, tmp_path):
    before = snapshot(lab)
    done = lab.play(
        write(
            tmp_path,
            {
                "slurm_worker_prolog": "no shebang",
                "slurm_task_epilog": [{"name": "b", "content": GOOD, "timeout": "soon"}],
            },
        )
    )
    refused(done, ["2 problems", "does not begin with #!", "timeout 'soon'"])
    assert snapshot(lab) == before


def test_without_root_it_is_refused(lab, tmp_path):
    (tmp_path / "inventory.yml").write_text(
        json.dumps({"all": {"vars": {"ansible_user": "alice", "ansible_become": False}}})
    )
    done = lab.play("--extra-vars", json.dumps({"slurm_worker_prolog": GOOD}), inventory=[tmp_path / "inventory.yml"])
    assert done.returncode != 0
    assert "become: true" in done.stdout


def test_two_controllers_where_slurm_has_one_are_refused(lab, tmp_path):
    (tmp_path / "inventory.yml").write_text(json.dumps({"slurm_controller": {"hosts": {"login": {}}}}))
    done = lab.play("--extra-vars", json.dumps({"slurm_worker_prolog": GOOD}), inventory=[tmp_path / "inventory.yml"])
    assert done.returncode != 0
    assert "has 2 hosts (controller, login), and slurm.conf has 1 SlurmctldHost (controller)" in done.stdout


def test_a_node_that_the_inventory_lacks_is_named(lab, tmp_path):
    inventory = (
        (pathlib.Path(__file__).parents[3] / "lab/inventory.yml")
        .read_text()
        .replace("        worker2:\n", "        worker9:\n")
    )
    (tmp_path / "inventory.yml").write_text(inventory)
    (tmp_path / "group_vars").mkdir()
    done = lab.play(
        "--extra-vars", json.dumps({"slurm_worker_prolog": GOOD}), only_inventory=tmp_path / "inventory.yml"
    )
    assert done.returncode != 0
    assert "lacks worker2, which the cluster has" in done.stdout


def test_where_slurm_is_not_installed_it_is_said(lab):
    before = snapshot(lab)
    lab.run("controller", "mv /usr/bin/scontrol /usr/bin/scontrol.away")
    try:
        done = lab.play("--extra-vars", json.dumps({"slurm_worker_prolog": GOOD}))
    finally:
        lab.run("controller", "mv /usr/bin/scontrol.away /usr/bin/scontrol")
    assert done.returncode != 0
    assert "scontrol is not in PATH on this host: Slurm is not installed here" in done.stdout
    assert snapshot(lab) == before


def test_limited_to_one_worker_the_first_run_is_refused(lab, tmp_path):
    """Also if only a host that is left out defines the hook. Its script is not checked."""
    left_out = tmp_path / "left_out.yml"
    left_out.write_text(json.dumps({"all": {"hosts": {"worker2": {"slurm_worker_prolog": "no shebang"}}}}))
    before = snapshot(lab)
    done = lab.play("--limit", "worker1,controller", inventory=[left_out])
    refused(done, ["this run would change slurm.conf (Prolog)", "run without --limit"])
    assert "does not begin with #!" not in done.stdout
    assert snapshot(lab) == before


def test_validate_connects_to_no_host(lab, tmp_path):
    """The hosts of this inventory do not exist."""
    (tmp_path / "inventory.yml").write_text(
        json.dumps({"slurm_controller": {"hosts": {"c.example": {}}}, "slurm_worker": {"hosts": {"w.example": {}}}})
    )
    bad = lab.play(
        "--extra-vars",
        json.dumps({"slurm_worker_prolog": "no"}),
        playbook="playbooks/validate.yml",
        only_inventory=tmp_path / "inventory.yml",
    )
    good = lab.play(
        "--extra-vars",
        json.dumps({"slurm_worker_prolog": GOOD}),
        playbook="playbooks/validate.yml",
        only_inventory=tmp_path / "inventory.yml",
    )
    assert (bad.returncode != 0, good.returncode) == (True, 0), bad.stdout + good.stdout
    assert "does not begin with #!" in bad.stdout


def test_what_only_slurm_knows_is_refused_by_slurm_before_anything_is_placed(lab, tmp_path):
    """Our own checker is off."""
    before = snapshot(lab)
    variables = {"slurm_extra_conf": "PrologFlags=Sometimes\n", "slurm_lint_disable": ["invalid-value"]}
    done = lab.play(write(tmp_path, variables))
    assert done.returncode != 0
    assert "Slurm refuses the new configuration, so nothing was changed" in done.stdout
    assert "PrologFlags invalid" in done.stdout
    assert snapshot(lab) == before


def test_an_interpreter_that_a_host_lacks_is_named(lab, tmp_path):
    variables = {"slurm_worker_prolog": [{"name": "exotic", "content": "#!/usr/bin/ruby\nexit 0\n"}]}
    done = lab.play(write(tmp_path, variables))
    assert done.returncode != 0
    assert "worker_prolog: script 10-exotic needs /usr/bin/ruby, which this host does not have" in done.stdout
    assert lab.try_run("worker1", "test -e /etc/nodecycle/current").rc != 0
    assert "nodecycle.conf" not in lab.read("controller", "/etc/slurm/slurm.conf")


def test_warnings_are_shown_once_and_do_not_stop(lab, tmp_path):
    variables = {"slurm_worker_prolog": "#!/bin/sh\n[ -d /scratch ] && rmdir /scratch\n"}
    done = lab.play(write(tmp_path, variables), playbook="playbooks/validate.yml")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("[accidental-exit-code]") == 1


def test_the_threshold_and_the_severities_are_the_user_s(lab, tmp_path):
    variables = {"slurm_worker_prolog": "#!/bin/sh\n[ -d /scratch ] && rmdir /scratch\n"}
    stricter = lab.play(
        write(tmp_path, {**variables, "slurm_lint_threshold": "warning"}), playbook="playbooks/validate.yml"
    )
    off = lab.play(
        write(
            tmp_path,
            {**variables, "slurm_lint_threshold": "warning", "slurm_lint_severity": {"accidental-exit-code": "off"}},
        ),
        playbook="playbooks/validate.yml",
    )
    unknown = lab.play(
        write(tmp_path, {**variables, "slurm_lint_disable": ["accidental-exit-cod"]}), playbook="playbooks/validate.yml"
    )
    assert (stricter.returncode != 0, off.returncode, unknown.returncode != 0) == (True, 0, True)
    assert "did you mean 'accidental-exit-code'?" in unknown.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tags", "prolog"], "--tags or --skip-tags leave out steps of the rollout"),
        (["--skip-tags", "untagged"], "--tags or --skip-tags leave out steps of the rollout"),
        (["--start-at-task", "Stage the release beside the active one"], "Nothing was checked in this run yet"),
    ],
)
def test_a_run_that_leaves_out_steps_is_refused(lab, arguments, words):
    done = lab.play(*arguments, "--extra-vars", json.dumps({"slurm_worker_prolog": GOOD}))
    assert done.returncode != 0
    assert words in done.stdout
