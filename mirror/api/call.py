"""One request, with what its path and its sender were found to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from mirror.protocol.errors import WireError
from store.errors import InvalidDigest
from store.model.digests import Digest
from store.model.references import is_tag

if TYPE_CHECKING:
    from aiohttp import web

    from mirror.access import Caller
    from mirror.service import Service
    from store.model.references import Repository


@final
@dataclass(frozen=True, slots=True)
class Call:
    """A request for something in a repository."""

    service: Service
    request: web.Request
    repository: Repository
    target: str
    caller: Caller

    @property
    def digest(self) -> Digest:
        """The target, which has to be a digest. Raises WireError."""
        return parse_digest(self.target)

    @property
    def tag_or_digest(self) -> str | Digest:
        """The target of a manifest's path. Raises WireError."""
        return parse_digest(self.target) if ":" in self.target else parse_tag(self.target)


def parse_digest(text: str) -> Digest:
    """A digest. Raises WireError."""
    try:
        return Digest.parse(text)
    except InvalidDigest as exc:
        raise WireError(400, "DIGEST_INVALID", exc.message) from None


def parse_tag(text: str) -> str:
    """A tag. Raises WireError."""
    if not is_tag(text):
        raise WireError(400, "TAG_INVALID", f"{text[:160]!r} is no tag")
    return text
