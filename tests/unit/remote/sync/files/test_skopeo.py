"""Sync files of skopeo."""

from __future__ import annotations

from pathlib import Path

import pytest

from remote.sync.sources import USUAL
from store.errors import InvalidInput
from tests.support.syncs import read

# The example of skopeo-sync(1), with other names.
WHOLE = """
registry.example.com:
    images:
        busybox: []
        redis:
            - "1.0"
            - 2.0
            - sha256:0000000000000000000000000000000011111111111111111111111111111111
    images-by-tag-regex:
        nginx: ^1\\.13\\.[12]-alpine-perl$
    credentials:
        username: john
        password: this is a secret
    tls-verify: true
    cert-dir: certs
quay.io:
    tls-verify: false
    images:
        coreos/etcd:
            - latest
    images-by-semver:
        alpine: ">= 3.12.0"
"""


def test_a_file_says_what_is_taken() -> None:
    every, redis, nginx, etcd, alpine = read(WHOLE).sources
    assert every.filter is not None
    assert every.filter.by_name(["1", "x"]) == ("1", "x")
    assert (redis.tags, len(redis.digests), redis.filter) == (("1.0", "2.0"), 1, None)
    assert nginx.filter is not None
    assert nginx.filter.by_name(["1.13.1-alpine-perl", "1.13.3-alpine-perl"]) == (
        "1.13.1-alpine-perl",
    )
    access = every.access
    assert (access.username, access.password) == ("john", "this is a secret")
    assert (access.tls_verify, access.cert_dir) == (True, Path("/folder/certs"))
    assert "secret" not in repr(access)
    assert str(etcd.repository) == "quay.io/coreos/etcd"
    assert etcd.access.tls_verify is False
    assert alpine.filter is not None
    assert alpine.filter.by_name(["3.11", "3.12", "3.20.1"]) == ("3.12", "3.20.1")
    assert read("quay.io: {images: {a: [b]}}").sources[0].access == USUAL


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quay.io: {images: {a: [b]}, image: {}}", "line 1: unknown key 'image' of the registry"),
        ("quay.io: {images: [a]}", "line 1: expected a table of images, found a list"),
        ("quay.io:\n  images:\n    A: [b]", "line 3: A: "),
        ("quay.io:\n  images:\n    a:1: [b]", "line 3: a:1: expected the name of a repository"),
        ("quay.io:\n  images:\n    a: [-b]", "line 3: a: invalid tag '-b'"),
        ("quay.io: {images: {a: ['sha256:1']}}", "line 1: a: "),
        ("quay.io: {images-by-tag-regex: {a: '[b'}}", "line 1: a: missing ]"),
        ("quay.io: {images-by-semver: {a: new}}", "line 1: a: invalid range"),
        ("quay.io: {images: {a: [b]}, tls-verify: 5}", "tls-verify: expected true or false"),
        ("quay.io: {images: {a: [b]}, credentials: {password: p}}", "it needs a username"),
        ("quay.io: {images: {a: [b]}, credentials: {user: p}}", "unknown key 'user'"),
        ("quay.io: {images: {}}", "it lists no images"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(text)
    assert message in caught.value.message
