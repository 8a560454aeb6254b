from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from store import Store
from store.catalog.in_progress import uploads as rows
from store.catalog.lists import repository_lists
from store.errors import (
    ContentNotFound,
    DigestMismatch,
    InvalidDocument,
    MissingBlobs,
    OutOfOrder,
    ReferenceNotFound,
    RepositoryNotFound,
    TooLarge,
    Unavailable,
    UploadInUse,
    UploadNotFound,
)
from store.formats.distribution.names import BY_ID
from store.model.contents import ContentState, DiffState
from store.model.digests import Digest, ImageID
from store.model.limits import Limits
from store.model.references import Repository
from store.registry.registry import MAX_MANIFEST_BYTES, Registry, Sparse
from store.registry.uploads import IDLE_S
from tests.conftest import NOW
from tests.support import images
from tests.support.layouts import CONFIG, INDEX, LAYER, MANIFEST, encode

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection

APP = Repository("docker.io", "team/app")
OTHER = Repository("docker.io", "team/other")


@pytest.fixture
def registry(store: Store) -> Registry:
    return Registry(store)


def push_blob(
    registry: Registry, data: bytes, repository: Repository = APP, algorithm: str = "sha256"
) -> Digest:
    digest = Digest.of(data, algorithm)
    with registry.uploads.once(repository) as upload:
        upload.write(data)
        upload.finish(digest)
    return digest


def descriptor(data: bytes, media_type: str, **members: object) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(Digest.of(data)), "size": len(data), **members}


def image_manifest(
    *blobs: tuple[bytes, bytes], diffs: tuple[bytes, ...] | None = None, **members: object
) -> tuple[bytes, bytes]:
    """Config and manifest of an image; each layer as (what it decodes to, blob)."""
    config = images.config(*(diffs if diffs is not None else [plain for plain, _ in blobs]))
    layers = [descriptor(blob, f"{LAYER}+gzip") for _, blob in blobs]
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(config, CONFIG),
        "layers": layers,
        **members,
    }
    return config, encode(document)


def push_image(
    registry: Registry,
    *blobs: tuple[bytes, bytes],
    tags: tuple[str, ...] = ("1",),
    diffs: tuple[bytes, ...] | None = None,
) -> tuple[ImageID, Digest]:
    config, manifest = image_manifest(*blobs, diffs=diffs)
    for data in (config, *(blob for _, blob in blobs)):
        push_blob(registry, data)
    done = registry.put_manifest(APP, manifest, media_type=MANIFEST, digest=None, tags=tags)
    return ImageID.of(config), done.digest


def squeezed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


# --- uploads --------------------------------------------------------------------------------------


def test_an_upload_in_pieces_becomes_a_blob(store: Store, registry: Registry) -> None:
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.expect(0)
        upload.write(b"first ")
    assert registry.uploads.offset(APP, upload_id) == 6
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(b"second")
        upload.finish(Digest.of(b"first second"))
    found = registry.blob(APP, Digest.of(b"first second"))
    assert (found.size_bytes, found.in_file, found.state) == (12, True, ContentState.PRESENT)
    assert not list((store.root / "uploads").iterdir())
    with pytest.raises(UploadNotFound):
        registry.uploads.offset(APP, upload_id)
    assert list(store.fsck()) == []


def test_an_upload_survives_a_restart_and_what_was_not_acknowledged_is_cut_off(
    store: Store, registry: Registry
) -> None:
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(b"safe")
    with (store.root / "uploads" / upload_id).open("ab") as file:
        file.write(b"written by a server that was killed")
    again = Registry(store).uploads
    assert again.offset(APP, upload_id) == 4
    with again.resume(APP, upload_id) as upload:
        upload.write(b" and sound")
        upload.finish(Digest.of(b"safe and sound", "sha512"))
    assert registry.blob(APP, Digest.of(b"safe and sound", "sha512")).size_bytes == 14


def test_a_file_that_a_crash_has_cut_short_goes_on_from_its_end(
    store: Store, registry: Registry
) -> None:
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(b"abcdef")
    (store.root / "uploads" / upload_id).write_bytes(b"abc")
    assert registry.uploads.offset(APP, upload_id) == 3
    with registry.uploads.resume(APP, upload_id) as upload:
        assert upload.offset_bytes == 3


