"""Links between documents become links between pages of the site; dead links are reported."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from scripts import build_site

ROOT = Path(__file__).parents[1]
PAGES = build_site.page_of_every_document(ROOT)
BLOB = f"{build_site.PROJECT}/blob/main"


@pytest.mark.parametrize(
    ("document", "target", "link"),
    [
        ("README.md", f"{BLOB}/docs/cli.md#exit-codes", "cli.md#exit-codes"),
        ("README.md", "docs/images/tour.svg", "images/tour.svg"),
        ("README.md", f"{build_site.PROJECT}/tree/main/docs/adr", "adr/README.md"),
        ("README.md", f"{build_site.PROJECT}/issues", f"{build_site.PROJECT}/issues"),
        ("CHANGELOG.md", "docs/mirror.md", "mirror.md"),
        ("docs/mirror.md", "../contrib/nginx.conf", f"{BLOB}/contrib/nginx.conf"),
        ("docs/mirror.md", "cli.md", "cli.md"),
        ("docs/mirror.md", "#tls", "#tls"),
        ("docs/benchmarks/README.md", "../../bench/README.md", "method.md"),
        ("bench/README.md", "../docs/benchmarks/README.md", "README.md"),
        ("docs/adr/README.md", "../../CONTRIBUTING.md", "../contributing.md"),
        ("docs/cli.md", "https://example.com/a", "https://example.com/a"),
    ],
)
def test_a_link_leads_to_the_page_or_to_the_repository(
    document: str, target: str, link: str
) -> None:
    page = PurePosixPath(PAGES[document])
    assert build_site.site_link(target, document, page, PAGES) == link


def test_links_inside_code_blocks_stay() -> None:
    text = (
        "[a](docs/cli.md)\n```\n[b](docs/cli.md)\n```\n"
        "![c](docs/images/tour.svg)\n[d]: docs/cli.md\n"
    )
    assert build_site.with_site_links(text, "README.md", PAGES) == (
        "[a](cli.md)\n```\n[b](docs/cli.md)\n```\n![c](images/tour.svg)\n[d]: cli.md\n"
    )


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("rules:\n- a\n- b\n", "rules:\n\n- a\n- b\n"),
        ("steps:\n1. a\n2. b\n", "steps:\n\n1. a\n2. b\n"),
        ("- a\n  more\n- b\n", "- a\n  more\n- b\n"),
        ("text\n| a |\n| - |\n| b |\n", "text\n\n| a |\n| - |\n| b |\n"),
        ("- a\n- b\n", "- a\n- b\n"),
        ("text\n\n- a\n", "text\n\n- a\n"),
    ],
)
def test_a_list_or_table_gets_an_empty_line_before_it(text: str, page: str) -> None:
    assert build_site.with_separate_blocks(text) == page


def test_dead_links_missing_anchors_and_foreign_assets_are_reported(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        '<h1 id="top"><a href="#top"></a></h1><a href="b.html#here"></a>'
        '<a href="b.html#gone"></a><a href="gone.html"></a><a href="https://example.com/"></a>'
        '<script src="https://cdn.example.com/a.js"></script><img src="gone.svg">'
        '<link rel="stylesheet" href="a.css">',
        encoding="utf-8",
    )
    (tmp_path / "b.html").write_text('<p id="here">', encoding="utf-8")
    (tmp_path / "a.css").write_text(
        "a { background: url('https://cdn.example.com/a.png') }", encoding="utf-8"
    )
    assert build_site.check(tmp_path) == [
        "index.html: asset from another host: https://cdn.example.com/a.js",
        "index.html: missing anchor: b.html#gone",
        "index.html: dead link: gone.html",
        "index.html: dead link: gone.svg",
        "a.css: asset from another host: https://cdn.example.com/a.png",
    ]


def test_every_document_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    missing = [page for page in PAGES.values() if page.endswith(".md") and page not in navigation]
    assert not missing
