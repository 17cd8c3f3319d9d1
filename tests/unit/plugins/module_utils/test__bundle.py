# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundle, run by the machine's own shells."""

from __future__ import annotations

import base64
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _bundle, _host_files
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Release, Script, build
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Store

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a bundle gives its files to root")

SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]
DISPATCHER = '#!/bin/sh\nfor each in $names; do :; done\nexec "$root/worker_prolog.d/10-say"\n'
INIT = 'mkdir -p "${0%/*}"\n"$root/worker_init.d/10-init" || exit\nprintf "%s\\n" "$digest" >RUN/worker_init.ok\n'


class Node:
    """A node with its disk and its memory, and the bundle that Slurm has sent it."""

    def __init__(self, place: pathlib.Path, shell: str = "sh") -> None:
        self.root = place / "etc"
        self.run_dir = place / "run"
        self.conf = place / "conf"
        self.conf.mkdir(parents=True)
        self.shell = shell

    def release(self, say: str, init: str = "") -> Release:
        hooks = {"worker_prolog": [Script("say", f"#!/bin/sh\necho {say}\n".encode())]}
        if init:
            hooks["worker_init"] = [Script("init", f"#!/bin/sh\n{init}\n".encode())]
        bodies = {"job": 'exec "$root/$hook.d/10-say"\n', "init": INIT.replace("RUN", str(self.run_dir))}
        found = build(hooks, str(self.root), bodies)
        assert found
        return found

    def send(self, nodes: t.Mapping[str, Release | None]) -> str:
        """Replace the bundle; its id."""
        carried = {one.id: _bundle.carry(one) for one in nodes.values() if one}
        table = {node: _bundle.Meant(one.id) for node, one in nodes.items() if one}
        return self._send(_bundle.render(str(self.root), table, carried, 20, str(self.run_dir)))

    def deliver(self, release: Release | None, canary: Release | None = None) -> str:
        """The same where n1 has its releases from Slurm alone; the probe's user has the number 7."""
        meant = _bundle.Meant(release.id if release else "", canary.id if canary else "", True)
        carried = {one.id: _bundle.carry(one) for one in (release, canary) if one}
        text = _bundle.render(str(self.root), {"n1": meant}, carried, 20, str(self.run_dir), 7)
        assert _bundle.given(text)["n1"] == _bundle.Meant(meant.release[:16], meant.canary[:16], True)
        return self._send(text)

    def _send(self, text: str) -> str:
        place = self.conf / _bundle.NAME
        place.write_text(text)
        place.chmod(0o755)
        return _bundle.id_of(text)

    def job(self, name: str = "n1", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.shell, str(self.conf / _bundle.NAME)],
            env={"SLURMD_NODENAME": name, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def says(self, name: str = "n1", **environment: str) -> str:
        done = self.job(name, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def boot(self) -> None:
        """Lose what is in memory."""
        shutil.rmtree(self.run_dir)

    def activate(self, release: Release, bundle: str) -> None:
        """What a rollout does."""
        store = Store(str(self.root))
        store.stage(release.manifest(), {file.path: file.content for file in release.files})
        store.note_bundle(bundle)
        store.activate(release.id)


@pytest.fixture(params=SHELLS)
def node(tmp_path: pathlib.Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Node:
    (tmp_path / "logrotate.d").mkdir()
    monkeypatch.setattr(_host_files, "LOGROTATE", str(tmp_path / "logrotate.d/nodecycle"))
    return Node(tmp_path, request.param)


def test_a_node_without_anything_gets_the_release_whole(node: Node) -> None:
    release = node.release("good")
    node.send({"n1": release, "n2": node.release("other")})
    assert node.says() == "good"
    store = Store(str(node.root))
    manifest = store.require(release.id)
    assert store.damaged(manifest) == []
    assert manifest == release.manifest()
    assert sorted(os.listdir(node.root / "releases")) == [release.id[:16]]


def test_each_node_gets_its_own_and_an_unknown_one_takes_no_job(node: Node) -> None:
    node.send({"n1": node.release("one"), "n2": node.release("two")})
    assert node.says("n2") == "two"
    shutil.rmtree(node.root)
    done = node.job("n3")
    assert done.returncode == 1
    assert "no release was committed for the node n3: put it into the inventory and run site.yml" in done.stderr
    assert not node.root.exists()


def test_a_node_that_has_missed_rollouts_gets_the_newest(node: Node) -> None:
    old = node.send({"n1": node.release("old")})
    assert node.says() == "old"
    node.activate(node.release("older still"), "")
    for number in range(3):
        node.send({"n1": node.release(f"new{number}")})
    assert node.says() == "new2"
    assert old


def test_a_rollout_on_the_node_wins_until_the_next_bundle(node: Node) -> None:
    bundle = node.send({"n1": node.release("committed")})
    assert node.says() == "committed"
    node.activate(node.release("canary"), bundle)
    assert node.says() == "canary"
    node.boot()
    assert node.says() == "canary"
    # The undo.
    node.activate(node.release("committed"), bundle)
    assert node.says() == "committed"
    # A later one, while this node was off.
    node.activate(node.release("canary"), bundle)
    node.send({"n1": node.release("later")})
    assert node.says() == "later"


def test_a_bundle_without_releases_runs_what_is_on_disk_and_nothing_else(node: Node) -> None:
    node.send({})
    assert node.job().returncode == 1
    node.activate(node.release("disk"), "")
    assert node.says() == "disk"


def test_jobs_wait_for_the_first_one_and_the_init_scripts_run_once(node: Node) -> None:
    release = node.release("ready", f"sleep 1; echo x >>{node.root}.count")
    node.send({"n1": release})
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        done = [future.result() for future in [pool.submit(node.job) for _each in range(12)]]
    assert {one.returncode for one in done} == {0}
    assert {one.stdout.split()[-1] for one in done} == {"ready"}
    assert pathlib.Path(f"{node.root}.count").read_text() == "x\n"
    node.boot()
    assert node.says() == "ready"
    assert pathlib.Path(f"{node.root}.count").read_text() == "x\nx\n"


def test_init_scripts_that_fail_keep_jobs_off_and_are_tried_again(node: Node) -> None:
    node.send({"n1": node.release("ready", f"test -e {node.root}.repaired")})
    done = node.job()
    assert (done.returncode, done.stdout) == (1, "")
    assert "the init scripts have failed, so this node takes no job" in done.stderr
    pathlib.Path(f"{node.root}.repaired").touch()
    assert node.says() == "ready"


def test_a_process_that_an_init_script_leaves_running_holds_nobody(node: Node) -> None:
    node.send({"n1": node.release("ready", "sleep 60 >/dev/null 2>&1 &")})
    assert node.says() == "ready"
    # The lock's file stays.
    (node.run_dir / "bundle").unlink()
    assert node.says() == "ready"


@pytest.mark.parametrize("damage", ["kill", "cut", "changed", "another"])
def test_half_a_release_is_never_active(node: Node, damage: str) -> None:
    release = node.release("good")
    node.send({"n1": release, "n2": node.release("bad")})
    place = node.conf / _bundle.NAME
    text = place.read_text()
    if damage == "kill":
        half = node.root / f"releases/.half-{release.id[:16]}"
        (half / "worker_prolog.d").mkdir(parents=True)
        (half / "worker_prolog.d/20-half").write_text("#!/bin/sh\necho half\n")
        assert node.says() == "good"
        store = Store(str(node.root))
        assert store.damaged(store.require_manifest(release.id)) == []
        return
    lines = dict(line.split(" ", 1) for line in text.splitlines() if line.startswith("#") and len(line) > 1000)
    other = next(line for name, line in lines.items() if name != f"#{release.id[:16]}")
    data = text.index(f"\n#{release.id[:16]} ") + 60
    place.write_text(
        {
            "cut": text[:data],
            "changed": text[:data] + "AAAA" + text[data + 4 :],
            "another": text.replace(lines[f"#{release.id[:16]}"], other),
        }[damage]
    )
    done = node.job()
    assert done.returncode == 1
    assert "cannot be unpacked" in done.stderr
    assert not (node.root / "current").exists()
    place.write_text(text)
    assert node.says() == "good"


def test_a_full_disk_keeps_jobs_off(tmp_path: pathlib.Path) -> None:
    node = Node(tmp_path)
    node.send({"n1": node.release("good" + "x" * 200_000)})
    node.root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(node.root)], check=True)
    try:
        done = node.job()
        assert done.returncode == 1
        assert "cannot be unpacked" in done.stderr
        assert not (node.root / "current").exists()
    finally:
        subprocess.run(["umount", str(node.root)], check=True)


PROBE = {"SLURM_JOB_RESERVATION": "nodecycle_canary", "SLURM_JOB_ID": "12"}
EPILOG = {"SLURM_SCRIPT_CONTEXT": "epilog_slurmd", "SLURM_JOB_ID": "12"}


def test_a_node_that_slurm_delivers_to_runs_what_the_bundle_says_whatever_is_on_its_disk(node: Node) -> None:
    bundle = node.deliver(node.release("one"))
    assert node.says() == "one"
    node.activate(node.release("by hand"), bundle)
    node.boot()
    assert node.says() == "one"
    node.deliver(node.release("two"))
    assert node.says() == "two"
    # An undo.
    node.deliver(node.release("one"))
    assert node.says() == "one"
    node.deliver(None)
    assert node.says() == ""
    assert not (node.root / "current").exists()


@pytest.mark.parametrize("damage", ["echo changed >{}", "chmod 644 {}", "rm {}", "chown 3 {}"])
def test_a_changed_file_of_a_delivered_release_is_found_and_replaced(node: Node, damage: str) -> None:
    release = node.release("good")
    node.deliver(release)
    assert node.says() == "good"
    script = node.root / f"releases/{release.id[:16]}/worker_prolog.d/10-say"
    subprocess.run(["sh", "-c", damage.format(script)], check=True)
    node.boot()
    assert node.says() == "good"
    (node.run_dir / "bundle").unlink()
    inode = script.stat().st_ino
    assert node.says() == "good"
    assert script.stat().st_ino == inode, "a whole one stays"


def test_only_the_probes_meet_a_delivered_canary_and_their_job_can_see_it(node: Node) -> None:
    old, new = node.release("old"), node.release("new")
    node.deliver(old, new)
    met = node.run_dir / "met/12"
    for _each in range(2):
        assert node.says() == "old"
        # The dispatcher of a release looks for the canary; this one is a stand-in.
        assert node.says(**PROBE) == "old"
        assert met.read_text() == f"{new.id[:16]}\n"
    assert met.stat().st_mode & 0o777 == 0o644
    for link in ("canary", "canary.7"):
        assert os.readlink(node.root / link) == f"releases/{new.id[:16]}"
    assert node.job(**EPILOG).returncode == 0
    assert not met.exists()
    (node.root / "canary.8").symlink_to("releases")
    node.deliver(new)
    assert node.says(**PROBE) == "new"
    assert met.read_text() == f"{new.id[:16]}\n"
    assert not list(node.root.glob("canary*"))


def test_a_canary_runs_its_init_scripts_and_the_next_job_those_of_its_own_release(node: Node) -> None:
    count = pathlib.Path(f"{node.root}.count")
    old, new = (node.release(name, f"echo {name} >>{count}") for name in ("old", "new"))
    node.deliver(old)
    assert node.says() == "old"
    node.deliver(old, new)
    assert node.says(**PROBE) == "old"
    # An undo: the bundle is the very same as before the canary.
    node.deliver(old)
    assert node.says() == "old"
    assert not list(node.root.glob("canary*"))
    assert count.read_text() == "old\nnew\nold\n"
    count.unlink()
    node.deliver(old, new)
    assert node.says(**PROBE) == "old"
    assert node.says() == "old"
    assert node.says() == "old"
    node.deliver(new)
    assert node.says() == "new"
    assert count.read_text() == "new\nold\nnew\n"


def test_the_epilog_of_a_job_that_was_there_before_any_release_does_nothing(node: Node) -> None:
    release = node.release("one")
    node.deliver(release)
    assert node.says(**EPILOG) == ""
    assert not node.root.exists()
    assert node.says() == "one"
    (node.root / "current/worker_epilog").write_text("#!/bin/sh\necho after\n")
    (node.root / "current/worker_epilog").chmod(0o755)
    assert node.says(**EPILOG) == "after"


def test_releases_of_the_last_week_stay_for_running_jobs(node: Node) -> None:
    releases = {node.root / "releases" / one.id[:16]: one for one in (node.release(name) for name in ("a", "b", "c"))}
    places = list(releases)
    for place, release in releases.items():
        node.deliver(release)
        assert node.says()
        os.utime(place, (0, 0))
    # What was replaced a moment ago may still run, however old it is.
    assert all(place.exists() for place in places)
    for place in places:
        os.utime(place, (0, 0))
    (node.run_dir / "bundle").unlink()
    assert node.says() == "c"
    assert [place.exists() for place in places] == [False, False, True]
    assert "copytruncate" in pathlib.Path(_host_files.LOGROTATE).read_text()


def test_the_same_releases_make_the_same_bytes_and_a_changed_file_is_none_of_ours(tmp_path: pathlib.Path) -> None:
    node = Node(tmp_path)
    first = node.send({"n2": node.release("b"), "n1": node.release("a")})
    assert node.send({"n1": node.release("a"), "n2": node.release("b")}) == first
    text = (node.conf / _bundle.NAME).read_text()
    assert _bundle.called(text, "worker_epilog") == f"{node.root}/current/worker_epilog"
    for wrong in (
        text.replace("exec", "exit; exec", 1),
        text + "#\n",
        text.replace(first, "0" * 64),
        "",
        "#!/bin/sh\n",
    ):
        assert _bundle.called(wrong, "worker_prolog") == ""
        assert _bundle.given(wrong) == {}


def test_a_release_survives_as_a_line_and_what_is_none_is_refused(tmp_path: pathlib.Path) -> None:
    carried = _bundle.carry(Node(tmp_path).release("a", "true"))
    assert carried.hooks == "worker_prolog,worker_init"
    assert _bundle.parse(carried.as_line()) == carried
    for wrong in (
        "",
        "a b",
        "- - !!",
        f"x {carried.hooks} {carried.archive}",
        f"{carried.init} ../x {carried.archive}",
    ):
        with pytest.raises(ValueError, match=r"not a release|unpack|base64|padd"):
            _bundle.parse(wrong)


def test_a_carried_release_can_be_read_again(tmp_path: pathlib.Path) -> None:
    release = Node(tmp_path).release("a", "true")
    manifest, files = _bundle.unpacked(_bundle.carry(release))
    assert manifest == release.manifest()
    assert files == {file.path: file.content for file in release.files}
    for wrong in ("", "H4sIAAAAAAAC", base64.b64encode(b"x" * 99).decode()):
        with pytest.raises(ValueError, match="not a release of a bundle"):
            _bundle.unpacked(_bundle.Carried("", "worker_prolog", wrong))


def test_shellcheck_finds_nothing(tmp_path: pathlib.Path) -> None:
    node = Node(tmp_path)
    node.deliver(node.release("a", "true"), node.release("b"))
    done = subprocess.run(
        ["shellcheck", "--shell=dash", str(node.conf / _bundle.NAME)], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
