# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""alice could write for a moment where it is decided what root runs: the status says so, the next run repairs it, and she keeps no way to root."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT, active

DEFINITION = f"--extra-vars=@{ROOT}/molecule/host_faults/vars/drift.yml"

#: The paths that somebody opened, by name: host, path and command. {id} is the directory of the host's active release.
DRIFT = {
    # Those of the security review.
    "release open": ("worker1", "{id}", "chmod 777 {path}"),
    "release of bob": ("worker2", "{id}", "chown bob {path}"),
    "unit open": ("login", "/etc/systemd/system/nodecycle-login-init.service", "chmod 666 {path}; chown alice {path}"),
    # Their siblings.
    "root open": ("worker1", "/etc/nodecycle", "chmod 777 {path}"),
    "releases of alice": ("worker2", "/etc/nodecycle/releases", "chown alice {path}"),
    "directory of scripts open": ("worker3", "{id}/worker_epilog.d", "chmod 777 {path}"),
    "manifest open": ("worker3", "{id}/manifest.json", "chmod 666 {path}"),
    "current of alice": ("worker1", "/etc/nodecycle/current", "chown -h alice {path}"),
    "history open": ("worker2", "/etc/nodecycle/history.json", "chmod 666 {path}"),
    "drop-in open": ("worker3", "/etc/systemd/system/slurmd.service.d/nodecycle.conf", "chmod 666 {path}"),
    "drop-ins open": ("worker2", "/etc/systemd/system/slurmd.service.d", "chmod 777 {path}"),
    "rotation open": ("controller", "/etc/logrotate.d/nodecycle", "chmod 666 {path}"),
    "tmpfiles of alice": ("controller", "/etc/tmpfiles.d/nodecycle.conf", "chown alice {path}"),
    "lines of slurm.conf open": ("controller", "/etc/slurm/nodecycle.conf", "chmod 666 {path}"),
    "run open": ("worker1", "/run/nodecycle", "chmod 777 {path}"),
    "run of a hook open": ("worker3", "/run/nodecycle/worker_epilog", "chmod 777 {path}"),
    "state of a hook open": ("worker3", "/var/lib/nodecycle/worker_prolog", "chmod 777 {path}"),
    "what an undo reads open": ("controller", "/var/lib/nodecycle/rollout", "chmod 777 {path}"),
    "log open": ("worker2", "/var/log/nodecycle/worker_prolog.log", "chmod 666 {path}"),
    "log a link": ("worker1", "/var/log/nodecycle/worker_epilog.log", "ln -sf /etc/shadow {path}"),
    "a script of alice's": ("worker1", "{id}/worker_epilog.d/05-alice", "install -m 755 -o alice /bin/true {path}"),
}


def place(lab, name):
    """Host and path of a case."""
    host, path, _how = DRIFT[name]
    return host, path.replace("{id}", f"/etc/nodecycle/{active(lab, host)}")


def listed(path):
    """A path as the status and the run name it: files of a release without its directory."""
    return re.sub(r"^/etc/nodecycle/releases/[0-9a-f]+/", "", path)


@pytest.fixture(scope="module", autouse=True)
def in_place(lab):
    """The definition, placed."""
    done = lab.play(DEFINITION)
    assert done.returncode == 0, done.stdout


def status(lab, host):
    """The status of a host."""
    said = lab.play(playbook="playbooks/status.yml").stdout
    lines = re.findall(r'^\s+"((?:controller|login|worker)\S*): (.*)",?$', said, re.MULTILINE)
    number = host.removeprefix("worker")
    found = [
        text
        for hosts, text in lines
        if hosts == host
        or (number.isdigit() and re.match(r"worker\[", hosts) and number in _expanded(hosts.partition("[")[2]))
    ]
    assert len(found) == 1, said
    return found[0]


def _expanded(numbers):
    found = []
    for part in numbers.rstrip("]").split(","):
        first, _dash, last = part.partition("-")
        found += [str(number) for number in range(int(first), int(last or first) + 1)]
    return found


def test_what_was_placed_is_proven(lab):
    for host in ("controller", "login", "worker1", "worker2", "worker3"):
        assert status(lab, host).endswith("proven")


