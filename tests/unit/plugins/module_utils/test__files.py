# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os
import pathlib
import socket
import stat
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _files

pytestmark = pytest.mark.usefixtures("ownership")


def test_read_bytes(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff\n")
    assert _files.read_bytes(str(tmp_path / "a")) == b"\xff\n"
    assert _files.read_bytes(str(tmp_path / "gone")) is None
    assert _files.read_bytes(str(tmp_path / "a" / "below-a-file")) is None


def _socket(path: pathlib.Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


ODD: dict[str, t.Callable[[pathlib.Path], object]] = {
    "a FIFO": os.mkfifo,
    "a directory": lambda path: path.mkdir(),
    "a socket": _socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("what", ODD)
def test_what_is_no_file_is_refused_at_once(what: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a FIFO would wait for ever, and reading a device would fill the memory."""
    monkeypatch.chdir(tmp_path)
    ODD[what](pathlib.Path("odd"))
    with pytest.raises(_files.UnsuitableFileError, match=f"odd is {what}, not a regular file: move it away"):
        _files.read_bytes("odd")


def test_a_file_beyond_the_limit_is_refused_or_cut(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    path = str(tmp_path / "a")
    assert _files.read_bytes(path, 5) == b"12345"
    assert _files.read_bytes(path, 4, cut=True) == b"1234"
    with pytest.raises(_files.UnsuitableFileError, match="larger than 4 bytes"):
        _files.read_bytes(path, 4)


def test_a_file_of_the_kernel_says_that_it_is_empty_and_is_read() -> None:
    assert (_files.read_bytes("/proc/self/stat") or b"").startswith(str(os.getpid()).encode())


def test_where_another_user_may_write_only_his_own_files_are_read(tmp_path: pathlib.Path) -> None:
    me = os.geteuid()
    (tmp_path / "own").write_text("x")
    (tmp_path / "link").symlink_to("own")
    assert _files.read_bytes(str(tmp_path / "own"), owner=me) == b"x"
    with pytest.raises(_files.UnsuitableFileError, match="symbolic link"):
        _files.read_bytes(str(tmp_path / "link"), owner=me)
    with pytest.raises(_files.UnsuitableFileError, match="symbolic link"):
        _files.read_bytes(str(tmp_path / "link"), follow=False)
    with pytest.raises(_files.UnsuitableFileError, match="belongs to the user"):
        _files.read_bytes(str(tmp_path / "own"), owner=me + 1)
    os.link(tmp_path / "own", tmp_path / "other")
    with pytest.raises(_files.UnsuitableFileError, match="has 2 names"):
        _files.read_bytes(str(tmp_path / "own"), owner=me)


def test_a_full_disk_is_named_with_the_remedy(disk: t.Any) -> None:
    def write(place: pathlib.Path) -> None:
        (place / "sub").mkdir()
        path = str(place / "sub/a")
        _files.write_atomic(path, b"old", 0o644)
        disk.fill(place)
        with pytest.raises(_files.NoRoomError) as raised:
            _files.write_atomic(path, b"new" * 9999, 0o644)
        said = f"{path} cannot be written: the file system {place} is full. Remove files there"
        assert str(raised.value).startswith(said), str(raised.value)
        assert raised.value.errno == errno.ENOSPC
        assert pathlib.Path(path).read_text() == "old"
        assert os.listdir(place / "sub") == ["a"]
        # Actions without a need of room work.
        _files.link_atomic(str(place / "link"), "a")
        assert os.readlink(place / "link") == "a"

    disk.run(write)


def test_a_disk_without_inodes_is_named(disk: t.Any) -> None:
    def write(place: pathlib.Path) -> None:
        disk.fill_inodes(place)
        for write in (
            lambda: _files.link_atomic(str(place / "a"), "b"),
            lambda: _files.make_dir(str(place / "a"), 0o755),
            lambda: _files.write_atomic(str(place / "a"), b"x", 0o644),
        ):
            with pytest.raises(_files.NoRoomError, match="has no free inode"):
                write()

    disk.run(write, options=",nr_inodes=10")


@pytest.mark.parametrize("failing", ["fsync", "fchmod", "fchown", "replace"])
def test_a_failed_write_leaves_the_old_file_and_no_other(
    failing: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(_files.NoRoomError, match="is full"):
        _files.write_atomic(str(path), b"new", 0o644)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_replace_keeps_mode_and_link(tmp_path: pathlib.Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    _files.replace_atomic(str(tmp_path / "link"), b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o640


def test_a_link_is_turned_in_one_step_also_after_a_kill(tmp_path: pathlib.Path) -> None:
    (tmp_path / ".nodecycle-current").symlink_to("of-a-killed-run")
    _files.link_atomic(str(tmp_path / "current"), "one")
    _files.link_atomic(str(tmp_path / "current"), "two")
    assert os.readlink(tmp_path / "current") == "two"
    assert os.listdir(tmp_path) == ["current"]


def test_somebody_elses_directory_is_in_nobodys_way(tmp_path: pathlib.Path) -> None:
    (tmp_path / ".nodecycle-current").mkdir()
    (tmp_path / ".nodecycle-notes").mkdir()
    _files.link_atomic(str(tmp_path / "current"), "one")
    _files.sweep(str(tmp_path))
    assert os.readlink(tmp_path / "current") == "one"
    assert sorted(os.listdir(tmp_path)) == [".nodecycle-current", ".nodecycle-notes", "current"]


def test_make_dir_says_whether_it_changed_anything(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "a")
    assert _files.make_dir(path, 0o750)
    assert not _files.make_dir(path, 0o750)
    assert _files.make_dir(path, 0o700)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="move it away"):
        _files.make_dir(str(tmp_path / "file"), 0o755)


def test_sweep_takes_only_our_own(tmp_path: pathlib.Path) -> None:
    for name in (".nodecycle-x", ".other", "a"):
        (tmp_path / name).touch()
    _files.sweep(str(tmp_path))
    _files.sweep(str(tmp_path / "gone"))
    assert sorted(os.listdir(tmp_path)) == [".other", "a"]


def test_a_file_system_in_memory_is_known(tmp_path: pathlib.Path) -> None:
    device = tmp_path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for kind, is_told in (("tmpfs", True), ("ext4", False)):
        mounts = tmp_path / kind
        mounts.write_text(
            f"21 1 0:1 / /other rw - tmpfs none rw\n22 1 {number} / {tmp_path} rw,relatime shared:1 - {kind} /dev/x rw\n"
        )
        assert _files.is_in_memory(str(tmp_path / "not/yet/there"), str(mounts)) is is_told
    # As the kernel writes it.
    assert _files.is_in_memory("/dev/shm/x")
