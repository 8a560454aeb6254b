"""The command that reaches a store on another machine is safe."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from remote.names import HostImage, parse_location
from store.errors import InvalidInput, InvalidReference
from storectl.commands._far_command import far_program


def command(text: str, *, is_read_only: bool = False, **environment: str) -> tuple[str, ...]:
    place = parse_location(text)
    assert isinstance(place, HostImage)
    return far_program(place, environment, is_read_only=is_read_only).command


def test_the_command_names_the_host_and_the_root() -> None:
    assert command("ssh://host") == ("ssh", "-T", "host", "storectl serve --stdio -q")
    assert command("ssh://me@host:22/srv/store", is_read_only=True) == (
        "ssh",
        "-T",
        "-p",
        "22",
        "me@host",
        "storectl --root /srv/store serve --stdio -q --read-only",
    )
    assert command("ssh://[fe80::1%eth0]/x")[2] == "fe80::1%eth0"


def test_a_variable_names_another_program() -> None:
    assert command("ssh://h", STORECTL_SSH="my-ssh -i 'a key'")[:4] == (
        "my-ssh",
        "-i",
        "a key",
        "-T",
    )
    assert command("ssh://h", STORECTL_SSH="")[0] == "ssh"
    with pytest.raises(InvalidInput, match="STORECTL_SSH"):
        command("ssh://h", STORECTL_SSH="'")


@pytest.mark.parametrize(
    "root",
    ["/a b", "/$(touch x)", "/`touch x`", "/a;b", "/a'b", '/a"b', "/-x", "/a\\b", "/a&b|c>d", "/*"],
)
def test_a_shell_reads_the_root_as_one_word(root: str) -> None:
    line = command(f"ssh://host{root}")[-1]
    assert shlex.split(line) == ["storectl", "--root", root, "serve", "--stdio", "-q"]
    shown = subprocess.run(
        ["sh", "-c", f"storectl() {{ printf '%s\\n' \"$2\"; }}; {line}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown == f"{root}\n"


@pytest.mark.parametrize(
    "place",
    [
        HostImage("-oProxyCommand=x"),
        HostImage("host", user="-l"),
        HostImage("a b"),
        HostImage("host;x"),
        HostImage("ho\nst"),
        HostImage(""),
        HostImage("host", root="/a\nb"),
        HostImage("host", root="/a\x1bb"),
    ],
)
def test_a_text_that_is_not_safe_is_refused(place: HostImage) -> None:
    with pytest.raises(InvalidReference):
        far_program(place, {}, is_read_only=False)
