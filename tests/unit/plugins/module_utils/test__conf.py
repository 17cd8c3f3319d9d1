# Copyright (c) 2026, nodecycle.slurm maintainers
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
import random
import typing as t

import pytest
from ansible_collections.nodecycle.slurm.plugins.module_utils import _conf

#: text, keys and values with the line at which they begin
GRAMMAR = [
    ("ClusterName=lab\n", [("ClusterName", "lab", 1)]),
    ("ClusterName=lab", [("ClusterName", "lab", 1)]),
    ("clustername = lab", [("clustername", "lab", 1)]),
    ("  ClusterName=lab  ", [("ClusterName", "lab", 1)]),
    ("ClusterName=lab\r\nSlurmUser=slurm\r\n", [("ClusterName", "lab", 1), ("SlurmUser", "slurm", 2)]),
    ("\n\n# text\nA=1\n", [("A", "1", 4)]),
    ("A=1 B=2\tC=3\n", [("A", "1", 1), ("B", "2", 1), ("C", "3", 1)]),
    ('A="two words" B=2\n', [("A", "two words", 1), ("B", "2", 1)]),
    ('A=""\nB=2\n', [("A", "", 1), ("B", "2", 2)]),
    ("A='x'\n", [("A", "'x'", 1)]),
    ("A=b=c,d=e\n", [("A", "b=c,d=e", 1)]),
    ("A+=1\nB -= 2\n", [("A", "1", 1), ("B", "2", 2)]),
    ("A=1 # B=2\n", [("A", "1", 1)]),
    ("A=1# B=2\n", [("A", "1", 1)]),
    # A comment begins within quotes too.
    ('A="x # y"\n', [("A", '"x', 1)]),
    ('A="x \\# y" # z\n', [("A", "x # y", 1)]),
    ("A=x\\\\# y\n", [("A", "x\\", 1)]),
    ("A=x\\\\\\#y\n", [("A", "x\\#y", 1)]),
    ("A=a\\\\b\n", [("A", "a\\b", 1)]),
    # Continuation: an odd number of backslashes, blanks or a comment may follow.
    ("A=a,\\\nb\n", [("A", "a,b", 1)]),
    ("A=a,\\  \nb\nC=3\n", [("A", "a,b", 1), ("C", "3", 3)]),
    ("A=a,\\ # more\nb\n", [("A", "a,b", 1)]),
    ("A=a,\\\r\nb\r\n", [("A", "a,b", 1)]),
    ("A=a \\\nB=b \\\nC=c\n", [("A", "a", 1), ("B", "b", 1), ("C", "c", 1)]),
    ("A=a\\\\\nB=b\n", [("A", "a\\", 1), ("B", "b", 2)]),
    ("# A=a \\\nB=b\n", [("B", "b", 2)]),
    ("A=a \\", [("A", "a", 1)]),
    ("A=a \\\n", [("A", "a", 1)]),
    # Line types keep their keys to themselves.
    ("NodeName=n[1-2] CPUs=2 State=UNKNOWN\n", [("NodeName", "NodeName=n[1-2] CPUs=2 State=UNKNOWN", 1)]),
    ("partitionname=p Nodes=ALL Default=YES # x\n", [("partitionname", "partitionname=p Nodes=ALL Default=YES", 1)]),
    ("PowerAction=x Program=/p\nDownNodes=n1 Reason=y\nNodeSet=s Feature=f\n",
     [("PowerAction", "PowerAction=x Program=/p", 1), ("DownNodes", "DownNodes=n1 Reason=y", 2), ("NodeSet", "NodeSet=s Feature=f", 3)]),
    # Not a key: Slurm itself tells the fault of these.
    ("Include other.conf\n", []),
    ("INCLUDE\tother.conf\n", []),
    ("just words\n", []),
    ("A=\n", []),
    ("=1\n", []),
    # Only \n ends a line, although Python knows more.
    ("# a\x0cB=1\nC=3\n", [("C", "3", 2)]),
    ("# a\u2028B=1\nC=3\n", [("C", "3", 2)]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), GRAMMAR)
