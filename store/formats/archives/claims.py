"""Data classes for claims: the images that an archive lists, with layers not checked yet.

An error in one image does not end the reading of an archive. The claim records the error, and the
import raises it only if the image is chosen (see `store.formats.archives.validation`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from store.errors import StoreError
    from store.formats.image.config import ImageConfig
    from store.formats.image.described_image import NotAnImage
    from store.formats.image.manifests import Document, Link
    from store.model.digests import DiffID, Digest, ImageID
    from store.model.platforms import Platform


@final
@dataclass(frozen=True, slots=True)
class ImageClaim:
    """An image that an archive lists in ``manifest.json`` or, before Docker 1.10, as a folder.

    Attributes:
        config: The image's config.
        layers: Paths in the archive, base first, one for each diff ID of the config; None for a
            layer without a path.
        tags: The image's names, as written in the archive: each with a tag, a digest or both.
        unusable: Texts that the archive gives as names, and that cannot be names.
        parent: The image's parent in the archive; None if it has no parent there.
        sources: Descriptors of foreign layers as JSON bytes, by diff ID.
        listed: False for an image that the archive contains only as the parent of another image.
        described: Whether a manifest of the archive describes the image. If true, the layers and
            names come from that manifest.
    """

    config: ImageConfig
    layers: tuple[str | None, ...]
    tags: tuple[str, ...]
    parent: ImageID | None
    sources: Mapping[DiffID, bytes]
    listed: bool = True
    described: bool = False
    unusable: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class BrokenImage:
    """An image that an archive lists, and that the import must refuse if it is chosen.

    Attributes:
        error: The reason.
        tags: The image's names, as written in the archive, whether they are valid or not.
        path: The path of the image's config, which may contain the image's ID.
        config: The image's config; None if it cannot be read.
    """

    error: StoreError
    tags: tuple[str, ...] = ()
    path: str = ""
    config: ImageConfig | None = None


@final
@dataclass(frozen=True, slots=True)
class Attachment:
    """The relation of a signature, attestation or SBOM to the manifest that it is about.

    Attributes:
        subject: The digest of the manifest or index.
        suffix: The end of cosign's tag for the attachment: ``.sig``, ``.att`` or ``.sbom``; empty
            for the index of referrers in a registry without the referrers endpoint.
    """

    subject: Digest
    suffix: str

    @property
    def tag(self) -> str:
        """The tag of the attachment, in the repository of its subject."""
        return f"{self.subject.algorithm}-{self.subject.hex}{self.suffix}"


@final
@dataclass(frozen=True, slots=True)
class Root:
    """A manifest or index that an archive lists in its ``index.json``.

    Attributes:
        digest: The digest of the manifest or index.
        names: Full references, each with a tag or with the digest of the root, never with both.
        bare: Tags without a repository.
        unusable: Texts that the archive gives as names, and that cannot be names.
        platform: The platform that ``index.json`` states; None if it states none.
        attachment: The relation to another manifest of the archive; None for an image or an
            ordinary artifact. The archive has no other name for an attachment.
        subject: The digest of the subject that ``index.json`` states; None if it states none.
    """

    digest: Digest
    names: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()
    platform: Platform | None = None
    attachment: Attachment | None = None
    subject: Digest | None = None


@final
@dataclass(frozen=True, slots=True)
class Graph:
    """The manifests and indexes of an archive.

    Attributes:
        roots: The documents that ``index.json`` lists.
        documents: All documents at or below ``roots`` that the archive or the store has, by digest.
            A document comes after its children.
        configs: The configs of manifests that describe an image, by the manifest's digest.
        artifacts: Why each of the other documents does not describe an image, by digest.
        faults: The first error of each document that cannot be read, or that contradicts another
            document, by the document's digest. Some of these documents are not in ``documents``.
    """

    roots: tuple[Root, ...] = ()
    documents: Mapping[Digest, Document] = field(default_factory=dict)
    configs: Mapping[Digest, ImageConfig] = field(default_factory=dict)
    artifacts: Mapping[Digest, NotAnImage] = field(default_factory=dict)
    faults: Mapping[Digest, StoreError] = field(default_factory=dict)

    def absent(self) -> tuple[tuple[Document, Link], ...]:
        """Return the manifests that are neither in the archive nor in the store.

        Returns:
            A pair for each manifest: an index that lists the manifest, and the link in the index.
        """
        found: dict[Digest, tuple[Document, Link]] = {}
        for document in self.documents.values():
            for link in document.children:
                if (
                    link.digest not in self.documents
                    and link.digest not in self.faults
                    and link.is_document
                ):
                    found.setdefault(link.digest, (document, link))
        return tuple(found.values())

    def below(self, *digests: Digest) -> Iterator[Digest]:
        """Yield ``digests`` and every document below them, each once.

        Documents with a fault are included.
        """
        todo = list(dict.fromkeys(digests))
        seen = set(todo)
        while todo:
            current = todo.pop()
            yield current
            if current in self.documents:
                for link in self.documents[current].children:
                    known = link.digest in self.documents or link.digest in self.faults
                    if known and link.digest not in seen:
                        seen.add(link.digest)
                        todo.append(link.digest)

    def subject_of(self, root: Root) -> Digest | None:
        """Return the digest of the manifest that a root refers to, or None if it has no subject.

        A root refers to a manifest by its own ``subject``, or as an attachment. For a root that
        cannot be read, the subject is the one that ``index.json`` states.
        """
        document = self.documents.get(root.digest)
        if document is not None and document.subject is not None:
            return document.subject.digest
        if document is None and root.subject is not None:
            return root.subject
        return None if root.attachment is None else root.attachment.subject


@final
@dataclass(frozen=True, slots=True)
class ArchiveClaim:
    """The claims of one archive: its images, and its graph of manifests and indexes.

    Attributes:
        digest: The digest of the file that lists the images: index.json, manifest.json or
            repositories.
        images: The images that the archive lists outside ``graph``, as far as they can be read.
        notes: Facts that the user should know.
        graph: The manifests and indexes.
        broken: The images that cannot be read, in the archive's order.
    """

    digest: Digest
    images: tuple[ImageClaim, ...]
    notes: tuple[str, ...] = ()
    graph: Graph = field(default_factory=Graph)
    broken: tuple[BrokenImage, ...] = ()
