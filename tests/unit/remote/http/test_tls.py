from __future__ import annotations

import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest

from remote.http.settings import RegistrySettings
from remote.http.tls import TLSContexts
from store.errors import InvalidInput
from tests.support.certificates import make_certificate

if TYPE_CHECKING:
    from pathlib import Path


def test_contexts_are_made_once() -> None:
    contexts, settings = TLSContexts(), RegistrySettings()
    first = contexts.context_for(settings, is_registry=True)
    assert contexts.context_for(settings, is_registry=True) is first
    assert (first.verify_mode, first.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_only_a_client_certificate_needs_a_context_of_its_own(tmp_path: Path) -> None:
    contexts, plain = TLSContexts(), RegistrySettings()
    made = make_certificate(tmp_path)
    identified = RegistrySettings(client_certificates=((made.chain, made.key),))
    for settings, is_shared in ((plain, True), (identified, False)):
        registry = contexts.context_for(settings, is_registry=True)
        other = contexts.context_for(settings, is_registry=False)
        assert (registry is other) is is_shared


def test_verification_can_be_switched_off() -> None:
    context = TLSContexts().context_for(RegistrySettings(tls_verify=False), is_registry=True)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_files_of_authorities(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    only = TLSContexts((made.chain,)).context_for(RegistrySettings(), is_registry=True)
    assert len(only.get_ca_certs()) == 1
    settings = RegistrySettings(ca_files=(made.chain,))
    more = TLSContexts((made.chain,)).context_for(settings, is_registry=False)
    assert len(more.get_ca_certs()) == 1


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_files_that_cannot_be_used(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"invalid CA file .*ca\.crt"):
        TLSContexts((path,)).context_for(RegistrySettings(), is_registry=True)
    settings = RegistrySettings(client_certificates=((path, path),))
    with pytest.raises(InvalidInput, match="invalid client certificate"):
        TLSContexts().context_for(settings, is_registry=True)


def test_an_encrypted_key_asks_nobody(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    locked = tmp_path / "locked"
    command = ("openssl", "rsa", "-aes256", "-passout", "pass:x", "-in", str(made.key))
    subprocess.run((*command, "-out", str(locked)), check=True, capture_output=True)
    settings = RegistrySettings(client_certificates=((made.chain, locked),))
    with pytest.raises(InvalidInput, match="encrypted"):
        TLSContexts().context_for(settings, is_registry=True)
    # No other host is shown the certificate, so the key is not even read.
    TLSContexts().context_for(settings, is_registry=False)
