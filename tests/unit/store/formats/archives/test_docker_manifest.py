"""``manifest.json`` and ``repositories``, the tables of contents of a Docker archive."""

from __future__ import annotations

import json

import pytest

from store.errors import InvalidDocument, TooLarge
from store.formats.archives.docker_manifest import ArchiveImage, parse_manifest, parse_repositories
from store.model.limits import DEFAULT_LIMITS, Limits
from tests.support.docker_vectors import GOLDEN_NAMES, golden_files


@pytest.mark.parametrize("name", GOLDEN_NAMES)
def test_the_manifests_of_golden_archives_say_what_they_say(name: str) -> None:
    data = golden_files(name)["manifest.json"]
    assert [
        {
            "Config": image.config,
            "RepoTags": list(image.repo_tags),
            "Layers": list(image.layers),
            "Parent": image.parent,
        }
        for image in parse_manifest(data, DEFAULT_LIMITS)
    ] == [{"Parent": "", **item, "RepoTags": item["RepoTags"] or []} for item in json.loads(data)]


@pytest.mark.parametrize(
    "data", [b"null", b"[]", b"null\n", b" [ ] ", b"[]garbage", b"nullx", b"[][{}]"]
)
def test_an_archive_of_no_images_is_an_archive(data: bytes) -> None:
    assert parse_manifest(data, DEFAULT_LIMITS) == ()


def test_keys_match_without_regard_to_case_and_unknown_ones_are_skipped() -> None:
    text = '[{"config":"c","REPOTAGS":["a:1"],"Layer\u017f":["l"],"parent":"p","x":{"Config":1}}]'
    data = text.encode()
    assert parse_manifest(data, DEFAULT_LIMITS) == (ArchiveImage("c", ("a:1",), ("l",), "p", {}),)


def test_null_lists_are_empty() -> None:
    assert parse_manifest(
        b'[{"Config":"c","RepoTags":null,"Layers":null,"LayerSources":null}]', DEFAULT_LIMITS
    ) == (ArchiveImage("c", (), (), "", {}),)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"",
            "manifest.json: invalid JSON: expected a value, found the end of the text, at byte 0",
        ),
        (b"{}", "manifest.json: expected list of objects, found object, at byte 0"),
        (b'"x"', "expected list of objects, found string"),
        (b"[1]", r"\[0\]: expected object, found number 1, at byte 1"),
        (
            b'[{"Config":"c","Layers":"x"}]',
            r'\[0\].Layers: expected list of strings, found string "x"',
        ),
        (
            b'[{"Config":"c","Layers":["a",{}]}]',
            r"\[0\].Layers\[1\]: expected string, found object",
        ),
        (b'[{"Config":"c","LayerSources":[]}]', r"\[0\].LayerSources: expected object"),
        (
            b'[{"Config":"c","LayerSources":{"d":{"size":1.0}}}]',
            r"size: expected 64-bit integer, found number 1.0",
        ),
        (b"\xef\xbb\xbf[]", "at byte 0"),
        (b"[", "at byte 1"),
    ],
)
def test_a_manifest_that_docker_cannot_read_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InvalidDocument, match=message):
        parse_manifest(data, DEFAULT_LIMITS)


def test_documents_over_the_ceiling_are_refused() -> None:
    with pytest.raises(TooLarge):
        parse_manifest(b"[]  ", Limits(json_bytes=3))
    with pytest.raises(TooLarge):
        parse_repositories(b"{}  ", Limits(json_bytes=3))


@pytest.mark.parametrize(
    ("source", "written"),
    [
        (b"{}", b"{}"),
        (b"null", b"{}"),
        (b'{"size":0,"digest":"","urls":[],"annotations":{},"platform":null}', b"{}"),
        (b'{"platform":{}}', b'{"platform":{"architecture":"","os":""}}'),
        (
            (
                b'{"PLATFORM":{"variant":"v8","os.features":["b","a"],"os.version":"10","os":"windows","architecture":"arm64"},"annotations":{"b":"<","a":null},'
                b'"urls":["https://x/?a&b"],"digest":"sha256:0","size":-5,"mediaType":"m","more":1}'
            ),
            (
                b'{"mediaType":"m","size":-5,"digest":"sha256:0","urls":["https://x/?a\\u0026b"],"annotations":{"a":"","b":"\\u003c"},'
                b'"platform":{"architecture":"arm64","os":"windows","os.version":"10","os.features":["b","a"],"variant":"v8"}}'
            ),
        ),
    ],
)
def test_a_layer_source_is_written_as_docker_writes_it(source: bytes, written: bytes) -> None:
    (image,) = parse_manifest(
        b'[{"Config":"c","LayerSources":{"d":' + source + b"}}]", DEFAULT_LIMITS
    )
    assert {diff: item.encode() for diff, item in image.layer_sources.items()} == {"d": written}


def test_an_entry_of_layer_sources_that_is_repeated_is_replaced_but_the_map_is_merged() -> None:
    data = (
        b'[{"Config":"c","LayerSources":{"a":{"size":1},"a":{"digest":"d"}},'
        b'"layersources":{"b":{"size":2}}}]'
    )
    (image,) = parse_manifest(data, DEFAULT_LIMITS)
    assert {diff: item.encode() for diff, item in image.layer_sources.items()} == {
        "a": b'{"digest":"d"}',
        "b": b'{"size":2}',
    }


@pytest.mark.parametrize("name", [name for name in GOLDEN_NAMES if name != "untagged"])
def test_the_repositories_of_golden_archives_say_what_they_say(name: str) -> None:
    data = golden_files(name)["repositories"]
    assert {
        key: dict(tags) for key, tags in parse_repositories(data, DEFAULT_LIMITS).items()
    } == json.loads(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"null", {}),
        (b"{}", {}),
        (b'{"a":null}', {"a": {}}),
        (b'{"a":{"1":"x","1":"y"}} trailing', {"a": {"1": "y"}}),
        (b'{"a":{"1":"x"},"a":{"2":"y"}}', {"a": {"2": "y"}}),
    ],
)
def test_repositories_are_read_as_go_reads_maps(
    data: bytes, expected: dict[str, dict[str, str]]
) -> None:
    assert parse_repositories(data, DEFAULT_LIMITS) == expected


@pytest.mark.parametrize("data", [b"", b"[]", b'{"a":1}', b'{"a":{"b":1}}', b'{"a":["b"]}'])
def test_repositories_that_docker_cannot_read_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidDocument, match=r"^repositories: "):
        parse_repositories(data, DEFAULT_LIMITS)
