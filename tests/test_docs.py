"""What the documentation shows is run.

``console`` blocks as shell sessions, ``python`` blocks as programs, links and anchors as what they
promise.

A ``console`` block reads like a terminal: lines that begin with ``$ `` are commands (with ``> ``
continuing one), the lines after them are what it prints. Output that is shown has to fit, ``...``
standing for anything; output that is not shown is not compared. A command that is to fail says how:
``# exits 3``. All blocks of one document share a folder and a store, in their order, as a reader
would type them."""

from __future__ import annotations

import difflib
import fnmatch
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scripts import gen_cli_docs

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        ROOT / "tests" / "golden" / "README.md",
    ]
)
FENCE = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
EXITS = re.compile(r"#\s*exits (\d+)\s*$")
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


@dataclass
class Command:
    text: str
    output: list[str] = field(default_factory=list)

    @property
    def exits(self) -> int:
        said = EXITS.search(self.text)
        return int(said[1]) if said else 0


def blocks(document: str, *languages: str) -> list[tuple[str, str]]:
    found = [
        (match["language"], match["body"])
        for match in FENCE.finditer((ROOT / document).read_text(encoding="utf-8"))
    ]
    return [(language, body) for language, body in found if language in languages]


def session(body: str) -> list[Command]:
    commands: list[Command] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            commands.append(Command(line[2:]))
        elif line.startswith("> ") and commands and not commands[-1].output:
            commands[-1].text += "\n" + line[2:]
        else:
            commands[-1].output.append(line)
    return commands


def fits(shown: list[str], printed: list[str]) -> bool:
    """Whether ``printed`` is what is ``shown``: a line ``...`` stands for any lines, ``...`` inside a line for any text. Runs of spaces count as one."""
    if not shown:
        return not printed
    if shown[0].strip() == "...":
        return any(fits(shown[1:], printed[start:]) for start in range(len(printed) + 1))
    return bool(printed) and _line_fits(shown[0], printed[0]) and fits(shown[1:], printed[1:])


def _line_fits(shown: str, printed: str) -> bool:
    pattern = "*".join(
        re.sub(r"([*?[])", r"[\1]", part) for part in " ".join(shown.split()).split("...")
    )
    return fnmatch.fnmatchcase(" ".join(printed.split()), pattern)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder in which the paths of the documents are right, and nothing can be spoilt."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "golden").symlink_to(ROOT / "tests" / "golden", target_is_directory=True)
    return tmp_path


@pytest.fixture
def environment(place: Path) -> dict[str, str]:
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "STORECTL_ROOT": str(place / "store"),
        "COLUMNS": "160",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }


@pytest.mark.parametrize(
    "document", [name for name in DOCUMENTS if blocks(name, "console", "python")]
)
def test_what_a_document_shows_is_what_happens(
    document: str, place: Path, environment: dict[str, str]
) -> None:
    for language, body in blocks(document, "console", "python"):
        if language == "python":
            _run([sys.executable, "-W", "error", "-c", body], body, 0, place, environment)
            continue
        for command in session(body):
            printed = _run(
                ["bash", "-o", "pipefail", "-c", command.text],
                command.text,
                command.exits,
                place,
                environment,
            )
            if command.output:
                assert fits(command.output, printed), "\n".join(
                    [f"$ {command.text}", *difflib.ndiff(command.output, printed)]
                )


def _run(
    program: list[str], what: str, exits: int, place: Path, environment: dict[str, str]
) -> list[str]:
    done = subprocess.run(
        program,
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == exits, (
        f"{what}\nexited with {done.returncode}, not {exits}:\n{done.stdout}{done.stderr}"
    )
    # A terminal shows both; the error stream of a command that is to fail is what it shows.
    return (done.stdout or done.stderr).splitlines()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    text = CODE.sub("", FENCE.sub("", (ROOT / document).read_text(encoding="utf-8")))
    dead = []
    for target, anchor in LINK.findall(text):
        path = (ROOT / document).parent / target if target else ROOT / document
        if not path.exists() or (anchor and anchor not in _anchors(path)):
            dead.append(f"{target}#{anchor}" if anchor else target)
    assert not dead


def _anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, named as the usual forges name them."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    return {
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        for heading in HEADING.findall(text)
    }


def test_the_command_reference_is_what_the_commands_say() -> None:
    wanted = gen_cli_docs.document()
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == wanted, "run `make docs`"


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_the_two_commands_stand_alone_on_a_line_of_the_first_screen(command: str) -> None:
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
