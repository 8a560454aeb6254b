from __future__ import annotations

import json

from store.catalog.documents import put_documents
from store.model.digests import Digest
from store.model.references import Reference
from store.rescue import graph
from store.rescue.recorded import Recorded
from tests.support.catalog_rows import NOW, empty_catalog
from tests.support.images import A, config
from tests.support.layouts import CONFIG, INDEX, LAYER, MANIFEST, encode

APP = Reference.parse("app:1")


def about(data: bytes, media_type: str = MANIFEST) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of(data)), "size": len(data)}


CONFIG_BYTES = config(A)
IMAGE = encode(
    {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": about(CONFIG_BYTES, CONFIG),
        "layers": [about(A, LAYER)],
    }
)
INDEX_BYTES = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [about(IMAGE)]})
REFERRER = encode(
    {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": about(b"{}", "a/b"),
        "layers": [],
        "subject": about(INDEX_BYTES, INDEX),
    }
)
LOOSE = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})


def found(recorded: Recorded, *documents: bytes) -> graph.Graph:
    for data in documents:
        if data != CONFIG_BYTES:
            recorded.manifests[Digest.of(data)] = json.loads(data)["mediaType"]
    with empty_catalog() as connection:
        put_documents(connection, {Digest.of(data): data for data in documents})
        return graph.find(connection, recorded)


def test_everything_below_a_tag_stays_and_so_do_its_referrers() -> None:
    recorded = Recorded(has_log=True, tags={APP: (Digest.of(INDEX_BYTES), NOW)})
    graph_ = found(recorded, CONFIG_BYTES, IMAGE, INDEX_BYTES, REFERRER, LOOSE)
    assert list(graph_.alive) == [Digest.of(one) for one in (IMAGE, INDEX_BYTES, REFERRER)]
    assert (graph_.loose, graph_.missing) == ({}, {})


def test_what_no_name_reaches_stays_only_if_a_part_of_the_log_is_missing() -> None:
    assert found(Recorded(has_log=True), CONFIG_BYTES, IMAGE).alive == {}
    graph_ = found(Recorded(has_log=True, gaps=1), CONFIG_BYTES, IMAGE)
    assert list(graph_.alive) == list(graph_.loose) == [Digest.of(IMAGE)]


def test_a_lost_manifest_is_missing() -> None:
    recorded = Recorded(has_log=True, tags={APP: (Digest.of(INDEX_BYTES), NOW)})
    recorded.manifests[Digest.of(INDEX_BYTES)] = INDEX
    graph_ = found(recorded, CONFIG_BYTES, IMAGE)
    assert list(graph_.missing) == [Digest.of(INDEX_BYTES)]
    assert graph_.alive == {}


def described(documents: list[bytes], read_file: graph.ReadFile = graph.no_file) -> list[str]:
    recorded = Recorded(
        has_log=True,
        manifests={
            Digest.of(data): json.loads(data)["mediaType"]
            for data in documents
            if data != CONFIG_BYTES
        },
    )
    with empty_catalog() as connection:
        put_documents(connection, {Digest.of(data): data for data in documents})
        found = graph.described(connection, recorded, recorded.manifests, read_file)
        return [
            "lost" if one.is_config_lost else str(one.config and one.config.image_id)
            for some in found
            for one in some
        ]


def test_a_config_may_be_lost() -> None:
    assert described([IMAGE]) == ["lost"]
    assert described([REFERRER]) == ["None"]
    assert described([IMAGE, CONFIG_BYTES]) == [str(Digest.of(CONFIG_BYTES))]


def test_a_config_may_be_a_file() -> None:
    def read(digest: Digest, _max_bytes: int) -> bytes | None:
        return CONFIG_BYTES if digest == Digest.of(CONFIG_BYTES) else None

    assert described([IMAGE], read) == [str(Digest.of(CONFIG_BYTES))]


def test_each_manifest_is_described_once_however_many_there_are() -> None:
    many = [
        encode({**json.loads(IMAGE), "annotations": {"number": str(number)}})
        for number in range(450)
    ]
    found = described([*many, CONFIG_BYTES, LOOSE])
    assert sorted(found) == ["None", *[str(Digest.of(CONFIG_BYTES))] * 450]


def test_a_manifest_whose_config_is_lost_describes_no_image() -> None:
    recorded = Recorded(has_log=True, kept={Digest.of(IMAGE): NOW})
    graph_ = found(recorded, IMAGE)
    assert list(graph_.alive) == [Digest.of(IMAGE)]
