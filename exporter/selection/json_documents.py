"""Functions that parse JSON documents for editing, write them, and make their descriptors."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from store.errors import InvalidDocument
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from store.formats.image.manifests import Document


_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def compact(document: object) -> bytes:
    """Return ``document`` as JSON in UTF-8, without spaces and without escaped letters.

    A lone surrogate, which has no UTF-8 form, becomes U+FFFD as in Go.

    Args:
        document: A value that Python's json module can write.
    """
    return _SURROGATE.sub(
        "\ufffd", json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    ).encode()


def parse_editable(data: bytes, name: str) -> dict[str, Any]:
    """Return the document as a dictionary that can be edited and rewritten.

    Args:
        data: The document's bytes, already parsed by Go's rules, which allow more than Python's.
        name: The document's name for messages.

    Raises:
        InvalidDocument: Python cannot rewrite the document: a number is infinite, or brackets are
            nested too deep.
    """
    try:
        document: dict[str, Any] = json.loads(data.decode(errors="replace"))
        compact(document)
    except (RecursionError, ValueError) as exc:
        raise InvalidDocument(
            f"cannot be rewritten: {exc}",
            document=name,
            hint="save the document as it is",
            remedy=Remedy.KEEP_LAYERS,
        ) from exc
    return document


def descriptor_of(document: Document) -> dict[str, Any]:
    """Return the descriptor of a manifest or index."""
    return {
        "mediaType": document.media_type,
        "digest": str(document.digest),
        "size": len(document.data),
    }
