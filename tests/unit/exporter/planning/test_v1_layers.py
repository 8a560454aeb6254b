from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from exporter.planning.v1_layers import V1Layer, v1_layers, v1_layers_28
from store.errors import InvalidDocument
from store.formats.image.config import ImageConfig
from store.formats.image.docker_28_config import read_v1_image_28
from store.model.digests import ChainID
from tests.support import docker_vectors
from tests.support.docker_vectors import (
    EMPTY_CONFIG,
    GOLDEN_NAMES,
    GOLDEN_NAMES_28,
    golden_files,
    golden_files_28,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def layers_of(data: bytes) -> tuple[V1Layer, ...]:
    config = ImageConfig.parse(data)
    return v1_layers(config, ChainID.each(config.diff_ids))


def layers_of_28(data: bytes) -> tuple[V1Layer, ...]:
    return v1_layers_28(
        read_v1_image_28(data, document="config"), ChainID.each(ImageConfig.parse(data).diff_ids)
    )


def check(data: bytes, image_id: str, expected: Sequence[tuple[str, str]]) -> None:
    assert ImageConfig.parse(data).image_id.digest.hex == image_id
    assert [(layer.v1_id, layer.json.decode()) for layer in layers_of(data)] == list(expected)


def test_vector_v1_a_config_with_nothing_but_a_layer() -> None:
    v1_id = "b03a912a9104e17009f7a7a7762accfef64eaf8a3357a05d5a1bb901e5c37893"
    check(
        docker_vectors.V1,
        "016549d13d84745bca1720b03db43c247085358b870df9fd04ade1acf27373c2",
        [
            (
                v1_id,
                f'{{"id":"{v1_id}","created":"0001-01-01T00:00:00Z","container_config":{EMPTY_CONFIG}}}',
            )
        ],
    )


def test_vector_v2_only_the_top_layer_carries_the_creation_time() -> None:
    base, top = (
        "a309493ca6907b37c6e09c91b459c9ceedf51e26889c4000b14455d6d31dcc27",
        "ecfe87140141c9a13a36d844110c95859d5666977eb0c27a671cf154f1890924",
    )
    check(
        docker_vectors.V2,
        "f163e6c35342aab370c6a75550692c8a2dd3d36b47d35fe0ac63faa39fc44986",
        [
            (
                base,
                f'{{"id":"{base}","created":"1970-01-01T00:00:00Z","container_config":{EMPTY_CONFIG},"os":"linux"}}',
            ),
            (
                top,
                f'{{"id":"{top}","parent":"{base}","created":"0001-01-01T00:00:00Z","container_config":{EMPTY_CONFIG},"os":"linux"}}',
            ),
        ],
    )


def test_vector_v3_strings_and_keys_are_written_as_go_writes_them() -> None:
    v1_id = "91b645cd0f99b1d8e38e2c9e15da0fda099028a3da37e6dc51a3578d9eeac78a"
    check(
        docker_vectors.V3,
        "feb89a28de3038fefc5ef2ba19b4dfd304e799b3bba901698ea73064563e4b2b",
        [
            (
                v1_id,
                (
                    f'{{"id":"{v1_id}","created":"2020-02-29T12:34:56.12Z","container_config":{EMPTY_CONFIG}'
                    r',"config":{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,'
                    r'"ExposedPorts":{"10/tcp":{},"9/tcp":{}},"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":["P=/x"],'
                    r'"Cmd":["/a.txt","\u003c\u0026\u003e"],"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,'
                    r'"Labels":{"a":"hé\u003cb\u003e","z":"1"}},"architecture":"amd64","os":"linux"}'
                ),
            )
        ],
    )


def test_vector_v4_id_and_parent_of_the_config_are_ignored() -> None:
    layers = layers_of(docker_vectors.V4)
    assert (
        ImageConfig.parse(docker_vectors.V4).image_id.digest.hex
        == "1358859e6ac952c6e47acf4b6606082196575430e0a80f18ac5126538c15e99d"
    )
    assert [layer.v1_id for layer in layers] == [
        "a309493ca6907b37c6e09c91b459c9ceedf51e26889c4000b14455d6d31dcc27",
        "937dbecfd21ff4c080d3f8453d78ad65aaba44c4498d0658d8a6ad841db2e7ab",
        "f0a6ec90c8429747ff0c686416c02ee02f356aaadffca2469036957db8ee2de2",
        "fc9ae37952f799799c25c63ce6ad72d35beb4d193881b245f47e4471751a39e8",
    ]
    assert (
        layers[3].json.decode() == f'{{"id":"{layers[3].v1_id}","parent":"{layers[2].v1_id}",'
        f'"created":"2015-10-21T07:28:00+02:30","container_config":{EMPTY_CONFIG},'
        '"author":"you","os":"linux","Size":42}'
    )


@pytest.mark.parametrize("name", GOLDEN_NAMES)
def test_every_folder_of_a_golden_archive_is_reproduced(name: str) -> None:
    files = golden_files(name)
    documents = {}
    for image in json.loads(files["manifest.json"]):
        layers = layers_of(files[image["Config"]])
        assert [f"{layer.v1_id}/layer.tar" for layer in layers] == image["Layers"]
        documents.update({f"{layer.v1_id}/json": layer.json for layer in layers})
    assert documents == {path: data for path, data in files.items() if path.endswith("/json")}


def test_golden_archives_exist() -> None:
    assert len(GOLDEN_NAMES) == 8


def test_images_that_differ_only_in_ignored_members_share_their_top_folder() -> None:
    plain = layers_of(docker_vectors.V1)
    assert (
        layers_of(
            docker_vectors.V1.replace(
                b"{", b'{"history":[],"unknown":1,"os.version":"10","created":null,', 1
            )
        )
        == plain
    )
    assert (
        layers_of(docker_vectors.V1.replace(b"{", b'{"created":"0001-01-01T00:00:00Z",', 1))
        == plain
    )


def test_the_operating_system_is_stored_on_every_layer_but_hashed_only_on_the_top_one() -> None:
    linux, plan9 = (
        layers_of(docker_vectors.V2),
        layers_of(docker_vectors.V2.replace(b"linux", b"plan9")),
    )
    assert linux[0].v1_id == plan9[0].v1_id
    assert linux[0].json != plan9[0].json
    assert linux[1].v1_id != plan9[1].v1_id


def test_a_thousand_layers_are_chained_one_by_one() -> None:
    diffs = ",".join(f'"{docker_vectors.DIFF_E}"' for _ in range(1000))
    layers = layers_of(f'{{"rootfs":{{"diff_ids":[{diffs}]}}}}'.encode())
    assert len({layer.v1_id for layer in layers}) == 1000
    assert all(
        json.loads(layer.json).get("parent", "") == below
        for layer, below in zip(layers, ["", *(layer.v1_id for layer in layers)], strict=False)
    )


def test_an_image_without_layers_has_no_v1_layers() -> None:
    assert v1_layers(ImageConfig.parse(b'{"rootfs":{}}'), ()) == ()


def test_chain_ids_must_be_as_many_as_layers() -> None:
    with pytest.raises(ValueError, match="0 chain IDs for 1 layers"):
        v1_layers(ImageConfig.parse(docker_vectors.V1), ())


# --- as Docker 28 ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOLDEN_NAMES_28)
def test_the_v1_documents_of_docker_28_are_reproduced(name: str) -> None:
    files = golden_files_28(name)
    documents = set()
    for image in json.loads(files["manifest.json"]):
        documents |= {layer.json for layer in layers_of_28(files[image["Config"]])}
    blobs = {data for path, data in files.items() if path.startswith("blobs/")}
    found = {data for data in blobs if data.startswith(b'{"id":')}
    # Documents that differ in the operating system may have the same ID: the first image's document
    # is written.
    assert found <= documents
    assert {json.loads(data)["id"] for data in documents} == {
        json.loads(data)["id"] for data in found
    }


def test_docker_28_writes_null_for_an_absent_time() -> None:
    absent, zero = (
        layers_of_28(docker_vectors.V1),
        layers_of_28(docker_vectors.V1.replace(b"{", b'{"created":"0001-01-01T00:00:00Z",', 1)),
    )
    assert b'"created":null' in absent[0].json
    assert zero == layers_of(docker_vectors.V1)
    # For Docker 28 a later null clears the time, because the field is a pointer; Docker 20.10 keeps
    # the first value.
    again = docker_vectors.V1.replace(b"{", b'{"created":"2020-02-29T12:34:56Z","created":null,', 1)
    assert layers_of_28(again) == absent
    assert b'"created":"2020-02-29T12:34:56Z"' in layers_of(again)[0].json


def test_docker_28_has_a_start_interval_and_short_escapes() -> None:
    data = docker_vectors.V1.replace(
        b"{",
        b'{"author":"\\b\\f\\\\u0008","config":{"Healthcheck":{"Retries":1,"StartInterval":2,"StartPeriod":3}},',
        1,
    )
    (layer,) = layers_of_28(data)
    assert b'"Healthcheck":{"StartPeriod":3,"StartInterval":2,"Retries":1}' in layer.json
    assert b'"author":"\\b\\f\\\\u0008"' in layer.json
    (old,) = layers_of(data)
    assert b'"Healthcheck":{"StartPeriod":3,"Retries":1}' in old.json
    assert b'"author":"\\u0008\\u000c\\\\u0008"' in old.json


def test_a_start_interval_other_than_a_number_is_an_error_only_for_docker_28() -> None:
    data = docker_vectors.V1.replace(b"{", b'{"config":{"Healthcheck":{"StartInterval":"x"}},', 1)
    assert layers_of(data)
    with pytest.raises(InvalidDocument):
        layers_of_28(data)
