# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test sanity, from a checkout at any place and with nothing but a Python index in reach.

antsibull-nox calls ansible-test too, but in containers and with an ansible-core from GitHub.

Arguments go to ansible-test (`--test pylint`). The tests `compile` and `import` run with each supported Python that this
machine has, the others with the Python that runs this file.

ansible-test wants three things that a checkout does not give, so all live below .cache/sanity:
- a git repository at .../ansible_collections/nodecycle/slurm (it resolves symbolic links): a copy of what git would commit;
- get-pip from a server that may be out of reach (ansible/ansible issue 77304): a stand-in around pip's own wheel;
- a home directory, for caches and for the settings of pip (it drops PIP_* variables).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pythons

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / ".cache/sanity"
TREE = WORK / "ansible_collections/nodecycle/slurm"
HOME = WORK / "home"
INTERPRETERS = WORK / "pythons"

#: The oldest Python of managed hosts that the collection supports.
OLDEST_PYTHON = (3, 8)

#: What ansible-test of this ansible-core calls wrong and its ansible-core takes: a description for each choice, action_plugin in
#: plugin_routing. Seen with 2.16.0.
TOO_STRICT = {"2.16": ("runtime-metadata", "validate-modules")}

GET_PIP = """\
import pathlib
import sys

wheel = next(pathlib.Path(__file__).parent.glob("pip-VERSION-*.whl"))
sys.path.insert(0, str(wheel))
from pip._internal.cli.main import main

options = [option for option in sys.argv[1:] if option not in ("--no-setuptools", "--no-wheel")]
sys.exit(main(["install", "--upgrade", "--force-reinstall", *options, str(wheel)]))
"""


def pip(*arguments: str | pathlib.Path) -> str:
    command = [sys.executable, "-m", "pip", *arguments]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def copy_tree() -> None:
    shutil.rmtree(TREE, ignore_errors=True)
    TREE.mkdir(parents=True)
    # The lab and the tools are not part of the collection; ansible-test would want them written as modules are.
    rest = [":!lab", ":!molecule", ":!noxfile.py", ":!tools"]
    # An index of its own: the checkout's stays as the user left it.
    (WORK / "index").unlink(missing_ok=True)
    index = os.environ | {"GIT_INDEX_FILE": str(WORK / "index")}
    subprocess.run(["git", "add", "--all", "--", ".", *rest], cwd=ROOT, env=index, check=True)
    subprocess.run(["git", "checkout-index", "--all", f"--prefix={TREE}/"], cwd=ROOT, env=index, check=True)
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main"], cwd=TREE, check=True)
    subprocess.run(["git", "add", "--all"], cwd=TREE, check=True)


def make_home() -> None:
    cache = HOME / ".ansible/test/cache"
    version = pip_version()
    stand_in = cache / f"get_pip_{version.replace('.', '_')}.py"
    if not stand_in.exists():
        cache.mkdir(parents=True, exist_ok=True)
        pip("download", "--quiet", "--no-deps", "--dest", cache, f"pip=={version}")
        stand_in.write_text(GET_PIP.replace("VERSION", version))
    # Settings in the environment win over those in files, as they do for pip itself.
    settings: dict[str, str] = {}
    for line in sorted(pip("config", "list").splitlines(), key=lambda s: s[0] == ":"):
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2]
        if name not in ("config-file", "disable-pip-version-check"):
            settings[name] = value.strip("'\"").replace("\\n", "\n    ")
    settings.setdefault("cache-dir", pip("cache", "dir").strip())
    (HOME / ".pip").mkdir(exist_ok=True)
    lines = [f"{name} = {value}\n" for name, value in settings.items()]
    (HOME / ".pip/pip.conf").write_text("[global]\n" + "".join(lines))


def text_of_ansible_test(file: str) -> str:
    spec = importlib.util.find_spec("ansible_test")
    if not spec or not spec.origin:
        sys.exit(f"sanity: {sys.executable} has no ansible-test; run `make setup`")
    return (pathlib.Path(spec.origin).parent / file).read_text()


def pip_version() -> str:
    """The pip that this ansible-test puts into its environments."""
    if not (found := re.search(r"pip='([\d.]+)'", text_of_ansible_test("_internal/python_requirements.py"))):
        sys.exit("sanity: this ansible-test names its pip in a new way; adapt pip_version() in tools/sanity.py")
    return found[1]


def python_versions() -> list[str]:
    """The Pythons that both this ansible-test and the collection support."""
    known = re.findall(r"'3\.(\d+)'", text_of_ansible_test("_util/target/common/constants.py"))
    return [f"3.{minor}" for minor in sorted({int(minor) for minor in known}) if (3, minor) >= OLDEST_PYTHON]


def link_interpreters(versions: list[str]) -> list[str]:
    """Link those that this machine has into one directory; give their versions."""
    shutil.rmtree(INTERPRETERS, ignore_errors=True)
    INTERPRETERS.mkdir(parents=True)
    found = pythons.find(versions)
    for version, path in found.items():
        (INTERPRETERS / f"python{version}").symlink_to(path)
    return list(found)


def main(arguments: list[str]) -> int:
    copy_tree()
    make_home()
    versions = python_versions()
    here = link_interpreters(versions)
    environment = os.environ | {
        "HOME": str(HOME),
        "PATH": f"{pathlib.Path(sys.executable).parent}:{INTERPRETERS}:{os.environ['PATH']}",
    }
    release = ".".join(importlib.metadata.version("ansible-core").split(".")[:2])
    left_out = TOO_STRICT.get(release, ())
    skips = [word for test in left_out for word in ("--skip-test", test)]
    command = ["ansible-test", "sanity", "--local", "--color", "no", *skips, *arguments]
    result = subprocess.run(command, cwd=TREE, env=environment, check=False)
    print(f"sanity: compile and import with Python {', '.join(here)}")
    if left_out:
        print(f"sanity: left out with ansible-core {release}, which knows less than it runs: {', '.join(left_out)}")
    if absent := [version for version in versions if version not in here]:
        print(f"sanity: not on this machine, so not tried: Python {', '.join(absent)}")
    return result.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
