"""Draw docs/images/{import,save,push}.svg, the sequence diagrams of docs/architecture.md.

``make docs`` runs this program, and a test fails if a file is out of date. The drawings are plain
SVG with system fonts, so code hosts and the site show them without other assets.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final, final

FOLDER: Final = Path(__file__).parents[1] / "docs" / "images"
_HEAD_HEIGHT: Final = 46
_ROW_HEIGHT: Final = 40
_MARGIN: Final = 12
_LETTER: Final = 6.2
"""The assumed width of a label's letter, in pixels; letters of common fonts are narrower."""

Message = tuple[int, int, str]
"""An arrow: the positions of sender and receiver in the list of participants, and the label.

If the positions are equal, the message is a step of one participant.
"""


@final
@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence diagram.

    Attributes:
        title: A description for readers who cannot see the diagram.
        participants: The name and the second line of each column's heading.
        messages: The arrows, from top to bottom.
        column_width: The distance between two columns, in pixels.
    """

    title: str
    participants: tuple[tuple[str, str], ...]
    messages: tuple[Message, ...]
    column_width: int = 210


IMPORT: Final = Sequence(
    "The steps of an import",
    (
        ("archive", "file, pipe or folder"),
        ("store.importing", "reads, hashes, encodes"),
        ("store.formats", "pure: parses bytes"),
        ("staging/, blobs/", "files"),
        ("store.catalog", "SQLite"),
    ),
    (
        (1, 4, "begin an operation: row, folder, lock"),
        (0, 1, "members, in one pass"),
        (1, 2, "JSON documents"),
        (2, 1, "images and layers claimed"),
        (1, 4, "lease the blobs that the store already has"),
        (1, 3, "new layers: hash, compress, write, fsync"),
        (1, 4, "BEGIN IMMEDIATE; check every blob again"),
        (1, 3, "rename into blobs/, fsync the folders"),
        (1, 4, "insert rows, move tags; COMMIT"),
        (1, 0, "Loaded image: …"),
    ),
)

SAVE: Final = Sequence(
    "The steps of a save",
    (
        ("caller", "names, options, sink"),
        ("exporter.selection", "names to blobs"),
        ("exporter.planning", "pure: list of entries"),
        ("exporter.output", "tar, folder"),
        ("store.content", "reads stored bytes"),
        ("store.catalog", "SQLite"),
    ),
    (
        (0, 1, "names"),
        (1, 5, "find manifests, images and layers; lease their bytes"),
        (1, 2, "selected images"),
        (2, 3, "paths, sizes, sources"),
        (3, 0, "exact length of the archive"),
        (3, 4, "read each blob"),
        (4, 3, "bytes with checked digest"),
        (3, 0, "archive"),
        (3, 5, "end the operation, record the event"),
    ),
    190,
)

PUSH: Final = Sequence(
    "The steps of a push to the mirror",
    (
        ("client", "docker, podman, …"),
        ("mirror.api", "HTTP"),
        ("store.registry", "uploads, pushes"),
        ("uploads/, blobs/", "files"),
        ("store.catalog", "SQLite"),
    ),
    (
        (0, 1, "POST /v2/NAME/blobs/uploads/"),
        (1, 2, "begin an upload"),
        (2, 4, "row with offset 0"),
        (0, 1, "PATCH: bytes of a layer"),
        (2, 3, "hash and write while they arrive"),
        (0, 1, "PUT ?digest=sha256:…"),
        (2, 2, "compare the digests"),
        (2, 3, "fsync, rename into blobs/"),
        (2, 4, "the repository holds the blob; COMMIT"),
        (0, 1, "PUT /v2/NAME/manifests/TAG"),
        (1, 2, "document, tags"),
        (2, 4, "check that all blobs are held; insert, tag; COMMIT"),
        (1, 0, "201 Created"),
        (2, 4, "later: decode the layers, compare with the config"),
    ),
)


def main() -> int:
    """Write every drawing to its file in docs/images."""
    for name, text in drawings().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


def drawings() -> dict[str, str]:
    """Return the text of every drawing, by the name of its file."""
    return {"import.svg": draw(IMPORT), "save.svg": draw(SAVE), "push.svg": draw(PUSH)}


def draw(sequence: Sequence) -> str:
    """Return the SVG of a sequence diagram."""
    columns = len(sequence.participants)
    width = columns * sequence.column_width + 2 * _MARGIN
    height = _HEAD_HEIGHT + (len(sequence.messages) + 1) * _ROW_HEIGHT + 2 * _MARGIN
    centers = [round(_MARGIN + (at + 0.5) * sequence.column_width) for at in range(columns)]
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
            ' font-family="Helvetica, Arial, sans-serif" font-size="12">'
        ),
        f"<title>{escape(sequence.title)}</title>",
        (
            '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8"'
            ' markerHeight="8" orient="auto"><path d="M0 0L10 5L0 10z" fill="#1b6ca8"/>'
            "</marker></defs>"
        ),
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for center, (name, second) in zip(centers, sequence.participants, strict=True):
        lines += _participant(center, name, second, sequence.column_width, height)
    for row, message in enumerate(sequence.messages):
        y = _MARGIN + _HEAD_HEIGHT + (row + 1) * _ROW_HEIGHT
        lines += _message(row + 1, message, y, centers)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _participant(center: int, name: str, second: str, width: int, height: int) -> list[str]:
    box = width - 24
    top = _MARGIN
    return [
        (
            f'<path d="M{center} {top + _HEAD_HEIGHT}V{height - _MARGIN}" stroke="#b0bec5"'
            ' stroke-dasharray="4 4"/>'
        ),
        (
            f'<rect x="{center - box // 2}" y="{top}" width="{box}" height="{_HEAD_HEIGHT}" rx="4"'
            ' fill="#e8f1f8" stroke="#1b6ca8"/>'
        ),
        (
            f'<text x="{center}" y="{top + 19}" text-anchor="middle" font-weight="bold"'
            f' fill="#12354f">{escape(name)}</text>'
        ),
        (
            f'<text x="{center}" y="{top + 36}" text-anchor="middle" font-size="11"'
            f' fill="#455a64">{escape(second)}</text>'
        ),
    ]


def _message(number: int, message: Message, y: int, centers: list[int]) -> list[str]:
    start, end, label = message
    text = f"{number}. {label}"
    left, right = sorted((centers[start], centers[end]))
    if start == end:
        x, anchor = left + 8, "start"
        arrow = f'<circle cx="{left}" cy="{y}" r="4" fill="#1b6ca8"/>'
        baseline = y + 4
    else:
        x, anchor = (left + right) // 2, "middle"
        arrow = (
            f'<path d="M{centers[start]} {y}H{centers[end]}" stroke="#1b6ca8"'
            ' marker-end="url(#head)"/>'
        )
        baseline = y - 7
    width = round(len(text) * _LETTER)
    behind = x - 3 if anchor == "start" else x - width // 2
    return [
        f'<rect x="{behind}" y="{baseline - 11}" width="{width}" height="15" fill="#ffffff"/>',
        f'<text x="{x}" y="{baseline}" text-anchor="{anchor}" fill="#263238">{escape(text)}</text>',
        arrow,
    ]


if __name__ == "__main__":
    raise SystemExit(main())