def test_entries(text: str, wanted: list[tuple[str, str, int]]) -> None:
    assert [(entry.key, entry.value, entry.line) for entry in _conf.entries(text)] == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Include a.conf\n", [("a.conf", 1)]),
        ("A=1\ninclude   /b/c.conf  # why\n", [("/b/c.conf", 2)]),
        ("Include \\\na.conf\n", [("a.conf", 1)]),
        # Only at column 0, with a blank and no equals sign.
        (" Include a.conf\n", []),
        ("# Include a.conf\n", []),
        ("Include=a.conf\n", []),
        ("Include a.conf b.conf\n", []),
        ("A=1 Include a.conf\n", []),
        ("A=1 \\\nInclude a.conf\n", []),
    ],
)
def test_includes(text: str, wanted: list[tuple[str, int]]) -> None:
    assert _conf.includes(text) == wanted


# --- the files that slurm.conf includes


def reader(**files: str) -> t.Callable[[str], str | None]:
    """Reads /etc/slurm/<name>.conf out of keyword arguments; two underscores stand for a slash."""
    paths = {f"/etc/slurm/{name.replace('__', '/')}.conf": text for name, text in files.items()}
    return paths.get


def test_tree_follows_includes_as_slurm_does_and_says_where_a_key_stands() -> None:
    read = reader(slurm="A=1\nInclude more.conf\nD=4\n", more="B=2\n\nInclude /etc/slurm/abs.conf\n", abs="C=3\n")
    found = _conf.tree("/etc/slurm/slurm.conf", read)
    assert [(entry.key, entry.file, entry.line) for entry in found] == [
        ("A", "/etc/slurm/slurm.conf", 1),
        ("B", "/etc/slurm/more.conf", 1),
        ("C", "/etc/slurm/abs.conf", 1),
        ("D", "/etc/slurm/slurm.conf", 3),
    ]


def test_a_nested_relative_include_is_beside_the_main_file() -> None:
    paths = {
        "/etc/slurm/slurm.conf": "Include conf.d/a.conf\n",
        "/etc/slurm/conf.d/a.conf": "Include b.conf\n",
        "/etc/slurm/b.conf": "B=2\n",
    }
    assert [entry.file for entry in _conf.tree("/etc/slurm/slurm.conf", paths.get)] == ["/etc/slurm/b.conf"]


def test_tree_leaves_our_own_file_and_percent_names_out() -> None:
    read = reader(slurm="A=1\nInclude nodecycle.conf\nInclude %c.conf\n", nodecycle="Prolog=/x\n")
    assert [entry.key for entry in _conf.tree("/etc/slurm/slurm.conf", read, with_ours=False)] == ["A"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "/etc/slurm/slurm.conf cannot be read"),
        (
            {"slurm": "A=1\nInclude gone.conf\n"},
            r"/etc/slurm/slurm.conf:2 includes gone.conf, and /etc/slurm/gone.conf cannot be read",
        ),
        ({"slurm": "Include slurm.conf\n"}, "nested more than 10 deep"),
    ],
)
def test_tree_refuses_what_slurm_cannot_read(files: dict[str, str], said: str) -> None:
    with pytest.raises(_conf.ConfError, match=said):
        _conf.tree("/etc/slurm/slurm.conf", reader(**files))


def test_conflicts_know_no_case_and_no_line_types() -> None:
    present = _conf.entries("prolog=/mine\nEpilog=/e\nNodeName=n1 CPUs=1\nSlurmUser=s\n")
    found = _conf.conflicts(present, ["Prolog", "NODENAME", "TaskProlog"])
    assert [(entry.key, entry.line) for entry in found] == [("prolog", 1)]


def test_scalar_keys() -> None:
    assert _conf.scalar_keys("B=1\nNodeName=x CPUs=1\nA=1 B=2\n# C=1\n") == ["B", "A", "B"]


# --- our own file


def test_fragment_is_empty_when_there_is_nothing_to_say() -> None:
    assert _conf.fragment({}, "") == ""
    assert _conf.fragment({}, "  \n\n") == ""


@pytest.mark.parametrize("extra", ["A=1", "A=1\n"])
def test_fragment(extra: str) -> None:
    text = _conf.fragment({"Prolog": "/p", "Epilog": "/e"}, extra)
    assert text == _conf.HEADER + "Prolog=/p\nEpilog=/e\nA=1\n"
    assert _conf.HEADER.startswith("#"), (
        "a file without a comment may be empty, and Slurm complains of that in every command"
    )


