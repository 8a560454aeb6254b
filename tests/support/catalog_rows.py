"""Rows of a small catalogue in memory: content, images, manifests and tags with short names."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event

from store.catalog import content, encodings, images, layers, manifests, naming
from store.db.all_tables import metadata
from store.formats.image.manifests import Link, Role
from store.model.contents import ContentState
from store.model.digests import Descriptor, DiffID, Digest, ImageID
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection

    from store.db.types import ContentKey

NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LAYER_BYTES: Final = 100
AMD64: Final = {"os": "linux", "architecture": "amd64"}
ARM64: Final = {"os": "linux", "architecture": "arm64"}


@contextmanager
def empty_catalog() -> Iterator[Connection]:
    """Yield a connection to a database in memory that has the schema and no rows."""
    engine = create_engine("sqlite://")

    @event.listens_for(engine, "connect")
    def _enforce(driver: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own type
        driver.execute("PRAGMA foreign_keys=ON")

    with engine.connect() as connection:
        metadata.create_all(connection)
        yield connection
    engine.dispose()


def named(text: str) -> Digest:
    """Return the digest of the bytes of ``text``; tests use ``text`` to name this content."""
    return Digest.of(text.encode())


class Rows:
    """A writer of catalogue rows, in which a name stands for content as in `named`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def content(
        self, name: str, size: int | None = 10, state: ContentState = ContentState.PRESENT
    ) -> ContentKey:
        return content.ensure(self.connection, named(name), size, state)

    def blob(self, name: str, size: int = 10) -> ContentKey:
        return content.put_blob(self.connection, named(name), size, NOW)

    def encoding(
        self,
        decoded: ContentKey,
        stored: ContentKey,
        codec: str = "gzip",
        *,
        seekable: bool = False,
    ) -> None:
        encodings.put_encodings(
            self.connection,
            [encodings.NewEncoding(decoded, stored, codec, seekable, ours=True, checked=True)],
        )

    def image(
        self,
        name: str,
        *diffs: str,
        created_s: int | None = 0,
        labels: Mapping[str, str] | None = None,
        verified: bool = True,
    ) -> ContentKey:
        """Insert an image of these layers, base first; each layer has `LAYER_BYTES` bytes."""
        chain = [(DiffID(named(diff)), self.known_or_new(diff)) for diff in diffs]
        (top,) = layers.add_chains(self.connection, [chain])
        key = self.content(name)
        new = images.NewImage(
            ImageID(named(name)), top, "linux", "amd64", "", created_s, labels or {}, verified
        )
        images.add(self.connection, {key: new})
        return key

    def known_or_new(self, name: str) -> ContentKey:
        found = content.find(self.connection, [named(name)])
        return found[named(name)].key if found else self.content(name, LAYER_BYTES)

    def manifest(
        self,
        name: str,
        image: ContentKey | None = None,
        *,
        blobs: tuple[str, ...] = (),
        subject: ContentKey | None = None,
        artifact_type: str = "",
        annotations: Mapping[str, str] | None = None,
        verified: bool = False,
    ) -> ContentKey:
        """Insert a manifest that lists ``blobs`` as layers."""
        edges = [
            manifests.Edge(
                Link(Role.LAYER, position, Descriptor("layer", named(blob), 10)),
                self.known_or_new(blob),
            )
            for position, blob in enumerate(blobs)
        ]
        key = self.content(name)
        new = manifests.NewManifest(
            key,
            "manifest",
            "application/vnd.oci.image.manifest.v1+json",
            artifact_type,
            image,
            subject,
            edges,
            annotations or {},
            verified=verified,
        )
        manifests.add(self.connection, [new])
        return key

    def index(self, name: str, *children: tuple[str, Mapping[str, str] | None]) -> ContentKey:
        """Insert an index of manifests, each with its platform."""
        edges = [
            manifests.Edge(
                Link(Role.CHILD, position, Descriptor("manifest", named(child), 10), platform),
                self.known_or_new(child),
            )
            for position, (child, platform) in enumerate(children)
        ]
        key = self.content(name)
        new = manifests.NewManifest(
            key, "index", "application/vnd.oci.image.index.v1+json", "", None, None, edges
        )
        manifests.add(self.connection, [new])
        return key

    def tag(self, text: str, manifest: ContentKey, *, served: bool = False) -> Reference:
        name = Reference.parse(text)
        naming.set_tags(self.connection, {name: manifest}, now=NOW, operation="test", served=served)
        return name
