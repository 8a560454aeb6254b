"""The choice of the manifests that a pull takes from an index."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from store.formats.image.layout_names import ATTESTED
from store.model.platforms import best

if TYPE_CHECKING:
    from collections.abc import Iterable

    from remote.pulling.options import PullOptions
    from store.formats.image.manifests import Document, Link
    from store.model.platforms import Platform

_SHOWN: Final = 20


def chosen(index: Document, options: PullOptions) -> tuple[Link, ...]:
    """Return the links of an index that a pull follows, in the order of the index.

    Of the images for a platform, the one that suits it best is chosen, as docker does. Nested
    indexes and artifacts that state no platform are always chosen.

    Args:
        index: The index.
        options: The platforms that are asked for.

    Returns:
        The links; no link states a platform if the index has no image for a wanted platform.
    """
    if options.all_platforms:
        return index.children
    links = [link for link in index.children if ATTESTED not in link.annotations]
    offers = [
        (link, platform)
        for link in links
        if (platform := link.made_for) is not None and platform.is_known
    ]
    mine = {id(link) for link in links if link.made_for is None}
    for wanted in options.platforms or (options.machine,):
        fitting = [
            (link, platform)
            for link, platform in offers
            if platform.os_version.startswith(wanted.os_version)
        ]
        position = best(replace(wanted, os_version=""), (platform for _, platform in fitting))
        if position is not None:
            mine.add(id(fitting[position][0]))
    if options.has_referrers:
        subjects = {str(link.digest) for link in links if id(link) in mine}
        mine |= {id(link) for link in index.children if link.annotations.get(ATTESTED) in subjects}
    return tuple(link for link in index.children if id(link) in mine)


def unmatched(index: Document, options: PullOptions) -> tuple[Platform, ...]:
    """Return the wanted platforms for which an index has no image.

    An index that states no platform at all, such as one of artifacts, suits every platform.

    Args:
        index: The index.
        options: The platforms that are asked for.
    """
    offers = offered(index)
    if options.all_platforms or not offers:
        return ()
    if any(link.made_for is None and link.is_document for link in index.children):
        # A nested index may have the image.
        return ()
    return tuple(
        wanted
        for wanted in options.platforms or (options.machine,)
        if best(
            replace(wanted, os_version=""),
            (one for one in offers if one.os_version.startswith(wanted.os_version)),
        )
        is None
    )


def offered(index: Document) -> tuple[Platform, ...]:
    """Return the platforms that an index states, each once."""
    platforms = (link.made_for for link in index.children if ATTESTED not in link.annotations)
    return tuple(dict.fromkeys(one for one in platforms if one is not None and one.is_known))


def listed(platforms: Iterable[Platform]) -> str:
    """Return platforms as a text for a hint; a long list is cut short."""
    texts = [str(platform) for platform in platforms]
    return ", ".join(texts[:_SHOWN]) + (", …" if len(texts) > _SHOWN else "")
