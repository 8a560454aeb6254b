"""Build the web site from the documents, and check every link (`make site`).

The pages come from docs/ and from the documents in `BESIDE_DOCS`; README.md is the front page. A
link to a file of the repository becomes a link to the file's page. If the site has no page for the
file, the link leads to the file on the code host.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[1]
PROJECT = "https://github.com/storectl/storectl"
BESIDE_DOCS = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security-policy.md",
    "bench/README.md": "benchmarks/method.md",
}
"""The page of each document outside docs/."""

LINK = re.compile(
    r"(?P<before>!?\[[^\]]*\]\(|^\[[^\]]+\]: )(?P<target>[^)\s]+)(?P<after>\)|$)", re.MULTILINE
)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
FOREIGN_URL = re.compile(r"url\(\s*[\"']?(https?://[^)\"']+)")
PARAGRAPH_THEN_BLOCK = re.compile(
    r"^(?![-*] |\d+\. |[ |#>\n])(.+)\n(?=[-*] |1\. |\|)", re.MULTILINE
)
IN_REPOSITORY = re.compile(
    rf"{re.escape(PROJECT)}/(?:blob|tree|raw)/[^/]+/|"
    r"https://raw\.githubusercontent\.com/storectl/storectl/[^/]+/"
)


def main(site: Path) -> int:
    """Build the site into a folder; return the exit code."""
    pages = ROOT / "build" / "site-pages"
    shutil.rmtree(pages, ignore_errors=True)
    write_pages(ROOT, pages)
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", site],
        cwd=ROOT,
        env=os.environ | {"SOURCE_DATE_EPOCH": "0", "NO_MKDOCS_2_WARNING": "1"},
        check=False,
    )
    if built.returncode:
        return built.returncode
    problems = check(site)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(list(site.rglob('*.html')))} pages in {site}", file=sys.stderr)
    return 1 if problems else 0


# --- from documents to pages ----------------------------------------------------------------------


def write_pages(root: Path, folder: Path) -> None:
    """Write all pages of the site, and the images that the pages show, into a folder."""
    sources = page_of_every_document(root)
    for document, name in sources.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == ".md":
            text = (root / document).read_text(encoding="utf-8")
            page = with_separate_blocks(with_site_links(text, document, sources))
            target.write_text(page, encoding="utf-8")
        else:
            shutil.copyfile(root / document, target)


def page_of_every_document(root: Path) -> dict[str, str]:
    """Return the path on the site of every document and image, by the path in the repository."""
    docs = root / "docs"
    found = {
        f"docs/{path.relative_to(docs).as_posix()}": path.relative_to(docs).as_posix()
        for path in sorted(docs.rglob("*"))
        if path.is_file()
    }
    return found | BESIDE_DOCS


def with_site_links(text: str, document: str, pages: dict[str, str]) -> str:
    """Return a document's text with its links rewritten for the site.

    Args:
        text: The document in Markdown.
        document: The path of the document in the repository.
        pages: The result of `page_of_every_document`.
    """
    page = PurePosixPath(pages[document])

    def rewrite(match: re.Match[str]) -> str:
        return match["before"] + site_link(match["target"], document, page, pages) + match["after"]

    kept = []
    end = 0
    for fence in FENCE.finditer(text):
        kept += [LINK.sub(rewrite, text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*kept, LINK.sub(rewrite, text[end:])])


def with_separate_blocks(text: str) -> str:
    """Return the text with an empty line before each list and table.

    Code hosts do not need the empty line. The site generator needs the line: otherwise it treats
    the list or table as a part of the paragraph before.
    """
    return PARAGRAPH_THEN_BLOCK.sub(r"\1\n\n", text)


def site_link(target: str, document: str, page: PurePosixPath, pages: dict[str, str]) -> str:
    """Return the target on the site for a link target in a document.

    Args:
        target: The target as written in the document.
        document: The path of the document in the repository.
        page: The path of the document's page on the site.
        pages: The result of `page_of_every_document`.
    """
    in_repository = IN_REPOSITORY.match(target)
    if in_repository:
        path, _, anchor = target[in_repository.end() :].partition("#")
    elif target.startswith("#") or urlsplit(target).scheme:
        return target
    else:
        relative, _, anchor = target.partition("#")
        path = os.path.normpath(PurePosixPath(document).parent / relative)
    fragment = f"#{anchor}" if anchor else ""
    known = path if path in pages else f"{path.rstrip('/')}/README.md"
    if known in pages:
        return os.path.relpath(pages[known], page.parent) + fragment
    return f"{PROJECT}/blob/main/{path}{fragment}"


# --- the built site -------------------------------------------------------------------------------


class _Page(HTMLParser):
    """The links, assets and anchors of one page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.assets: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value is not None}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and "canonical" not in values.get("rel", ""):
            self.assets.append(values.get("href", ""))
        elif "src" in values:
            self.assets.append(values["src"])


def check(site: Path) -> list[str]:
    """Return a message for every dead link and for every asset on another host."""
    pages = {}
    for path in sorted(site.rglob("*.html")):
        pages[path] = page = _Page()
        page.feed(path.read_text(encoding="utf-8"))
    found = [
        (path, problem)
        for path, page in pages.items()
        for problem in [*_foreign_assets(page), *_dead_links(site, path, pages)]
    ]
    found += [
        (path, f"asset from another host: {url}")
        for path in sorted(site.rglob("*.css"))
        for url in FOREIGN_URL.findall(path.read_text(encoding="utf-8"))
    ]
    return [f"{path.relative_to(site)}: {problem}" for path, problem in found]


def _foreign_assets(page: _Page) -> list[str]:
    return [f"asset from another host: {asset}" for asset in page.assets if urlsplit(asset).netloc]


def _dead_links(site: Path, path: Path, pages: dict[Path, _Page]) -> list[str]:
    found = []
    for link in [*pages[path].links, *pages[path].assets]:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        base = site if parts.path.startswith("/") else path.parent
        target = (base / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
        target = target / "index.html" if target.is_dir() else target
        anchors = pages[target].anchors if target in pages else {unquote(parts.fragment)}
        if not target.exists():
            found.append(f"dead link: {link}")
        elif parts.fragment and unquote(parts.fragment) not in anchors:
            found.append(f"missing anchor: {link}")
    return found


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]).resolve()))
