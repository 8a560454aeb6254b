"""The typed view of an image's config."""

from __future__ import annotations

import pytest

from store.errors import InvalidDocument, TooLarge
from store.formats.golang.times import ZERO_TIME, GoTime
from store.formats.image.config import HistoryDigests, ImageConfig
from store.model.digests import ImageID
from store.model.limits import Limits
from tests.support import docker_vectors
from tests.support.docker_vectors import DIFF_A, DIFF_B

ROOTFS = f'"rootfs":{{"type":"layers","diff_ids":["{DIFF_A}","{DIFF_B}"]}}'


def config(members: str = "", rootfs: str = ROOTFS) -> ImageConfig:
    return ImageConfig.parse(f"{{{members}{',' if members else ''}{rootfs}}}".encode())


def is_valid_parent(parent: ImageConfig, child: ImageConfig) -> bool:
    return HistoryDigests.of(parent).may_precede(HistoryDigests.of(child))


def with_history(*entries: str) -> ImageConfig:
    return config(f'"history":[{",".join(entries)}]')


def test_the_exact_bytes_are_kept_and_give_the_image_id() -> None:
    data = b'{ "rootfs" : {} }\n'
    parsed = ImageConfig.parse(data)
    assert parsed.data == data
    assert parsed.image_id == ImageID.of(data)


def test_every_member_that_docker_reads_is_read() -> None:
    parsed = config(
        '"architecture":"arm","variant":"v7","os":"linux","os.version":"10","os.features":["a"],"created":"2020-01-01T00:00:00Z","author":"me","comment":"hi",'
        '"docker_version":"20.10","container":"c0ffee","container_config":{"User":"u"},"config":{"Labels":{"a":"b"}},'
        '"history":[{"created":"2020-01-01T00:00:00Z","created_by":"x","comment":"c","author":"a","empty_layer":true},{}]'
    )
    assert [str(diff) for diff in parsed.diff_ids] == [DIFF_A, DIFF_B]
    assert (
        parsed.architecture,
        parsed.variant,
        parsed.os,
        parsed.os_version,
        parsed.os_features,
    ) == ("arm", "v7", "linux", "10", ("a",))
    assert (parsed.v1.author, parsed.v1.comment, parsed.v1.docker_version, parsed.v1.container) == (
        "me",
        "hi",
        "20.10",
        "c0ffee",
    )
    assert parsed.created == GoTime(2020)
    assert parsed.v1.container_config.user == "u"
    assert parsed.v1.config is not None
    assert parsed.labels == {"a": "b"}
    assert [
        (entry.created, entry.author, entry.created_by, entry.comment, entry.empty_layer)
        for entry in parsed.history
    ] == [
        (GoTime(2020), "a", "x", "c", True),
        (ZERO_TIME, "", "", "", False),
    ]


def test_absent_members_are_empty() -> None:
    parsed = ImageConfig.parse(b'{"rootfs":{}}')
    assert (parsed.diff_ids, parsed.history, parsed.os_features) == ((), (), ())
    assert parsed.created == ZERO_TIME
    assert parsed.v1.config is None
    assert parsed.labels == {}
    assert config('"config":{}').labels == {}


def test_id_and_parent_of_the_config_do_not_reach_the_v1_image() -> None:
    parsed = config('"id":"x","parent":"y"')
    assert (parsed.v1.id, parsed.v1.parent) == ("", "")


def test_two_configs_are_equal_when_their_bytes_are() -> None:
    assert config('"os":"linux"') == config('"os":"linux"')
    assert config('"os":"linux"') != config('"os": "linux"')
    assert len({config(), config(), config('"os":"x"')}) == 2


