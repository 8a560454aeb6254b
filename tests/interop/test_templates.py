"""Templates with the real docker: `docker context ls` needs no engine."""

from __future__ import annotations

import subprocess

import pytest

from storectl.output.go_template.template import Template
from tests.support.engine import require
from tests.support.go_templates import CASES

WITHOUT_FIELDS = [
    template for template, _ in CASES if not any(f"{at}." in template for at in "{ ($")
]


@pytest.mark.parametrize("template", [one for one in WITHOUT_FIELDS if "\\" not in one])
def test_docker_prints_the_same(template: str) -> None:
    require("docker")
    done = subprocess.run(
        ["docker", "context", "ls", "--format", f"<{template}>"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[0:1] == f"<{Template(template).apply({})}>".splitlines()[0:1]
