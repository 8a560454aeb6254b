"""The names that the annotations of an entry in ``index.json`` give to a manifest or index.

A name may have a digest: ``name@digest``, or ``name:tag@digest`` as containerd keeps what was
pulled by both. Such a name stands only for the content with this digest.

Source: OCI image-spec, annotations.md; containerd, core/images/archive and
core/remotes/docker/handler.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from store.errors import InvalidDigest, InvalidReference
from store.formats.image.layout_names import (
    BASE_NAME,
    CONTAINERD_NAME,
    DISTRIBUTION_SOURCE,
    REF_NAME,
)
from store.model.references import Reference, is_tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from store.model.digests import Digest

_MAX_SOURCE_CHARACTERS: Final = 4096
"""The longest list of repositories in one annotation, as containerd limits its labels."""


@final
@dataclass(frozen=True, slots=True)
class EntryNames:
    """The names of an entry in ``index.json``.

    Attributes:
        names: Full names, each with a tag or with the digest of the entry.
        bare: A tag without a repository; empty for none.
        unusable: Texts that the annotations give as names, and that cannot be names.
    """

    names: tuple[str, ...] = ()
    bare: str = ""
    unusable: tuple[str, ...] = ()


def names_of_entry(annotations: Mapping[str, str], digest: Digest) -> EntryNames:
    """Return the names of an entry.

    Args:
        annotations: The annotations of the entry's descriptor.
        digest: The digest in the descriptor.
    """
    written = _written_name(annotations, digest)
    names, unusable = dict.fromkeys(written.names), dict.fromkeys(written.unusable)
    for text in _sources(annotations):
        try:
            name = Reference.parse(text)
        except (InvalidReference, InvalidDigest):
            unusable[text] = None
            continue
        if name.is_name_only:
            names[str(Reference(name.repository, digest=digest))] = None
        else:
            unusable[text] = None
    return EntryNames(tuple(names), written.bare, tuple(unusable))


def settled_name(name: Reference, digests: AbstractSet[Digest]) -> Reference | None:
    """Return a name as the store keeps it: with a tag or with a digest, never with both.

    A repository holds the digest of whatever its tags name, so a tag needs no digest beside it.

    Args:
        name: A name with a tag, a digest or both.
        digests: The digests of the content that the archive gives the name.

    Returns:
        None for a name whose digest is not in ``digests``. containerd keeps such a name, so that
        it leads to content that it does not describe. Docker ignores it.
    """
    if name.digest is None:
        return name
    if name.digest not in digests:
        return None
    return name if name.tag is None else Reference(name.repository, name.tag)


def _written_name(annotations: Mapping[str, str], digest: Digest) -> EntryNames:
    """Return the name, the tag or the unusable name that an entry's annotations write."""
    full, reference = annotations.get(CONTAINERD_NAME, ""), annotations.get(REF_NAME, "")
    if tuple(annotations) == (BASE_NAME,):
        # Zarf packages once named images by this annotation alone. In other archives, the
        # annotation names the base of an image, and other annotations are beside it.
        full = annotations[BASE_NAME]
    bare, at, stated = reference.partition("@")
    if full or "/" in bare or ":" in bare:
        text = full or reference
        try:
            name = settled_name(Reference.parse(text).with_default_tag(), {digest})
        except (InvalidReference, InvalidDigest):
            name = None
        return EntryNames(unusable=(text,)) if name is None else EntryNames((str(name),))
    # containerd writes the reference without its repository: ``tag@digest`` or ``@digest``.
    if (bare and not is_tag(bare)) or (at and stated != str(digest)):
        return EntryNames(unusable=(reference,))
    return EntryNames(bare=bare)


def _sources(annotations: Mapping[str, str]) -> Iterator[str]:
    """Yield the repositories that containerd pulled the content from or pushed it to.

    A list that is longer than containerd would write is not read.
    """
    for key, value in annotations.items():
        if key.startswith(DISTRIBUTION_SOURCE) and len(value) <= _MAX_SOURCE_CHARACTERS:
            domain = key.removeprefix(DISTRIBUTION_SOURCE)
            yield from (f"{domain}/{path}" for path in value.split(",") if path)
