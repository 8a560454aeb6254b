"""Image configs as Docker Engine 20.10 reads and writes them."""

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
    """Return a config as Docker writes it, but without the empty members that Docker adds."""
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
def test_null_and_empty_members_are_written_as_docker_writes_them(text: str, written: str) -> None:
    assert rewritten(text) == written


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
        ('{"StopTimeout":"5"}', 'StopTimeout: expected 64-bit integer, found string "5"'),
        ("[]", "config: expected object, found array, at byte 0"),
        ("5", "config: expected object, found number 5"),
    ],
)
def test_wrong_types_are_refused_with_the_path_and_the_value(text: str, message: str) -> None:
    with pytest.raises(InvalidDocument, match=message):
        config(text)
