# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nodecycle-lint as a user calls it: a process of its own, in a directory of his, without Ansible."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import typing as t

import pytest
import yaml
from ansible_collections.nodecycle.slurm.plugins.module_utils._hooks import HOOKS
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint import command_line
from ansible_collections.nodecycle.slurm.plugins.plugin_utils._lint.script.environment import KNOWN_HOOKS

ROOT = pathlib.Path(__file__).resolve().parents[5]
COMMAND = ROOT / "scripts/nodecycle-lint"

GOOD = "#!/bin/sh\nlogger start\nexit 0\n"
WARNING = "#!/bin/sh\n/bin/chmod 777 /scratch/x\nexit 0\n"
ERROR = "#!/bin/sh\n/usr/bin/squeue -h >/dev/null\nexit 0\n"


class Site:
    """A directory of a user's."""

    def __init__(self, home: pathlib.Path) -> None:
        self.home = home

    def write(self, files: dict[str, str]) -> None:
        """Files by their names."""
        for name, text in files.items():
            path = self.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Call the command."""
        return subprocess.run(
            [COMMAND, *arguments],
            cwd=self.home,
            env={"HOME": str(self.home), "PATH": os.environ["PATH"], "PYTHON": sys.executable, **environment},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def site(tmp_path: pathlib.Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("worker_prolog.sh", "worker_prolog"),
        ("40-worker-prolog-scratch", "worker_prolog"),
        ("files/worker_prolog.d/10-scratch", "worker_prolog"),
        ("Worker_Epilog", "worker_epilog"),
        ("worker_epilog.d/task_prolog.sh", "task_prolog"),
        ("controller-init/login_init.sh", "login_init"),
        ("etc/slurm.conf", "slurm.conf"),
        ("slurm-gpu.conf.epp", "slurm.conf"),
        ("worker_prolog.d/slurm.conf", "slurm.conf"),
        ("worker_health.sh", "worker_health"),
        ("worker_health_gpu.sh", "worker_health"),
        ("worker-health.d/10-mounts", "worker_health"),
        ("sbin/nhc", "worker_health"),
        ("lbnl-nhc.sh", "worker_health"),
        ("node-health-check", "worker_health"),
        ("slurm_healthcheck.py", "worker_health"),
        ("worker_healthcheck", "worker_health"),
        ("worker_prolog.d/10-nhc", "worker_prolog"),
        ("worker_epilog_node_health.sh", "worker_epilog"),
        ("nhc.conf", ""),
        ("nhc/gpu.sh", ""),
        ("healthcheck.sh", ""),
        ("prolog.sh", ""),
        ("coworker_prolog.sh", ""),
        ("worker_prologue.sh", ""),
        ("cgroup.conf", ""),
        ("slurm.conf.d/x", ""),
    ],
)
def test_a_name_tells_the_hook(path: str, kind: str) -> None:
    assert command_line.kind_of(path) == kind


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["worker_prolog_good.sh"], 0),
        (["worker_prolog_warning.sh"], 0),
        (["worker_prolog_error.sh"], 1),
        (["worker_prolog_good.sh", "worker_prolog_error.sh"], 1),
        (["--threshold", "warning", "worker_prolog_warning.sh"], 1),
        (["--disable", "slurm-command", "worker_prolog_error.sh"], 0),
        (["--severity", "slurm-command=info", "worker_prolog_error.sh"], 0),
        (["--severity", "slurm-command=off", "--threshold", "info", "worker_prolog_error.sh"], 0),
        (["--hook", "worker_init", "worker_prolog_error.sh"], 0),
        (["--hook", "slurm.conf", "lines"], 1),
        (["--slurm-version", "24.11", "slurm.conf"], 1),
        (["--slurm-version", "25.05", "slurm.conf"], 0),
    ],
)
def test_the_exit_code_is_the_outcome(site: Site, arguments: list[str], code: int) -> None:
    site.write({"worker_prolog_good.sh": GOOD, "worker_prolog_warning.sh": WARNING, "worker_prolog_error.sh": ERROR})
    site.write(
        {
            "lines": "KilWait=30\n",
            "slurm.conf": "PrologTimeout=60\n",
        }
    )
    done = site.run(*arguments)
    assert (done.returncode, done.stderr) == (code, ""), done


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["prolog.sh"], "prolog.sh: the name does not tell the hook. Add --hook"),
        (["worker_prolog.sh"], "worker_prolog.sh: No such file or directory"),
        (["worker_prolog.d"], "worker_prolog.d: Is a directory"),
        (["worker_prolog.d/x.j2"], "a template is no script yet"),
        (["--hook", "prolog", "prolog.sh"], "invalid choice: 'prolog'"),
        (["--disable", "slurm-comand", "worker_prolog.d/x"], "did you mean 'slurm-command'?"),
        (["--severity", "slurm-command", "worker_prolog.d/x"], "is not RULE=SEVERITY"),
        (["--severity", "slurm-command=fatal", "worker_prolog.d/x"], "must be one of error, warning, info or off"),
        (["--slurm-version", "new", "worker_prolog.d/x"], "is not a release of Slurm such as 24.11"),
        (["--output", "no/such", "worker_prolog.d/x"], "no/such: No such file or directory"),
        ([], "the following arguments are required: FILE"),
    ],
)
def test_what_cannot_be_done_is_code_2_and_says_why(site: Site, arguments: list[str], said: str) -> None:
    site.write({"prolog.sh": GOOD, "worker_prolog.d/x": GOOD, "worker_prolog.d/x.j2": GOOD})
    done = site.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_program_is_code_2_and_says_how_to_get_it(site: Site) -> None:
    site.write({"worker_prolog": GOOD})
    for name in ("readlink", "dirname"):
        (site.home / name).symlink_to(t.cast("str", shutil.which(name)))
    python = site.home / "python"
    python.symlink_to(os.path.realpath(sys.executable))
    done = site.run("worker_prolog", PATH=str(site.home), PYTHON=str(python))
    assert done.returncode == 2
    assert "pip install shfmt-py" in done.stderr


def test_an_old_python_is_named(site: Site) -> None:
    main = ROOT / "plugins/plugin_utils/_lint/__main__.py"
    start = f"import runpy, sys\nsys.version_info = (3, 9, 1)\nrunpy.run_path({str(main)!r}, run_name='__main__')\n"
    site.write({"old": f"#!{sys.executable}\n{start}"})
    (site.home / "old").chmod(0o755)
    done = site.run("worker_prolog", PYTHON=str(site.home / "old"))
    assert done.returncode == 2
    assert "needs Python 3.10 or newer, and" in done.stderr


def test_text_names_the_place_as_compilers_do(site: Site) -> None:
    site.write({"files/worker_prolog.d/10_x": ERROR, "files/worker_prolog.d/20_y": ERROR})
    out = site.run("files/worker_prolog.d/10_x", "files/worker_prolog.d/20_y").stdout
    first, second = (line for line in out.splitlines() if "squeue" in line)
    assert first == "files/worker_prolog.d/10_x:2:1: error: squeue runs in worker_prolog [slurm-command]"
    assert second.startswith("files/worker_prolog.d/20_y:2:1: error: ")
    assert out.count("    why: ") == out.count("docs/rules/slurm-command.md") == 1


def test_json_is_what_the_module_returns(site: Site) -> None:
    site.write({"worker_prolog": ERROR})
    done = site.run("--format", "json", "--output", "found.json", "worker_prolog")
    assert (done.returncode, done.stdout) == (1, "")
    (found,) = json.loads((site.home / "found.json").read_text())
    assert {name: found[name] for name in ("rule", "severity", "hook", "file", "file_line", "file_column")} == {
        "rule": "slurm-command",
        "severity": "error",
        "hook": "worker_prolog",
        "file": "worker_prolog",
        "file_line": 2,
        "file_column": 1,
    }


def test_sarif_names_files_below_the_working_directory(site: Site) -> None:
    site.write({"a/worker_prolog": ERROR, "b/slurm.conf": "ClusterName=c\n KilWait=30\n"})
    (run,) = json.loads(site.run("--format", "sarif", "a/worker_prolog", "b/slurm.conf").stdout)["runs"]
    assert run["originalUriBaseIds"] == {"SRCROOT": {"uri": f"{site.home.as_uri()}/"}}
    places = {
        result["ruleId"]: (place["artifactLocation"]["uri"], *place["region"].values())
        for result in run["results"]
        for place in [result["locations"][0]["physicalLocation"]]
    }
    assert places == {"slurm-command": ("a/worker_prolog", 2, 1), "conf/unknown-key": ("b/slurm.conf", 2, 2)}


def test_a_time_limit_is_that_of_the_scripts(site: Site) -> None:
    site.write({"worker_prolog": "#!/bin/sh\n/bin/sleep 30\nexit 0\n"})
    assert "wait-exceeds-timeout" in site.run("--timeout", "10", "worker_prolog").stdout
    assert "wait-exceeds-timeout" not in site.run("--timeout", "60", "worker_prolog").stdout


HEALTH_CHECK = """\
#!/bin/bash
PATH=/usr/sbin:/usr/bin:/sbin:/bin
drain() { %sscontrol update nodename="$SLURMD_NODENAME" state=drain reason="$1"; }
mountpoint -q /home || drain "/home is not mounted"
%s nvidia-smi -L >/dev/null || drain "no answer from the GPU"
"""


@pytest.mark.parametrize(
    ("bounds", "arguments", "rules"),
    [
        (("timeout 20 ", "timeout 20"), ["--hook", "worker_health", "check"], set()),
        (("timeout 20 ", "timeout 20"), ["nhc"], set()),
        (("", "timeout 20"), ["--hook", "worker_health", "check"], {"unbounded-wait"}),
        (("timeout 20 ", "timeout 90"), ["nhc"], {"wait-exceeds-timeout"}),
        (("timeout 20 ", "timeout 90"), ["--timeout", "120", "nhc"], set()),
        (("timeout 20 ", "timeout 20"), ["--hook", "worker_epilog", "nhc"], {"slurm-command", "accidental-exit-code"}),
    ],
)
def test_a_health_check_may_drain_within_its_limits(
    site: Site, bounds: tuple[str, str], arguments: list[str], rules: set[str]
) -> None:
    site.write({"nhc": HEALTH_CHECK % bounds, "check": HEALTH_CHECK % bounds})
    done = site.run("--format", "json", *arguments)
    # Of the drain not even a note is right.
    found = {f["rule"] for f in json.loads(done.stdout) if f["severity"] != "info" or f["rule"] == "slurm-command"}
    assert (found, done.stderr) == (rules, "")


def test_a_health_check_is_the_linter_s_alone() -> None:
    assert KNOWN_HOOKS.keys() - HOOKS.keys() == {"worker_health"}


def test_it_needs_no_ansible(site: Site) -> None:
    site.write({"ansible/__init__.py": "raise SystemExit('imported')\n", "worker_prolog": GOOD})
    assert site.run("worker_prolog", PYTHONPATH=str(site.home)).returncode == 0


def test_help_names_every_hook_and_every_code(site: Site) -> None:
    done = site.run("--help")
    assert done.returncode == 0
    assert all(hook in done.stdout for hook in KNOWN_HOOKS)
    assert re.search(r"exit code: 0 .*; 1 .*; 2 ", done.stdout)


def test_the_guide_has_every_option(site: Site) -> None:
    page = (ROOT / "docs/guide/linting.md").read_text()
    told = set(re.findall(r"`(--[a-z-]+)", "".join(line for line in page.splitlines() if line.startswith("| `--"))))
    assert told == set(re.findall(r"(?<![\w-])(--[a-z-]+)", site.run("--help").stdout)) - {"--help"}


# ---------------------------------------------------------------------------------------------------- pre-commit


def hook() -> dict[str, t.Any]:
    (found,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    return t.cast("dict[str, t.Any]", found)


def test_pre_commit_starts_the_command() -> None:
    assert hook()["language"] == "script"
    assert ROOT / hook()["entry"] == COMMAND
    assert os.access(COMMAND, os.X_OK)


def test_the_example_of_the_guide_is_one_of_pre_commit(site: Site) -> None:
    page = (ROOT / "docs/guide/linting.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (used,) = yaml.safe_load(example)["repos"][0]["hooks"]
    assert used["id"] == hook()["id"]
    site.write({"worker_prolog.d/10-x": WARNING, "worker_prolog.d/20-y": GOOD})
    done = site.run(*used["args"], "worker_prolog.d/10-x", "worker_prolog.d/20-y")
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("name", [*KNOWN_HOOKS, *(name.replace("_", "-") for name in KNOWN_HOOKS)])
@pytest.mark.parametrize("form", ["{}", "{}.sh", "files/{}.d/10-x", "files/10-{}-x.py"])
def test_pre_commit_offers_each_hook(name: str, form: str) -> None:
    path = form.format(name)
    assert re.search(hook()["files"], path)
    assert not re.search(hook()["exclude"], path)


@pytest.mark.parametrize(
    ("path", "is_offered"),
    [
        ("slurm.conf", True),
        ("roles/slurm/templates/slurm.conf.j2", True),
        ("templates/worker_prolog.sh.j2", False),
        ("group_vars/worker_prolog.yml", False),
        ("docs/worker_prolog.md", False),
        ("coworker_prolog.sh", False),
        ("worker_prologue.sh", False),
        ("cgroup.conf", False),
        ("files/nhc", True),
        ("files/node-healthcheck.sh", True),
        ("files/slurm_health_check", True),
        ("nhc/gpu.sh", False),
        ("etc/nhc.conf", False),
        ("docker/healthcheck.sh", False),
    ],
)
def test_pre_commit_offers_what_the_command_takes(path: str, is_offered: bool) -> None:
    found = bool(re.search(hook()["files"], path)) and not re.search(hook()["exclude"], path)
    assert found is is_offered
    assert not found or command_line.kind_of(path)
