# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of lab/lab for a lab of a test's own."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Lab:
    """A lab whose name ends in its own way."""

    def __init__(self, suffix: str, variables: t.Mapping[str, t.Any], **environment: str) -> None:
        """The variables are those of each run on it."""
        self._variables = variables
        self._environment = {
            **os.environ,
            "LAB_NAME": f"{os.environ.get('LAB_NAME') or 'nodecycle'}-{suffix}",
            "ANSIBLE_NOCOLOR": "1",
            "COLUMNS": "10000",
            **environment,
        }

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """lab/lab with these arguments."""
        return subprocess.run(
            [str(ROOT / "lab/lab"), *arguments],
            check=False,
            env=self._environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=600,
        )

    def inside(self, host: str, command: str, *options: str) -> str:
        """The output of a shell command on a host. It must succeed."""
        done = self.call("exec", *options, host, "sh", "-c", command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def play(self, variables: t.Mapping[str, t.Any], playbook: str = "site.yml") -> subprocess.CompletedProcess[str]:
        """A playbook with more variables."""
        return self.call("play", playbook, "-e", json.dumps({**self._variables, **variables}))
