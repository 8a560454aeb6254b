"""Archives that are written from a plan and a source of blobs."""

from __future__ import annotations

import asyncio
import io
import tarfile
from typing import TYPE_CHECKING

from exporter.planning import layout as plans
from remote.copying.layout_repository import folder_image
from remote.copying.streamed_archive import layout_plan, stream_archive
from remote.pushing.choice import Choice
from store.model.progress import Silent
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from pathlib import Path


def test_an_archive_has_the_planned_size_and_every_file(tmp_path: Path) -> None:
    layout = Layout()
    layout.root(layout.image(gzip(A), B))
    image = folder_image(layout.folder(tmp_path / "layout"), ((),), Choice())
    assert image is not None
    shipment = image.shipment()
    plan = layout_plan(shipment, b'{"manifests":[]}')
    blobs = {plans.blob_path(one.digest): one for one in shipment.blobs.values()}
    written: list[bytes] = []

    async def write(data: bytes) -> None:
        written.append(data)

    asyncio.run(stream_archive(plan, blobs, image.source, write, Silent()))

    data = b"".join(written)
    assert len(data) == plan.size_bytes
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        files = {
            one.name: file.read()
            for one in archive
            if (file := archive.extractfile(one)) is not None
        }
    expected = {f"blobs/{name.replace(':', '/')}": blob for name, blob in layout.blobs.items()}
    assert files == {
        **expected,
        "index.json": b'{"manifests":[]}',
        "oci-layout": plans.LAYOUT_FILE,
    }
