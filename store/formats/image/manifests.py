"""Typed views of manifests and indexes. The bytes identify a document; a view lists its links.

Documents are read by Go's rules for JSON, and refused if other readers could read them differently.
Source: OCI image-spec, manifest.md and image-index.md; Docker image manifest version 2, schema 2.
"""

# ruff: noqa: RUF009 - `member` returns a dataclass field, as `dataclasses.field` does

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self, final

from store.errors import DigestMismatch, InvalidDigest, InvalidDocument, TooLarge, printable
from store.formats.golang.containers import ListOf, MapOf, Pointer
from store.formats.golang.json import parse
from store.formats.golang.structs import Struct, member, reject_ambiguous, unmarshal
from store.formats.golang.types import INTEGER, STRING
from store.formats.image.media_types import (
    INDEXES,
    MANIFESTS,
    OCI_INDEX,
    OCI_MANIFEST,
    SCHEMA_1,
    WITHDRAWN,
    is_document,
)
from store.model.digests import Descriptor, Digest
from store.model.limits import DEFAULT_LIMITS
from store.model.platforms import Platform
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store.model.limits import Limits

_NO_ANNOTATIONS: Final[Mapping[str, str]] = MappingProxyType({})
_SCHEMA: Final = 2


class Role(StrEnum):
    """The purpose of a link from a document to its target."""

    CONFIG = "config"
    LAYER = "layer"
    CHILD = "child"
    BLOB = "blob"


class Kind(StrEnum):
    """The two kinds of documents: manifest and index."""

    MANIFEST = "manifest"
    INDEX = "index"


_NOUN: Final = {Kind.MANIFEST: "a manifest", Kind.INDEX: "an index"}


@final
@dataclass(frozen=True, slots=True)
class _Platform:
    architecture: str = member("architecture", STRING)
    os: str = member("os", STRING)
    os_version: str = member("os.version", STRING, omit_empty=True)
    os_features: tuple[str, ...] | None = member("os.features", ListOf(STRING), omit_empty=True)
    variant: str = member("variant", STRING, omit_empty=True)


@final
@dataclass(frozen=True, slots=True)
class _Descriptor:
    media_type: str = member("mediaType", STRING)
    digest: str = member("digest", STRING)
    size_bytes: int = member("size", INTEGER)
    urls: tuple[str, ...] | None = member("urls", ListOf(STRING), omit_empty=True)
    annotations: Mapping[str, str] | None = member("annotations", MapOf(STRING), omit_empty=True)
    data: str = member("data", STRING, omit_empty=True)
    platform: _Platform | None = member("platform", Pointer(Struct(_Platform)), omit_empty=True)
    artifact_type: str = member("artifactType", STRING, omit_empty=True)


_DESCRIPTOR: Final = Struct(_Descriptor)
_DESCRIPTORS: Final = ListOf(_DESCRIPTOR)


@final
@dataclass(frozen=True, slots=True)
class _Document:
    schema_version: int = member("schemaVersion", INTEGER)
    media_type: str = member("mediaType", STRING, omit_empty=True)
    artifact_type: str = member("artifactType", STRING, omit_empty=True)
    config: _Descriptor | None = member("config", Pointer(_DESCRIPTOR))
    layers: tuple[_Descriptor, ...] | None = member("layers", _DESCRIPTORS)
    manifests: tuple[_Descriptor, ...] | None = member("manifests", _DESCRIPTORS)
    blobs: tuple[_Descriptor, ...] | None = member("blobs", _DESCRIPTORS)
    subject: _Descriptor | None = member("subject", Pointer(_DESCRIPTOR))
    annotations: Mapping[str, str] | None = member("annotations", MapOf(STRING))


_DOCUMENT: Final = Struct(_Document)


@final
@dataclass(frozen=True, slots=True)
class Link:
    """A link from a document to a target, with all facts that the document states about the target.

    ``position`` counts the links of one role from 0. ``data`` holds the target's bytes if the
    document embeds them; the bytes have been checked against the target's digest.
    """

    role: Role
    position: int
    target: Descriptor
    platform: Mapping[str, object] | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    urls: tuple[str, ...] = ()
    data: bytes | None = None
    artifact_type: str = ""

    @property
    def digest(self) -> Digest:
        """The target's digest."""
        return self.target.digest

    @property
    def is_document(self) -> bool:
        """Whether the target is a manifest or an index, by its media type.

        A child without a media type is treated as a document, because old indexes omit the type.
        """
        return self.role is Role.CHILD and (
            not self.target.media_type or is_document(self.target.media_type)
        )

    @property
    def made_for(self) -> Platform | None:
        """The platform that the link names, normalised; None if it names no platform."""
        return None if self.platform is None else Platform.of_fields(self.platform)


