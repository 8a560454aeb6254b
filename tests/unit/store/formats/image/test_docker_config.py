"""Tests for store.v1image, and through it for store.gostruct and store.goshape."""

from __future__ import annotations

import pytest

from store.errors import InvalidDocument
from store.formats.golang.json import parse
from store.formats.golang.structs import unmarshal
from store.formats.image.docker_config import CONFIG, V1_IMAGE, Config, Healthcheck, V1Image
from store.model.limits import DEFAULT_LIMITS
from tests.support.docker_vectors import EMPTY_CONFIG


def config(text: str) -> Config:
    return unmarshal(
        CONFIG, parse(text.encode(), DEFAULT_LIMITS, document="config"), document="config"
    )


def image(text: str | bytes) -> V1Image:
    data = text.encode() if isinstance(text, str) else text
    return unmarshal(
        V1_IMAGE, parse(data, DEFAULT_LIMITS, document="v1 image"), document="v1 image"
    )


def rewritten(text: str) -> str:
    """What Docker writes of a config, without the members that are always there and empty."""
    written = CONFIG.write(config(text)).decode()
    for item in EMPTY_CONFIG[1:-1].split(","):
        written = written.replace(item + ",", "").replace("," + item, "").replace(item, "")
    return written


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "null",
        '{"unknown":{"deep":[1]}}',
        '{"Env":null,"Cmd":null,"Healthcheck":null,"Tty":null,"User":null,"StopTimeout":null}',
    ],
)
def test_an_empty_config_is_written_out_in_full(text: str) -> None:
    assert CONFIG.write(config(text)).decode() == EMPTY_CONFIG


def test_every_member_is_written_in_the_order_of_the_struct() -> None:
    text = (
        '{"Hostname":"h","Domainname":"d","User":"u","AttachStdin":true,"AttachStdout":true,"AttachStderr":true,"ExposedPorts":{"1/tcp":{}},"Tty":true,'
        '"OpenStdin":true,"StdinOnce":true,"Env":["e"],"Cmd":["c"],"Healthcheck":{"Test":["t"],"Interval":1,"Timeout":2,"StartPeriod":3,"Retries":4},'
        '"ArgsEscaped":true,"Image":"i","Volumes":{"/v":{}},"WorkingDir":"w","Entrypoint":["p"],"NetworkDisabled":true,"MacAddress":"m","OnBuild":["o"],'
        '"Labels":{"l":"L"},"StopSignal":"s","StopTimeout":5,"Shell":["b"]}'
    )
    assert CONFIG.write(config(text)).decode() == text


def test_a_v1_image_is_written_in_the_order_of_the_struct() -> None:
    text = (
        '{"id":"i","parent":"p","comment":"c","created":"2020-01-01T00:00:00Z","container":"k","container_config":@,"docker_version":"d","author":"a",'
        '"config":@,"architecture":"r","variant":"v","os":"o","Size":1}'
    ).replace("@", EMPTY_CONFIG)
    assert V1_IMAGE.write(image(text)).decode() == text
    assert (
        V1_IMAGE.write(image("{}")).decode()
        == f'{{"created":"0001-01-01T00:00:00Z","container_config":{EMPTY_CONFIG}}}'
    )


def test_an_empty_config_object_is_not_an_absent_one() -> None:
    assert image('{"config":null}').config is None
    assert image('{"config":{}}').config == Config()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('{"Env":[]}', '{"Env":[]}'),
        ('{"Volumes":{},"Labels":{}}', '{"Volumes":{},"Labels":{}}'),
        (
            '{"ExposedPorts":{},"Shell":[],"StopSignal":"","MacAddress":"","NetworkDisabled":false}',
            "{}",
        ),
        ('{"Healthcheck":{}}', '{"Healthcheck":{}}'),
        ('{"Healthcheck":{"Test":[],"Interval":0}}', '{"Healthcheck":{}}'),
        ('{"StopTimeout":0}', '{"StopTimeout":0}'),
        ('{"StopTimeout":-0}', '{"StopTimeout":0}'),
        (
            '{"ExposedPorts":{"9/tcp":null,"10/tcp":{"x":[1]}}}',
            '{"ExposedPorts":{"10/tcp":{},"9/tcp":{}}}',
        ),
        (
            '{"Labels":{"b":"<","a":null,"\u00e9":"","\U0001f600":"","\uffff":""}}',
            '{"Labels":{"a":"","b":"\\u003c","\u00e9":"","\uffff":"","\U0001f600":""}}',
        ),
        (
            '{"Cmd":"x","Entrypoint":"y z","Shell":""}',
            '{"Cmd":["x"],"Entrypoint":["y z"],"Shell":[""]}',
        ),
        ('{"Cmd":[]}', '{"Cmd":[]}'),
        ('{"Env":["a",null,"b"],"Cmd":[null]}', '{"Env":["a","","b"],"Cmd":[""]}'),
    ],
)
def test_null_and_empty_are_told_apart_as_go_tells_them(text: str, written: str) -> None:
    assert rewritten(text) == written


@pytest.mark.parametrize(
    ("text", "author"),
    [
        ('{"author":"a","AUTHOR":"b"}', "b"),
        ('{"AUTHOR":"a","author":"b"}', "b"),
        ('{"author":"a","author":null}', "a"),
        ('{"aut\\u0068or":"a"}', "a"),
        ('{"auth\u00f6r":"a"}', ""),
        ('{"author ":"a"}', ""),
    ],
)
def test_members_are_applied_in_order_whatever_the_case_of_their_keys(
    text: str, author: str
) -> None:
    assert image(text).author == author


