"""Self-signed certificates."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from mirror.connections.tls import Certificate

if TYPE_CHECKING:
    from pathlib import Path


def make_certificate(folder: Path) -> Certificate:
    """Write a key and its self-signed certificate into a folder; return the paths of both files."""
    command = (
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-subj", "/CN=x", "-keyout", str(folder / "key"), "-out", str(folder / "cert")),
    )
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return Certificate(folder / "cert", folder / "key")
