"""``buildkitd.toml``."""

from __future__ import annotations

import tomllib

import pytest

from storectl.client_config.buildkit import CERTIFICATES, CONFIG, buildkit
from storectl.client_config.mirror import Login, Mirror, Unsupported

URL = "https://a.example:5000"


@pytest.mark.parametrize(("url", "is_http"), [(URL, False), ("http://a.example:5000", True)])
def test_mirror_is_named_and_described(url: str, *, is_http: bool) -> None:
    (file,) = buildkit(Mirror(url, ("docker.io", "b.example:443"))).files
    assert file.path == CONFIG
    assert tomllib.loads(file.text)["registry"] == {
        "docker.io": {"mirrors": ["a.example:5000"]},
        "b.example:443": {"mirrors": ["a.example:5000"]},
        "a.example:5000": {"http": is_http},
    }


def test_certificates_are_named_in_the_file_and_the_login_is_the_clients() -> None:
    main, certificates, login = buildkit(
        Mirror(URL, authority="PEM\n", login=Login("a", "b"))
    ).files
    assert certificates.path == CERTIFICATES
    assert tomllib.loads(main.text)["registry"]["a.example:5000"]["ca"] == [CERTIFICATES]
    assert (login.path, login.is_secret) == ("/root/.docker/config.json", True)


def test_buildkit_cannot_be_sealed() -> None:
    with pytest.raises(Unsupported):
        buildkit(Mirror(URL, is_sealed=True))
