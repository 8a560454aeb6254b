"""The commands that the documents show are run, and their links are followed.

``console`` blocks are shell sessions, ``python`` blocks are programs (`tests.support.documents`).
All blocks of one document share a folder and a store. They run in the document's order, as a reader
would type them. Blocks that need a program other than storectl run in
`tests/interop/test_tutorials.py`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import gen_cli_docs
from tests.support.documents import FENCE, Reader, blocks, fits

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        ROOT / "bench" / "README.md",
        ROOT / "tests" / "golden" / "README.md",
    ]
)
LONG_WORD = re.compile(r"`[^`]{60,}`|\S{60,}")
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
TO_THE_PROJECT = re.compile(
    r"https://(?:github\.com/storectl/storectl/(?:blob|tree)|raw\.githubusercontent\.com/storectl/storectl)"
    r"/main/([^)#\s]*)(?:#([^)\s]+))?"
)
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


@pytest.mark.parametrize(
    "document", [name for name in DOCUMENTS if blocks(name, "console", "python")]
)
def test_the_commands_of_a_document_do_what_it_shows(document: str, tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        for block in blocks(document, "console", "python"):
            if not block.needs:
                reader.run(block)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    text = CODE.sub("", FENCE.sub("", (ROOT / document).read_text(encoding="utf-8")))
    dead = []
    links = [(ROOT / document, target, anchor) for target, anchor in LINK.findall(text)]
    links += [(ROOT / "README.md", *found) for found in TO_THE_PROJECT.findall(text)]
    for source, target, anchor in links:
        path = source.parent / target if target else source
        if not path.exists() or (anchor and anchor not in _anchors(path)):
            dead.append(f"{target}#{anchor}" if anchor else target)
    assert not dead


def _anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as the usual forges make them."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    return {
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        for heading in HEADING.findall(text)
    }


def test_the_command_reference_is_up_to_date() -> None:
    wanted = gen_cli_docs.document()
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == wanted, "run `make docs`"


def test_links_of_the_readme_work_on_a_package_index() -> None:
    text = CODE.sub("", FENCE.sub("", (ROOT / "README.md").read_text(encoding="utf-8")))
    relative = [target for target, _ in LINK.findall(text) if target]
    assert not relative


@pytest.mark.parametrize("document", DOCUMENTS)
def test_lines_are_at_most_100_columns_wide(document: str) -> None:
    """Tables, code blocks, long quotations and long words may be wider."""
    text = FENCE.sub("", (ROOT / document).read_text(encoding="utf-8"))
    wide = [
        line
        for line in text.splitlines()
        if len(LONG_WORD.sub("", line)) > 100 and not line.startswith("|")
    ]
    assert not wide


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_the_readme_has_the_command_alone_on_a_line_of_its_first_screen(command: str) -> None:
    assert command in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:40]


@pytest.mark.parametrize(
    ("shown", "printed", "verdict"),
    [
        (["a", "b"], ["a", "b"], True),
        (["a"], ["a", "b"], False),
        (["a", "b"], ["a"], False),
        (["a", "..."], ["a", "b", "c"], True),
        (["...", "c"], ["a", "b", "c"], True),
        (["x ... y"], ["x  one two  y"], True),
        (["x ... y"], ["x one z"], False),
        (["a*[b]"], ["a*[b]"], True),
        (["a*"], ["abc"], False),
    ],
)
def test_shown_output_fits_only_what_was_printed(
    shown: list[str],
    printed: list[str],
    verdict: bool,
) -> None:
    assert fits(shown, printed) is verdict
