"""Names of images with a transport, and the keys of credentials.

An accepted name is spelled as a text that reads back as the same place.
"""

from __future__ import annotations

from typing import Final

from remote.credentials.keys import Key
from remote.names import HostImage, Transport, parse_location
from store.errors import InvalidDigest, InvalidReference

MAX_BYTES: Final = 600
SEEDS: Final = (
    b"docker://debian:12",
    b"docker://localhost:5000/team/app:1.4@sha256:" + b"ab" * 32,
    b"store:app:1",
    b"oci:folder:registry.example/app:1",
    b"oci-archive:a.tar:@3",
    b"docker-archive:/a/b.tar:app:1",
    b"dir:/a:b",
    b"docker-daemon:sha256:" + b"0f" * 32,
    b"ssh://me@[::1]:22/srv/store::app:1",
    b"registry-tree:/var/lib/registry:team/app",
    b"https://index.docker.io/v1/",
    b"containers-storage:app",
)
TOKENS: Final = (
    *(transport.value.encode() for transport in Transport),
    b"::",
    b":@",
    b"@",
    b"[::1]",
    b":22",
    b"://",
    b"-o",
    b"\0",
    b"https://",
    b"docker.io",
)


def check(data: bytes) -> None:
    """Check that only InvalidReference and InvalidDigest are raised."""
    text = data.decode("utf-8", "surrogateescape")
    for default in (None, Transport.REGISTRY, Transport.STORE):
        try:
            found = parse_location(text, default)
        except (InvalidReference, InvalidDigest) as exc:
            assert exc.message.isprintable()
            assert exc.hint
            continue
        again = parse_location(str(found))
        assert str(again) == str(found)
        if isinstance(found, HostImage):
            # Neither may be taken for an option of ssh.
            assert not found.destination.startswith("-")
            assert not found.host.startswith("-")
    key = Key.of_entry(text)
    assert "/" not in key.registry
    try:
        parsed = Key.parse(text)
    except InvalidReference as exc:
        assert exc.message.isprintable()
        return
    assert Key.parse(str(parsed)) == parsed
    assert Key.of_entry(parsed.docker_spelling) == parsed
