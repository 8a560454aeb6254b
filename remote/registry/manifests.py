"""Manifests of a repository: HEAD, GET and PUT."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final, final

from remote.auth.scopes import PULL, PUSH, Scope
from remote.errors import FalseAnswer, InvalidAnswer
from remote.registry.call import Call
from remote.registry.values import ManifestDocument, PutAnswer, Resolution
from store.errors import InvalidDigest, printable
from store.formats.distribution.media_types import declared_type
from store.formats.image.manifests import Document
from store.formats.image.media_types import SCHEMA_1
from store.model.digests import Descriptor, Digest
from store.model.limits import MIB
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remote.errors import RegistryError
    from remote.registry.call import Answer
    from remote.registry.host import Host
    from remote.registry.values import ManifestReference

MAX_MANIFEST_BYTES: Final = 4 * MIB
"""The size of a manifest (distribution-spec, "Pushing Manifests")."""

_DIGEST: Final = "Docker-Content-Digest"
_SUBJECT: Final = "OCI-Subject"
_READ: Final = frozenset({200})
_READ_IF_CHANGED: Final = frozenset({200, 304})
_PUT: Final = frozenset({200, 201, 202, 204})


@final
class Manifests:
    """The manifests of one repository.

    Args:
        host: The registry.
        name: The path of the repository.
    """

    def __init__(self, host: Host, name: str) -> None:
        self._host = host
        self._name = name

    async def head(self, reference: ManifestReference, accept: Sequence[str]) -> Resolution:
        """Return what the registry says about a manifest."""
        found = await self.head_if_changed(reference, "", accept)
        assert found is not None  # noqa: S101 - only a conditional request can have no answer
        return found

    async def head_if_changed(
        self, reference: ManifestReference, etag: str, accept: Sequence[str]
    ) -> Resolution | None:
        """Return what the registry says about a manifest; None if ``etag`` still holds."""
        call = self._call("HEAD", reference, "read", accept, etag=etag)
        answer, _ = await self._host.document(call, 0)
        if answer.status == HTTPStatus.NOT_MODIFIED:
            return None
        stated = _stated_digest(call, answer)
        media_type = declared_type(answer.headers.get("Content-Type", ""))
        if media_type in SCHEMA_1:
            raise _schema_1(call)
        length = answer.length_bytes
        if stated is None or length is None or not media_type:
            got = await self.get_if_changed(reference, etag, accept)
            return None if got is None else Resolution(got.descriptor, got.etag)
        if isinstance(reference, Digest) and stated != reference:
            raise _false_digest(call, reference, stated)
        return Resolution(Descriptor(media_type, stated, length), _etag(answer))

    async def get(self, reference: ManifestReference, accept: Sequence[str]) -> ManifestDocument:
        """Return a manifest."""
        found = await self.get_if_changed(reference, "", accept)
        assert found is not None  # noqa: S101 - only a conditional request can have no answer
        return found

    async def get_if_changed(
        self, reference: ManifestReference, etag: str, accept: Sequence[str]
    ) -> ManifestDocument | None:
        """Return a manifest; None if ``etag`` still holds."""
        call = self._call("GET", reference, "read", accept, etag=etag)
        answer, data = await self._host.document(call, MAX_MANIFEST_BYTES)
        if answer.status == HTTPStatus.NOT_MODIFIED:
            return None
        stated = _stated_digest(call, answer)
        wanted = reference if isinstance(reference, Digest) else stated
        digest = Digest.of(data, wanted.algorithm if wanted is not None else "sha256")
        if wanted is not None and digest != wanted:
            raise _false_digest(call, wanted, digest)
        if (
            stated is not None
            and stated != digest
            and (
                stated.algorithm == digest.algorithm or Digest.of(data, stated.algorithm) != stated
            )
        ):
            raise _false_digest(call, stated, digest)
        media_type = declared_type(answer.headers.get("Content-Type", ""))
        if media_type in SCHEMA_1:
            raise _schema_1(call)
        name = f"manifest {self._spell(reference)}"
        document = Document.parse(data, digest=digest, name=name)
        if media_type and media_type != document.media_type:
            if document.states_media_type:
                raise call.fault(
                    FalseAnswer,
                    f"the answer has the media type {printable(media_type[:120])!r}, but the"
                    f" manifest is {printable(document.media_type[:120])!r}",
                )
            document = Document.parse(data, digest=digest, media_type=media_type, name=name)
        return ManifestDocument(data, document, _etag(answer))

    async def put(
        self, reference: ManifestReference, document: bytes, media_type: str
    ) -> PutAnswer:
        """Send a manifest."""
        call = self._call("PUT", reference, "send", (), body=document, media_type=media_type)
        answer, _ = await self._host.document(call, MIB)
        algorithm = reference.algorithm if isinstance(reference, Digest) else "sha256"
        digest = Digest.of(document, algorithm)
        stated = _stated_digest(call, answer)
        if stated is not None and Digest.of(document, stated.algorithm) != stated:
            raise _false_digest(call, digest, stated)
        subject = _parse_digest(call, answer, _SUBJECT)
        return PutAnswer(digest if stated is None else stated, subject)

    def _call(
        self,
        method: str,
        reference: ManifestReference,
        verb: str,
        accept: Sequence[str],
        *,
        etag: str = "",
        body: bytes | None = None,
        media_type: str = "",
    ) -> Call:
        headers = {"Accept": ", ".join(accept)} if accept else {}
        if etag:
            headers["If-None-Match"] = etag
        if media_type:
            headers["Content-Type"] = media_type
        accepted = _PUT if method == "PUT" else _READ_IF_CHANGED if etag else _READ
        return Call(
            method=method,
            path=f"{self._name}/manifests/{reference}",
            action=f"{verb} manifest {self._spell(reference)}",
            registry=self._host.registry,
            repository=self._name,
            scopes=(Scope.of(self._name, PUSH if method == "PUT" else PULL),),
            headers=headers,
            body=body,
            accepted=accepted,
        )

    def _spell(self, reference: ManifestReference) -> str:
        mark = "@" if isinstance(reference, Digest) else ":"
        return f"{self._host.registry}/{self._name}{mark}{reference}"


def _etag(answer: Answer) -> str:
    return answer.headers.get("ETag", "")


def _stated_digest(call: Call, answer: Answer) -> Digest | None:
    return _parse_digest(call, answer, _DIGEST)


def _parse_digest(call: Call, answer: Answer, header: str) -> Digest | None:
    text = answer.headers.get(header, "").strip()
    if not text:
        return None
    try:
        return Digest.parse(text)
    except InvalidDigest as fault:
        reason = f"the answer has an invalid {header}: {printable(text[:160])!r}"
        raise call.fault(InvalidAnswer, reason) from fault


def _false_digest(call: Call, want: Digest, got: Digest) -> RegistryError:
    return call.fault(FalseAnswer, f'expected the digest "{want}", got "{got}"')


def _schema_1(call: Call) -> RegistryError:
    return call.fault(
        InvalidAnswer,
        "the registry has the image only as Docker's schema 1, which is not supported",
        remedy=Remedy.CONVERT_SCHEMA_1,
    )