def test_an_upload_goes_on_from_the_row_that_an_end_of_the_machine_has_left(
    store: Store, registry: Registry
) -> None:
    upload_id = registry.uploads.begin(APP)
    for data in (b"abc", b"def"):
        with registry.uploads.resume(APP, upload_id) as upload:
            upload.write(data)
    with store.write() as connection:
        rows.advance(connection, upload_id, 3, store.now())
    again = Registry(store).uploads
    assert again.offset(APP, upload_id) == 3
    with again.resume(APP, upload_id) as upload:
        upload.write(b"DEF")
        upload.finish(Digest.of(b"abcDEF"))
    upload_id = registry.uploads.begin(APP)
    with store.write() as connection:
        assert rows.forget(connection, upload_id)
    with pytest.raises(UploadNotFound):
        registry.uploads.resume(APP, upload_id)


def test_a_request_that_brings_nothing_has_nothing_hashed_again(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(b"abcdef")
    with registry.uploads.resume(APP, upload_id) as upload, pytest.raises(OutOfOrder):
        upload.expect(3)
    monkeypatch.delattr(os, "pread")
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.finish(Digest.of(b"abcdef"))


def test_only_one_request_at_a_time_writes(registry: Registry) -> None:
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id), pytest.raises(UploadInUse):
        registry.uploads.resume(APP, upload_id)
    registry.uploads.resume(APP, upload_id).close()


def test_pieces_have_to_come_in_order(registry: Registry) -> None:
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(b"1234")
        with pytest.raises(OutOfOrder) as caught:
            upload.expect(5)
    assert caught.value.offset_bytes == 4


def test_the_wrong_digest_ends_the_upload(store: Store, registry: Registry) -> None:
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(b"something")
        with pytest.raises(DigestMismatch) as caught:
            upload.finish(Digest.of(b"something else"))
    assert caught.value.got == Digest.of(b"something")
    with pytest.raises(UploadNotFound):
        registry.uploads.resume(APP, upload_id)
    assert not list((store.root / "uploads").iterdir())


def test_an_upload_belongs_to_its_repository(registry: Registry) -> None:
    upload_id = registry.uploads.begin(APP)
    with pytest.raises(UploadNotFound):
        registry.uploads.resume(OTHER, upload_id)
    registry.uploads.cancel(APP, upload_id)
    with pytest.raises(UploadNotFound):
        registry.uploads.cancel(APP, upload_id)


@pytest.mark.parametrize("name", ["", "../store.db", "0" * 31, "g" * 32])
def test_a_name_that_is_none_of_ours_is_no_upload(name: str, registry: Registry) -> None:
    with pytest.raises(UploadNotFound):
        registry.uploads.offset(APP, name)
    with pytest.raises(UploadNotFound):
        registry.uploads.resume(APP, name)


def test_a_store_that_has_gone_takes_no_uploads(store: Store, registry: Registry) -> None:
    away = store.root.with_name("away")
    store.root.rename(away)
    with pytest.raises(Unavailable):
        registry.uploads.begin(APP)
    away.rename(store.root)
    assert registry.uploads.begin(APP)


def test_a_blob_has_a_ceiling(store: Store) -> None:
    registry = Registry(store, limits=Limits(layer_bytes=10))
    with registry.uploads.once(APP) as upload, pytest.raises(TooLarge):
        upload.write(b"01234567890")
    assert not list((store.root / "uploads").iterdir())


def test_the_same_blob_twice_is_stored_once(store: Store, registry: Registry) -> None:
    digest = push_blob(registry, b"data")
    before = store.blobs.path(digest).stat().st_ino
    assert push_blob(registry, b"data", OTHER) == digest
    assert store.blobs.path(digest).stat().st_ino == before
    assert set(registry.holders(digest)) == {APP, OTHER}


