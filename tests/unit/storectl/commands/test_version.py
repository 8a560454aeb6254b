"""`version`: a line of output for each component."""

from __future__ import annotations

from tests.support.fake_shell import Shell, as_json


def test_versions_are_the_same_in_lines_and_json(shell: Shell) -> None:
    lines = dict(line.split() for line in shell("version").splitlines())
    assert lines["storectl"] == "0.1.0"
    assert lines == as_json(shell("version", "--json"))
    assert {"python", "sqlite", "sqlalchemy"} <= lines.keys()
