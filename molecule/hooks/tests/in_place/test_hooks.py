# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The effect of each hook, seen from outside of the collection: files, logs, job output."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
from conftest import ROOT, SLURM, WORKERS, wait


@pytest.fixture(scope="module")
def batch(lab):
    """A job on worker2, ended, with its output."""
    script = 'echo "greeting $GREETING${UNWANTED+, unwanted}"; echo "job on $SLURM_JOB_NODELIST"'
    job = lab.sbatch(script, "-w worker2", "--job-name=hooked", "--export=ALL,UNWANTED=1")
    assert lab.finish(job)["JobState"] == "COMPLETED"
    return job


@pytest.fixture(scope="module")
def gpu(lab):
    """A job in partition gpu, on worker3."""
    job = lab.sbatch('echo "task $SLURM_JOB_ID" >>task-epilog', "-p gpu")
    assert lab.finish(job)["JobState"] == "COMPLETED"
    return job


def lines(lab, host, job, path="/var/log/hooks"):
    """The lines of a log that end with a job's id, or name it."""
    return [line for line in lab.read(host, path).splitlines() if job in line.split()]


def records(lab, host, hook, job):
    """The dispatcher's records of a job."""
    entries = [json.loads(line) for line in lab.read(host, f"/var/log/nodecycle/{hook}.log").splitlines()]
    return [entry for entry in entries if entry["job"] == job]


def test_the_prolog_runs_every_script_in_its_order(lab, batch):
    assert lines(lab, "worker2", batch)[:3] == [
        f"prolog first {batch}",
        f"prolog 2 worker2 {batch}",
        f"prolog worker2 {batch}",
    ]


def test_the_prolog_runs_as_root_and_finds_commands(lab, batch):
    text = lab.read("worker2", "/var/log/hooks")
    after = text.split(f"prolog first {batch}\n")[1].splitlines()
    assert after[:2] == ["0", "/usr/bin/scontrol"]


def test_a_template_is_rendered_with_each_host_s_variables(lab, gpu):
    assert f"prolog 2 worker3 {gpu}" in lines(lab, "worker3", gpu)


def test_a_script_for_a_partition_runs_for_its_jobs_only(lab, batch, gpu):
    assert f"prolog partition gpu {gpu}" in lines(lab, "worker3", gpu)
    assert not [line for line in lines(lab, "worker2", batch) if "partition" in line]


def test_a_script_for_nodes_is_on_those_nodes_only(lab):
    present = {
        host for host in WORKERS if lab.run(host, "ls /etc/nodecycle/current/worker_prolog.d").count("only-worker2")
    }
    assert present == {"worker2"}


def test_a_group_adds_a_script_of_its_own(lab, batch, gpu):
    found = lines(lab, "worker3", gpu)
    assert found.index(f"prolog first {gpu}") < found.index(f"prolog group {gpu}")
    assert not [line for line in lines(lab, "worker2", batch) if "group" in line]


def test_an_ignored_failure_is_logged_and_nothing_else(lab, batch):
    (failed,) = [
        entry for entry in records(lab, "worker2", "worker_prolog", batch) if entry["script"].endswith("may-fail")
    ]
    assert failed["exit"] == 7
    assert lab.node("worker2")["State"] == "IDLE"


def test_a_hanging_script_is_stopped_in_time(lab, batch):
    (hung,) = [
        entry for entry in records(lab, "worker2", "worker_prolog", batch) if entry["script"].endswith("may-hang")
    ]
    assert hung["exit"] == 124
    assert 1000 <= hung["ms"] < 5000


def test_the_epilog_runs_in_order_after_the_job(lab, batch):
    assert lines(lab, "worker2", batch)[-2:] == [f"epilog cleanup {batch}", f"epilog last {batch} 0:0"]


def test_the_log_says_which_release_ran_for_whom(lab, batch):
    entries = records(lab, "worker2", "worker_prolog", batch)
    assert {entry["user"] for entry in entries} == {"alice"}
    active = lab.run("worker2", "readlink /etc/nodecycle/current").strip().split("/")[-1]
    assert {entry["release"] for entry in entries} == {active}


def test_the_task_prolog_speaks_into_the_job(lab, batch):
    assert lab.output(batch).splitlines() == [
        "task prolog of alice on worker2",
        "greeting hello-from-task-prolog",
        "job on worker2",
    ]


