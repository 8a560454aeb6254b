"""Connections over the standard input and output of programs."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import aiohttp
import pytest

from remote.errors import RegistryError
from remote.http.channels import CHANNELS, ChannelConnector
from remote.http.far_program import FarProgram

if TYPE_CHECKING:
    from pathlib import Path

_SERVER = """
import os, sys
open(sys.argv[1], "a").write("started\\n")
out = sys.stdout.buffer
out.write(b"storectl-stdio/1 1.0\\r\\n"); out.flush()
for line in sys.stdin.buffer:
    if line == b"\\r\\n":
        out.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok"); out.flush()
open(sys.argv[1], "a").write("ended\\n")
"""


def program(*command: str) -> FarProgram:
    return FarProgram("ssh://host", command)


async def ask(some: FarProgram, count: int) -> list[str]:
    connector = ChannelConnector(some, connections=count)
    try:
        async with aiohttp.ClientSession(connector=connector) as session:

            async def one() -> str:
                async with session.get("http://host/v2/") as answer:
                    return await answer.text()

            return list(await asyncio.gather(*(one() for _ in range(count))))
    finally:
        await connector.finished()


def test_requests_are_answered_and_every_program_ends(tmp_path: Path) -> None:
    log = tmp_path / "log"
    some = program(sys.executable, "-c", _SERVER, str(log))
    assert asyncio.run(ask(some, 6)) == ["ok"] * 6
    lines = log.read_text().splitlines()
    assert 1 <= lines.count("started") <= CHANNELS
    assert lines.count("started") == lines.count("ended")


def test_one_connection_serves_many_requests(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def several() -> None:
        connector = ChannelConnector(
            program(sys.executable, "-c", _SERVER, str(log)), connections=1
        )
        async with aiohttp.ClientSession(connector=connector) as session:
            for _ in range(3):
                async with session.get("http://host/v2/") as answer:
                    assert await answer.text() == "ok"
        await connector.finished()

    asyncio.run(several())
    assert log.read_text().splitlines() == ["started", "ended"]


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("exit 127", "no command storectl"),
        ("exit 255", "could not connect"),
        ("echo Welcome; cat", "writes to standard output"),
        ("head -c 300 /dev/zero; cat", "writes to standard output"),
        ("printf 'storectl-stdio/2 9.9\\r\\n'; cat", "another version"),
        ("printf half; exit 3", "wrote 'half'"),
    ],
)
def test_a_program_that_is_not_the_server_is_explained(script: str, text: str) -> None:
    with pytest.raises(RegistryError, match=text):
        asyncio.run(ask(program("sh", "-c", script), 1))


def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="cannot run"):
        asyncio.run(ask(program(str(tmp_path / "absent")), 1))
