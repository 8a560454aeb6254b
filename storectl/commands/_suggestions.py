"""Hints for unknown names: the tags or digests of the repository, and similar names."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store import Store

_SHOWN: Final = 5
"""The most names in a hint."""

_SEARCHED: Final = 10_000
"""The most tags of a store among which similar names are looked for."""


@contextmanager
def suggesting(store: Store, *names: str) -> Iterator[None]:
    """Add a hint with names that exist to the error about a name that does not exist.

    Args:
        store: The store that was asked.
        names: What the user wrote.

    Raises:
        NotFound: The block raised it.
    """
    from store.errors import ImageNotFound, ReferenceNotFound  # noqa: PLC0415 - only the tail

    try:
        yield
    except (ImageNotFound, ReferenceNotFound) as error:
        wrong = next((name for name in names if name and name in error.message), None)
        if error.hint is None and wrong is not None:
            error.hint = suggestion(store, wrong)
        raise


def suggestion(store: Store, text: str) -> str | None:
    """Return a hint with names that exist; None if there is no similar one.

    Args:
        store: The store to look in.
        text: A name that does not exist.
    """
    from store.errors import StoreError  # noqa: PLC0415 - only after an error
    from store.model.references import Reference  # noqa: PLC0415

    try:
        repository = Reference.parse(text).repository
    except StoreError:
        return None
    same = [
        tag.tag
        for tag in store.names(f"{repository.familiar}:", _SEARCHED)
        if tag.repository == repository and tag.tag is not None
    ]
    if same:
        shown = ", ".join(same[:_SHOWN]) + (", …" if len(same) > _SHOWN else "")
        return f"{repository.familiar} has the tag{'s' if len(same) > 1 else ''} {shown}"
    held = store.digests(repository)
    if held:
        shown = ", ".join(one.familiar for one in held[:_SHOWN])
        more = ", …" if len(held) > _SHOWN else ""
        return f"{repository.familiar} has no tags; name an image by its digest: {shown}{more}"
    known = {tag.repository.familiar: None for tag in store.names("", _SEARCHED)}
    from difflib import get_close_matches  # noqa: PLC0415 - only for an error

    similar = get_close_matches(repository.familiar, known, n=_SHOWN, cutoff=0.8)
    return f"a similar name is {' or '.join(similar)}" if similar else None
