"""The settings file of `serve`: every option is a setting, and every mistake names its line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from storectl import cli
from storectl.commands import serve
from storectl.commands._settings_file import MAX_BYTES, read_again

if TYPE_CHECKING:
    from collections.abc import Callable

    Read = Callable[..., dict[str, Any]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "serve.toml"


@pytest.fixture
def read(file: Path) -> Read:
    """Return a function that writes the file, and reads it with other arguments."""

    def call(text: str, *arguments: str) -> dict[str, Any]:
        file.write_text(text)
        root = click.Context(cli.cli, info_name="storectl")
        root.params = {"root": None, "lock_timeout": 1.0, "debug": False}
        context = serve.command.make_context(
            "serve", ["--config", str(file), *arguments], parent=root
        )
        assert read_again(context) == {
            name: value for name, value in context.params.items() if name != "config"
        }
        return context.params

    return call


def test_settings_have_the_values_that_options_would_have(read: Read, file: Path) -> None:
    found = read(
        """
        listen = ":5001"
        workers = 2
        open = true
        offer = ["zstd", "gzip"]
        record-pulls = []
        max-layer-size = "10GB"
        scrub-every = "0"
        scrub-rate = 20
        keep-events = 1000
        htpasswd = "users"
        rules = "/etc/rules"
        """
    )
    assert (found["listen"], found["workers"], found["is_open"]) == (":5001", 2, True)
    assert (found["offers"], found["record_pulls"]) == (("zstd", "gzip"), ())
    assert (found["max_layer_size"], found["scrub_every"]) == (10**10, timedelta(0))
    assert (found["scrub_rate"], found["keep_events"]) == (20_000_000, 1000)
    # Paths are relative to the folder of the file.
    assert (found["htpasswd"], found["rules"]) == (file.parent / "users", Path("/etc/rules"))
    assert found["grace"] == 60


def test_options_take_precedence(read: Read) -> None:
    text = 'listen = ":1"\nopen = true\noffer = ["zstd"]\nworkers = 3\n'
    found = read(text, "--listen", ":2", "--open=false", "--offer", "gzip")
    assert (found["listen"], found["is_open"], found["offers"]) == (":2", False, ("gzip",))
    assert found["workers"] == 3


def test_every_option_of_the_command_is_a_setting(read: Read) -> None:
    for option in serve.command.params:
        name = max(option.opts, key=len).removeprefix("--")
        if name in {"config", "root", "lock-timeout", "debug", "help"}:
            with pytest.raises(click.UsageError, match=f"unknown setting '{name}'"):
                read(f"{name} = 1")
            continue
        assert isinstance(option, click.Option)
        if option.is_flag:
            assert read(f"{name} = true")[str(option.name)] is True
        else:
            with pytest.raises(click.UsageError, match=rf"line 1: invalid {name}: "):
                read(f"{name} = 1.5")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# first\n\nlisten = ':1'\nlisen = ':2'\n", "line 4: unknown setting 'lisen'"),
        ("open = false\n[upstreams]\nx = 1\n", "line 2: unknown setting 'upstreams'"),
        ("[[schedules]]\n", "line 1: unknown setting 'schedules'"),
        ("offer = [\n  'zstd',\n]\nrules = '''\nlisten = 2\n'''\nx = 1\n", "line 7: unknown"),
        ("trusted_proxy = []\n", "line 1: unknown setting 'trusted_proxy'"),
        ("\nworkers = 0\n", "line 2: invalid workers: "),
        ("workers = true\n", "line 1: invalid workers: expected a string or a whole number"),
        ("open = 'yes'\n", "line 1: invalid open: expected true or false, found a string"),
        ("offer = 'zstd'\n", "line 1: invalid offer: expected a list of strings"),
        ("offer = ['lzma']\n", "line 1: invalid offer: "),
        ("log-format = 'xml'\n", "line 1: invalid log-format: "),
        ("listen = \n", r"line 1"),
        ("x" * (MAX_BYTES + 1), f"more than {MAX_BYTES} bytes"),
        ("listen = " + "[" * 100_000, "settings"),
    ],
    ids=range(14),
)
def test_mistakes_name_the_file_and_the_line(read: Read, file: Path, text: str, said: str) -> None:
    with pytest.raises(click.UsageError, match=said) as failed:
        read(text)
    assert str(file) in failed.value.message
    assert len(failed.value.message) < 400


def test_other_bytes_than_text_are_refused(read: Read, file: Path) -> None:
    file.write_bytes(b"\xff")
    with pytest.raises(click.UsageError, match="expected UTF-8"):
        serve.command.make_context("serve", ["--config", str(file)])
    with pytest.raises(click.UsageError, match="unknown setting"):
        read("'" + "k" * 5000 + "' = 1")


TABLES = """
workers = 1
[[upstream]]
name = "docker.io"
[[upstream]]
name = "quay.io"
max-age = "1h"
authfile = "auth.json"
"""


def test_tables_are_upstreams_and_an_option_takes_their_place(read: Read, file: Path) -> None:
    first, second = read(TABLES)["upstreams"]
    assert (first.name, second.name) == ("docker.io", "quay.io")
    assert (second.max_age, second.authfile) == (timedelta(hours=1), file.parent / "auth.json")
    assert read(TABLES, "--upstream", "ghcr.io")["upstreams"] == ("ghcr.io",)
    assert read('upstream = ["ghcr.io"]')["upstreams"] == ("ghcr.io",)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (f'{TABLES}nope = "x"\n', 9, "unknown setting 'nope' of an upstream"),
        (f'{TABLES}[[upstream]]\nmax-age = "1h"\n', 9, "an upstream needs a name"),
        (f'{TABLES}allow = [\n  "team/*",\n  1\n]\n', 9, "invalid allow"),
        (TABLES.replace("quay.io", "q"), 6, "invalid upstream 'q'"),
        ('\nupstream = ["docker.io", {name = "quay.io"}]', 2, "strings or tables, not both"),
        ("[[workers]]\nx = 1", 1, "invalid workers"),
        ("\n[upstream]\nname = 1", 2, "invalid upstream: expected a list of strings"),
        ("[[upstream]]\n" * 257, 1, "257 tables upstream"),
    ],
)
def test_a_mistake_in_a_table_names_its_line(
    read: Read, file: Path, text: str, line: int, said: str
) -> None:
    with pytest.raises(click.UsageError) as caught:
        read(text)
    assert caught.value.message.startswith(f"{file}, line {line}: ")
    assert said in caught.value.message
