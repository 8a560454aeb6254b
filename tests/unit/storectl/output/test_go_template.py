"""Go templates that format the JSON output of a command."""

from __future__ import annotations

from typing import Any

import click
import pytest

from storectl.output.go_template import expand

VALUE: dict[str, Any] = {
    "Id": "sha256:1",
    "Size": 3,
    "Tags": ["a:1", "b:1"],
    "Config": {"Labels": {"b": "2", "a": "é"}, "Env": None, "Tty": False},
    "Off": None,
}


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("", ""),
        ("plain }} text", "plain }} text"),
        ("{{.Id}} {{ .Size }}", "sha256:1 3"),
        ("{{.Tags}}", "[a:1 b:1]"),
        ("{{.Config.Labels}}", "map[a:é b:2]"),
        ("{{.Config.Labels.a}}", "é"),
        ("{{.Config.Tty}}{{.Off}}", "false<nil>"),
        ("{{json .Config}}", '{"Labels":{"b":"2","a":"é"},"Env":null,"Tty":false}'),
        ('{{join .Tags ", "}}{{join .Off ","}}', "a:1, b:1"),
        ("{{index .Tags 1}}", "b:1"),
        ('{{index .Config.Labels "b"}}{{index .Config.Labels `none`}}{{index .Off "x"}}', "2"),
        ("{{len .Tags}} {{len .Id}} {{len .Off}}", "2 8 0"),
        ("a {{- .Size -}} b", "a3b"),
        ("{{.Variant}}{{.Config.StopSignal}}{{.Config.ExposedPorts}}", "map[]"),
        ('{{join .Tags "}}"}}', "a:1}}b:1"),
    ],
)
def test_templates_are_expanded_like_go(template: str, shown: str) -> None:
    assert expand(template, VALUE) == shown


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{.Nope}}", "no field Nope; the fields are Id"),
        ("{{.Id.Deep}}", "no field Deep in"),
        ("{{.Config}}", "{{json .Config}}"),
        ("{{.Id", "unclosed action"),
        ("{{range .Tags}}x{{end}}", "unsupported action"),
        ("{{json}}", "unsupported action"),
        ("{{json name}}", "unsupported action"),
        ("{{join .Id}}", "unsupported action"),
        ("{{index .Id 1}}", "unsupported action"),
        ("{{index .Tags 2}}", "index 2 of a list that has 2 element(s)"),
        ("{{len .Size}}", "unsupported action"),
        ("{{.Id | upper}}", "unsupported action"),
    ],
)
def test_unsupported_actions_and_unknown_fields_are_refused(template: str, said: str) -> None:
    with pytest.raises(click.UsageError) as refused:
        expand(template, VALUE)
    assert said in refused.value.message
