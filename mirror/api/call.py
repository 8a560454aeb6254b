"""One request, with its repository, its target and its caller."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, final

from mirror.origin.origins import address
from mirror.protocol.errors import WireError
from store.errors import InvalidDigest
from store.formats.distribution.errors import ErrorCode
from store.model.actors import Actor
from store.model.digests import Digest
from store.model.references import is_tag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

    from mirror.access import Action, Caller
    from mirror.service import Service
    from remote.through.cache import PullThrough
    from store.model.references import Repository

_MAX_QUOTED: Final = 160

_parse_cached: Final = lru_cache(maxsize=4096)(Digest.parse)
"""Clients send many requests for the same digest."""


@final
@dataclass(frozen=True, slots=True)
class Call:
    """A request for a repository, whose caller has the permission that the request needs.

    Args:
        service: The registry that answers the request.
        request: The HTTP request.
        repository: The repository that the path names.
        target: The last part of the path, unchecked: a tag, a digest or an upload's name; empty if
            the resource has none.
        caller: The caller, who has the permission that the request needs.
    """

    service: Service
    request: web.Request
    repository: Repository
    target: str
    caller: Caller

    @contextmanager
    def requiring(self, action: Action) -> Iterator[None]:
        """Raise after the block if the caller has lost its permission or its credentials meanwhile.

        Receive the body of a request in the block, because that can take long.

        Args:
            action: The action that the request needs.

        Raises:
            WireError: The caller has to log in again, or lacks the permission now.
        """
        credentials = self.service.authenticator.fingerprint(self.caller.user)
        yield
        self.service.require_unchanged(credentials, self.caller, action, self.repository)

    @property
    def upstream(self) -> PullThrough | None:
        """The upstream registries if one has the repository; None if none has it."""
        found = self.service.through
        return found if found is not None and found.has(self.repository) else None

    @property
    def actor(self) -> Actor:
        """The caller with its address, for the events that the request causes."""
        return Actor(self.caller.user, address(self.request))

    @property
    def digest(self) -> Digest:
        """The target as a digest.

        Raises:
            WireError: The target is not a digest.
        """
        return parse_digest(self.target)

    @property
    def tag_or_digest(self) -> str | Digest:
        """The target as a digest if it contains a colon, else as a tag.

        Raises:
            WireError: The target is neither a tag nor a digest.
        """
        return parse_digest(self.target) if ":" in self.target else parse_tag(self.target)


def parse_digest(text: str) -> Digest:
    """Parse a digest from a path or a parameter.

    Raises:
        WireError: The text is not a digest of a known algorithm.
    """
    try:
        return _parse_cached(text) if len(text) <= _MAX_QUOTED else Digest.parse(text)
    except InvalidDigest as exc:
        raise WireError(400, ErrorCode.DIGEST_INVALID, exc.message) from None


def parse_tag(text: str) -> str:
    """Return a tag from a path or a parameter, unchanged.

    Raises:
        WireError: The text is not a tag.
    """
    if not is_tag(text):
        raise WireError(400, ErrorCode.TAG_INVALID, f"invalid tag: {text[:_MAX_QUOTED]!r}")
    return text