def test_an_upload_that_goes_on_when_it_is_about_to_be_given_up_stays(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = NOW
    with Store.open(root, create=True, clock=lambda: now) as store:
        registry = Registry(store)
        upload_id = registry.uploads.begin(APP)
        now = NOW + timedelta(seconds=IDLE_S + 1)
        find = rows.idle

        def idle(connection: Connection, before: datetime) -> tuple[str, ...]:
            found = find(connection, before)
            with registry.uploads.resume(APP, upload_id) as upload:
                upload.write(b"data")
            return found

        monkeypatch.setattr(rows, "idle", idle)
        assert registry.uploads.expire() == 0
        assert registry.uploads.offset(APP, upload_id) == 4
        registry.uploads.resume(APP, upload_id).finish(Digest.of(b"data"))


def test_idle_uploads_and_stray_files_are_given_up(root: Path) -> None:
    now = NOW
    with Store.open(root, create=True, clock=lambda: now) as store:
        registry = Registry(store)
        old = registry.uploads.begin(APP)
        lost = registry.uploads.begin(APP)
        (root / "uploads" / lost).unlink()
        stray = root / "uploads" / ("a" * 32)
        stray.touch()
        os.utime(stray, (now.timestamp() - 7200,) * 2)
        (root / "uploads" / "not-ours").touch()
        assert registry.uploads.expire() == 1
        now = NOW + timedelta(seconds=IDLE_S + 1)
        fresh = registry.uploads.begin(APP)
        busy = registry.uploads.resume(APP, old)
        assert registry.uploads.expire() == 1
        busy.close()
        assert registry.uploads.expire() == 1
        assert registry.uploads.offset(APP, fresh) == 0
        for gone in (old, lost):
            with pytest.raises(UploadNotFound):
                registry.uploads.offset(APP, gone)
        assert sorted(path.name for path in (root / "uploads").iterdir()) == sorted(
            [fresh, "not-ours"]
        )


# --- blobs ----------------------------------------------------------------------------------------


def test_a_repository_serves_only_what_it_was_given(registry: Registry) -> None:
    digest = push_blob(registry, b"mine")
    with pytest.raises(ContentNotFound):
        registry.blob(OTHER, digest)


def test_a_mount_gives_what_the_caller_may_read(registry: Registry) -> None:
    digest = push_blob(registry, b"mine")
    assert not registry.mount(OTHER, digest, lambda _source: False)
    with pytest.raises(ContentNotFound):
        registry.blob(OTHER, digest)
    assert registry.mount(OTHER, digest, lambda source: source == APP)
    assert registry.blob(OTHER, digest).size_bytes == 4
    assert not registry.mount(OTHER, Digest.of(b"nowhere"), lambda _source: True)


def test_a_deleted_blob_is_gone_for_its_repository_alone(registry: Registry) -> None:
    digest = push_blob(registry, b"mine")
    push_blob(registry, b"mine", OTHER)
    registry.delete_blob(APP, digest)
    with pytest.raises(ContentNotFound):
        registry.blob(APP, digest)
    assert registry.blob(OTHER, digest).size_bytes == 4
    with pytest.raises(ContentNotFound):
        registry.delete_blob(APP, digest)
    with pytest.raises(RepositoryNotFound):
        registry.delete_blob(Repository("docker.io", "team/nothing"), digest)


def test_blobs_without_a_manifest_have_a_day_of_grace(root: Path) -> None:
    now = NOW
    with Store.open(root, create=True, clock=lambda: now) as store:
        registry = Registry(store)
        asked, forgotten = push_blob(registry, b"asked for"), push_blob(registry, b"forgotten")
        now = NOW + timedelta(hours=23)
        assert store.collect().blobs == ()
        registry.renew(APP, asked)
        registry.renew(APP, Digest.of(b"not here"))
        now = NOW + timedelta(hours=25)
        assert store.collect().blobs == (forgotten,)
        assert registry.blob(APP, asked).size_bytes == 9
        now = NOW + timedelta(hours=48)
        assert store.collect().blobs == (asked,)


# --- manifests ------------------------------------------------------------------------------------


def test_a_manifest_comes_back_byte_for_byte(store: Store, registry: Registry) -> None:
    image_id, digest = push_image(registry, (images.A, squeezed(images.A)), tags=("1", "latest"))
    served = registry.manifest(APP, "1")
    assert served == registry.manifest(APP, digest) == registry.manifest(APP, "latest")
    assert Digest.of(served.data) == digest
    assert served.media_type == MANIFEST
    (summary,) = store.images()
    assert summary.image_id == image_id
    assert sorted(one.reference.familiar for one in summary.references) == [
        "team/app:1",
        "team/app:latest",
    ]
    assert [event.action for event in store.events()] == ["push"]


def test_what_a_manifest_names_must_be_in_its_repository(registry: Registry) -> None:
    config, manifest = image_manifest((images.A, squeezed(images.A)))
    push_blob(registry, config)
    push_blob(registry, squeezed(images.A), OTHER)
    with pytest.raises(MissingBlobs) as caught:
        registry.put_manifest(APP, manifest, media_type=MANIFEST, digest=None, tags=("1",))
    assert [digest for _, _, digest in caught.value.missing] == [Digest.of(squeezed(images.A))]
    with pytest.raises(ReferenceNotFound):
        registry.manifest(APP, "1")


def test_a_lie_about_a_size_is_refused(registry: Registry) -> None:
    push_blob(registry, b"{}")
    config = {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": str(Digest.of(b"{}")),
        "size": 3,
    }
    with pytest.raises(DigestMismatch):
        registry.put_manifest(
            APP,
            encode({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}),
            media_type="",
            digest=None,
            tags=(),
        )


def test_a_manifest_has_to_be_what_it_says(registry: Registry) -> None:
    with pytest.raises(DigestMismatch):
        registry.put_manifest(APP, b"{}", media_type=MANIFEST, digest=Digest.of(b"{ }"), tags=())
    with pytest.raises(InvalidDocument):
        registry.put_manifest(APP, b"{}", media_type=MANIFEST, digest=None, tags=())
    with pytest.raises(TooLarge):
        registry.put_manifest(
            APP, b" " * (MAX_MANIFEST_BYTES + 1), media_type=MANIFEST, digest=None, tags=()
        )


def test_an_index_that_says_only_in_its_type_what_it_is(store: Store, registry: Registry) -> None:
    data = encode({"schemaVersion": 2})
    done = registry.put_manifest(APP, data, media_type=INDEX, digest=None, tags=("empty",))
    assert registry.manifest(APP, "empty").media_type == INDEX
    assert registry.manifest(APP, done.digest).data == data
    assert list(store.fsck()) == []


def test_sparse_in_three_steps(store: Store) -> None:
    child = {"mediaType": MANIFEST, "digest": str(Digest.of(b"elsewhere")), "size": 9}
    index = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]})
    _, image = image_manifest((images.A, squeezed(images.A)))
    for sparse, takes_index, takes_image in (
        (Sparse.NOTHING, False, False),
        (Sparse.INDEXES, True, False),
        (Sparse.BLOBS, True, True),
    ):
        registry = Registry(store, sparse=sparse)
        for data, media_type, taken in (
            (index, INDEX, takes_index),
            (image, MANIFEST, takes_image),
        ):
            if taken:
                registry.put_manifest(APP, data, media_type=media_type, digest=None, tags=("1",))
                assert registry.manifest(APP, "1").data == data
            else:
                with pytest.raises(MissingBlobs):
                    registry.put_manifest(
                        APP, data, media_type=media_type, digest=None, tags=("1",)
                    )
    with pytest.raises(ContentNotFound):
        Registry(store).manifest(APP, Digest.of(b"elsewhere"))


