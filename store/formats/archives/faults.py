"""Errors that a claim keeps, to be raised only if what they concern is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from store.errors import IntegrityError, InvalidInput

if TYPE_CHECKING:
    from store.errors import StoreError

FAULTS: Final = (InvalidInput, IntegrityError)
"""The errors that concern one document or image of an archive.

Other errors, such as a disk that cannot be read, end the import.
"""


def kept(error: StoreError) -> StoreError:
    """Return ``error`` without its traceback, which would keep the documents of the frames alive.

    An archive may have as many faults as documents.
    """
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)
