"""A mirror with a secret, a public and an attacker's repository, and pushes to it."""

from __future__ import annotations

import base64
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import bcrypt
import uvloop

from mirror.access import Access, read_rules
from mirror.service import MirrorSettings
from store.model.digests import Digest
from tests.support import images
from tests.support.layouts import CONFIG, INDEX, LAYER, MANIFEST, encode
from tests.support.mirror_in_process import InProcessMirror

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store import Store
    from tests.support.mirror_in_process import Answer

RULES: Final = """
[[rule]]
repositories = ["secret/**", "public/**", "_/by-id"]
who = ["root"]
allow = ["read", "write", "delete"]

[[rule]]
repositories = ["public/**"]
who = ["@all"]
allow = ["read"]

[[rule]]
repositories = ["mallory/**"]
who = ["mallory"]
allow = ["read", "write", "delete"]
"""


@dataclass(frozen=True, slots=True)
class Pushed:
    """The bytes of a pushed manifest, and its digest."""

    data: bytes
    media_type: str = MANIFEST

    @property
    def digest(self) -> str:
        return str(Digest.of(self.data))

    def described(self, **members: object) -> dict[str, object]:
        """Return a descriptor of the manifest."""
        return {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": len(self.data),
            **members,
        }


class GuardedMirror:
    """A client of a mirror; each request names its user, or None for an anonymous request."""

    def __init__(self, mirror: InProcessMirror) -> None:
        self._mirror = mirror

    def __call__(
        self, user: str | None, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> Answer:
        if user is not None:
            given = base64.b64encode(f"{user}:{user}".encode()).decode()
            headers["Authorization"] = f"Basic {given}"
        return self._mirror(method, path, body, **headers)

    def blob(self, user: str, name: str, data: bytes) -> dict[str, object]:
        """Push a blob; return its descriptor."""
        digest = str(Digest.of(data))
        path = f"/v2/{name}/blobs/uploads/?digest={digest}"
        assert self(user, "POST", path, data).status == 201
        return {"mediaType": LAYER, "digest": digest, "size": len(data)}

    def manifest(self, user: str, name: str, tag: str, document: dict[str, Any]) -> Pushed:
        """Push a manifest or index with a tag; an empty tag pushes it by digest."""
        pushed = Pushed(encode(document), str(document.get("mediaType", MANIFEST)))
        path = f"/v2/{name}/manifests/{tag or pushed.digest}"
        answer = self(user, "PUT", path, pushed.data, Content_Type=pushed.media_type)
        assert answer.status == 201, answer.body
        return pushed

    def image(
        self,
        user: str,
        name: str,
        tag: str,
        *layers: bytes,
        config: bytes | None = None,
        **members: object,
    ) -> Pushed:
        """Push an image of uncompressed layers."""
        config = images.config(*layers) if config is None else config
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {**self.blob(user, name, config), "mediaType": CONFIG},
            "layers": [self.blob(user, name, layer) for layer in layers],
            **members,
        }
        return self.manifest(user, name, tag, document)

    def index(self, user: str, name: str, tag: str, *children: dict[str, object]) -> Pushed:
        """Push an index."""
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(children)}
        return self.manifest(user, name, tag, document)

    def referrer(self, user: str, name: str, subject: Pushed, kind: str = "a/b") -> Pushed:
        """Push an artifact with a subject."""
        empty = {**self.blob(user, name, b"{}"), "mediaType": "application/vnd.oci.empty.v1+json"}
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": kind,
            "config": empty,
            "layers": [],
            "subject": subject.described(),
        }
        return self.manifest(user, name, "", document)


@contextmanager
def guarded_mirror(store: Store, **settings: Any) -> Iterator[GuardedMirror]:  # noqa: ANN401
    """Serve a store under `RULES`; the password of each user is the user's name."""
    users = {
        user: bcrypt.hashpw(user.encode(), bcrypt.gensalt(rounds=4)) for user in ("root", "mallory")
    }
    access = Access(users, rules=read_rules(RULES))
    with InProcessMirror(
        store, MirrorSettings(access=access, **settings), uvloop.new_event_loop
    ) as mirror:
        yield GuardedMirror(mirror)
