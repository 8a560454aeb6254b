"""Random requests of the distribution specification, checked against a model of a registry.

The model predicts every answer and what is stored.

``STORECTL_FUZZ=2000`` makes a long run.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import uvloop
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, multiple, rule

from mirror.service import MirrorSettings
from store import Store
from store.maintenance.reports import Severity
from store.model.digests import Digest
from tests.support.layouts import CONFIG, EMPTY, INDEX, LAYER, MANIFEST, encode
from tests.support.mirror_in_process import InProcessMirror
from tests.support.raw_http import RawConnection, chunked, request
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.raw_http import Reply

EXAMPLES: Final = int(os.environ.get("STORECTL_FUZZ", "15"))


class Bytes(bytes):
    """Bytes that a failure report shows in short form."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>" if len(self) > 200 else super().__repr__()


REPOSITORIES: Final = ("app", "team/app", "example.org:5000/deep/er/app")
TAGS: Final = ("1", "2", "latest")
BLOBS: Final = (
    b"",
    b"{}",
    b"small",
    b"another",
    Bytes(70_000),
    Bytes(b"0123456789abcdef" * 90_000),
)
CONFIGS: Final = (
    b"{}",
    encode(
        {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(b"small"))]},
        }
    ),
)
EVERYTHING: Final = (*BLOBS, CONFIGS[1])
ALGORITHMS: Final = ("sha256", "sha256", "sha512")
ARTIFACT_TYPES: Final = ("text/a", "text/b")

repositories = st.sampled_from(REPOSITORIES)
blobs = st.sampled_from(EVERYTHING)
tags = st.sampled_from(TAGS)
algorithms = st.sampled_from(ALGORITHMS)


@dataclass
class Upload:
    """An upload session in progress."""

    repository: str
    place: str
    data: bytearray = field(default_factory=bytearray)


@dataclass
class Held:
    """The content that one repository of the model serves, by digest."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    subjects: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The subject and the artifact type of each manifest that has a subject."""


def link(data: bytes, media_type: str, algorithm: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of(data, algorithm)), "size": len(data)}


def image_of(algorithm: str, config: bytes, layers: Sequence[bytes]) -> tuple[str, bytes]:
    members = {
        "config": link(config, CONFIG, algorithm),
        "layers": [link(one, LAYER, algorithm) for one in layers],
    }
    return MANIFEST, encode({"schemaVersion": 2, "mediaType": MANIFEST, **members})


