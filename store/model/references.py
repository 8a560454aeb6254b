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
_TAG_LIMIT: Final = 128
_TAG: Final = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_.-]{{0,{_TAG_LIMIT - 1}}}")
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._/:-]")
_HEX: Final = re.compile(r"[0-9a-fA-F]*")
_WILDCARDS: Final = frozenset("*?[")
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
            _refuse(_with_reason(text), text)
        if remainder.partition(":")[0].lower() != remainder.partition(":")[0]:
            _refuse(_with_reason(text, "repository name must be lowercase"), text)
        match = _REFERENCE.fullmatch(f"{domain}/{remainder}")
        if match is None or not _DOMAIN.fullmatch(domain):
            _refuse(_with_reason(text), text)
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


def _with_reason(text: str, usual: str = "") -> str:
    """Return the message for a text that is not a reference, with the first reason that applies.

    Args:
        text: The text.
        usual: The reason if no other one applies; empty for none.
    """
    return f"invalid reference format: {_form(text) or usual or _part(text)}"


def _form(text: str) -> str:
    """Return why a text is not even meant as a reference; empty if it may be."""
    if not text:
        return "the name is empty"
    scheme, is_url, _ = text.partition("://")
    if is_url:
        return f"it is a URL: leave out '{printable(scheme[:20])}://'"
    if text.startswith(("/", "./", "../", "~")):
        return "it is a path"
    if any(char.isspace() for char in text):
        return "it has a space"
    if not _WILDCARDS.isdisjoint(text):
        return "it has a wildcard"
    return ""


def _part(text: str) -> str:
    """Return which part of a reference is wrong, and why."""
    name, at, digest = text.partition("@")
    folders, _, last = name.rpartition("/")
    path, colon, tag = last.partition(":")
    return (
        (_digest_fault(digest) if at else "")
        or (_tag_fault(tag) if colon else "")
        or _name_fault(f"{folders}/{path}" if "/" in name else path)
    )


def _digest_fault(digest: str) -> str:
    algorithm, _, digits = digest.partition(":")
    wanted = {"sha256": 64, "sha512": 128}.get(algorithm)
    if wanted is None:
        return "a digest has the form sha256:HEX"
    if len(digits) != wanted:
        return f"a {algorithm} digest has {wanted} hexadecimal digits, not {len(digits)}"
    return "" if _HEX.fullmatch(digits) else "a digest has only the digits 0-9 and a-f"


def _tag_fault(tag: str) -> str:
    if not tag:
        return "the tag is empty"
    if len(tag) > _TAG_LIMIT:
        return f"a tag has at most {_TAG_LIMIT} characters, not {len(tag)}"
    if _TAG.fullmatch(tag):
        return ""
    return "a tag has only letters, digits, '_', '.' and '-', and begins with none of the last two"


def _name_fault(name: str) -> str:
    if "" in name.split("/"):
        return "a part of the name is empty"
    port = name.partition("/")[0].partition(":")[2]
    if port and not (port.isascii() and port.isdigit()):
        return f"the port {printable(port[:20])!r} of the registry is not a number"
    wrong = _NOT_IN_NAMES.search(name)
    if wrong is not None:
        return f"a name cannot have the character {printable(wrong[0])!r}"
    return "'.', '_' and '-' stand only between letters and digits"


def _refuse(message: str, text: str) -> NoReturn:
    raise InvalidReference(f"{message}: {printable(text[:300])!r}", text=text, hint=SYNTAX_HINT)
