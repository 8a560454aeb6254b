"""Properties that hold for every JSON text, every string and every time, in every spelling."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from hypothesis import example, given
from hypothesis import strategies as st

from exporter.planning.v1_layers import v1_layers
from store.errors import InvalidDocument
from store.formats.golang.json import Json, parse
from store.formats.golang.json_writing import compact, quote
from store.formats.golang.structs import unmarshal
from store.formats.golang.times import GoTime
from store.formats.image.config import ImageConfig
from store.formats.image.docker_config import CONFIG, V1_IMAGE
from store.formats.image.v1_migration import migrate
from store.model.digests import ChainID, DiffID
from store.model.limits import DEFAULT_LIMITS
from tests.support.docker_vectors import DIFF_A, DIFF_E

if TYPE_CHECKING:
    from random import Random

MARKS: Final = st.sampled_from(
    [
        '"',
        "\\",
        "<",
        ">",
        "&",
        "\u2028",
        "\u2029",
        "\x00",
        "\x1f",
        "\x7f",
        "\ufeff",
        "\ufffd",
        "\U0001f600",
        "\u017f",
        "/",
        "\n",
    ]
)
TEXT: Final = st.text(st.one_of(MARKS, st.characters(exclude_categories=["Cs"])), max_size=8)
VALUES: Final = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        TEXT,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(TEXT, inner, max_size=5)),
    max_leaves=20,
)
PIECES: Final = st.sampled_from(
    [
        *(bytes([byte]) for byte in b'{}[]:,"0123456789-+.eE tfn\\u\n\t'),
        b"true",
        b"null",
        b"false",
        b'"a"',
        b'"a":',
        b"1.5e-3",
        b"\xff",
        b"\x00",
        b"[]",
        b"{}",
        b"\\u12",
    ]
)
BYTES: Final = st.one_of(
    st.binary(max_size=12),
    st.lists(
        st.sampled_from(
            [b"\xe2\x82", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xf4\x90", b"\xc0", b"\x80", b"a"]
        )
    ).map(b"".join),
)


def parsed(data: bytes) -> Json:
    return parse(data, DEFAULT_LIMITS, document="it")


def as_python(value: Json) -> object:
    """Return the whole value as the scanner reads it, for comparison with Python's reading."""
    match value.kind:
        case "object":
            return {key: as_python(member) for key, member in value.members()}
        case "array":
            return [as_python(item) for item in value.items()]
        case "string":
            return value.text()
        case _:
            return json.loads(value.raw)


def refuse_constant(name: str) -> float:
    raise ValueError(name)


def python_reads(data: bytes) -> bool:
    try:
        json.loads(data.decode(errors="replace"), parse_constant=refuse_constant)
    except ValueError:
        return False
    return True


@given(VALUES, st.booleans(), st.sampled_from([None, 1, "\t", " \r\n"]))
def test_json_written_by_python_is_read_the_same(
    value: object,
    ascii_only: bool,
    indent: int | str | None,
) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert as_python(parsed(data)) == value
    assert json.loads(compact(data)) == value


@given(st.lists(PIECES, max_size=12).map(b"".join))
@example(b'{"a":1,}')
@example(b"[[],[]")
@example(b"-")
def test_the_reader_accepts_what_python_accepts(data: bytes) -> None:
    try:
        parsed(data)
    except InvalidDocument:
        accepted = False
    else:
        accepted = True
    assert accepted == python_reads(data)


@given(VALUES, st.data())
def test_one_changed_byte_is_accepted_or_refused_as_by_python(
    value: object, data: st.DataObject
) -> None:
    text = bytearray(json.dumps(value).encode())
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(
        st.sampled_from(b'{}[]:,"\\ 0-.eutn\x00')
    )
    try:
        parsed(bytes(text))
    except InvalidDocument:
        assert not python_reads(bytes(text))
    else:
        assert python_reads(bytes(text))


def go_runes(data: bytes) -> str:
    """Decode like Go's ``utf8.DecodeRune``, one rune after the other.

    Written from table 3-7 of the Unicode standard.
    """
    ranges: list[tuple[range, list[range]]] = [
        (range(0x80), []),
        (range(0xC2, 0xE0), [range(0x80, 0xC0)]),
        (range(0xE0, 0xE1), [range(0xA0, 0xC0), range(0x80, 0xC0)]),
        (range(0xE1, 0xED), [range(0x80, 0xC0)] * 2),
        (range(0xED, 0xEE), [range(0x80, 0xA0), range(0x80, 0xC0)]),
        (range(0xEE, 0xF0), [range(0x80, 0xC0)] * 2),
        (range(0xF0, 0xF1), [range(0x90, 0xC0), range(0x80, 0xC0), range(0x80, 0xC0)]),
        (range(0xF1, 0xF4), [range(0x80, 0xC0)] * 3),
        (range(0xF4, 0xF5), [range(0x80, 0x90), range(0x80, 0xC0), range(0x80, 0xC0)]),
    ]
    out, pos = [], 0
    while pos < len(data):
        tails = next((tails for first, tails in ranges if data[pos] in first), None)
        end = pos + 1 + len(tails or ())
        if (
            tails is not None
            and end <= len(data)
            and all(byte in tail for byte, tail in zip(data[pos + 1 : end], tails, strict=True))
        ):
            out.append(data[pos:end].decode())
            pos = end
        else:
            out.append("\ufffd")
            pos += 1
    return "".join(out)


@given(BYTES.filter(lambda data: not any(byte < 0x20 or byte in b'"\\' for byte in data)))
def test_bytes_that_are_not_utf8_are_read_as_go_reads_them(data: bytes) -> None:
    assert parsed(b'"' + data + b'"').text() == go_runes(data)


