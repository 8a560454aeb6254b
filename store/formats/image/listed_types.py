"""The check that every link to a manifest or index states the media type of its target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.errors import InvalidDocument, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from store.formats.image.manifests import Document, Link
    from store.model.digests import Digest


def wrong_types(
    links: Iterable[Link], documents: Mapping[Digest, Document], where: str
) -> Iterator[tuple[Digest, InvalidDocument]]:
    """Yield each document whose media type is not the one that a link states, with the error.

    Readers would disagree about such a document. An import refuses it, so a save does not write it.

    Args:
        links: The links of one document; a link without a media type states none.
        documents: The known documents. Links to other content are not checked.
        where: The name of the document with the links, for errors.
    """
    for link in links:
        known = documents.get(link.digest)
        if known is not None and link.target.media_type not in ("", known.media_type):
            yield (
                link.digest,
                InvalidDocument(
                    f"the media type of {link.digest} is {known.media_type!r}, but it is listed as"
                    f" {printable(link.target.media_type)!r}",
                    document=where,
                    hint="push the index again with the media types of its manifests",
                ),
            )