def test_any_rootfs_type_is_accepted() -> None:
    assert config(rootfs='"rootfs":{"type":"layers+base"}').diff_ids == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{}", "invalid image JSON, no RootFS key$"),
        (b"null", "invalid image JSON, no RootFS key$"),
        (b'{"rootfs":null}', "invalid image JSON, no RootFS key$"),
        (b'{"rootfs":{},"ROOTFS":null}', "invalid image JSON, no RootFS key$"),
        (b'{"rootfs":[]}', "rootfs: expected object, found array, at byte 10"),
        (
            b'{"rootfs":{"diff_ids":"x"}}',
            'rootfs.diff_ids: expected list of strings, found string "x"',
        ),
        (b'{"rootfs":{"diff_ids":[1]}}', r"rootfs.diff_ids\[0\]: expected string, found number 1"),
        (
            b'{"rootfs":{"diff_ids":["sha256:00"]}}',
            r"rootfs.diff_ids\[0\]: invalid digest 'sha256:00'",
        ),
        (b'{"rootfs":{"diff_ids":[null]}}', r"rootfs.diff_ids\[0\]: invalid digest"),
        (
            b'{"rootfs":{},"history":[{}]}',
            "too many non-empty layers in History section: 1, but rootfs has 0 layer",
        ),
        (b'{"rootfs":{},"history":{}}', "history: expected list"),
        (
            b'{"rootfs":{},"history":[{"created":"x"}]}',
            r'history\[0\].created: expected time, found string "x"',
        ),
        (b'{"rootfs":{},"parent":5}', "parent: expected string, found number 5"),
        (b'{"rootfs":{},"os.features":"x"}', "os.features: expected list of strings"),
        (b'{"rootfs":{}}x', "at byte 13"),
        (b"", "at byte 0"),
    ],
)
def test_configs_that_docker_refuses_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(InvalidDocument, match=message) as caught:
        ImageConfig.parse(data, document="config abc.json")
    assert caught.value.document == "config abc.json"


def test_a_config_over_the_ceiling_is_refused() -> None:
    with pytest.raises(TooLarge):
        ImageConfig.parse(b'{"rootfs":{}}', Limits(json_bytes=12))


def test_the_history_may_have_fewer_layers_than_rootfs() -> None:
    assert len(with_history("{}").history) == 1
    assert len(with_history("{}", "{}", '{"empty_layer":true}').history) == 3


def test_diff_ids_may_be_sha512() -> None:
    diff = "sha512:" + "0" * 128
    assert str(config(rootfs=f'"rootfs":{{"diff_ids":["{diff}"]}}').diff_ids[0]) == diff


def test_repeated_members_are_merged_as_go_merges_them() -> None:
    parsed = config(
        f'"rootfs":{{"diff_ids":["{DIFF_B}","{DIFF_B}","{DIFF_B}"]}},"history":[{{"comment":"old"}}]',
        f'"history":[{{"author":"new"}}],{ROOTFS}',
    )
    assert [str(diff) for diff in parsed.diff_ids] == [DIFF_A, DIFF_B]
    assert [(entry.author, entry.comment) for entry in parsed.history] == [("new", "old")]


def test_images_without_history_may_be_parent_and_child() -> None:
    assert is_valid_parent(config(), config('"os":"x"'))
    assert is_valid_parent(config('"history":[]'), config('"history":null'))


STEP = '{"created":"2020-01-01T00:00:00Z","comment":"a"}'


@pytest.mark.parametrize(
    ("parent", "child", "valid"),
    [
        ([], ["{}"], True),
        (["{}"], [], False),
        ([STEP], [STEP], False),
        ([STEP], [STEP, "{}"], True),
        ([STEP], ["{}", STEP], False),
        ([STEP], [STEP, "{}", '{"empty_layer":true}'], False),
        ([STEP], [STEP.replace("Z", ".000Z"), "{}"], True),
        ([STEP], [STEP.replace("Z", "+00:00"), "{}"], False),
        ([STEP.replace("Z", "-00:00")], [STEP.replace("Z", "+00:00"), "{}"], True),
        ([STEP], [STEP.replace("comment", "Comment"), "{}"], True),
        ([STEP], [STEP.replace('"a"', '"b"'), "{}"], False),
        (["{}"], ['{"empty_layer":true}', "{}"], False),
    ],
)
def test_a_child_has_the_history_of_its_parent_and_one_step_more(
    parent: list[str], child: list[str], *, valid: bool
) -> None:
    assert is_valid_parent(with_history(*parent), with_history(*child)) is valid


def test_the_migrated_vectors_are_parent_and_child() -> None:
    assert is_valid_parent(
        ImageConfig.parse(docker_vectors.V5_CONFIG), ImageConfig.parse(docker_vectors.V6_CONFIG)
    )