# --- our line in slurm.conf

SHAPES = [
    "",
    "\n",
    "A=1",
    "A=1\n",
    "A=1\n\n\n",
    "A=1\r\nB=2\r\n",
    "A=1\r\nB=2",
    "# only a comment",
    "A=1 # and so on \\\n",
    "A=a,\\\n  b\n",
    "Include other.conf\n",
    "Prolog=/mine\n",
    "Prolog=/mine",
    "prolog = /mine\nEPILOG=/e\nA=1",
    "Prolog=/mine,\\\n/more\nA=1\n",
    "A=1\nPartitionName=p Nodes=ALL\nProlog=\"/with blank\" # why\n",
    "# \x0c a form feed\nProlog=/mine\n",
    "# \u2028 and \x85\nA=1\nProlog=/mine\r\n",
    "# bytes that are no UTF-8: \udcff\nA=1\n",
]  # fmt: skip


@pytest.mark.parametrize("adopt", [(), ("prolog",), ("Prolog", "EPILOG")])
@pytest.mark.parametrize("text", SHAPES)
def test_our_line_comes_and_goes_without_a_trace(text: str, adopt: tuple[str, ...]) -> None:
    ours = _conf.with_include(text, adopt)
    assert [name for name, _line in _conf.includes(ours)].count(_conf.FRAGMENT) == 1
    assert _conf.includes(ours)[-1][0] == _conf.FRAGMENT, "the last one wins"
    assert _conf.with_include(ours, adopt) == ours, "idempotent"
    assert _conf.without_include(ours) == text
    assert _conf.without_include(text) == text
    left = [key.key.lower() for key in _conf.entries(text)]
    adopted = [key for key in left if key in {name.lower() for name in adopt}]
    assert [key.lower() for key in _conf.adopted(ours)] == adopted
    assert [key.key.lower() for key in _conf.entries(ours)] == [key for key in left if key not in adopted]


def test_random_texts_survive() -> None:
    chance = random.Random(20261122)  # noqa: S311
    pieces = [
        "A=1",
        "Prolog=/p",
        " Epilog=/e",
        '"',
        "#",
        "\\",
        " ",
        "\t",
        "\r",
        "\n",
        "\n",
        "\x0b",
        "\u2028",
        "NodeName=n Weight=1",
        "Include x.conf",
        "Include nodecycle.conf",
        "=",
    ]
    refused = 0
    for _round in range(3000):
        text = "".join(chance.choice(pieces) for _piece in range(chance.randrange(12)))
        adopt = chance.choice([(), ("Prolog",), ("Epilog", "A")])
        try:
            ours = _conf.with_include(text, adopt)
        except _conf.ConfError:
            refused += 1
            continue
        assert _conf.has_include(ours), repr(text)
        assert _conf.with_include(ours, adopt) == ours, repr(text)
        without = _conf.without_include(ours)
        assert not _conf.has_include(without), repr(text)
        if not _conf.has_include(text):
            assert without == text, repr(text)
    assert refused < 1500


@pytest.mark.parametrize(
    "line",
    [
        "include  nodecycle.conf",
        "Include nodecycle.conf # ours",
        "INCLUDE\tnodecycle.conf\r",
        "Include \\\nnodecycle.conf",
        "Include /home/sw/nodecycle.conf",
    ],
)
def test_our_line_is_known_in_every_form_that_slurm_reads(line: str) -> None:
    text = f"A=1\n{line}\nB=2\n"
    assert _conf.with_include(text) == text
    assert _conf.without_include(text) == "A=1\nB=2\n"


@pytest.mark.parametrize(
    "line",
    [
        " Include nodecycle.conf",
        "# Include nodecycle.conf",
        "Include nodecycle.conf.old",
        "Include site.d/nodecycle.conf",
        "A=1 \\\nInclude nodecycle.conf",
    ],
)
def test_what_only_looks_like_our_line_stays(line: str) -> None:
    text = f"{line}\n"
    assert _conf.without_include(_conf.with_include(text)) == text
    assert _conf.without_include(text) == text


