from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING

from mirror.tls import Certificate
from mirror.watching import watch

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def _make(folder: Path) -> Certificate:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x"]
    subprocess.run([*command, "-keyout", str(folder / "key"), "-out", str(folder / "cert")], check=True, capture_output=True, timeout=60)
    return Certificate(folder / "cert", folder / "key")


def test_a_renewed_certificate_is_taken_over_and_a_broken_one_is_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    certificate = _make(tmp_path)

    async def renew() -> None:
        certificate.context()

    async def main() -> None:
        asked = asyncio.Event()
        task = asyncio.create_task(watch("certificate", certificate.paths, renew, asked, every_s=0.02))
        await asyncio.sleep(0.1)
        assert not caplog.records
        sound = certificate.chain.read_bytes()
        certificate.chain.write_bytes(b"half")
        await asyncio.sleep(0.2)
        assert "cannot be used" in caplog.text
        certificate.chain.unlink()
        await asyncio.sleep(0.1)
        certificate.chain.write_bytes(sound)
        await asyncio.sleep(0.2)
        assert caplog.text.count("took over the new certificate") == 1
        asked.set()
        await asyncio.sleep(0.2)
        assert caplog.text.count("took over the new certificate") == 2
        task.cancel()

    asyncio.run(main())
