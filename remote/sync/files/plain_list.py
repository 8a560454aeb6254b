"""Plain lists of images, one name on each line, as k3s and RKE2 publish them."""

from __future__ import annotations

from typing import Final

from remote.sync.files.yaml_tree import invalid
from remote.sync.sources import Place, Source, SyncFile
from store.errors import StoreError
from store.model.references import Reference

MAX_LINES: Final = 100_000
"""The most lines of a list."""


def read_plain_list(text: str, file: str, name: str) -> SyncFile:
    """Return the images of a list. Text after ``#`` is a comment.

    Args:
        text: The content of the file.
        file: The name of the file, for messages.
        name: The name of the sync.

    Raises:
        InvalidInput: A line is not the name of an image.
    """
    sources: list[Source] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if number > MAX_LINES:
            raise invalid(file, number, f"more than {MAX_LINES} lines")
        if len(words) > 1:
            raise invalid(file, number, "expected one name of an image on each line")
        sources.append(_source(words[0], file, number))
    return SyncFile(name, tuple(sources))


def _source(word: str, file: str, line: int) -> Source:
    try:
        reference = Reference.parse(word.removeprefix("docker://")).with_default_tag()
    except StoreError as error:
        raise invalid(file, line, error.message, hint=error.hint) from None
    place = Place(reference.repository)
    if reference.digest is not None:
        return Source(reference.repository, place, file, line, digests=(reference.digest,))
    assert reference.tag is not None  # noqa: S101 - the default tag was added
    return Source(reference.repository, place, file, line, tags=(reference.tag,))
