from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import subprocess
from typing import TYPE_CHECKING

from mirror.connections.tls import Certificate
from mirror.process.reloading import watch
from mirror.server import _listen
from tests.support.waiting import PATIENCE_S, until_in_loop

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def _make(folder: Path) -> Certificate:
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=x",
    ]
    subprocess.run(
        [*command, "-keyout", str(folder / "key"), "-out", str(folder / "cert")],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return Certificate(folder / "cert", folder / "key")


def test_a_renewed_certificate_is_taken_over_and_a_broken_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    certificate = _make(tmp_path)

    async def renew() -> None:
        certificate.context()

    async def main() -> None:
        asked = asyncio.Event()
        task = asyncio.create_task(
            watch("certificate", certificate.paths, renew, asked, interval_s=0.02)
        )
        await asyncio.sleep(0.1)
        assert not caplog.records
        sound = certificate.chain.read_bytes()
        certificate.chain.write_bytes(b"half")
        await until_in_loop(lambda: caplog.text.count("cannot be used") == 1)
        certificate.chain.unlink()
        await until_in_loop(lambda: caplog.text.count("cannot be used") == 2)
        certificate.chain.write_bytes(sound)
        await until_in_loop(lambda: caplog.text.count("loaded the new certificate") == 1)
        asked.set()
        await until_in_loop(lambda: caplog.text.count("loaded the new certificate") == 2)
        # Nothing has changed since, and nobody asks.
        await asyncio.sleep(0.1)
        assert len(caplog.records) == 4
        task.cancel()

    asyncio.run(main())


def test_without_a_host_both_protocols_are_served() -> None:
    with _listen("", 0) as listener:
        port = listener.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), timeout=PATIENCE_S).close()


def test_without_a_host_a_machine_without_ipv6_serves_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = socket.socket

    def lacking(family: int = -1, *rest: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        return made(family, *rest)

    monkeypatch.setattr(socket, "socket", lacking)
    with _listen("", 0) as listener:
        assert listener.getsockname()[0] == "0.0.0.0"  # noqa: S104 - it is what was asked for


def test_files_are_taken_over_after_the_system_had_too_few_descriptors(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "users"
    file.write_text("one")
    taken = asyncio.Event()

    async def take_over() -> None:
        if not caplog.messages:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        taken.set()

    async def run() -> None:
        task = asyncio.create_task(
            watch("users", (file,), take_over, asyncio.Event(), interval_s=0.01)
        )
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.sleep(0.05)
                file.write_text("another")
                await taken.wait()
        finally:
            task.cancel()

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    assert len(caplog.messages) == 1