def test_long_s_and_kelvin_sign_match_as_go_folds_them() -> None:
    assert image('{"o\u017f":"linux"}').os == "linux"
    assert image(b'{"docker_ver\xc5\xbfion":"1"}').docker_version == "1"
    assert image('{"doc\u212aer_version":"1"}').docker_version == "1"
    assert config('{"\u017fhell":["x"]}').shell == ("x",)
    assert image('{"\u0130d":"x"}').id == ""


def test_repeated_structs_are_merged_member_by_member() -> None:
    merged = image(
        '{"config":{"User":"u","Env":["a","b"]},"CONFIG":{"Hostname":"h","Env":["c"]},"config":{}}'
    ).config
    assert merged == Config(user="u", hostname="h", env=("c",))
    assert image(
        '{"config":{"User":"u"},"config":null,"config":{"Hostname":"h"}}'
    ).config == Config(hostname="h")
    assert image(
        '{"container_config":{"User":"u"},"container_config":null}'
    ).container_config == Config(user="u")
    assert config(
        '{"Healthcheck":{"Retries":1},"Healthcheck":{"Interval":2}}'
    ).healthcheck == Healthcheck(retries=1, interval_ns=2)


def test_repeated_maps_are_merged_key_by_key() -> None:
    assert config('{"Labels":{"a":"1","b":"2"},"labels":{"b":"3","c":"4"}}').labels == {
        "a": "1",
        "b": "3",
        "c": "4",
    }
    assert config('{"Labels":{"a":"1"},"Labels":null,"Labels":{"c":"4"}}').labels == {"c": "4"}
    assert config('{"Labels":{"a":"1","a":null}}').labels == {"a": ""}
    assert config('{"Volumes":{"/a":{}},"Volumes":{"/b":{}}}').volumes == ("/a", "/b")
    assert config('{"Volumes":{"/a":{}},"Volumes":null}').volumes is None


def test_repeated_lists_are_replaced_but_null_elements_show_what_was_there() -> None:
    assert config('{"Env":["a","b","c"],"Env":["x"]}').env == ("x",)
    assert config('{"Env":["a","b"],"Env":[null,"y"]}').env == ("a", "y")
    assert config('{"Env":["a","b","c"],"Env":["x"],"Env":[null,null,null,null]}').env == (
        "x",
        "b",
        "c",
        "",
    )
    assert config('{"Env":["a"],"Env":[],"Env":[null]}').env == ("",)
    assert config('{"Env":["a"],"Env":null,"Env":[null]}').env == ("",)
    assert config('{"Cmd":["a"],"Cmd":[null]}').cmd == ("",)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("-0", 0),
        ("null", 0),
    ],
)
def test_integers_have_64_bits(text: str, value: int) -> None:
    assert image(f'{{"size":{text}}}').size_bytes == value


@pytest.mark.parametrize(
    "text",
    [
        "9223372036854775808",
        "-9223372036854775809",
        "1" * 5000,
        "42.0",
        "1e3",
        '"1"',
        "true",
        "[]",
        "{}",
    ],
)
def test_other_numbers_are_refused(text: str) -> None:
    with pytest.raises(
        InvalidDocument, match=r"^v1 image: Size: expected integer of 64 bits, found "
    ):
        image(f'{{"size":{text}}}')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"User":1}', "config: User: expected string, found number 1, at byte 8"),
        ('{"User":["x"]}', "User: expected string, found array"),
        ('{"Tty":"true"}', 'Tty: expected bool, found string "true"'),
        ('{"Tty":1}', "Tty: expected bool, found number 1"),
        ('{"Env":"x"}', "Env: expected list of strings, found string"),
        ('{"Env":{}}', "Env: expected list of strings, found object"),
        ('{"Env":["a",true]}', r"Env\[1\]: expected string, found bool true"),
        ('{"Cmd":5}', "Cmd: expected string or list of strings, found number 5"),
        ('{"Cmd":{}}', "Cmd: expected string or list of strings, found object"),
        ('{"Cmd":["a",5]}', "Cmd.*: expected string, found number 5"),
        ('{"Labels":[]}', "Labels: expected object of strings, found array"),
        ('{"Labels":{"k":1}}', "Labels.*: expected string, found number 1"),
        ('{"Volumes":[]}', "Volumes: expected object of objects, found array"),
        ('{"Volumes":{"/v":[]}}', "Volumes.*: expected object, found array"),
        ('{"ExposedPorts":{"80":"x"}}', "ExposedPorts.*: expected object, found string"),
        ('{"Healthcheck":"x"}', "Healthcheck: expected object, found string"),
        (
            '{"Healthcheck":{"Test":"x"}}',
            "Healthcheck.Test: expected list of strings, found string",
        ),
        ('{"StopTimeout":"5"}', 'StopTimeout: expected integer of 64 bits, found string "5"'),
        ("[]", "config: expected object, found array, at byte 0"),
        ("5", "config: expected object, found number 5"),
    ],
)
def test_wrong_types_are_refused_with_the_place_and_what_was_found(text: str, message: str) -> None:
    with pytest.raises(InvalidDocument, match=message):
        config(text)


@pytest.mark.parametrize(
    "text",
    ["5", "true", "[]", "{}", '""', '"bogus"', '"2020-01-01"', '"2020-01-01T00\\u003a00:00Z"'],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidDocument, match=r"^v1 image: created: expected time"):
        image(f'{{"created":{text}}}')


def test_a_long_value_is_cut_short_in_the_message_and_cannot_steer_a_terminal() -> None:
    with pytest.raises(InvalidDocument) as caught:
        image(b'{"size":"' + b"\xc2\x9b[31m" * 1000 + b'"}')
    assert len(caught.value.message) < 400
    assert "\x9b" not in caught.value.message
