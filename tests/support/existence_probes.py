"""Requests by which a client could find out whether the store has some content."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from store.model.digests import Digest
from tests.support import images
from tests.support.layouts import INDEX, MANIFEST, encode
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from store import Store
    from tests.support.guarded_mirror import GuardedMirror
    from tests.support.mirror_in_process import Answer

    Probe = Callable[[GuardedMirror, str], Answer]

SECRET: Final = images.layer("secret", b"topsecret")
_HEX: Final = re.compile(rb"[0-9a-f]{32,64}|here|gone|secret/(?:app|none)")
_HEADERS: Final = ("Content-Type", "Location", "Range", "WWW-Authenticate", "Docker-Content-Digest")


@dataclass(frozen=True, slots=True)
class Targets:
    """Names of content that mallory may not read; ``gone`` names content that is not stored."""

    here: str
    gone: str


def outcome(answer: Answer) -> tuple[object, ...]:
    """Return all that a client sees of an answer, without the names that the client sent."""
    headers = [(name, answer.headers.get(name, "")) for name in _HEADERS]
    # An archive holds the client's own manifests, which name the content.
    is_archive = answer.headers.get("Content-Type") == "application/x-tar"
    return (
        answer.status,
        len(answer.body) if is_archive else _HEX.sub(b"X", answer.body),
        [(name, _HEX.sub(b"X", value.encode())) for name, value in headers],
    )


def prepare(store: Store, ask: GuardedMirror) -> dict[str, Targets]:
    """Push the secret image and mallory's images; return the targets of probes, by kind."""
    secret = ask.image("root", "secret/app", "1", SECRET)
    ask.referrer("root", "secret/app", secret)
    inner = ask.index(
        "root",
        "secret/app",
        "i",
        secret.described(platform={"os": "linux", "architecture": "s390x"}),
    )
    upload = ask("root", "POST", "/v2/secret/app/blobs/uploads/").headers["Docker-Upload-UUID"]
    config = images.config(SECRET)
    targets = {
        "manifest": Targets(secret.digest, _absent("manifest")),
        "index": Targets(inner.digest, _absent("index")),
        "layer": Targets(str(Digest.of(SECRET)), _absent("layer")),
        "config": Targets(str(Digest.of(config)), _absent("config")),
        "upload": Targets(upload, "0" * 32),
        "repository": Targets("secret/app", "secret/none"),
    }
    for kind, media_type in (("manifest", MANIFEST), ("index", INDEX)):
        for which in ("here", "gone"):
            child = {
                "mediaType": media_type,
                "digest": getattr(targets[kind], which),
                "size": len(secret.data if kind == "manifest" else inner.data),
            }
            ask.index("mallory", "mallory/x", f"{kind}-{which}", child)
    for which, layer in (("here", SECRET), ("gone", b"gone")):
        claimed = images.config(layer, author=which)
        ask.image("mallory", "mallory/x", f"config-{which}", b"own layer", config=claimed)
    until(lambda: store.unverified_images(limit=1) == [])
    return targets


def _absent(text: str) -> str:
    return str(Digest.of(b"absent " + text.encode()))


def _request(
    method: str, path: str, *, body: bytes | None = None, user: str | None = "mallory"
) -> Probe:
    def send(ask: GuardedMirror, target: str) -> Answer:
        headers = {"Content_Type": MANIFEST} if "/manifests/new" in path else {}
        return ask(
            user,
            method,
            path.replace("TARGET", target),
            None if body is None else body.replace(b"TARGET", target.encode()),
            **headers,
        )

    return send


def _digests() -> dict[str, tuple[str, Probe]]:
    found: dict[str, tuple[str, Probe]] = {}
    for kind in ("manifest", "index", "layer", "config"):
        for method in ("GET", "HEAD", "DELETE"):
            for resource in ("manifests", "blobs"):
                path = f"/v2/mallory/x/{resource}/TARGET"
                found[f"{method} {resource} of {kind}"] = kind, _request(method, path)
        for method in ("GET", "HEAD"):
            path = "/v2/_/by-id/manifests/TARGET"
            found[f"{method} by ID of {kind}"] = kind, _request(method, path)
        for source in ("", "&from=secret/app"):
            path = f"/v2/mallory/x/blobs/uploads/?mount=TARGET{source}"
            found[f"mount of {kind}{source}"] = kind, _request("POST", path)
        found[f"referrers of {kind}"] = kind, _request("GET", "/v2/mallory/x/referrers/TARGET")
        document = encode(
            {
                "schemaVersion": 2,
                "config": {"mediaType": "a/b", "digest": "TARGET", "size": 9},
                "layers": [],
            }
        )
        path = "/v2/mallory/x/manifests/new"
        found[f"push with {kind}"] = kind, _request("PUT", path, body=document)
        for format_ in ("legacy", "docker", "oci"):
            path = f"/archives/{format_}/TARGET"
            found[f"{format_} archive by ID of {kind}"] = kind, _request("GET", path)
            anonymous = _request("GET", path, user=None)
            found[f"anonymous {format_} archive by ID of {kind}"] = kind, anonymous
    return found


def _archives() -> dict[str, tuple[str, Probe]]:
    """Return requests for archives of mallory's own images, which list the secret content."""
    found: dict[str, tuple[str, Probe]] = {}
    options = ("", "?platform=linux/amd64", "?platform=linux/s390x", "?sparse", "?referrers")
    for kind in ("manifest", "index", "config"):
        for format_ in ("legacy", "docker", "oci"):
            for option in options if format_ != "legacy" else options[:3]:
                path = f"/archives/{format_}/mallory/x:{kind}-TARGET{option}"
                for method in ("GET", "HEAD"):
                    name = f"{method} {format_} archive of {kind} {option}"
                    found[name] = f"{kind} tag", _request(method, path)
    return found


def _names() -> dict[str, tuple[str, Probe]]:
    found: dict[str, tuple[str, Probe]] = {}
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        path = "/v2/mallory/x/blobs/uploads/TARGET"
        if method == "PUT":
            path += f"?digest={_absent('upload')}"
        body = b"x" if method in ("PATCH", "PUT") else None
        found[f"{method} upload"] = "upload", _request(method, path, body=body)
    for user in ("mallory", None):
        for path in (
            "/v2/TARGET/manifests/1",
            "/v2/TARGET/tags/list",
            "/archives/oci/TARGET:1",
            f"/v2/TARGET/referrers/{_absent('x')}",
            f"/v2/TARGET/blobs/{_absent('x')}",
        ):
            found[f"{user} GET {path}"] = "repository", _request("GET", path, user=user)
    return found


PROBES: Final = _digests() | _archives() | _names()
"""The kind of the target and the request, by the name of the probe."""


def pair(targets: dict[str, Targets], kind: str) -> Targets:
    """Return the targets of a kind; the tags of mallory's images are targets as well."""
    return Targets("here", "gone") if kind.endswith(" tag") else targets[kind]
