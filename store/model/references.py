"""Image references in Docker's grammar: parsed, normalised and printed.

Source: distribution/reference; docs/formats/docker-archive.md §5.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NoReturn, Self, final

from store.model.base_errors import InvalidReference, printable
from store.model.digests import Digest

DEFAULT_DOMAIN: Final = "docker.io"
OFFICIAL: Final = "library"
NAME_LIMIT: Final = 255

_LABEL: Final = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?")
_COMPONENT: Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_REFERENCE: Final = re.compile(
    rf"(?P<name>(?:{_DOMAIN.pattern}/)?{_PATH.pattern})"
    rf"(?::(?P<tag>{_TAG.pattern}))?"
    r"(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?"
)
_IDENTIFIER: Final = re.compile(r"[0-9a-f]{64}")
SYNTAX_HINT: Final = (
    "expected [registry/]name[:tag][@digest], for example team/app:1.4 or localhost:5000/app"
)


@final
@dataclass(frozen=True, slots=True, order=True)
class Repository:
    """A normalised repository name: a domain (``docker.io``) and a path (``library/debian``)."""

    domain: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a name without tag or digest.

        Raises:
            InvalidReference: The text is not a name, or has a tag or digest.
        """
        reference = Reference.parse(text)
        if reference.tag is not None or reference.digest is not None:
            _refuse("invalid repository name: expected a name without tag and digest", text)
        return cls(reference.repository.domain, reference.repository.path)

    @property
    def familiar(self) -> str:
        """The short form of the name: ``debian`` for ``docker.io/library/debian``."""
        first, slash, rest = self.path.partition("/")
        # Docker even shortens ``docker.io/foo.bar/baz``, and then reads the result as a name in the
        # registry foo.bar. That name stays unchanged here.
        if self.domain != DEFAULT_DOMAIN or (slash and _is_domain(first)):
            return str(self)
        return rest if first == OFFICIAL and rest and "/" not in rest else self.path

    def __str__(self) -> str:
        return f"{self.domain}/{self.path}"


@final
@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """The name of an image: a repository with a tag, a digest, both or neither.

    A missing tag stays missing until `with_default_tag` adds it.
    """

    repository: Repository
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse and normalise ``[domain/]path[:tag][@digest]``.

        Raises:
            InvalidReference: The text has a different form.
            InvalidDigest: The digest has an unknown algorithm or the wrong length.
        """
        if _IDENTIFIER.fullmatch(text):
            _refuse(
                f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings",
                text,
            )
        domain, remainder = _split_domain(text)
        if not remainder or len(text) > 2 * NAME_LIMIT + 300:
            _refuse("invalid reference format", text)
        if remainder.partition(":")[0].lower() != remainder.partition(":")[0]:
            _refuse("invalid reference format: repository name must be lowercase", text)
        match = _REFERENCE.fullmatch(f"{domain}/{remainder}")
        if match is None or not _DOMAIN.fullmatch(domain):
            _refuse("invalid reference format", text)
        path = match["name"].removeprefix(f"{domain}/")
        if len(match["name"]) > NAME_LIMIT:
            _refuse(f"repository name must not be more than {NAME_LIMIT} characters", text)
        digest = Digest.parse(match["digest"]) if match["digest"] else None
        return cls(Repository(domain, path), match["tag"], digest)

    @property
    def is_name_only(self) -> bool:
        """Whether the reference has neither a tag nor a digest."""
        return self.tag is None and self.digest is None

    def with_default_tag(self) -> Self:
        """Return the reference, with the tag ``latest`` if it has neither a tag nor a digest."""
        return type(self)(self.repository, "latest") if self.is_name_only else self

    @property
    def familiar(self) -> str:
        """The short form of the reference: ``debian:12``."""
        return self.repository.familiar + self._suffix()

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag is not None else "") + (
            f"@{self.digest}" if self.digest is not None else ""
        )

    def __str__(self) -> str:
        return str(self.repository) + self._suffix()


def is_tag(text: str) -> bool:
    """Return whether ``text`` is a valid tag."""
    return _TAG.fullmatch(text) is not None


def _split_domain(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if slash and _is_domain(first):
        domain, remainder = first, rest
    else:
        domain, remainder = DEFAULT_DOMAIN, text
    if domain == f"index.{DEFAULT_DOMAIN}":
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in remainder and remainder:
        remainder = f"{OFFICIAL}/{remainder}"
    return domain, remainder


def _is_domain(first: str) -> bool:
    """Return whether ``first``, the part of a name before its first slash, is a registry."""
    return "." in first or ":" in first or first == "localhost"


def _refuse(message: str, text: str) -> NoReturn:
    raise InvalidReference(f"{message}: {printable(text[:300])!r}", text=text, hint=SYNTAX_HINT)
