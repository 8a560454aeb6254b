"""The names of several images: patterns, lists in files, and all tags of the store."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from store.errors import (
    ImageNotFound,
    InvalidDigest,
    InvalidInput,
    InvalidReference,
    printable,
)
from store.files.os_errors import reading_input
from store.formats.golang.path_match import compile_pattern
from store.model.references import Reference
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store import Store

MAX_NAMES: Final = 100_000
"""The most names of one command, after patterns are replaced by the names that they match."""

_MAX_TAGS: Final = 1_000_000
"""The most tags of a store among which patterns choose."""

MAX_LIST_BYTES: Final = 32 * 1024 * 1024
"""The largest list of names in bytes."""

MAX_LINE_CHARACTERS: Final = 1000
"""The longest line in a list. The longest name has about 470 characters."""

_META: Final = frozenset("*?[\\")
"""The characters of patterns. Names and IDs do not contain these characters."""


_IDENTIFIER: Final = re.compile(r"[0-9a-f]{64}")


def chosen_names(store: Store, given: Sequence[str], *, every_tag: bool = False) -> tuple[str, ...]:
    """Return the names that a command is for, each once.

    Args:
        store: The store whose tags the patterns choose from.
        given: Names and patterns. A pattern with a tag chooses tags; another one chooses
            repositories, with all of their tags.
        every_tag: Whether to begin with all tags of the store.

    Raises:
        ImageNotFound: A pattern matches no name, or there is no tag at all.
        InvalidReference: A pattern is invalid.
        InvalidInput: There are too many names.
    """
    tags: tuple[Reference, ...] | None = None
    found: dict[str, None] = {}
    if every_tag:
        tags = _tags(store)
        if not tags:
            raise ImageNotFound("the store has no tags", remedy=Remedy.LIST_IMAGES)
        found.update(dict.fromkeys(tag.familiar for tag in tags))
    for text in given:
        if _META.isdisjoint(text):
            found[text] = None
            continue
        pattern = compile_pattern(text)
        tags = _tags(store) if tags is None else tags
        has_tag = ":" in text.rpartition("/")[2]
        matching = {
            name
            for tag in tags
            for name in (tag.familiar if has_tag else tag.repository.familiar,)
            if pattern.fullmatch(name)
        }
        if not matching:
            raise ImageNotFound(
                f"no image has a name like {printable(text)}", remedy=Remedy.LIST_IMAGES
            )
        found.update(dict.fromkeys(sorted(matching)))
    if len(found) > MAX_NAMES:
        raise InvalidInput(f"too many names: {len(found)}; the limit is {MAX_NAMES}")
    return tuple(found)


def _tags(store: Store) -> tuple[Reference, ...]:
    tags = store.names("", _MAX_TAGS + 1)
    if len(tags) > _MAX_TAGS:
        raise InvalidInput(f"cannot choose names: the store has more than {_MAX_TAGS} tags")
    return tags


def existing_tags(store: Store, text: str) -> tuple[str, ...]:
    """Return all tags of a repository, as names.

    Args:
        store: The store.
        text: The repository, without a tag or digest.

    Raises:
        InvalidInput: The text has a tag or a digest, or the repository has too many tags.
        InvalidReference: The text is not a valid name.
        ImageNotFound: The repository has no tags.
    """
    name = Reference.parse(text)
    if not name.is_name_only:
        raise InvalidInput(
            f"invalid repository {printable(repr(text))}: it has a tag or a digest",
            hint="give the name without the tag",
        )
    tags = store.names(f"{name.repository.familiar}:", MAX_NAMES + 1)
    if len(tags) > MAX_NAMES:
        raise InvalidInput(f"{printable(text)} has more than {MAX_NAMES} tags")
    found = tuple(tag.familiar for tag in tags if tag.repository == name.repository)
    if not found:
        raise ImageNotFound(f"No such repository: {printable(text)}", remedy=Remedy.LIST_IMAGES)
    return found


def read_list(path: str) -> tuple[str, ...]:
    """Return the names in a list: one on each line, without comments and empty lines.

    Args:
        path: The file; ``-`` for standard input.

    Raises:
        InvalidInput: The list is too long, or is not text, or standard input is closed.
        Unavailable: The file cannot be read.
    """
    shown = "standard input" if path == "-" else printable(path)
    with reading_input(Path(shown)):
        if path == "-":
            if sys.stdin is None:
                raise InvalidInput("cannot read a list of names: standard input is closed")
            data = _bounded(sys.stdin.buffer, shown)
        else:
            with Path(path).open("rb") as file:
                data = _bounded(file, shown)
    try:
        # Windows editors write a byte order mark.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"invalid list of names {shown}: it is not UTF-8 text") from None
    names = []
    for number, line in enumerate(text.split("\n"), 1):
        name = line.strip()
        if len(name) > MAX_LINE_CHARACTERS:
            raise InvalidInput(
                f"invalid list of names {shown}: line {number} has more than"
                f" {MAX_LINE_CHARACTERS} characters"
            )
        if name and not name.startswith("#"):
            _check_name(name, f"invalid list of names {shown}: line {number}")
            names.append(name)
    if len(names) > MAX_NAMES:
        raise InvalidInput(f"invalid list of names {shown}: it has more than {MAX_NAMES} names")
    return tuple(names)


def _check_name(name: str, where: str) -> None:
    """Refuse a line that is neither a name nor a pattern nor a digest.

    Raises:
        InvalidInput: The line is something else.
    """
    if not _META.isdisjoint(name) or _IDENTIFIER.fullmatch(name):
        return
    try:
        Reference.parse(name)
    except (InvalidReference, InvalidDigest) as error:
        raise InvalidInput(f"{where}: {error.message}", hint=error.hint) from None


def _bounded(file: BinaryIO, shown: str) -> bytes:
    data = file.read(MAX_LIST_BYTES + 1)
    if len(data) > MAX_LIST_BYTES:
        raise InvalidInput(
            f"invalid list of names {shown}: it has more than {MAX_LIST_BYTES} bytes"
        )
    return data
