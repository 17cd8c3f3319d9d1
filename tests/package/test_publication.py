# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A release as CONTRIBUTING.md says: from the fragments to the artifact, and to a Galaxy that takes everything."""

from __future__ import annotations

import hashlib
import http.server
import json
import pathlib
import runpy
import shutil
import subprocess
import tarfile
import threading
import types
import typing as t

import pytest
import yaml


@pytest.fixture(scope="module")
def tool(root: pathlib.Path) -> types.SimpleNamespace:
    """tools/release.py."""
    return types.SimpleNamespace(**runpy.run_path(str(root / "tools/release.py")))


@pytest.fixture(scope="module")
def released(root: pathlib.Path, committed: set[str], tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A copy of the checkout after `antsibull-changelog release`."""
    tree = tmp_path_factory.mktemp("released") / "ansible_collections/nodecycle/slurm"
    for name in committed:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, tree / name)
    subprocess.run(["antsibull-changelog", "release"], cwd=tree, check=True)
    return tree


def test_a_release_is_complete(released: pathlib.Path, tool: types.SimpleNamespace) -> None:
    version = yaml.safe_load((released / "galaxy.yml").read_text())["version"]
    assert tool.problems(released, f"v{version}") == []
    subprocess.run(["ansible-galaxy", "collection", "build"], cwd=released, check=True)
    with tarfile.open(released / f"nodecycle-slurm-{version}.tar.gz") as tar:
        inside = [name for name in tar.getnames() if name.startswith("changelogs/")]
        notes = tar.extractfile("CHANGELOG.md")
        assert notes
        assert f'id="v{version.replace(".", "-")}"' in notes.read().decode()
    assert inside == ["changelogs/changelog.yaml"]


class Galaxy(http.server.BaseHTTPRequestHandler):
    """As much of Galaxy as a publication calls."""

    received: t.ClassVar[list[tuple[str, bytes]]] = []

    def answer(self, **content: t.Any) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def do_GET(self) -> None:
        if "/imports/" in self.path:
            self.answer(state="completed", messages=[], finished_at="now")
        else:
            self.answer(available_versions={"v3": "v3/"}, state="completed", finished_at="now")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((self.headers["Authorization"], body))
        self.answer(task="/api/v3/imports/collections/1/")

    def log_message(self, *_arguments: object) -> None:
        """Not among the output of the tests."""


def test_the_artifact_and_the_token_get_to_galaxy(
    artifact: pathlib.Path, tool: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Galaxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("ANSIBLE_GALAXY_SERVER", f"http://127.0.0.1:{server.server_port}")
        code = tool.publish(artifact, "a: 'token'")
        server.shutdown()
    ((authorization, body),) = Galaxy.received
    assert (code, authorization) == (0, "Token a: 'token'")
    # It is sent in another coding, and with its digest.
    assert hashlib.sha256(artifact.read_bytes()).hexdigest().encode() in body
