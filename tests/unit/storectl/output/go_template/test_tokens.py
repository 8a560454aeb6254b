"""Texts, actions and tokens."""

# ruff: noqa: E501 - an action stands on one line with its tokens

from __future__ import annotations

import pytest

from storectl.output.go_template.syntax import MAX_TEMPLATE_CHARACTERS, TemplateError
from storectl.output.go_template.tokens import parts


def cut(template: str) -> list[str | list[tuple[str, str]]]:
    return [
        part.text
        if part.tokens is None
        else [(token.kind, token.text) for token in part.tokens if token.kind != "space"]
        for part in parts(template)
    ]


def test_texts_and_actions_alternate() -> None:
    assert cut("a{{.B}}c}}") == ["a", [("field", ".B"), ("end", "}}")], "c}}"]
    assert cut("") == []


@pytest.mark.parametrize(
    ("action", "tokens"),
    [
        ("$ $x .", [("variable", "$"), ("variable", "$x"), ("symbol", ".")]),
        ("$x := 1", [("variable", "$x"), ("symbol", ":="), ("number", "1")]),
        ("(a|b),=", [("symbol", "("), ("name", "a"), ("symbol", "|"), ("name", "b"), ("symbol", ")"), ("symbol", ","), ("symbol", "=")]),
        (r'"a\n\"}}" `\n` "\u00e9\x41\101"', [("string", 'a\n"}}'), ("string", r"\n"), ("string", "éAA")]),
        ("-3 +4 .5 1e+5 0x1F", [("number", "-3"), ("number", "+4"), ("number", ".5"), ("number", "1e+5"), ("number", "0x1F")]),
        ("'a'", [("char", "a")]),
    ],
)  # fmt: skip
def test_tokens(action: str, tokens: list[tuple[str, str]]) -> None:
    assert cut(f"{{{{{action}}}}}") == [[*tokens, ("end", "}}")]]


def test_spaces_are_trimmed() -> None:
    assert cut("a \n {{- .B -}}\t c") == ["a", [("field", ".B"), ("end", "}}")], "c"]
    assert cut("a {{-3}}") == ["a ", [("number", "-3"), ("end", "}}")]]


def test_comments_are_left_out() -> None:
    assert cut("a {{/* b }} */}} c {{- /* d */ -}} e") == ["a ", " c", "e"]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{.Id", "is not closed"),
        ("{{/* x }}", "the comment is not closed"),
        ('{{"x}}', 'the quote " is not closed'),
        ("{{ # }}", "unexpected character '#'"),
        (r'{{"\q"}}', "unknown escape"),
        (r'{{"\uD"}}', "incomplete escape"),
        (r'{{"\UFFFFFFFF"}}', "unknown escape"),
        ("x" * (MAX_TEMPLATE_CHARACTERS + 1), "the limit is 65,536"),
    ],
)
def test_what_cannot_be_read_is_refused(template: str, said: str) -> None:
    with pytest.raises(TemplateError) as refused:
        list(parts(template))
    assert said in refused.value.message
