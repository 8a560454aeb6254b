"""Templates that are applied to objects, compared with Go."""

from __future__ import annotations

from typing import Any

import pytest

from storectl.output.go_template.syntax import TemplateError
from storectl.output.go_template.template import Template
from tests.support.go_templates import CASES, DATA, REFUSED


def refusal(template: str, value: Any = DATA) -> str:  # noqa: ANN401 - JSON
    with pytest.raises(TemplateError) as refused:
        Template(template).apply(value)
    return refused.value.message


@pytest.mark.parametrize(("template", "shown"), CASES)
def test_templates_print_what_go_prints(template: str, shown: str) -> None:
    assert Template(template).apply(DATA) == shown


@pytest.mark.parametrize("template", REFUSED)
def test_templates_that_go_refuses_are_refused(template: str) -> None:
    assert refusal(template).startswith("invalid --format: line 1, column ")


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("{{.Off}} {{len .Off}} {{join .Off `,`}}{{index .Off `x`}}", "<nil> 0 "),
        ("{{.Variant}}{{.Nested.StopSignal}}{{.Nested.ExposedPorts}}", "map[]"),
        ("{{.Nested.Empty}}", "{}"),
        ("{{.Labels.nope}}", "<no value>"),
        ("{{with .Labels.nope}}x{{else}}none{{end}}", "none"),
        ("{{range .Labels.nope}}x{{else}}none{{end}}", "none"),
        ("{{json .Labels.nope}}", "null"),
    ],
)
def test_fields_that_are_empty_or_missing(template: str, shown: str) -> None:
    value = {**DATA, "Nested": {"Empty": {}, "A": 1}}
    assert Template(template).apply(value) == shown


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{.Nope}}", "line 1, column 3: no field Nope; the fields are Id, Size"),
        ("a\n{{.Id}} {{.Nope}}", "line 2, column 11: no field Nope"),
        ("{{.Id.Deep}}", "no field Deep in a string"),
        ("{{.}}", "name a field of it (Id, Size"),
        ("{{range .Id}}{{end}}", "cannot go through a string"),
        ("{{range $.Yes}}{{end}}", "cannot go through a boolean"),
        ("{{json}}", "json needs 1 argument(s), got 0"),
        ("{{eq 1}}", "eq needs 2 or more argument(s), got 1"),
        ("{{.Id | upper 1}}", "upper needs 1 argument(s), got 2"),
        ("{{index .Tags 2}}", "index: index 2 of 2 element(s)"),
        ("{{define `x`}}{{end}}", "{{define}} is not supported"),
    ],
)
def test_errors_say_what_and_where(template: str, said: str) -> None:
    assert said in refusal(template)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{range 2000000}}{{end}}", "more than 1,000,000 rounds"),
        ("{{range 1000}}{{range 1000}}{{range 1000}}{{end}}{{end}}{{end}}", "1,000,000 steps"),
        ("{{$x := `a`}}{{range 100}}{{$x = print $x $x}}{{end}}", "characters of output"),
        ("{{$x := pad `a` 1000000 0}}{{range 100000}}{{$x}}{{end}}", "characters of output"),
        ("{{range 1000}}{{printf `%1000000d` 1}}{{end}}", "characters of output"),
        ("{{pad `a` 99999999999 0}}", "more than 67,108,864 characters"),
    ],
)
def test_work_and_output_have_ceilings(template: str, said: str) -> None:
    assert said in refusal(template)


def test_a_template_is_applied_to_many_objects() -> None:
    template = Template("{{$x := .A}}{{$x}};")
    assert "".join(template.apply({"A": number}) for number in range(3)) == "0;1;2;"


def test_functions_leave_the_headers_of_a_table_alone() -> None:
    heads = {"ID": "IMAGE ID", "Tag": "TAG"}
    template = Template("{{json .ID}} {{truncate .Tag 1}} {{pad .Tag 1 0}}{{(split .ID `A`)}}")
    assert template.header(heads) == "IMAGE ID TAG  TAGIMAGE ID"
    assert Template("{{upper .ID}}{{lower .ID}}").header(heads) == "IMAGE IDIMAGE ID"
