"""aiohttp without the certificates of the system's authorities."""

from __future__ import annotations

import ssl
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from remote.http.lean_aiohttp import without_authorities
from tests.support.certificates import make_certificate

if TYPE_CHECKING:
    from pathlib import Path


def test_contexts_have_no_authorities_in_the_block_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(make_certificate(tmp_path).chain))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    with pytest.raises(KeyError), without_authorities():
        inside = ssl.create_default_context()
        raise KeyError
    after = ssl.create_default_context()
    assert (inside.get_ca_certs(), inside.verify_mode) == ([], ssl.CERT_REQUIRED)
    assert len(after.get_ca_certs()) == 1
    assert "set_default_verify_paths" not in vars(ssl.SSLContext)


@pytest.mark.parametrize("module", ["remote.registry.client", "remote.http.faults"])
def test_the_client_imports_aiohttp_without_certificates(module: str, tmp_path: Path) -> None:
    script = f"""
import {module}
from aiohttp import connector
contexts = connector._SSL_CONTEXT_VERIFIED, connector._SSL_CONTEXT_UNVERIFIED
print([len(one.get_ca_certs()) for one in contexts])
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"SSL_CERT_FILE": str(make_certificate(tmp_path).chain)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[0, 0]\n", done.stderr


def test_a_server_imports_aiohttp_without_certificates(tmp_path: Path) -> None:
    script = f"""
import storectl.cli
print(storectl.cli.run(["--root", {str(tmp_path / "none")!r}, "serve", "--read-only"]))
from aiohttp import connector
contexts = connector._SSL_CONTEXT_VERIFIED, connector._SSL_CONTEXT_UNVERIFIED
print([len(one.get_ca_certs()) for one in contexts])
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"SSL_CERT_FILE": str(make_certificate(tmp_path).chain)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[1:] == ["[0, 0]"], done.stderr
