"""Configs that are made for images of Docker before 1.10."""

from __future__ import annotations

import json

import pytest

from store.errors import InvalidDocument, TooLarge
from store.formats.image.config import ImageConfig
from store.formats.image.v1_migration import migrate, v1_parent
from store.model.digests import DiffID
from store.model.limits import DEFAULT_LIMITS, Limits
from tests.support import docker_vectors

A = DiffID.parse(docker_vectors.DIFF_A)
B = DiffID.parse(docker_vectors.DIFF_B)
RAW = b'"docker_version":"1.8.3",'


def test_vector_v5_an_image_from_before_1_8_3_is_written_member_by_member() -> None:
    config = migrate(docker_vectors.V5_JSON, None, (A,), DEFAULT_LIMITS)
    assert config == docker_vectors.V5_CONFIG
    assert str(ImageConfig.parse(config).image_id) == docker_vectors.V5_IMAGE_ID


def test_vector_v6_a_newer_image_keeps_the_text_of_its_members() -> None:
    parent = ImageConfig.parse(migrate(docker_vectors.V5_JSON, None, (A,), DEFAULT_LIMITS))
    config = migrate(docker_vectors.V6_JSON, parent, (A, B), DEFAULT_LIMITS)
    assert config == docker_vectors.V6_CONFIG
    assert str(ImageConfig.parse(config).image_id) == docker_vectors.V6_IMAGE_ID


@pytest.mark.parametrize(
    ("version", "raw"),
    [
        ("1.8.2", False),
        ("1.8", False),
        ("1.8.3-rc1", False),
        ("", False),
        ("1.8.3.-1", False),
        ("-2", False),
        ("1_9", False),
        (" 1.9", False),
        ("1.9 ", False),
        ("\u0662.0", False),
        ("1.-99999999999999999999", False),
        ("1.8.3", True),
        ("1.8.3.0", True),
        ("1.8.3-rc1.1", False),
        ("1.9", True),
        ("+1.+9", True),
        ("01.08.003", True),
        ("2", True),
        ("20.10.24+dfsg1", True),
        ("99999999999999999999", True),
        ("1.8.99999999999999999999", True),
        ("1.8.99999999999999999999-rc1", True),
        ("1.8.18446744073709551616x", True),
        ("1.8.18446744073709551615x", False),
        ("1.8.-99999999999999999999x", False),
        ("1.8.0000000000000000000000002", False),
        ("1.8." + "9" * 5000, True),
    ],
)
def test_the_version_decides_whether_unknown_members_survive(version: str, raw: bool) -> None:
    source = json.dumps({"docker_version": version, "unknown": 1}).encode()
    assert (b'"unknown":1' in migrate(source, None, (A,), DEFAULT_LIMITS)) is raw


def test_only_the_exact_spelling_of_a_dropped_member_is_dropped() -> None:
    source = (
        b"{"
        + RAW
        + b'"id":"1","ID":"2","parent":"3","PARENT":"4","Size":5,"size":6,'
        + b'"parent_id":7,"layer_id":8,"throwaway":9,"Throwaway":10}'
    )
    members = json.loads(migrate(source, None, (A,), DEFAULT_LIMITS))
    assert set(members) == {
        "ID",
        "PARENT",
        "size",
        "Throwaway",
        "docker_version",
        "rootfs",
        "history",
    }


def test_rootfs_and_history_of_the_v1_image_are_replaced() -> None:
    source = b"{" + RAW + b'"rootfs":{"type":"x","diff_ids":["y"]},"history":[{"comment":"old"}]}'
    members = json.loads(migrate(source, None, (A,), DEFAULT_LIMITS))
    assert members["rootfs"] == {"type": "layers", "diff_ids": [str(A)]}
    assert members["history"] == [{"created": "0001-01-01T00:00:00Z"}]


def test_keys_that_resolve_to_one_name_are_one_member_and_the_last_wins() -> None:
    source = b"{" + RAW + b'"\\u0062":1,"b":2,"c":3,"\\u0063":4}'
    assert migrate(source, None, (A,), DEFAULT_LIMITS).startswith(b'{"b":2,"c":4,')


def test_null_is_an_image_without_any_member() -> None:
    assert (
        json.loads(migrate(b"null", None, (A,), DEFAULT_LIMITS))["created"]
        == "0001-01-01T00:00:00Z"
    )


def test_commands_are_joined_with_single_spaces() -> None:
    source = b'{"container_config":{"Cmd":["a b","","c"]}}'
    assert (
        json.loads(migrate(source, None, (A,), DEFAULT_LIMITS))["history"][0]["created_by"]
        == "a b  c"
    )


def test_the_history_of_the_parent_comes_first_and_is_formatted_as_go_does() -> None:
    parent = ImageConfig.parse(
        f'{{"rootfs":{{"diff_ids":["{A}"]}},"history":[{{"comment":"base","created":"2020-01-01T00:00:00.10Z","empty_layer":false}}]}}'.encode()
    )
    config = migrate(b'{"comment":"top"}', parent, (A, B), DEFAULT_LIMITS)
    assert (
        b'"history":[{"created":"2020-01-01T00:00:00.1Z","comment":"base"},{"created":"0001-01-01T00:00:00Z","comment":"top"}]'
        in config
    )


def test_a_member_that_docker_would_read_over_the_layers_is_refused() -> None:
    # A long s folds to `s` and sorts after it, so this member is read after the member that the
    # migration adds.
    source = ("{" + RAW.decode() + f'"rootf\u017f":{{"diff_ids":["{B}"]}}}}').encode()
    with pytest.raises(InvalidDocument, match="would replace the layers"):
        migrate(source, None, (A,), DEFAULT_LIMITS)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"{", "invalid JSON: .* at byte 1"),
        (b"{}x", "invalid JSON: expected the end of the text, found 'x', at byte 2"),
        (b"[]", "expected object, found array"),
        (b'{"author":1}', "author: expected string, found number 1"),
        (b'{"created":"yesterday"}', "created: expected time"),
        (b'{"created":"2020-01-01T00:00:00+99:99"}', "created: expected time"),
        (b"{" + RAW + b'"rootf\xc5\xbf":null}', "no RootFS key"),
    ],
)
def test_v1_images_that_docker_refuses_are_refused(source: bytes, message: str) -> None:
    with pytest.raises(InvalidDocument, match=message):
        migrate(source, None, (A,), DEFAULT_LIMITS)


def test_a_text_over_the_ceiling_is_refused() -> None:
    with pytest.raises(TooLarge):
        migrate(b"{}" + b" " * 100, None, (A,), Limits(json_bytes=100))


@pytest.mark.parametrize(
    ("source", "parent"),
    [
        (b"{}", ""),
        (b'{"parent":null}', ""),
        (b'{"parent":"x"}', "x"),
        (b'{"PARENT":"x"}', "x"),
        (b'{"parent":"x","Parent":"y"}', "y"),
        (b"null", ""),
    ],
)
def test_the_parent_is_found_however_its_key_is_spelt(source: bytes, parent: str) -> None:
    assert v1_parent(source, DEFAULT_LIMITS) == parent


@pytest.mark.parametrize("source", [b'{"parent":1}', b'{"os":1}', b"", b"[]"])
def test_a_v1_image_whose_links_docker_cannot_read_is_refused(source: bytes) -> None:
    with pytest.raises(InvalidDocument):
        v1_parent(source, DEFAULT_LIMITS)