@final
@dataclass(frozen=True, slots=True)
class Document:
    """A manifest or an index: its exact bytes and its links.

    Two documents are equal if their bytes are equal.
    """

    data: bytes
    digest: Digest
    kind: Kind = field(compare=False)
    media_type: str = field(compare=False)
    artifact_type: str = field(compare=False)
    links: tuple[Link, ...] = field(compare=False)
    subject: Descriptor | None = field(compare=False)
    annotations: Mapping[str, str] = field(compare=False)
    states_media_type: bool = field(compare=False)

    @classmethod
    def parse(
        cls,
        data: bytes,
        *,
        digest: Digest | None = None,
        media_type: str = "",
        limits: Limits = DEFAULT_LIMITS,
        name: str = "",
        is_stored: bool = False,
    ) -> Self:
        """Read a manifest or an index.

        Args:
            data: The exact bytes.
            digest: The digest of the bytes, already checked; None to compute their sha256.
            media_type: The media type in the descriptor that points at the document; empty if
                unknown.
            limits: Ceilings for the size, nesting and memory of the JSON.
            name: The document's name in errors; if empty, errors say ``manifest DIGEST``.
            is_stored: Whether the store has the document already. Types that are refused today may
                be in stores.

        Returns:
            The view of the document.

        Raises:
            InvalidDocument: The document is neither a manifest nor an index, its type was
                withdrawn, readers could disagree about its meaning, or a descriptor in it is
                invalid.
            DigestMismatch: Data embedded in a descriptor does not have the descriptor's digest or
                size.
            TooLarge: The document exceeds a ceiling for JSON, or has a list longer than
                ``limits.manifest_entries``.
        """
        name = name or f"manifest {digest or Digest.of(data)}"
        tree = parse(data, limits, document=name)
        if tree.kind != "object":
            raise InvalidDocument(f"expected a JSON object, found {tree.kind}", document=name)
        read = unmarshal(_DOCUMENT, tree, document=name)
        for some in (read.manifests, read.layers, read.blobs):
            if len(some or ()) > limits.manifest_entries:
                raise TooLarge(
                    f"{name} has a list of {len(some or ())} entries: the limit is"
                    f" {limits.manifest_entries}",
                    limit=limits.manifest_entries,
                )
        # Otherwise a digest could hide from the reader that checks it.
        reject_ambiguous(_DOCUMENT, tree, document=name)
        if not is_stored:
            for stated in (read.media_type, media_type):
                refuse_withdrawn(stated, name)
        kind, media_type = _kind(read, media_type, name)
        roles = (
            {Role.CHILD: read.manifests}
            if kind is Kind.INDEX
            else {
                Role.CONFIG: read.config and (read.config,),
                Role.LAYER: read.layers,
                Role.BLOB: read.blobs,
            }
        )
        return cls(
            data=data,
            digest=digest or Digest.of(data),
            kind=kind,
            media_type=media_type,
            artifact_type=read.artifact_type,
            links=tuple(
                _link(role, position, one, name)
                for role, some in roles.items()
                for position, one in enumerate(some or ())
            ),
            subject=(
                None
                if read.subject is None
                else _link(Role.CHILD, 0, read.subject, f"{name}: subject").target
            ),
            annotations=read.annotations or _NO_ANNOTATIONS,
            states_media_type=bool(read.media_type),
        )

    def of_role(self, role: Role) -> tuple[Link, ...]:
        """Return the links with this role, in the document's order."""
        return tuple(link for link in self.links if link.role is role)

    @property
    def config(self) -> Link | None:
        """The link of a manifest to its config; None if it has no config."""
        return next(iter(self.of_role(Role.CONFIG)), None)

    @property
    def layers(self) -> tuple[Link, ...]:
        """The links of a manifest to its layers, base first."""
        return self.of_role(Role.LAYER)

    @property
    def children(self) -> tuple[Link, ...]:
        """The links of an index to its manifests and nested indexes."""
        return self.of_role(Role.CHILD)

    @property
    def neutral_media_type(self) -> str:
        """The media type by the document's bytes alone, whatever a descriptor or client states.

        A manifest without ``mediaType`` and without a config can only be of the stated type.
        """
        if self.states_media_type or (self.kind is Kind.MANIFEST and self.config is None):
            return self.media_type
        return OCI_INDEX if self.kind is Kind.INDEX else OCI_MANIFEST

    @property
    def effective_artifact_type(self) -> str:
        """The artifact type in a list of referrers: the document's own, or else its config's type.

        Source: distribution-spec, "Listing Referrers".
        """
        if self.artifact_type or self.kind is Kind.INDEX or self.config is None:
            return self.artifact_type
        return self.config.target.media_type


