"""The documents about an image of another place."""

from __future__ import annotations

from store import Reference
from store.importing.report import ImportReport
from store.model.digests import Descriptor, Digest
from storectl.commands._import_reports import ArchiveResult
from storectl.commands._place_reports import PlaceImage

ROOT = Descriptor("application/vnd.oci.image.index.v1+json", Digest.of(b"root"), 4)
BLOBS = tuple(Descriptor("layer", Digest.of(name), 10) for name in (b"a", b"b", b"c"))
RESULT = ArchiveResult(
    ImportReport(
        (), (), (), (), changed=True, new_images=0, new_layers=0, new_bytes=0, read_bytes=0
    ),
    is_dry_run=False,
)


def image(*names: str, is_dry_run: bool = False) -> PlaceImage:
    tags = tuple(Reference.parse(name) for name in names)
    return PlaceImage(
        "oci:x",
        ROOT,
        tags,
        tags,
        BLOBS[:2],
        BLOBS[2:],
        is_new=True,
        is_dry_run=is_dry_run,
        images=(),
        notes=(),
        result=RESULT,
    )


def test_each_name_has_a_document_and_blobs_count_once() -> None:
    first, second = image("a:1", "b:1").as_pull()
    assert [first["Reference"], second["Reference"]] == ["a:1", "b:1"]
    counts = [(one["DownloadedBlobs"], one["PresentBlobs"]) for one in (first, second)]
    assert counts == [(2, 1), (0, 3)]
    assert (first["DownloadedBytes"], "Blobs" in first) == (20, False)


def test_a_plan_lists_the_blobs() -> None:
    (found,) = image("a:1", is_dry_run=True).as_pull()
    assert [one["Digest"] for one in found["Blobs"]] == [str(one.digest) for one in BLOBS[:2]]


def test_without_a_name_the_digest_is_the_name() -> None:
    assert image().names == (str(ROOT.digest),)
    assert image().digest == ROOT.digest
