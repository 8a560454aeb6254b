from __future__ import annotations

import pytest

from remote.http.settings import RegistrySettings, SameSettings
from remote.through.upstreams import MAX_UPSTREAMS, Upstream, Upstreams
from store.errors import StoreError
from store.model.references import Repository


@pytest.mark.parametrize(
    ("text", "upstream"),
    [
        ("docker.io", Upstream("docker.io", "docker.io")),
        ("localhost:5000", Upstream("localhost:5000", "localhost:5000")),
        ("ghcr.io=https://proxy.example/", Upstream("ghcr.io", "proxy.example")),
        (
            "ghcr.io=http://127.0.0.1:5000/v/ghcr",
            Upstream("ghcr.io", "127.0.0.1:5000", "v/ghcr", plain_http=True),
        ),
    ],
)
def test_an_upstream_is_a_name_with_or_without_a_url(text: str, upstream: Upstream) -> None:
    assert Upstream.parse(text) == upstream


@pytest.mark.parametrize(
    "text",
    [
        "",
        "docker",
        "docker.io/library",
        "DOCKER..io",
        "ghcr.io=",
        "ghcr.io=proxy.example",
        "ghcr.io=ftp://proxy.example",
        "ghcr.io=https://",
        "ghcr.io=https://proxy.example:port",
        "ghcr.io=https://alice:secret@proxy.example",
        "ghcr.io=https://proxy.example?x",
        "ghcr.io=https://proxy.example/UPPER",
    ],
)
def test_other_texts_are_refused_without_their_passwords(text: str) -> None:
    with pytest.raises(StoreError) as caught:
        Upstream.parse(text)
    assert "secret" not in caught.value.message


def test_each_domain_has_one_upstream() -> None:
    one = Upstream.parse("ghcr.io=http://proxy.example:5000/ghcr")
    found = Upstreams([one, Upstream.parse("docker.io")])
    team = Repository("ghcr.io", "team/app")
    assert found.find(team) is one
    assert one.path(team) == "ghcr/team/app"
    debian = Repository("docker.io", "library/debian")
    hub = found.find(debian)
    assert hub is not None
    assert hub.path(debian) == "library/debian"
    assert found.find(Repository("quay.io", "team/app")) is None
    others = SameSettings(RegistrySettings(tls_verify=False))
    settings = found.settings(others)
    assert settings.settings_for("proxy.example:5000") == RegistrySettings(plain_http=True)
    assert settings.settings_for("docker.io") == others.settings
    with pytest.raises(StoreError, match="twice"):
        Upstreams([one, one])
    many = [Upstream(f"r{number}.example", "x.example") for number in range(MAX_UPSTREAMS + 1)]
    with pytest.raises(StoreError, match="the limit is"):
        Upstreams(many)
