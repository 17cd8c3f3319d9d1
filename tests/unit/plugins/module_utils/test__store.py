# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import pathlib
import shutil
import stat
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _files, _release, _store
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Release, Script
from ansible_collections.nodecycle.slurm.plugins.module_utils._store import Store, StoreError

pytestmark = pytest.mark.usefixtures("host")

Make = t.Callable[..., Release]
HOUR = 3600


@pytest.fixture
def store(host: pathlib.Path) -> Store:
    return Store(str(host / "etc/nodecycle"))


def stage(store: Store, release: Release) -> None:
    store.stage(*_release.unpack(_release.pack(release)))


def run(store: Store, release: Release) -> None:
    stage(store, release)
    store.activate(release.id, now=0)


def mode_of(path: str) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def leftovers(store: Store) -> list[str]:
    """Files that a killed run left behind."""
    return [
        name
        for _place, directories, files in os.walk(store.root)
        for name in directories + files
        if name.startswith(".")
    ]


# --- stage


def test_an_empty_host(store: Store) -> None:
    assert (store.current(), store.previous(), store.history(), store.exists()) == (None, None, [], False)
    assert store.manifest("0" * 64) is None
    assert store.prune(2) == []


def test_a_staged_release_is_complete_and_not_active(store: Store, make_release: Make) -> None:
    release = make_release(
        controller_prolog=[Script("log", b"#!/bin/sh\n")], task_prolog=[Script("env", b"#!/bin/sh\n")]
    )
    stage(store, release)
    assert store.damaged(release.manifest()) == []
    assert store.current() is None
    assert store.exists()
    for file in release.files:
        path = store.path(release.id, file.path)
        assert pathlib.Path(path).read_bytes() == file.content
        assert (mode_of(path), os.lstat(path).st_uid, os.lstat(path).st_gid) == (
            file.mode,
            0,
            store.owners[file.group][1],
        )
    assert mode_of(store.path(release.id, "worker_prolog.d")) == 0o700
    assert mode_of(store.path(release.id, "controller_prolog.d")) == 0o750
    assert mode_of(store.path(release.id, "task_prolog.d")) == 0o755
    assert store.manifest(release.id) == release.manifest()
    assert leftovers(store) == []


def test_the_umask_of_the_connection_does_not_matter(store: Store, make_release: Make) -> None:
    """A job's user must be able to reach task_prolog."""
    before = os.umask(0o077)
    try:
        run(store, make_release())
        store.make_state("worker_prolog")
    finally:
        os.umask(before)
    for path in (
        os.path.dirname(store.root),
        store.root,
        store.releases,
        os.path.join(store.root, "current/"),
        _store.STATE_DIR,
        _store.LOG_DIR,
    ):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o755, path
    assert mode_of(os.path.join(store.root, "current", "worker_prolog")) == 0o755
    assert mode_of(os.path.join(_store.STATE_DIR, "worker_prolog")) == 0o700