def test_an_index_opens_no_door_to_what_its_repository_was_not_given(registry: Registry) -> None:
    """A manifest named by a guess at its digest must not be served because an index lists it."""
    _, secret = push_image(registry, (images.A, squeezed(images.A)))
    data = registry.manifest(APP, secret).data
    index = encode(
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor(data, MANIFEST)]}
    )
    registry.put_manifest(OTHER, index, media_type=INDEX, digest=None, tags=("1",))
    with pytest.raises(ContentNotFound):
        registry.manifest(OTHER, secret)
    with pytest.raises(ContentNotFound):
        registry.blob(OTHER, Digest.of(squeezed(images.A)))


def test_foreign_layers_need_not_be_pushed(registry: Registry) -> None:
    push_blob(registry, b"{}")
    layer = {
        "mediaType": f"{LAYER}+gzip",
        "digest": str(Digest.of(b"far away")),
        "size": 8,
        "urls": ["https://example.com/layer"],
    }
    config = {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": str(Digest.of(b"{}")),
        "size": 2,
    }
    manifest = encode(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    )
    assert (
        registry.put_manifest(
            APP, manifest, media_type="", digest=Digest.of(manifest, "sha512"), tags=()
        ).digest.algorithm
        == "sha512"
    )


def test_deleting_a_tag_keeps_the_manifest_and_deleting_that_takes_its_tags(
    store: Store, registry: Registry
) -> None:
    _, digest = push_image(registry, (images.A, squeezed(images.A)), tags=("1", "2"))
    registry.delete_tag(APP, "1")
    assert registry.tags(APP) == ["2"]
    assert registry.manifest(APP, digest).digest == digest
    with pytest.raises(ReferenceNotFound):
        registry.delete_tag(APP, "1")
    registry.delete_manifest(APP, digest)
    assert registry.tags(APP) == []
    with pytest.raises(ContentNotFound):
        registry.manifest(APP, digest)
    with pytest.raises(ContentNotFound):
        registry.delete_manifest(APP, digest)
    with pytest.raises(RepositoryNotFound):
        registry.manifest(OTHER, "1")
    store.collect()
    assert store.images() == ()


