"""The corpus of broken and odd inputs, and the page about it: docs/formats/broken-inputs.md."""

from __future__ import annotations

import os
import re
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from store import Store
from store.errors import InvalidInput
from tests.support.archive_entries import unpacked
from tests.support.broken import docker, documents, folders, indexes, streams, tars
from tests.support.broken.case import Accepted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.broken.case import Case

GROUPS: Final = (
    ("Layouts: descriptors", documents.descriptors),
    ("Layouts: manifests and configs", documents.manifests),
    ("Layouts: missing and damaged blobs", documents.blobs),
    ("Layouts: index.json and indexes", indexes.cases),
    ("Layouts: links, directories and devices in place of blobs", folders.blobs),
    ("Folders of skopeo's `dir:`", folders.dir_folders),
    ("Docker archives: manifest.json and configs", docker.tables),
    ("Docker archives from before 1.10", docker.old),
    ("Archives with both index.json and manifest.json", docker.hybrids),
    ("Tar: headers", tars.headers),
    ("Tar: extended headers and sparse members", tars.extensions),
    ("Tar: links, paths, directories and devices", tars.links),
    ("Compressed layers", streams.layers),
    ("Compressed archives", streams.archives),
)
CASES: Final = tuple(case for _, make in GROUPS for case in make())
WAYS: Final = ("file", "pipe", "folder")

_TARGET: Final = "docs/formats/broken-inputs.md"
_HEAD: Final = """# Broken inputs and their messages

<!-- Written by scripts/gen_broken_inputs.py (`make docs`) from tests/support/broken.
     Change the cases, not this file. -->

The test suite imports each of these inputs with `storectl import`: from a file, through a pipe and,
where a folder can hold the input, from a folder.

- A refused input ends the command with exit code 4 and the message in the table, followed by a hint
  that says what to do. The store does not change: no row and no file.
- An accepted input is imported for the reason in the table, and `storectl fsck` finds no problem.

Digests are cut short on this page.
"""
_DIGEST: Final = re.compile(r"(?<![0-9a-f])([0-9a-f]{4})(?:[0-9a-f]{60}|[0-9a-f]{124})(?![0-9a-f])")


def ways(case: Case) -> tuple[str, ...]:
    """Return the ways to import a case: "file", "pipe" and, for members of a folder, "folder"."""
    if case.only_folder:
        return ("folder",)
    return WAYS if case.in_folder else WAYS[:2]


@contextmanager
def handed_in(case: Case, way: str, folder: Path) -> Iterator[Path | BinaryIO]:
    """Yield the input as a path, or as the reading end of a pipe that a thread fills."""
    if way == "folder":
        yield unpacked(case.entries, folder / "input")
    elif way == "file":
        (folder / "input.tar").write_bytes(case.data)
        yield folder / "input.tar"
    else:
        ours, theirs = os.pipe()
        writer = threading.Thread(target=_write, args=(theirs, case.data))
        writer.start()
        try:
            with os.fdopen(ours, "rb", buffering=0) as pipe:
                yield pipe
        finally:
            writer.join()


def _write(descriptor: int, data: bytes) -> None:
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as pipe:
            view = memoryview(data)
            while view:
                view = view[pipe.write(view) or 0 :]
    except BrokenPipeError:
        # The reader has closed the pipe early.
        pass


def shortened(text: str) -> str:
    """Return ``text`` with its digests cut short.

    Short digests are easier to read. They also hide that digests change with the version of a
    compression library.
    """
    return _DIGEST.sub(r"\1…", text)


def document() -> str:
    """Return the page docs/formats/broken-inputs.md."""
    sections = [_HEAD]
    with (
        tempfile.TemporaryDirectory() as name,
        Store.open(Path(name) / "store", create=True) as store,
    ):
        for title, make in GROUPS:
            rows = [_row(case, store, Path(name)) for case in make()]
            sections.append(
                "\n".join(
                    (
                        f"## {title}",
                        "",
                        "| case | fault | result |",
                        "|---|---|---|",
                        *rows,
                        "",
                    )
                )
            )
    return "\n".join(sections)


def _row(case: Case, store: Store, folder: Path) -> str:
    accepted = case.expected
    outcome = (
        f"**accepted**: {accepted.because}"
        if isinstance(accepted, Accepted)
        else _message(case, store, folder / case.name)
    )
    return f"| {case.name} | {_cell(case.why)} | {_cell(outcome)} |"


def _message(case: Case, store: Store, folder: Path) -> str:
    # One store serves all cases: a refused input does not change it.
    folder.mkdir()
    with handed_in(case, ways(case)[0], folder) as source:
        try:
            store.import_archive(source, case.options)
        except InvalidInput as exc:
            return exc.message.replace(str(folder), "…")
    raise AssertionError(f"{case.name} was accepted")


def _cell(text: str) -> str:
    # Escape the characters that have a meaning in Markdown or HTML.
    quoted = shortened(text).replace("\n", " ").replace("|", "\\|").replace("<", "&lt;")
    return re.sub(r"(?<!\*)\*(?!\*)", r"\\*", quoted)


TARGET: Final = Path(__file__).parents[3] / _TARGET
