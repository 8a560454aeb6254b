"""Upstream registries that are asked in turn."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from remote.configuration.registries_conf import RegistriesConf
from remote.errors import (
    ManifestNotFound,
    Offline,
    RegistryError,
    RegistryUnavailable,
    Unreachable,
)
from remote.http.settings import ClientSettings
from remote.registry.client import RegistryClient
from remote.through.counts import Counts
from remote.through.failures import Failures
from remote.through.sources import Sources
from remote.through.upstreams import Upstream, Upstreams
from store.errors import NotFound
from store.model.references import Repository

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remote.registry.repository import Repository as RemoteRepository

CONF = """
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "near.example"
"""
TEAM = Repository("docker.io", "team/app")


def ask(answers: Mapping[str, RegistryError | None], times: int = 1) -> tuple[list[str], str]:
    """Ask the registries; return their names in the order of the requests, and the answer."""
    asked: list[str] = []

    async def work(remote: RemoteRepository) -> str:
        asked.append(remote.registry)
        error = answers[remote.registry]
        if error is not None:
            raise error
        return remote.registry

    async def all_of_it() -> str:
        upstreams = Upstreams(
            [Upstream.parse("docker.io")], RegistriesConf.parse(CONF, "registries.conf")
        )
        async with RegistryClient(ClientSettings(is_offline=True)) as client:
            failures = Failures(lambda: datetime(2026, 1, 2, tzinfo=UTC))
            sources = Sources(upstreams, client, failures, Counts())
            remotes = sources.of(TEAM)
            for _ in range(times - 1):
                await sources.first(remotes, work)
            found = await sources.first(remotes, work)
            sources.check(remotes)
            assert not sources.have_failed(remotes)
            return found

    return asked, asyncio.run(all_of_it())


def test_the_first_registry_answers_alone() -> None:
    assert ask({"near.example": None, "docker.io": None}) == (["near.example"], "near.example")


@pytest.mark.parametrize("kind", [ManifestNotFound, Unreachable])
def test_the_next_registry_answers_for_one_that_does_not(kind: type[RegistryError]) -> None:
    answers = {"near.example": kind("no", registry="near.example"), "docker.io": None}
    assert ask(answers) == (["near.example", "docker.io"], "docker.io")


def test_a_registry_that_has_failed_is_left_out() -> None:
    answers = {"near.example": Unreachable("no", registry="near.example"), "docker.io": None}
    assert ask(answers, times=3)[0] == ["near.example", "docker.io", "docker.io", "docker.io"]


@pytest.mark.parametrize("kind", [ManifestNotFound, Unreachable, Offline])
def test_the_error_of_the_last_registry_counts(kind: type[RegistryError]) -> None:
    with pytest.raises(kind):
        ask({one: kind("no", registry=one) for one in ("near.example", "docker.io")})


def test_registries_that_all_have_failed_are_not_asked() -> None:
    async def work() -> None:
        async with RegistryClient(ClientSettings(is_offline=True)) as client:
            failures = Failures(lambda: datetime(2026, 1, 2, tzinfo=UTC))
            upstreams = Upstreams([Upstream.parse("docker.io")])
            sources = Sources(upstreams, client, failures, Counts())
            for _ in range(2):
                assert sources.has(TEAM)
                assert not sources.has(Repository("quay.io", "a/b"))
            failures.settle("docker.io", Unreachable("no", registry="docker.io"))
            assert sources.have_failed(sources.of(TEAM))
            with pytest.raises(RegistryUnavailable):
                sources.check(sources.of(TEAM))
            with pytest.raises(NotFound):
                sources.of(Repository("quay.io", "a/b"))
            sources.upstreams = Upstreams([Upstream.parse("quay.io")])
            assert not sources.has(TEAM)
            assert sources.has(Repository("quay.io", "a/b"))

    asyncio.run(work())