@given(TEXT)
def test_quoted_strings_are_read_back(text: str) -> None:
    quoted = quote(text)
    assert parsed(quoted).text() == text
    assert json.loads(quoted) == text
    assert not any(char in quoted.decode() for char in "<>&\u2028\u2029\n")


@given(VALUES)
def test_compacting_twice_changes_nothing_more(value: object) -> None:
    once = compact(json.dumps(value, indent=1, ensure_ascii=False).encode())
    assert compact(once) == once


TIMES: Final = st.builds(
    GoTime,
    year=st.integers(0, 9999),
    month=st.integers(1, 12),
    day=st.integers(1, 28),
    hour=st.integers(0, 23),
    minute=st.integers(0, 59),
    second=st.integers(0, 59),
    nanosecond=st.integers(0, 999_999_999),
    offset_s=st.one_of(st.none(), st.integers(-5999, 5999).map(lambda minutes: minutes * 60)),
)


@given(TIMES)
def test_a_time_that_is_written_reads_as_the_same_instant(time: GoTime) -> None:
    again = GoTime.parse(str(time).encode())
    assert (again.unix_seconds, again.nanosecond, str(again)) == (
        time.unix_seconds,
        time.nanosecond,
        str(time),
    )
    assert again == time or time.offset_s == 0


@given(TIMES)
def test_a_time_agrees_with_datetime_where_there_is_one(time: GoTime) -> None:
    moment = time.utc()
    if moment is not None:
        assert moment.replace(microsecond=0).timestamp() == time.unix_seconds
        assert moment.microsecond == time.nanosecond // 1000


def objects(members: dict[str, st.SearchStrategy[object]]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries(
        {}, optional={key: st.none() | strategy for key, strategy in members.items()}
    )


STRINGS: Final = st.lists(st.none() | TEXT, max_size=3)
INTEGERS: Final = st.integers(-(2**63), 2**63 - 1)
CONFIGS: Final = objects(
    {
        "User": TEXT,
        "Tty": st.booleans(),
        "ExposedPorts": st.dictionaries(TEXT, st.just({}), max_size=3),
        "Env": STRINGS,
        "Cmd": TEXT | STRINGS,
        "Healthcheck": objects({"Test": STRINGS, "Interval": INTEGERS, "Retries": INTEGERS}),
        "Volumes": st.dictionaries(TEXT, st.none() | st.just({}), max_size=3),
        "OnBuild": STRINGS,
        "Labels": st.dictionaries(TEXT, TEXT, max_size=3),
        "StopTimeout": INTEGERS,
        "Shell": TEXT | STRINGS,
    }
)
IMAGES: Final = objects(
    {
        "id": TEXT,
        "parent": TEXT,
        "comment": TEXT,
        "created": TIMES.filter(lambda time: abs(time.offset_s or 0) < 100 * 3600).map(str),
        "container_config": CONFIGS,
        "docker_version": st.sampled_from(["", "1.8.2", "1.8.3", "20.10.24"]),
        "author": TEXT,
        "config": CONFIGS,
        "os": TEXT,
        "Size": INTEGERS,
        "other": VALUES,
    }
)


@given(CONFIGS)
def test_a_config_that_is_written_reads_as_the_same_config(source: object) -> None:
    config = unmarshal(CONFIG, parsed(json.dumps(source).encode()), document="it")
    written = CONFIG.write(config)
    assert json.loads(written) is not None
    again = unmarshal(CONFIG, parsed(written), document="it")
    assert CONFIG.write(again) == written


@given(IMAGES, st.randoms(use_true_random=False))
def test_neither_spelling_nor_order_of_distinct_members_changes_v1_ids(
    source: dict[str, object], random: Random
) -> None:
    source["rootfs"] = {"diff_ids": [DIFF_A, DIFF_E]}
    shuffled = list(source.items())
    random.shuffle(shuffled)
    first = ImageConfig.parse(json.dumps(source).encode())
    second = ImageConfig.parse(json.dumps(dict(shuffled), ensure_ascii=False, indent=1).encode())
    assert v1_layers(first, ChainID.each(first.diff_ids)) == v1_layers(
        second, ChainID.each(second.diff_ids)
    )


@given(IMAGES)
def test_a_v1_json_of_ours_is_read_back_as_the_image_it_was_made_of(
    source: dict[str, object],
) -> None:
    config = ImageConfig.parse(json.dumps({**source, "rootfs": {"diff_ids": [DIFF_A]}}).encode())
    (layer,) = v1_layers(config, ChainID.each(config.diff_ids))
    again = unmarshal(V1_IMAGE, parsed(layer.json), document="it")
    assert again.id == layer.v1_id
    assert V1_IMAGE.write(again) == layer.json


@given(IMAGES)
def test_a_migrated_image_keeps_what_docker_knows_of_it(source: dict[str, object]) -> None:
    layers = (DiffID.parse(DIFF_A),)
    config = migrate(json.dumps(source).encode(), None, layers, DEFAULT_LIMITS)
    before = unmarshal(V1_IMAGE, parsed(json.dumps(source).encode()), document="it")
    after = ImageConfig.parse(config)
    assert after.diff_ids == layers
    assert len(after.history) == 1
    assert (after.os, after.v1.author, after.v1.comment, V1_IMAGE.write(after.v1)) == (
        before.os,
        before.author,
        before.comment,
        V1_IMAGE.write(replace(before, id="", parent="", size_bytes=0)),
    )