def _kind(read: _Document, listed_as: str, name: str) -> tuple[Kind, str]:
    """Return whether the document is a manifest or an index, and its media type.

    A document that could be either is refused, because readers would disagree (CVE-2021-41190).
    """
    media_type = read.media_type or listed_as
    if read.schema_version == 1 or media_type in SCHEMA_1:
        raise schema_1(name)
    if read.schema_version != _SCHEMA:
        found = (
            f"invalid schemaVersion {read.schema_version}"
            if read.schema_version
            else "missing schemaVersion"
        )
        raise InvalidDocument(f"{found}: expected {_SCHEMA}", document=name)
    if read.media_type and listed_as and read.media_type != listed_as:
        raise InvalidDocument(
            f"mediaType is {printable(read.media_type)!r}, but the descriptor says"
            f" {printable(listed_as)!r}",
            document=name,
        )
    like_index, like_manifest = (
        read.manifests is not None,
        read.layers is not None or read.config is not None or read.blobs is not None,
    )
    if like_index and like_manifest:
        raise InvalidDocument(
            "ambiguous document: it has the members of a manifest and of an index",
            document=name,
        )
    if media_type and media_type not in MANIFESTS and media_type not in INDEXES:
        raise InvalidDocument(f"unknown media type {printable(media_type)!r}", document=name)
    kind = Kind.INDEX if media_type in INDEXES or (not media_type and like_index) else Kind.MANIFEST
    if like_manifest if kind is Kind.INDEX else like_index:
        raise InvalidDocument(
            f"the document has the media type of {_NOUN[kind]}, but the members of"
            f" {_NOUN[Kind.MANIFEST if kind is Kind.INDEX else Kind.INDEX]}",
            document=name,
        )
    if not media_type and not (like_index or like_manifest):
        raise InvalidDocument(
            "unknown document: neither a manifest (no config, no layers) nor an index (no"
            " manifests)",
            document=name,
        )
    if (
        kind is Kind.MANIFEST
        and read.config is None
        and media_type in (OCI_MANIFEST, "")
        and read.blobs is None
    ):
        raise InvalidDocument("the manifest has no config", document=name)
    return kind, media_type or (OCI_INDEX if kind is Kind.INDEX else OCI_MANIFEST)


def schema_1(name: str) -> InvalidDocument:
    """Return the error for a manifest of Docker's first schema."""
    return InvalidDocument(
        "Docker schema 1 manifests are not supported",
        document=name,
        hint="convert the manifest to schema 2",
        remedy=Remedy.CONVERT_SCHEMA_1,
    )


def refuse_withdrawn(media_type: str, name: str) -> None:
    """Check that a type of manifests is not one that its specification withdrew.

    Args:
        media_type: The media type that a document, a descriptor or a client states.
        name: The document's name in errors.

    Raises:
        InvalidDocument: The type was withdrawn.
    """
    why = WITHDRAWN.get(media_type)
    if why is not None:
        raise InvalidDocument(
            f"the media type {media_type!r} is not supported: {why}",
            document=name,
            hint=(
                "push the artifact again with a newer client: an OCI image manifest with an"
                " artifactType takes its place"
            ),
        )


def _link(role: Role, position: int, read: _Descriptor, name: str) -> Link:
    where = f"{role} {position}"
    try:
        target = Descriptor(read.media_type, Digest.parse(read.digest), read.size_bytes)
    except InvalidDigest as exc:
        raise InvalidDocument(f"{where}: {exc.message}", document=name, hint=exc.hint) from None
    platform = read.platform
    return Link(
        role,
        position,
        target,
        platform=None if platform is None else _platform_fields(platform),
        annotations=read.annotations or _NO_ANNOTATIONS,
        urls=read.urls or (),
        data=_embedded(read.data, target, f"{name}: {where}") if read.data else None,
        artifact_type=read.artifact_type,
    )


def _platform_fields(read: _Platform) -> dict[str, object]:
    fields: dict[str, object] = {
        "os": read.os,
        "architecture": read.architecture,
        "variant": read.variant,
        "os.version": read.os_version,
    }
    if read.os_features:
        fields["os.features"] = list(read.os_features)
    return {key: value for key, value in fields.items() if value or key in ("os", "architecture")}


def _embedded(text: str, target: Descriptor, where: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as exc:
        # The error is a binascii.Error, or a plain ValueError for characters outside ASCII.
        raise InvalidDocument(f"invalid base64 in data: {exc}", document=where) from exc
    if len(data) != target.size_bytes:
        raise DigestMismatch(
            f"{where}: size of the embedded data", want=target.size_bytes, got=len(data)
        )
    got = Digest.of(data, target.digest.algorithm)
    if got != target.digest:
        raise DigestMismatch(f"{where}: embedded data", want=target.digest, got=got)
    return data
