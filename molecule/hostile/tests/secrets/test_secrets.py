# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vaulted values and the scripts' output appear in no output, in no system log, and in nothing that a user of the cluster can read."""

from __future__ import annotations

import base64
import hashlib
import json
import pathlib
import shlex

import pytest
from conftest import HOSTS, WORKERS, extra, failure_of

VARS = pathlib.Path(__file__).resolve().parents[2] / "vars"
TOKEN = "Vaulted-Token-271828"  # noqa: S105
PIN = "#!/bin/sh\n# license 314159\nexit 0\n"
#: All forms that the scripts give them. The number alone may occur by chance.
SECRETS = (TOKEN, TOKEN[::-1], base64.b64encode(f"svc:{TOKEN}".encode()).decode(), "license 314159")
#: Where a host keeps what lasts, and what may be in memory.
PLACES = "/etc /var /run /opt /home /tmp /usr/local"


def play(lab, *options):
    return lab.play(f"--vault-password-file={VARS}/vault-password", f"--extra-vars=@{VARS}/secrets.yml", *options)


def shown(text):
    """The secrets in a text."""
    return [secret for secret in SECRETS if secret in text]


def logged(lab, host, text):
    """The lines of the system log that hold a text, but for those that slurmd writes itself."""
    found = lab.try_run(host, f"journalctl --no-pager | grep -F -e {shlex.quote(text)}").stdout.splitlines()
    return [line for line in found if " slurmd" not in line.split(": ")[0]]


@pytest.fixture(scope="module", autouse=True)
def placed(lab):
    """Ansible's output while the scripts come to the hosts, first in check mode, with all that it can print."""
    tried = play(lab, "--check", "--diff", "-vvv")
    done = play(lab, "-vvv")
    assert done.returncode == 0, done.stdout
    yield tried.stdout + tried.stderr, done.stdout + done.stderr
    gone = extra({f"slurm_{hook}": [] for hook in ("worker_prolog", "worker_epilog", "worker_init")})
    assert lab.play(gone).returncode == 0


def test_the_scripts_hold_them(lab):
    held = "".join(
        lab.read("worker1", f"/etc/nodecycle/current/{name}")
        for name in ("worker_prolog.d/10-token", "worker_prolog.d/20-encoded", "worker_epilog.d/10-pin")
    )
    assert set(shown(held)) == set(SECRETS) - {TOKEN}


def test_no_output_shows_them(placed):
    tried, done = placed
    assert "(content hidden)" in tried
    assert shown(tried) == []
    assert shown(done) == []


@pytest.mark.parametrize("host", HOSTS)
def test_no_system_log_has_them(lab, host):
    assert lab.srun("true", "-w worker1").rc == 0
    for secret in SECRETS:
        assert logged(lab, host, secret) == []
        assert lab.try_run(host, f"grep -rlsF -e {shlex.quote(secret)} /var/log --exclude-dir=journal").stdout == ""


@pytest.mark.parametrize("host", HOSTS)
def test_a_user_can_read_none(lab, host):
    wanted = " ".join(f"-e {shlex.quote(secret)}" for secret in SECRETS)
    assert lab.try_run(host, f"timeout 100 grep -rlsF --devices=skip {wanted} {PLACES}", "alice").stdout == ""


@pytest.mark.parametrize("host", WORKERS)
def test_a_user_who_knows_the_rest_can_try_no_values(lab, host):
    """All digests that everybody could see before: of the text, of the hook's scripts, and of the dispatcher that names them."""
    look = "find /etc/nodecycle/ /run/nodecycle /var/lib/nodecycle /var/log/nodecycle -print -type f -exec cat {} + 2>/dev/null; true"
    readable = lab.try_run(host, look, "alice").stdout
    assert "hook=worker_epilog" in readable
    text = hashlib.sha256(PIN.encode()).hexdigest()
    plan = json.dumps([["10-pin", text, [], 0, "drain", True]], separators=(",", ":"))
    for digest in (text, hashlib.sha256(plan.encode()).hexdigest()):
        assert digest[:16] not in readable
    assert lab.try_run(host, "cat /etc/nodecycle/current/manifest.json", "alice").rc != 0


@pytest.mark.parametrize("hook", [pytest.param("worker_prolog", marks=pytest.mark.thorough), "controller_prolog"])
def test_what_a_failing_script_prints_is_in_no_system_log(lab, hook):
    leak = f"password=hunter2-{hook}"
    script = f"#!/bin/sh\necho 'connect failed: user=svc {leak}'\nexit 5\n"
    # Slurm 22.05 runs a first hook of the controller after a restart only.
    bad = {f"slurm_{hook}": [{"name": "leak", "content": script}], "slurm_restart_allowed": True}
    said = failure_of(play(lab, extra(bad)))
    assert "leak" in said
    for host in HOSTS:
        assert logged(lab, host, leak) == []
        assert logged(lab, host, f"hunter2-{hook}") == []
