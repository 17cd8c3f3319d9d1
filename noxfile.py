# SPDX-License-Identifier: GPL-3.0-or-later
#
# /// script
# dependencies = ["antsibull-nox>=1.10", "nox>=2026.2"]
# ///
"""What needs an environment of its own: other ansible-cores, the site, Galaxy's importer. `nox -l` lists the sessions.

antsibull-nox brings the checks of antsibull-nox.toml and knows which ansible-core runs on which Python. Its own sessions
for ansible-test need containers and GitHub. docs/decisions.md says why the other checks are make targets.
"""

from __future__ import annotations

import pathlib
import re
import sys

import antsibull_nox
import nox
import yaml
from antsibull_nox.ansible import get_ansible_core_info, get_supported_core_versions
from antsibull_nox.utils import Version

ROOT = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))
import pythons  # noqa: E402

OLDEST = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["requires_ansible"].removeprefix(">=")
#: The oldest Python of a host.
HOST = yaml.safe_load((ROOT / "tests/config.yml").read_text())["modules"]["python_requires"].removeprefix(">=")
#: The newest release on the Python package index; antsibull-nox knows of later ones.
NEWEST = "2.21"

nox.options.reuse_venv = "yes"
antsibull_nox.load_antsibull_nox_toml()


def python_for(core: Version, place: int) -> str:
    """The first or last interpreter of this machine for an ansible-core, or nothing."""
    wanted = [str(version) for version in get_ansible_core_info(core).controller_python_versions]
    found = list(pythons.find(wanted).values())
    return str(found[place]) if found else ""


def require(session: nox.Session, what: str) -> None:
    """Skip a session whose interpreter this machine lacks. (nox itself makes that a failure where CI is set.)"""
    if not session.python:
        session.skip(f"this machine has no Python for {what}")


def add_core(name: str, requirement: str, python: str, slurm: str) -> None:
    """The sessions that run with one ansible-core; its whole runs meet a Slurm of about its age."""
    interpreter = python or False

    @nox.session(name=f"unit-{name}", python=interpreter, tags=["unit"], default=False)
    def unit(session: nox.Session) -> None:
        require(session, requirement)
        session.install(requirement, "--requirement", "tests/requirements-unit.txt")
        session.run("tools/link-collection", external=True)
        session.run("pytest", "--numprocesses", "2", "tests/unit", *session.posargs)

    unit.__doc__ = f"Unit tests with {requirement}"

    @nox.session(name=f"sanity-{name}", python=interpreter, tags=["sanity"], default=False)
    def sanity(session: nox.Session) -> None:
        require(session, requirement)
        session.install(requirement)
        session.run("python", "tools/sanity.py", *session.posargs)

    sanity.__doc__ = f"ansible-test sanity of {requirement}"

    @nox.session(name=f"runs-{name}", python=interpreter, tags=["runs"], default=False)
    def runs(session: nox.Session) -> None:
        require(session, requirement)
        session.install(requirement, "--requirement", "tests/requirements-unit.txt")
        session.run("tools/link-collection", external=True)
        print_version = "import ansible.release; print(ansible.release.__version__, end='')"
        core = session.run("python", "-c", print_version, silent=True)
        environment = {"LAB_ANSIBLE": f"{session.bin}/ansible-playbook", "ANSIBLE_CORE": str(core), "SLURM": slurm}
        told_apart = [f"tests/unit/plugins/action/test_{part}.py" for part in ("host_python", "secrets")]
        tests = (*told_apart, "tests/demo/test_versions.py")
        session.run("pytest", "--numprocesses", "2", *tests, *session.posargs, env=environment)

    runs.__doc__ = f"Whole runs with {requirement}: what ansible-cores do differently, and the demo on Slurm {slurm}"


add_core(OLDEST, f"ansible-core=={OLDEST}", python_for(Version.parse(OLDEST.rpartition(".")[0]), 0), "22.05")
for version in get_supported_core_versions(max_version=Version.parse(NEWEST)):
    if isinstance(version, Version):
        slurm = "26.05" if str(version) == NEWEST else "24.11"
        add_core(str(version), f"ansible-core~={version}.0", python_for(version, -1), slurm)


# virtualenv makes no environment for a Python that old.
@nox.session(python=str(pythons.find([HOST]).get(HOST, "")) or False, venv_backend="venv", default=False)
def host(session: nox.Session) -> None:
    """Unit tests of what runs on hosts, with the oldest Python of a host"""
    require(session, f"a host's oldest, which is {HOST}")
    # The last pytest for it. Of ansible-core only the part that modules bring along runs there.
    session.install("pytest==8.3.5")
    session.install("--no-deps", "--ignore-requires-python", f"ansible-core=={OLDEST}")
    session.run("tools/link-collection", external=True)
    session.run("pytest", "tests/unit/plugins/module_utils", *session.posargs)


@nox.session(name="unit-too-old", python="3.11", tags=["unit"], default=False)
def too_old(session: nox.Session) -> None:
    """What an ansible-core that is too old says"""
    session.install(f"ansible-core<{OLDEST}", "--requirement", "tests/requirements-unit.txt")
    session.run("tools/link-collection", external=True)
    session.run("pytest", "tests/unit/plugins/action/test_too_old.py", *session.posargs)


@nox.session(default=False)
def site(session: nox.Session) -> None:
    """The documentation site, in build/site/html, and its links"""
    session.install("--requirement", "tests/requirements-site.txt")
    session.run("tools/link-collection", external=True)
    session.run("python", "tools/site/build")
    session.run("pytest", "tests/site", *session.posargs)


@nox.session(default=False)
def importer(session: nox.Session) -> None:
    """What Galaxy's importer says of the artifact that `make build` has made"""
    session.install("--requirement", "tests/requirements-importer.txt")
    (artifact,) = ROOT.glob("build/nodecycle-slurm-*.tar.gz")
    directory = ROOT / ".cache/importer"
    directory.mkdir(parents=True, exist_ok=True)
    strict = {"GALAXY_IMPORTER_CHECK_REQUIRED_TAGS": "true", "GALAXY_IMPORTER_REQUIRE_V1_OR_GREATER": "true"}
    with session.chdir(directory):
        log = session.run("python", "-m", "galaxy_importer.main", str(artifact), env=strict, silent=True) or ""
    print(log)
    # It says the same of what it could not check as of what is wrong, and succeeds; so does antsibull-nox's own session.
    if "completed successfully" not in log or re.search("^(WARNING|ERROR)", log, re.MULTILINE):
        session.error("Galaxy would refuse this artifact or warn of it, see above")


if __name__ == "__main__":
    nox.main()
