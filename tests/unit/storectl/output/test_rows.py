"""The formats of lists; the expected rows are the output of Docker 20.10 and 28.2."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from storectl.output.rows import format_option, show

HEADS = {"ID": "IMAGE ID", "Tag": "TAG", "Size": "SIZE"}
ROWS = [
    {"ID": "e678c099804f", "Tag": "latest", "Size": "10B"},
    {"ID": "36e4962502e9", "Tag": "child", "Size": "11B"},
]


@click.command()
@format_option
def listing(format_: str) -> None:
    show(format_, ROWS, ["Tag", "ID"], HEADS)


@pytest.mark.parametrize(
    ("format_", "shown"),
    [
        ("table", "TAG       IMAGE ID\nlatest    e678c099804f\nchild     36e4962502e9\n"),
        ("{{.ID}}:{{.Tag}}", "e678c099804f:latest\n36e4962502e9:child\n"),
        ("{{json .ID}}", '"e678c099804f"\n"36e4962502e9"\n'),
        (r"{{.ID}}\n\t-", "e678c099804f\n\t-\n36e4962502e9\n\t-\n"),
        (
            r"table {{.ID}}\t{{.Size}}",
            "IMAGE ID       SIZE\ne678c099804f   10B\n36e4962502e9   11B\n",
        ),
        (
            "table {{.ID}}\t{{.Size}}",
            "IMAGE ID       SIZE\ne678c099804f   10B\n36e4962502e9   11B\n",
        ),
        ("table {{.ID}}|{{.Tag}}", "IMAGE ID|TAG\ne678c099804f|latest\n36e4962502e9|child\n"),
        (
            "json",
            (
                '{"ID":"e678c099804f","Tag":"latest","Size":"10B"}\n'
                '{"ID":"36e4962502e9","Tag":"child","Size":"11B"}\n'
            ),
        ),
    ],
)
def test_a_list_is_printed_like_dockers(format_: str, shown: str) -> None:
    done = CliRunner().invoke(listing, ["--format", format_])
    assert (done.exit_code, done.stdout) == (0, shown)


@pytest.mark.parametrize(
    ("format_", "said"),
    [
        ("tabel", "expected table, json or a template"),
        ("{{.Nothing}}", "no field Nothing; the fields are ID, Tag, Size"),
    ],
)
def test_unknown_formats_and_fields_are_refused(format_: str, said: str) -> None:
    done = CliRunner().invoke(listing, ["--format", format_])
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stdout == ""
