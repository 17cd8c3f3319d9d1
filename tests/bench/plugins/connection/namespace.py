# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that are mount namespaces of this machine: their own /etc, /run and /var, and nothing else of their own."""

from __future__ import annotations

import shlex
import typing as t

from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = r"""
name: namespace
short_description: Execute in the mount namespace of a process
description:
  - Like the connection C(local), for simulated hosts of the benchmark.
options:
  process:
    description: Id of the process that holds the namespace.
    type: str
    vars:
      - name: bench_process
  programs:
    description: Directory of programs that are found before the machine's own.
    type: str
    vars:
      - name: bench_programs
"""


class Connection(Local):
    """See DOCUMENTATION."""

    transport = "namespace"

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> t.Any:
        """As Local's, in the namespace."""
        path = f"{self.get_option('programs')}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        enter = [
            "nsenter",
            f"--target={self.get_option('process')}",
            "--mount",
            "env",
            f"PATH={path}",
            "/bin/sh",
            "-c",
            cmd,
        ]
        return super().exec_command(f"exec {shlex.join(enter)}", in_data=in_data, sudoable=sudoable)
