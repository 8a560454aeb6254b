"""One repository of a registry: manifests, blobs, uploads, tags and referrers."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from remote.registry.blobs import BlobReader
from remote.registry.listing import Lists
from remote.registry.manifests import Manifests
from remote.registry.uploads import Uploads
from remote.registry.values import MANIFESTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from remote.registry.blobs import BlobBody
    from remote.registry.host import Host
    from remote.registry.values import (
        ManifestDocument,
        ManifestReference,
        PutAnswer,
        Resolution,
    )
    from store.formats.image.manifests import Link
    from store.model.digests import Descriptor, Digest


@final
class Repository:
    """A repository. `remote.registry.client.RegistryClient.repository` makes it.

    Every method may raise the errors of `remote.errors`, which name registry, repository and
    reason. Requests are repeated after faults that may pass, as the settings of the client allow.
    Methods may run concurrently.

    Attributes:
        registry: The registry as references name it: ``docker.io``, ``registry.example:5000``.
        name: The path of the repository: ``library/debian``, ``team/app``.
    """

    def __init__(self, host: Host, name: str) -> None:
        self.registry = host.registry
        self.name = name
        self._manifests = Manifests(host, name)
        self._blobs = BlobReader(host, name)
        self._uploads = Uploads(host, name)
        self._lists = Lists(host, name, self._manifests)

    def __str__(self) -> str:
        return f"{self.registry}/{self.name}"

    # --- manifests --------------------------------------------------------------------------------

    async def resolve(
        self, reference: ManifestReference, *, accept: Sequence[str] = MANIFESTS
    ) -> Descriptor:
        """Return the type, digest and size of a manifest, without its bytes if possible.

        The answer is the registry's word. `manifest` with the digest proves it.

        Args:
            reference: A tag or a digest.
            accept: The media types that may be answered.

        Raises:
            ManifestNotFound: The registry does not have the manifest.
            FalseAnswer: The registry answers with a different digest.
        """
        return (await self._manifests.head(reference, accept)).descriptor

    async def resolve_if_changed(
        self,
        reference: ManifestReference,
        etag: str = "",
        *,
        accept: Sequence[str] = MANIFESTS,
    ) -> Resolution | None:
        """Return what `resolve` returns with its entity tag, or None if nothing has changed.

        Args:
            reference: A tag or a digest.
            etag: The entity tag of an earlier answer; empty for an unconditional request.
            accept: The media types that may be answered.

        Raises:
            ManifestNotFound: The registry does not have the manifest.
        """
        return await self._manifests.head_if_changed(reference, etag, accept)

    async def manifest(
        self, reference: ManifestReference, *, accept: Sequence[str] = MANIFESTS
    ) -> ManifestDocument:
        """Return a manifest or index: its exact bytes, checked against every digest stated.

        Args:
            reference: A tag or a digest.
            accept: The media types that may be answered.

        Raises:
            ManifestNotFound: The registry does not have the manifest.
            FalseAnswer: The bytes do not have the digest of ``reference`` or of the answer, or
                the media type of the answer is not that of the bytes.
            InvalidDocument: The bytes are not a manifest. Docker's schema 1 is refused.
            InvalidAnswer: The manifest is larger than 4 MiB.
        """
        return await self._manifests.get(reference, accept)

    async def manifest_if_changed(
        self,
        reference: ManifestReference,
        etag: str,
        *,
        accept: Sequence[str] = MANIFESTS,
    ) -> ManifestDocument | None:
        """Return what `manifest` returns, or None if nothing has changed.

        Args:
            reference: A tag or a digest.
            etag: The entity tag of an earlier answer.
            accept: The media types that may be answered.

        Raises:
            RegistryError, InvalidDocument: As `manifest`.
        """
        return await self._manifests.get_if_changed(reference, etag, accept)

    async def put_manifest(
        self, reference: ManifestReference, document: bytes, media_type: str
    ) -> PutAnswer:
        """Send a manifest. All that it names must be in the repository.

        Args:
            reference: The tag to set, or the digest of ``document``.
            document: The exact bytes.
            media_type: Their media type.

        Returns:
            The digest, and the subject for which the registry lists the manifest.

        Raises:
            ContentRefused: The registry does not take the manifest.
            FalseAnswer: The registry stored it under a different digest.
        """
        return await self._manifests.put(reference, document, media_type)

    # --- blobs ------------------------------------------------------------------------------------

    async def blob_size(self, digest: Digest) -> int | None:
        """Return the size of a blob in bytes, or None if the repository does not hold it.

        Args:
            digest: The digest of the blob.
        """
        return await self._blobs.size(digest)

    def open_blob(
        self, descriptor: Descriptor, *, offset: int = 0
    ) -> AbstractAsyncContextManager[BlobBody]:
        """Open a blob for reading, from its beginning or from an offset.

        Iterating over the body gives its bytes as they arrive. If the connection ends early, the
        body goes on with another request where it stopped. The bytes are NOT hashed: the caller
        hashes them, and drops them if the digest is wrong. The length is checked.

        Args:
            descriptor: The blob's digest and size, as a manifest states them.
            offset: The first byte to send, if an earlier run has the bytes before it.

        Returns:
            A context manager for the body. ``body.start`` is the offset granted, which is
            ``offset`` or, if the registry cannot begin there, 0.

        Raises:
            BlobNotFound: The repository does not hold the blob.
            FalseAnswer: The registry announces or sends more or fewer bytes than the descriptor
                states.
        """
        return self._blobs.open(descriptor, offset)

    async def mount(self, digest: Digest, source: str) -> bool:
        """Ask the registry to take a blob from another of its repositories.

        Args:
            digest: The digest of the blob.
            source: The path of the repository that holds it.

        Returns:
            Whether the repository now holds the blob. If not, it has to be sent; the registry may
            have refused because the user may not read ``source``.
        """
        is_mounted = await self._uploads.mount(digest, source)
        if digest.algorithm != "sha256" and is_mounted:
            # distribution answers that it has mounted such a blob, and then does not have it.
            return await self.blob_size(digest) is not None
        return is_mounted

    async def send_blob(
        self, descriptor: Descriptor, chunks: Callable[[int], AsyncIterable[bytes]]
    ) -> None:
        """Send a blob, in one request or in several.

        After a fault, the upload goes on where the registry says that it stopped, or begins again.

        Args:
            descriptor: The blob's digest and size.
            chunks: Returns the bytes of the blob from an offset on. It may be called several times.

        Raises:
            ContentRefused: The registry does not take the blob, for example because the bytes do
                not have the digest.
        """
        await self._uploads.send(descriptor, chunks)

    # --- lists ------------------------------------------------------------------------------------

    def tags(self, last: str | None = None) -> AsyncIterator[str]:
        """Yield the tags in the order of the registry, page by page.

        Args:
            last: The tag after which to begin; None for the first page.

        Raises:
            RemoteRepositoryNotFound: The registry does not have the repository.
            InvalidAnswer: A page breaks the protocol, or the list exceeds a ceiling.
        """
        return self._lists.tags(last)

    def referrers(self, digest: Digest, artifact_type: str | None = None) -> AsyncIterator[Link]:
        """Yield the manifests whose subject is a manifest, each with its type and annotations.

        A registry without the referrers API is asked for the fallback tag.

        Args:
            digest: The digest of the subject, which need not exist.
            artifact_type: Only referrers of this artifact type; None for all.

        Raises:
            InvalidAnswer: A page breaks the protocol, or the list exceeds a ceiling.
        """
        return self._lists.referrers(digest, artifact_type)
