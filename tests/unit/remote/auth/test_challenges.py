from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.auth.challenges import Challenge, parse_challenges

HUB = (
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",'
    'scope="repository:library/debian:pull"'
)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            [HUB],
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:library/debian:pull",
                    },
                )
            ],
        ),
        (["Basic realm=basic-realm"], [("basic", {"realm": "basic-realm"})]),
        (["BASIC"], [("basic", {})]),
        (["Negotiate, Basic realm=x"], [("negotiate", {}), ("basic", {"realm": "x"})]),
        (
            ['Basic realm="a, b", Bearer realm = "https://x/t" , scope="a b"'],
            [("basic", {"realm": "a, b"}), ("bearer", {"realm": "https://x/t", "scope": "a b"})],
        ),
        (["Basic", "Bearer realm=x"], [("basic", {}), ("bearer", {"realm": "x"})]),
        ([r'Basic realm="a \"b\" \\c"'], [("basic", {"realm": r'a "b" \c'})]),
        (['Bearer realm="x",realm="https://evil.example"'], [("bearer", {"realm": "x"})]),
        (['Basic realm="open'], [("basic", {})]),
        (["", "  ,", "\x00"], []),
    ],
)
def test_challenges(values: list[str], expected: list[tuple[str, dict[str, str]]]) -> None:
    assert [(one.scheme, one.parameters) for one in parse_challenges(values)] == expected


@given(st.lists(st.text(alphabet='Bb a="\\,x;\t', max_size=60), max_size=3))
def test_every_text_is_read(values: list[str]) -> None:
    assert all(isinstance(one, Challenge) for one in parse_challenges(values))


@pytest.mark.parametrize("text", ['a="', "a ", ",", 'a=\\"', " =", "a="])
def test_long_values_are_read_in_linear_time(text: str) -> None:
    began = time.process_time()
    parse_challenges([text * 100_000])
    assert time.process_time() - began < 2
