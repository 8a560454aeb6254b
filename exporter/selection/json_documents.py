"""JSON documents read, edited and written compactly."""

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
    """JSON without spaces, letters as they are.

    Half a surrogate pair, which has no UTF-8 form, becomes U+FFFD as in Go.
    """
    return _SURROGATE.sub(
        "\ufffd", json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    ).encode()


def editable(data: bytes, name: str) -> dict[str, Any]:
    """A document that is to be changed and written again, as Python has it.

    It has been parsed before, by Go's rules, which allow more.

    Raises InvalidDocument when Python could not write all of it again: numbers beyond all bounds,
    or brackets nested too deep.
    """
    try:
        document: dict[str, Any] = json.loads(data.decode(errors="replace"))
        compact(document)
    except (RecursionError, ValueError) as exc:
        raise InvalidDocument(
            f"cannot be written anew: {exc}",
            document=name,
            hint="save it as it is",
            remedy=Remedy.KEEP_LAYERS,
        ) from exc
    return document


def described(document: Document) -> dict[str, Any]:
    """The descriptor of a manifest or index."""
    return {
        "mediaType": document.media_type,
        "digest": str(document.digest),
        "size": len(document.data),
    }
