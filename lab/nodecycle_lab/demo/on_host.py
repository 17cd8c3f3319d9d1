# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on each host of the lab, fed into its python3: prints as JSON everything that the report needs of the host.

Standard library only, and nothing of the package: the host has this one file.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import typing as t

RELEASES = "/etc/nodecycle"
LOGS = "/var/log/nodecycle"
STATE = "/var/lib/nodecycle"
OUTPUT = "demo-job-%j.out"


def read(path: str) -> str:
    try:
        return pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def json_or(text: str, other: t.Any) -> t.Any:
    try:
        return json.loads(text)
    except ValueError:
        return other


def sha256_of(path: str) -> str:
    try:
        return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""


def names_in(path: str, pattern: str) -> list[str]:
    return [found.name for found in pathlib.Path(path).glob(pattern)]


def gather(since: str) -> dict[str, t.Any]:
    """What this host has to say: its release, the real sha256 of its files, the log, failures, what the example leaves."""
    manifest = json_or(read(f"{RELEASES}/current/manifest.json"), {})
    log, failures = [], {}
    for path in sorted(pathlib.Path(LOGS).glob("*.log")):
        for line in read(str(path)).splitlines():
            log.append(json_or(line, {"raw": line}))
    for path in sorted(pathlib.Path(STATE).glob("*/failure.json")):
        failures[path.parent.name] = json_or(read(str(path)), {})
    journal = subprocess.run(
        ["journalctl", "--quiet", "--identifier=nodecycle", "--output=cat", f"--since=@{since}"],
        check=False,
        capture_output=True,
        text=True,
    )
    return {
        "manifest": manifest,
        "disk": {name: sha256_of(f"{RELEASES}/current/{name}") for name in manifest.get("files", {})},
        "log": log,
        "failures": failures,
        "init_done": {hook: read(f"/run/nodecycle/{hook}.ok").strip() for hook in manifest.get("init", {})},
        "task_failures": [json_or(line, {"raw": line}) for line in journal.stdout.splitlines()],
        "fragment": read("/etc/slurm/nodecycle.conf"),
        "outputs": {name: read(f"/home/alice/{name}") for name in names_in("/home/alice", OUTPUT.replace("%j", "*"))},
        "example": {
            "scratch": names_in("/var/scratch", "*"),
            "task_epilog": names_in("/home/alice", ".last-task-of-job-*"),
            "gpu_check": read("/var/log/gpu-check.log").splitlines(),
            "events": read("/var/log/slurm-jobs/events.log").splitlines(),
            "motd": read("/etc/motd").strip(),
            "has_jq": shutil.which("jq") is not None,
        },
    }


if __name__ == "__main__":
    print(json.dumps(gather(sys.argv[1])))
