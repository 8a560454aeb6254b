"""Referrers of saved manifests, found by ``subject`` or by a tag that contains a digest.

The distribution specification ("Referrers Tag Schema") and cosign define such tags.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from exporter.selection.roots import SavedRoot
from store.catalog import manifests, references

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.selection.loading import Loading
    from store.catalog.references import TagTarget
    from store.model.digests import Digest
    from store.model.references import Repository

SUFFIXES: Final = ("", ".sig", ".att", ".sbom")
"""Endings of tags after ``sha256-<hex>``.

The empty ending is for the index of referrers in registries without the referrers endpoint. Cosign
uses the other endings.
"""

_ALGORITHM_LENGTH: Final = 32
_HEX_LENGTH: Final = 64
"""The most hexadecimal digits of a digest in such a tag (distribution specification)."""


def add_referrers(
    loading: Loading, roots: Sequence[SavedRoot], keep: set[Digest]
) -> list[SavedRoot]:
    """Return the roots, then all direct and indirect referrers of the documents in ``keep``.

    Args:
        loading: Reads the documents of the referrers.
        roots: The roots of the save.
        keep: Digests of the saved documents. The digests of referrers, and of the documents below
            them, are added.
    """
    tags = {root.digest: dict.fromkeys(root.tags) for root in roots}
    repositories = _repositories(loading, roots, keep)
    fresh = set(keep)
    while fresh:
        loading.reader.check()
        # Anybody may push a referrer of any manifest into a repository of their own.
        referring = manifests.direct_referrers(loading.connection, fresh)
        held = loading.scope.held(loading.holdings, referring)
        found = [digest for digest in referring if digest in held]
        named = _named(loading, repositories, sorted({*fresh, *found}))
        loading.reader.require_manifests(len(keep) + len(found) + len(named))
        for digest in found:
            if digest not in keep:
                tags.setdefault(digest, {})
        for target in named:
            tags.setdefault(target.digest, {})[target.reference] = None
        added = [*found, *(target.digest for target in named)]
        loading.descend(added)
        fresh = loading.below(*added) - keep
        keep |= fresh
    known = {root.digest: root for root in roots}
    return [
        replace(known.get(digest, SavedRoot(digest)), tags=tuple(some))
        for digest, some in tags.items()
    ]


def referrer_tags(digest: Digest) -> tuple[str, ...]:
    """Return the tags that referrers of ``digest`` may have."""
    start = f"{digest.algorithm[:_ALGORITHM_LENGTH]}-{digest.hex[:_HEX_LENGTH]}"
    return tuple(start + suffix for suffix in SUFFIXES)


def _repositories(
    loading: Loading, roots: Iterable[SavedRoot], keep: Iterable[Digest]
) -> list[Repository]:
    """Return the repositories that hold the saved roots, by name.

    If a root has no name, its repositories are all those that hold a document in ``keep``.
    """
    named = {repository for root in roots for repository in root.repositories}
    if any(not root.repositories for root in roots):
        named.update(
            one
            for one in manifests.repositories_of(loading.connection, keep)
            if loading.scope.includes(one)
        )
    return sorted(named, key=str)


def _named(
    loading: Loading, repositories: Sequence[Repository], digests: Sequence[Digest]
) -> list[TagTarget]:
    """Return the targets of all tags that contain one of ``digests``, in the digests' order."""
    wanted = [tag for digest in digests for tag in referrer_tags(digest)]
    found: dict[str, list[TagTarget]] = {}
    for some in references.tagged(loading.connection, repositories, wanted):
        loading.reader.check()
        for target in some:
            found.setdefault(target.reference.tag or "", []).append(target)
    return [target for tag in wanted for target in found.get(tag, ())]
