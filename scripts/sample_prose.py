"""Print a random sample of docstrings, messages and sentences of the documents, for a reader.

    python scripts/sample_prose.py [SEED] [COUNT]

The same seed draws the same passages from the same tree.
"""

from __future__ import annotations

import ast
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
CODE = (
    "store",
    "exporter",
    "remote",
    "mirror",
    "storectl",
    "migrations",
    "bench",
    "tests",
    "scripts",
)
SHIPPED = ("store", "exporter", "remote", "mirror", "storectl")
GENERATED = ("docs/cli.md", "docs/clients.md", "docs/interop.md")
MIN_WORDS = 4


def main() -> None:
    """Print the drawn passages, each with its file and line."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 40  # noqa: PLR2004 - the second argument
    for title, passages in (
        ("docstrings", sorted(docstrings())),
        ("messages", sorted(messages())),
        ("sentences of the documents", sorted(sentences())),
    ):
        print(f"\n# {count} of {len(passages)} {title}\n")
        dice = random.Random(f"{seed} {title}")  # noqa: S311 - nothing secret is drawn
        drawn = dice.sample(passages, min(count, len(passages)))
        for number, (place, text) in enumerate(drawn, 1):
            print(f"{number}. [{place}]\n   {text}\n")


def docstrings() -> Iterator[tuple[str, str]]:
    """Yield every docstring of the code, preceded by its place and the name that it documents."""
    for path in tracked(*(f"{folder}/*.py" for folder in CODE)):
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text:
                    name = getattr(node, "name", "")
                    yield f"{path}:{getattr(node, 'lineno', 1)} {name}", indented(text)


def messages() -> Iterator[tuple[str, str]]:
    """Yield the texts of errors, notes, hints and log lines: arguments with several words."""
    for path in tracked(*(f"{folder}/*.py" for folder in SHIPPED)):
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                    text = literal(argument)
                    if len(re.findall(r"[A-Za-z]{2,}", text)) >= MIN_WORDS:
                        yield f"{path}:{argument.lineno}", indented(text)


def literal(node: ast.expr) -> str:
    """Return the text of a string or f-string, with values as ``{…}``; empty for other nodes."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            part.value
            if isinstance(part, ast.Constant) and isinstance(part.value, str)
            else "{"
            + (ast.unparse(part.value) if isinstance(part, ast.FormattedValue) else "")
            + "}"
            for part in node.values
        )
    return ""


def sentences() -> Iterator[tuple[str, str]]:
    """Yield the sentences of the documents, without code blocks, tables and headings."""
    for path in tracked("*.md"):
        if str(path) in GENERATED or "golden" in path.parts:
            continue
        text = (ROOT / path).read_text(encoding="utf-8")
        text = re.sub(r"^(```|~~~).*?^\1\s*$", "", text, flags=re.MULTILINE | re.DOTALL)
        for paragraph in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", text):
            lines = [line for line in paragraph.splitlines() if not re.match(r"\s*[|#!<]", line)]
            flat = " ".join(line.strip() for line in lines)
            for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z`*])", flat):
                if len(re.findall(r"[A-Za-z]{2,}", sentence)) >= MIN_WORDS:
                    yield str(path), sentence


def tracked(*patterns: str) -> list[Path]:
    """Return the files that git tracks under the patterns."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [Path(name) for name in listed.split("\0") if name]


def indented(text: str) -> str:
    """Return the text with all later lines indented like the first line in the output."""
    return text.replace("\n", "\n   ")


if __name__ == "__main__":
    main()