def test_drift_is_told_then_repaired_and_no_longer_told(lab):
    """All cases at once: a run with one is not faster."""
    for name in DRIFT:
        host, path = place(lab, name)
        lab.run(host, DRIFT[name][2].replace("{path}", path))
    said = lab.play(playbook="playbooks/status.yml").stdout
    checked = lab.play(DEFINITION, "--check", "--diff")
    assert checked.returncode == 0, checked.stdout
    done = lab.play(DEFINITION, "--diff")
    assert done.returncode == 0, done.stdout
    for name in DRIFT:
        host, path = place(lab, name)
        for run in (checked, done):
            recap = re.search(rf"^{host}\s.*changed=(\d+)", run.stdout, re.MULTILINE)
            assert recap, run.stdout
            assert recap.group(1) != "0", f"{name}: {host} is not changed"
            assert path in run.stdout, name
    assert len(re.findall("changed since it was staged: ", said)) >= 4, said
    again = lab.play(DEFINITION)
    assert re.findall(r"changed=([1-9]\d*)", again.stdout) == [], again.stdout
    assert "changed since" not in lab.play(playbook="playbooks/status.yml").stdout


#: Those of the review, and one of each other kind.
ALONE = (
    "release open",
    "release of bob",
    "log a link",
    *(
        pytest.param(name, marks=pytest.mark.thorough)
        for name in ("unit open", "lines of slurm.conf open", "what an undo reads open")
    ),
)


@pytest.mark.parametrize("name", ALONE)
def test_the_status_names_each_and_a_run_repairs_it(lab, name):
    host, path = place(lab, name)
    before = lab.run(host, f"stat -c '%F %a %U %G' {path}") if "alice's" not in name and "link" not in name else ""
    lab.run(host, DRIFT[name][2].replace("{path}", path))
    assert f"changed since it was staged: {listed(path)}" in status(lab, host)
    done = lab.play(DEFINITION)
    assert done.returncode == 0, done.stdout
    if before:
        assert lab.run(host, f"stat -c '%F %a %U %G' {path}") == before
    assert status(lab, host).endswith("proven")


def test_alice_keeps_no_way_to_root(lab):
    """She did all that she can in an open release, and has all files open that she made there."""
    host = "worker1"
    release = f"/etc/nodecycle/{active(lab, host)}"
    lab.run(host, f"chmod 777 {release}")
    evil = "#!/bin/sh\\nid >/tmp/by-root\\n"
    lab.run(
        host,
        f"cd {release} && mv worker_epilog.d away && mkdir worker_epilog.d && printf '{evil}' >worker_epilog.d/10-script && "
        "chmod 755 worker_epilog.d worker_epilog.d/10-script",
        "alice",
    )
    lab.run(
        host,
        f"systemd-run --quiet --unit=alice-keeps --uid=alice --working-directory={release}/worker_epilog.d "
        f'sh -c \'exec 9>>10-script; sleep 15; printf "{evil}" >&9; printf "{evil}" >10-script; rm -f 10-script; sleep 60\'',
    )
    done = lab.play(DEFINITION)
    assert done.returncode == 0, done.stdout
    lab.run(host, "sleep 16")
    try:
        assert lab.srun("hostname", "-w worker1").stdout == "worker1\n"
        lab.wait_for_state(host, lambda state: state == "IDLE")
        assert lab.try_run(host, "test -e /tmp/by-root").rc != 0
        assert status(lab, host).endswith("proven")
    finally:
        lab.try_run(host, "systemctl stop alice-keeps; rm -f /tmp/by-root")


def test_a_root_where_others_can_write_is_refused_before_anything_changes(lab):
    lab.run("worker2", "mkdir -p /srv/open && chmod 777 /srv/open")
    done = lab.play(DEFINITION, "--extra-vars=slurm_release_root=/srv/open/nodecycle")
    assert done.returncode != 0
    assert "/srv/open can be written by others" in done.stdout
    assert "Nothing was changed for any job" in done.stdout
    lab.run("worker2", "rm -rf /srv/open")
    for host in ("controller", "login", "worker1", "worker3"):
        lab.run(host, "rm -rf /srv/open")
