# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundle on a controller: what it carries, and whether Slurm knows of it."""

from __future__ import annotations

import os
import pathlib
import types
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _bundle, _bundle_store
from ansible_collections.nodecycle.slurm.plugins.module_utils._release import Release, Script, build

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a controller's files are root's")


def release(text: str, hook: str = "worker_prolog") -> Release:
    found = build({hook: [Script("say", text.encode())]}, "/etc/nodecycle", {"job": "true\n"})
    assert found
    return found


OLD, NEW, EPILOG = release("old"), release("new"), release("new", "worker_epilog")
RELEASES = {one.id: _bundle.carry(one).as_line() for one in (OLD, NEW)}


class Controller:
    """A controller whose slurm.conf names the bundle."""

    def __init__(self, place: pathlib.Path) -> None:
        self.conf = place / "slurm.conf"
        self.conf.write_text("Include nodecycle.conf\n")
        (place / "nodecycle.conf").write_text("Prolog=nodecycle_bundle\n")

    def bring(self, **params: t.Any) -> dict[str, t.Any]:
        given = {
            "path": str(self.conf),
            "root": "/etc/nodecycle",
            "nodes": None,
            "delivered": None,
            "canaries": {},
            "probe_user": "nobody",
            "slurm_user": "slurm",
            "releases": {},
            "keep": [],
            "init_timeout": 60,
            "is_due": False,
            "is_sent": False,
            "compared": [],
            **params,
        }
        module = types.SimpleNamespace(params=given, check_mode=False)
        return _bundle_store.bring(t.cast("t.Any", module))

    def given(self) -> dict[str, _bundle.Meant]:
        return _bundle.given((self.conf.parent / _bundle.NAME).read_text())


@pytest.fixture
def controller(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Controller:
    monkeypatch.setattr(_bundle_store, "STORE", str(tmp_path / "bundle"))
    return Controller(tmp_path)


def test_slurm_has_to_be_told_until_that_is_noted(controller: Controller) -> None:
    content = {"delivered": {"n1": OLD.id}, "releases": RELEASES}
    assert controller.bring(**content) == {"changed": True, "missing": [], "is_unsent": True}
    assert controller.bring(**content)["is_unsent"]
    controller.bring(is_sent=True)
    assert controller.bring(**content) == {"changed": False, "missing": [], "is_unsent": False}


def test_after_a_run_that_was_killed_before_the_note_the_earlier_bundle_is_sent_again(controller: Controller) -> None:
    before = {"delivered": {"n1": OLD.id}, "releases": RELEASES}
    controller.bring(**before)
    controller.bring(is_sent=True)
    # Slurm was told of this one, and nobody could note it.
    controller.bring(**before, canaries={"n1": NEW.id})
    assert controller.bring(**before)["is_unsent"]


def test_what_is_left_out_stays_as_it_is(controller: Controller) -> None:
    controller.bring(nodes={"p1": OLD.id}, delivered={"n1": OLD.id}, releases=RELEASES)
    controller.bring(delivered={"n1": NEW.id}, releases=RELEASES)
    assert controller.given() == {
        "p1": _bundle.Meant(OLD.id[:16]),
        "n1": _bundle.Meant(NEW.id[:16], "", True),
    }
    controller.bring(nodes={})
    assert controller.given() == {"n1": _bundle.Meant(NEW.id[:16], "", True)}
    assert controller.bring() == {"changed": False, "missing": [], "is_unsent": False}


def test_a_release_that_the_controller_never_had_is_named(controller: Controller) -> None:
    found = controller.bring(delivered={"n1": OLD.id, "n2": NEW.id}, releases={OLD.id: RELEASES[OLD.id]})
    assert found["missing"] == ["n2"]
    # One that a rollback may want is remembered.
    controller.bring(delivered={"n1": OLD.id}, releases=RELEASES, keep=[NEW.id])
    assert controller.bring(delivered={"n1": NEW.id}, keep=[OLD.id])["missing"] == []


def test_a_probe_s_user_that_is_none_is_named(controller: Controller) -> None:
    with pytest.raises(ValueError, match="no user 'nobody-here' for the probe's jobs"):
        controller.bring(delivered={"n1": OLD.id}, canaries={"n1": NEW.id}, releases=RELEASES, probe_user="nobody-here")


def test_two_releases_are_compared_where_both_are_known(controller: Controller) -> None:
    controller.bring(delivered={"n1": OLD.id}, releases=RELEASES)
    before = sorted(os.listdir(controller.conf.parent))
    pairs = [f"{OLD.id} {NEW.id}", f"{'0' * 64} {NEW.id}", f"{OLD.id} {EPILOG.id}"]
    found = controller.bring(compared=pairs, releases={**RELEASES, EPILOG.id: _bundle.carry(EPILOG).as_line()})
    assert not found["changed"]
    changed, unknown, other = (found["changes"][pair] for pair in pairs)
    assert [(part["after_header"], part["before"], part["after"]) for part in changed["differences"]] == [
        ("worker_prolog.d/10-say", "old", "new")
    ]
    assert [part["before"] for part in unknown["differences"]] == ["", ""]
    assert (changed["lost_hooks"], unknown["lost_hooks"], other["lost_hooks"]) == ([], [], ["worker_prolog"])
    assert sorted(os.listdir(controller.conf.parent)) == before


def test_where_our_lines_do_not_name_it_nothing_is_left(controller: Controller) -> None:
    controller.bring(delivered={"n1": OLD.id}, releases=RELEASES)
    (controller.conf.parent / "nodecycle.conf").write_text("")
    assert controller.bring(delivered={"n1": OLD.id})["changed"]
    assert sorted(os.listdir(controller.conf.parent)) == ["nodecycle.conf", "slurm.conf"]