def test_the_task_prolog_speaks_into_an_interactive_job(lab):
    result = lab.srun("printenv GREETING", "-w worker1")
    assert (result.rc, result.stdout.splitlines()) == (0, ["task prolog of alice on worker1", "hello-from-task-prolog"])


def test_the_task_hooks_run_for_each_task(lab):
    result = lab.srun("printenv GREETING SLURM_JOB_ID", "-w worker1", "-n2")
    assert result.rc == 0
    (job,) = {line for line in result.stdout.splitlines() if line.isdigit()}
    said = ["hello-from-task-prolog", job, "task prolog of alice on worker1"]
    assert sorted(result.stdout.splitlines()) == sorted(said * 2)
    # srun does not wait for them.
    ended = lambda: lab.run("login", "cat task-epilog", "alice").splitlines().count(f"alice {job}")  # noqa: E731
    assert wait(lambda: ended() == 2, 15, "two task epilogs")


def test_the_task_epilog_runs_as_the_user(lab, gpu):
    assert lab.run("login", f"grep -w {gpu} task-epilog", "alice").splitlines() == [f"task {gpu}", f"alice {gpu}"]
    assert lab.run("login", "stat -c %U ~alice/task-epilog").strip() == "alice"


def test_the_controller_s_hooks_see_the_job_as_slurm_user(lab, batch):
    assert lines(lab, "controller", batch, "/var/log/job-events") == [
        f"begin {batch} hooked slurm",
        f"end {batch} exit=0:0 slurm",
    ]


def test_the_controller_epilog_sees_the_exit_code(lab):
    job = lab.sbatch("exit 3")
    assert lab.finish(job)["JobState"] == "FAILED"
    assert f"end {job} exit=3:0 slurm" in lines(lab, "controller", job, "/var/log/job-events")


@pytest.mark.parametrize(
    ("host", "line"), [("worker1", "worker_init active"), ("login", "login_init"), ("controller", "controller_init")]
)
def test_init_scripts_ran_once_at_the_first_apply(lab, host, line):
    assert [found for found in lab.read(host, "/var/log/hooks").splitlines() if "_init" in found] == [line]


def test_init_runs_before_slurmd_at_boot(lab):
    properties = lab.run("worker1", "systemctl show slurmd -p After -p Wants")
    assert properties.count("nodecycle-worker-init.service") == 2
    assert lab.run("worker1", "systemctl is-enabled nodecycle-worker-init").strip() == "enabled"


def test_login_init_runs_before_logins(lab):
    assert "systemd-user-sessions.service" in lab.run("login", "systemctl show nodecycle-login-init -p Before")


@pytest.mark.parametrize("host", ["worker1", "worker2", "worker3", "login", "controller"])
def test_every_file_is_what_the_manifest_says(lab, host):
    manifest = json.loads(lab.read(host, "/etc/nodecycle/current/manifest.json"))
    assert manifest["files"]
    for path, entry in manifest["files"].items():
        sum_line, stat_line = lab.run(
            host, f"sha256sum /etc/nodecycle/current/{path}; stat -c '%a %U' /etc/nodecycle/current/{path}"
        ).splitlines()
        assert sum_line.split()[0] == entry["sha256"]
        assert stat_line == f"{int(entry['mode'], 8):o} root"


def test_the_command_of_the_guide_shows_each_digest_twice(lab):
    page = (ROOT / "docs/guide/operations.md").read_text()
    (command,) = re.findall(r"(?m)^    (cd /etc/nodecycle/current && .*)$", page)
    shown = lab.run("worker1", command)
    digests = re.findall(r"(?m)^([0-9a-f]{64})  worker_prolog", shown)
    assert len(digests) >= 6
    assert [digest for digest in digests if shown.count(digest) != 2] == []


def test_a_secret_can_be_read_by_nobody_but_root(lab):
    path = "/etc/nodecycle/current/worker_prolog.d/30-secret"
    assert "vaulted-token-3141" in lab.read("worker1", path)
    assert lab.try_run("worker1", f"cat {path}", "alice").rc != 0


def test_the_secret_is_in_no_log(lab):
    for host in WORKERS:
        assert (
            lab.try_run(
                host, "journalctl --no-pager | grep -c vaulted-token-3141; grep -r vaulted-token-3141 /var/log"
            ).stdout.strip()
            == "0"
        )


