"""The connections of a sync: whose credentials go where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from remote.auth.credentials import Credentials
from remote.sync.sources import USUAL, Access
from storectl.commands._remote import RemoteOptions
from storectl.commands._syncing import _key, _with_access
from tests.support.command_line import Runner
from tests.support.faulty_registry import Answer, FaultyRegistry

if TYPE_CHECKING:
    import pytest


def test_options_of_the_command_line_win() -> None:
    access = Access("user", "secret", tls_verify=False, cert_dir=Path("/file"))
    found = _with_access(RemoteOptions(), access)
    assert found.given == Credentials("user", "secret", source="the sync file")
    assert (found.tls_verify, found.cert_dir) == (False, Path("/file"))
    own = RemoteOptions(tls_verify=True, creds="me:mine", cert_dir=Path("/own"))
    found = _with_access(own, access)
    assert (found.given, found.tls_verify, found.cert_dir) == (None, True, Path("/own"))


def test_credentials_of_a_file_are_for_one_registry() -> None:
    assert _key(USUAL, "a.example") == _key(USUAL, "b.example")
    access = Access("user", "secret")
    assert _key(access, "a.example") != _key(access, "b.example")


def test_a_password_goes_only_to_the_registry_beside_it(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], own_process: None
) -> None:
    del own_process
    asks = Answer(401, {"WWW-Authenticate": 'Basic realm="x"'})
    file = tmp_path / "skopeo.yaml"
    with FaultyRegistry() as one, FaultyRegistry() as two:
        one.always(asks)
        two.always(asks)
        file.write_text(
            f"{one.host}: {{images: {{a: [x]}}, credentials: {{username: u, password: p}}}}\n"
            f"{two.host}: {{images: {{a: [x]}}}}\n"
        )
        Runner(tmp_path / "store", capfdbinary)("sync", "--plain-http", str(file), code=11)
        sent = [
            [
                seen.headers.get("Authorization") or seen.headers.get("authorization")
                for seen in each.requests()
            ]
            for each in (one, two)
        ]
    assert any(sent[0])
    assert sent[1]
    assert not any(sent[1])
