# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test sanity, from a checkout at any place and with nothing but a Python index in reach.

Arguments go to ansible-test (`--test pylint`). The tests `compile` and `import` run with each supported Python that this
machine has, the others with the Python of .venv.

ansible-test wants three things that a checkout does not give, so all live below .cache/sanity:
- a git repository at .../ansible_collections/nodecycle/slurm (it resolves symbolic links): a copy of what git would commit;
- get-pip from a server that may be out of reach (ansible/ansible issue 77304): a stand-in around pip's own wheel;
- a home directory, for caches and for the settings of pip (it drops PIP_* variables).
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / ".cache/sanity"
TREE = WORK / "ansible_collections/nodecycle/slurm"
HOME = WORK / "home"
INTERPRETERS = WORK / "pythons"

#: The Pythons of managed hosts that ansible-test of this ansible-core knows and the collection supports.
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")

PIP = "24.2"
GET_PIP = """\
import pathlib
import sys

wheel = next(pathlib.Path(__file__).parent.glob("pip-*.whl"))
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
    rest = [":!lab", ":!molecule", ":!tools"]
    # An index of its own: the checkout's stays as the user left it.
    (WORK / "index").unlink(missing_ok=True)
    index = os.environ | {"GIT_INDEX_FILE": str(WORK / "index")}
    subprocess.run(["git", "add", "--all", "--", ".", *rest], cwd=ROOT, env=index, check=True)
    subprocess.run(["git", "checkout-index", "--all", f"--prefix={TREE}/"], cwd=ROOT, env=index, check=True)
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main"], cwd=TREE, check=True)
    subprocess.run(["git", "add", "--all"], cwd=TREE, check=True)


def make_home() -> None:
    cache = HOME / ".ansible/test/cache"
    stand_in = cache / f"get_pip_{PIP.replace('.', '_')}.py"
    if not stand_in.exists():
        cache.mkdir(parents=True, exist_ok=True)
        pip("download", "--quiet", "--no-deps", "--dest", cache, f"pip=={PIP}")
        stand_in.write_text(GET_PIP)
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


def find_interpreters() -> list[str]:
    """Link the real interpreters (not the wrappers of a version manager) into one directory; give their versions."""
    shutil.rmtree(INTERPRETERS, ignore_errors=True)
    INTERPRETERS.mkdir(parents=True)
    places = [pathlib.Path(place) for place in os.environ["PATH"].split(os.pathsep) if place]
    places += sorted(pathlib.Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser().glob("versions/*/bin"))
    for version in PYTHONS:
        for place in places:
            path = place / f"python{version}"
            probe = [str(path), "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"]
            if (
                path.exists()
                and subprocess.run(probe, capture_output=True, text=True, check=False).stdout.strip() == version
            ):
                (INTERPRETERS / path.name).symlink_to(path)
                break
    return [version for version in PYTHONS if (INTERPRETERS / f"python{version}").exists()]


def main(arguments: list[str]) -> int:
    copy_tree()
    make_home()
    versions = find_interpreters()
    environment = os.environ | {
        "HOME": str(HOME),
        "PATH": f"{pathlib.Path(sys.executable).parent}:{INTERPRETERS}:{os.environ['PATH']}",
    }
    command = ["ansible-test", "sanity", "--local", "--color", "no", *arguments]
    result = subprocess.run(command, cwd=TREE, env=environment, check=False)
    print(f"sanity: compile and import with Python {', '.join(versions)}")
    if absent := [version for version in PYTHONS if version not in versions]:
        print(f"sanity: not on this machine, so not tried: Python {', '.join(absent)}")
    return result.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
