"""Blobs of a repository: their sizes, and their bytes from any offset."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, final

from remote.auth.scopes import PULL, Scope
from remote.errors import BlobNotFound, FalseAnswer, InvalidAnswer, RegistryFailed
from remote.http.faults import Fault
from remote.registry.call import Call
from remote.registry.retries import Retries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from remote.registry.call import Answer
    from remote.registry.host import Host
    from store.model.digests import Descriptor, Digest

_WHOLE: Final = frozenset({200})
_PART: Final = frozenset({200, 206, 416})
_FOUND_OR_NOT: Final = frozenset({200, 404})
_RANGE: Final = re.compile(r"bytes (?P<first>[0-9]{1,19})-[0-9]{1,19}/(?:(?P<size>[0-9]{1,19})|\*)")


@final
class BlobReader:
    """The blobs of one repository.

    Args:
        host: The registry.
        name: The path of the repository.
    """

    def __init__(self, host: Host, name: str) -> None:
        self._host = host
        self._name = name

    async def size(self, digest: Digest) -> int | None:
        """Return the size of a blob in bytes, or None if the repository does not hold it."""
        call = self._call("HEAD", digest, accepted=_FOUND_OR_NOT)
        answer, _ = await self._host.document(call, 0)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.length_bytes is not None:
            return answer.length_bytes
        answer = await self._host.open(self._call("GET", digest))
        answer.release()
        if answer.length_bytes is None:
            raise call.fault(InvalidAnswer, "the answer does not state the blob's size")
        return answer.length_bytes

    @asynccontextmanager
    async def open(self, descriptor: Descriptor, offset: int) -> AsyncIterator[BlobBody]:
        """Open a blob at an offset, or at its beginning if the registry cannot do that."""
        body = BlobBody(self._host, self._call("GET", descriptor.digest), descriptor, offset)
        try:
            await body.begin()
            yield body
        finally:
            body.release()

    def _call(self, method: str, digest: Digest, *, accepted: frozenset[int] = _WHOLE) -> Call:
        return Call(
            method=method,
            path=f"{self._name}/blobs/{digest}",
            action=f"read blob {self._host.registry}/{self._name}@{digest}",
            registry=self._host.registry,
            repository=self._name,
            scopes=(Scope.of(self._name, PULL),),
            accepted=accepted,
            not_found=BlobNotFound,
        )


@final
class BlobBody:
    """The bytes of a blob as they arrive; they are not hashed here.

    Attributes:
        start: The offset of the first byte that is given.
    """

    def __init__(self, host: Host, call: Call, descriptor: Descriptor, offset: int) -> None:
        self.start = min(offset, descriptor.size_bytes)
        self._host = host
        self._call = call
        self._size = descriptor.size_bytes
        self._answer: Answer | None = None
        self._skip = 0
        self._retries = Retries(host.transport.settings)
        self._slow_bodies = 0
        self._slow_at = self.start

    async def begin(self) -> None:
        """Send the first request."""
        if self.start < self._size or not self._size:
            granted = await self._host.retried(self._call, lambda: self._request(self.start))
            self.start = granted

    def release(self) -> None:
        """End the request."""
        if self._answer is not None:
            self._answer.release()
            self._answer = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` to the end of the blob.

        Raises:
            FalseAnswer: The registry sends more or fewer bytes than the descriptor states.
            RegistryError: The connection ended, and retries did not help.
        """
        transport = self._host.transport
        position = self.start
        while self._answer is not None:
            try:
                async for piece in self._answer.chunks():
                    transport.received_bytes += len(piece)
                    await transport.rate.spend(len(piece))
                    fresh = piece
                    if self._skip:
                        fresh = piece[self._skip :]
                        self._skip -= len(piece) - len(fresh)
                    if not fresh:
                        continue
                    if position + len(fresh) > self._size:
                        raise self._too_long()
                    position += len(fresh)
                    self._retries.reset()
                    yield fresh
                if position == self._size:
                    return
                raise self._too_short(position)
            except Fault as fault:
                if fault.is_slow and position == self._size:
                    return
                position = await self._resume(position, fault)

    async def _resume(self, position: int, fault: Fault) -> int:
        """Send requests until the body goes on at ``position``; skip what is sent again."""
        if fault.is_slow:
            self._note_slow(position, fault)
        while True:
            self.release()
            await self._retries.pause(fault)
            try:
                self._skip = position - await self._request(position)
            except Fault as another:
                fault = another
            else:
                return position

    def _note_slow(self, position: int, fault: Fault) -> None:
        """Count the bodies that were too slow one after another, and raise if they are too many.

        The few bytes of a slow body do not allow further retries.
        """
        settings = self._host.transport.settings
        if position - self._slow_at >= settings.least_bytes_s * settings.least_window_s:
            self._slow_bodies = 0
        self._slow_bodies += 1
        self._slow_at = position
        if self._slow_bodies > settings.retries:
            raise fault.error from fault.__cause__

    async def _request(self, offset: int) -> int:
        """Ask for the bytes from an offset on, and return the offset granted: it, or 0."""
        call = self._call
        if offset:
            call = replace(call, headers={"Range": f"bytes={offset}-"}, accepted=_PART)
        answer = await self._host.attempt(call)
        try:
            granted = self._granted(answer, offset)
        except BaseException:
            answer.release()
            raise
        if granted is None:
            answer.release()
            answer = await self._host.attempt(self._call)
            granted = 0
        if answer.length_bytes not in {None, self._size - granted}:
            answer.release()
            raise self._call.fault(
                FalseAnswer,
                f"expected {self._size - granted} bytes, but the registry announces"
                f" {answer.length_bytes}",
            )
        self._answer = answer
        return granted

    def _granted(self, answer: Answer, offset: int) -> int | None:
        """Return the offset at which an answer begins; None if the range cannot be used."""
        if answer.status == HTTPStatus.OK:
            return 0
        match = _RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
        if answer.status != HTTPStatus.PARTIAL_CONTENT or match is None:
            return None
        size = match["size"]
        if size is not None and int(size) != self._size:
            raise self._call.fault(
                FalseAnswer,
                f"expected a blob of {self._size} bytes, but the registry announces {int(size)}",
            )
        return offset if int(match["first"]) == offset else None

    def _too_long(self) -> Exception:
        return self._call.fault(
            FalseAnswer, f"the registry sends more than the {self._size} bytes of the blob"
        )

    def _too_short(self, position: int) -> Fault:
        return Fault(
            self._call.fault(
                RegistryFailed,
                f"the answer ended after {position} of {self._size} bytes",
            ),
            is_transient=True,
        )
