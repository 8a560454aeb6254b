"""Damaged and missing blobs: the registry does not serve them, so that a client pushes them again."""

from __future__ import annotations

import gzip
import io
import os
import random
from typing import TYPE_CHECKING, NoReturn

import pytest
from sqlalchemy import update

from store.db.schema import document, repository_content
from store.errors import DamagedContent, StorageFull
from store.model.contents import ContentState
from store.model.digests import DiffID, Digest
from store.registry.registry import Registry
from tests.support import images
from tests.support.layouts import CONFIG, LAYER, MANIFEST, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from store import Store
    from tests.support.mirror_in_process import Served

DATA = random.Random(14).randbytes(5000)
DIGEST = Digest.of(DATA)
CONFIG_DATA = encode(
    {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [str(DIGEST)]},
    }
)
IMAGE = encode(
    {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": CONFIG,
            "digest": str(Digest.of(CONFIG_DATA)),
            "size": len(CONFIG_DATA),
        },
        "layers": [{"mediaType": LAYER, "digest": str(DIGEST), "size": len(DATA)}],
    }
)


def record_damage(store: Store) -> None:
    store.report_damage(DamagedContent("found by fsck", digest=DIGEST))


def remove_file(store: Store) -> None:
    store.blobs.path(DIGEST).unlink()


def truncate_file(store: Store) -> None:
    os.truncate(store.blobs.path(DIGEST), 4096)


HARM = [record_damage, remove_file, truncate_file]


def push(ask: Served, data: bytes, name: str = "one") -> int:
    return ask("POST", f"/v2/{name}/blobs/uploads/?digest={Digest.of(data)}", data).status


@pytest.mark.parametrize("query", ["", "&from=one"], ids=["anonymous", "from"])
@pytest.mark.parametrize("harm", HARM)
def test_mount_of_a_damaged_blob_becomes_an_upload_that_repairs_it(
    harm: Callable[[Store], None], query: str, ask: Served, store: Store
) -> None:
    assert push(ask, DATA) == 201
    harm(store)
    begun = ask("POST", f"/v2/two/blobs/uploads/?mount={DIGEST}{query}")
    assert begun.status == 202
    assert ask("PUT", f"{begun.headers['Location']}?digest={DIGEST}", DATA).status == 201
    for name in ("one", "two"):
        assert ask("GET", f"/v2/{name}/blobs/{DIGEST}").body == DATA
    assert ask("POST", f"/v2/three/blobs/uploads/?mount={DIGEST}{query}").status == 201
    assert list(store.fsck()) == []


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("harm", HARM)
def test_damaged_blob_is_unknown_until_it_is_pushed_again(
    harm: Callable[[Store], None], method: str, ask: Served, store: Store
) -> None:
    assert push(ask, DATA) == 201
    harm(store)
    for _ in range(2):
        assert ask(method, f"/v2/one/blobs/{DIGEST}").status == 404
    assert store.sources((DIGEST,))[DIGEST].state is ContentState.DAMAGED
    counted = ask("GET", "/metrics").body.decode()
    # Counted once: later requests find the damage recorded.
    assert ('storectl_events_total{event="damaged_contents"} 1\n' in counted) is (
        harm is not record_damage
    )
    assert push(ask, DATA) == 201
    assert ask("GET", f"/v2/one/blobs/{DIGEST}").body == DATA
    assert list(store.fsck()) == []


@pytest.mark.parametrize("harm", HARM)
def test_push_to_another_repository_repairs_the_blob(
    harm: Callable[[Store], None], ask: Served, store: Store
) -> None:
    assert push(ask, DATA) == 201
    harm(store)
    assert push(ask, DATA, "two") == 201
    assert ask("GET", f"/v2/one/blobs/{DIGEST}").body == DATA
    assert list(store.fsck()) == []


