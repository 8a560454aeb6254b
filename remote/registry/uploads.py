"""Uploads of blobs: mounts, single requests, chunks, and what happens after a fault.

Source: distribution-spec, "Pushing a blob in chunks" and "Pushing a blob monolithically".
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, final
from urllib.parse import quote

from yarl import URL

from remote.auth.scopes import PULL, PUSH, Scope
from remote.errors import (
    AccessDenied,
    BlobNotFound,
    ContentRefused,
    InvalidAnswer,
    RegistryError,
    RemoteRepositoryNotFound,
    Unreachable,
)
from remote.http.faults import Fault
from remote.registry.call import Call
from remote.registry.redirects import resolve_location
from remote.registry.retries import Retries
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable

    from remote.registry.call import Answer
    from remote.registry.host import Host
    from store.model.digests import Descriptor, Digest

_SINGLE_BYTES: Final = MIB
"""The size up to which a blob is sent in the request that ends the upload."""

_CHUNK_BYTES: Final = 32 * MIB
"""The size of chunks after a registry has refused a whole blob as too large."""

_MAX_CHUNK_BYTES: Final = 1024 * MIB
_BEGUN: Final = frozenset({201, 202})
_TAKEN: Final = frozenset({202})
_STATUS: Final = frozenset({200, 202, 204})
_DONE: Final = frozenset({200, 201, 204})
_FOUND_OR_NOT: Final = frozenset({200, 404})
_BEHIND: Final = frozenset({409, 416})
_RANGE: Final = re.compile(r"(?:bytes=)?0-(?P<last>[0-9]{1,19})")


@final
class Uploads:
    """The uploads of one repository.

    Args:
        host: The registry.
        name: The path of the repository.
    """

    def __init__(self, host: Host, name: str) -> None:
        self._host = host
        self._name = name
        self._begun: dict[Digest, Answer] = {}

    async def mount(self, digest: Digest, source: str) -> bool:
        """Ask for a blob of another repository, and return whether this one now holds it."""
        call = replace(
            self._call("POST", f"{self._name}/blobs/uploads/", digest, accepted=_BEGUN),
            query={"mount": str(digest), "from": source},
            scopes=(Scope.of(self._name, PUSH), Scope.of(source, PULL)),
            body=b"",
        )
        try:
            answer, _ = await self._host.document(call, MIB)
        except (AccessDenied, RemoteRepositoryNotFound, InvalidAnswer, ContentRefused):
            # Whether the repository may be written to at all is seen when the blob is sent.
            return False
        if answer.status == HTTPStatus.CREATED:
            return True
        self._begun[digest] = answer
        return False

    async def send(
        self, descriptor: Descriptor, chunks: Callable[[int], AsyncIterable[bytes]]
    ) -> None:
        """Send a blob."""
        begun = self._begun.pop(descriptor.digest, None)
        upload = _Upload(self._host, self._name, descriptor, chunks)
        await upload.run(begun)

    def _call(
        self, method: str, path: str | URL, digest: Digest, *, accepted: frozenset[int]
    ) -> Call:
        return upload_call(self._host, self._name, method, path, digest, accepted=accepted)


@final
class _Upload:
    """One upload of one blob."""

    def __init__(
        self,
        host: Host,
        name: str,
        descriptor: Descriptor,
        chunks: Callable[[int], AsyncIterable[bytes]],
    ) -> None:
        self._host = host
        self._name = name
        self._digest = descriptor.digest
        self._size = descriptor.size_bytes
        self._chunks = chunks
        self._chunk_bytes = host.transport.settings.chunk_bytes
        self._retries = Retries(host.transport.settings)
        self._location: URL | None = None
        self._offset = 0
        self._source_error: BaseException | None = None
        self._is_resumed = False

    async def run(self, begun: Answer | None) -> None:
        """Send the blob, from the beginning or from where an earlier attempt stopped."""
        if begun is not None:
            self._accept(self._call("POST", "", _BEGUN), begun)
        while True:
            try:
                if self._is_resumed and await self._is_held():
                    return
                if self._location is None:
                    await self._begin()
                elif self._is_resumed:
                    await self._ask_offset()
                await self._send_rest()
            except Fault as fault:
                self._is_resumed = True
                await self._retries.pause(fault)
            except RegistryError as error:
                await self._mend(error)
            else:
                return

    async def _mend(self, error: RegistryError) -> None:
        """Prepare another attempt after a refusal, or raise the error."""
        if error.status in _BEHIND:
            # The registry has not yet stored all that it received before the fault.
            self._is_resumed = True
            await self._retries.pause(Fault(error, is_transient=True))
            return
        if self._may_cut(error):
            self._chunk_bytes = _CHUNK_BYTES
        elif isinstance(error, ContentRefused) and self._is_resumed:
            # The parts before and after the fault do not fit together. One upload without a pause
            # shows whether the blob itself is refused.
            self._is_resumed = False
        else:
            raise error
        self._location, self._offset = None, 0

    def _may_cut(self, error: RegistryError) -> bool:
        """Return whether smaller chunks may help: a proxy has a limit for bodies of requests."""
        return (
            error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            and self._chunk_bytes is None
            and self._size > _CHUNK_BYTES
        )

    async def _begin(self) -> None:
        call = replace(self._call("POST", f"{self._name}/blobs/uploads/", _BEGUN), body=b"")
        self._offset = 0
        answer = await self._host.attempt(call)
        answer.release()
        self._accept(call, answer)

    async def _ask_offset(self) -> None:
        """Ask how many bytes the registry has; a registry that has forgotten the upload has 0."""
        assert self._location is not None  # noqa: S101 - the caller has begun the upload
        call = self._call("GET", self._location, _STATUS)
        try:
            answer = await self._host.attempt(call)
        except (RemoteRepositoryNotFound, InvalidAnswer, ContentRefused):
            await self._begin()
            return
        answer.release()
        match = _RANGE.fullmatch(answer.headers.get("Range", "").strip())
        last = int(match["last"]) if match is not None else 0
        offset = last + 1 if last else 0
        if offset > self._size:
            raise call.fault(
                InvalidAnswer, f"the registry has {offset} bytes of a blob of {self._size}"
            )
        if offset > self._offset:
            self._retries.reset()
        self._offset = offset
        if answer.headers.get("Location"):
            self._accept(call, answer)

    async def _send_rest(self) -> None:
        step = self._chunk_bytes
        if step is None and self._size <= _SINGLE_BYTES and not self._offset:
            await self._finish(self._size)
            return
        while self._offset < self._size:
            end = self._size if step is None else min(self._size, self._offset + step)
            await self._send_chunk(end)
        await self._finish(self._size)

    async def _send_chunk(self, end: int) -> None:
        assert self._location is not None  # noqa: S101 - the caller has begun the upload
        call = self._call("PATCH", self._location, _TAKEN)
        headers = {"Content-Type": "application/octet-stream"}
        if self._is_resumed or end - self._offset < self._size:
            headers["Content-Range"] = f"{self._offset}-{end - 1}"
        answer = await self._send_body(replace(call, headers=headers), end)
        self._accept(call, answer)
        self._offset = end
        self._retries.reset()

    async def _finish(self, end: int) -> None:
        """End the upload, with the bytes that are not sent yet."""
        assert self._location is not None  # noqa: S101 - the caller has begun the upload
        url = self._location
        mark = "&" if url.raw_query_string else "?"
        target = URL(f"{url}{mark}digest={quote(str(self._digest))}", encoded=True)
        call = replace(
            self._call("PUT", target, _DONE),
            headers={"Content-Type": "application/octet-stream"},
            answer_timeout_s=self._host.transport.settings.commit_timeout_s,
        )
        await self._send_body(call, end)

    async def _send_body(self, call: Call, end: int) -> Answer:
        """Send the bytes from the current offset to ``end`` in one request."""
        start, settings = self._offset, self._host.transport.settings
        call = replace(call, headers={**call.headers, "Content-Length": str(end - start)})
        self._source_error = None
        try:
            async with asyncio.timeout(None) as stall:
                body = (lambda: self._body(start, end, stall)) if end > start else b""
                answer = await self._host.attempt(replace(call, body=body))
                answer.release()
                return answer
        except TimeoutError as fault:
            reason = f"the registry took no data for {settings.idle_timeout_s:.0f} s"
            raise Fault(call.fault(Unreachable, reason), is_transient=True) from fault
        except Fault:
            if self._source_error is not None:
                raise self._source_error from None
            raise

    async def _body(self, start: int, end: int, stall: asyncio.Timeout) -> AsyncIterator[bytes]:
        transport, clock = self._host.transport, asyncio.get_running_loop().time
        position = start
        try:
            async for piece in self._chunks(start):
                data = piece[: end - position]
                if not data:
                    continue
                await transport.rate.spend(len(data))
                transport.sent_bytes += len(data)
                position += len(data)
                # Only the time in which the registry does not read counts.
                stall.reschedule(clock() + transport.settings.idle_timeout_s)
                yield data
                stall.reschedule(None)
                if position == end:
                    return
        except Exception as error:
            self._source_error = error
            raise
        self._source_error = ValueError(f"{self._digest}: {position} of {end} bytes were given")
        raise self._source_error

    async def _is_held(self) -> bool:
        """Return whether the blob is there: the answer to the last request may have been lost."""
        call = self._call("HEAD", f"{self._name}/blobs/{self._digest}", _FOUND_OR_NOT)
        answer = await self._host.attempt(call)
        answer.release()
        return answer.status == HTTPStatus.OK

    def _accept(self, call: Call, answer: Answer) -> None:
        """Remember where the next request of the upload goes."""
        location = answer.headers.get("Location", "")
        if location or self._location is None:
            self._location = resolve_location(call, answer.url, location)
        smallest = answer.headers.get("OCI-Chunk-Min-Length", "")
        if self._chunk_bytes is not None and smallest.isascii() and smallest.isdigit():
            wanted = int(smallest) if len(smallest) < 12 else _MAX_CHUNK_BYTES  # noqa: PLR2004
            self._chunk_bytes = min(max(self._chunk_bytes, wanted), _MAX_CHUNK_BYTES)

    def _call(self, method: str, path: str | URL, accepted: frozenset[int]) -> Call:
        return upload_call(self._host, self._name, method, path, self._digest, accepted=accepted)


def upload_call(
    host: Host,
    name: str,
    method: str,
    path: str | URL,
    digest: Digest,
    *,
    accepted: frozenset[int],
) -> Call:
    """Return a request of an upload.

    Args:
        host: The registry.
        name: The path of the repository.
        method: The method.
        path: The path below ``/v2/``, or the URL that the registry named.
        digest: The digest of the blob.
        accepted: The statuses of success.
    """
    missing: type[RegistryError] = BlobNotFound if method == "HEAD" else RemoteRepositoryNotFound
    return Call(
        method=method,
        path=path,
        action=f"send blob {host.registry}/{name}@{digest}",
        registry=host.registry,
        repository=name,
        scopes=(Scope.of(name, PUSH),),
        accepted=accepted,
        not_found=missing,
    )