class RegistryMachine(RuleBasedStateMachine):
    """Random requests to a registry, compared with a model of it."""

    uploads = Bundle("uploads")
    documents = Bundle("documents")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="machine-"))
        self.held = {name: Held() for name in REPOSITORIES}
        self.live: list[Upload] = []
        self.start()

    def start(self) -> None:
        self.store = Store.open(self.folder / "store", create=True)
        self.served = InProcessMirror(self.store, MirrorSettings(), uvloop.new_event_loop)
        self.wire = RawConnection(self.served.port)

    def stop(self) -> None:
        self.wire.close()
        self.served.__exit__()
        self.store.close()

    def teardown(self) -> None:
        try:
            self._everything_is_there()
        finally:
            self.stop()
            shutil.rmtree(self.folder)

    def _everything_is_there(self) -> None:
        for name, held in self.held.items():
            for digest, data in held.blobs.items():
                assert self.ask("GET", f"/v2/{name}/blobs/{digest}").body == data
            for digest, (media_type, data) in held.manifests.items():
                reply = self.ask("GET", f"/v2/{name}/manifests/{digest}")
                assert (reply.body, reply.header("content-type")) == (data, media_type)
        # The layers of most images contradict their configs, which is a warning.
        assert [one for one in self.store.fsck() if one.severity is Severity.ERROR] == []
        folder = self.folder / "store" / "uploads"
        files = (
            {path.name: path.stat().st_size for path in folder.iterdir()} if folder.exists() else {}
        )
        assert files == {one.place.rpartition("/")[2]: len(one.data) for one in self.live}

    # --- exchanges --------------------------------------------------------------------------------

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        fields: Sequence[tuple[str, str]] = (),
    ) -> Reply:
        return self.exchange(method, request(method, target, body, fields))

    def exchange(self, method: str, data: bytes) -> Reply:
        self.wire.send(data)
        reply = self.wire.reply(method)
        if not reply.stays_open:
            assert self.wire.ends()
            self.wire = RawConnection(self.served.port)
        if reply.status >= 400 and method != "HEAD":
            assert (
                reply.header("content-type") == "application/json; charset=utf-8"
                or reply.header("content-type") == "application/json"
            )
            assert all(set(one) >= {"code", "message"} for one in reply.json["errors"])
        return reply

    def body(self, data: bytes, *, chunks: bool) -> tuple[bytes, list[tuple[str, str]]]:
        if chunks:
            return chunked(data[: len(data) // 3], data[len(data) // 3 :]), [
                ("Transfer-Encoding", "chunked")
            ]
        return data, [("Content-Length", str(len(data)))]

    # --- uploads ----------------------------------------------------------------------------------

    @rule(target=uploads, name=repositories)
    def begin(self, name: str) -> Upload:
        return self._begun(name, self.ask("POST", f"/v2/{name}/blobs/uploads/", b""))

    def _begun(self, name: str, reply: Reply) -> Upload:
        assert (reply.status, reply.header("range")) == (202, "0-0")
        upload = Upload(name, str(reply.header("location")))
        self.live.append(upload)
        return upload

    @rule(upload=uploads)
    def status(self, upload: Upload) -> None:
        reply = self.ask("GET", upload.place)
        if upload not in self.live:
            assert reply.status == 404
            return
        assert (reply.status, reply.header("range")) == (204, f"0-{max(0, len(upload.data) - 1)}")

    @rule(
        upload=uploads,
        data=blobs,
        ranged=st.sampled_from(("no", "right", "too far", "again")),
        chunks=st.booleans(),
    )
    def piece(self, upload: Upload, data: bytes, ranged: str, chunks: bool) -> None:
        body, fields = self.body(data, chunks=chunks)
        at = len(upload.data)
        first = {"too far": at + 5, "again": max(0, at - 3)}.get(ranged, at)
        if ranged != "no" and data:
            fields.append(("Content-Range", f"{first}-{first + len(data) - 1}"))
        reply = self.exchange("PATCH", request("PATCH", upload.place, fields=fields) + body)
        if upload not in self.live:
            assert reply.status == 404
        elif first != at and data:
            assert reply.status == 416
        else:
            assert reply.status == 202
            upload.data += data
            assert reply.header("range") == f"0-{max(0, len(upload.data) - 1)}"

    @rule(upload=uploads, data=st.sampled_from(BLOBS[2:]))
    def break_off(self, upload: Upload, data: bytes) -> None:
        """Break off a request body; the bytes that the server received before may count."""
        with RawConnection(self.served.port) as wire:
            wire.send(
                request(
                    "PATCH",
                    upload.place,
                    fields=[("Content-Length", str(len(data) + 1)), ("Expect", "100-continue")],
                )
            )
            # The server has read the request's head and asks for its body.
            assert wire.socket.recv(12) == b"HTTP/1.1 100"
            wire.send(data)
        until(lambda: self.served.connections <= 1)
        if upload in self.live:
            said = str(self.ask("GET", upload.place).header("range"))
            taken = min(1, len(upload.data)) if said == "0-0" else int(said.partition("-")[2]) + 1
            upload.data = (upload.data + data)[:taken]
            assert len(upload.data) == taken

    @rule(
        upload=consumes(uploads),
        data=blobs,
        algorithm=algorithms,
        lie=st.booleans(),
        chunks=st.booleans(),
    )
    def finish(self, upload: Upload, data: bytes, algorithm: str, lie: bool, chunks: bool) -> None:
        whole = bytes(upload.data) + data
        digest = str(Digest.of(b"a lie" if lie else whole, algorithm))
        body, fields = self.body(data, chunks=chunks)
        reply = self.exchange(
            "PUT", request("PUT", f"{upload.place}?digest={digest}", fields=fields) + body
        )
        if upload not in self.live:
            assert reply.status == 404
            return
        self.live.remove(upload)
        if lie:
            assert (reply.status, reply.json["errors"][0]["code"]) == (400, "DIGEST_INVALID")
        else:
            self._stored(upload.repository, digest, whole, reply)

    @rule(upload=consumes(uploads))
    def cancel(self, upload: Upload) -> None:
        reply = self.ask("DELETE", upload.place)
        assert reply.status == (204 if upload in self.live else 404)
        self.live = [one for one in self.live if one is not upload]

    @rule(
        name=repositories, data=blobs, algorithm=algorithms, lie=st.booleans(), chunks=st.booleans()
    )
    def at_once(self, name: str, data: bytes, algorithm: str, lie: bool, chunks: bool) -> None:
        digest = str(Digest.of(b"a lie" if lie else data, algorithm))
        body, fields = self.body(data, chunks=chunks)
        reply = self.exchange(
            "POST",
            request("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", fields=fields) + body,
        )
        if lie:
            assert (reply.status, reply.json["errors"][0]["code"]) == (400, "DIGEST_INVALID")
        else:
            self._stored(name, digest, data, reply)

    def _stored(self, name: str, digest: str, data: bytes, reply: Reply) -> None:
        assert (reply.status, reply.header("docker-content-digest")) == (201, digest)
        self.held[name].blobs[digest] = data
        assert self.ask("GET", str(reply.header("location"))).body == data

    @rule(
        target=uploads,
        name=repositories,
        data=blobs,
        algorithm=algorithms,
        source=st.none() | repositories,
    )
    def mount(self, name: str, data: bytes, algorithm: str, source: str | None) -> object:
        digest = str(Digest.of(data, algorithm))
        query = {"mount": digest} | ({} if source is None else {"from": source})
        reply = self.ask("POST", f"/v2/{name}/blobs/uploads/?{urlencode(query)}", b"")
        if any(digest in self.held[one].blobs for one in REPOSITORIES if source in (None, one)):
            self._stored(name, digest, data, reply)
            return multiple()
        return self._begun(name, reply)

    # --- blobs ------------------------------------------------------------------------------------

    @rule(
        name=repositories,
        data=blobs,
        algorithm=algorithms,
        method=st.sampled_from(("GET", "HEAD")),
        start=st.integers(0, 99),
        size=st.integers(0, 2**21),
    )
    def fetch(
        self, name: str, data: bytes, algorithm: str, method: str, start: int, size: int
    ) -> None:
        digest = str(Digest.of(data, algorithm))
        reply = self.ask(
            method,
            f"/v2/{name}/blobs/{digest}",
            fields=[("Range", f"bytes={start}-{start + size}")],
        )
        if digest not in self.held[name].blobs:
            assert reply.status == 404
        elif method == "HEAD":
            # Ranges apply to GET alone (RFC 9110 section 14.2).
            assert (reply.status, reply.header("content-length"), reply.body) == (
                200,
                str(len(data)),
                b"",
            )
        elif start >= len(data):
            assert (reply.status, reply.header("content-range")) == (416, f"bytes */{len(data)}")
        else:
            part = data[start : start + size + 1]
            assert (reply.status, reply.header("content-length")) == (206, str(len(part)))
            assert reply.body == part

    @rule(name=repositories, data=blobs, algorithm=algorithms)
    def delete_blob(self, name: str, data: bytes, algorithm: str) -> None:
        digest = str(Digest.of(data, algorithm))
        reply = self.ask("DELETE", f"/v2/{name}/blobs/{digest}")
        assert reply.status == (202 if self.held[name].blobs.pop(digest, None) is not None else 404)

    # --- manifests --------------------------------------------------------------------------------

    @initialize(target=documents, algorithm=algorithms)
    def an_image(self, algorithm: str) -> tuple[str, bytes]:
        return image_of(algorithm, CONFIGS[1], [b"small"])

    @rule(
        target=documents,
        algorithm=algorithms,
        config=st.sampled_from(CONFIGS),
        layers=st.lists(blobs, max_size=3),
    )
    def image(self, algorithm: str, config: bytes, layers: Sequence[bytes]) -> tuple[str, bytes]:
        return image_of(algorithm, config, layers)

    @rule(target=documents, children=st.lists(documents, max_size=3))
    def index(self, children: Sequence[tuple[str, bytes]]) -> tuple[str, bytes]:
        return INDEX, encode(
            {
                "schemaVersion": 2,
                "mediaType": INDEX,
                "manifests": [link(data, kind, "sha256") for kind, data in children],
            }
        )

    @rule(
        target=documents,
        subject=documents,
        artifact_type=st.sampled_from(ARTIFACT_TYPES),
        algorithm=algorithms,
    )
    def artifact(
        self, subject: tuple[str, bytes], artifact_type: str, algorithm: str
    ) -> tuple[str, bytes]:
        about = link(subject[1], subject[0], algorithm)
        members = {
            "artifactType": artifact_type,
            "config": link(b"{}", EMPTY, "sha256"),
            "layers": [link(b"{}", EMPTY, "sha256")],
            "subject": about,
        }
        return MANIFEST, encode({"schemaVersion": 2, "mediaType": MANIFEST, **members})

    @rule(
        name=repositories,
        document=documents,
        tag=st.none() | tags,
        algorithm=algorithms,
        more=st.lists(tags, max_size=2, unique=True),
    )
    def put(
        self,
        name: str,
        document: tuple[str, bytes],
        tag: str | None,
        algorithm: str,
        more: Sequence[str],
    ) -> None:
        media_type, data = document
        parsed = json.loads(data)
        digest = str(Digest.of(data, "sha256" if tag is not None else algorithm))
        query = "?" + urlencode([("tag", one) for one in more]) if more else ""
        reply = self.ask(
            "PUT",
            f"/v2/{name}/manifests/{tag or digest}{query}",
            data,
            [("Content-Type", media_type)],
        )
        held = self.held[name]
        needed = {
            one["digest"]
            for one in (
                *([parsed["config"]] if "config" in parsed else ()),
                *parsed.get("layers", ()),
            )
        }
        if needed - held.blobs.keys():
            assert (reply.status, reply.json["errors"][0]["code"]) == (404, "MANIFEST_BLOB_UNKNOWN")
            return
        assert (reply.status, reply.header("docker-content-digest")) == (201, digest)
        held.manifests[digest] = (media_type, data)
        for one in (*([tag] if tag is not None else ()), *more):
            held.tags[one] = digest
        if "subject" in parsed:
            assert reply.header("oci-subject") == parsed["subject"]["digest"]
            held.subjects[digest] = (parsed["subject"]["digest"], parsed["artifactType"])
        assert self.ask("GET", str(reply.header("location"))).body == data

    @rule(name=repositories, tag=tags, method=st.sampled_from(("GET", "HEAD")))
    def fetch_tag(self, name: str, tag: str, method: str) -> None:
        reply = self.ask(method, f"/v2/{name}/manifests/{tag}")
        digest = self.held[name].tags.get(tag)
        assert reply.status == (404 if digest is None else 200)
        if digest is not None:
            assert reply.header("docker-content-digest") == digest
            assert reply.header("content-length") == str(len(self.held[name].manifests[digest][1]))
            assert (
                self.ask(
                    "GET", f"/v2/{name}/manifests/{tag}", fields=[("If-None-Match", f'"{digest}"')]
                ).status
                == 304
            )

    @rule(name=repositories, tag=tags)
    def delete_tag(self, name: str, tag: str) -> None:
        reply = self.ask("DELETE", f"/v2/{name}/manifests/{tag}")
        assert reply.status == (202 if self.held[name].tags.pop(tag, None) is not None else 404)

    @rule(name=repositories, document=documents, algorithm=algorithms)
    def delete_manifest(self, name: str, document: tuple[str, bytes], algorithm: str) -> None:
        digest = str(Digest.of(document[1], algorithm))
        reply = self.ask("DELETE", f"/v2/{name}/manifests/{digest}")
        held = self.held[name]
        assert reply.status == (202 if held.manifests.pop(digest, None) is not None else 404)
        held.tags = {tag: one for tag, one in held.tags.items() if one != digest}
        held.subjects.pop(digest, None)

    # --- lists ------------------------------------------------------------------------------------

    @rule(name=repositories, size=st.none() | st.integers(1, 3))
    def list_tags(self, name: str, size: int | None) -> None:
        target: str | None = f"/v2/{name}/tags/list" + ("" if size is None else f"?n={size}")
        found: list[str] = []
        while target is not None:
            reply = self.ask("GET", target)
            if reply.status == 404:
                assert not self.held[name].tags
                return
            page = reply.json["tags"]
            assert size is None or len(page) <= size
            found += page
            following = reply.header("link")
            target = None if following is None else following[1:].partition(">")[0]
        assert found == sorted(self.held[name].tags)

    @rule()
    def catalog(self) -> None:
        shown = {
            name.removeprefix("library/")
            for name in self.ask("GET", "/v2/_catalog").json["repositories"]
        }
        assert shown == {name for name, held in self.held.items() if held.manifests}

    @rule(
        name=repositories,
        subject=documents,
        algorithm=algorithms,
        artifact_type=st.none() | st.sampled_from(ARTIFACT_TYPES),
    )
    def referrers(
        self, name: str, subject: tuple[str, bytes], algorithm: str, artifact_type: str | None
    ) -> None:
        digest = str(Digest.of(subject[1], algorithm))
        query = "" if artifact_type is None else "?" + urlencode({"artifactType": artifact_type})
        reply = self.ask("GET", f"/v2/{name}/referrers/{digest}{query}")
        assert (reply.status, reply.header("content-type")) == (200, INDEX)
        expected = {
            one
            for one, (about, kind) in self.held[name].subjects.items()
            if about == digest and artifact_type in (None, kind)
        }
        assert {one["digest"] for one in reply.json["manifests"]} == expected

    # --- servers ---------------------------------------------------------------------------------

    @rule()
    def collect(self) -> None:
        self.store.collect()

    @rule()
    def restart(self) -> None:
        self.stop()
        self.start()


TestRegistry = RegistryMachine.TestCase
TestRegistry.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