@pytest.mark.parametrize("harm", HARM)
def test_manifest_is_refused_while_its_blob_is_damaged(
    harm: Callable[[Store], None], ask: Served, store: Store
) -> None:
    assert (push(ask, DATA), push(ask, CONFIG_DATA)) == (201, 201)
    harm(store)
    refused = ask("PUT", "/v2/one/manifests/1", IMAGE, Content_Type=MANIFEST)
    assert (refused.status, refused.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert refused.json["errors"][0]["detail"] == [{"digest": str(DIGEST)}]
    assert push(ask, DATA) == 201
    assert ask("PUT", "/v2/one/manifests/1", IMAGE, Content_Type=MANIFEST).status == 201


def test_layer_is_lost_with_its_only_encoding(ask: Served, store: Store) -> None:
    layer = images.layer("big", DATA * 20)
    store.import_archive(io.BytesIO(images.image(layer, tags=("app:1",)).bytes()))
    diff = Digest.of(layer)
    (encoded,) = store.sources((diff,))[diff].encodings
    store.blobs.path(encoded.digest).unlink()
    assert ask("POST", f"/v2/other/blobs/uploads/?mount={diff}").status == 202
    assert ask("HEAD", f"/v2/app/blobs/{diff}").status == 404
    assert push(ask, layer, "app") == 201
    assert ask("GET", f"/v2/app/blobs/{diff}").body == layer
    assert ask("POST", f"/v2/other/blobs/uploads/?mount={diff}").status == 201


def test_blob_is_served_from_another_encoding_when_its_file_is_lost(
    ask: Served, store: Store
) -> None:
    encoded = gzip.compress(DATA, mtime=0)
    assert (push(ask, DATA), push(ask, encoded)) == (201, 201)
    Registry(store).note_encodings({Digest.of(encoded): DiffID(DIGEST)}, "gzip")
    remove_file(store)
    for _ in range(2):
        assert ask("GET", f"/v2/one/blobs/{DIGEST}").body == DATA
    assert ask("POST", f"/v2/two/blobs/uploads/?mount={DIGEST}").status == 201
    assert list(store.fsck()) == []


@pytest.mark.parametrize("target", ["1", str(Digest.of(IMAGE))], ids=["tag", "digest"])
def test_damaged_manifest_is_unknown_until_it_is_pushed_again(
    target: str, ask: Served, store: Store
) -> None:
    assert (push(ask, DATA), push(ask, CONFIG_DATA)) == (201, 201)
    assert ask("PUT", "/v2/one/manifests/1", IMAGE, Content_Type=MANIFEST).status == 201
    store.report_damage(DamagedContent("found by fsck", digest=Digest.of(IMAGE)))
    assert ask("HEAD", f"/v2/one/manifests/{target}").status == 404
    answer = ask("GET", f"/v2/one/manifests/{target}")
    assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")
    assert "damaged" in answer.json["errors"][0]["message"]
    assert ask("PUT", "/v2/one/manifests/1", IMAGE, Content_Type=MANIFEST).status == 201
    assert ask("GET", f"/v2/one/manifests/{target}").body == IMAGE


def test_config_with_damaged_inline_bytes_is_served_from_its_new_push(
    ask: Served, store: Store
) -> None:
    assert (push(ask, DATA), push(ask, CONFIG_DATA)) == (201, 201)
    assert ask("PUT", "/v2/one/manifests/1", IMAGE, Content_Type=MANIFEST).status == 201
    config = Digest.of(CONFIG_DATA)
    with store.write("test") as connection:
        connection.execute(
            document.update().where(document.c.bytes == CONFIG_DATA).values(bytes=b"flipped")
        )
    store.report_damage(DamagedContent("found by fsck", digest=config))
    assert ask("HEAD", f"/v2/one/blobs/{config}").status == 404
    assert push(ask, CONFIG_DATA) == 201
    assert ask("GET", f"/v2/one/blobs/{config}").body == CONFIG_DATA
    assert ask("PUT", "/v2/one/manifests/1", IMAGE, Content_Type=MANIFEST).status == 201
    assert list(store.fsck()) == []


def test_read_only_store_reports_a_missing_blob_too(
    ask: Served, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert push(ask, DATA) == 201
    remove_file(store)
    monkeypatch.setattr(type(store), "read_only", property(lambda _: True))
    for method in ("HEAD", "GET"):
        assert ask(method, f"/v2/one/blobs/{DIGEST}").status == 404
    assert store.sources((DIGEST,))[DIGEST].state is ContentState.PRESENT


def test_full_store_can_be_read(ask: Served, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    other = os.urandom(100)
    assert push(ask, DATA) == push(ask, other) == push(ask, CONFIG_DATA) == 201
    assert ask("PUT", "/v2/one/manifests/latest", IMAGE, Content_Type=MANIFEST).status == 201
    with store.write("test") as connection:
        # As for imported blobs, whose grace period a request starts.
        connection.execute(update(repository_content).values(fresh_at=None))
    remove_file(store)
    monkeypatch.setattr(store, "write", full)
    assert ask("HEAD", f"/v2/one/blobs/{Digest.of(other)}").status == 200
    assert ask("GET", f"/v2/one/blobs/{DIGEST}").status == 404
    assert ask("HEAD", f"/v2/one/blobs/{DIGEST}").status == 404
    assert ask("POST", "/v2/one/blobs/uploads/").status == 507


def full(*_arguments: object) -> NoReturn:
    raise StorageFull("store.db: No space left on device")
