"""The values that requests to a registry take and return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, final

from store.errors import InvalidReference, printable
from store.formats.image.media_types import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
)
from store.model.digests import Descriptor, Digest
from store.model.references import is_tag

if TYPE_CHECKING:
    from remote.http.settings import RegistrySettings
    from remote.http.transport import Transport
    from store.formats.image.manifests import Document

MANIFESTS: Final = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST)
"""The media types of manifests that the client asks for, the preferred ones first."""


@final
@dataclass(frozen=True, slots=True, order=True)
class Tag:
    """A tag of a repository.

    Raises:
        InvalidReference: The text is not a valid tag.
    """

    text: str

    def __post_init__(self) -> None:
        if not is_tag(self.text):
            raise InvalidReference(f"invalid tag {printable(self.text[:160])!r}", text=self.text)

    def __str__(self) -> str:
        return self.text


ManifestReference: TypeAlias = Tag | Digest
"""What a registry finds a manifest by."""


@final
@dataclass(frozen=True, slots=True)
class Resolution:
    """What a registry says about a manifest without sending it.

    Args:
        descriptor: The manifest's type, digest and size. The registry's word: only the bytes of
            the manifest prove it.
        etag: The entity tag for a conditional request; empty if there is none.
    """

    descriptor: Descriptor
    etag: str = ""


@final
@dataclass(frozen=True, slots=True)
class ManifestDocument:
    """A manifest or index as a registry sent it; its digest has been checked.

    Args:
        data: The exact bytes.
        document: The view of the bytes, with their digest, media type and links.
        etag: The entity tag for a conditional request; empty if there is none.
    """

    data: bytes
    document: Document
    etag: str = ""

    @property
    def descriptor(self) -> Descriptor:
        """The manifest's type, digest and size."""
        return Descriptor(self.document.media_type, self.document.digest, len(self.data))


@final
@dataclass(frozen=True, slots=True)
class PutAnswer:
    """The answer to a manifest that was sent.

    Args:
        digest: The digest under which the registry stored the manifest.
        subject: The subject that the registry lists the manifest for (``OCI-Subject``); None if it
            did not say so. A manifest with a subject then needs the fallback tag.
    """

    digest: Digest
    subject: Digest | None = None


@final
@dataclass(frozen=True, slots=True)
class ReachedRegistry:
    """A registry, and how it is reached.

    Attributes:
        name: The registry as references name it.
        settings: Its settings.
        transport: The connections.
    """

    name: str
    settings: RegistrySettings
    transport: Transport
