from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from store.model.limits import DEFAULT_LIMITS
from storectl.commands._ceilings import Size, limits


@click.command()
@click.option("--size", type=Size())
def command(size: int) -> None:
    click.echo(size)


def test_a_size_has_a_unit() -> None:
    assert CliRunner().invoke(command, ["--size", "2MiB"]).output == "2097152\n"


def test_another_text_is_no_size() -> None:
    assert CliRunner().invoke(command, ["--size", "much"]).exit_code == 2


@pytest.mark.parametrize(
    ("layer", "ratio", "want"),
    [
        (None, None, (DEFAULT_LIMITS.layer_bytes, DEFAULT_LIMITS.ratio)),
        (5, 7, (5, 7)),
    ],
)
def test_ceilings_that_are_not_given_keep_their_defaults(
    layer: int | None, ratio: int | None, want: tuple[int, int]
) -> None:
    found = limits(layer, ratio)
    assert (found.layer_bytes, found.ratio) == want
