# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's containers, with pipelining: one command a module call, where containers.podman.podman needs five and more."""

from __future__ import annotations

import pathlib
import shlex
import sys
import typing as t

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.connection.local import Connection as Local

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from nodecycle_lab.inside import NotThereError, inside

DOCUMENTATION = r"""
name: container
short_description: Execute in a container of the lab
description:
  - Enters the container with C(nsenter) (lab/nodecycle_lab/inside.py). Modules come through its standard input, as over ssh with pipelining.
options:
  remote_addr:
    description: Name of the container.
    type: str
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: ansible_host
  remote_user:
    description: User in the container; empty for the container's own, which is root.
    type: str
    default: ""
    vars:
      - name: ansible_user
  become_success_timeout:
    description: As of C(local), on which this is built; in seconds.
    type: int
    default: 10
  become_strip_preamble:
    description: As of C(local).
    type: bool
    default: true
extends_documentation_fragment:
  - connection_pipelining
"""


class Connection(Local):
    """See DOCUMENTATION."""

    transport = "container"
    has_pipelining = True

    def _inside(self, command: str) -> str:
        user = self.get_option("remote_user") or "root"
        try:
            return shlex.join(["exec", *inside(self.get_option("remote_addr"), command, user)])
        except NotThereError as exc:
            raise AnsibleConnectionFailure(str(exc)) from exc

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> t.Any:
        """As Local's, in the container."""
        return super().exec_command(self._inside(cmd), in_data=in_data, sudoable=sudoable)

    def _copy(self, command: str, data: bytes | None = None) -> bytes:
        code, out, err = super().exec_command(self._inside(command), in_data=data, sudoable=False)
        if code:
            raise AnsibleError(f"{command} in {self.get_option('remote_addr')}: {err.decode(errors='replace')}")
        return out

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file into the container."""
        self._copy(f"cat >{shlex.quote(out_path)}", pathlib.Path(in_path).read_bytes())

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file out of the container."""
        pathlib.Path(out_path).write_bytes(self._copy(f"cat {shlex.quote(in_path)}"))
