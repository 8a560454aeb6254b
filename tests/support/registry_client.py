"""A client that pushes, pulls and deletes images in many ways, and checks every digest."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

from store.model.digests import Digest
from tests.support.layouts import CONFIG, LAYER, MANIFEST, encode
from tests.support.raw_http import RawConnection, chunked, request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.raw_http import Reply

ACCEPT: Final = (("Accept", MANIFEST),)


class Refused(Exception):
    """The registry answered a request with a status that the client does not expect."""

    def __init__(self, what: str, reply: Reply) -> None:
        super().__init__(f"{what}: {reply.status} {reply.body[:300]!r}")
        self.status = reply.status


@final
@dataclass(frozen=True)
class Image:
    """A config and layers to push."""

    config: bytes
    layers: tuple[bytes, ...]

    @classmethod
    def of(cls, layers: Sequence[bytes], label: str) -> Image:
        """Return an image of ``layers`` whose config has the label ``label``."""
        diffs = [str(Digest.of(layer)) for layer in layers]
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {"label": label}},
            "rootfs": {"type": "layers", "diff_ids": diffs},
        }
        return cls(encode(config), tuple(layers))

    @property
    def blobs(self) -> dict[str, bytes]:
        """The config and the layers by digest."""
        return {str(Digest.of(blob)): blob for blob in (*self.layers, self.config)}

    @property
    def manifest(self) -> bytes:
        """The manifest as bytes."""

        def link(data: bytes, media_type: str) -> dict[str, object]:
            return {"mediaType": media_type, "digest": str(Digest.of(data)), "size": len(data)}

        layers = [link(layer, LAYER) for layer in self.layers]
        return encode(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": link(self.config, CONFIG),
                "layers": layers,
            }
        )

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        return str(Digest.of(self.manifest))


@final
@dataclass
class Client:
    """A client that connects again after its connection has ended.

    If the server is gone, methods raise OSError, BrokenFraming or Closed.
    """

    port: int
    chance: random.Random = field(default_factory=random.Random)
    answers: int = 0
    """The number of answers received so far."""
    _connection: RawConnection | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        fields: Sequence[tuple[str, str]] = (),
    ) -> Reply:
        """Send a request and return the answer, whatever its status."""
        return self._exchange(method, request(method, target, body, fields))

    def _exchange(self, method: str, data: bytes) -> Reply:
        if self._connection is None:
            self._connection = RawConnection(self.port)
        try:
            self._connection.send(data)
            reply = self._connection.reply(method)
        except BaseException:
            self.close()
            raise
        self.answers += 1
        if not reply.stays_open:
            self.close()
        return reply

    # --- pushing ----------------------------------------------------------------------------------

    def push(self, repository: str, image: Image, tag: str, *, others: Sequence[str] = ()) -> None:
        """Push an image under a tag; after this, the registry has promised to keep the image.

        ``others`` are repositories from which blobs may be mounted.
        """
        for digest, data in image.blobs.items():
            self.push_blob(repository, digest, data, others)
        reply = self.ask(
            "PUT", f"/v2/{repository}/manifests/{tag}", image.manifest, [("Content-Type", MANIFEST)]
        )
        if reply.status != 201 or reply.header("docker-content-digest") != image.digest:
            raise Refused(f"PUT {repository}:{tag}", reply)

    def push_blob(
        self, repository: str, digest: str, data: bytes, others: Sequence[str] = ()
    ) -> None:
        """Push a blob in a random way, or not at all if the repository already holds it."""
        base = f"/v2/{repository}/blobs"
        if self.chance.random() < 0.5 and self.ask("HEAD", f"{base}/{digest}").status == 200:
            return
        way = self.chance.choice(("at once", "streamed", "pieces", "mount", "anonymous mount"))
        if way == "at once":
            self._finished(self.ask("POST", f"{base}/uploads/?digest={digest}", data), digest)
            return
        query = ""
        if way == "mount" and others:
            query = f"?mount={digest}&from={self.chance.choice(others)}"
        elif way == "anonymous mount":
            query = f"?mount={digest}"
        begun = self.ask("POST", f"{base}/uploads/{query}", b"")
        if query and begun.status == 201:
            self._finished(begun, digest)
            return
        if begun.status != 202:
            raise Refused(f"POST {repository}", begun)
        place = str(begun.header("location"))
        if way == "streamed":
            head = request("PATCH", place, fields=[("Transfer-Encoding", "chunked")])
            middle = len(data) // 2
            self._accepted(self._exchange("PATCH", head + chunked(data[:middle], data[middle:])))
            self._finished(self.ask("PUT", f"{place}?digest={digest}", b""), digest)
            return
        piece = max(1, len(data) // 3)
        position = 0
        while position + piece < len(data):
            fields = [("Content-Range", f"{position}-{position + piece - 1}")]
            self._accepted(self.ask("PATCH", place, data[position : position + piece], fields))
            position += piece
        self._finished(self.ask("PUT", f"{place}?digest={digest}", data[position:]), digest)

    @staticmethod
    def _accepted(reply: Reply) -> None:
        if reply.status != 202:
            raise Refused("PATCH", reply)

    @staticmethod
    def _finished(reply: Reply, digest: str) -> None:
        if reply.status != 201:
            raise Refused(f"pushing {digest}", reply)

    # --- pulling ----------------------------------------------------------------------------------

    def pull(self, repository: str, image: Image, tag: str | None = None) -> None:
        """Fetch an image with all its blobs, and compare their bytes."""
        reply = self.ask("GET", f"/v2/{repository}/manifests/{tag or image.digest}", fields=ACCEPT)
        self._same(reply, image.manifest, f"{repository}:{tag or image.digest}")
        manifest = json.loads(reply.body)
        for link in (manifest["config"], *manifest["layers"]):
            self._same(
                self.ask("GET", f"/v2/{repository}/blobs/{link['digest']}"),
                image.blobs[link["digest"]],
                f"{repository}: {link['digest']}",
            )

    @staticmethod
    def _same(reply: Reply, data: bytes, what: str) -> None:
        if reply.status != 200:
            raise Refused(f"GET {what}", reply)
        if reply.body != data:
            raise AssertionError(
                f"{what}: {len(reply.body)} bytes, which differ from the pushed bytes"
            )

    # --- deleting ---------------------------------------------------------------------------------

    def delete(self, repository: str, path: str, *, may_be_gone: bool = False) -> None:
        """Delete a manifest, tag or blob that exists, or that a collection may have deleted."""
        reply = self.ask("DELETE", f"/v2/{repository}/{path}")
        if reply.status != 202 and not (may_be_gone and reply.status == 404):
            raise Refused(f"DELETE {repository}/{path}", reply)