@pytest.mark.parametrize("text", ["A=1 \\", "A=1 \\\n", "A=1,\\ # more\n", "\\\n"])
def test_a_last_line_that_would_swallow_ours_is_refused(text: str) -> None:
    with pytest.raises(_conf.ConfError, match="backslash"):
        _conf.with_include(text)


def test_adoption_makes_comments_of_the_keys_own_lines_alone() -> None:
    text = "A=1\nProlog=/a\nPartitionName=p Nodes=ALL Prolog=/odd\n#Prolog=/old\nProlog=/b,\\\n/c\nB=2\n"
    ours = _conf.with_include(text, ["prolog"])
    assert ours == (
        "A=1\n#nodecycle.slurm adopted# Prolog=/a\nPartitionName=p Nodes=ALL Prolog=/odd\n#Prolog=/old\n"
        "#nodecycle.slurm adopted# Prolog=/b,\\\n#nodecycle.slurm adopted# /c\nB=2\nInclude nodecycle.conf\n"
    )
    assert _conf.adopted(ours) == ["Prolog", "Prolog"]


def test_a_line_with_other_keys_is_not_adopted() -> None:
    with pytest.raises(_conf.ConfError, match="line 2 sets a, b as well as prolog"):
        _conf.with_include("C=3\nA=1 Prolog=/p B=2\n", ["Prolog"])


# --- what changes, and in which order

PATH = "/etc/slurm/slurm.conf"
OURS = "/etc/slurm/nodecycle.conf"


def applied(text: str, adopt: tuple[str, ...], files: dict[str, str]) -> list[str]:
    """Make the changes in files; the paths in their order."""
    changes = _conf.changes(PATH, text, adopt, files.get)
    for change in changes:
        assert files.get(change.path) == change.before
        if change.after is None:
            del files[change.path]
        else:
            files[change.path] = change.after
        for name, _line in _conf.includes(files[PATH]):
            assert f"/etc/slurm/{name}" in files, "no step leaves an Include that points at nothing"
    return [change.path for change in changes]


def test_changes_come_and_go_in_the_safe_order() -> None:
    before = {PATH: "Prolog=/mine\nA=1\n"}
    files = dict(before)
    assert applied("Prolog=/p\n", ("Prolog",), files) == [OURS, PATH]
    assert applied("Prolog=/p\n", ("Prolog",), files) == []
    assert applied("Prolog=/q\n", ("Prolog",), files) == [OURS]
    assert applied("", ("Prolog",), files) == [PATH, OURS]
    assert files == before
    assert applied("", (), files) == []


@pytest.mark.parametrize("broken", [{PATH: "A=1\nInclude nodecycle.conf\n"}, {PATH: "A=1\n", OURS: "B=2\n"}])
def test_changes_complete_what_a_killed_run_left(broken: dict[str, str]) -> None:
    files = dict(broken)
    for change in _conf.changes(PATH, "B=2\n", (), files.get):
        files[change.path] = change.after or ""
    assert files == {PATH: "A=1\nInclude nodecycle.conf\n", OURS: "B=2\n"}


@pytest.fixture
def shared(tmp_path: pathlib.Path) -> tuple[str, pathlib.Path]:
    """A slurm.conf that is a link to a file in another directory: the link, and that directory."""
    etc, software = tmp_path / "etc", tmp_path / "sw"
    for directory in (etc, software):
        directory.mkdir()
    (etc / "slurm.conf").symlink_to(software / "slurm.conf")
    return str(etc / "slurm.conf"), software


def read_file(path: str) -> str | None:
    """As the modules read."""
    return pathlib.Path(path).read_text() if os.path.exists(path) else None


@pytest.mark.parametrize("end", ["\n", ""])
def test_who_reads_a_shared_file_by_a_link_of_its_own_finds_our_lines(
    shared: tuple[str, pathlib.Path], end: str
) -> None:
    path, software = shared
    before = f"A=1{end}"
    (software / "slurm.conf").write_text(before)
    first, second = _conf.changes(path, "B=2\n", (), read_file)
    assert (first.path, second.path) == (str(software / "nodecycle.conf"), path)
    assert [name for name, _line in _conf.includes(second.after or "")] == [first.path]
    (software / "nodecycle.conf").write_text(first.after or "")
    (software / "slurm.conf").write_text(second.after or "")
    assert [entry.key for entry in _conf.tree(path, read_file)] == ["A", "B"]
    assert [entry.key for entry in _conf.tree(path, read_file, with_ours=False)] == ["A"]
    assert _conf.lines_of(path, read_file) == {"text": "B=2\n", "adopt": []}
    assert _conf.changes(path, "B=2\n", (), read_file) == []
    assert [(change.path, change.after) for change in _conf.changes(path, "", (), read_file)] == [
        (path, before),
        (first.path, None),
    ]


