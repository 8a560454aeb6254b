"""The settings of the client, and those of one registry. Nothing here reads the environment."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, final

from remote.http.proxies import NO_PROXIES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from remote.http.budgets import Budgets
    from remote.http.far_program import FarProgram
    from remote.http.proxies import Proxies


@final
@dataclass(frozen=True, slots=True)
class Timing:
    """The clock of the client. Tests replace it, so that no test waits.

    Args:
        monotonic: Seconds from a fixed moment.
        now: Seconds since 1970, to compare with the dates in answers.
        sleep: Waits for some seconds.
        jitter: A random number from 0 to 1, which spreads the retries of many clients.
    """

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random


@final
@dataclass(frozen=True, slots=True)
class ClientSettings:
    """The settings that hold for all registries. Each field has its unit in its name."""

    user_agent: str = "storectl"
    """The value of ``User-Agent``."""

    is_offline: bool = False
    """Whether every request is refused before a connection is opened."""

    retries: int = 3
    """How often a request is sent again after a fault that may pass."""

    max_wait_s: float = 60.0
    """The longest pause before a retry. A registry that asks for more fails the request."""

    connections_per_host: int = 8
    """The open connections to one host."""

    rate_bytes_s: int | None = None
    """The bytes per second of all transfers together; None for no limit."""

    connect_timeout_s: float = 30.0
    """The time for DNS, TCP and TLS."""

    idle_timeout_s: float = 60.0
    """The time without a byte after which a transfer has failed."""

    least_bytes_s: int = 500
    """The bytes per second below which an answer is too slow. The server asks as much of clients.

    Several bodies may share a slow line, so it is low.
    """

    least_window_s: float = 60.0
    """How long an answer has to be too slow. Only the time that is spent waiting for it counts."""

    document_timeout_s: float = 120.0
    """The time for a whole request whose answer has no blob."""

    commit_timeout_s: float = 900.0
    """The time that a registry may take to check a blob after its last byte was sent."""

    chunk_bytes: int | None = None
    """The size of the chunks of an upload; None to send a blob in one request."""

    proxies: Proxies = NO_PROXIES
    """The proxies for requests."""

    ca_files: tuple[Path, ...] = ()
    """Files with certificates of authorities that replace those of the system."""

    program: FarProgram | None = None
    """The program on another machine that gets all requests; None to connect to registries."""

    budgets: Budgets | None = None
    """Remembers how many more requests registries take; None to remember nothing."""

    timing: Timing = field(default_factory=Timing)
    """The clock."""


@final
@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """The settings of one registry."""

    plain_http: bool = False
    """Whether to use HTTP without TLS."""

    tls_verify: bool = True
    """Whether the certificate must be trusted. If not, HTTP without TLS is tried as well."""

    ca_files: tuple[Path, ...] = ()
    """Files with certificates of further authorities to trust for this registry."""

    client_certificates: tuple[tuple[Path, Path], ...] = ()
    """Certificates, each with its key, with which the client identifies itself."""

    address: str = ""
    """The host, with or without a port, that requests go to; empty for the registry's own."""


class RegistrySettingsSource(Protocol):
    """The places where settings of registries are kept, such as ``certs.d``."""

    def settings_for(self, registry: str) -> RegistrySettings:
        """Return the settings of a registry, as references name it."""
        ...


@final
@dataclass(frozen=True, slots=True)
class SameSettings:
    """The same settings for every registry."""

    settings: RegistrySettings = RegistrySettings()

    def settings_for(self, registry: str) -> RegistrySettings:  # noqa: ARG002
        """Return the settings."""
        return self.settings
