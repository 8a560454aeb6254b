"""The options of commands that ask registries, on commands of the test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from storectl.commands._remote import RETRIES
from storectl.commands._remote_options import (
    RemoteOptions,
    SidedOptions,
    reaching_options,
    remote_options,
    sided_remote_options,
)
from storectl.verb import Verb

if TYPE_CHECKING:
    from collections.abc import Callable


class OnlyOptions(Verb):
    """A command that parses its options as every verb does, and needs no store."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        return click.Command.invoke(self, ctx)


def parsed(decorator: Callable[..., Any], *arguments: str, code: int = 0) -> Any:  # noqa: ANN401
    """Return the value that a command with the options gets."""
    got = []

    @click.command(cls=OnlyOptions, examples=())
    @decorator
    def command(*, remote: object) -> None:
        got.append(remote)

    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == code, result.output
    return got[0] if got else result.output


def test_every_option_has_its_value() -> None:
    assert parsed(remote_options) == RemoteOptions()
    assert parsed(
        remote_options,
        *("--tls-verify=false", "--plain-http", "--creds", "me:s", "--authfile", "a.json"),
        *("--cert-dir", "certs", "--retry", "7", "--limit-rate", "10MB"),
    ) == RemoteOptions(False, True, "me:s", Path("a.json"), Path("certs"), 7, 10_000_000)  # noqa: FBT003
    assert parsed(remote_options, "--tls-verify").tls_verify is True
    assert parsed(reaching_options, "--no-tls-verify", "--retry", "0") == RemoteOptions(
        tls_verify=False, retries=0
    )


@pytest.mark.parametrize(
    "arguments",
    [("--limit-rate", "fast"), ("--limit-rate", "0"), ("--retry", "-1"), ("--authfile", "")],
)
def test_values_that_mean_nothing_are_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert "Error" in parsed(remote_options, *arguments, code=2)


def test_one_side_overrides_what_is_said_of_both() -> None:
    sides = parsed(
        sided_remote_options,
        *("--no-tls-verify", "--dest-tls-verify", "--src-creds", "me:s", "--retry", "1"),
        *("--src-plain-http", "--dest-cert-dir", "certs", "--authfile", "a.json"),
    )
    assert sides == SidedOptions(
        RemoteOptions(
            tls_verify=False, plain_http=True, creds="me:s", authfile=Path("a.json"), retries=1
        ),
        RemoteOptions(tls_verify=True, authfile=Path("a.json"), cert_dir=Path("certs"), retries=1),
    )
    assert parsed(sided_remote_options) == SidedOptions(RemoteOptions(), RemoteOptions())


def test_a_password_is_never_shown() -> None:
    assert "secret" not in repr(parsed(remote_options, "--creds", "me:secret"))


def test_the_largest_number_of_retries_is_a_flag_with_a_ceiling() -> None:
    assert parsed(remote_options, "--retry", "100").retries == 100
    assert "Error" in parsed(remote_options, "--retry", "101", code=2)
    assert parsed(remote_options).retries == RETRIES
