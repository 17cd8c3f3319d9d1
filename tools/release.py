# SPDX-License-Identifier: GPL-3.0-or-later
"""tools/release.py check|publish TAG: whether the checkout is the release that a tag names, and its way to Galaxy."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import typing as t

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent

TAG = re.compile(r"v(\d+\.\d+\.\d+)")


def newest(versions: t.Iterable[str]) -> str:
    """The newest of some versions."""
    return max(versions, key=lambda version: [int(number) for number in re.findall(r"\d+", version)], default="none")


def problems(root: pathlib.Path, tag: str) -> list[str]:
    """A sentence for each thing in a checkout that is not yet as a tag says."""
    if not (found := TAG.fullmatch(tag)):
        return [f"The tag {tag!r} has not the form v1.2.3; remove it and set one that has."]
    version = found[1]
    again = "commit, and set the tag anew"
    wrong = []
    named = yaml.safe_load((root / "galaxy.yml").read_text())["version"]
    if named != version:
        wrong.append(f"The tag {tag} is not the version {named} of galaxy.yml; correct one of them.")
    changelog = root / "changelogs/changelog.yaml"
    known = yaml.safe_load(changelog.read_text())["releases"] if changelog.exists() else {}
    if version not in known:
        wrong.append(f"changelogs/changelog.yaml has no {version}; call `antsibull-changelog release`, {again}.")
    elif newest(known) != version:
        wrong.append(f"changelogs/changelog.yaml has {newest(known)}, which is newer than the tag {tag}.")
    if left := sorted(path.name for path in root.glob("changelogs/fragments/*.y*ml")):
        wrong.append(f"Not in the changelog yet: {', '.join(left)}; call `antsibull-changelog release`, {again}.")
    return wrong


def publish(artifact: pathlib.Path, token: str) -> int:
    """Send an artifact to Galaxy and wait until it is imported."""
    # Each user of the machine sees a command's arguments; and a file needs no name of a server, as a variable would.
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        yaml.safe_dump({"token": token}, file)
        file.flush()
        environment = {**os.environ, "ANSIBLE_GALAXY_TOKEN_PATH": file.name}
        command = ["ansible-galaxy", "collection", "publish", str(artifact)]
        return subprocess.run(command, env=environment, check=False).returncode


def main(action: str, tag: str) -> int:
    """Do what the command says."""
    if wrong := problems(ROOT, tag):
        print(*(f"release: {problem}" for problem in wrong), sep="\n", file=sys.stderr)
        return 1
    if action == "check":
        return 0
    artifact = ROOT / f"build/nodecycle-slurm-{tag.removeprefix('v')}.tar.gz"
    if not artifact.exists():
        sys.exit(f"release: {artifact} is not there; call `make release TAG={tag}` first")
    if not (token := os.environ.pop("GALAXY_TOKEN", "")):
        sys.exit("release: GALAXY_TOKEN is empty; give the environment `galaxy` of the code host this secret")
    return publish(artifact, token)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