def test_a_manifest_that_only_a_moved_tag_kept_goes_when_it_is_deleted(
    store: Store, registry: Registry
) -> None:
    _, first = push_image(registry, (images.A, squeezed(images.A)))
    push_image(registry, (images.B, squeezed(images.B)))
    registry.delete_manifest(APP, first)
    store.collect()
    assert len(store.images()) == 1
    assert list(store.fsck()) == []


def test_tags_come_in_pages(registry: Registry) -> None:
    push_image(registry, (images.A, squeezed(images.A)), tags=("b", "a", "C"))
    assert registry.tags(APP) == ["C", "a", "b"]
    assert registry.tags(APP, after="C", limit=1) == ["a"]


def test_repositories_of_a_domain_and_outside_of_it(store: Store, registry: Registry) -> None:
    for name in ("demo:1", "quay.io/x/y:1", "docker.io.example/z:1"):
        store.import_archive(_file(store, images.image(images.A, tags=(name,)).bytes()))
    registry.uploads.cancel(APP, registry.uploads.begin(APP))
    push_blob(registry, b"no manifest", OTHER)
    assert [str(one) for one in registry.repositories(after="", limit=9, domain="docker.io")] == [
        "docker.io/library/demo"
    ]
    assert [str(one) for one in registry.repositories(after="", limit=9, outside="docker.io")] == [
        "docker.io.example/z",
        "quay.io/x/y",
    ]
    assert [str(one) for one in registry.repositories(after="docker.io/m", limit=1)] == [
        "quay.io/x/y"
    ]


def _file(store: Store, data: bytes) -> Path:
    path = store.root.parent / "archive.tar"
    path.write_bytes(data)
    return path


def test_annotations_of_referrers_are_looked_up_as_far_as_one_answer_goes(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = Digest.of(b"later")
    for number in range(5):
        document = {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [],
            "annotations": {"number": f"{number}" * 100},
        }
        about = {"mediaType": MANIFEST, "digest": str(subject), "size": 5}
        registry.put_manifest(
            APP, encode(document | {"subject": about}), media_type=INDEX, digest=None, tags=[]
        )

    def annotated(most_bytes: int) -> list[bool]:
        monkeypatch.setattr(repository_lists, "ANNOTATED_BYTES", most_bytes)
        found = registry.referrers(APP, subject, artifact_type=None, after="", limit=9)
        assert all(one.annotations is None or one.annotations for one in found)
        return [bool(one.annotations) for one in found]

    (size,) = {
        one.size_bytes
        for one in registry.referrers(APP, subject, artifact_type=None, after="", limit=9)
    }
    assert annotated(5 * size) == [True] * 5
    assert annotated(3 * size) == [True, True, True, False]
    assert annotated(0) == [True, False]


def test_referrers_of_what_is_not_here(registry: Registry) -> None:
    push_blob(registry, b"{}")
    config = {
        "mediaType": "application/vnd.example+json",
        "digest": str(Digest.of(b"{}")),
        "size": 2,
    }
    subject = {"mediaType": MANIFEST, "digest": str(Digest.of(b"later")), "size": 5}
    digests = []
    for kind in ("one", "two", None):
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": [],
            "subject": subject,
            "annotations": {"kind": str(kind)},
        }
        document |= {"artifactType": kind} if kind else {}
        done = registry.put_manifest(APP, encode(document), media_type="", digest=None, tags=())
        assert done.subject == Digest.of(b"later")
        digests.append(done.digest)
    found = registry.referrers(APP, Digest.of(b"later"), artifact_type=None, after="", limit=9)
    assert [one.digest for one in found] == sorted(digests, key=str)
    assert {one.artifact_type for one in found} == {"one", "two", "application/vnd.example+json"}
    (one,) = registry.referrers(APP, Digest.of(b"later"), artifact_type="one", after="", limit=9)
    assert (one.annotations, one.media_type) == ({"kind": "one"}, MANIFEST)
    assert (
        len(
            registry.referrers(
                APP, Digest.of(b"later"), artifact_type=None, after=str(found[0].digest), limit=9
            )
        )
        == 2
    )
    assert (
        registry.referrers(OTHER, Digest.of(b"later"), artifact_type=None, after="", limit=9) == []
    )