def test_staging_again_touches_nothing(store: Store, make_release: Make) -> None:
    release = make_release()
    stage(store, release)
    path = store.path(release.id, "worker_prolog")
    before = os.lstat(path)
    stage(store, release)
    assert (os.lstat(path).st_ino, os.lstat(path).st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def in_script(store: Store, release: Release) -> pathlib.Path:
    return pathlib.Path(store.path(release.id, "worker_prolog.d/10-check"))


DAMAGE: dict[str, tuple[t.Callable[[pathlib.Path], object], str]] = {
    "content": (lambda script: script.write_text("#!/bin/sh\nrm -rf /\n"), "worker_prolog.d/10-check"),
    "truncated": (lambda script: script.write_text(""), "worker_prolog.d/10-check"),
    "mode": (lambda script: script.chmod(0o600), "worker_prolog.d/10-check"),
    "missing": (lambda script: script.unlink(), "worker_prolog.d/10-check"),
    "link": (
        lambda script: (script.rename(script.parents[3] / "x"), script.symlink_to("../../../x")),
        "worker_prolog.d/10-check",
    ),
    "another's file": (lambda script: (script.parent / "05-evil").write_text("#!/bin/sh\n"), "worker_prolog.d/05-evil"),
    "another's hidden file": (lambda script: (script.parent / ".evil").touch(), "worker_prolog.d/.evil"),
    "another's directory": (lambda script: (script.parent / "evil.d").mkdir(), "worker_prolog.d/evil.d"),
    "another's dispatcher": (lambda script: (script.parents[1] / "task_prolog").touch(), "task_prolog"),
    "another's directory of scripts": (lambda script: (script.parents[1] / "task_prolog.d").mkdir(), "task_prolog.d"),
    "manifest open": (lambda script: (script.parents[1] / "manifest.json").chmod(0o666), "manifest.json"),
    "manifest of another": (lambda script: os.chown(script.parents[1] / "manifest.json", 12345, 0), "manifest.json"),
    "manifest a link": (
        lambda script: (
            (script.parents[1] / "manifest.json").rename(script.parents[3] / "x"),
            (script.parents[1] / "manifest.json").symlink_to("../../x"),
        ),
        "manifest.json",
    ),
    "owner": (lambda script: os.chown(script, 12345, 0), "worker_prolog.d/10-check"),
    "group": (lambda script: os.chown(script, 0, 12345), "worker_prolog.d/10-check"),
    "setuid": (lambda script: script.chmod(0o4700), "worker_prolog.d/10-check"),
    "owner of its directory": (lambda script: os.chown(script.parent, 12345, 0), "worker_prolog.d/10-check"),
    "its directory a link": (
        lambda script: (script.parent.rename(script.parents[3] / "y"), script.parent.symlink_to("../../y")),
        "worker_prolog.d/10-check",
    ),
    "directory instead": (
        lambda script: (script.unlink(), script.mkdir(), (script / "x").touch()),
        "worker_prolog.d/10-check",
    ),
    "mode of its directory": (lambda script: script.parent.chmod(0o777), "worker_prolog.d/10-check"),
    "dispatcher": (lambda script: script.parent.with_suffix("").unlink(), "worker_prolog"),
    "no manifest": (lambda script: (script.parents[1] / "manifest.json").unlink(), "manifest.json"),
    "half a manifest": (lambda script: (script.parents[1] / "manifest.json").write_text('{"id": '), "manifest.json"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found_refused_and_repaired(kind: str, store: Store, make_release: Make) -> None:
    release = make_release()
    stage(store, release)
    damage, path = DAMAGE[kind]
    damage(in_script(store, release))
    assert store.damaged(release.manifest()) == [path]
    with pytest.raises(StoreError, match="stage it"):
        store.activate(release.id)
    stage(store, release)
    assert store.damaged(release.manifest()) == []
    store.activate(release.id)


OPEN: dict[str, t.Callable[[pathlib.Path], object]] = {
    "open": lambda path: path.chmod(0o777),
    "open to a group": lambda path: path.chmod(0o775),
    "sticky": lambda path: path.chmod(0o1777),
    "setgid": lambda path: path.chmod(0o2755),
    "of another": lambda path: os.chown(path, 12345, 0),
    "of another group": lambda path: os.chown(path, 0, 12345),
}


@pytest.mark.parametrize("how", OPEN)
@pytest.mark.parametrize("which", ["root", "releases", "release"])
def test_a_directory_that_was_open_is_found_closed_and_its_files_are_written_anew(
    which: str, how: str, store: Store, make_release: Make
) -> None:
    release = make_release()
    run(store, release)
    path = pathlib.Path({"root": store.root, "releases": store.releases, "release": store.path(release.id)}[which])
    before = {file.path: os.lstat(store.path(release.id, file.path)).st_ino for file in release.files}
    OPEN[how](path)
    assert store.damaged(release.manifest()) == [str(path)]
    with pytest.raises(StoreError, match=str(path)):
        store.require(release.id)
    stage(store, release)
    assert store.damaged(release.manifest()) == []
    after = {file.path: os.lstat(store.path(release.id, file.path)).st_ino for file in release.files}
    assert [name for name in before if before[name] == after[name]] == [], "who has opened one keeps it"
    assert store.current() == release.id[:16]


def test_what_was_put_into_an_open_release_is_gone_with_all_that_was_changed(store: Store, make_release: Make) -> None:
    """alice's attack: her own directory in the place of ours, her script under the name of ours."""
    release = make_release()
    run(store, release)
    place = pathlib.Path(store.path(release.id))
    place.chmod(0o777)
    (place / "worker_prolog.d").rename(place / "away")
    (place / "worker_prolog.d").mkdir()
    evil = in_script(store, release)
    evil.write_text("#!/bin/sh\nid >/tmp/root\n")
    for path in (place / "worker_prolog.d", evil):
        os.chown(path, 12345, 12345)
    with evil.open("a") as theirs:
        stage(store, release)
        theirs.write("evil")
    assert store.damaged(release.manifest()) == []
    assert "evil" not in evil.read_text()
    assert not (place / "away").exists()


LINKS: dict[str, t.Callable[[pathlib.Path, str], object]] = {
    "of another": lambda link, _id: os.chown(link, 12345, 12345, follow_symlinks=False),
    "to a place of the same name": lambda link, id_: (link.unlink(), link.symlink_to(f"../home/alice/{id_}")),
    "to an absolute place of the same name": lambda link, id_: (link.unlink(), link.symlink_to(f"/home/alice/{id_}")),
}


@pytest.mark.parametrize("how", LINKS)
def test_the_link_to_what_runs_is_roots_and_leads_to_a_release(how: str, store: Store, make_release: Make) -> None:
    release = make_release()
    run(store, release)
    link = pathlib.Path(store.root, "current")
    LINKS[how](link, release.id[:16])
    assert store.damaged(release.manifest()) == [str(link)]
    stage(store, release)
    assert store.damaged(release.manifest()) == []
    assert os.readlink(link) == f"releases/{release.id[:16]}"


def test_a_link_that_leads_to_nothing_of_ours_is_turned_back(store: Store, make_release: Make) -> None:
    release = make_release()
    run(store, release)
    link = pathlib.Path(store.root, "current")
    link.unlink()
    link.symlink_to("/home/alice/scripts")
    stage(store, release)
    assert store.current() == release.id[:16]
    assert store.damaged(release.manifest()) == []


def test_a_canary_of_anothers_making_ends(store: Store, make_release: Make) -> None:
    release = make_release()
    run(store, release)
    link = pathlib.Path(store.root, "canary")
    link.symlink_to("/home/alice/scripts")
    assert store.damaged(release.manifest()) == [str(link)]
    stage(store, release)
    assert not os.path.lexists(link)
    store.begin_canary(release.id)
    assert store.damaged(release.manifest()) == [], "a canary of ours is no drift"


@pytest.mark.parametrize("how", ["open", "of another"])
def test_the_list_of_what_was_active_is_roots(how: str, store: Store, make_release: Make) -> None:
    release = make_release()
    run(store, release)
    path = pathlib.Path(store.root, "history.json")
    before = store.history()
    OPEN[how](path) if how != "open" else path.chmod(0o666)
    assert store.damaged(release.manifest()) == [str(path)]
    with path.open("a") as theirs:
        stage(store, release)
        theirs.write("evil")
    assert store.damaged(release.manifest()) == []
    assert store.history() == before


@pytest.mark.parametrize("place", ["etc", "etc/site"])
@pytest.mark.parametrize("how", ["open", "of another"])
def test_a_root_in_a_place_that_others_can_write_is_refused(
    how: str, place: str, host: pathlib.Path, make_release: Make
) -> None:
    (host / "etc/site").mkdir()
    (host / "etc/site").chmod(0o755)
    OPEN[how](host / place)
    store = Store(str(host / "etc/site/nodecycle"))
    with pytest.raises(StoreError, match=f"{host / place} .*slurm_release_root"):
        stage(store, make_release())
    assert not os.path.lexists(store.root)


def test_a_sticky_place_is_safe_when_the_root_is_there(host: pathlib.Path, make_release: Make) -> None:
    (host / "etc").chmod(0o1777)
    store = Store(str(host / "etc/nodecycle"))
    with pytest.raises(StoreError, match="can be written by others"):
        stage(store, make_release())
    os.mkdir(store.root, 0o755)
    stage(store, make_release())


def test_a_root_behind_a_link_of_anothers_is_refused(host: pathlib.Path, make_release: Make) -> None:
    (host / "data").mkdir()
    (host / "data").chmod(0o755)
    (host / "data/nodecycle").mkdir()
    (host / "etc/nodecycle").symlink_to(host / "data/nodecycle")
    store = Store(str(host / "etc/nodecycle"))
    stage(store, make_release())
    assert (host / "data/nodecycle/releases").is_dir()
    (host / "data").chmod(0o777)
    with pytest.raises(StoreError, match=f"{host}/data can be written"):
        stage(store, make_release())


def test_an_undo_repairs_its_release_from_the_disk(store: Store, make_release: Make) -> None:
    """The release of an earlier run. No run sends its content again."""
    old, new = make_release("old"), make_release("new")
    run(store, old)
    run(store, new)
    os.chmod(store.path(old.id), 0o777)
    os.chmod(store.path(old.id, "worker_prolog.d"), 0o755)
    pathlib.Path(store.path(old.id, "evil")).touch()
    assert store.damaged(new.manifest()) == [store.path(old.id)], "a run of today tells and closes it"
    store.require_way_back(old.id[:16])
    assert store.restore(old.id[:16])
    assert store.damaged(old.manifest()) == []
    assert not store.restore(old.id[:16])
    store.activate(old.id)


@pytest.mark.parametrize("how", ["content", "manifest of another", "manifest of another release"])
def test_a_way_back_that_is_not_what_root_wrote_stays_refused(how: str, store: Store, make_release: Make) -> None:
    old, new = make_release("old"), make_release("new")
    run(store, old)
    run(store, new)
    os.chmod(store.path(old.id), 0o777)
    manifest = pathlib.Path(store.path(old.id, "manifest.json"))
    if how == "content":
        in_script(store, old).write_text("#!/bin/sh\nid >/tmp/root\n")
    elif how == "manifest of another":
        os.chown(manifest, 12345, 12345)
    else:
        manifest.write_bytes(pathlib.Path(store.path(new.id, "manifest.json")).read_bytes())
    assert not store.restore(old.id[:16])
    with pytest.raises(StoreError, match="stage it"):
        store.require_way_back(old.id[:16])
    with pytest.raises(StoreError, match="stage it"):
        store.activate(old.id)
    assert store.current() == new.id[:16]


def test_a_host_without_the_slurm_user_is_told_so(host: pathlib.Path, make_release: Make) -> None:
    store = Store(str(host / "etc/nodecycle"), "nobody-of-this-name")
    release = make_release(controller_prolog=[Script("log", b"#!/bin/sh\n")])
    with pytest.raises(StoreError, match="has no user 'nobody-of-this-name'"):
        store.damaged(release.manifest())
    with pytest.raises(StoreError, match="has no user 'nobody-of-this-name'"):
        stage(store, release)
    stage(store, make_release())


# --- activate and history


def test_activate_turns_one_link(store: Store, make_release: Make) -> None:
    first, second = make_release("one"), make_release("two")
    run(store, first)
    assert os.readlink(os.path.join(store.root, "current")) == f"releases/{first.id[:16]}"
    run(store, second)
    assert store.current() == second.id[:16]
    assert store.previous() == first.id[:16]
    run(store, first)
    assert (store.current(), store.previous()) == (first.id[:16], second.id[:16])
    assert [entry["id"] for entry in store.history()] == [first.id[:16], second.id[:16], first.id[:16]]
    run(store, first)
    assert len(store.history()) == 3, "an activation that changes nothing is none"


def test_a_full_disk_is_no_obstacle_to_the_way_back(disk: t.Any, make_release: Make) -> None:
    def roll_back(place: pathlib.Path) -> None:
        store = Store(str(place / "etc/nodecycle"))
        first, second = make_release("one"), make_release("two")
        run(store, first)
        run(store, second)
        disk.fill(place)
        store.activate(first.id)
        assert store.current() == first.id[:16]

    disk.run(roll_back)


def test_a_disk_without_inodes_is_no_obstacle_where_an_old_release_can_be_given(
    disk: t.Any, make_release: Make
) -> None:
    def roll_back(place: pathlib.Path) -> None:
        store = Store(str(place / "etc/nodecycle"))
        releases = [make_release(str(number)) for number in range(4)]
        for release in releases:
            run(store, release)
        disk.fill_inodes(place)
        # The oldest but one: it frees neither itself nor the release that was active last.
        store.activate(releases[1].id)
        assert store.current() == releases[1].id[:16]
        assert store.manifest(releases[3].id)
        assert not store.manifest(releases[0].id)

    disk.run(roll_back, options=",nr_inodes=60")


def test_staging_on_a_full_disk_leaves_what_was_there(disk: t.Any, make_release: Make) -> None:
    def stage_(place: pathlib.Path) -> None:
        store = Store(str(place / "etc/nodecycle"))
        first = make_release("one")
        run(store, first)
        size = "x" * 100_000
        with pytest.raises(_files.NoRoomError, match=f"the file system {place} is full. Remove files there"):
            stage(store, make_release(f"{size} {size} {size}"))
        assert os.listdir(store.releases) == [first.id[:16]]
        assert store.damaged(first.manifest()) == []
        assert store.current() == first.id[:16]

    disk.run(stage_)


def test_only_what_is_staged_can_be_activated(store: Store, make_release: Make) -> None:
    with pytest.raises(StoreError, match="not staged on this host"):
        store.activate(make_release().id)


def test_the_previous_release_has_been_active(store: Store, make_release: Make) -> None:
    """An activation that was killed between its two steps has noted a release that never became current."""
    first, second, third = (make_release(text) for text in ("one", "two", "three"))
    run(store, first)
    run(store, second)
    stage(store, third)
    noted = [{"id": third.id[:16], "activated": 2}, *store.history()]
    pathlib.Path(store.root, "history.json").write_text(json.dumps({"format": 1, "entries": noted}))
    assert (store.current(), store.previous()) == (second.id[:16], first.id[:16])


def test_a_broken_history_is_made_anew_from_what_is_there(store: Store, make_release: Make) -> None:
    run(store, make_release())
    pathlib.Path(store.root, "history.json").write_text("{")
    # Without any, the next pruning would remove releases that a rollback needs.
    assert [entry["id"] for entry in store.history()] == [store.current()]
    pathlib.Path(store.root, "history.json").unlink()
    assert store.history() == []
    assert store.previous() is None


def test_a_current_that_is_not_ours_is_refused(store: Store, make_release: Make) -> None:
    stage(store, make_release())
    pathlib.Path(store.root, "current").write_text("x")
    with pytest.raises(StoreError, match="not a symbolic link of ours"):
        store.current()


# --- prune


def activate_all(store: Store, releases: list[Release], step: int) -> None:
    for number, release in enumerate(releases):
        stage(store, release)
        store.activate(release.id, now=number * step)


@pytest.mark.parametrize(("keep", "gone"), [(2, 4), (5, 1), (6, 0), (9, 0)])
def test_prune_keeps_the_newest(keep: int, gone: int, store: Store, make_release: Make) -> None:
    releases = [make_release(str(number)) for number in range(6)]
    activate_all(store, releases, step=2 * HOUR)
    now = 100 * HOUR
    assert sorted(store.prune(keep, now=now)) == sorted(release.id[:16] for release in releases[:gone])
    assert store.prune(keep, now=now) == []
    assert store.damaged(releases[-1].manifest()) == []
    assert leftovers(store) == []


def test_prune_spares_what_was_active_within_the_hour(store: Store, make_release: Make) -> None:
    releases = [make_release(str(number)) for number in range(5)]
    activate_all(store, releases, step=30 * 60)
    # The last was activated at 2:00; 1:30 and 1:00 have been replaced within the last hour, 0:30 was just then.
    assert sorted(store.prune(2, now=2 * HOUR + 60)) == sorted(release.id[:16] for release in releases[:2])


def test_prune_spares_what_may_be_staged_right_now(store: Store, make_release: Make) -> None:
    run(store, make_release("active"))
    staged = make_release("staged")
    stage(store, staged)
    made = os.stat(store.path(staged.id)).st_mtime
    assert store.prune(2, now=made + 60) == []
    assert store.prune(2, now=made + 2 * HOUR) == [staged.id[:16]]


def test_prune_leaves_files_that_are_not_ours(store: Store, make_release: Make) -> None:
    run(store, make_release())
    note = pathlib.Path(store.releases, "README")
    note.write_text("mine")
    os.utime(note, (0, 0))
    assert store.prune(2) == []
    assert note.exists()


def test_prune_and_staging_leave_what_is_not_ours(store: Store, make_release: Make) -> None:
    """Whatever its name, and even if it is not a directory: it does not stop an activation."""
    active = make_release()
    run(store, active)
    releases = pathlib.Path(store.releases)
    # Somebody's copy, manifest and all.
    shutil.copytree(store.path(active.id), f"{store.path(active.id)}.bak")
    for name in ("my-notes", "lost+found", "0123456789abcdef", ".half-done", "my-notes/.nodecycle-mine"):
        (releases / name).mkdir()
    (releases / "my-notes/.nodecycle-file").touch()
    (releases / "dangling").symlink_to("nowhere")
    (releases / "fedcba9876543210").symlink_to("nowhere")
    (releases / ".half-link").symlink_to("nowhere")
    (releases / ".nodecycle-dir").mkdir()
    (releases.parent / ".nodecycle-current").mkdir()
    ours = make_release("next")
    # The name of what it is going to make itself.
    (releases / f".half-{ours.id[:16]}").symlink_to("nowhere")
    for path in releases.iterdir():
        os.utime(path, (0, 0), follow_symlinks=False)
    before = sorted(path for path in releases.rglob("*") if not path.name.startswith(f".half-{ours.id[:16]}"))
    stage(store, ours)
    store.activate(ours.id)
    assert store.current() == ours.id[:16]
    assert store.prune(2) == []
    assert set(before) < set(releases.rglob("*"))
    store.remove()
    left = {str(path.relative_to(releases)) for path in releases.rglob("*")}
    assert {"my-notes/.nodecycle-file", "lost+found", "dangling", ".half-done"} <= left


# --- remove


def test_remove_leaves_nothing(store: Store, make_release: Make, host: pathlib.Path) -> None:
    run(store, make_release())
    store.make_state("worker_prolog")
    (pathlib.Path(store.root) / ".nodecycle-left").touch()
    store.remove()
    assert not store.exists()
    assert not os.path.exists(store.root)
    assert not os.path.exists(_store.STATE_DIR)
    assert (host / "var/log/nodecycle").is_dir(), "the logs are the site's"
    store.remove()


def test_remove_spares_what_is_not_ours(store: Store, make_release: Make) -> None:
    run(store, make_release())
    pathlib.Path(store.root, "mine.txt").touch()
    store.remove()
    assert os.listdir(store.root) == ["mine.txt"]


def test_an_init_hook_is_pending_until_its_present_scripts_succeeded(make_release: Make, host: pathlib.Path) -> None:
    release = make_release(worker_init=[Script("a", b"#!/bin/sh\n")], login_init=[])
    mark = host / "run/nodecycle/worker_init.ok"
    assert _store.init_pending(release.manifest()) == ["worker_init"]
    mark.parent.mkdir()
    mark.write_text(release.init["worker_init"] + "\n")
    assert _store.init_pending(release.manifest()) == []
    os.chown(mark, 12345, 0)
    assert _store.init_pending(release.manifest()) == ["worker_init"], "anybody's word"
    os.chown(mark, 0, 0)
    mark.chmod(0o666)
    assert _store.init_pending(release.manifest()) == ["worker_init"]
    mark.chmod(0o644)
    mark.write_text("of another release\n")
    assert _store.init_pending(release.manifest()) == ["worker_init"]


# --- killed at any moment

#: Every call by which _store and _files change the disk.
CALLS = ("replace", "rename", "symlink", "unlink", "fsync", "fchown", "fchmod", "chmod", "mkdir", "open", "rmdir")


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of fsync are counted as ever and wait for nothing."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


class Killed:
    """Runs a step in a process of its own that dies before its n-th change of the disk, as by SIGKILL, without cleaning up."""

    DIED = 77

    def __init__(self, at: int) -> None:
        self._left = at

    def _counted(self, call: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def counted(*args: t.Any, **options: t.Any) -> t.Any:
            if not self._left:
                os._exit(self.DIED)
            self._left -= 1
            return call(*args, **options)

        return counted

    def run(self, step: t.Callable[[], object]) -> bool:
        """True when the process died on the way."""
        child = os.fork()
        if not child:
            try:
                for name in CALLS:
                    setattr(os, name, self._counted(getattr(os, name)))
                step()
            except BaseException:
                os._exit(1)
            os._exit(0)
        _pid, status = os.waitpid(child, 0)
        assert os.WIFEXITED(status), f"the step ended with {status}"
        code = os.WEXITSTATUS(status)
        assert code in (0, self.DIED), f"the step failed with {code}"
        return code == self.DIED


@pytest.mark.usefixtures("quick_disk")
def test_killed_at_any_moment_a_host_has_the_old_release_or_the_new_one(make_release: Make, host: pathlib.Path) -> None:
    old, new = make_release("old"), make_release("new", task_prolog=[Script("env", b"#!/bin/sh\n")])
    died_with_old = died_with_new = 0
    for moment in range(1000):
        store = Store(str(host / f"{moment}"))
        run(store, old)

        def step(store: Store = store) -> None:
            stage(store, new)
            store.activate(new.id)
            store.prune(2)

        died = Killed(moment).run(step)
        active = store.current()
        assert active in (old.id[:16], new.id[:16]), moment
        assert store.damaged((old if active == old.id[:16] else new).manifest()) == [], (
            f"the active release is not complete at {moment}"
        )
        assert store.previous() in (None, old.id[:16]), moment
        if not died:
            break
        died_with_old += active == old.id[:16]
        died_with_new += active == new.id[:16]
        step()
        assert store.current() == new.id[:16], moment
        assert store.damaged(new.manifest()) == [], moment
        assert store.previous() == old.id[:16], moment
        assert leftovers(store) == [], moment
    else:
        pytest.fail("the step never came to its end")
    assert died_with_old > 20
    assert died_with_new > 0


@pytest.mark.usefixtures("quick_disk")
def test_a_killed_repair_is_completed(make_release: Make, host: pathlib.Path) -> None:
    release = make_release()
    for moment in range(100):
        store = Store(str(host / f"{moment}"))
        run(store, release)
        in_script(store, release).write_text("damaged")
        os.unlink(store.path(release.id, "worker_epilog"))
        died = Killed(moment).run(lambda store=store: stage(store, release))  # type: ignore[misc]
        stage(store, release)
        assert store.damaged(release.manifest()) == [], moment
        assert leftovers(store) == [], moment
        if not died:
            return
    pytest.fail("the step never came to its end")


@pytest.mark.usefixtures("quick_disk")
def test_a_killed_prune_leaves_no_half_of_a_release_under_its_name(make_release: Make, host: pathlib.Path) -> None:
    releases = [make_release(str(number)) for number in range(4)]
    for moment in range(100):
        store = Store(str(host / f"{moment}"))
        activate_all(store, releases, step=2 * HOUR)
        died = Killed(moment).run(lambda store=store: store.prune(2, now=100 * HOUR))  # type: ignore[misc]
        for release in releases:
            if os.path.isdir(store.path(release.id)):
                assert store.damaged(release.manifest()) == [], moment
        if not died:
            return
        stage(store, releases[-1])
        store.prune(2, now=100 * HOUR)
        assert sorted(os.listdir(store.releases)) == sorted(release.id[:16] for release in releases[2:]), moment
    pytest.fail("the step never came to its end")


def test_digests_of_scripts_are_for_root_alone(store: Store, make_release: Make) -> None:
    release = make_release()
    stage(store, release)
    manifest = pathlib.Path(store.path(release.id, "manifest.json"))
    assert stat.S_IMODE(manifest.stat().st_mode) == 0o600


def canaries(store: Store) -> dict[str, str]:
    return {name: os.readlink(os.path.join(store.root, name)) for name in os.listdir(store.root) if "canary" in name}


def test_a_canary_has_a_link_for_root_and_one_for_the_task_hooks_of_the_probe(store: Store, make_release: Make) -> None:
    release = make_release()
    run(store, release)
    link = f"releases/{release.id[:16]}"
    assert store.begin_canary(release.id, 64030)
    assert canaries(store) == {"canary": link, "canary.64030": link}
    assert not store.begin_canary(release.id, 64030)
    # Another probe's user, and a host without task hooks: nobody else keeps his.
    assert store.begin_canary(release.id, 7)
    assert canaries(store) == {"canary": link, "canary.7": link}
    assert store.begin_canary(release.id)
    assert canaries(store) == {"canary": link}


@pytest.mark.parametrize("end", ["end_canary", "remove"])
def test_a_canary_ends_for_all_also_where_a_run_was_killed(end: str, store: Store, make_release: Make) -> None:
    release = make_release()
    run(store, release)
    store.begin_canary(release.id, 64030)
    os.unlink(os.path.join(store.root, "canary"))
    os.mkdir(os.path.join(store.root, "canary.d"))
    getattr(store, end)()
    assert os.listdir(store.root) == ["canary.d"] if end == "remove" else "canary.64030" not in os.listdir(store.root)
