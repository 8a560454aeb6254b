"""What refers to saved manifests: by their ``subject``, or by a tag that is made of a digest (distribution-spec, "Referrers Tag Schema"; cosign)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exporter.selection.roots import SavedRoot
from store.catalog import manifests, references

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.selection.loading import Loading
    from store.catalog.references import TagTarget
    from store.model.digests import Digest

SUFFIXES: Final = ("", ".sig", ".att", ".sbom")
"""What stands behind ``sha256-<hex>``: nothing for the index of referrers of registries without that endpoint, the rest is cosign's."""

_ALGORITHM_LENGTH: Final = 32
_HEX_LENGTH: Final = 64
"""So much of a digest goes into such a tag (distribution-spec)."""


def with_referrers(
    loading: Loading, roots: Sequence[SavedRoot], keep: set[Digest]
) -> list[SavedRoot]:
    """The roots, and behind them what refers to any document in ``keep``, and to that, until there is nothing more. It all is put into ``keep``."""
    tags = {root.digest: dict.fromkeys(root.tags) for root in roots}
    signatures = _by_tag(loading, roots, keep)
    fresh = set(keep)
    while fresh:
        found = manifests.referrers(loading.connection, fresh)
        named = [
            target
            for digest in sorted({*fresh, *found})
            for tag in tag_names(digest)
            for target in signatures.get(tag, ())
        ]
        for digest in found:
            if digest not in keep:
                tags.setdefault(digest, {})
        for target in named:
            tags.setdefault(target.digest, {})[target.reference] = None
        added = [*found, *(target.digest for target in named)]
        loading.descend(added)
        fresh = {digest for one in added for digest in loading.below(one)} - keep
        keep |= fresh
    known = {root.digest: root for root in roots}
    return [
        SavedRoot(digest, tuple(some), known[digest].repositories if digest in known else ())
        for digest, some in tags.items()
    ]


def tag_names(digest: Digest) -> tuple[str, ...]:
    """The tags under which something about ``digest`` may stand."""
    start = f"{digest.algorithm[:_ALGORITHM_LENGTH]}-{digest.hex[:_HEX_LENGTH]}"
    return tuple(start + suffix for suffix in SUFFIXES)


def _by_tag(
    loading: Loading, roots: Iterable[SavedRoot], keep: Iterable[Digest]
) -> dict[str, list[TagTarget]]:
    """Every tag beside the saved ones.

    For what was not asked for by a name, in every repository that has it.
    """
    named = {repository for root in roots for repository in root.repositories}
    if any(not root.repositories for root in roots):
        named.update(manifests.repositories_of(loading.connection, keep))
    found: dict[str, list[TagTarget]] = {}
    for repository in sorted(named, key=str):
        for target in references.in_repository(loading.connection, repository):
            found.setdefault(target.reference.tag or "", []).append(target)
    return found
