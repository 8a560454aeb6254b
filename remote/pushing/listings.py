"""Lists of referrers in tags, for registries without the referrers API.

Spec: distribution-spec, "Pushing Manifests with Subject" and "Referrers Tag Schema".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from exporter.selection import json_documents
from remote.errors import InvalidAnswer
from remote.registry.values import Tag
from store.errors import NotFound
from store.formats.distribution.referrers import fallback_tag
from store.formats.image.manifests import Document, Kind
from store.formats.image.media_types import OCI_INDEX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from remote.registry.repository import Repository
    from store.model.digests import Digest

_ATTEMPTS: Final = 4
"""How often a list is written if other clients overwrite it at the same time."""


def descriptor_of(referrer: Document) -> dict[str, Any]:
    """Return the descriptor that lists a referrer.

    Args:
        referrer: A manifest or index with a subject.
    """
    descriptor = json_documents.descriptor_of(referrer)
    if referrer.effective_artifact_type:
        descriptor["artifactType"] = referrer.effective_artifact_type
    if referrer.annotations:
        descriptor["annotations"] = dict(referrer.annotations)
    return descriptor


async def add_referrers(
    repository: Repository, subject: Digest, entries: Iterable[Mapping[str, Any]]
) -> None:
    """Add entries to the list of a manifest's referrers, and keep the entries of other clients.

    The list is read again after it was written. If another client has replaced it meanwhile, the
    entries are added to the new list.

    Args:
        repository: The repository of the manifest and its referrers.
        subject: The digest of the manifest.
        entries: The descriptors to add.

    Raises:
        InvalidAnswer: The tag of the list names something else, or other clients replace the list
            all the time.
        RegistryError: The list cannot be read or written.
    """
    tag = Tag(fallback_tag(subject))
    added = list(entries)
    for _ in range(_ATTEMPTS):
        merged = merged_list(await _list(repository, tag), added)
        if merged is None:
            return
        await repository.put_manifest(tag, merged, OCI_INDEX)
    if merged_list(await _list(repository, tag), added) is not None:
        raise InvalidAnswer(
            f"cannot list the referrers of {subject} in {repository.registry}/{repository.name}:"
            f" other clients replace the tag {tag} at the same time",
            registry=repository.registry,
            repository=repository.name,
            hint="push again",
        )


async def _list(repository: Repository, tag: Tag) -> Document | None:
    """Return the list of referrers in a tag; None if there is no such tag."""
    try:
        found = (await repository.manifest(tag)).document
    except NotFound:
        return None
    if found.kind is not Kind.INDEX:
        raise InvalidAnswer(
            f"the tag {tag} in {repository.registry}/{repository.name} should list referrers, but"
            f" names a {found.kind}",
            registry=repository.registry,
            repository=repository.name,
            hint="remove the tag from the repository",
        )
    return found


def merged_list(known: Document | None, entries: Iterable[Mapping[str, Any]]) -> bytes | None:
    """Return a list of referrers with new entries; None if it has all of them already.

    Args:
        known: The list so far; None if there is none. Its other members stay.
        entries: The descriptors to add.
    """
    document: dict[str, Any] = (
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
        if known is None
        else json_documents.parse_editable(known.data, f"the list of referrers {known.digest}")
    )
    listed = list(document.get("manifests") or ())
    digests = {str(one.get("digest")) for one in listed}
    new = {str(one.get("digest")): one for one in entries}
    fresh = [one for digest, one in new.items() if digest not in digests]
    if not fresh:
        return None
    document["manifests"] = listed + fresh
    return json_documents.compact(document)
