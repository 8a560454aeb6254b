"""Blobs of a registry are streamed, and their last bytes are given only if all are right."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from remote.copying.registry_source import RegistryBlobs
from remote.errors import FalseAnswer
from store.formats.image.media_types import OCI_LAYER_GZIP
from store.model.digests import Descriptor, Digest
from tests.support.images import A
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from tests.support.other_registry import OtherRegistry

DATA = gzip(A).data
BLOB = Descriptor(OCI_LAYER_GZIP, Digest.of(DATA), len(DATA))


@pytest.fixture
def blobs(registry: OtherRegistry) -> RegistryBlobs:
    layout = Layout()
    layout.root(layout.image(gzip(A)), "docker.io/team/app:1")
    registry.store.import_archive(io.BytesIO(layout.tar()))
    return RegistryBlobs(registry.repository("team/app"))


def test_reading_resumes_at_an_earlier_offset(
    registry: OtherRegistry, blobs: RegistryBlobs
) -> None:
    async def read() -> tuple[bytes, bytes]:
        async with blobs.open(BLOB) as reader:
            first = b"".join([chunk async for chunk in reader.chunks(0)])
            return first, b"".join([chunk async for chunk in reader.chunks(5)])

    assert registry.run(read) == (DATA, DATA[5:])


def test_wrong_bytes_never_end(registry: OtherRegistry, blobs: RegistryBlobs) -> None:
    (file,) = (one for one in registry.store.root.rglob(f"*{BLOB.digest.hex}*") if one.is_file())
    file.chmod(0o600)
    file.write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    seen = 0

    async def read() -> None:
        nonlocal seen
        async with blobs.open(BLOB) as reader:
            async for chunk in reader.chunks(0):
                seen += len(chunk)

    with pytest.raises(FalseAnswer) as caught:
        registry.run(read)

    assert seen < len(DATA)
    assert (caught.value.registry, caught.value.repository) == (registry.host, "team/app")
    assert str(BLOB.digest) in caught.value.message


def test_only_its_own_registry_can_mount_from_it(
    registry: OtherRegistry, blobs: RegistryBlobs
) -> None:
    assert blobs.origins(BLOB.digest, registry.host) == ("team/app",)
    assert blobs.origins(BLOB.digest, "other.example") == ()
