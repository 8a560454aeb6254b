"""Templates as nodes."""

from __future__ import annotations

import pytest

from storectl.output.go_template.parser import parse
from storectl.output.go_template.syntax import MAX_DEPTH, Action, Block, TemplateError, Text


def test_an_else_if_is_a_block_in_the_else() -> None:
    (block,) = parse("{{if .A}}a{{else if .B}}b{{else}}c{{end}}")
    assert isinstance(block, Block)
    assert block.body == (Text("a", 9),)
    (inner,) = block.otherwise
    assert isinstance(inner, Block)
    assert isinstance(inner.otherwise[0], Text)


def test_a_pipeline_keeps_the_order_of_its_commands() -> None:
    (action,) = parse("{{$x := .A | upper | printf `%s`}}")
    assert isinstance(action, Action)
    assert action.pipeline.variables == ("$x",)
    assert action.pipeline.is_new
    assert len(action.pipeline.commands) == 3


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{if .A}}", "{{if}} has no {{end}}"),
        ("{{end}}", "{{end}} does not belong to a block"),
        ("{{else}}", "{{else}} does not belong to a block"),
        ("{{if .A}}{{else with .B}}{{end}}", "{{else with}} does not belong to {{if}}"),
        ("{{if .A}}{{else}}{{else}}{{end}}", "{{else}} does not belong to a block"),
        ("{{break}}", "{{break}} is not inside {{range}}"),
        ("{{if .A}}{{$x := 1}}{{end}}{{$x}}", "unknown variable $x"),
        ("{{$x = 1}}", "unknown variable $x"),
        ("{{$x, $y := .A}}", "too many variables"),
        ("{{range $x, $y .A}}{{end}}", "expected :="),
        ("{{nope .A}}", "unknown function nope; the functions are and, eq"),
        ("{{.A .B}}", "only a function has arguments"),
        ("{{.A | .B}}", "expected a function after |"),
        ("{{}}", "expected a field, a value or a function, got {{}}"),
        ("{{(.A}}", "a parenthesis is not closed"),
        ("{{.A)}}", "unexpected ')'"),
        ("{{'ab'}}", "exactly one character"),
        ("{{1x}}", "invalid number '1x'"),
        ("{{1e999}}", "invalid number"),
        ("{{nil}}", "nil has no text"),
        ("{{template `a`}}", "{{template}} is not supported"),
        ("{{if .A}}" * (MAX_DEPTH + 1), "blocks inside each other"),
        ("{{" + "(" * (MAX_DEPTH + 2), "is not closed"),
        ("{{" + "(" * (MAX_DEPTH + 2) + ".A" + ")" * (MAX_DEPTH + 2) + "}}", "parentheses inside"),
    ],
)
def test_invalid_templates_are_refused(template: str, said: str) -> None:
    with pytest.raises(TemplateError) as refused:
        parse(template)
    assert said in refused.value.message
