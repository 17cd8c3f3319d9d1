# Copyright (c) 2026, nodecycle.slurm maintainers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation site that `make site` has just built: nothing is missing, and each link inside it leads somewhere."""

from __future__ import annotations

import html.parser
import pathlib
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SITE = ROOT / "build/site/html"


class Page(html.parser.HTMLParser):
    """What a page links to, and the places that a link can lead to."""

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors = {"", "top"}
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and tag != "link" and value:
                self.links.add(value)
            elif name in ("id", "name") and value:
                self.anchors.add(value)


@pytest.fixture(scope="module")
def pages() -> dict[pathlib.Path, Page]:
    return {path: Page(path) for path in SITE.rglob("*.html")}


def test_each_link_leads_somewhere(pages: dict[pathlib.Path, Page]) -> None:
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else path
            anchor = urllib.parse.unquote(parts.fragment)
            if not target.is_file() or (target in pages and anchor not in pages[target].anchors):
                broken.append(f"{path.relative_to(SITE)}: {link}")
    assert not broken, "\n".join(broken)


def test_our_own_pages_are_in_it(pages: dict[pathlib.Path, Page]) -> None:
    """A link to the repository is for what the site does not have."""
    outside = [
        f"{path.relative_to(SITE)}: {link}"
        for path, page in pages.items()
        for link in page.links
        if link.startswith("https://github.com/nodecycle/slurm/") and link.endswith((".md", "/docs"))
    ]
    assert not outside, "\n".join(outside)


def test_no_page_shows_a_fault_of_the_theme() -> None:
    faulty = [path.name for path in SITE.rglob("*.html") if "ERROR: Adding a table of contents" in path.read_text()]
    assert not faulty


def expected() -> list[str]:
    sources = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("roles/*/README.md")]
    pages = [path.relative_to(ROOT).with_suffix(".html") for path in sources]
    modules = [f"reference/{path.stem}_module.html" for path in ROOT.glob("plugins/modules/*.py")]
    roles = [f"reference/{path.parents[1].name}_role.html" for path in ROOT.glob("roles/*/meta/argument_specs.yml")]
    return sorted([*map(str, pages), *modules, *roles, "CHANGELOG.html", "playbooks.html", "index.html"])


@pytest.mark.parametrize("page", expected())
def test_has_a_page(page: str) -> None:
    assert (SITE / page).is_file()


@pytest.mark.parametrize("playbook", sorted(path.stem for path in ROOT.glob("playbooks/*.yml")))
def test_has_each_playbook(playbook: str) -> None:
    assert f'id="{playbook}"' in (SITE / "playbooks.html").read_text()