def test_our_file_follows_a_slurm_conf_that_has_become_a_link(shared: tuple[str, pathlib.Path]) -> None:
    path, software = shared
    beside = path.replace("slurm.conf", "nodecycle.conf")
    (software / "slurm.conf").write_text(f"A=1\n{_conf.INCLUDE_LINE}\n")
    pathlib.Path(beside).write_text("B=2\n")
    changes = _conf.changes(path, "B=2\n", (), read_file)
    assert [(change.path, change.after) for change in changes] == [
        (str(software / "nodecycle.conf"), "B=2\n"),
        (path, f"A=1\nInclude {software}/nodecycle.conf\n"),
        (beside, None),
    ]
    assert [(change.path, change.after) for change in _conf.changes(path, "", (), read_file)] == [
        (path, "A=1\n"),
        (beside, None),
    ]


def test_a_controller_that_sends_its_file_to_others_includes_a_bare_name(shared: tuple[str, pathlib.Path]) -> None:
    path, software = shared
    (software / "slurm.conf").write_text("SlurmctldParameters=idle_on_node_suspend,enable_configless\n")
    fragment, main = _conf.changes(path, "B=2\n", (), read_file)
    assert fragment.path == path.replace("slurm.conf", "nodecycle.conf")
    assert (main.after or "").endswith(f"\n{_conf.INCLUDE_LINE}\n")


def test_a_directory_that_is_a_link_has_our_file_in_it(tmp_path: pathlib.Path) -> None:
    (tmp_path / "sw").mkdir()
    (tmp_path / "sw/slurm.conf").write_text("A=1\n")
    (tmp_path / "etc").symlink_to(tmp_path / "sw")
    path = str(tmp_path / "etc/slurm.conf")
    assert _conf.fragment_path(path, read_file) == str(tmp_path / "etc/nodecycle.conf")


def test_copies_of_both_files_lie_together() -> None:
    files = {PATH: "A=1\nInclude \\\n/sw/nodecycle.conf\nC=3\n", "/sw/nodecycle.conf": "B=2\n"}
    copies = _conf.together(PATH, files.get)
    assert copies(PATH) == "A=1\nInclude nodecycle.conf\n\nC=3\n"
    assert copies(OURS) == "B=2\n"
    assert [entry.file for entry in _conf.tree(PATH, copies)] == [PATH, OURS, PATH]


def test_changes_need_a_slurm_conf() -> None:
    with pytest.raises(_conf.ConfError, match="cannot be read"):
        _conf.changes(PATH, "A=1\n", (), {}.get)


def test_a_line_that_is_no_longer_adopted_comes_back() -> None:
    text = "A=1\nProlog=/p\nEpilog=/e,\\\nx\nB=2\n"
    both = _conf.with_include(text, ["prolog", "Epilog"])
    one = _conf.with_include(both, ["Prolog"])
    assert _conf.adopted(both) == ["Prolog", "Epilog"]
    assert one == text.replace("Prolog", f"{_conf.ADOPTED}Prolog") + f"{_conf.INCLUDE_LINE}\n"
    assert _conf.without_include(one) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Prolog=/etc/nodecycle/current/worker_prolog\n", True),
        ('prologslurmctld = "/etc/nodecycle/current/controller_prolog" # ours\n', False),
        ('epilog = "/etc/nodecycle/current/worker_epilog" # ours\n', True),
        ("PrologEpilogTimeout=79\n", False),
        ("# Prolog=/etc/nodecycle/current/worker_prolog\n", False),
        ("Prolog=/etc/nodecycle-site/prolog\n", False),
        ("", False),
    ],
)
def test_whether_lines_name_our_files(text: str, expected: bool) -> None:
    assert _conf.names(text, "/etc/nodecycle", {"prolog", "epilog"}) is expected
