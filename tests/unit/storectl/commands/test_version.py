"""`version`: a line of output for each component."""

from __future__ import annotations

from tests.support.fake_shell import Shell, as_json


def test_versions_are_the_same_in_lines_and_json(shell: Shell) -> None:
    lines = dict(line.split() for line in shell("version").splitlines())
    assert lines["storectl"] == "0.1.0"
    client = as_json(shell("version", "--json"))["Client"]
    assert client["Version"] == lines.pop("storectl")
    assert {one["Name"]: one["Version"] for one in client["Components"]} == lines
    assert {"python", "sqlite", "sqlalchemy"} <= lines.keys()


def test_templates_have_dockers_fields(shell: Shell) -> None:
    assert shell("version", "-f", "{{.Client.Version}}") == "0.1.0\n"
    assert as_json(shell("version", "--format", "json")) == as_json(shell("version", "--json"))
    shell("version", "--format", "json", "--json", code=2)
