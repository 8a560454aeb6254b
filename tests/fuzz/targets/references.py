"""Image references, repository names, digests and name patterns.

An accepted value is printed as a text that reads back as the same value.
"""

from __future__ import annotations

from typing import Final

from store.errors import InvalidDigest, InvalidReference
from store.formats.golang.path_match import compile_pattern
from store.model.digests import Digest
from store.model.references import Reference, Repository, is_tag

MAX_BYTES: Final = 600
SEEDS: Final = (
    b"debian:12",
    b"docker.io/library/debian",
    b"localhost:5000/team/app:1.4@sha256:" + b"ab" * 32,
    b"registry.example.org/a/b__c--d.e:_x",
    b"docker.io/foo.bar/baz",
    b"ab" * 32,
    b"index.docker.io/x@sha512:" + b"0f" * 64,
    b"[a-z]*/x?[^b]\\*",
    b"Team/App:1",
)
TOKENS: Final = (
    b"docker.io/",
    b"library/",
    b"index.",
    b"localhost",
    b"sha256:",
    b"sha512:",
    b"@",
    b":5000/",
    b"__",
    b"--",
    b"[^a-",
    b"\\",
    b"ab" * 16,
)


def check(data: bytes) -> None:
    """Check that only InvalidReference and InvalidDigest are raised."""
    text = data.decode("utf-8", "surrogateescape")
    _digest(text)
    _pattern(text)
    try:
        found = Reference.parse(text)
    except (InvalidReference, InvalidDigest) as exc:
        assert exc.message.isprintable()
        return
    assert Reference.parse(str(found)) == found
    assert found.tag is None or is_tag(found.tag)
    assert found.with_default_tag().with_default_tag() == found.with_default_tag()
    # Sixty-four hexadecimal digits alone are an ID; with a tag they are a name.
    tagged = found.with_default_tag()
    assert Reference.parse(tagged.familiar) == tagged
    assert Repository.parse(str(found.repository)) == found.repository
    assert compile_pattern(found.repository.path).fullmatch(found.repository.path)


def _digest(text: str) -> None:
    try:
        found = Digest.parse(text)
    except InvalidDigest as exc:
        assert exc.message.isprintable()
        return
    assert str(found) == text


def _pattern(text: str) -> None:
    pattern, slash, name = text.partition("|")
    try:
        compiled = compile_pattern(pattern)
    except InvalidReference as exc:
        assert exc.message.isprintable()
        return
    if slash and pattern.count("*") < 6:
        compiled.fullmatch(name)