# --- images without a name ------------------------------------------------------------------------


def test_images_without_a_name_are_served_by_their_digest(store: Store, registry: Registry) -> None:
    store.import_archive(_file(store, images.image(images.A, tags=()).bytes()))
    (summary,) = store.images()
    served = registry.manifest(BY_ID, summary.manifests[0])
    layer = json.loads(served.data)["layers"][0]["digest"]
    assert registry.blob(BY_ID, Digest.parse(layer)).size_bytes == len(images.A)
    with pytest.raises(ReferenceNotFound):
        registry.manifest(BY_ID, "latest")
    with pytest.raises(ContentNotFound):
        registry.blob(BY_ID, Digest.of(b"nothing"))
    with pytest.raises(ContentNotFound):
        registry.manifest(BY_ID, Digest.parse(layer))


# --- verification ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encode_layer", [squeezed, zstandard.compress, lzma.compress], ids=["gzip", "zstd", "xz"]
)
def test_pushed_layers_are_verified_and_can_then_be_read_decoded(
    encode_layer: Callable[[bytes], bytes], store: Store, registry: Registry
) -> None:
    image_id, _ = push_image(
        registry, (images.A, encode_layer(images.A)), (images.B, encode_layer(images.B))
    )
    assert store.verify_image(image_id) is DiffState.VERIFIED
    assert store.verify_image(image_id) is DiffState.VERIFIED
    diff = Digest.of(images.A)
    with store.reader() as reader:
        assert b"".join(reader.chunks(store.sources((diff,))[diff])) == images.A
    assert list(store.fsck()) == []
    assert not list((store.root / "staging").iterdir())


def test_what_was_found_damaged_is_not_taken_for_what_was_decoded_again(
    store: Store, registry: Registry
) -> None:
    layer_a, diff = (images.A, lzma.compress(images.A)), Digest.of(images.A)
    image_id, _ = push_image(registry, layer_a)
    assert store.verify_image(image_id) is DiffState.VERIFIED
    store.blobs.path(diff).write_bytes(b"damaged")
    assert [finding.kind for finding in store.fsck()] == ["damaged"]
    image_id, _ = push_image(registry, layer_a, (images.B, lzma.compress(images.B)), tags=("2",))
    assert store.verify_image(image_id) is DiffState.VERIFIED
    assert list(store.fsck()) == []


def test_plain_layers_need_no_verification(store: Store, registry: Registry) -> None:
    image_id, _ = push_image(registry, (images.A, images.A))
    with store.read() as connection:
        from store.catalog import images as rows
        from store.catalog.checking import verification

        key = rows.key_of(connection, image_id)
        assert key is not None
        assert verification.diff_state(connection, key) == "verified"


def test_a_false_diff_id_is_found_and_does_not_undo_the_push(
    store: Store, registry: Registry
) -> None:
    image_id, digest = push_image(registry, (images.A, squeezed(images.A)), diffs=(images.B,))
    assert store.verify_image(image_id) is DiffState.MISMATCH
    assert registry.manifest(APP, digest).digest == digest


def test_bytes_that_do_not_decode_are_a_mismatch(store: Store, registry: Registry) -> None:
    image_id, _ = push_image(registry, (images.A, squeezed(images.A)[:-6]))
    assert store.verify_image(image_id) is DiffState.MISMATCH


def test_the_truth_of_one_manifest_is_enough(store: Store, registry: Registry) -> None:
    image_id, _ = push_image(registry, (images.A, squeezed(images.B)), diffs=(images.A,))
    assert store.verify_image(image_id) is DiffState.MISMATCH
    push_image(registry, (images.A, squeezed(images.A)), tags=("2",))
    assert store.verify_image(image_id) is DiffState.VERIFIED
    assert list(store.fsck()) == []


def test_a_config_that_is_none_makes_no_image(store: Store, registry: Registry) -> None:
    config = b'{"not": "an image"}'
    for data in (config, images.A):
        push_blob(registry, data)
    manifest = encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(config, CONFIG),
            "layers": [descriptor(images.A, LAYER)],
        }
    )
    done = registry.put_manifest(APP, manifest, media_type=MANIFEST, digest=None, tags=("1",))
    assert done.image_id is None
    assert store.images() == ()
    assert hashlib.sha256(registry.manifest(APP, "1").data).hexdigest() == done.digest.hex
