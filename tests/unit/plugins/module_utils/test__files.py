# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
import stat

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _files

pytestmark = pytest.mark.usefixtures("ownership")


def test_read_bytes(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff\n")
    assert _files.read_bytes(str(tmp_path / "a")) == b"\xff\n"
    assert _files.read_bytes(str(tmp_path / "gone")) is None
    assert _files.read_bytes(str(tmp_path / "a" / "below-a-file")) is None


@pytest.mark.parametrize("failing", ["fsync", "fchmod", "fchown", "replace"])
def test_a_failed_write_leaves_the_old_file_and_no_other(
    failing: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="No space left"):
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
