"""The corpus: every broken or odd input there is, by name, and what is said of each in the docs (``docs/formats/broken-inputs.md``)."""

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
    ("Layouts: what descriptors say", documents.descriptors),
    ("Layouts: manifests and configs", documents.manifests),
    ("Layouts: blobs that are missing or damaged", documents.blobs),
    ("Layouts: index.json and indexes", indexes.cases),
    ("Layouts: blobs that are links, directories or devices", folders.blobs),
    ("Folders of skopeo's `dir:`", folders.dir_folders),
    ("docker archives: manifest.json and configs", docker.tables),
    ("docker archives from before 1.10", docker.old),
    ("Archives with both tables", docker.hybrids),
    ("Tar: headers", tars.headers),
    ("Tar: extended headers and sparse members", tars.extensions),
    ("Tar: links, paths and what is no file", tars.links),
    ("Compressed layers", streams.layers),
    ("Compressed archives", streams.archives),
)
CASES: Final = tuple(case for _, make in GROUPS for case in make())
WAYS: Final = ("file", "pipe", "folder")

_TARGET: Final = "docs/formats/broken-inputs.md"
_HEAD: Final = """# Broken inputs, and what comes of them

<!-- Written by scripts/gen_broken_inputs.py (`make docs`) from tests/support/broken: change the cases, not this file. -->

Each of these goes through `storectl import` in the test suite: as a file, through a pipe, and as a folder where one can hold it. What is refused is refused
with exit code 4 and the message below, and leaves the store as it was, to the row and to the file. What is accepted is accepted for the reason given, and
`storectl fsck` finds nothing wrong with it. Digests are cut short here.
"""
_DIGEST: Final = re.compile(r"(?<![0-9a-f])([0-9a-f]{4})(?:[0-9a-f]{60}|[0-9a-f]{124})(?![0-9a-f])")


def ways(case: Case) -> tuple[str, ...]:
    """The ways by which a case comes in."""
    if case.only_folder:
        return ("folder",)
    return WAYS if case.in_folder else WAYS[:2]


@contextmanager
def handed_in(case: Case, way: str, folder: Path) -> Iterator[Path | BinaryIO]:
    """The input, as a path or as the end of a pipe somebody writes to."""
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
        # Who reads has seen enough.
        pass


def shortened(text: str) -> str:
    """``text`` with its digests cut short, so that it is the same with every version of a codec, and readable."""
    return _DIGEST.sub(r"\1…", text)


def document() -> str:
    """The page of the docs."""
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
                        "| case | what is wrong | what comes of it |",
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
    # One store will do: nothing that is refused changes it.
    folder.mkdir()
    with handed_in(case, ways(case)[0], folder) as source:
        try:
            store.import_archive(source, case.options)
        except InvalidInput as exc:
            return exc.message.replace(str(folder), "…")
    raise AssertionError(f"{case.name} was accepted")


def _cell(text: str) -> str:
    # Nothing in a message is markup.
    quoted = shortened(text).replace("\n", " ").replace("|", "\\|").replace("<", "&lt;")
    return re.sub(r"(?<!\*)\*(?!\*)", r"\\*", quoted)


TARGET: Final = Path(__file__).parents[3] / _TARGET
