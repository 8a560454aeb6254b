"""Every error that a registry, or the way to it, can cause.

::

    StoreError
    ├── NotFound
    │   ├── ManifestNotFound     the registry does not have the tag or manifest
    │   ├── BlobNotFound         the repository does not hold the blob
    │   └── RemoteRepositoryNotFound
    ├── InvalidInput
    │   ├── InvalidAnswer        an answer breaks the protocol, or contradicts itself
    │   │   └── FalseAnswer      the bytes, their size or their type are not what was promised
    │   ├── UnsafeTarget         an answer sends the client to a place where it must not go
    │   └── ContentRefused       the registry does not take a manifest or blob
    ├── AccessDenied             the registry refuses the credentials, or the action
    └── RegistryUnavailable
        ├── Unreachable          no connection: DNS, TCP, proxy, or time
        ├── CertificateRefused   the registry's certificate is not trusted
        ├── RegistryFailed       the registry reports a fault of its own, or ends its answer early
        ├── RateLimited          the registry asks the client to wait
        │   └── BudgetReached    the other requests that it takes for now are left to others
        └── Offline              the program must not open connections

Each error names the registry and the repository, and its message has the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from store.errors import InvalidInput, NotFound, StoreError, Unavailable

if TYPE_CHECKING:
    from store.model.base_errors import Advice


class RegistryError(StoreError):
    """An error that a registry, or the way to it, caused.

    Attributes:
        registry: The registry as references name it, for example ``docker.io``.
        repository: The repository; empty if the request was about the whole registry.
        status: The status of the answer; None if there was no answer.
    """

    def __init__(
        self,
        message: str,
        *,
        registry: str,
        repository: str = "",
        status: int | None = None,
        **advice: Unpack[Advice],
    ) -> None:
        super().__init__(message, **advice)
        self.registry = registry
        self.repository = repository
        self.status = status


class ManifestNotFound(RegistryError, NotFound):
    """A tag or manifest that the registry does not have."""

    usual_hint = "check the name and the tag: the registry may also hide what you may not read"


class BlobNotFound(RegistryError, NotFound):
    """A blob that the repository does not hold."""

    usual_hint = "the image is incomplete in the registry: push it there again"


class RemoteRepositoryNotFound(RegistryError, NotFound):
    """A repository that the registry does not have."""

    usual_hint = "check the name: the registry may also hide what you may not read"


class InvalidAnswer(RegistryError, InvalidInput):
    """An answer that breaks the rules of the protocol."""

    usual_hint = "check that the name and the port are those of a registry, and no web page"


class FalseAnswer(InvalidAnswer):
    """Bytes, a size or a media type that are not what the registry or a document promised."""

    usual_hint = (
        "the content was damaged in the registry or on the way: try again, then push it there again"
    )


class UnsafeTarget(RegistryError, InvalidInput):
    """An answer that sends the client to a place where it must not go."""

    usual_hint = "ask the operator of the registry: this is a faulty setup, or an attack"


class ContentRefused(RegistryError, InvalidInput):
    """A manifest or blob that the registry does not take."""

    usual_hint = "the registry's own log has more details; some registries take fewer media types"


class AccessDenied(RegistryError):
    """A request that the registry refuses for these credentials, or without credentials."""


class RegistryUnavailable(RegistryError, Unavailable):
    """A registry that cannot be used now.

    Attributes:
        retry_after_s: The seconds that the registry asks the client to wait; None if it does not
            say.
    """

    def __init__(
        self,
        message: str,
        *,
        registry: str,
        repository: str = "",
        status: int | None = None,
        retry_after_s: float | None = None,
        **advice: Unpack[Advice],
    ) -> None:
        super().__init__(message, registry=registry, repository=repository, status=status, **advice)
        self.retry_after_s = retry_after_s


class Unreachable(RegistryUnavailable):
    """A registry to which no connection can be made, or that is silent for too long."""

    usual_hint = "check the name, the network and the proxy"


class CertificateRefused(RegistryUnavailable):
    """A registry whose certificate is not trusted."""


class RegistryFailed(RegistryUnavailable):
    """A registry that reports a fault of its own, or ends its answers early."""

    usual_hint = "try again later"


class RateLimited(RegistryUnavailable):
    """A registry that asks the client to send fewer requests."""

    usual_hint = "try again later; registries often have higher limits for users who log in"


class BudgetReached(RateLimited):
    """A request that is not sent, because the registry takes few more, which others may need."""

    usual_hint = "run the command again later: what is left over is done then"


class Offline(RegistryUnavailable):
    """A request that is not sent, because the program must not open connections."""
