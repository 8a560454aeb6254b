from __future__ import annotations

from pathlib import Path

import pytest

from remote.auth.credentials import Credentials, NoCredentials
from remote.configuration.registries_conf import RegistriesConf
from remote.credentials.search import GivenCredentials
from remote.http.settings import RegistrySettings, SameSettings
from remote.through.upstreams import MAX_UPSTREAMS, Upstream, Upstreams
from store.errors import InvalidInput, StoreError
from store.formats.golang.path_match import compile_pattern
from store.model.digests import Digest
from store.model.references import Repository


@pytest.mark.parametrize(
    ("text", "upstream"),
    [
        ("docker.io", Upstream("docker.io", "docker.io")),
        ("localhost:5000", Upstream("localhost:5000", "localhost:5000")),
        ("ghcr.io=https://proxy.example/", Upstream("ghcr.io", "proxy.example", has_url=True)),
        (
            "ghcr.io=http://127.0.0.1:5000/v/ghcr",
            Upstream("ghcr.io", "127.0.0.1:5000", "v/ghcr", plain_http=True, has_url=True),
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


CONF = """
[[registry]]
prefix = "docker.io"
location = "docker.io"
[[registry.mirror]]
location = "near.example/hub"
[[registry.mirror]]
location = "digests.example"
pull-from-mirror = "digest-only"

[[registry]]
location = "docker.io/bad"
blocked = true
"""


def places(upstreams: Upstreams, path: str, digest: Digest | None = None) -> list[str]:
    return [
        f"{one.registry}/{one.path}"
        for one in upstreams.places(Repository("docker.io", path), digest)
    ]


def test_mirrors_of_a_registry_are_asked_first_and_blocked_names_never() -> None:
    conf = RegistriesConf.parse(CONF, "registries.conf")
    upstreams = Upstreams([Upstream.parse("docker.io")], conf)
    assert places(upstreams, "team/app") == ["near.example/hub/team/app", "docker.io/team/app"]
    assert places(upstreams, "team/app", Digest.of(b"")) == [
        "near.example/hub/team/app",
        "digests.example/team/app",
        "docker.io/team/app",
    ]
    assert places(upstreams, "bad/app") == []
    assert upstreams.places(Repository("quay.io", "team/app")) == ()


def test_an_upstream_with_a_url_has_no_other_places() -> None:
    conf = RegistriesConf.parse(CONF, "registries.conf")
    upstreams = Upstreams([Upstream.parse("docker.io=https://proxy.example/hub")], conf)
    for path in ("team/app", "bad/app"):
        assert places(upstreams, path) == [f"proxy.example/hub/{path}"]


class Prefix:
    def __init__(self, text: str) -> None:
        self.text = text

    def matches(self, name: str) -> bool:
        return name.startswith(self.text)


@pytest.mark.parametrize(
    ("allow", "deny", "has"),
    [
        ((), (), True),
        (("docker.io/team/",), (), True),
        (("docker.io/other/",), (), False),
        ((), ("docker.io/team/",), False),
        (("docker.io/",), ("docker.io/team/",), False),
    ],
)
def test_patterns_say_which_repositories_are_pulled_through(
    allow: tuple[str, ...], deny: tuple[str, ...], *, has: bool
) -> None:
    upstream = Upstream(
        "docker.io", "docker.io", allow=tuple(map(Prefix, allow)), deny=tuple(map(Prefix, deny))
    )
    assert bool(places(Upstreams([upstream]), "team/app")) == has


def test_tags_that_never_move() -> None:
    upstream = Upstream("docker.io", "docker.io", immutable_tags=(compile_pattern("v[0-9]*"),))
    assert upstream.is_immutable("v1.2")
    assert not upstream.is_immutable("latest")
    assert not upstream.is_immutable("xv1")


def source(user: str) -> GivenCredentials:
    return GivenCredentials(Credentials(user, "secret"), (), NoCredentials())


def test_each_upstream_has_its_own_credentials_also_below_one_host() -> None:
    upstreams = Upstreams(
        [
            Upstream("docker.io", "proxy.example", "hub", credentials=source("hub")),
            Upstream("ghcr.io", "proxy.example", "hub/ghcr", credentials=source("ghcr")),
            Upstream("quay.io", "quay.io"),
        ]
    )
    found = upstreams.credentials(source("machine"))
    for registry, path, user in (
        ("proxy.example", "hub/team/app", "hub"),
        ("proxy.example", "hub/ghcr/team/app", "ghcr"),
        ("proxy.example", "hubs/app", "machine"),
        ("quay.io", "team/app", "machine"),
    ):
        credentials = found.credentials_for(registry, path)
        assert credentials is not None
        assert credentials.username == user
    assert "secret" not in repr(list(upstreams))


def test_one_registry_has_the_same_certificates_for_all_upstreams() -> None:
    settings = RegistrySettings(ca_files=(Path("ca.pem"),))
    one = Upstream("docker.io", "proxy.example", "hub", settings=settings)
    same = Upstream("ghcr.io", "proxy.example", "ghcr", settings=settings)
    assert Upstreams([one, same]).settings().settings_for("proxy.example") == settings
    other = Upstream("ghcr.io", "proxy.example", "ghcr", plain_http=True)
    with pytest.raises(InvalidInput, match=r"proxy\.example"):
        Upstreams([one, other]).settings()
