"""The running server reloads changed files, for example a renewed certificate."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from typing import TYPE_CHECKING

from mirror.process.reloading import watch
from tests.support.certificates import make_certificate
from tests.support.waiting import PATIENCE_S, until_in_loop

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_renewed_certificate_is_loaded_and_a_broken_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    certificate = make_certificate(tmp_path)

    async def renew() -> None:
        certificate.context()

    async def main() -> None:
        reload_requested = asyncio.Event()
        task = asyncio.create_task(
            watch(
                "certificate", lambda: certificate.paths, renew, reload_requested, interval_s=0.02
            )
        )
        await asyncio.sleep(0.1)
        assert not caplog.records
        valid = certificate.chain.read_bytes()
        certificate.chain.write_bytes(b"half")
        await until_in_loop(lambda: caplog.text.count("cannot load the new") == 1)
        certificate.chain.unlink()
        await until_in_loop(lambda: caplog.text.count("cannot load the new") == 2)
        certificate.chain.write_bytes(valid)
        await until_in_loop(lambda: caplog.text.count("loaded the new certificate") == 1)
        reload_requested.set()
        await until_in_loop(lambda: caplog.text.count("loaded the new certificate") == 2)
        # The files have not changed since, and no reload is requested.
        await asyncio.sleep(0.1)
        assert len(caplog.records) == 4
        task.cancel()

    asyncio.run(main())


def test_files_are_applied_once_the_system_has_descriptors_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "users"
    file.write_text("one")
    applied = asyncio.Event()

    async def apply() -> None:
        if not caplog.messages:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        applied.set()

    async def run() -> None:
        task = asyncio.create_task(
            watch("users", lambda: (file,), apply, asyncio.Event(), interval_s=0.01)
        )
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.sleep(0.05)
                file.write_text("another")
                await applied.wait()
        finally:
            task.cancel()

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    assert len(caplog.messages) == 1