def test_a_run_without_a_change_is_one_call_a_host(lab, request):
    scenario = request.path.parents[2]
    done = lab.play(
        f"--vault-password-file={scenario}/files/vault-password",
        playbook=str(scenario / "converge.yml"),
        inventory=[scenario / "inventory"],
        cwd=scenario,
    )
    assert done.returncode == 0, done.stdout
    tasks = {host: [] for host in WORKERS}
    for task in done.stdout.split("\nTASK [")[1:]:
        name = task.partition("]")[0].rpartition(" : ")[2]
        for host in re.findall(r"(?m)^ok: \[(worker\d)\]", task):
            tasks[host].append(name)
    # The assert is one of the control node, once for all.
    stage = "Stage the release beside the active one"
    assert tasks == {"worker1": ["Require the check", stage], "worker2": [stage], "worker3": [stage]}
    sums = {host: re.search(rf"(?m)^{host} +: ok=\d+ +changed=(\d+) .* skipped=(\d+)", done.stdout) for host in WORKERS}
    assert {host: found and found.groups() for host, found in sums.items()} == dict.fromkeys(WORKERS, ("0", "0"))


def test_the_secret_is_in_no_output(lab, request, tmp_path):
    """Not even if the script that has it changes, with all that Ansible can print."""
    scenario = request.path.parents[2]
    (tmp_path / "changed.json").write_text(json.dumps({"lab_token_prefix": "x"}))
    done = lab.play(
        "--check",
        "--diff",
        "-vvv",
        f"--vault-password-file={scenario}/files/vault-password",
        f"--extra-vars=@{tmp_path}/changed.json",
        playbook=str(scenario / "converge.yml"),
        inventory=[scenario / "inventory"],
        cwd=scenario,
    )
    assert done.returncode == 0, done.stdout
    assert "(content hidden" in done.stdout
    assert "worker_prolog.d/30-secret" in done.stdout
    assert "vaulted-token-3141" not in done.stdout + done.stderr


def test_slurm_conf_has_one_line_of_ours(lab):
    text = lab.read("controller", "/etc/slurm/slurm.conf")
    assert text.splitlines()[-1] == "Include nodecycle.conf"
    assert text.count("nodecycle.conf") == 1


def test_slurm_was_told_once_to_read_it(lab):
    first = int(lab.run("controller", "stat -c %W /etc/nodecycle"))
    log = lab.run("controller", "grep 'Processing Reconfiguration Request' /var/log/slurm/slurmctld.log")
    times = [int(lab.run("controller", f"date +%s -d '{line[1:20]}'")) for line in log.splitlines()]
    assert len([when for when in times if when >= first]) == 1, log


def test_the_extra_lines_are_in_effect(lab):
    config = lab.run("controller", "scontrol show config")
    assert "PrologEpilogTimeout     = 120" in config
    assert "SchedulerParameters     = bf_continue" in config
    assert "HASH_VAL                = Match" in config


def test_login_nodes_and_workers_got_the_configuration(lab):
    # Before 23.11 nothing fetches the configuration for a login node, which has a slurm.conf of its own.
    places = {"login": "/run/slurm/conf" if SLURM >= "23.11" else "/etc/slurm", "worker1": "/run/slurm/conf"}
    for host, place in places.items():
        digest = hashlib.sha256(lab.read(host, f"{place}/nodecycle.conf").encode()).hexdigest()
        assert digest == hashlib.sha256(lab.read("controller", "/etc/slurm/nodecycle.conf").encode()).hexdigest()


def test_no_daemon_was_restarted(lab):
    """slurmd is older than the first release. A reconfigure replaces its process, and that of slurmctld; systemd's units stay up."""
    # 22.05 takes the first hooks of the controller at a restart only, for which the lab gives leave there.
    controller = (("controller", "slurmctld"),) if SLURM > "22.05" else ()
    for host, unit in (*((host, "slurmd") for host in WORKERS), *controller):
        since = lab.run(host, f'date +%s -d "$(systemctl show {unit} -p ActiveEnterTimestamp --value)"')
        first = lab.run(host, "stat -c %W /etc/nodecycle")
        assert 0 < int(since) < int(first), host
